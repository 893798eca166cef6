//! What could not be taken, where, and why, in words for an administrator.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, as it was named.
    pub file: Arc<Path>,
    /// The line, from 1 on; 0 where the file as a whole is meant.
    pub line: u64,
    /// The character in the line, from 1 on.
    pub column: u64,
    /// The byte, from 0 on. Files of this kind are often one line.
    pub byte: u64,
}

impl Place {
    /// The file as a whole.
    #[must_use]
    pub fn whole(file: &Path) -> Self {
        Self {
            file: file.into(),
            line: 0,
            column: 0,
            byte: 0,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}:{} (byte {})", self.line, self.column, self.byte)?;
        }
        Ok(())
    }
}

/// Something that was not taken.
#[derive(Debug)]
pub struct Problem {
    pub place: Place,
    /// Whose data it is, where that is known.
    pub jid: Option<String>,
    pub reason: Reason,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if let Some(jid) = &self.jid {
            write!(f, "{}: ", jid.escape_debug())?;
        }
        write!(f, "{}", self.reason)
    }
}

/// Why something was not taken. What it repeats of a file is short.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// Nothing that this crate reads.
    #[error(
        "this is neither an XEP-0227 file (server-data) nor a folder of Prosody's internal storage"
    )]
    Foreign,
    /// A folder without anything that this crate reads.
    #[error(
        "nothing in this folder is an XEP-0227 file (*.xml) or private data of Prosody's internal \
         storage (private/*.dat); what Prosody keeps in an SQL database, prosody-migrator has to \
         copy into files first"
    )]
    Barren,
    /// A file that belongs to another, which says whose host it is.
    #[error("this file describes a user without naming the host: import the file that includes it")]
    NoHost,
    /// In an encoding that is not read.
    #[error(
        "the file is encoded in {0}, which is not read: convert it first, with iconv -f {0} -t \
         UTF-8; its XML declaration may stay as it is"
    )]
    Encoding(String),
    /// A database of Prosody's, or a folder of Prosody's with one in it.
    #[error(
        "this is an SQL database, which is not read{}",
        if *stale {
            "; the files beside it may be older than what is in it, and were left out"
        } else {
            ""
        }
    )]
    Database {
        /// Whether files lie beside it that could be read, and were left out.
        stale: bool,
    },
    /// The file cannot be read on.
    #[error("not well-formed XML: {0}. The rest of this file was not read")]
    NotXml(&'static str),
    /// The file has no end.
    #[error("the file ends too early: is it complete? Nothing after this point could be read")]
    Cut,
    /// An element of the format that says not enough, or not readably. It was left out with all
    /// that is inside.
    #[error("left out with everything in it: {0}")]
    Structure(&'static str),
    /// An element where the format has none, or not this one.
    #[error("left out {what} with everything in it: XEP-0227 has {expected}")]
    Misplaced {
        what: String,
        expected: &'static str,
    },
    /// An address that is none.
    #[error("left out with everything in it: {0:?} is not an address")]
    Address(String),
    /// Another file that was not read.
    #[error("the file {href:?} was not included: {why}")]
    Include { href: String, why: String },
    /// Of this user, nothing was taken.
    #[error("left out: the user has more than {0}")]
    TooMuch(String),
    /// Of this user, this element was not taken.
    #[error("left out the element {name:?}: {why}")]
    Element {
        /// Its name, where it could be read.
        name: String,
        why: String,
    },
    /// Prosody could not read it either.
    #[error("left out: not data of Prosody's internal storage: {0}")]
    NotLua(&'static str),
    /// Problems of the same user beside those that are listed.
    #[error("and {0} more like these")]
    More(u64),
}

/// So much of what a file says as fits into a line.
pub fn abridged(text: &str) -> String {
    text.chars().take(100).collect()
}
