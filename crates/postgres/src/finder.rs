//! Which server is the primary: one place decides for all connections.
//!
//! Of several that take writes, the one whose timeline is the highest is right: a standby that becomes the primary
//! begins a new one. The highest that was ever seen never goes down again. A server that nobody has told that it is
//! not the primary any more can be found here all the same, where no other host can be reached; but it cannot prove
//! what it says (`lease`), nor acknowledge anything, as its standby has gone.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::HashSet;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use super::error::OpenError;
use super::lease::GRACE;
use super::look::{self, Look, Question};
use super::server::Server;
use super::settings::Settings;
use super::shared::Shared;
use super::wire::{Heard, Wire};

/// The pause between two looks while there is no primary.
const PAUSE: Duration = Duration::from_millis(300);

/// The pause after a look in any case.
const SHORTEST: Duration = Duration::from_millis(100);

/// Every so many looks wait for all hosts.
const PATIENT_EVERY: usize = 4;

/// That of a server that never was a standby, and so has no predecessor.
const FIRST_TIMELINE: i64 = 1;

/// How long a connection may be silent before somebody looks whether its server still works for it.
pub(crate) const SILENCE: Duration = Duration::from_secs(5);

/// The server that is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Primary {
    /// Each change of the primary begins another.
    pub(crate) epoch: u64,
    /// The place of the host.
    pub(crate) at: usize,
    pub(crate) timeline: i64,
    pub(crate) started: i64,
}

pub(crate) struct Finder {
    settings: Arc<Settings>,
    shared: Arc<Shared>,
    primary: watch::Sender<Option<Primary>>,
    wanted: Notify,
    /// Connections that are silent.
    silent: RefCell<Vec<Weak<Wire>>>,
    /// Hosts that did not answer at the last look, and how many looks there were.
    hanging: RefCell<HashSet<usize>>,
    looks: Cell<usize>,
    epochs: Cell<u64>,
    highest: Cell<i64>,
    last: Cell<Option<usize>>,
    /// The mark of the store, once it was opened.
    mark: RefCell<Option<String>>,
    /// When the primary was heard of last, and how many connections to it there are.
    pub(crate) heard: Heard,
    pub(crate) connected: Rc<Cell<usize>>,
}

impl Finder {
    pub(crate) fn new(settings: Arc<Settings>, shared: Arc<Shared>) -> Rc<Self> {
        shared.set_failed(true);
        Rc::new(Self {
            settings,
            shared,
            primary: watch::Sender::new(None),
            wanted: Notify::new(),
            silent: RefCell::default(),
            hanging: RefCell::default(),
            looks: Cell::new(0),
            epochs: Cell::new(0),
            highest: Cell::new(0),
            last: Cell::new(None),
            mark: RefCell::default(),
            heard: Heard::default(),
            connected: Rc::default(),
        })
    }

    /// The first look, which makes the store where there is none.
    pub(crate) async fn open(&self) -> Result<(), OpenError> {
        let look = self.look(&[]).await;
        self.take(&look).await
    }

    /// Looks again whenever somebody wants it, and all the time while there is no primary.
    pub(crate) async fn run(self: Rc<Self>) {
        loop {
            let found = self.primary.borrow().is_some();
            match found {
                true => self.wanted.notified().await,
                // Whoever wants it cannot want it sooner.
                false => drop(timeout(PAUSE, self.wanted.notified()).await),
            }
            let silent: Vec<Rc<Wire>> = self
                .silent
                .take()
                .iter()
                .filter_map(Weak::upgrade)
                .collect();
            let processes: Vec<i32> = silent.iter().map(|wire| wire.process.get()).collect();
            let look = self.look(&processes).await;
            let was_open = self.mark.borrow().is_some();
            match self.take(&look).await {
                Ok(()) => self.cut_forgotten(&look, &silent),
                // What is wrong at the first contact stays wrong; later somebody may be about to put it right.
                Err(error) if !was_open && !error.may_pass() => {
                    self.shared.lose(&error.to_string());
                }
                Err(error) => self.report(&error),
            }
            sleep(SHORTEST).await;
        }
    }

    /// Has the hosts looked at again, because something is wrong with a connection.
    pub(crate) fn suspect(&self) {
        self.wanted.notify_one();
    }

    /// The same for connections that do not answer.
    pub(crate) fn suspect_silent(&self, wires: &[Rc<Wire>]) {
        *self.silent.borrow_mut() = wires.iter().map(Rc::downgrade).collect();
        self.suspect();
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Option<Primary>> {
        self.primary.subscribe()
    }

    async fn look(&self, processes: &[i32]) -> Look {
        // A host that hangs must not delay the moment in which another is found to be the primary. Now and then it is
        // given its time all the same: it may only be slow.
        let looks = self.looks.get();
        self.looks.set(looks.wrapping_add(1));
        let is_patient = !processes.is_empty() || looks.is_multiple_of(PATIENT_EVERY);
        let hanging = match is_patient {
            true => HashSet::new(),
            false => self.hanging.take(),
        };
        let question = Question {
            settings: &self.settings,
            ensure: self.mark.borrow().is_none(),
            silent: &hanging,
            highest: self.highest.get(),
            processes,
        };
        let look = look::around(&question).await;
        *self.hanging.borrow_mut() = look::silent(&look);
        look
    }

    /// Takes note of what was seen; `Err` says why there is no primary.
    async fn take(&self, look: &Look) -> Result<(), OpenError> {
        let Some((at, server, mark)) = self.best(look) else {
            let trouble = look::trouble(look, &self.settings, self.highest.get());
            if self.is_heard() && trouble.is_about_connections() {
                // It lets nobody else in, or takes long for that, and works.
                return Ok(());
            }
            self.primary.send_replace(None);
            self.shared.set_failed(true);
            return Err(trouble);
        };
        if server.timeline > self.highest.get().max(FIRST_TIMELINE) {
            // Its predecessor may be read still, by a lease that somebody holds.
            sleep(GRACE).await;
        }
        self.mark
            .borrow_mut()
            .get_or_insert_with(|| mark.to_owned());
        self.highest.set(server.timeline);
        let found = Primary {
            epoch: self.epochs.get(),
            at,
            timeline: server.timeline,
            started: server.started,
        };
        // After a while without any, it may still be the same.
        if self.primary.borrow().as_ref() != Some(&found) {
            self.change(found, &server.version);
        }
        Ok(())
    }

    /// The primary among those that were seen, and the mark of its store.
    fn best<'a>(&self, look: &'a Look) -> Option<(usize, &'a Server, &'a str)> {
        let (highest, last) = (self.highest.get(), self.last.get());
        let ours = |found: &str| self.mark.borrow().as_ref().is_none_or(|mark| mark == found);
        let candidates = look.iter().filter_map(|(at, seen)| {
            let seen = seen.as_ref().ok()?;
            let mark = seen.meta.as_ref()?.mark.as_str();
            (ours(mark) && seen.server.timeline >= highest).then_some((*at, &seen.server, mark))
        });
        candidates.max_by_key(|(at, server, _)| (server.timeline, last == Some(*at), Reverse(*at)))
    }

    /// Whether the primary still answers over the connections that there are.
    fn is_heard(&self) -> bool {
        let heard = self.heard.get();
        self.connected.get() > 0 && heard.is_some_and(|then| then.elapsed() < SILENCE)
    }

    fn change(&self, found: Primary, version: &str) {
        if self.last.replace(Some(found.at)).is_some() {
            self.shared.observe(|it| it.failed_over());
        }
        tracing::info!(
            "the database is at {} ({})",
            self.settings.host(found.at),
            version.split(" on ").next().unwrap_or_default()
        );
        let epoch = self.epochs.get() + 1;
        self.epochs.set(epoch);
        self.primary.send_replace(Some(Primary { epoch, ..found }));
        self.shared.set_failed(false);
    }

    /// Cuts the connections that the primary does not work for: it never got what they sent, or its answer was lost.
    /// One that works for longer than usual, because it waits for a standby or a lock, is left alone: a write cannot be
    /// taken back, and another connection would wait for the same.
    fn cut_forgotten(&self, look: &Look, silent: &[Rc<Wire>]) {
        let at = self.primary.borrow().as_ref().map(|it| it.at);
        let seen = look.iter().find(|(it, _)| Some(*it) == at);
        let busy = seen
            .and_then(|(_, seen)| seen.as_ref().ok())
            .map(|seen| &seen.busy);
        for wire in silent {
            let works = busy.is_some_and(|busy| busy.contains(&wire.process.get()));
            if !works && wire.silent_for().is_some_and(|it| it >= SILENCE) {
                tracing::debug!("a connection to the database has been silent for too long");
                wire.cut();
            }
        }
    }

    pub(crate) fn report(&self, error: &OpenError) {
        if self.shared.is_news("unreachable") {
            tracing::error!(
                "{error}; this is tried again all the time, and requests wait for up to {} s",
                self.settings.hold.as_secs()
            );
        }
    }
}
