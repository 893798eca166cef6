//! Whom a command works as.
//!
//! What root makes in the folder of a service, that service cannot open. So a command that root
//! runs on a folder of somebody else's becomes that user first, for good.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_gid, set_thread_groups, set_thread_uid};

/// If we are root and this folder, or where it is to be made, belongs to another user, becomes that
/// user and returns its number.
///
/// It must be called before the program has threads: Linux changes the user of one thread alone,
/// and those it starts later inherit it.
///
/// # Errors
///
/// When the owner cannot be found out, or the system refuses.
pub fn become_owner_of(folder: &Path) -> io::Result<Option<u32>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let (user, group) = owner(folder)?;
    if user.is_root() {
        return Ok(None);
    }
    if std::fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other("there are other threads already"));
    }
    set_thread_groups(&[])?;
    set_thread_gid(group)?;
    set_thread_uid(user)?;
    Ok(Some(user.as_raw()))
}

/// Who owns the folder, or the nearest one above that is there already.
fn owner(folder: &Path) -> io::Result<(Uid, Gid)> {
    for place in std::path::absolute(folder)?.ancestors() {
        match std::fs::metadata(place) {
            Ok(it) => return Ok((Uid::from_raw(it.uid()), Gid::from_raw(it.gid()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::NotFound.into())
}
