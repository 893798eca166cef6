//! From records back to text.

use std::ops::ControlFlow;

use super::change::Owner;
use super::engine::Engine;
use super::error::EngineError;
use super::record::{self, Damage};

#[derive(Debug, thiserror::Error)]
pub(super) enum ReadFault {
    #[error("{}", .0.0)]
    Damage(Damage),
    #[error(transparent)]
    Engine(EngineError),
}

/// Appends what is stored to `out` and returns the number of elements; see `Store::read`.
pub(super) fn read(
    engine: &dyn Engine,
    owner: &Owner,
    namespace: &str,
    name: Option<&str>,
    out: &mut String,
) -> Result<u64, ReadFault> {
    // What cannot be a key was never stored, and a NUL would reach into another sequence.
    if !record::storable(owner, namespace, name.unwrap_or_default()) {
        return Ok(0);
    }
    let before = out.len();
    let prefix = record::prefix(owner, Some(namespace), name);
    let mut reader = Reader::new(out);
    let result = match name {
        Some(_) => reader.sequence(engine, &prefix),
        None => reader.everything(engine, &prefix),
    };
    let elements = reader.elements;
    if result.is_err() {
        out.truncate(before);
    }
    result.map(|()| elements)
}

/// An owner's note, if there is one; see `Store::note`.
pub(super) fn note(engine: &dyn Engine, owner: &Owner) -> Result<Option<String>, ReadFault> {
    let mut text = String::new();
    Reader::new(&mut text).sequence(engine, &record::note_prefix(owner))?;
    Ok(Some(text).filter(|text| !text.is_empty()))
}

/// Puts chunks together again, in the order of their keys.
struct Reader<'a> {
    out: &'a mut String,
    elements: u64,
    open: Option<Open>,
}

/// A sequence of several chunks, while some are still to come.
struct Open {
    prefix: Vec<u8>,
    next: u32,
    bytes: u64,
    // Chunks end anywhere, also within a character.
    text: Vec<u8>,
}

impl<'a> Reader<'a> {
    fn new(out: &'a mut String) -> Self {
        Self {
            out,
            elements: 0,
            open: None,
        }
    }

    /// One sequence; nearly always one record, which a get finds faster than a scan.
    fn sequence(&mut self, engine: &dyn Engine, prefix: &[u8]) -> Result<(), ReadFault> {
        let mut chunk = 0;
        loop {
            let key = record::key(prefix, chunk);
            let mut found = Ok(());
            engine
                .get(&key, &mut |record| found = self.push(&key, record))
                .map_err(ReadFault::Engine)?;
            found.map_err(ReadFault::Damage)?;
            // What is open tells where it goes on; a chunk that was not there leaves it as it is.
            match &self.open {
                Some(open) if open.next > chunk => chunk = open.next,
                _ => return self.finish(),
            }
        }
    }

    fn everything(&mut self, engine: &dyn Engine, prefix: &[u8]) -> Result<(), ReadFault> {
        let mut found = Ok(());
        engine
            .scan(prefix, &mut |key, record| {
                found = self.push(key, record);
                if found.is_ok() {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            })
            .map_err(ReadFault::Engine)?;
        found.map_err(ReadFault::Damage)?;
        self.finish()
    }

    fn push(&mut self, key: &[u8], record: &[u8]) -> Result<(), Damage> {
        let (prefix, chunk) = record::split_key(key).ok_or(Damage("a cut key"))?;
        let open = match (self.open.take(), chunk) {
            (None, 0) => {
                let (stored, text) = record::decode_first(key, record)?;
                self.elements += stored.elements;
                if text.len() as u64 == stored.bytes {
                    return self.text(text);
                }
                Open {
                    prefix: prefix.to_vec(),
                    next: 1,
                    bytes: stored.bytes,
                    text: text.to_vec(),
                }
            }
            (Some(mut open), _) if open.prefix == prefix && open.next == chunk => {
                open.text
                    .extend_from_slice(record::decode_next(key, record)?);
                open.next += 1;
                open
            }
            (Some(_), _) => return Err(Damage("a missing chunk")),
            (None, _) => return Err(Damage("a chunk too many")),
        };
        match open.text.len() as u64 {
            have if have < open.bytes => self.open = Some(open),
            have if have == open.bytes => return self.text(&open.text),
            _ => return Err(Damage("a chunk too long")),
        }
        Ok(())
    }

    fn text(&mut self, text: &[u8]) -> Result<(), Damage> {
        let text = std::str::from_utf8(text).map_err(|_| Damage("text that is not UTF-8"))?;
        self.out.push_str(text);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), ReadFault> {
        match self.open {
            Some(_) => Err(ReadFault::Damage(Damage("a missing last chunk"))),
            None => Ok(()),
        }
    }
}
