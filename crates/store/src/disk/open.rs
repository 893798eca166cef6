//! Opening a database, also after what sled itself does not get over.

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use super::cache::Cache;
use super::mark::{self, Closing};
use super::place::{Known, Place};
use super::{Disk, LEAST_FREE_BYTES, SEGMENT_BYTES, claim, compacting, files, message, shortage};
use crate::engine::{Engine, Source};
use crate::error::OpenError;
use crate::format;
use xps_base::clock::Instant;

/// sled's background thread also frees segments, so it must run; it is no part of durability.
const FLUSH_EVERY_MS: u64 = 1000;

/// How long a database closed a moment ago may keep sled's own lock: its threads linger.
const LINGER: Duration = Duration::from_secs(5);

/// Opens the database in this folder, which is made if it is missing.
pub(crate) fn open(folder: &Path, cache_bytes: u64) -> Result<(Disk, Folder), OpenError> {
    shortage::of_threads().map_err(files::failed("start the threads of the store in", folder))?;
    claim::check(folder)?;
    let made = files::make_folder(folder)?;
    let known = Arc::new(Known::by(folder));
    let had_lock = files::has_lock(folder);
    let disk = open_in(folder, cache_bytes, made, &known, format::check).inspect_err(|error| {
        if !had_lock && error.is_of_others() {
            files::take_lock_away(folder);
        }
    })?;
    let folder = Folder {
        path: folder.to_owned(),
        cache_bytes,
        known,
    };
    Ok((disk, folder))
}

/// The folder of a database that has been open, and may be opened again.
pub(crate) struct Folder {
    path: PathBuf,
    cache_bytes: u64,
    known: Arc<Known>,
}

impl Source for Folder {
    fn reopen(&self) -> Result<Arc<dyn Engine>, OpenError> {
        // First of all: nothing is to be made or changed in another folder.
        let recognised = self.known.recognise(&self.path);
        recognised
            .and_then(|()| self.known.is_whole(&self.path))
            .map_err(|displaced| OpenError::Displaced(displaced.to_string()))?;
        let disk = open_in(
            &self.path,
            self.cache_bytes,
            false,
            &self.known,
            format::insist,
        )?;
        Ok(Arc::new(disk))
    }

    fn has_space(&self) -> bool {
        // What lies elsewhere says nothing about space.
        self.known.recognise(&self.path).is_err()
            || files::has_ballast(&self.path)
            || files::free_bytes(&self.path).is_none_or(|free| free >= LEAST_FREE_BYTES)
    }

    fn no_space(&self) -> OpenError {
        OpenError::NoSpace {
            folder: self.path.clone(),
        }
    }
}

/// Opens what is there, unless `judge` refuses what is in it: then nothing is put beside it but a lock.
fn open_in(
    folder: &Path,
    cache_bytes: u64,
    made: bool,
    known: &Arc<Known>,
    judge: fn(&dyn Engine, &Path) -> Result<(), OpenError>,
) -> Result<Disk, OpenError> {
    shortage::of_memory().map_err(|reason| OpenError::Short {
        action: "find the memory to open the store in",
        path: folder.to_owned(),
        reason,
    })?;
    let lock = match files::lock(folder) {
        // Even the lock's file needs an inode.
        Err(OpenError::NoSpace { .. }) if files::give_up_ballast(folder) => files::lock(folder)?,
        result => result?,
    };
    if !mark::take(folder)? {
        files::distrust_the_cache(folder)?;
    }
    files::make_log_or_miss_it(folder)?;
    // Before sled opens it: if this is what lies there afterwards, it is what sled has.
    let log = folder.join("db");
    let log = files::open_log(&log).map_err(files::failed("open", &log))?;
    let place = Place::of(folder, &log).map_err(files::failed("look at", folder))?;
    files::read_through(folder)?;
    compacting::clear_away(folder)?;
    let db = recover(folder, cache_bytes)?;
    let place = Arc::new(place);
    let log_bytes = files::length(&log);
    let to_close = log.try_clone().map_err(files::failed("open", folder))?;
    let disk = Disk {
        db,
        log,
        folder: folder.to_owned(),
        blobs_seen: AtomicBool::new(false),
        closing: Closing::new(folder, Arc::clone(&place), to_close),
        place,
        known: Arc::clone(known),
        cache: Cache::new(cache_bytes, log_bytes),
        lock: Arc::new(lock),
    };
    judge(&disk, folder)?;
    if let Err(error) = known.mark(folder) {
        // It may be for want of space, and is tried again.
        tracing::debug!("cannot mark {}: {error}", folder.display());
    }
    files::sync_all(folder, made)?;
    disk.place
        .check_place()
        .map_err(|displaced| OpenError::Displaced(displaced.to_string()))?;
    disk.place.settle(known);
    files::lay_ballast(folder);
    disk.look_for_blobs();
    Ok(disk)
}

/// Tries each remedy for what sled fails over; none can be applied twice, so this ends.
fn recover(folder: &Path, cache_bytes: u64) -> Result<sled::Db, OpenError> {
    let begun = Instant::now();
    loop {
        // A kill leaves them, and so does an attempt that fails for want of space.
        files::remove_half_snapshots(folder)?;
        let trouble = match attempt(folder, cache_bytes) {
            Ok(db) => return Ok(db),
            Err(trouble) => trouble,
        };
        match trouble {
            OpenFault::Locked(_) if begun.elapsed() < LINGER => {
                thread::sleep(Duration::from_millis(10));
            }
            OpenFault::NoSpace if files::give_up_ballast(folder) => {}
            OpenFault::Damage(_) if files::set_damaged_snapshots_aside(folder)? => {}
            trouble => return Err(trouble.into_error(folder)),
        }
    }
}

pub(super) enum OpenFault {
    Locked(std::io::Error),
    NoSpace,
    /// Of threads, memory or descriptors.
    Short(String),
    Damage(String),
    Io(std::io::Error),
}

impl OpenFault {
    pub(super) fn into_error(self, folder: &Path) -> OpenError {
        let folder = folder.to_owned();
        match self {
            Self::NoSpace => OpenError::NoSpace { folder },
            Self::Short(reason) => OpenError::Short {
                action: "open the store in",
                path: folder,
                reason,
            },
            Self::Damage(reason) => OpenError::Damaged { folder, reason },
            Self::Locked(source) | Self::Io(source) => OpenError::Io {
                action: "open the store in",
                path: folder,
                source,
            },
        }
    }
}

pub(super) fn attempt(folder: &Path, cache_bytes: u64) -> Result<sled::Db, OpenFault> {
    let segment = usize::try_from(SEGMENT_BYTES).unwrap_or(usize::MAX);
    let config = sled::Config::new()
        .path(folder)
        .cache_capacity(cache_bytes)
        .flush_every_ms(Some(FLUSH_EVERY_MS))
        .segment_size(segment);
    match catch_unwind(AssertUnwindSafe(|| config.open())) {
        Ok(Ok(db)) => Ok(db),
        Ok(Err(sled::Error::Io(error))) => Err(match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => OpenFault::NoSpace,
            ErrorKind::UnexpectedEof | ErrorKind::InvalidData => {
                OpenFault::Damage(error.to_string())
            }
            // sled wraps it in a text.
            ErrorKind::Other if error.to_string().contains("acquire lock") => {
                OpenFault::Locked(error)
            }
            _ if shortage::is_told(&error.to_string()) => OpenFault::Short(error.to_string()),
            _ => OpenFault::Io(error),
        }),
        Ok(Err(error)) => Err(OpenFault::Damage(error.to_string())),
        // So it does where it cannot start a thread.
        Err(panic) if shortage::is_told(message(&*panic)) => {
            Err(OpenFault::Short(message(&*panic).to_owned()))
        }
        Err(panic) => Err(OpenFault::Damage(message(&*panic).to_owned())),
    }
}
