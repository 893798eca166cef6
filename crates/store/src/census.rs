//! How much is stored altogether, and by how many owners: for the metrics.
//!
//! Nothing of it is recorded in the database. It is counted when somebody first asks after an
//! opening, by the writer thread and in short slices between the groups, and kept up to date from
//! then on by what the writer knows anyway: what the owners of a group had before it, and have
//! after it. So it is exact, costs no request anything to speak of, and is not known until all has
//! been counted. Where nobody asks, nothing is read for it.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use super::change::Owner;
use super::engine::Engine;
use super::error::EngineError;
use super::observer::Observer;
use super::record::{self, Scale};
use xps_base::clock::Instant;

/// How long a slice takes, about. A set may have to wait for one.
const SLICE: Duration = Duration::from_millis(1);

/// How much longer than a slice the pause after it is.
const PAUSE: u32 = 9;

/// The first key that may be an owner's: those of the database itself begin with a NUL.
pub(super) const FIRST_KEY: [u8; 1] = [1];

/// What all owners have, as far as it has been counted.
#[derive(Debug)]
pub(super) struct Census {
    pub(super) observer: Arc<dyn Observer>,
    bytes: u64,
    owners: u64,
    progress: Progress,
}

#[derive(Debug)]
enum Progress {
    NotAsked,
    Counting(Rest),
    Done,
    /// The engine could not read everything.
    GivenUp,
}

/// What is not counted yet.
#[derive(Debug)]
struct Rest {
    next: Vec<u8>,
    /// The owner that the last slice ended in: what their keys begin with, and the bytes so far.
    half: Option<(Vec<u8>, u64)>,
    scale: Scale,
    due: Instant,
}

impl Census {
    pub(super) fn new(observer: Arc<dyn Observer>) -> Self {
        observer.stored(None);
        Self {
            observer,
            bytes: 0,
            owners: 0,
            progress: Progress::NotAsked,
        }
    }

    /// Begins to count, the first time that somebody asks.
    pub(super) fn begin(&mut self) {
        if matches!(self.progress, Progress::NotAsked) {
            self.progress = Progress::Counting(Rest {
                next: FIRST_KEY.to_vec(),
                half: None,
                scale: Scale::default(),
                due: Instant::now(),
            });
        }
    }

    /// Begins again, if it had begun: nobody knows what the next engine will find.
    pub(super) fn restart(&mut self) {
        let asked = !matches!(self.progress, Progress::NotAsked);
        *self = Self::new(Arc::clone(&self.observer));
        if asked {
            self.begin();
        }
    }

    /// When there is more to count.
    pub(super) fn due(&self) -> Option<Instant> {
        match &self.progress {
            Progress::Counting(rest) => Some(rest.due),
            Progress::NotAsked | Progress::Done | Progress::GivenUp => None,
        }
    }

    /// Counts on, if it is time to.
    pub(super) fn go_on(&mut self, engine: &dyn Engine) {
        let begun = Instant::now();
        if self.due().is_none_or(|due| due > begun) {
            return;
        }
        let mut records = 0_u32;
        let enough = || {
            records += 1;
            records.is_multiple_of(16) && begun.elapsed() >= SLICE
        };
        if let Err(error) = self.count(engine, enough) {
            tracing::debug!("what is stored cannot be counted: {error}");
            self.progress = Progress::GivenUp;
        }
        if let Progress::Counting(rest) = &mut self.progress {
            rest.due = Instant::now() + PAUSE * begun.elapsed().max(SLICE);
        }
        self.report();
    }

    /// An owner had so many bytes, and now has so many.
    pub(super) fn changed(&mut self, owner: &Owner, mut before: u64, after: u64) {
        match &mut self.progress {
            Progress::NotAsked | Progress::GivenUp => return,
            Progress::Done => {}
            Progress::Counting(rest) => {
                let prefix = record::prefix(owner, None, None);
                if rest.half.as_ref().is_some_and(|(half, _)| *half == prefix) {
                    // Counted as a whole now; the rest of their keys is passed by.
                    rest.half = None;
                    rest.next = behind_owner(&prefix);
                    before = 0;
                } else if prefix >= rest.next {
                    return;
                }
            }
        }
        self.bytes = self.bytes.saturating_sub(before) + after;
        match (before, after) {
            (0, 1..) => self.owners += 1,
            (1.., 0) => self.owners = self.owners.saturating_sub(1),
            _ => {}
        }
    }

    /// To be called after the changes of a group.
    pub(super) fn report(&self) {
        if matches!(self.progress, Progress::Done) {
            self.observer.stored(Some((self.bytes, self.owners)));
        }
    }

    /// Counts until all is counted, or it is enough; that is asked after each record.
    fn count(
        &mut self,
        engine: &dyn Engine,
        mut enough: impl FnMut() -> bool,
    ) -> Result<(), EngineError> {
        let Progress::Counting(rest) = &mut self.progress else {
            return Ok(());
        };
        let (bytes, owners) = (&mut self.bytes, &mut self.owners);
        let mut add = |whole: Option<(Vec<u8>, u64)>| {
            if let Some((_, counted @ 1..)) = whole {
                *bytes += counted;
                *owners += 1;
            }
        };
        let (half, scale) = (&mut rest.half, &mut rest.scale);
        let mut stopped = None;
        engine.scan_from(&rest.next, &mut |key, value| {
            let prefix = owner_prefix(key);
            if half.as_ref().is_none_or(|(half, _)| half != prefix) {
                add(half.replace((prefix.to_vec(), 0)));
                *scale = Scale::default();
            }
            if let Some((_, counted)) = half {
                *counted += scale.weigh(key, value).bytes;
            }
            if enough() {
                stopped = Some(behind_key(key));
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        if let Some(next) = stopped {
            rest.next = next;
        } else {
            add(rest.half.take());
            self.progress = Progress::Done;
        }
        Ok(())
    }
}

/// What the keys of the owner of this key begin with: all up to the first NUL, and that.
pub(super) fn owner_prefix(key: &[u8]) -> &[u8] {
    key.split_inclusive(|byte| *byte == 0)
        .next()
        .unwrap_or_default()
}

/// Less than all keys behind this one, and more than it.
pub(super) fn behind_key(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

/// Less than all keys behind those of this owner, and more than those.
fn behind_owner(prefix: &[u8]) -> Vec<u8> {
    let mut behind = prefix.to_vec();
    behind.pop();
    behind.push(1);
    behind
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::change::Value;
    use crate::memory::Memory;

    #[derive(Debug)]
    struct Nobody;

    impl Observer for Nobody {
        fn group(&self, _: usize) {}
        fn synced(&self, _: Duration) {}
        fn failed(&self) {}
        fn stored(&self, _: Option<(u64, u64)>) {}
    }

    const NAMES: [&str; 5] = ["a@x", "a", "ab@x", "b@x", "b\u{1}@x"];

    /// One owner stores so many bytes under a name, or deletes them.
    fn write(engine: &Memory, owner: &Owner, name: u8, bytes: usize) {
        let prefix = record::prefix(owner, Some("urn:x"), Some(&format!("n{name}")));
        let mut old = Vec::new();
        let scanned = engine.scan(&prefix, &mut |key, _| {
            old.push((key.to_vec(), None));
            ControlFlow::Continue(())
        });
        scanned.unwrap();
        engine.write_all(old).unwrap();
        if bytes > 0 {
            let text = "x".repeat(bytes);
            let value = Value { text, elements: 1 };
            let (_, records) = record::encode(&prefix, &value).unwrap();
            let records = records.into_iter().map(|(key, value)| (key, Some(value)));
            engine.write_all(records.collect()).unwrap();
        }
    }

    proptest! {
        /// Whatever is written between the slices, and wherever those end.
        #[test]
        fn what_is_counted_is_what_is_there(
            writes in prop::collection::vec(
                (0_usize..5, 0_u8..3, prop_oneof![Just(0_usize), 1_usize..150_000]),
                0..30,
            ),
            slices in prop::collection::vec(0_usize..4, 30),
        ) {
            let engine = Memory::default();
            engine.write_one((b"\0format".to_vec(), Some(b"1".to_vec()))).unwrap();
            let mut census = Census::new(Arc::new(Nobody));
            let mut there: BTreeMap<(usize, u8), u64> = BTreeMap::new();
            let sum = |there: &BTreeMap<(usize, u8), u64>, owner| {
                there.iter().filter(|((of, _), _)| *of == owner).map(|(_, bytes)| bytes).sum::<u64>()
            };
            for ((owner, name, bytes), slice) in writes.iter().copied().zip(slices) {
                // At first much is there, and nobody asks.
                let counts = there.len() > 5;
                if counts {
                    census.begin();
                }
                let before = sum(&there, owner);
                write(&engine, &Owner::new(NAMES[owner]).unwrap(), name, bytes);
                there.insert((owner, name), bytes as u64);
                census.changed(&Owner::new(NAMES[owner]).unwrap(), before, sum(&there, owner));
                let mut left = slice;
                let enough = || { left = left.saturating_sub(1); left == 0 };
                if counts && slice > 0 {
                    census.count(&engine, enough).unwrap();
                }
            }
            census.begin();
            census.count(&engine, || false).unwrap();
            prop_assert!(matches!(census.progress, Progress::Done));
            let owners = (0..NAMES.len()).filter(|owner| sum(&there, *owner) > 0).count();
            prop_assert_eq!(census.bytes, there.values().sum::<u64>());
            prop_assert_eq!(census.owners, owners as u64);
        }
    }
}
