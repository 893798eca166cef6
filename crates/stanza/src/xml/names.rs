//! Names as they are written: a prefix, perhaps, and a local name.

use rxml::NcName;
use rxml::strings::{Error, Name};

use super::tokens::Wrong;

/// A prefix, if there is one, and a local name.
pub type QName = (Option<NcName>, NcName);

/// How many are remembered, a power of two.
const PLACES: usize = 32;

/// How long they are at most, in bytes: they are kept for as long as the stream lasts.
const LONGEST: usize = 64;

/// The names that were seen last. Few make up all stanzas of a stream, and to look at every character of one again
/// would take longer than all else in a tag.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// Each has one place where it may be, and makes way for another of the same.
    seen: [Option<QName>; PLACES],
}

impl Names {
    /// The name of these bytes.
    ///
    /// # Errors
    ///
    /// When it is none, or has its colons where none may be.
    pub fn get(&mut self, raw: &[u8]) -> Result<QName, Wrong> {
        let place = &mut self.seen[place(raw)];
        if let Some(name) = place
            && is_written(name, raw)
        {
            return Ok(name.clone());
        }
        let name = read(raw)?;
        if raw.len() <= LONGEST {
            *place = Some(name.clone());
        }
        Ok(name)
    }
}

fn place(raw: &[u8]) -> usize {
    let byte = |byte: Option<&u8>| byte.map_or(0, |byte| usize::from(*byte));
    (raw.len() + 3 * byte(raw.first()) + 7 * byte(raw.last())) % PLACES
}

/// Whether these bytes are this name.
fn is_written((prefix, name): &QName, raw: &[u8]) -> bool {
    let local = match prefix {
        None => Some(raw),
        Some(prefix) => raw
            .strip_prefix(prefix.as_bytes())
            .and_then(|rest| rest.strip_prefix(b":")),
    };
    local == Some(name.as_bytes())
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
