//! Compaction: what lives is copied into a new database, which then takes the old one's place.
//!
//! The engine uses space again that has become free, but never gives it back, and what was deleted
//! stays in its files for long. So the store is rewritten when its log is much larger than what
//! lives in it, and when somebody asks.
//!
//! It is the writer thread that copies, a little after each group of sets, for about as long as
//! the group took, and all the time when there is nothing else to do. So nothing is written behind
//! the copy's back: what lies before the place that it has reached is written to both, and what
//! lies behind that is still to be copied. Reads never notice. Sets wait for a turn of copying at
//! most, and for the switch at the end.
//!
//! Invariants: a set is answered when it is durable in the database that an open would find, and
//! that never depends on the copy before the switch. When the copy takes over, it holds exactly
//! what the old database does. Where it fails before, nothing has happened.

mod copy;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use super::engine::{Engine, Successor};
use super::error::{CompactError, EngineError};
use super::format::LIVE;
use super::plan::Writes;
use super::shared::Told;
use copy::{Copy, Report};

use xps_base::clock::Instant;
use xps_base::threads;

/// How large a log is left alone, in percent of what lives in it, beside what is configured. Written
/// over again and again, sled's comes to about 400.
const PERCENT: u64 = 300;

/// How long a turn of copying takes, if sets did not take longer before it.
const TURN: Duration = Duration::from_millis(2);

/// How long after a failure it is not tried again, unless somebody asks.
const AGAIN_AFTER: Duration = Duration::from_secs(600);

/// By how much the count of what lives may be behind after a crash.
const COUNT_BYTES: u64 = 1024 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// The bytes of the log before.
    pub before: u64,
    /// The bytes of the log that has taken its place.
    pub after: u64,
}

/// Whom to tell how a compaction went.
pub(super) type Asked = Told<Result<Compacted, CompactError>>;

/// Knows when to compact, and does it bit by bit. The writer thread's own.
pub(super) struct Compactor {
    /// A log that is no larger than this is left alone.
    above: u64,
    /// About the bytes that live, and what the database was last told of them.
    live: u64,
    counted: u64,
    /// The same as `PERCENT`, or more where a compacted log is so large already.
    percent: u64,
    wanted: bool,
    not_before: Option<Instant>,
    /// Who asked since the copy was begun: what they deleted may be in there already.
    asked: Vec<Asked>,
    copy: Option<Copy>,
    /// Of the switch that was made just now.
    report: Option<Report>,
    /// The end of the engine before the current one.
    ending: Option<JoinHandle<()>>,
}

impl Compactor {
    pub(super) fn new(above: u64) -> Self {
        Self {
            above,
            live: 0,
            counted: 0,
            percent: PERCENT,
            wanted: false,
            not_before: None,
            asked: Vec::new(),
            copy: None,
            report: None,
            ending: None,
        }
    }

    /// Takes note of the engine that is open from now on.
    pub(super) fn opened(&mut self, engine: &dyn Engine) -> Result<(), EngineError> {
        let mut count = 0;
        engine.get(LIVE, &mut |value| {
            let text = std::str::from_utf8(value).ok();
            count = text.and_then(|text| text.parse().ok()).unwrap_or(0);
        })?;
        (self.live, self.counted, self.percent) = (count, count, PERCENT);
        self.check_place(engine);
        Ok(())
    }

    /// Looks whether there is much garbage.
    fn check_place(&mut self, engine: &dyn Engine) {
        let bound = self.live.saturating_mul(self.percent) / 100;
        let due = self.not_before.is_none_or(|then| then <= Instant::now());
        self.wanted |=
            due && self.copy.is_none() && engine.size() > bound.saturating_add(self.above);
    }

    /// Somebody asks for it: nothing must be left of what has been deleted so far.
    pub(super) fn ask(&mut self, asked: Asked) {
        self.asked.push(asked);
    }

    /// Whether there is work to do when nothing else is.
    pub(super) fn is_busy(&self) -> bool {
        self.wanted || !self.asked.is_empty() || self.copy.is_some()
    }

    /// To be told what is about to be written, before it is.
    pub(super) fn follow(&mut self, writes: &Writes) {
        if let Some(copy) = &mut self.copy
            && let Err(error) = copy.follow(writes.all())
        {
            self.stop(error);
        }
    }

    /// To be told after each group by how much what lives has grown; writes that down now and then.
    pub(super) fn grew(&mut self, engine: &dyn Engine, by: i64) -> Result<(), EngineError> {
        self.live = self.live.saturating_add_signed(by);
        self.check_place(engine);
        if self.live.abs_diff(self.counted) < COUNT_BYTES {
            return Ok(());
        }
        // A copy under way gets a count of its own in the end.
        self.counted = self.live;
        engine.write_one((LIVE.to_vec(), Some(self.live.to_string().into_bytes())))
    }

    /// Goes on for about as long as sets took a moment ago. Returns the engine that has taken the
    /// place of this one: it must be used from now on, and `switched` be called. After an error
    /// nobody knows which of both an open would find.
    pub(super) fn work(
        &mut self,
        engine: &dyn Engine,
        spent: Duration,
    ) -> Result<Option<Arc<dyn Engine>>, EngineError> {
        let Some(copy) = &mut self.copy else {
            if self.is_busy() {
                self.begin(engine);
            }
            return Ok(None);
        };
        match copy.turn(engine, spent.max(TURN)) {
            Ok(true) => self.switch(),
            Ok(false) => Ok(None),
            Err(error) => {
                self.stop(error);
                Ok(None)
            }
        }
    }

    /// The engine before is used by nobody any more. Only when it has ended its space is free, and
    /// that is when those who asked are told.
    pub(super) fn switched(&mut self, before: Arc<dyn Engine>, now: &dyn Engine) {
        let Some(report) = self.report.take() else {
            return;
        };
        let compacted = report.log(now.size());
        // With very small values: there must not be one compaction after the other.
        let grown = compacted.after.saturating_mul(150) / self.live.max(1);
        self.percent = grown.max(PERCENT);
        self.join();
        self.ending = in_background(move || {
            drop(before);
            for asked in report.asked {
                asked.tell(Ok(compacted));
            }
        });
    }

    /// The store is closed: waits until nothing holds its files any more.
    pub(super) fn end(&mut self) {
        self.asked.clear();
        if let Some(copy) = self.copy.take() {
            copy.successor.give_up();
        }
        self.join();
    }

    /// The engine broke. The files of a copy are cleared away by the next open; where the disk is
    /// broken its end may be slow, so that is for whoever ends the engine.
    pub(super) fn abandon(&mut self) -> Option<Box<dyn Successor>> {
        self.wanted = false;
        self.asked.clear();
        self.copy.take().map(|copy| copy.successor)
    }

    fn begin(&mut self, engine: &dyn Engine) {
        self.wanted = false;
        let before = engine.size();
        // A copy has garbage of its own; and without a count, anything may live.
        let needed = match self.live {
            0 => before,
            live => before.min(live.saturating_mul(2)),
        };
        let asked = std::mem::take(&mut self.asked);
        match engine.begin_successor(needed) {
            Ok(successor) => {
                tracing::info!(
                    "compacting the store: its database file takes {} MiB, for about {} MiB of \
                     data",
                    before >> 20,
                    self.live >> 20
                );
                self.copy = Some(Copy::new(successor, before, asked));
            }
            Err(error) => self.refuse(asked, error),
        }
    }

    fn switch(&mut self) -> Result<Option<Arc<dyn Engine>>, EngineError> {
        if let Some(copy) = &mut self.copy
            && let Err(error) = copy.prepare()
        {
            self.stop(error);
        }
        let Some(copy) = self.copy.take() else {
            return Ok(None);
        };
        (self.live, self.counted) = (copy.copied, copy.copied);
        let (engine, report) = copy.take_over()?;
        self.report = Some(report);
        Ok(Some(engine))
    }

    /// Gives the copy up, and leaves nothing of it.
    fn stop(&mut self, error: impl Into<CompactError>) {
        if let Some(copy) = self.copy.take() {
            copy.successor.give_up();
            self.refuse(copy.asked, error.into());
        }
    }

    fn refuse(&mut self, asked: Vec<Asked>, error: CompactError) {
        tracing::warn!("the store could not be compacted, and goes on as it is: {error}");
        self.not_before = Some(Instant::now() + AGAIN_AFTER);
        for asked in asked {
            asked.tell(Err(error.clone()));
        }
    }

    fn join(&mut self) {
        if let Some(ending) = self.ending.take() {
            // A panic of sled's was reported where it happened.
            let _ = ending.join();
        }
    }
}

/// Without a thread it is done right here.
fn in_background(work: impl FnOnce() + Send + 'static) -> Option<JoinHandle<()>> {
    threads::start_with("store-end", work, |work| work())
        .map_err(|(_, work)| work())
        .ok()
}
