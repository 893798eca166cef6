//! What is counted of bookmarks that are kept in step with PEP.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use enum_map::{Enum, EnumMap};
use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, Registry};

use crate::clock::Instant;

use super::{PREFIX, SECONDS, counter, opts, register};

/// What came of a request to PEP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum PepOutcome {
    Done,
    Refused,
    /// The host did not let us, or had no such user.
    Denied,
    /// The answer could not be read.
    Unreadable,
    /// No answer came in time.
    Late,
}

/// Requests to PEP, and those that did without. Clones share it.
#[derive(Debug, Clone)]
pub struct Pep(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    requests: EnumMap<PepOutcome, IntCounter>,
    duration: Histogram,
    from_store: IntCounter,
    /// The hosts that do not answer, and until when they are not asked.
    silent: Mutex<HashMap<String, Instant>>,
}

impl PepOutcome {
    fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Denied => "denied",
            Self::Unreadable => "unreadable",
            Self::Late => "late",
        }
    }
}

impl Pep {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let requests = IntCounterVec::new(
            opts("pep_requests_total", "Requests to users' PEP nodes."),
            &["outcome"],
        )?;
        let requests = register(registry, requests)?;
        let duration = HistogramOpts::new(
            "pep_request_duration_seconds",
            "Time from the decision to send a request to PEP until its answer was read or given \
             up.",
        );
        let duration = duration.namespace(PREFIX).buckets(SECONDS.to_vec());
        Ok(Self(Arc::new(Inner {
            requests: EnumMap::from_fn(|it: PepOutcome| requests.with_label_values(&[it.name()])),
            duration: register(registry, Histogram::with_opts(duration)?)?,
            from_store: counter(
                registry,
                "bookmarks_from_store_total",
                "Requests for bookmarks that were answered without PEP although the domain gives \
                 access to it.",
            )?,
            silent: Mutex::default(),
        })))
    }

    /// A request to PEP came to this, after so long.
    pub fn asked(&self, outcome: PepOutcome, took: Duration) {
        self.0.requests[outcome].inc();
        self.0.duration.observe(took.as_secs_f64());
    }

    /// This host does not answer, and is not asked until then.
    pub fn is_silent(&self, host: &str, until: Instant) {
        self.silent(|silent| {
            let now = Instant::now();
            silent.retain(|_, until| *until > now);
            silent.insert(host.to_owned(), until);
        });
    }

    /// This host answers again.
    pub fn answers(&self, host: &str) {
        self.silent(|silent| silent.remove(host));
    }

    /// Nothing is known of hosts any more.
    pub fn forget_hosts(&self) {
        self.silent(HashMap::clear);
    }

    /// Whether this host is not asked for now, because it does not answer.
    pub fn is_left_alone(&self, host: &str) -> bool {
        let now = Instant::now();
        self.silent(|silent| silent.get(host).is_some_and(|until| *until > now))
    }

    fn silent<T>(&self, work: impl FnOnce(&mut HashMap<String, Instant>) -> T) -> T {
        work(&mut self.0.silent.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A request for bookmarks was answered without PEP.
    pub fn did_without(&self) {
        self.0.from_store.inc();
    }
}
