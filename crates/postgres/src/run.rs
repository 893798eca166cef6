//! The thread of the database, and what runs on it.

use std::io;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::runtime::Builder;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{sleep, timeout};

use super::count;
use super::error::OpenError;
use super::finder::{Finder, SILENCE};
use super::settings::Settings;
use super::shared::Shared;
use super::state::State;
use super::sweep;
use super::turns;
use super::work::Item;
use super::writer::Writer;
use xps_base::clock::Instant;
use xps_store::{Done, SetError, Work};

/// How many groups of each connection that writes are under way: while one is carried out, the next is on its way.
const GROUPS: usize = 2;

/// What is held while there is no primary; what comes beyond is told so at once.
const HELD_ITEMS: usize = 16 * 1024;
const HELD_BYTES: usize = 64 * 1024 * 1024;

/// How often those are told whose time is up.
const EXPIRE_EVERY: Duration = Duration::from_millis(250);

/// How often connections are looked at.
const WATCH_EVERY: Duration = Duration::from_secs(1);

/// How often an idle connection is used, so that somebody notices when the server has gone.
const BEAT_EVERY: Duration = Duration::from_secs(2);

/// How long closing waits for what is under way.
const CLOSE: Duration = Duration::from_secs(4);

/// What is asked of the thread.
pub(crate) enum Message {
    Work(Work, Done, Instant),
    Ask(Ask),
    /// A sign of life is wanted.
    Reached(Box<dyn FnOnce() + Send>),
    Count,
    Close,
}

/// Something to be done on the thread.
pub(crate) type Ask = Box<dyn FnOnce(Rc<State>) -> Pin<Box<dyn Future<Output = ()>>> + Send>;

/// Whether a store that cannot be reached yet is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Open {
    Now,
    Whenever,
}

/// Runs until it is told to close; `opened` is told whether there is a store.
pub(crate) fn run(
    settings: Arc<Settings>,
    shared: Arc<Shared>,
    messages: UnboundedReceiver<Message>,
    open: Open,
    opened: &SyncSender<Result<(), OpenError>>,
) {
    let tell = |result| drop(opened.send(result));
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return tell(Err(OpenError::NoThread(error.to_string()))),
    };
    let local = LocalSet::new();
    local.block_on(&runtime, async {
        let finder = Finder::new(Arc::clone(&settings), Arc::clone(&shared));
        match finder.open().await {
            Ok(()) => {}
            Err(error) if open == Open::Whenever && error.may_pass() => finder.report(&error),
            Err(error) => return tell(Err(error)),
        }
        tell(Ok(()));
        let state = State::new(settings, shared, finder);
        start(&state);
        serve(&state, messages).await;
    });
    drop(local);
    // A name that is being looked up must not hold up the end.
    runtime.shutdown_background();
}

/// A runtime of this thread alone.
pub(crate) fn runtime() -> io::Result<tokio::runtime::Runtime> {
    Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
}

fn start(state: &Rc<State>) {
    spawn_local(Rc::clone(&state.finder).run());
    for slot in state.slots() {
        let (settings, shared) = (Arc::clone(&state.settings), Arc::clone(&state.shared));
        spawn_local(Rc::clone(slot).keep(settings, shared, Rc::clone(&state.finder)));
    }
    for slot in state.writers.iter().flat_map(|slot| [slot; GROUPS]) {
        let writer = Writer {
            state: Rc::clone(state),
            slot: Rc::clone(slot),
        };
        spawn_local(async move {
            // A panic costs the group that met it: its jobs are told that they have failed.
            while AssertUnwindSafe(writer.run()).catch_unwind().await.is_err() {}
        });
    }
    spawn_local(expire(Rc::clone(state)));
    spawn_local(watch(Rc::clone(state)));
    spawn_local(beat(Rc::clone(state)));
    spawn_local(turns::keep(Rc::clone(state)));
    spawn_local(sweep::run(Rc::clone(state)));
}

/// Does what is asked, until it is told to close.
async fn serve(state: &Rc<State>, mut messages: UnboundedReceiver<Message>) {
    let mut is_counting = false;
    let mut inbox = Vec::new();
    'open: loop {
        if messages.recv_many(&mut inbox, 1024).await == 0 {
            break;
        }
        for message in inbox.drain(..) {
            match message {
                Message::Work(work, done, since) => accept(state, work, done, since),
                Message::Ask(ask) => drop(spawn_local(ask(Rc::clone(state)))),
                Message::Reached(tell) => tell(),
                Message::Count if is_counting => {}
                Message::Count => {
                    is_counting = true;
                    spawn_local(count::run(Rc::clone(state)));
                }
                Message::Close => break 'open,
            }
        }
        state.board.announce();
    }
    // Whatever else has come is told that it has failed.
    drop((inbox, messages));
    state.board.announce();
    close(state).await;
}

fn accept(state: &State, work: Work, done: Done, since: Instant) {
    let (items, bytes) = state.board.waiting();
    let is_much = items >= HELD_ITEMS || bytes >= HELD_BYTES;
    let deadline = since + state.settings.hold;
    if deadline <= Instant::now() || state.shared.failed() && is_much {
        return done.tell(Err(SetError::Unreachable));
    }
    state.board.add(Item::new(work, done, deadline));
}

async fn close(state: &State) {
    state.is_closing.set(true);
    if !state.shared.failed() {
        // What takes longer is answered below.
        let _ = timeout(CLOSE, state.board.emptied()).await;
    }
    state.expire(Instant::now() + state.settings.hold);
}

/// Tells those whose time is up.
async fn expire(state: Rc<State>) {
    loop {
        sleep(EXPIRE_EVERY).await;
        state.expire(Instant::now());
    }
}

/// Looks for connections that are silent although something is waited for.
async fn watch(state: Rc<State>) {
    loop {
        sleep(WATCH_EVERY).await;
        let connected = state.finder.connected.get();
        state.shared.observe(|it| it.connected(connected));
        let (mut silent, mut is_stuck) = (Vec::new(), false);
        for slot in state.slots() {
            let ready = slot.now().filter(|ready| {
                let silent_for = ready.wire.silent_for();
                silent_for.is_some_and(|it| it >= SILENCE)
            });
            if let Some(ready) = ready {
                is_stuck |= slot.serves_requests();
                silent.push(Rc::clone(&ready.wire));
            }
        }
        state.shared.set_stuck(is_stuck);
        if is_stuck && state.shared.is_news("stuck") {
            tracing::error!(
                "the database does not get on with what it was sent; does it wait for a synchronous standby?"
            );
        }
        if !silent.is_empty() {
            state.finder.suspect_silent(&silent);
        }
    }
}

/// Uses a connection now and then, and sees whether there is a synchronous standby where that is required.
async fn beat(state: Rc<State>) {
    loop {
        sleep(BEAT_EVERY).await;
        let ready = state.aside.ready().await;
        let begun = Instant::now();
        let Ok(rows) = ready.wire.query(&ready.statements.alive, &[]).await else {
            continue;
        };
        state.shared.observe(|it| it.round_trip(begun.elapsed()));
        if rows
            .first()
            .is_some_and(|row| matches!(row.try_get(0), Ok(false)))
        {
            state.finder.suspect();
        }
    }
}
