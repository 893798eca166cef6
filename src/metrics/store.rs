//! What is counted of the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, IntCounter, IntGauge, Registry};

use super::database::Database;
use super::{PREFIX, SECONDS, counter, gauge, register};
use crate::store::Observer;

const BYTES: &str = "private_storage_stored_bytes";
const OWNERS: &str = "private_storage_stored_owners";

/// The store. Clones share it.
#[derive(Debug, Clone)]
pub struct Store {
    syncs: Histogram,
    groups: Histogram,
    failures: IntCounter,
    bytes: IntGauge,
    owners: IntGauge,
    known: Arc<AtomicBool>,
    database: Database,
}

impl Store {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let histogram = |name, help, buckets| {
            let opts = HistogramOpts::new(name, help).namespace(PREFIX);
            register(registry, Histogram::with_opts(opts.buckets(buckets))?)
        };
        Ok(Self {
            syncs: histogram(
                "store_sync_duration_seconds",
                "Time that the disk, or the database, took to make a group of sets durable.",
                SECONDS.to_vec(),
            )?,
            groups: histogram(
                "store_group_sets",
                "How many sets one sync made durable.",
                (0..=10).map(|power| f64::from(1 << power)).collect(),
            )?,
            failures: counter(
                registry,
                "store_failures_total",
                "How often the store has failed.",
            )?,
            bytes: gauge(
                registry,
                "stored_bytes",
                "Bytes that all users have stored together. Of instances that share a database one \
                 reports it at a time.",
            )?,
            owners: gauge(
                registry,
                "stored_owners",
                "Users who have anything stored. Of instances that share a database one reports it \
                 at a time.",
            )?,
            known: Arc::default(),
            database: Database::new(registry)?,
        })
    }

    /// How many bytes all users keep, and how many users; `None` where that is not known.
    pub fn stored(&self) -> Option<(u64, u64)> {
        let known = self.known.load(Ordering::Acquire);
        let value = |gauge: &IntGauge| u64::try_from(gauge.get()).unwrap_or(0);
        known.then(|| (value(&self.bytes), value(&self.owners)))
    }

    /// Whether this metric must not be shown, because its value is not known, or means nothing here.
    pub(super) fn is_unknown(&self, name: &str) -> bool {
        match name {
            BYTES | OWNERS => !self.known.load(Ordering::Acquire),
            _ => Database::has(name) && !self.database.is_there(),
        }
    }
}

impl Observer for Store {
    fn group(&self, sets: usize) {
        self.groups.observe(sets as f64);
    }

    fn synced(&self, took: Duration) {
        self.syncs.observe(took.as_secs_f64());
    }

    fn failed(&self) {
        self.failures.inc();
    }

    fn stored(&self, stored: Option<(u64, u64)>) {
        if let Some((bytes, owners)) = stored {
            self.bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
            self.owners.set(i64::try_from(owners).unwrap_or(i64::MAX));
        }
        self.known.store(stored.is_some(), Ordering::Release);
    }

    fn round_trip(&self, took: Duration) {
        self.database.round_trip(took);
    }

    fn retried(&self) {
        self.database.retried();
    }

    fn failed_over(&self) {
        self.database.failed_over();
    }

    fn in_doubt(&self, changes: usize) {
        self.database.in_doubt(changes);
    }

    fn connected(&self, connections: usize) {
        self.database.connected(connections);
    }
}
