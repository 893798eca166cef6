//! One connection to the database while it works, and how it ends.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::timeout;
use tokio_postgres::error::DbError;
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, Connection, Row, Statement};

use super::error::Trouble;
use super::socket::Socket;
use super::tls::Encrypted;
use xps_base::clock::Instant;

pub(crate) type Parameters<'a> = [&'a (dyn ToSql + Sync)];

/// How many rows are handed on at once at most.
const STREAMED: usize = 1024;

/// Who asks so soon behind an answer that was given up finds the server as silent as it was. (Later that may have come.)
const AT_ONCE: Duration = Duration::from_secs(2);

/// When a server was heard of last, as its connections report it.
pub(crate) type Heard = Rc<Cell<Option<Instant>>>;

/// A connection. What is sent over it is answered in that order, and may be sent before the answer to what was sent
/// before. It ends with this.
pub(crate) struct Wire {
    client: Client,
    driver: JoinHandle<()>,
    /// Closed when the connection is.
    end: watch::Receiver<()>,
    /// How many answers are waited for.
    awaited: Cell<usize>,
    /// When one was given up since the last came: it may be still to come.
    given_up: Cell<Option<Instant>>,
    /// When the last answer came, or the first of those that are to come was asked for.
    since: Cell<Instant>,
    is_cut: Cell<bool>,
    /// When anything was heard of the server, over any of its connections.
    heard: RefCell<Heard>,
    /// The number of the process that serves it; 0 where there is no such thing.
    pub(crate) process: Cell<i32>,
}

impl Wire {
    pub(crate) fn start(client: Client, connection: Connection<Socket, Encrypted>) -> Rc<Self> {
        let (open, end) = watch::channel(());
        let driver = spawn_local(async move {
            drive(connection).await;
            drop(open);
        });
        Rc::new(Self {
            client,
            driver,
            end,
            awaited: Cell::new(0),
            given_up: Cell::new(None),
            since: Cell::new(Instant::now()),
            is_cut: Cell::new(false),
            heard: RefCell::default(),
            process: Cell::new(0),
        })
    }

    pub(crate) async fn ended(&self) {
        // Nothing is ever sent.
        let _ = self.end.clone().changed().await;
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.is_cut.get() || self.client.is_closed() || self.driver.is_finished()
    }

    /// Reports each answer there.
    pub(crate) fn report_to(&self, heard: Heard) {
        *self.heard.borrow_mut() = heard;
    }

    /// Ends it. Whoever waits for an answer will never know it.
    pub(crate) fn cut(&self) {
        self.is_cut.set(true);
        self.driver.abort();
    }

    /// For how long an answer is overdue, and nothing has come.
    pub(crate) fn silent_for(&self) -> Option<Duration> {
        (self.awaited.get() > 0).then(|| self.since.get().elapsed())
    }

    pub(crate) async fn prepare(&self, text: &str) -> Result<Statement, tokio_postgres::Error> {
        self.answer(self.client.prepare(text)).await
    }

    /// Has a statement carried out, which goes out when this is first polled.
    pub(crate) async fn query(
        &self,
        statement: &Statement,
        parameters: &Parameters<'_>,
    ) -> Result<Vec<Row>, Trouble> {
        Ok(self
            .answer(self.client.query(statement, parameters))
            .await?)
    }

    /// The same for a statement without parameters whose rows may be too many to be held: some at a time are handed on, as
    /// long as more are wanted. Waits for some so long at most.
    pub(crate) async fn stream(
        &self,
        statement: &Statement,
        patience: Duration,
        mut take: impl AsyncFnMut(Vec<Row>) -> bool,
    ) -> Result<(), Trouble> {
        let mut awaited = Awaited::of(self);
        let late = |_| Trouble::Lost("it took too long".to_owned());
        let none: [i32; 0] = [];
        let begun = timeout(patience, self.client.query_raw(statement, none)).await;
        let mut rows = pin!(begun.map_err(late)??.ready_chunks(STREAMED));
        while let Some(some) = timeout(patience, rows.next()).await.map_err(late)? {
            self.heard.borrow().set(Some(Instant::now()));
            awaited.has_come();
            if !take(some.into_iter().collect::<Result<_, _>>()?).await {
                break;
            }
        }
        awaited.has_come();
        Ok(())
    }

    /// The same for a statement that was not prepared.
    pub(crate) async fn ask(
        &self,
        text: &str,
        parameters: &Parameters<'_>,
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        self.answer(self.client.query(text, parameters)).await
    }

    /// Has statements without parameters and results carried out; goes out when this is first polled.
    pub(crate) async fn run(&self, text: &str) -> Result<(), tokio_postgres::Error> {
        self.answer(self.client.batch_execute(text)).await
    }

    async fn answer<T>(
        &self,
        asking: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, tokio_postgres::Error> {
        let mut awaited = Awaited::of(self);
        let answer = asking.await;
        awaited.has_come();
        if answer.is_ok() {
            self.heard.borrow().set(Some(Instant::now()));
        }
        answer
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.cut();
    }
}

/// An answer that is waited for, until it is dropped.
struct Awaited<'a> {
    wire: &'a Wire,
    has_come: bool,
}

impl<'a> Awaited<'a> {
    fn of(wire: &'a Wire) -> Self {
        let given_up = wire.given_up.get();
        let goes_on = given_up.is_some_and(|it| it.elapsed() < AT_ONCE);
        if wire.awaited.get() == 0 && !goes_on {
            wire.since.set(Instant::now());
        }
        wire.awaited.set(wire.awaited.get() + 1);
        Self {
            wire,
            has_come: false,
        }
    }

    /// It has come, or a part of it.
    fn has_come(&mut self) {
        self.has_come = true;
        self.wire.given_up.set(None);
        self.wire.since.set(Instant::now());
    }
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        let Self { wire, has_come } = self;
        wire.awaited.set(wire.awaited.get().saturating_sub(1));
        if !*has_come {
            wire.given_up.set(Some(Instant::now()));
        }
    }
}

/// Moves what goes over the connection, until it ends.
async fn drive(mut connection: Connection<Socket, Encrypted>) {
    loop {
        match poll_fn(|context| connection.poll_message(context)).await {
            Some(Ok(AsyncMessage::Notice(notice))) if is_unreplicated(&notice) => {
                tracing::warn!(
                    "somebody has cancelled the wait for a synchronous standby on the database: what was to be \
                     acknowledged is looked at again"
                );
                // The answer that follows says that all is well. It must not be believed.
                return;
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                tracing::debug!(
                    "a connection to the database has ended: {}",
                    super::error::plain(&error)
                );
                return;
            }
            None => return,
        }
    }
}

/// Whether the server says that a commit is on its own disk alone, because the wait for a standby was cancelled. The
/// words of it are in the server's language.
fn is_unreplicated(notice: &DbError) -> bool {
    notice.routine() == Some("SyncRepWaitForLSN")
        || notice.message().contains("synchronous replication")
}
