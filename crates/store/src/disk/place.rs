//! Whether the store's path still leads to what was opened there.
//!
//! An open file stays good when its folder is deleted, moved or mounted over: writes and syncs go
//! on succeeding, and the next open finds nothing of them. So what lies at the path is compared
//! with what is open, by device and inode, before anything is acknowledged.
//!
//! Once a store has failed, nothing of it is kept open, so that its disk can be unmounted and
//! repaired. What counts as the same store then: the same folder with the same log in it; or
//! another folder (the same disk mounted again, a copy) that bears the store's mark, a number that
//! was drawn when the folder was first opened. Never an empty folder, another store's, or another
//! log in the same folder, whose index would belong to the log before.

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::files;
use crate::error::Displaced;
use xps_base::random;

const LOG: &str = "db";
const SETTINGS: &str = "conf";
const MARK: &str = "id";

/// More than a mark has, and more than sled's settings.
const KEPT_BYTES: u64 = 4096;

/// One file or folder: not its name, but itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    /// An inode's number is given out again once nobody holds it. Not every file system knows.
    born: Option<SystemTime>,
}

impl From<&Metadata> for Identity {
    fn from(found: &Metadata) -> Self {
        Self {
            device: found.dev(),
            inode: found.ino(),
            born: found.created().ok(),
        }
    }
}

fn look_at(path: &Path) -> Result<Metadata, Displaced> {
    fs::metadata(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Displaced::Gone(path.to_owned()),
        _ => Displaced::Unseen(path.to_owned(), error.to_string()),
    })
}

/// How a store is known again, from its first opening to the end of the process.
pub(super) struct Known {
    mark: String,
    /// sled's settings: they never change, and without them a log is not taken for ours.
    settings: Mutex<Vec<u8>>,
    last: Mutex<Last>,
    copy: Mutex<Copy>,
}

/// How many times in a row another folder must have looked the same before it is opened: for half of
/// a log looks like all of one, and sled clears what is written behind it meanwhile. Attempts are two
/// seconds apart, or more.
const LOOKS: usize = 3;

/// The same where its log is shorter than the one that was open. That may be so, for sled shortens
/// it now and then.
const LOOKS_IF_SHORT: usize = 30;

/// Another folder that bears the mark, as it was found last.
#[derive(Default)]
struct Copy {
    /// Its files: names, inodes, lengths, and when they were changed, in nanoseconds.
    files: Vec<(OsString, u64, u64, i128)>,
    /// How many times in a row they were found so.
    looks: usize,
}

#[derive(Default)]
struct Last {
    folder: Option<Identity>,
    /// One, or two where nobody knows whether one took the place of the other.
    logs: Vec<Identity>,
    /// How many bytes the log had when somebody looked.
    length: u64,
}

impl Known {
    /// By the mark of the folder, or by a new one if it has none yet, as no store of earlier
    /// releases has.
    pub(super) fn by(folder: &Path) -> Self {
        Self {
            mark: read(&folder.join(MARK))
                .map(|mark| String::from_utf8_lossy(&mark).trim().to_owned())
                .ok()
                .filter(|mark| !mark.is_empty())
                .unwrap_or_else(draw),
            settings: Mutex::default(),
            last: Mutex::default(),
            copy: Mutex::default(),
        }
    }

    /// Whether it is this store that lies in the folder. Nothing is opened for that, or changed.
    pub(super) fn recognise(&self, folder: &Path) -> Result<(), Displaced> {
        let log = folder.join(LOG);
        let (folder_is, log_is) = (look_at(folder)?, look_at(&log)?);
        let last = self.last();
        if last.folder == Some(Identity::from(&folder_is)) {
            if last.logs.contains(&Identity::from(&log_is)) {
                return Ok(());
            }
            return Err(Displaced::Replaced(log));
        }
        if self.is_marked(folder) {
            return Ok(());
        }
        Err(Displaced::Strange(folder.to_owned()))
    }

    /// Whether what was [recognised](Self::recognise) is whole: the folder that was open, or a copy that
    /// nobody is making any more.
    pub(super) fn is_whole(&self, folder: &Path) -> Result<(), Displaced> {
        let unseen = |error: io::Error| Displaced::Unseen(folder.to_owned(), error.to_string());
        let (same, length) = {
            let last = self.last();
            (
                last.folder == Some(Identity::from(&look_at(folder)?)),
                last.length,
            )
        };
        if same {
            return Ok(());
        }
        let files = files_in(folder).map_err(unseen)?;
        let mut copy = self.copy.lock().unwrap_or_else(PoisonError::into_inner);
        if copy.files != files {
            *copy = Copy { files, looks: 0 };
        }
        copy.looks += 1;
        let is_short = look_at(&folder.join(LOG))?.len() < length;
        let looks = if is_short { LOOKS_IF_SHORT } else { LOOKS };
        if copy.looks < looks {
            return Err(Displaced::Changing(folder.to_owned()));
        }
        Ok(())
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settings(&self) -> MutexGuard<'_, Vec<u8>> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_marked(&self, folder: &Path) -> bool {
        let mark = read(&folder.join(MARK));
        mark.is_ok_and(|mark| mark.trim_ascii() == self.mark.as_bytes())
    }

    /// Marks the folder, if it is not yet.
    pub(super) fn mark(&self, folder: &Path) -> io::Result<()> {
        if self.is_marked(folder) {
            return Ok(());
        }
        write(folder, MARK, format!("{}\n", self.mark).as_bytes())
    }
}

/// What is open, and where.
pub(super) struct Place {
    path: PathBuf,
    /// Held, so that its inode's number is not given out again. The log is held by others.
    _folder: File,
    folder_is: Identity,
    log_is: Identity,
}

impl Place {
    /// With this log, which was opened in this folder, or is about to take its place in it.
    pub(super) fn of(path: &Path, log: &File) -> io::Result<Self> {
        let folder = File::open(path)?;
        Ok(Self {
            path: path.to_owned(),
            folder_is: Identity::from(&folder.metadata()?),
            log_is: Identity::from(&log.metadata()?),
            _folder: folder,
        })
    }

    /// Whether the path still leads here.
    pub(super) fn check_place(&self) -> Result<(), Displaced> {
        self.look_at(&self.path, self.folder_is)?;
        self.look_at(&self.path.join(LOG), self.log_is)
    }

    fn look_at(&self, path: &Path, is: Identity) -> Result<(), Displaced> {
        let (device, inode) = match files::inode_at(path) {
            Some(found) => found,
            None => look_at(path).map(|found| (found.dev(), found.ino()))?,
        };
        if device != is.device {
            return Err(Displaced::Covered(path.to_owned()));
        }
        if inode != is.inode {
            return Err(Displaced::Replaced(path.to_owned()));
        }
        Ok(())
    }

    /// From now on this is what is open.
    pub(super) fn settle(&self, known: &Known) {
        *known.last() = Last {
            folder: Some(self.folder_is),
            logs: vec![self.log_is],
            length: self.length(),
        };
        if let Ok(settings) = read(&self.path.join(SETTINGS)) {
            *known.settings() = settings;
        }
    }

    fn length(&self) -> u64 {
        fs::metadata(self.path.join(LOG)).map_or(0, |log| log.len())
    }

    /// From now on this may be what is open, or what was open before.
    pub(super) fn may_settle(&self, known: &Known) {
        known.last().logs.push(self.log_is);
    }

    /// Puts the small files back without which the next open would refuse the store, or a revival
    /// not know it again.
    pub(super) fn mend(&self, known: &Known) {
        known.last().length = self.length();
        let settings = known.settings();
        let mark = format!("{}\n", known.mark);
        for (name, content) in [(SETTINGS, settings.as_slice()), (MARK, mark.as_bytes())] {
            let path = self.path.join(name);
            let missing = matches!(path.try_exists(), Ok(false));
            if missing && !content.is_empty() && write(&self.path, name, content).is_ok() {
                tracing::warn!(
                    "{} was missing from the open store and was put back; no other program may \
                     change the files there",
                    path.display()
                );
            }
        }
    }
}

fn files_in(folder: &Path) -> io::Result<Vec<(OsString, u64, u64, i128)>> {
    let files = fs::read_dir(folder)?.map(|entry| {
        let entry = entry?;
        let file = entry.metadata()?;
        let changed = i128::from(file.ctime()) * 1_000_000_000 + i128::from(file.ctime_nsec());
        Ok((entry.file_name(), file.ino(), file.len(), changed))
    });
    let mut files: Vec<_> = files.collect::<io::Result<_>>()?;
    files.sort_unstable();
    Ok(files)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?
        .take(KEPT_BYTES)
        .read_to_end(&mut content)?;
    Ok(content)
}

/// Writes a file so that a crash leaves it whole or not at all.
fn write(folder: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let unfinished = folder.join(format!("{name}.new"));
    let mut file = files::private().truncate(true).open(&unfinished)?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    if let Err(error) = written {
        let _ = fs::remove_file(&unfinished);
        return Err(error);
    }
    fs::rename(&unfinished, folder.join(name))?;
    files::sync(folder)
}

fn draw() -> String {
    format!("{:016x}{:016x}", random::number(), random::number())
}

#[cfg(test)]
mod tests;
