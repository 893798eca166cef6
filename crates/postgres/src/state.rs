//! What the tasks of the database's thread share.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join;
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout_at};
use tokio_postgres::{Row, Statement};

use super::board::Board;
use super::error::Trouble;
use super::finder::Finder;
use super::known::Known;
use super::lease::Lease;
use super::server::Use;
use super::settings::Settings;
use super::shared::Shared;
use super::slot::{Ready, Slot};
use super::wire::Parameters;
use super::work::Job;
use xps_base::clock::{self, Instant};
use xps_base::random;
use xps_store::{Recent, SetError};

/// How long a connection is waited for before somebody looks whether the wait makes sense still.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The longest pause after another statement was in the way.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// The room for what is known of owners: that of some 20,000 with a few elements each.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

pub(crate) struct State {
    pub(crate) settings: Arc<Settings>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) finder: Rc<Finder>,
    pub(crate) board: Board,
    pub(crate) cache: RefCell<Recent<Known>>,
    pub(crate) lease: Lease,
    /// One for each connection that writes.
    pub(crate) writers: Vec<Rc<Slot>>,
    pub(crate) reader: Rc<Slot>,
    /// For what takes long; the reader where there is no more.
    pub(crate) aside: Rc<Slot>,
    /// What is under way, by numbers.
    groups: RefCell<HashMap<u64, Rc<Vec<Job>>>>,
    next_group: Cell<u64>,
    in_doubt: Cell<usize>,
    /// How many queries are read together: as many as lately came within the bytes for that.
    pub(crate) together: Cell<usize>,
    /// Whether the store is being closed: nothing waits for a server any more that is not there.
    pub(crate) is_closing: Cell<bool>,
}

impl State {
    pub(crate) fn new(
        settings: Arc<Settings>,
        shared: Arc<Shared>,
        finder: Rc<Finder>,
    ) -> Rc<Self> {
        let slot = |with| Slot::new(with, Rc::clone(&finder.connected));
        let reader = slot(Use::Turns);
        let aside = match settings.has_aside() {
            true => slot(Use::Aside),
            false => Rc::clone(&reader),
        };
        Rc::new(Self {
            writers: (0..settings.writers())
                .map(|_| slot(Use::Requests))
                .collect(),
            reader,
            aside,
            settings,
            shared,
            finder,
            board: Board::default(),
            cache: RefCell::new(Recent::new(CACHE_BYTES)),
            lease: Lease::default(),
            groups: RefCell::default(),
            next_group: Cell::new(0),
            in_doubt: Cell::new(0),
            together: Cell::new(1),
            is_closing: Cell::new(false),
        })
    }

    /// Each connection once.
    pub(crate) fn slots(&self) -> impl Iterator<Item = &Rc<Slot>> {
        let aside = Some(&self.aside).filter(|_| self.settings.has_aside());
        let others = [Some(&self.reader), aside];
        self.writers.iter().chain(others.into_iter().flatten())
    }

    /// Takes note of what is under way, until what is returned is dropped: then its owners are free again, and who still
    /// waits is told that it has failed.
    pub(crate) fn begin(self: &Rc<Self>, jobs: Vec<Job>) -> Group {
        let number = self.next_group.get();
        self.next_group.set(number + 1);
        let jobs = Rc::new(jobs);
        self.groups.borrow_mut().insert(number, Rc::clone(&jobs));
        Group {
            state: Rc::clone(self),
            number,
            jobs,
        }
    }

    /// Tells all whose time is up.
    pub(crate) fn expire(&self, now: Instant) {
        self.board.expire(now);
        let groups: Vec<Rc<Vec<Job>>> = self.groups.borrow().values().cloned().collect();
        for item in groups
            .iter()
            .flat_map(|jobs| jobs.iter())
            .flat_map(|job| &job.items)
        {
            item.expire(now);
        }
    }

    /// So many changes are in doubt, until this is dropped.
    pub(crate) fn doubt(self: &Rc<Self>, changes: usize) -> Doubt {
        self.count_doubts(self.in_doubt.get() + changes);
        Doubt {
            state: Rc::clone(self),
            changes,
        }
    }

    /// When whoever asked at this moment is told in any case.
    pub(crate) fn deadline(&self, asked: Instant) -> Instant {
        asked + self.settings.hold
    }

    /// What this statement reads, which was asked for at this moment. What anybody was told before that is in it.
    pub(crate) async fn read(
        self: &Rc<Self>,
        ready: &Ready,
        asked: Instant,
        statement: &Statement,
        parameters: &Parameters<'_>,
    ) -> Result<Vec<Row>, Trouble> {
        let reading = ready.wire.query(statement, parameters);
        let since = clock::uptime_at(asked);
        if self.lease.covers(ready.epoch, ready.made, since) {
            self.renew();
            return reading.await;
        }
        let (rows, proof) = join(reading, self.prove(ready)).await;
        let rows = rows?;
        proof?;
        Ok(rows)
    }

    /// Has it proved that all that was read over this connection is kept, and that this is the primary.
    pub(crate) async fn prove(&self, ready: &Ready) -> Result<(), Trouble> {
        let sent = clock::uptime();
        ready.wire.query(&ready.statements.proof, &[]).await?;
        self.lease.prove(ready.epoch, sent);
        Ok(())
    }

    /// Has another proof made before the last one runs out, beside what is read.
    fn renew(self: &Rc<Self>) {
        if !self.lease.is_to_be_renewed(clock::uptime()) {
            return;
        }
        let state = Rc::clone(self);
        spawn_local(async move {
            if let Some(ready) = state.aside.now() {
                // Where there is none in time, whoever reads makes one.
                let _ = state.prove(&ready).await;
            }
            state.lease.was_renewed();
        });
    }

    /// The connection of this slot, if there is one before this moment.
    pub(crate) async fn ready(&self, slot: &Slot, until: Instant) -> Option<Rc<Ready>> {
        loop {
            let next = Instant::now() + LOOK_EVERY;
            if let Ok(ready) = timeout_at(next.min(until), slot.ready()).await {
                return Some(ready);
            }
            if self.is_closing.get() || until <= Instant::now() {
                return None;
            }
        }
    }

    /// What is to be told because of this; `None` if it is to be tried again, which makes sense when this returns.
    pub(crate) async fn trouble(&self, ready: &Ready, trouble: &Trouble) -> Option<SetError> {
        let log = |kind, what: &str| {
            if self.shared.is_news(kind) {
                tracing::error!("{what}: {trouble}");
            }
        };
        match trouble {
            Trouble::Lost(reason) => {
                tracing::debug!("a statement was lost: {reason}");
                ready.wire.cut();
                self.finder.suspect();
                self.shared.observe(|it| it.retried());
                None
            }
            Trouble::InTheWay => {
                self.shared.observe(|it| it.retried());
                sleep(LONGEST_PAUSE.mul_f64(random::fraction())).await;
                None
            }
            Trouble::Full(_) => {
                log("full", "the disk of the database is full");
                Some(SetError::Full)
            }
            Trouble::Content(_) | Trouble::Refused(_) => {
                log("refused", "the database refuses what the store needs");
                Some(SetError::Failed)
            }
            Trouble::Damaged(_) => {
                log(
                    "damaged",
                    "the database has damaged data, so restore a backup",
                );
                Some(SetError::Failed)
            }
        }
    }

    fn count_doubts(&self, changes: usize) {
        self.in_doubt.set(changes);
        self.shared.observe(|it| it.in_doubt(changes));
    }
}

/// What is under way together.
pub(crate) struct Group {
    state: Rc<State>,
    number: u64,
    pub(crate) jobs: Rc<Vec<Job>>,
}

impl Drop for Group {
    fn drop(&mut self) {
        self.state.groups.borrow_mut().remove(&self.number);
        for job in self.jobs.iter() {
            self.state.board.release(&job.owner);
        }
        self.state.board.announce();
    }
}

pub(crate) struct Doubt {
    state: Rc<State>,
    changes: usize,
}

impl Drop for Doubt {
    fn drop(&mut self) {
        let rest = self.state.in_doubt.get().saturating_sub(self.changes);
        self.state.count_doubts(rest);
    }
}
