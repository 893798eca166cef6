//! The files of a store, beside what sled does with its own.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock, statvfs};
use rustix::io::Errno;

use super::{SEGMENT_BYTES, shortage};
use crate::error::OpenError;
use crate::space::Scarce;

/// sled cannot be opened on a full disk, so this much is kept to be given up then.
const BALLAST_BYTES: u64 = 3 * SEGMENT_BYTES;
const BALLAST: &str = "ballast";

/// How far ahead the disk reserves space for the log. A write into what is reserved changes no length, which the file
/// system would have to write down as well with each sync. It never reaches into another segment: to sled what it has
/// not written yet is the same as the end of the file.
const AHEAD_BYTES: u64 = 1024 * 1024;
const _: () = assert!(SEGMENT_BYTES.is_multiple_of(AHEAD_BYTES));

const LOCK: &str = "lock";

/// An error of the system, with what was tried on what.
pub(super) fn failed<'a>(
    action: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> OpenError + 'a {
    move |source| match source.kind() {
        io::ErrorKind::StorageFull => OpenError::NoSpace {
            folder: path.to_owned(),
        },
        _ if shortage::is_one(&source) => OpenError::Short {
            action,
            path: path.to_owned(),
            reason: source.to_string(),
        },
        _ => OpenError::Io {
            action,
            path: path.to_owned(),
            source,
        },
    }
}

/// Makes the folder, for this user alone; says whether it was missing.
pub(super) fn make_folder(folder: &Path) -> Result<bool, OpenError> {
    if folder.is_dir() {
        return Ok(false);
    }
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(failed("make the folder", folder))?;
    Ok(true)
}

/// Whether there is a database in the folder, or something is left of one. Where that cannot be
/// seen, whoever opens it is told why.
pub(crate) fn is_there(folder: &Path) -> bool {
    let mut names = ["conf", "db"].into_iter();
    names.any(|name| folder.join(name).try_exists().unwrap_or(true))
}

/// The files in the folder, and what each takes on the disk: some are not as long as they seem.
pub(crate) fn sizes(folder: &Path) -> Vec<(String, u64)> {
    let mut sizes = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if let Ok(file) = entry.metadata()
            && file.is_file()
        {
            let name = entry.file_name().to_string_lossy().into_owned();
            sizes.push((name, file.blocks() * 512));
        }
    }
    sizes
}

/// How to make a file for this user alone, or write to it.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).mode(0o600);
    options
}

/// The lock of a folder that this process has to itself, until it is dropped.
#[derive(Debug)]
pub struct FolderLock(File);

impl FolderLock {
    /// Takes the lock of a folder without a store in it, and makes the folder (for this user alone)
    /// if it is missing.
    ///
    /// # Errors
    ///
    /// When another process has it, or the system refuses.
    pub fn take(folder: &Path) -> Result<Self, OpenError> {
        make_folder(folder)?;
        lock(folder)
    }
}

impl Drop for FolderLock {
    /// Closing the file is not enough: a child that was forked and has not executed its program
    /// yet has the same open file, and would keep the lock.
    fn drop(&mut self) {
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

/// Takes the store's lock.
///
/// Ours and not only sled's: it must come before anything in the folder is touched.
pub(super) fn lock(folder: &Path) -> Result<FolderLock, OpenError> {
    let path = folder.join(LOCK);
    let mut options = private();
    options.read(true).truncate(false);
    let mut file = options.open(&path).map_err(failed("open", &path))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            let mut pid = String::new();
            let _ = file.take(32).read_to_string(&mut pid);
            let pid = Some(pid.trim().to_owned()).filter(|pid| !pid.is_empty());
            return Err(OpenError::InUse {
                folder: folder.to_owned(),
                pid,
            });
        }
        Err(error) => return Err(failed("lock", &path)(error.into())),
    }
    // Only for the message above: on a full disk the lock must do without.
    let _ = file
        .set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(FolderLock(file))
}

/// Whether somebody has locked the folder before, perhaps long ago.
pub(super) fn has_lock(folder: &Path) -> bool {
    folder.join(LOCK).exists()
}

/// Removes the lock from a folder that turned out to be somebody else's.
pub(super) fn take_lock_away(folder: &Path) {
    // There is nobody left to tell who could do more about it.
    let _ = fs::remove_file(folder.join(LOCK));
}

/// sled's snapshots in the folder: those complete, or those it was killed over.
fn snapshots(folder: &Path, complete: bool) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        if name.starts_with("snap.") && name.ends_with(".generating") != complete {
            found.push(path);
        }
    }
    Ok(found)
}

/// Removes what a kill left of a snapshot, because sled would refuse to open.
pub(super) fn remove_half_snapshots(folder: &Path) -> Result<(), OpenError> {
    for path in snapshots(folder, false).map_err(failed("list", folder))? {
        fs::remove_file(&path).map_err(failed("remove", &path))?;
    }
    Ok(())
}

/// Renames the snapshots that are damaged, for sled to build again from its log; says whether
/// there were any.
///
/// Only those: where the log was cut short, a snapshot is what makes sled notice. Without it,
/// sled would open what is left and stay silent about the rest.
pub(super) fn set_damaged_snapshots_aside(folder: &Path) -> Result<bool, OpenError> {
    let mut any = false;
    for path in snapshots(folder, true).map_err(failed("list", folder))? {
        let content = fs::read(&path).map_err(failed("read", &path))?;
        let Some(name) = path.file_name().filter(|_| !is_intact(&content)) else {
            continue;
        };
        let mut aside = OsStr::new("damaged-").to_owned();
        aside.push(name);
        fs::rename(&path, folder.join(aside)).map_err(failed("rename", &path))?;
        tracing::warn!(
            "the store's index {} was damaged; it is rebuilt from the database file, and nothing \
             is lost",
            path.display()
        );
        any = true;
    }
    Ok(any)
}

/// Removes all snapshots, also those that were set aside.
pub(super) fn remove_snapshots(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        if name.starts_with("snap.") || name.starts_with("damaged-snap.") {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// sled ends a snapshot with its length (8 bytes) and the CRC-32 of all before that (4 bytes).
fn is_intact(snapshot: &[u8]) -> bool {
    let Some((rest, sum)) = snapshot.split_last_chunk() else {
        return false;
    };
    let Some((body, length)) = rest.split_last_chunk() else {
        return false;
    };
    u64::from_le_bytes(*length) == body.len() as u64
        && !body.is_empty()
        && u32::from_le_bytes(*sum) == crc32fast::hash(body)
}

/// Makes what sled created in the folder outlive a power loss; sled itself never does.
pub(super) fn sync_all(folder: &Path, made: bool) -> Result<(), OpenError> {
    for name in ["conf", "db", "blobs", ""] {
        let path = folder.join(name);
        sync(&path).map_err(failed("sync", &path))?;
    }
    let parent = match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    match sync(parent) {
        // A folder that an administrator made long ago may lie where we are not let in.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && !made => Ok(()),
        result => result.map_err(failed("sync", parent)),
    }
}

pub(super) fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Has the log read from the disk itself.
///
/// The kernel keeps what it failed to write as if it were written, and never tries again. Read
/// from its memory, such data would be taken for durable, and all that is written behind it would
/// be lost with it when the power fails.
pub(super) fn distrust_the_cache(folder: &Path) -> Result<(), OpenError> {
    let path = folder.join("db");
    let log = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        result => result.map_err(failed("open", &path))?,
    };
    log.sync_all().map_err(failed("sync", &path))?;
    // Where it is not supported nothing can be done.
    #[cfg(target_os = "linux")]
    let _ = rustix::fs::fadvise(&log, 0, None, rustix::fs::Advice::DontNeed);
    Ok(())
}

/// Insists that the whole log can be read. Where sled cannot read a part of it, it takes that for
/// the end, and clears what comes behind.
pub(super) fn read_through(folder: &Path) -> Result<(), OpenError> {
    let path = folder.join("db");
    let read = || {
        let mut log = File::open(&path)?;
        let mut buffer = vec![0; 1024 * 1024];
        while log.read(&mut buffer)? > 0 {}
        Ok(())
    };
    read().map_err(failed("read", &path))
}

/// Insists that a database is there.
///
/// sled makes one where there is none. Where there was one, its disk may be gone, or somebody
/// moved it: a new one in its place would say of everything that it was never stored.
pub(super) fn insist_on_a_log(folder: &Path) -> Result<(), OpenError> {
    let path = folder.join("db");
    fs::metadata(&path).map(drop).map_err(failed("find", &path))
}

/// Makes the log, or insists on it where there was one.
///
/// It comes before the settings that sled makes, and those and the first data before the ballast:
/// so settings without a log tell of a loss, and so does ballast with an empty one. A log without
/// settings is not ours; sled would clear it.
pub(super) fn make_log_or_miss_it(folder: &Path) -> Result<(), OpenError> {
    let path = folder.join("db");
    let length = fs::metadata(&path).map_or(0, |found| found.len());
    if folder.join("conf").exists() {
        insist_on_a_log(folder)?;
        if length == 0 && has_ballast(folder) {
            return Err(OpenError::Damaged {
                folder: folder.to_owned(),
                reason: "its file `db` is empty".to_owned(),
            });
        }
        return Ok(());
    }
    if length > 0 {
        return Err(OpenError::Foreign {
            folder: folder.to_owned(),
        });
    }
    let mut options = OpenOptions::new();
    let made = options.append(true).create(true).mode(0o600).open(&path);
    made.map(drop).map_err(failed("make", &path))
}

/// Whether sled keeps data outside of its log.
pub(super) fn has_blobs(folder: &Path) -> bool {
    fs::read_dir(folder.join("blobs")).is_ok_and(|mut entries| entries.next().is_some())
}

/// The space on the folder's disk, where it is too little for users to store more.
pub(crate) fn scarce(folder: &Path) -> Option<Scarce> {
    let needed = super::LEAST_FREE_BYTES;
    let free = free_bytes(folder).filter(|free| *free < needed)?;
    Some(Scarce { free, needed })
}

/// The space that is left to us on the folder's disk.
pub(super) fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Lays the ballast down if there is plenty of space. It can fail without harm.
pub(super) fn lay_ballast(folder: &Path) {
    let path = folder.join(BALLAST);
    if fs::metadata(&path).is_ok_and(|found| found.len() == BALLAST_BYTES)
        || free_bytes(folder).is_none_or(|free| free < super::LEAST_FREE_BYTES + BALLAST_BYTES)
    {
        return;
    }
    let laid = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&path);
    if let Err(error) = laid.and_then(fill) {
        tracing::warn!(
            "cannot reserve {BALLAST_BYTES} bytes in {}, to be given up when the disk is full: \
             {error}",
            path.display()
        );
        let _ = fs::remove_file(&path);
    }
}

#[cfg(target_os = "linux")]
fn fill(file: File) -> io::Result<()> {
    Ok(rustix::fs::fallocate(
        file,
        rustix::fs::FallocateFlags::empty(),
        0,
        BALLAST_BYTES,
    )?)
}

#[cfg(not(target_os = "linux"))]
fn fill(mut file: File) -> io::Result<()> {
    io::copy(&mut io::repeat(0).take(BALLAST_BYTES), &mut file).map(drop)
}

/// Opens the log for [`reserve_ahead`].
pub(super) fn open_log(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

/// The device and the inode that a path leads to, without a look at any times: the next change of a file whose times
/// somebody has looked at gets a time of its own (Linux 6.13), which the file system writes down with the next sync.
/// `None` where it cannot be seen like that.
#[cfg(target_os = "linux")]
pub(super) fn inode_at(path: &Path) -> Option<(u64, u64)> {
    use rustix::fs::{AtFlags, CWD, StatxFlags, makedev, statx};
    let found = statx(CWD, path, AtFlags::empty(), StatxFlags::INO).ok()?;
    let device = makedev(found.stx_dev_major, found.stx_dev_minor);
    Some((device, found.stx_ino))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn inode_at(_: &Path) -> Option<(u64, u64)> {
    None
}

/// How long an open file is, likewise.
pub(super) fn length(mut file: &File) -> u64 {
    file.seek(SeekFrom::End(0)).unwrap_or_default()
}

/// Has the log reach to where space is reserved for it. It can fail without harm: not every file system can do that, and
/// a disk may be nearly full.
#[cfg(target_os = "linux")]
pub(super) fn reserve_ahead(log: &File) {
    use rustix::fs::{FallocateFlags, fallocate};
    let length = length(log);
    let missing = length.next_multiple_of(AHEAD_BYTES) - length;
    if missing > 0 {
        let _ = fallocate(log, FallocateFlags::empty(), length, missing);
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn reserve_ahead(_: &File) {}

/// Whether there is ballast to give up.
pub(super) fn has_ballast(folder: &Path) -> bool {
    folder.join(BALLAST).exists()
}

/// Gives the ballast up; says whether there was one.
pub(super) fn give_up_ballast(folder: &Path) -> bool {
    let given_up = fs::remove_file(folder.join(BALLAST)).is_ok();
    if given_up {
        tracing::warn!(
            "the disk of {} is full: the space that was reserved for this is now used; free some \
             space",
            folder.display()
        );
    }
    given_up
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_once_and_tells_by_whom() {
        let folder = tempfile::tempdir().unwrap();
        let first = lock(folder.path()).unwrap();
        let error = lock(folder.path()).unwrap_err();
        let own = std::process::id().to_string();
        assert!(matches!(&error, OpenError::InUse { pid: Some(pid), .. } if *pid == own));
        drop(first);
        lock(folder.path()).unwrap();
    }

    /// A test opened a store that it had closed just before, and was told that this very process
    /// used it: another thread was starting a program, and its child, forked and not yet executing
    /// the program, still had the file.
    #[test]
    fn a_lock_that_is_dropped_is_free_whoever_else_has_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let first = lock(folder.path()).unwrap();
        let of_a_child = first.0.try_clone().unwrap();
        lock(folder.path()).unwrap_err();
        drop(first);
        lock(folder.path()).unwrap();
        drop(of_a_child);
    }

    #[test]
    fn ballast_is_laid_once_and_given_up_once() {
        let folder = tempfile::tempdir().unwrap();
        lay_ballast(folder.path());
        lay_ballast(folder.path());
        assert!(give_up_ballast(folder.path()));
        assert!(!give_up_ballast(folder.path()));
    }
}
