//! Which files a file or a folder may lead to: those below it, and no others.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

/// The file that `href` names, as seen from a file of `folder`, or why it is not opened.
pub fn included(folder: &Path, href: &str) -> Result<PathBuf, String> {
    let refuse = |why: &str| Err(why.to_owned());
    if href.is_empty() {
        return refuse("it has no name");
    }
    let scheme = href.split(['/', '\\']).next().unwrap_or_default();
    if scheme.contains(':') {
        return refuse("it is a URL; only files are read");
    }
    if href.contains(['\\', '\0', '#', '?']) {
        return refuse("its name contains a character that is not allowed");
    }
    for part in Path::new(href).components() {
        match part {
            Component::Normal(_) | Component::CurDir => {}
            Component::ParentDir => return refuse("it leads out of the folder through .."),
            Component::RootDir | Component::Prefix(_) => {
                return refuse("it is an absolute path; only files in the same folder are read");
            }
        }
    }
    below(folder, &folder.join(href)).map_err(|error| error.to_string())
}

/// The true path of a file, if it is one, and lies below a folder.
pub fn below(folder: &Path, file: &Path) -> io::Result<PathBuf> {
    let file = fs::canonicalize(file)?;
    let refuse = |why| Err(io::Error::new(ErrorKind::PermissionDenied, why));
    if !file.starts_with(fs::canonicalize(folder)?) {
        return refuse("it leads out of the folder through a symbolic link");
    }
    if !fs::metadata(&file)?.is_file() {
        return refuse("it is not a file");
    }
    Ok(file)
}

/// What tells one file from another, under whatever name.
pub fn identity(file: &File) -> io::Result<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let metadata = file.metadata()?;
    Ok((metadata.dev(), metadata.ino()))
}
