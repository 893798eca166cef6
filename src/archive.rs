//! Owners with all that they have, as bytes: what a backup consists of, and in which form the
//! running service hands owners over to other commands.
//!
//! ```text
//! backup  "xmpp-private-storage backup 2\n" | record of each owner | end
//! record  length (u32) | crc32 | owner, number of entries (u32), entries,
//!         number of losses (u32), losses, number of notes (u32, 0 or 1), notes
//! entry   namespace, name, elements (u32), text
//! loss    namespace, name: what was there, and cannot be read any more
//! note    what is noted about the owner: how their bookmarks were last in step with PEP
//! end     0 (u32) | crc32 | number of owners (u64)
//! ```
//!
//! Numbers are little endian; strings are UTF-8 behind their length in bytes (u32). A checksum is
//! that of what stands behind it. Whatever is cut off lacks its end, and so is noticed.
//!
//! Version 1 is the same without notes, and is read.

use std::io::{self, Read};

use crate::store::{Entry, Owner, OwnerData, Value};

/// How a backup begins. The number is that of the format.
pub const HEADER: &str = "xmpp-private-storage backup 2\n";

/// How one began that is as long, and without notes.
const HEADER_1: &str = "xmpp-private-storage backup 1\n";

/// The beginning that backups of every format share.
const HEADER_OF_ALL: &str = "xmpp-private-storage backup ";

/// An owner with all that they have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    pub owner: Owner,
    /// What they have, as of one moment.
    pub owner_data: OwnerData,
    /// What is noted about them, as of that moment.
    pub note: Option<String>,
}

/// What is wrong with what is read.
#[derive(Debug, thiserror::Error)]
pub enum BadArchive {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("this is not a backup of xmpp-private-storage")]
    Foreign,
    /// Another release has written it.
    #[error(
        "this backup has a format that this release does not know: restore it with a newer release"
    )]
    Newer,
    /// It ends in the middle.
    #[error("it is cut off after byte {0}")]
    Cut(u64),
    /// It was changed after it had been written.
    #[error("it is damaged at byte {0}")]
    Damaged(u64),
    /// A record was written as it is, and not by this program. The others can still be read.
    #[error("what is at byte {0} is not a user with elements")]
    Strange(u64),
    /// Something comes after its end.
    #[error("it ends at byte {0}, and more follows: are these two files in one?")]
    Longer(u64),
}

/// Appends the record of one owner. `false`, and nothing appended, where it has more than 4 GiB.
pub fn write(document: &Document, out: &mut Vec<u8>) -> bool {
    let begin = out.len();
    out.extend_from_slice(&[0; 8]);
    let OwnerData { entries, damaged } = &document.owner_data;
    let mut fits = string(document.owner.as_str(), out) & count(entries.len(), out);
    for entry in entries {
        fits &= string(&entry.namespace, out) & string(&entry.name, out);
        out.extend_from_slice(&entry.value.elements.to_le_bytes());
        fits &= string(&entry.value.text, out);
    }
    fits &= count(damaged.len(), out);
    for (namespace, name) in damaged {
        fits &= string(namespace, out) & string(name, out);
    }
    fits &= count(document.note.iter().len(), out);
    if let Some(note) = &document.note {
        fits &= string(note, out);
    }
    let body = begin + 8;
    match u32::try_from(out.len() - body) {
        Ok(length) if fits => {
            let sum = crc32fast::hash(&out[body..]);
            out[begin..begin + 4].copy_from_slice(&length.to_le_bytes());
            out[begin + 4..body].copy_from_slice(&sum.to_le_bytes());
            true
        }
        _ => {
            out.truncate(begin);
            false
        }
    }
}

/// Appends the end, behind the records of so many owners.
pub fn write_end(owners: u64, out: &mut Vec<u8>) {
    let owners = owners.to_le_bytes();
    out.extend_from_slice(&0_u32.to_le_bytes());
    out.extend_from_slice(&crc32fast::hash(&owners).to_le_bytes());
    out.extend_from_slice(&owners);
}

fn string(text: &str, out: &mut Vec<u8>) -> bool {
    let fits = count(text.len(), out);
    out.extend_from_slice(text.as_bytes());
    fits
}

fn count(number: usize, out: &mut Vec<u8>) -> bool {
    let fitting = u32::try_from(number);
    out.extend_from_slice(&fitting.unwrap_or_default().to_le_bytes());
    fitting.is_ok()
}

/// Reads records, one after another.
#[derive(Debug)]
pub struct Reader<R> {
    source: R,
    at: u64,
    owners: u64,
    ended: bool,
}

impl<R: Read> Reader<R> {
    /// Reads a backup, from its header on.
    ///
    /// # Errors
    ///
    /// When it is none, or one of another release.
    pub fn of_backup(mut source: R) -> Result<Self, BadArchive> {
        let mut header = vec![0; HEADER.len()];
        let mut read = 0;
        while read < header.len() {
            match source.read(&mut header[read..])? {
                0 => return Err(BadArchive::Foreign),
                more => read += more,
            }
        }
        if header == HEADER.as_bytes() || header == HEADER_1.as_bytes() {
            let mut reader = Self::of_records(source);
            reader.at = HEADER.len() as u64;
            return Ok(reader);
        }
        Err(if header.starts_with(HEADER_OF_ALL.as_bytes()) {
            BadArchive::Newer
        } else {
            BadArchive::Foreign
        })
    }

    /// Reads records that no header stands before.
    pub fn of_records(source: R) -> Self {
        Self {
            source,
            at: 0,
            owners: 0,
            ended: false,
        }
    }

    /// How many bytes have been read.
    pub fn position(&self) -> u64 {
        self.at
    }

    /// The next owner; `None` at the end.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is not what was written. Nothing can be read then any more, but
    /// behind what is only [strange](BadArchive::Strange).
    pub fn next_document(&mut self) -> Result<Option<Document>, BadArchive> {
        if self.ended {
            return Ok(None);
        }
        let begin = self.at;
        let head = self.take(8)?;
        let (length, sum) = head.split_at(4);
        let [length, sum] = [length, sum].map(|part| part.try_into().map(u32::from_le_bytes));
        let (Ok(length), Ok(sum)) = (length, sum) else {
            return Err(BadArchive::Damaged(begin));
        };
        let body = self.take(if length == 0 { 8 } else { length.into() })?;
        if crc32fast::hash(&body) != sum {
            return Err(BadArchive::Damaged(begin));
        }
        if length == 0 {
            self.ended = true;
            return match <[u8; 8]>::try_from(body.as_slice()) {
                Ok(owners) if u64::from_le_bytes(owners) == self.owners => self.ends_here(),
                _ => Err(BadArchive::Damaged(begin)),
            };
        }
        self.owners += 1;
        document(&body).ok_or(BadArchive::Strange(begin)).map(Some)
    }

    fn ends_here(&mut self) -> Result<Option<Document>, BadArchive> {
        let mut more = Vec::new();
        match self.source.by_ref().take(1).read_to_end(&mut more)? {
            0 => Ok(None),
            _ => Err(BadArchive::Longer(self.at)),
        }
    }

    fn take(&mut self, length: u64) -> Result<Vec<u8>, BadArchive> {
        // The length may be a lie, so no room is made before there is something to fill it.
        let mut bytes = Vec::new();
        self.source.by_ref().take(length).read_to_end(&mut bytes)?;
        self.at += bytes.len() as u64;
        if bytes.len() as u64 == length {
            Ok(bytes)
        } else {
            self.ended = true;
            Err(BadArchive::Cut(self.at))
        }
    }
}

fn document(body: &[u8]) -> Option<Document> {
    let mut rest = body;
    let owner = Owner::new(read_string(&mut rest)?)?;
    let mut owner_data = OwnerData::default();
    for _ in 0..read_number(&mut rest)? {
        let namespace = read_string(&mut rest)?.to_owned();
        let name = read_string(&mut rest)?.to_owned();
        let elements = read_number(&mut rest)?;
        let text = read_string(&mut rest)?.to_owned();
        let value = Value { text, elements };
        owner_data.entries.push(Entry {
            namespace,
            name,
            value,
        });
    }
    for _ in 0..read_number(&mut rest)? {
        let namespace = read_string(&mut rest)?.to_owned();
        let name = read_string(&mut rest)?.to_owned();
        owner_data.damaged.push((namespace, name));
    }
    let notes = match rest.is_empty() {
        true => 0, // version 1
        false => read_number(&mut rest)?,
    };
    let note = match notes {
        0 => None,
        1 => Some(read_string(&mut rest)?.to_owned()),
        _ => return None,
    };
    rest.is_empty().then_some(Document {
        owner,
        owner_data,
        note,
    })
}

fn read_number(rest: &mut &[u8]) -> Option<u32> {
    let (number, behind) = rest.split_first_chunk::<4>()?;
    *rest = behind;
    Some(u32::from_le_bytes(*number))
}

fn read_string<'r>(rest: &mut &'r [u8]) -> Option<&'r str> {
    let length = usize::try_from(read_number(rest)?).ok()?;
    let (text, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    std::str::from_utf8(text).ok()
}

#[cfg(test)]
mod tests;
