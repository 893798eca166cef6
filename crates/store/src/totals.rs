//! How much all owners have together, for somebody who asks once and does not wait for long.
//!
//! Unlike the census it counts elements too, has to begin again each time, and knows no more than
//! it came to see.

use std::ops::ControlFlow;
use std::time::Duration;

use super::census::{FIRST_KEY, behind_key, owner_prefix};
use super::engine::Engine;
use super::error::EngineError;
use super::record::Scale;
use super::whole::Amount;

use xps_base::clock::Instant;

/// How long the engine is read at once, about.
const SLICE: Duration = Duration::from_millis(1);

/// How much all owners have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub owners: u64,
    pub amount: Amount,
    /// Whether all were counted, and it is not more.
    pub whole: bool,
}

#[derive(Debug)]
pub(super) struct Count {
    totals: Totals,
    next: Vec<u8>,
    /// What the keys of the last owner begin with.
    last: Vec<u8>,
    scale: Scale,
}

impl Default for Count {
    fn default() -> Self {
        Self {
            totals: Totals::default(),
            next: FIRST_KEY.to_vec(),
            last: Vec::new(),
            scale: Scale::default(),
        }
    }
}

impl Count {
    /// Counts for a short while.
    pub(super) fn go_on(&mut self, engine: &dyn Engine) -> Result<(), EngineError> {
        let begun = Instant::now();
        let mut stopped = None;
        let mut records = 0_u32;
        let (totals, last, scale) = (&mut self.totals, &mut self.last, &mut self.scale);
        engine.scan_from(&self.next, &mut |key, value| {
            if owner_prefix(key) != last.as_slice() {
                *last = owner_prefix(key).to_vec();
                *scale = Scale::default();
                totals.owners += 1;
            }
            let stored = scale.weigh(key, value);
            totals.amount.bytes += stored.bytes;
            totals.amount.elements += stored.elements;
            records += 1;
            if records.is_multiple_of(16) && begun.elapsed() >= SLICE {
                stopped = Some(behind_key(key));
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        match stopped {
            Some(next) => self.next = next,
            None => self.totals.whole = true,
        }
        Ok(())
    }

    pub(super) fn is_done(&self) -> bool {
        self.totals.whole
    }

    pub(super) fn totals(&self) -> Totals {
        self.totals
    }
}
