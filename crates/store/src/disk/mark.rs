//! The file `closed`: what the log was like when the store was last closed in good order.
//!
//! Where sled finds a message of its log damaged, it takes that for the log's end, clears what
//! comes behind, and stays silent: after a power loss that is what has to be done. When the store
//! was closed in good order it is a loss, so the log must be found as it was left. The mark is
//! gone before anything is written again.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use super::files::{failed, sync};
use super::place::Place;
use crate::error::OpenError;
use xps_base::clock::Instant;

const NAME: &str = "closed";

/// A longer log is held to its length only: reading it all would take too long.
const SUMMED_BYTES: u64 = 256 * 1024 * 1024;

/// How long sled's threads may linger.
const LINGER: Duration = Duration::from_secs(2);

/// Looks at the mark and removes it; says whether there was one.
pub(super) fn take(folder: &Path) -> Result<bool, OpenError> {
    let path = folder.join(NAME);
    let mark = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        result => result.map_err(failed("read", &path))?,
    };
    let log = folder.join("db");
    let now = describe(&log).map_err(failed("read", &log))?;
    if mark != now {
        return Err(OpenError::Changed {
            folder: folder.to_owned(),
            closed: mark.trim().to_owned(),
            now: now.trim().to_owned(),
        });
    }
    fs::remove_file(&path).map_err(failed("remove", &path))?;
    // It must not come back with a power loss: by then it would be wrong.
    sync(folder).map_err(failed("sync", folder))?;
    Ok(true)
}

/// Marks the log as whole when it is dropped, after the database, if that was asked for.
pub(super) struct Closing {
    folder: PathBuf,
    place: Arc<Place>,
    /// The descriptor that has been open as long as the database: it learns of what could not be written.
    log: File,
    asked: std::sync::atomic::AtomicBool,
}

impl Closing {
    pub(super) fn new(folder: &Path, place: Arc<Place>, log: File) -> Self {
        Self {
            folder: folder.to_owned(),
            place,
            log,
            asked: false.into(),
        }
    }

    pub(super) fn ask(&self) {
        self.asked.store(true, std::sync::atomic::Ordering::Release);
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        if *self.asked.get_mut()
            && self.place.check_place().is_ok()
            && let Err(error) = leave(&self.folder, &self.log)
        {
            // It is a help, no duty: without it, the next start merely looks less closely.
            tracing::debug!("cannot mark {} as closed: {error}", self.folder.display());
        }
    }
}

fn leave(folder: &Path, open: &File) -> io::Result<()> {
    let log = folder.join("db");
    wait_for_sled(&log)?;
    // What the kernel shows of the log from its memory may not be on the disk.
    open.sync_data()?;
    let path = folder.join(NAME);
    let unfinished = folder.join("closed.new");
    let mut file = File::create(&unfinished)?;
    file.write_all(describe(&log)?.as_bytes())?;
    file.sync_all()?;
    fs::rename(&unfinished, &path)?;
    sync(folder)
}

/// A thread of sled's that still shortens the log also still holds sled's lock.
fn wait_for_sled(log: &Path) -> io::Result<()> {
    let file = File::open(log)?;
    let begun = Instant::now();
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(()),
            Err(rustix::io::Errno::WOULDBLOCK) if begun.elapsed() < LINGER => {
                thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// The log's length, and its checksum.
fn describe(log: &Path) -> io::Result<String> {
    let mut file = match File::open(log) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok("no log\n".to_owned()),
        result => result?,
    };
    let length = file.metadata()?.len();
    if length > SUMMED_BYTES {
        return Ok(format!("{length} bytes\n"));
    }
    let mut sum = crc32fast::Hasher::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(format!("{length} bytes, CRC-32 {:08x}\n", sum.finalize())),
            read => sum.update(buffer.get(..read).unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// sled may not have written all of it, and tells nobody: the mark was of what the kernel had in its memory.
    #[test]
    fn a_log_that_could_not_be_synced_is_not_marked_as_whole() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("db"), "log").unwrap();
        // Nothing can sync it.
        let (pipe, _) = io::pipe().unwrap();
        let log = File::from(std::os::fd::OwnedFd::from(pipe));
        leave(folder.path(), &log).unwrap_err();
        assert!(!take(folder.path()).unwrap());
    }

    #[test]
    fn a_mark_is_good_once_and_only_for_the_log_it_was_made_of() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("db");
        fs::write(&log, "log").unwrap();
        assert!(!take(folder.path()).unwrap());
        let leave = || leave(folder.path(), &File::open(&log).unwrap()).unwrap();
        leave();
        assert!(take(folder.path()).unwrap());
        assert!(!take(folder.path()).unwrap());
        leave();
        for changed in ["lag", "lo", "log ", ""] {
            fs::write(&log, changed).unwrap();
            let error = take(folder.path()).unwrap_err();
            assert!(matches!(error, OpenError::Changed { .. }), "{changed:?}");
        }
        fs::remove_file(&log).unwrap();
        assert!(take(folder.path()).is_err());
        fs::write(&log, "log").unwrap();
        assert!(take(folder.path()).unwrap());
    }
}
