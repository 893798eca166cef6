//! The copy of what lives, and how it takes the old engine's place.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use super::{Asked, Compacted};
use crate::engine::{Engine, Successor, Write};
use crate::error::{CompactError, EngineError};
use crate::format::LIVE;
use xps_base::clock::Instant;

/// How much is copied before there is a look at the clock, and before it is flushed: the engine
/// would keep in memory what a slow disk does not take.
const BATCH_BYTES: usize = 64 * 1024;
const FLUSH_BYTES: usize = 1024 * 1024;

pub(super) struct Copy {
    pub(super) successor: Box<dyn Successor>,
    /// Who asked before it was begun.
    pub(super) asked: Vec<Asked>,
    /// The bytes of what was copied.
    pub(super) copied: u64,
    /// The first key that has not been copied.
    next: Vec<u8>,
    unflushed: usize,
    begun: Instant,
    before: u64,
    switch: Instant,
}

impl Copy {
    pub(super) fn new(successor: Box<dyn Successor>, before: u64, asked: Vec<Asked>) -> Self {
        let now = Instant::now();
        Self {
            successor,
            asked,
            copied: 0,
            next: Vec::new(),
            unflushed: 0,
            begun: now,
            before,
            switch: now,
        }
    }

    /// Repeats what is written to the old engine, as far as it has been copied already.
    pub(super) fn follow(&mut self, writes: &[Write]) -> Result<(), EngineError> {
        let copied = writes.iter().filter(|(key, _)| *key < self.next);
        let again: Vec<Write> = copied.cloned().collect();
        again.into_iter().try_for_each(|write| self.write(write))
    }

    /// Copies for so long; says whether all has been copied.
    pub(super) fn turn(
        &mut self,
        engine: &dyn Engine,
        length: Duration,
    ) -> Result<bool, CompactError> {
        let begun = Instant::now();
        while begun.elapsed() < length {
            if !self.batch(engine)? {
                return Ok(true);
            }
            if self.unflushed < FLUSH_BYTES {
                continue;
            }
            self.unflushed = 0;
            self.successor.flush()?;
            if !engine.has_room() {
                return Err(CompactError::Stopped("the disk is nearly full".to_owned()));
            }
        }
        Ok(false)
    }

    /// Copies a little; says whether there was anything left.
    fn batch(&mut self, engine: &dyn Engine) -> Result<bool, EngineError> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        engine.scan_from(&self.next, &mut |key, value| {
            bytes += key.len() + value.len();
            batch.push((key.to_vec(), Some(value.to_vec())));
            if bytes < BATCH_BYTES {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
        let Some((last, _)) = batch.last() else {
            return Ok(false);
        };
        // Nothing can lie between a key and the same with a NUL behind it.
        self.next.clone_from(last);
        self.next.push(0);
        self.copied += bytes as u64;
        batch.into_iter().try_for_each(|write| self.write(write))?;
        Ok(true)
    }

    fn write(&mut self, write: Write) -> Result<(), EngineError> {
        self.unflushed += write.0.len() + write.1.as_ref().map_or(0, Vec::len);
        self.successor.write(write)
    }

    /// Makes it ready to take over. From here on, nothing must be written to the old engine.
    pub(super) fn prepare(&mut self) -> Result<(), EngineError> {
        self.switch = Instant::now();
        let count = self.copied.to_string().into_bytes();
        self.write((LIVE.to_vec(), Some(count)))?;
        self.successor.flush()?;
        self.successor.prepare()
    }

    pub(super) fn take_over(self) -> Result<(Arc<dyn Engine>, Report), EngineError> {
        let engine = self.successor.take_over()?;
        let report = Report {
            asked: self.asked,
            before: self.before,
            begun: self.begun,
            switch: self.switch,
        };
        Ok((engine, report))
    }
}

/// What is to be told of a copy that took over, and to whom.
pub(super) struct Report {
    pub(super) asked: Vec<Asked>,
    before: u64,
    begun: Instant,
    switch: Instant,
}

impl Report {
    /// Tells the log, when sets need not wait any more.
    pub(super) fn log(&self, after: u64) -> Compacted {
        tracing::info!(
            "compacted the store: its database file took {} MiB and now takes {} MiB; this took \
             {:.1} s, at the end of which sets waited for {} ms",
            self.before >> 20,
            after >> 20,
            self.begun.elapsed().as_secs_f32(),
            self.switch.elapsed().as_millis(),
        );
        Compacted {
            before: self.before,
            after,
        }
    }
}
