//! What is counted of requests and their answers.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use enum_map::EnumMap;
use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry,
};

use super::{PREFIX, SECONDS, counter, gauge, opts, register};
use crate::clock;
use crate::service::{Condition, Kind, Limit, Tally, Via};

/// What an answer without an error is counted as.
const RESULT: &str = "result";

/// Requests and their answers. Clones share it.
#[derive(Debug, Clone)]
pub struct Requests(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    answered: EnumMap<Kind, EnumMap<Via, Outcomes>>,
    refused: EnumMap<Limit, Refusals>,
    gets: Histogram,
    sets: Histogram,
    in_flight: IntGauge,
    open_bytes: IntGauge,
    unsent_bytes: IntGauge,
    dropped: IntCounter,
}

/// What was refused for one limit.
#[derive(Debug)]
struct Refusals {
    count: IntCounter,
    last: IntGauge,
}

/// A limit that requests were refused for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    pub limit: &'static str,
    /// How many requests.
    pub refused: u64,
    /// When the last of them was, in seconds since 1970.
    pub last: i64,
}

#[derive(Debug)]
struct Outcomes {
    result: IntCounter,
    errors: EnumMap<Condition, IntCounter>,
}

/// In seconds since 1970.
fn now() -> i64 {
    let since = clock::wall().duration_since(UNIX_EPOCH);
    since.map_or(0, |it| i64::try_from(it.as_secs()).unwrap_or(i64::MAX))
}

impl Requests {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let answered = IntCounterVec::new(
            opts("requests_total", "Requests that were answered."),
            &["kind", "via", "outcome"],
        )?;
        let answered = register(registry, answered)?;
        let refused = IntCounterVec::new(
            opts(
                "refused_total",
                "Requests that were refused because of a limit.",
            ),
            &["limit"],
        )?;
        let refused = register(registry, refused)?;
        let last = IntGaugeVec::new(
            opts(
                "refused_last_timestamp_seconds",
                "When a request was last refused because of a limit, in seconds since 1970; 0 if \
                 none was since the start.",
            ),
            &["limit"],
        )?;
        let last = register(registry, last)?;
        let duration = prometheus::HistogramVec::new(
            HistogramOpts::new(
                "request_duration_seconds",
                "Time from reading a request off the socket until its answer is queued.",
            )
            .namespace(PREFIX)
            .buckets(SECONDS.to_vec()),
            &["kind"],
        )?;
        let duration = register(registry, duration)?;
        let outcomes = |kind: Kind, via: Via| {
            let named = |outcome| answered.with_label_values(&[kind.name(), via.name(), outcome]);
            Outcomes {
                result: named(RESULT),
                errors: EnumMap::from_fn(|condition: Condition| named(condition.parts().0)),
            }
        };
        Ok(Self(Arc::new(Inner {
            answered: EnumMap::from_fn(|kind| EnumMap::from_fn(|via| outcomes(kind, via))),
            refused: EnumMap::from_fn(|limit: Limit| Refusals {
                count: refused.with_label_values(&[limit.name()]),
                last: last.with_label_values(&[limit.name()]),
            }),
            gets: duration.with_label_values(&[Kind::Get.name()]),
            sets: duration.with_label_values(&[Kind::Set.name()]),
            in_flight: gauge(
                registry,
                "requests_in_flight",
                "Requests for the store that have no answer yet.",
            )?,
            open_bytes: gauge(
                registry,
                "open_bytes",
                "Memory that the requests without an answer yet take, in bytes, at most \
                 limits.max_open_bytes.",
            )?,
            unsent_bytes: gauge(
                registry,
                "unsent_bytes",
                "Memory that the answers that the server has not taken yet take, in bytes, at most \
                 limits.max_unsent_bytes.",
            )?,
            dropped: counter(
                registry,
                "answers_dropped_total",
                "Answers that were dropped because there was no connection to the server for too \
                 long.",
            )?,
        })))
    }

    /// An answer was queued, so long after its request was read.
    pub fn answered(&self, tally: &Tally, took: Duration) {
        let Inner {
            answered,
            refused,
            gets,
            sets,
            ..
        } = &*self.0;
        let outcomes = &answered[tally.kind][tally.via];
        match tally.error {
            None => outcomes.result.inc(),
            Some(condition) => outcomes.errors[condition].inc(),
        }
        if let Some(limit) = tally.limit {
            refused[limit].count.inc();
            refused[limit].last.set(now());
        }
        match tally.kind {
            Kind::Get => gets.observe(took.as_secs_f64()),
            Kind::Set => sets.observe(took.as_secs_f64()),
            _ => {}
        }
    }

    /// The limits that requests were refused for since the start.
    pub fn reached(&self) -> Vec<Reached> {
        let all = self.0.refused.iter();
        let all = all.map(|(limit, refusals)| Reached {
            limit: limit.name(),
            refused: refusals.count.get(),
            last: refusals.last.get(),
        });
        all.filter(|it| it.refused > 0).collect()
    }

    pub fn under_way(&self, requests: usize, open_bytes: usize, unsent_bytes: usize) {
        let number = |size| i64::try_from(size).unwrap_or(i64::MAX);
        self.0.in_flight.set(number(requests));
        self.0.open_bytes.set(number(open_bytes));
        self.0.unsent_bytes.set(number(unsent_bytes));
    }

    /// How many bytes are open, and how many unsent, as it was last said.
    pub fn bytes_under_way(&self) -> (usize, usize) {
        let number = |gauge: &IntGauge| usize::try_from(gauge.get()).unwrap_or(0);
        (number(&self.0.open_bytes), number(&self.0.unsent_bytes))
    }

    /// So many answers were given up.
    pub fn dropped(&self, answers: usize) {
        self.0.dropped.inc_by(answers as u64);
    }
}
