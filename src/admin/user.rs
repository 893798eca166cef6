//! Whom a command works as.
//!
//! What root makes in the folder of a service, that service cannot open. So a command that root
//! runs on a folder of somebody else's works as that user, whom the files are then of. Two things
//! of root's it keeps: it passes into folders, for the service's may lie where its user does not
//! get to by itself (systemd's DynamicUser puts it into /var/lib/private), and it reads. And the
//! files that are named on the command line are root's business: [`as_typed`].

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::process::{Gid, Uid};
use rustix::thread::{
    CapabilitySet, capabilities, set_capabilities, set_thread_groups, set_thread_res_gid,
    set_thread_res_uid,
};

/// If we are root and this folder, or where it is to be made, belongs to another user, goes on as that
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
    go_on_as(user, group)?;
    Ok(Some(user.as_raw()))
}

/// Does this, which is about files that are named on the command line, as whoever typed it: as root, where
/// [`become_owner_of`] has made this thread somebody else.
///
/// # Errors
///
/// What it returns; or the system refuses to change the user.
pub fn as_typed<T>(act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    if user.is_root() || !rustix::process::getuid().is_root() {
        return act();
    }
    set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT)?;
    set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT)?;
    let done = act();
    go_on_as(user, group)?;
    done
}

/// Takes another user's rights and keeps root's to pass into folders and to read. Root can be returned to.
fn go_on_as(user: Uid, group: Gid) -> io::Result<()> {
    set_thread_res_gid(Gid::ROOT, group, Gid::ROOT)?;
    set_thread_res_uid(Uid::ROOT, user, Uid::ROOT)?;
    let mut sets = capabilities(None)?;
    sets.effective = sets.permitted & CapabilitySet::DAC_READ_SEARCH;
    Ok(set_capabilities(None, sets)?)
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
