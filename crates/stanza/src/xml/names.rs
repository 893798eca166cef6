//! Names as they are written: a prefix, perhaps, and a local name.

use rxml::NcName;
use rxml::strings::{Error, Name};

use super::tokens::Wrong;

/// A prefix, if there is one, and a local name.
pub type QName = (Option<NcName>, NcName);

/// How many are remembered.
const MOST: usize = 16;

/// The names of one element's tokens. Few names make a stanza, so those seen last are remembered: to look at
/// every character of one again would take longer than all else in a tag.
#[derive(Default)]
pub struct Names<'x> {
    seen: Vec<(&'x [u8], QName)>,
    /// Which of them makes way for the next.
    oldest: usize,
}

impl<'x> Names<'x> {
    /// The name of these bytes.
    ///
    /// # Errors
    ///
    /// When it is none, or has its colons where none may be.
    pub fn get(&mut self, raw: &'x [u8]) -> Result<QName, Wrong> {
        if let Some((_, name)) = self.seen.iter().find(|(seen, _)| *seen == raw) {
            return Ok(name.clone());
        }
        let name = read(raw)?;
        let new = (raw, name.clone());
        if self.seen.len() < MOST {
            self.seen.push(new);
        } else {
            self.seen[self.oldest] = new;
            self.oldest = (self.oldest + 1) % MOST;
        }
        Ok(name)
    }
}

fn read(raw: &[u8]) -> Result<QName, Wrong> {
    let text = std::str::from_utf8(raw).map_err(|_| Wrong::NotXml("invalid UTF-8"))?;
    let name = Name::try_from(text).map_err(|_| Wrong::NotXml("not well-formed XML"))?;
    name.split_name().map_err(|error| match error {
        Error::EmptyNamePart | Error::MultiColonName | Error::InvalidLocalName => {
            Wrong::Names("a name with misplaced colons")
        }
        Error::EmptyName | Error::InvalidChar(_) => Wrong::NotXml("not well-formed XML"),
    })
}
