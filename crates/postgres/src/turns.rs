//! The turns of owners among all instances: locks of the server's, which belong to the session that took them.
//!
//! All of an instance are taken over the connection that reads, and gone with it. The server ends a session from which it
//! has not heard for [`GONE_AFTER`], so an instance that was killed, stopped or cut off has none for longer than that.
//! It knows so too: it counts on its turns only for [`SURE_FOR`] from when it sent what was answered last.
//!
//! Time is the machine's uptime, as in `lease`: whoever was stopped meanwhile finds that it has gone on.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use futures_util::future::join;
use tokio::sync::oneshot;
use tokio::time::sleep;
use tokio_postgres::types::ToSql;

use super::error::Trouble;
use super::keys;
use super::reader::refusal;
use super::slot::Ready;
use super::state::State;
use xps_base::clock::{self, Instant};
use xps_store::{Hold, Owner, ReadError, Take, Taken};

/// How long a session may be silent before the server ends it.
pub(crate) const GONE_AFTER: Duration = Duration::from_secs(8);

/// How long what was answered says that the session is there.
const SURE_FOR: Duration = Duration::from_secs(6);

/// How often it gives a sign of life.
const EVERY: Duration = Duration::from_secs(2);

/// What is known of a session, by whoever has turns over it.
#[derive(Debug, Default)]
pub(crate) struct Session {
    has_ended: AtomicBool,
    /// When something was sent that was answered, in milliseconds of uptime.
    heard: AtomicU64,
}

impl Session {
    /// Something was answered that was sent at this moment of uptime.
    fn heard_at(&self, sent: Duration) {
        self.heard.fetch_max(millis(sent), Relaxed);
    }

    /// Its turns are gone.
    pub(crate) fn end(&self) {
        self.has_ended.store(true, Relaxed);
    }

    fn is_there(&self, now: Duration) -> bool {
        let sure_for = millis(now).saturating_sub(self.heard.load(Relaxed));
        !self.has_ended.load(Relaxed) && u128::from(sure_for) < SURE_FOR.as_millis()
    }
}

fn millis(uptime: Duration) -> u64 {
    u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX)
}

/// A turn.
#[derive(Debug)]
struct Lock {
    session: Arc<Session>,
    /// Dropped with this.
    _give_back: oneshot::Sender<()>,
}

impl Hold for Lock {
    fn is_held(&self) -> bool {
        self.session.is_there(clock::uptime())
    }
}

/// Gives signs of life, whether anybody has a turn or not.
pub(crate) async fn keep(state: Rc<State>) {
    loop {
        sleep(EVERY).await;
        if let Some(ready) = state.reader.now() {
            let sent = clock::uptime();
            // Where it is lost, others see to that.
            if ready.wire.query(&ready.statements.alive, &[]).await.is_ok() {
                ready.session.heard_at(sent);
            }
        }
    }
}

/// Takes the turn of an owner if nobody has it, and gives it back when what was told is dropped.
pub(crate) async fn serve(state: &Rc<State>, owner: &Owner, asked: Instant, take: Take) {
    let deadline = state.deadline(asked);
    let key = keys::number(owner);
    loop {
        let ready = state.ready(&state.reader, deadline).await;
        let Some(ready) = ready.filter(|_| Instant::now() < deadline) else {
            return take.tell(Err(ReadError::Unreachable));
        };
        match try_once(state, &ready, owner, key, asked).await {
            Ok(None) => return take.tell(Ok(None)),
            Ok(Some((taken, given_back))) => {
                take.tell(Ok(Some(taken)));
                return give_back(&ready, key, given_back).await;
            }
            Err(trouble) => {
                if state.trouble(&ready, &trouble).await.is_some() {
                    return take.tell(Err(refusal(&trouble)));
                }
            }
        }
    }
}

/// Takes it, and reads what is noted, in one go. With it comes what ends when it is to be given back.
async fn try_once(
    state: &Rc<State>,
    ready: &Ready,
    owner: &Owner,
    key: i64,
    asked: Instant,
) -> Result<Option<(Taken, oneshot::Receiver<()>)>, Trouble> {
    let sent = clock::uptime();
    let parameters: [&(dyn ToSql + Sync); 1] = [&key];
    let taking = ready.wire.query(&ready.statements.take, &parameters);
    // It is carried out behind that, so it is as of then.
    let parameters: [&(dyn ToSql + Sync); 1] = [&owner.as_str()];
    let noting = state.read(ready, asked, &ready.statements.noted, &parameters);
    let (taken, noted) = join(taking, noting).await;
    let is_taken = taken?.first().map(|row| row.try_get(0)).transpose()?;
    if is_taken != Some(true) {
        return Ok(None);
    }
    ready.session.heard_at(sent);
    let noted = noted.inspect_err(|_| {
        // The lock must not stay with a session that does not know of it.
        ready.wire.cut();
    })?;
    let note = noted.first().map(|row| row.try_get(0)).transpose();
    let (tell, given_back) = oneshot::channel();
    let hold = Box::new(Lock {
        session: Arc::clone(&ready.session),
        _give_back: tell,
    });
    let note = note.map_err(|_| ReadError::Failed);
    Ok(Some((Taken { hold, note }, given_back)))
}

/// Gives a lock back as soon as it is time for that.
async fn give_back(ready: &Ready, key: i64, given_back: oneshot::Receiver<()>) {
    tokio::select! {
        // Nothing is ever sent.
        _ = given_back => {}
        () = ready.wire.ended() => {}
    }
    if ready.wire.has_ended() {
        return ready.session.end();
    }
    let unlock = &ready.statements.give_back;
    if let Err(trouble) = ready.wire.query(unlock, &[&key]).await {
        // Nobody could have it while the session lives.
        tracing::debug!("a turn was not given back: {trouble}");
        ready.wire.cut();
    }
}
