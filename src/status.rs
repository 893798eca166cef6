//! What the service is doing right now, for all who ask: the paths over HTTP, the service manager,
//! the metrics. Whoever runs the service tells it what happens.
//!
//! None of it is on the path of a request.

mod known;
mod state;
pub mod words;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

use crate::clock::{self, Instant};
use crate::store::Store;

pub use known::{
    Bookmarks, Known, KnownDomain, KnownLimit, KnownLink, KnownStore, KnownStored, Place,
};
pub use state::{Link, Needs, Served, State};

/// How long a part of the service may show no sign of life before it counts as stuck. A disk may
/// stall for many seconds and be well.
const STUCK: Duration = Duration::from_secs(30);

/// What stays as it is while the service runs.
#[derive(Debug, Clone)]
pub struct Facts {
    pub jid: String,
    pub server: String,
    pub store: Place,
}

/// What the service is doing right now. Clones share it.
#[derive(Debug, Clone)]
pub struct Status(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    facts: Facts,
    store: Store,
    state: watch::Sender<State>,
    started: SystemTime,
    begun: Instant,
    /// The last sign of life, in milliseconds since `begun`.
    alive: AtomicU64,
    /// Whether the store's writer has been asked for a sign of life and has not answered.
    asked: AtomicBool,
}

impl Status {
    /// A service that has just begun.
    pub fn new(facts: Facts, served: Served, store: Store) -> Self {
        let (state, _) = watch::channel(State {
            link: Link::Connecting,
            served,
            delegated: BTreeSet::new(),
            granted: BTreeSet::new(),
            stopping: false,
        });
        Self(Arc::new(Inner {
            facts,
            store,
            state,
            started: clock::wall(),
            begun: Instant::now(),
            alive: AtomicU64::new(0),
            asked: AtomicBool::new(false),
        }))
    }

    /// These are served from now on.
    pub fn serve(&self, served: Served) {
        self.0.state.send_modify(|state| {
            for domains in [&mut state.delegated, &mut state.granted] {
                domains.retain(|it| served.domains.contains(it));
            }
            state.served = served;
        });
    }

    pub fn up(&self) {
        let since = clock::wall();
        self.0
            .state
            .send_modify(|state| state.link = Link::Up { since });
    }

    pub fn delegated(&self, domain: &str) {
        self.0.state.send_modify(|state| {
            state.delegated.insert(domain.to_owned());
        });
    }

    /// This domain delegates no more.
    pub fn delegation_ended(&self, domain: &str) {
        self.0.state.send_modify(|state| {
            state.delegated.remove(domain);
        });
    }

    /// This domain lets us work on its users' PEP nodes, or no more. Whether that is news.
    pub fn granted(&self, domain: &str, grants: bool) -> bool {
        self.0.state.send_if_modified(|state| match grants {
            true => state.granted.insert(domain.to_owned()),
            false => state.granted.remove(domain),
        })
    }

    /// Whether room bookmarks are to be kept in step with PEP, where a domain lets us.
    pub fn wants_bookmarks(&self) -> bool {
        self.0.state.borrow().served.bookmarks
    }

    /// A login failed, or the link was lost.
    pub fn down(&self, why: &str, pause: Duration) {
        let why = why.to_owned();
        let now = clock::wall();
        self.0.state.send_modify(|state| {
            let since = self.without_link(&state.link, now);
            let next = now + pause;
            state.link = Link::Down {
                why,
                since,
                pause,
                next,
            };
            state.delegated.clear();
            state.granted.clear();
        });
    }

    /// The server has another instance's link, and it is tried this often to follow that one.
    pub fn stand_by(&self, every: Duration) {
        let now = clock::wall();
        self.0.state.send_modify(|state| {
            let since = self.without_link(&state.link, now);
            let next = now + every;
            state.link = Link::Standby { since, every, next };
            state.delegated.clear();
            state.granted.clear();
        });
    }

    /// Since when there is no link, where this is what there was until now.
    fn without_link(&self, link: &Link, now: SystemTime) -> SystemTime {
        match link {
            Link::Connecting => self.0.started,
            Link::Up { .. } => now,
            Link::Standby { since, .. } | Link::Down { since, .. } => *since,
        }
    }

    /// It has been asked to end.
    pub fn stopping(&self) {
        self.0.state.send_modify(|state| state.stopping = true);
    }

    /// What stays as it is.
    pub fn facts(&self) -> &Facts {
        &self.0.facts
    }

    /// Since when the service runs.
    pub fn started(&self) -> SystemTime {
        self.0.started
    }

    pub fn now(&self) -> State {
        self.0.state.borrow().clone()
    }

    /// Whether the server has let us in.
    pub fn is_up(&self) -> bool {
        matches!(self.0.state.borrow().link, Link::Up { .. })
    }

    /// Tells when anything but the store changes.
    pub fn changes(&self) -> watch::Receiver<State> {
        self.0.state.subscribe()
    }

    /// What is said where nothing can be read or stored.
    fn failure(&self) -> &'static str {
        match self.0.facts.store {
            Place::Folder(_) => "the store has failed; the log says why",
            Place::Database(_) => "the database cannot be reached; the log says why",
        }
    }

    /// Whether nothing can be read or stored.
    pub fn store_failed(&self) -> bool {
        self.0.store.failed()
    }

    /// Somebody wants to know how much is stored; it takes a while to be known.
    pub fn count_stored(&self) {
        self.0.store.count();
    }

    /// Waits for a sign of life of the store's writer; together with that of whoever waits, it
    /// counts as one of the service. Never returns if the writer is stuck.
    pub async fn sign_of_life(&self) {
        let (done, answered) = tokio::sync::oneshot::channel();
        self.0.asked.store(true, Ordering::Relaxed);
        self.0.store.when_reached(move || {
            let _ = done.send(());
        });
        if answered.await.is_err() {
            // It is being closed, and so is the service.
            std::future::pending::<()>().await;
        }
        self.0.asked.store(false, Ordering::Relaxed);
        let elapsed = self.0.begun.elapsed().as_millis();
        let elapsed = u64::try_from(elapsed).unwrap_or(u64::MAX);
        self.0.alive.store(elapsed, Ordering::Relaxed);
    }

    /// Whether the service moves; if not, what is stuck.
    pub fn live(&self) -> Result<(), String> {
        let alive = Duration::from_millis(self.0.alive.load(Ordering::Relaxed));
        let silent = self.0.begun.elapsed().saturating_sub(alive);
        if silent < STUCK {
            return Ok(());
        }
        let seconds = silent.as_secs();
        let asked = self.0.asked.load(Ordering::Relaxed);
        Err(match &self.0.facts.store {
            Place::Folder(_) if asked => {
                format!("the store has been writing for {seconds} s; is the disk stuck?")
            }
            // A database that does not answer holds up nothing of this.
            Place::Database(_) if asked => {
                format!("what asks the database has been stuck for {seconds} s; please report this")
            }
            _ => {
                format!("the main loop has been stuck for {seconds} s; does anybody read its log?")
            }
        })
    }

    /// Whether users are served; if not, why.
    pub fn ready(&self) -> Result<(), String> {
        let state = self.now();
        if state.stopping {
            return Err("stopping".to_owned());
        }
        if self.store_failed() {
            return Err(self.failure().to_owned());
        }
        if !matches!(state.link, Link::Up { .. }) {
            return Err(self.link_line(&state));
        }
        let missing = state.missing();
        let is_ready = match state.served.needs {
            Needs::Nothing => true,
            Needs::One => !state.delegated.is_empty(),
            Needs::All => missing.is_empty(),
        };
        match is_ready {
            true => Ok(()),
            false => Err(format!("not delegated by {}", missing.join(", "))),
        }
    }

    fn link_line(&self, state: &State) -> String {
        let Facts { jid, server, .. } = &self.0.facts;
        match &state.link {
            Link::Connecting => format!("connecting to the server at {server}"),
            Link::Standby { every, .. } => format!(
                "standing by: another instance is connected to {server} as {jid}; trying every {} s",
                every.as_secs_f32()
            ),
            Link::Down { why, pause, .. } => {
                format!("{why}; next attempt in {:.1} s", pause.as_secs_f32())
            }
            Link::Up { .. } => {
                let by: Vec<&str> = state.delegated.iter().map(String::as_str).collect();
                let not_by = state.missing();
                let mut line = format!("logged in as {jid}");
                if by.is_empty() {
                    line.push_str("; not delegated by any domain");
                } else {
                    line.push_str(&format!("; delegated by {}", by.join(", ")));
                    if !not_by.is_empty() {
                        line.push_str(&format!(", not by {}", not_by.join(", ")));
                    }
                }
                line
            }
        }
    }
}

/// One line for a person.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.now();
        if state.stopping {
            return f.write_str("stopping");
        }
        if self.store_failed() {
            write!(f, "{}; ", self.failure())?;
        }
        f.write_str(&self.link_line(&state))
    }
}

#[cfg(test)]
mod tests;
