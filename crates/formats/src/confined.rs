//! Which files a file or a folder may lead to: those below it, and no others.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

/// The file that `href` names, as seen from a file of `folder`, or why it is not opened. It is a
/// reference as URIs have them, with `%xx` for what these do not; but not everybody knows.
pub fn included(folder: &Path, href: &str) -> Result<PathBuf, String> {
    match decoded(href).filter(|name| name != href) {
        None => included_as(folder, href),
        Some(name) => included_as(folder, &name).or_else(|why| {
            let literally = included_as(folder, href);
            literally.map_err(|_| why)
        }),
    }
}

fn included_as(folder: &Path, href: &str) -> Result<PathBuf, String> {
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

/// What a name says in which `%xx` stands for a byte; none where that is not UTF-8, or a `%` is
/// followed by something else.
pub fn decoded(name: &str) -> Option<String> {
    let mut out = Vec::new();
    let mut bytes = name.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digits = [bytes.next()?, bytes.next()?];
        let digits = std::str::from_utf8(&digits).ok()?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        out.push(u8::from_str_radix(digits, 16).ok()?);
    }
    String::from_utf8(out).ok()
}

/// What tells one file from another, under whatever name.
pub fn identity(file: &File) -> io::Result<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let metadata = file.metadata()?;
    Ok((metadata.dev(), metadata.ino()))
}
