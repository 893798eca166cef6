//! The disk, and the engine on it.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use xps_base::random;

use super::work;
use crate::Store;
use crate::engine::{Engine, Source, Successor, Visit, Write};
use crate::error::{CompactError, Displaced, EngineError, OpenError};

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// What is wrong with a disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trouble {
    #[default]
    None,
    /// There is no space for more.
    Full,
    /// It fails at every turn.
    Failing,
    /// It works, and nobody will ever find what is written.
    Gone,
}

/// A disk, with the store that is on it. Clones are the same one.
#[derive(Clone, Default)]
pub struct Disk(Arc<RwLock<Content>>);

#[derive(Default)]
struct Content {
    /// What is there when the power goes.
    kept: Map,
    /// What is read: that, and what was written since.
    seen: Map,
    /// What was written since. After a crash each is there as a whole or not at all, and only if those before it are.
    written: VecDeque<Vec<Write>>,
    /// How many of these a sync was asked for.
    asked: usize,
    trouble: Trouble,
    /// How often it was opened: only the last one who did can use it.
    opened: u64,
}

impl Disk {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens the store on it, as a process does when it starts. To be called in a set of local tasks, which the store
    /// lives and ends with.
    ///
    /// # Errors
    ///
    /// When the disk is in trouble.
    pub fn open(&self) -> Result<Store, OpenError> {
        let engine = self.open_engine()?;
        Ok(work::store(self.clone(), engine))
    }

    /// Whoever has it open has no more: of what was not synced some may be there, and the rest is not.
    pub fn crash(&self) {
        self.content_mut().crash();
    }

    pub fn set_trouble(&self, trouble: Trouble) {
        let mut content = self.content_mut();
        if trouble == Trouble::Gone {
            // Whoever has asked for a sync was told already that all is in place: it is over by now.
            for _ in 0..std::mem::take(&mut content.asked) {
                content.keep_first();
            }
            // What is open goes on as it was, somewhere else.
            content.written.clear();
        }
        content.trouble = trouble;
    }

    #[must_use]
    pub fn trouble(&self) -> Trouble {
        self.content().trouble
    }

    /// How many writes a sync was asked for that has not been made yet.
    pub(super) fn asked(&self) -> usize {
        self.content().asked
    }

    /// Whether a sync was asked for all that was written.
    pub(super) fn is_asked_for_all(&self) -> bool {
        let content = self.content();
        content.asked == content.written.len()
    }

    /// The first so many writes are durable.
    pub(super) fn synced(&self, writes: usize) {
        let mut content = self.content_mut();
        let writes = writes.min(content.asked);
        content.asked -= writes;
        for _ in 0..writes {
            content.keep_first();
        }
    }

    pub(super) fn open_engine(&self) -> Result<Arc<dyn Engine>, OpenError> {
        let mut content = self.content_mut();
        if matches!(content.trouble, Trouble::Failing | Trouble::Gone) {
            return Err(OpenError::NoSpace { folder: folder() });
        }
        content.crash();
        Ok(Arc::new(Opened {
            disk: self.clone(),
            number: content.opened,
        }))
    }

    fn content(&self) -> RwLockReadGuard<'_, Content> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn content_mut(&self) -> RwLockWriteGuard<'_, Content> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Content {
    fn crash(&mut self) {
        self.opened += 1;
        let written = self.written.len() as u64;
        for _ in 0..random::number() % (written + 1) {
            self.keep_first();
        }
        self.written.clear();
        self.asked = 0;
        self.seen = self.kept.clone();
    }

    fn keep_first(&mut self) {
        for write in self.written.pop_front().into_iter().flatten() {
            apply(&mut self.kept, write);
        }
    }
}

fn apply(map: &mut Map, (key, value): Write) {
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    };
}

fn folder() -> PathBuf {
    "the played disk".into()
}

/// The engine, from one opening to the next.
struct Opened {
    disk: Disk,
    number: u64,
}

impl Opened {
    fn content(&self) -> Result<RwLockReadGuard<'_, Content>, EngineError> {
        let content = self.disk.content();
        content.check(self.number)?;
        Ok(content)
    }

    fn content_mut(&self) -> Result<RwLockWriteGuard<'_, Content>, EngineError> {
        let content = self.disk.content_mut();
        content.check(self.number)?;
        Ok(content)
    }
}

impl Content {
    fn check(&self, number: u64) -> Result<(), EngineError> {
        let error = |why: &str| Err(EngineError(why.to_owned()));
        match self.trouble {
            _ if self.opened != number => error("somebody else has it open"),
            Trouble::Failing => error("the disk does not work"),
            _ => Ok(()),
        }
    }
}

impl Engine for Opened {
    fn get(&self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<(), EngineError> {
        if let Some(value) = self.content()?.seen.get(key) {
            visit(value);
        }
        Ok(())
    }

    fn scan(&self, prefix: &[u8], visit: Visit<'_>) -> Result<(), EngineError> {
        self.scan_from(prefix, &mut |key, value| match key.starts_with(prefix) {
            true => visit(key, value),
            false => ControlFlow::Break(()),
        })
    }

    fn scan_from(&self, key: &[u8], visit: Visit<'_>) -> Result<(), EngineError> {
        for (key, value) in self.content()?.seen.range(key.to_vec()..) {
            if visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn write_one(&self, write: Write) -> Result<(), EngineError> {
        self.write_all(vec![write])
    }

    fn write_all(&self, writes: Vec<Write>) -> Result<(), EngineError> {
        let mut content = self.content_mut()?;
        for write in writes.iter().cloned() {
            apply(&mut content.seen, write);
        }
        if content.trouble != Trouble::Gone {
            content.written.push_back(writes);
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), EngineError> {
        let mut content = self.content_mut()?;
        content.asked = content.written.len();
        Ok(())
    }

    fn in_place(&self) -> Result<(), Displaced> {
        match self.disk.trouble() {
            Trouble::Gone => Err(Displaced::Gone(folder())),
            _ => Ok(()),
        }
    }

    fn check(&self) -> Result<(), EngineError> {
        self.content().map(drop)
    }

    fn has_room(&self) -> bool {
        self.disk.trouble() != Trouble::Full
    }

    fn size(&self) -> u64 {
        0
    }

    fn begin_successor(&self, _: u64) -> Result<Box<dyn Successor>, CompactError> {
        Ok(Box::new(Copy {
            disk: self.disk.clone(),
            number: self.number,
            filled: RwLock::default(),
        }))
    }

    fn seal(&self) {}
}

/// What is to take the place of an engine.
struct Copy {
    disk: Disk,
    number: u64,
    filled: RwLock<Map>,
}

impl Copy {
    fn check(&self) -> Result<(), EngineError> {
        self.disk.content().check(self.number)
    }
}

impl Successor for Copy {
    fn write(&self, write: Write) -> Result<(), EngineError> {
        self.check()?;
        let mut filled = self.filled.write().unwrap_or_else(PoisonError::into_inner);
        apply(&mut filled, write);
        Ok(())
    }

    fn flush(&self) -> Result<(), EngineError> {
        self.check()
    }

    fn prepare(&self) -> Result<(), EngineError> {
        self.check()
    }

    fn take_over(self: Box<Self>) -> Result<Arc<dyn Engine>, EngineError> {
        let mut content = self.disk.content_mut();
        content.check(self.number)?;
        let filled =
            std::mem::take(&mut *self.filled.write().unwrap_or_else(PoisonError::into_inner));
        if content.trouble != Trouble::Gone {
            content.kept.clone_from(&filled);
        }
        content.seen = filled;
        content.written.clear();
        content.asked = 0;
        content.opened += 1;
        Ok(Arc::new(Opened {
            disk: self.disk.clone(),
            number: content.opened,
        }))
    }

    fn give_up(self: Box<Self>) {}
}

impl Source for Disk {
    fn reopen(&self) -> Result<Arc<dyn Engine>, OpenError> {
        self.open_engine()
    }

    fn has_space(&self) -> bool {
        true
    }

    fn no_space(&self) -> OpenError {
        OpenError::NoSpace { folder: folder() }
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disk")
    }
}
