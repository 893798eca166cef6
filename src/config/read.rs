//! Reading a small file from disk, and who else may read or write it.
//!
//! Only files are read, or what links to them: a pipe may have nothing to read for ever, has
//! nothing more at a reload, and a device may never end.

use std::fs::{File, FileType};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// More than any configuration, secret or list of authorities needs, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// Where a path leads, as a message shows it: whoever reads that may be in another folder.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// The text of a file, and who it belongs to.
pub(super) struct Text {
    pub text: String,
    path: PathBuf,
    mode: u32,
    owner: u32,
    group: u32,
}

/// Reads a file whole; it must be UTF-8.
pub(super) fn read(path: &Path) -> io::Result<Text> {
    let file = open(path)?;
    // Of the open file, not of the name, which may have come to mean another file since.
    let metadata = file.metadata()?;
    if let Some(what) = unlike_a_file(metadata.file_type()) {
        return Err(expected_a_file(what));
    }
    let mut text = String::new();
    file.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(io::Error::other(format!(
            "it is longer than {MAX_BYTES} bytes"
        )));
    }
    Ok(Text {
        text,
        path: absolute(path),
        mode: metadata.mode(),
        owner: metadata.uid(),
        group: metadata.gid(),
    })
}

/// Opens whatever is there without waiting for it: a pipe is open at once, with or without somebody
/// who writes.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => Ok(file.into()),
        Err(Errno::NXIO) => Err(expected_a_file("a socket, or a device that is not there")),
        Err(error) => Err(error.into()),
    }
}

/// What it is, if it is no file.
fn unlike_a_file(what: FileType) -> Option<&'static str> {
    if what.is_file() {
        None
    } else if what.is_dir() {
        Some("a folder (Docker makes one where the file to be mounted is missing)")
    } else if what.is_fifo() {
        Some("a pipe, which could not be read again at a reload")
    } else {
        Some("a device")
    }
}

fn expected_a_file(found: &str) -> io::Error {
    io::Error::other(format!("it is {found}; expected a file"))
}

impl Text {
    /// The folder that the file is in.
    pub fn folder(&self) -> Option<&Path> {
        self.path.parent()
    }

    /// Judges a file that holds a secret of this name: one that all others can write is refused, for
    /// they could put their own there; one that they can read gets the warning that is returned.
    pub fn guard(&self, secret: &str) -> Result<Option<String>, String> {
        let (writable, readable) = (self.mode & 0o002 != 0, self.mode & 0o004 != 0);
        let can = match (readable, writable) {
            (false, false) => return Ok(None),
            (true, false) => "read",
            (false, true) => "write",
            (true, true) => "read and write",
        };
        let message = format!(
            "{} holds the {secret} and everybody can {can} it (mode {:04o}); to fix this: {}",
            self.path.display(),
            self.mode & 0o7777,
            self.mended(),
        );
        if writable {
            Err(message)
        } else {
            Ok(Some(message))
        }
    }

    /// Whether all others can write this file, and so put into it what they like.
    pub fn is_writable_by_all(&self) -> bool {
        self.mode & 0o002 != 0
    }

    /// The command that mends the mode, and leaves us able to read the file.
    fn mended(&self) -> String {
        let path = quoted(&self.path);
        let user = rustix::process::geteuid();
        let group = rustix::process::getegid().as_raw();
        if user.is_root() || self.owner == user.as_raw() || self.group == group {
            format!("chmod o= {path}")
        } else {
            // It is ours to read only as everybody's: the group that we run in must get it first.
            format!("chgrp {group} {path} && chmod g+r,o= {path}")
        }
    }
}

/// As one word of a shell.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@".contains(c);
    if path.chars().all(plain) && !path.starts_with('-') {
        path
    } else {
        let dashes = if path.starts_with('-') { "./" } else { "" };
        format!("'{dashes}{}'", path.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_one_word_of_a_shell() {
        for (path, word) in [
            ("/etc/component.toml", "/etc/component.toml"),
            ("my secret", "'my secret'"),
            ("it's", r"'it'\''s'"),
            ("-r", "'./-r'"),
        ] {
            assert_eq!(quoted(Path::new(path)), word);
        }
    }

    fn refusal(path: &Path) -> String {
        read(path).err().expect("a refusal").to_string()
    }

    #[test]
    fn what_is_too_long_is_not_read_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("long");
        let file = File::create(&path).expect("a file");
        file.set_len(MAX_BYTES).expect("a length");
        assert!(read(&path).is_ok());
        file.set_len(1 << 40).expect("a length");
        assert_eq!(refusal(&path), "it is longer than 1048576 bytes");
    }

    /// The open of a pipe waits for somebody who writes: the service stood still, for ever.
    #[test]
    fn what_is_no_file_is_refused_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let made = std::process::Command::new("mkfifo")
            .arg(path("pipe"))
            .status();
        assert!(made.expect("mkfifo").success());
        let _socket = std::os::unix::net::UnixListener::bind(path("socket")).expect("a socket");
        for (path, what) in [
            (path("pipe"), "a pipe"),
            (path("socket"), "a socket"),
            (path("."), "a folder"),
            ("/dev/zero".into(), "a device"),
            ("/dev/null".into(), "a device"),
        ] {
            let told = refusal(&path);
            assert!(told.starts_with(&format!("it is {what}")), "{told}");
            assert!(told.ends_with("; expected a file"), "{told}");
        }
    }

    /// Kubernetes mounts each file of a secret as a link to a link.
    #[test]
    fn a_link_to_a_file_is_as_good_as_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("..data")).expect("a folder");
        std::fs::write(path("..data/secret"), "s3cret").expect("a file");
        std::os::unix::fs::symlink("..data/secret", path("secret")).expect("a link");
        assert_eq!(
            read(&path("secret")).ok().map(|it| it.text).as_deref(),
            Some("s3cret")
        );
        std::fs::remove_file(path("..data/secret")).expect("a file");
        let gone = read(&path("secret")).err().map(|it| it.kind());
        assert_eq!(gone, Some(io::ErrorKind::NotFound));
    }
}
