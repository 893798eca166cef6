//! An engine in memory: for fuzzing, tests and trying things out. Nothing outlives the process.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::engine::{Engine, Source, Successor, Visit, Write};
use super::error::{CompactError, EngineError, OpenError};

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// Clones share their content, so that a test can "reopen" it.
#[derive(Clone, Default)]
pub(super) struct Memory(Arc<RwLock<Map>>);

impl Memory {
    fn map(&self) -> RwLockReadGuard<'_, Map> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn map_mut(&self) -> RwLockWriteGuard<'_, Map> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn apply(map: &mut Map, (key, value): Write) {
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    };
}

impl Engine for Memory {
    fn get(&self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<(), EngineError> {
        if let Some(value) = self.map().get(key) {
            visit(value);
        }
        Ok(())
    }

    fn scan(&self, prefix: &[u8], visit: Visit<'_>) -> Result<(), EngineError> {
        for (key, value) in self.map().range(prefix.to_vec()..) {
            if !key.starts_with(prefix) || visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn scan_from(&self, key: &[u8], visit: Visit<'_>) -> Result<(), EngineError> {
        for (key, value) in self.map().range(key.to_vec()..) {
            if visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn write_one(&self, write: Write) -> Result<(), EngineError> {
        apply(&mut self.map_mut(), write);
        Ok(())
    }

    fn write_all(&self, writes: Vec<Write>) -> Result<(), EngineError> {
        let mut map = self.map_mut();
        writes.into_iter().for_each(|write| apply(&mut map, write));
        Ok(())
    }

    fn flush(&self) -> Result<(), EngineError> {
        Ok(())
    }

    fn check(&self) -> Result<(), EngineError> {
        Ok(())
    }

    fn has_room(&self) -> bool {
        true
    }

    fn size(&self) -> u64 {
        0
    }

    fn begin_successor(&self, _: u64) -> Result<Box<dyn Successor>, CompactError> {
        Ok(Box::new(Heir {
            of: self.clone(),
            filled: Self::default(),
        }))
    }

    fn seal(&self) {}
}

/// There is nothing to gain; but what is done with every store can be tested.
struct Heir {
    of: Memory,
    filled: Memory,
}

impl Successor for Heir {
    fn write(&self, write: Write) -> Result<(), EngineError> {
        self.filled.write_one(write)
    }

    fn flush(&self) -> Result<(), EngineError> {
        Ok(())
    }

    fn prepare(&self) -> Result<(), EngineError> {
        Ok(())
    }

    fn take_over(self: Box<Self>) -> Result<Arc<dyn Engine>, EngineError> {
        std::mem::swap(&mut *self.of.map_mut(), &mut *self.filled.map_mut());
        Ok(Arc::new(self.of))
    }

    fn give_up(self: Box<Self>) {}
}

/// It never breaks.
impl Source for Memory {
    fn reopen(&self) -> Result<Arc<dyn Engine>, OpenError> {
        Ok(Arc::new(self.clone()))
    }

    fn has_space(&self) -> bool {
        true
    }

    fn no_space(&self) -> OpenError {
        OpenError::NoSpace {
            folder: "memory".into(),
        }
    }
}
