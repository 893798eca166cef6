//! What is counted of the connections to the database, where the store is over one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, IntCounter, IntGauge, Registry};

use super::{PREFIX, SECONDS, counter, gauge, register};

/// What all names of these begin with.
const NAMES: &str = "private_storage_database_";

/// The connections to the database. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Database {
    connections: IntGauge,
    round_trips: Histogram,
    retries: IntCounter,
    failovers: IntCounter,
    in_doubt: IntGauge,
    /// Whether there is a database.
    there: Arc<AtomicBool>,
}

impl Database {
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let round_trips = HistogramOpts::new(
            "database_round_trip_duration_seconds",
            "Time from sending a statement, or several at once, to the database until its answer \
             was read.",
        );
        let round_trips = round_trips.namespace(PREFIX).buckets(SECONDS.to_vec());
        Ok(Self {
            connections: gauge(
                registry,
                "database_connections",
                "Connections to the database; 0 while no primary can be reached.",
            )?,
            round_trips: register(registry, Histogram::with_opts(round_trips)?)?,
            retries: counter(
                registry,
                "database_retries_total",
                "Statements that were sent again: after a conflict with another one, or because \
                 their connection was lost.",
            )?,
            failovers: counter(
                registry,
                "database_failovers_total",
                "How often another server than before was found to be the primary, or the same one \
                 after a restart.",
            )?,
            in_doubt: gauge(
                registry,
                "database_in_doubt",
                "Writes whose connection was lost before their answer came, and of which it is not \
                 known yet whether they were done.",
            )?,
            there: Arc::default(),
        })
    }

    /// Whether a metric is one of these.
    pub fn has(name: &str) -> bool {
        name.starts_with(NAMES)
    }

    /// Whether there is a database: without one these say nothing.
    pub fn is_there(&self) -> bool {
        self.there.load(Ordering::Acquire)
    }

    pub fn connected(&self, connections: usize) {
        self.connections.set(number(connections));
        self.there.store(true, Ordering::Release);
    }

    pub fn round_trip(&self, took: Duration) {
        self.round_trips.observe(took.as_secs_f64());
    }

    pub fn retried(&self) {
        self.retries.inc();
    }

    pub fn failed_over(&self) {
        self.failovers.inc();
    }

    pub fn in_doubt(&self, changes: usize) {
        self.in_doubt.set(number(changes));
    }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
