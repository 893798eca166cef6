//! sled, with the settings and the care that docs/internals/storage.md gives the reasons for.

mod cache;
mod claim;
mod compacting;
mod files;
mod mark;
mod open;
mod place;
mod shortage;
mod successor;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::engine::{Engine, Successor, Visit, Write};
use super::error::{CompactError, Displaced, EngineError};

use cache::Cache;
pub use files::FolderLock;
pub(super) use files::{is_there, scarce, sizes};
pub(super) use open::open;
use place::{Known, Place};
use xps_base::clock::Instant;

/// Fixed when a database is made. A node of the tree that outgrows a quarter of it goes to a file
/// of its own, which sled never syncs; one node has some 20 records of at most 64 KiB.
const SEGMENT_BYTES: u64 = 8 * 1024 * 1024;

/// Below this, sets that grow are refused: a full disk would end the store, and sled then needs
/// more than a segment to be opened again.
const LEAST_FREE_BYTES: u64 = 64 * 1024 * 1024;
const _: () = assert!(LEAST_FREE_BYTES >= 4 * SEGMENT_BYTES);

/// sled merges a leaf of fewer records with the one before it, and as long as that cannot be read nobody gets past the node
/// above them. So whoever removes one of the first of a leaf's records reads into the leaf before it.
const MERGED_BELOW: usize = 4;

/// A flush that takes longer is asked for once more, through our own descriptor: sled's own thread syncs the same file once
/// a second, and of two syncs of one descriptor that fail together only one says so.
const SLOW: Duration = Duration::from_millis(20);

/// An open database. The order of the fields is the order of their end: the lock goes last.
pub(super) struct Disk {
    db: sled::Db,
    /// Our own descriptor of sled's log: the kernel reports a failed write-back to each
    /// descriptor once, and sled may have lost the report made to its own.
    log: File,
    folder: PathBuf,
    blobs_seen: AtomicBool,
    closing: mark::Closing,
    place: Arc<Place>,
    known: Arc<Known>,
    cache: Cache,
    /// Shared with what takes its place.
    lock: Arc<FolderLock>,
}

impl From<sled::Error> for EngineError {
    fn from(error: sled::Error) -> Self {
        Self(error.to_string())
    }
}

/// sled panics where it finds what it believes impossible; to us that is one more error.
fn guarded<T>(work: impl FnOnce() -> sled::Result<T>) -> Result<T, EngineError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => Ok(result?),
        Err(panic) => Err(EngineError(format!("sled panicked: {}", message(&*panic)))),
    }
}

fn write_one(db: &sled::Db, key: Vec<u8>, value: Option<Vec<u8>>) -> Result<(), EngineError> {
    guarded(|| match value {
        Some(value) => db.insert(key, value).map(drop),
        None => db.remove(key).map(drop),
    })
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
}

impl Disk {
    /// Learns of what could not be written, whoever else was told of it.
    fn sync(&self) -> Result<(), EngineError> {
        self.log
            .sync_data()
            .map_err(|error| EngineError(format!("the database file could not be synced: {error}")))
    }

    /// A file in `blobs/` would mean data that no sync of ours reaches.
    fn look_for_blobs(&self) {
        if files::has_blobs(&self.folder) && !self.blobs_seen.swap(true, Ordering::Relaxed) {
            tracing::error!(
                "sled put data into {}, which it never syncs: such data may not survive a power \
                 loss; please report this",
                self.folder.join("blobs").display()
            );
        }
    }
}

impl Engine for Disk {
    fn get(&self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<(), EngineError> {
        if let Some(value) = guarded(|| self.db.get(key))? {
            visit(&value);
            guarded(|| self.cache.have_read(&self.db, key))?;
        }
        Ok(())
    }

    fn scan(&self, prefix: &[u8], visit: Visit<'_>) -> Result<(), EngineError> {
        guarded(|| {
            for item in self.db.scan_prefix(prefix) {
                let (key, value) = item?;
                if visit(&key, &value).is_break() {
                    break;
                }
            }
            Ok(())
        })
    }

    fn scan_from(&self, key: &[u8], visit: Visit<'_>) -> Result<(), EngineError> {
        guarded(|| {
            for item in self.db.range(key..) {
                let (key, value) = item?;
                if visit(&key, &value).is_break() {
                    break;
                }
            }
            Ok(())
        })
    }

    fn can_remove(&self, key: &[u8]) -> Result<(), EngineError> {
        guarded(|| {
            let mut before = self.db.range(..key).rev().take(MERGED_BELOW);
            before.try_for_each(|it| it.map(drop))
        })
    }

    fn write_one(&self, (key, value): Write) -> Result<(), EngineError> {
        write_one(&self.db, key, value)
    }

    fn write_all(&self, writes: Vec<Write>) -> Result<(), EngineError> {
        let mut batch = sled::Batch::default();
        for (key, value) in writes {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        guarded(|| self.db.apply_batch(batch))
    }

    fn flush(&self) -> Result<(), EngineError> {
        let begun = Instant::now();
        guarded(|| self.db.flush().map(drop))?;
        if begun.elapsed() >= SLOW {
            self.sync()?;
        }
        files::reserve_ahead(&self.log);
        Ok(())
    }

    fn in_place(&self) -> Result<(), Displaced> {
        self.place.check_place()
    }

    fn check(&self) -> Result<(), EngineError> {
        self.place.mend(&self.known);
        self.look_for_blobs();
        self.cache.adjust(self.size());
        self.sync()
    }

    fn has_room(&self) -> bool {
        // What was given up when the disk was full is put by again.
        files::lay_ballast(&self.folder);
        // Where it cannot be told, only a try can tell.
        files::free_bytes(&self.folder).is_none_or(|free| free >= LEAST_FREE_BYTES)
    }

    fn size(&self) -> u64 {
        files::length(&self.log)
    }

    fn begin_successor(&self, bytes: u64) -> Result<Box<dyn Successor>, CompactError> {
        self.place
            .check_place()
            .map_err(|displaced| CompactError::Stopped(displaced.to_string()))?;
        let beside = successor::Beside::begin(self, bytes)?;
        Ok(Box::new(beside))
    }

    fn seal(&self) {
        self.closing.ask();
    }
}
