//! The database that is filled beside the open one, to take its place.
//!
//! It is made in the folder `compacting`. All of it is on the disk before its log is renamed to be
//! the store's: one moment, before which an open finds the old log, and behind which the new one.
//! sled's settings are the same for both, and its index (`snap.*`) is of the old log alone: it is
//! gone for sure before the rename, and sled builds it again from whichever log it finds.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Weak};

use super::cache::Cache;
use super::files::FolderLock;
use super::mark::Closing;
use super::place::{Known, Place};
use super::{Disk, LEAST_FREE_BYTES, compacting, files, guarded, open, write_one};
use crate::engine::{Engine, Successor, Write};
use crate::error::{CompactError, Displaced, EngineError, OpenError};

/// A database in the making.
pub(super) struct Beside {
    db: sled::Db,
    /// Our own descriptor of its log, opened before anything is written: the kernel reports a failed write-back to each
    /// descriptor once, and never to one that is opened later.
    log: File,
    folder: PathBuf,
    cache_bytes: u64,
    /// Of the open database: the store's lock.
    lock: Weak<FolderLock>,
    /// Of the open database. What lies elsewhere is not ours to replace or remove.
    place: Arc<Place>,
    known: Arc<Known>,
}

fn trouble(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> EngineError {
    let path = path.display().to_string();
    move |error| EngineError(format!("cannot {action} {path}: {error}"))
}

impl Beside {
    /// Begins one, if there is space for it and for what must stay free.
    pub(super) fn begin(of: &Disk, bytes: u64) -> Result<Self, CompactError> {
        let (folder, cache_bytes) = (&of.folder, of.cache.bytes);
        let needed = bytes.saturating_add(LEAST_FREE_BYTES);
        match files::free_bytes(folder) {
            Some(free) if free < needed => return Err(CompactError::NoRoom { needed, free }),
            _ => {}
        }
        let stopped = |error: OpenError| CompactError::Stopped(error.to_string());
        compacting::clear_away(folder).map_err(stopped)?;
        let path = compacting::folder(folder);
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.map_err(files::failed("make", &path))
            .map_err(stopped)?;
        files::make_log_or_miss_it(&path).map_err(stopped)?;
        let log = path.join("db");
        let log = files::open_log(&log)
            .map_err(files::failed("open", &log))
            .map_err(stopped)?;
        let db = open::attempt(&path, cache_bytes)
            .map_err(|trouble| stopped(trouble.into_error(&path)))?;
        Ok(Self {
            db,
            log,
            folder: folder.clone(),
            cache_bytes,
            lock: Arc::downgrade(&of.lock),
            place: Arc::clone(&of.place),
            known: Arc::clone(&of.known),
        })
    }

    fn path(&self) -> PathBuf {
        compacting::folder(&self.folder)
    }
}

impl Successor for Beside {
    fn write(&self, (key, value): Write) -> Result<(), EngineError> {
        write_one(&self.db, key, value)
    }

    fn flush(&self) -> Result<(), EngineError> {
        guarded(|| self.db.flush().map(drop))
    }

    fn prepare(&self) -> Result<(), EngineError> {
        let path = self.path();
        // They are written when a database is made, and are not changed with the log.
        let settings = |folder: &Path| {
            let path = folder.join("conf");
            fs::read(&path).map_err(trouble("read", &path))
        };
        if settings(&self.folder)? != settings(&path)? {
            return Err(EngineError(
                "the settings of the database (its file `conf`) are not those of this release"
                    .to_owned(),
            ));
        }
        if files::has_blobs(&path) {
            return Err(EngineError("sled put data into a folder blobs/".to_owned()));
        }
        let log = path.join("db");
        self.log.sync_all().map_err(trouble("sync", &log))?;
        for path in [path, self.folder.clone()] {
            files::sync(&path).map_err(trouble("sync", &path))?;
        }
        Ok(())
    }

    fn take_over(self: Box<Self>) -> Result<Arc<dyn Engine>, EngineError> {
        let (folder, path) = (&self.folder, self.path());
        let lock = self.lock.upgrade();
        let lock = lock.ok_or_else(|| EngineError("nobody holds the lock".to_owned()))?;
        let to_close = self.log.try_clone();
        let to_close = to_close.map_err(trouble("open", &path.join("db")))?;
        let place = Place::of(folder, &self.log).map_err(trouble("look at", folder))?;
        let displaced = |displaced: Displaced| EngineError(displaced.to_string());
        self.place.check_place().map_err(displaced)?;
        files::remove_snapshots(folder).map_err(trouble("remove the snapshots in", folder))?;
        files::sync(folder).map_err(trouble("sync", folder))?;
        let log = folder.join("db");
        place.may_settle(&self.known);
        fs::rename(path.join("db"), &log)
            .map_err(trouble("rename the new database file to", &log))?;
        files::sync(folder).map_err(trouble("sync", folder))?;
        // Nothing of the old database must be left; what cannot be removed now is not needed.
        for path in [path, folder.join("blobs")] {
            compacting::remove(&path).map_err(trouble("remove", &path))?;
        }
        place.check_place().map_err(displaced)?;
        place.settle(&self.known);
        let place = Arc::new(place);
        let log_bytes = files::length(&self.log);
        Ok(Arc::new(Disk {
            db: self.db.clone(),
            log: self.log,
            folder: folder.clone(),
            blobs_seen: AtomicBool::new(false),
            closing: Closing::new(folder, Arc::clone(&place), to_close),
            place,
            known: Arc::clone(&self.known),
            cache: Cache::new(self.cache_bytes, log_bytes),
            lock,
        }))
    }

    fn give_up(self: Box<Self>) {
        let path = self.path();
        let in_place = self.place.check_place().is_ok();
        drop(self);
        if in_place && let Err(error) = compacting::remove(&path) {
            tracing::warn!(
                path = %path.display(),
                %error,
                "cannot remove the files that a compaction left behind"
            );
        }
    }
}

#[cfg(test)]
mod tests;
