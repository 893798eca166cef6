//! What the service knows of itself, gathered for all who are told: Prometheus, the page, commands.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chrono::DateTime;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use super::routes::Public;
use crate::clock::Instant;
use crate::metrics::{self, Now, Reached};
use crate::postgres;
use crate::status::{
    Bookmarks, Known, KnownDomain, KnownLimit, KnownLink, KnownStore, KnownStored, Link, Needs,
    Place, State,
};
use crate::store::{self, Store};

/// How long a command waits for what is not known at once. Most stores are counted by then.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often it is looked meanwhile.
const PAUSE: Duration = Duration::from_millis(10);

impl Public {
    /// All that can be told at once.
    pub fn known(&self) -> Known {
        self.status.count_stored();
        let state = self.status.now();
        let facts = self.status.facts();
        let domains = state.served.domains.iter();
        let stored = self.metrics.store.stored();
        let stored = stored.map(|(bytes, owners)| KnownStored { bytes, owners });
        let reached = self.metrics.requests.reached().into_iter();
        Known {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started: self.status.started().into(),
            not_alive: self.status.live().err(),
            not_ready: self.status.ready().err(),
            link: self.link(&state),
            domains: domains.map(|name| self.domain(&state, name)).collect(),
            store: KnownStore {
                place: facts.store.clone(),
                format: match &facts.store {
                    Place::Folder(_) => store::FORMAT,
                    Place::Database(_) => postgres::FORMAT,
                },
                failed: self.status.store_failed(),
                stored,
                disk_bytes: None,
            },
            limits: reached.map(limit).collect(),
        }
    }

    fn link(&self, state: &State) -> KnownLink {
        let facts = self.status.facts();
        let (since, why, next) = match &state.link {
            Link::Connecting => (self.status.started(), None, None),
            Link::Up { since } => (*since, None, None),
            Link::Standby { since, next, .. } => (*since, None, Some(*next)),
            Link::Down {
                why, since, next, ..
            } => (*since, Some(why.clone()), Some(*next)),
        };
        KnownLink {
            jid: facts.jid.clone(),
            server: facts.server.clone(),
            is_up: matches!(state.link, Link::Up { .. }),
            stands_by: matches!(state.link, Link::Standby { .. }),
            since: since.into(),
            why,
            next_attempt: next.map(SystemTime::into),
        }
    }

    fn domain(&self, state: &State, name: &str) -> KnownDomain {
        let grants = state.granted.contains(name);
        let expected = state.served.needs != Needs::Nothing;
        KnownDomain {
            name: name.to_owned(),
            delegates: expected.then(|| state.delegated.contains(name)),
            grants,
            bookmarks: match () {
                () if !state.served.bookmarks => Bookmarks::Off,
                () if !grants => Bookmarks::NoAccess,
                () if self.metrics.pep.is_left_alone(name) => Bookmarks::Silent,
                () => Bookmarks::InStep,
            },
        }
    }

    /// All metrics, with what is known now.
    pub fn metrics(&self) -> String {
        let known = self.known();
        let domains = known.domains.into_iter();
        self.metrics.text(&Now {
            started: known.started.timestamp_millis() as f64 / 1000.0,
            ready: known.not_ready.is_none(),
            link_up: known.link.is_up,
            stands_by: known.link.stands_by,
            link_since: known.link.since.timestamp(),
            store_failed: known.store.failed,
            domains: domains.map(measured).collect(),
        })
    }
}

fn measured(domain: KnownDomain) -> metrics::Domain {
    let is_wanted = domain.bookmarks != Bookmarks::Off;
    metrics::Domain {
        in_step: is_wanted.then_some(domain.bookmarks == Bookmarks::InStep),
        name: domain.name,
        delegates: domain.delegates,
        grants: domain.grants,
    }
}

fn limit(reached: Reached) -> KnownLimit {
    KnownLimit {
        name: reached.limit.to_owned(),
        refused: reached.refused,
        last: DateTime::from_timestamp(reached.last, 0).unwrap_or_default(),
    }
}

/// Looks up what takes a moment: for whoever may use the control socket.
#[derive(Debug)]
pub struct Thorough {
    /// Where the store's files are, where it has some.
    folder: Option<PathBuf>,
    /// One at a time asks the disk: where that is stuck, each would cost a thread.
    turn: Arc<Semaphore>,
}

impl Thorough {
    pub fn new(folder: Option<PathBuf>) -> Self {
        let turn = Arc::new(Semaphore::new(1));
        Self { folder, turn }
    }

    /// All that can be told soon.
    pub async fn known(&self, public: &Public) -> Known {
        public.status.count_stored();
        let since = Instant::now();
        let disk_bytes = self.disk_bytes().await;
        // With a database another instance may be the one that counts.
        while self.folder.is_some()
            && public.metrics.store.stored().is_none()
            && !public.status.store_failed()
            && since.elapsed() < PATIENCE
        {
            sleep(PAUSE).await;
        }
        let mut known = public.known();
        known.store.disk_bytes = disk_bytes;
        known
    }

    /// What the store's files take.
    async fn disk_bytes(&self) -> Option<u64> {
        let folder = self.folder.clone()?;
        let turn = Arc::clone(&self.turn).acquire_owned();
        let look = async {
            let turn = turn.await.ok()?;
            let look = move || {
                let files = Store::files_in(&folder);
                drop(turn);
                files.iter().map(|(_, bytes)| bytes).sum()
            };
            spawn_blocking(look).await.ok()
        };
        timeout(PATIENCE, look).await.ok().flatten()
    }
}
