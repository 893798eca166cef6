//! The folder in which a database is made that is to take the place of the open one.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::files;
use crate::error::OpenError;

/// Where it is, in this folder of a store.
pub fn folder(store: &Path) -> PathBuf {
    store.join("compacting")
}

/// Removes what was left when the process ended in the middle.
pub fn clear_away(store: &Path) -> Result<(), OpenError> {
    let path = folder(store);
    remove(&path).map_err(files::failed("remove", &path))
}

/// Removes a folder and all that is in it, if it is there.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
