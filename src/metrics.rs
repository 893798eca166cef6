//! Counters and histograms, which the other modules are handed, and their text for Prometheus.
//!
//! What stands on the path of a request is resolved beforehand: to count is to add to an atomic
//! number, without a lock, an allocation or a look-up of labels. Labels have few values, all known
//! beforehand but for the served domains; users are in none.

mod database;
mod link;
mod pep;
mod process;
mod requests;
mod store;

use std::sync::{Mutex, PoisonError};

use prometheus::core::Collector;
use prometheus::{Encoder, Gauge, IntCounter, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};

use crate::panics;

pub use link::Link;
pub use pep::{Pep, PepOutcome};
pub use requests::{Reached, Requests};
pub use store::Store;

/// What all names begin with, but for those of the process.
const PREFIX: &str = "private_storage";

/// How long something may take, in seconds.
const SECONDS: [f64; 15] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    10.0,
];

/// What is asked for at each scrape, since others know it anyway.
#[derive(Debug, Clone)]
pub struct Now {
    /// When the process started, in seconds since 1970.
    pub started: f64,
    pub ready: bool,
    /// Whether the server has let us in.
    pub link_up: bool,
    /// Whether it has not because of another instance, which this one waits to follow.
    pub stands_by: bool,
    /// Since when it has, or has not, in seconds since 1970.
    pub link_since: i64,
    /// Whether nothing can be read or stored.
    pub store_failed: bool,
    pub domains: Vec<Domain>,
}

#[derive(Debug, Clone)]
pub struct Domain {
    pub name: String,
    /// Whether it delegates; `None` if that is not expected of any.
    pub delegates: Option<bool>,
    /// Whether it lets us work on its users' PEP nodes.
    pub grants: bool,
    /// Whether room bookmarks are kept in step with PEP there; `None` if that is not wanted.
    pub in_step: Option<bool>,
}

/// All metrics of one service.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    pub requests: Requests,
    /// For whoever keeps bookmarks in step.
    pub pep: Pep,
    pub store: Store,
    /// For whoever sees links come and go.
    pub link: Link,
    now: Mutex<Gauges>,
    panics: IntCounter,
}

#[derive(Debug)]
struct Gauges {
    started: Gauge,
    ready: IntGauge,
    link_up: IntGauge,
    standby: IntGauge,
    link_since: IntGauge,
    store_failed: IntGauge,
    delegated: IntGaugeVec,
    granted: IntGaugeVec,
    in_step: IntGaugeVec,
    resident: Gauge,
}

impl Metrics {
    /// Everything at zero.
    ///
    /// # Panics
    ///
    /// Never: only if two of them had one name, or one had none.
    #[expect(clippy::expect_used, reason = "what is registered stands here alone")]
    #[expect(clippy::new_without_default, reason = "there is one for each service")]
    pub fn new() -> Self {
        Self::registered().expect("names that are good and differ")
    }

    fn registered() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let build = IntGauge::with_opts(
            opts("build_info", "The version that runs; always 1.")
                .const_label("version", env!("CARGO_PKG_VERSION")),
        )?;
        build.set(1);
        register(&registry, build)?;
        let now = Gauges {
            started: register(
                &registry,
                Gauge::new(
                    "process_start_time_seconds",
                    "When the process started, in seconds since 1970.",
                )?,
            )?,
            ready: gauge(
                &registry,
                "ready",
                "Whether users are served, as /readyz says.",
            )?,
            link_up: gauge(
                &registry,
                "link_up",
                "Whether the component is logged in to the server.",
            )?,
            standby: gauge(
                &registry,
                "standby",
                "Whether this instance stands by: the server has another one's connection, and it \
                 waits to follow that one.",
            )?,
            link_since: gauge(
                &registry,
                "link_since_timestamp_seconds",
                "Since when the component is logged in to the server, or is not, in seconds since \
                 1970.",
            )?,
            store_failed: gauge(
                &registry,
                "store_failed",
                "Whether the store is broken, or its database cannot be reached, so that nothing can \
                 be read or stored.",
            )?,
            delegated: register(
                &registry,
                IntGaugeVec::new(
                    opts("delegated", "Whether this served domain delegates."),
                    &["domain"],
                )?,
            )?,
            granted: register(
                &registry,
                IntGaugeVec::new(
                    opts(
                        "granted",
                        "Whether this served domain lets the component keep room bookmarks in step \
                         with PEP.",
                    ),
                    &["domain"],
                )?,
            )?,
            in_step: register(
                &registry,
                IntGaugeVec::new(
                    opts(
                        "bookmarks_in_step",
                        "Whether the room bookmarks of this served domain are kept in step with \
                         PEP: it lets the component, and answers.",
                    ),
                    &["domain"],
                )?,
            )?,
            resident: register(
                &registry,
                Gauge::new(
                    "process_resident_memory_bytes",
                    "The memory that the process takes.",
                )?,
            )?,
        };
        Ok(Self {
            requests: Requests::new(&registry)?,
            pep: Pep::new(&registry)?,
            store: Store::new(&registry)?,
            link: Link::new(&registry)?,
            panics: counter(
                &registry,
                "panics_total",
                "Panics. Each is a bug, and cost one request; the log says where it was.",
            )?,
            registry,
            now: Mutex::new(now),
        })
    }

    /// All of them as Prometheus reads them, of type [`Metrics::TYPE`].
    pub fn text(&self, now: &Now) -> String {
        // One scrape at a time, or one would see half of another's.
        let gauges = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        gauges.started.set(now.started);
        gauges.ready.set(now.ready.into());
        gauges.link_up.set(now.link_up.into());
        gauges.standby.set(now.stands_by.into());
        gauges.link_since.set(now.link_since);
        gauges.store_failed.set(now.store_failed.into());
        let Gauges {
            delegated,
            granted,
            in_step,
            ..
        } = &*gauges;
        for by_domain in [delegated, granted, in_step] {
            by_domain.reset();
        }
        for domain in &now.domains {
            let name = &[&domain.name];
            if let Some(delegates) = domain.delegates {
                delegated.with_label_values(name).set(delegates.into());
            }
            granted.with_label_values(name).set(domain.grants.into());
            if let Some(kept) = domain.in_step {
                in_step.with_label_values(name).set(kept.into());
            }
        }
        gauges
            .resident
            .set(process::resident_bytes().unwrap_or(0.0));
        let panics = panics::count();
        self.panics.inc_by(panics.saturating_sub(self.panics.get()));
        let mut families = self.registry.gather();
        families.retain(|family| !self.store.is_unknown(family.name()));
        let mut text = Vec::new();
        // Writing to memory does not fail.
        let _ = TextEncoder::new().encode(&families, &mut text);
        String::from_utf8(text).unwrap_or_default()
    }

    /// The type of their text.
    pub const TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace(PREFIX)
}

fn register<C: Collector + Clone + 'static>(
    registry: &Registry,
    metric: C,
) -> Result<C, prometheus::Error> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn gauge(registry: &Registry, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
    register(registry, IntGauge::with_opts(opts(name, help))?)
}

fn counter(registry: &Registry, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
    register(registry, IntCounter::with_opts(opts(name, help))?)
}
