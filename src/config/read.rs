//! Reading a small file from disk, and who else may read or write it.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// More than any configuration or secret needs; a device that never ends is not read for ever.
const MOST: u64 = 1 << 20;

/// The text of a file, and who it belongs to.
pub(super) struct Text {
    pub text: String,
    path: PathBuf,
    regular: bool,
    mode: u32,
    owner: u32,
    group: u32,
}

/// Reads a file whole; it must be UTF-8.
pub(super) fn read(path: &Path) -> io::Result<Text> {
    let file = File::open(path)?;
    // Of the open file, not of the name, which may have come to mean another file since.
    let metadata = file.metadata()?;
    let mut text = String::new();
    file.take(MOST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MOST {
        return Err(io::Error::other(format!("it is longer than {MOST} bytes")));
    }
    Ok(Text {
        text,
        path: path.to_owned(),
        regular: metadata.is_file(),
        mode: metadata.mode(),
        owner: metadata.uid(),
        group: metadata.gid(),
    })
}

impl Text {
    /// Judges a file that holds the secret: one that all others can write is refused, for they
    /// could put their own there; one that they can read gets the warning that is returned.
    pub fn guard(&self) -> Result<Option<String>, String> {
        let (writable, readable) = (self.mode & 0o002 != 0, self.mode & 0o004 != 0);
        let can = match (readable, writable) {
            // The mode of a pipe or a device says nothing about who reads what we have read.
            _ if !self.regular => return Ok(None),
            (false, false) => return Ok(None),
            (true, false) => "read",
            (false, true) => "write",
            (true, true) => "read and write",
        };
        let message = format!(
            "{} holds the secret and everybody can {can} it (mode {:04o}); to mend it: {}",
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
        self.regular && self.mode & 0o002 != 0
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

    #[test]
    fn what_never_ends_is_not_read_for_ever() {
        let error = read(Path::new("/dev/zero")).err().map(|it| it.to_string());
        assert_eq!(error.as_deref(), Some("it is longer than 1048576 bytes"));
    }
}
