//! A connection that is always there, or made again.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::connect::{CONNECT, Useless, connect, within};
use super::error::plain;
use super::finder::{Finder, Primary};
use super::server::{Server, Use, set_up};
use super::settings::Settings;
use super::shared::Shared;
use super::statements::Statements;
use super::turns::Session;
use super::wire::Wire;
use xps_base::clock;

/// The pause after a connection that could not be made.
const PAUSE: Duration = Duration::from_millis(200);

/// A connection with all that it takes to use it.
pub(crate) struct Ready {
    pub(crate) wire: Rc<Wire>,
    pub(crate) statements: Statements,
    /// Of the primary.
    pub(crate) epoch: u64,
    /// The machine's uptime when it was made.
    pub(crate) made: Duration,
    /// For whoever has turns over it.
    pub(crate) session: Arc<Session>,
}

impl Drop for Ready {
    fn drop(&mut self) {
        self.session.end();
    }
}

/// The place of a connection.
pub(crate) struct Slot {
    with: Use,
    ready: watch::Sender<Option<Rc<Ready>>>,
    /// How many of all there are.
    connected: Rc<Cell<usize>>,
}

impl Slot {
    pub(crate) fn new(with: Use, connected: Rc<Cell<usize>>) -> Rc<Self> {
        Rc::new(Self {
            with,
            ready: watch::Sender::new(None),
            connected,
        })
    }

    /// The connection, as soon as there is one.
    pub(crate) async fn ready(&self) -> Rc<Ready> {
        let mut ready = self.ready.subscribe();
        loop {
            if let Some(ready) = &*ready.borrow_and_update()
                && !ready.wire.has_ended()
            {
                return Rc::clone(ready);
            }
            if ready.changed().await.is_err() {
                // Not while there is a slot.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Whether requests wait for it: what else is asked may take long.
    pub(crate) fn serves_requests(&self) -> bool {
        self.with != Use::Aside
    }

    /// The connection, if there is one now.
    pub(crate) fn now(&self) -> Option<Rc<Ready>> {
        let ready = self.ready.borrow().clone();
        ready.filter(|ready| !ready.wire.has_ended())
    }

    /// Keeps a connection to whichever server is the primary.
    pub(crate) async fn keep(
        self: Rc<Self>,
        settings: Arc<Settings>,
        shared: Arc<Shared>,
        finder: Rc<Finder>,
    ) {
        let mut primary = finder.watch();
        loop {
            let found = primary.borrow_and_update().clone();
            let Some(found) = found else {
                if primary.changed().await.is_err() {
                    return;
                }
                continue;
            };
            let is_other = |it: &Option<Primary>| it.as_ref() != Some(&found);
            let made = tokio::select! {
                made = within(2 * CONNECT, make(&settings, &found, self.with)) => made,
                _ = primary.wait_for(is_other) => continue,
            };
            match made {
                Ok(ready) => {
                    ready.wire.report_to(Rc::clone(&finder.heard));
                    let wire = Rc::clone(&ready.wire);
                    self.put(Some(Rc::new(ready)));
                    tokio::select! {
                        () = wire.ended() => {}
                        _ = primary.wait_for(is_other) => {}
                    }
                    // Whoever waits for an answer of the old one has to ask the new one.
                    wire.cut();
                    self.put(None);
                    finder.suspect();
                }
                Err(useless) => {
                    if shared.is_news("connection") {
                        let host = settings.host(found.at);
                        tracing::warn!(
                            "no connection to the database at {host}: {}",
                            useless.reason()
                        );
                    }
                    finder.suspect();
                    sleep(PAUSE).await;
                }
            }
        }
    }

    fn put(&self, ready: Option<Rc<Ready>>) {
        let count = self.connected.get();
        self.connected.set(match &ready {
            Some(_) => count + 1,
            None => count.saturating_sub(1),
        });
        self.ready.send_replace(ready);
    }
}

/// Connects to the primary, which must be that still.
async fn make(settings: &Settings, primary: &Primary, with: Use) -> Result<Ready, Useless> {
    let useless = |error| Useless::Now(plain(&error));
    let wire = connect(settings, primary.at).await?;
    let server = Server::ask(&wire).await.map_err(useless)?;
    if server.is_standby || server.is_read_only || server.timeline != primary.timeline {
        return Err(Useless::Now("it is not the primary any more".to_owned()));
    }
    set_up(&wire, &server, with).await?;
    let statements = Statements::prepare(&wire, &server, settings.require_synchronous);
    let statements = statements.await.map_err(useless)?;
    Ok(Ready {
        wire,
        statements,
        epoch: primary.epoch,
        made: clock::uptime(),
        session: Arc::default(),
    })
}
