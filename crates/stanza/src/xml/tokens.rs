//! Takes one framed element apart, in a single pass over its bytes: names, attributes, text.
//!
//! It takes what XML 1.0 and XML namespaces allow and XMPP does not forbid (RFC 6120, section 11.1), and looks
//! at every byte for that; prefixes are resolved by whoever is told of the tokens. Whoever hands bytes
//! over has made line feeds of all line ends (XML 1.0, section 2.11).

mod characters;

use std::borrow::Cow;

use memchr::{memchr, memmem};

pub use super::names::{Names, QName};
use crate::stanza::ns;
use characters::{In, characters, expand, is_plain_text, is_plain_value, plain};

/// So deep is a request that a server hands over; nearly all stanzas need no more room for what is open.
pub const USUAL_DEPTH: usize = 8;

/// Who is told of what stands in an element, in order.
pub trait Tokens<'x> {
    /// `<prefix:name`
    fn open(&mut self, name: QName);
    /// ` prefix:name='value'`
    fn attribute(&mut self, name: QName, value: Cow<'x, str>);
    /// The `>` of a start tag.
    fn head_close(&mut self);
    /// Character data, in as many pieces as it pleases.
    fn text(&mut self, text: &str);
    /// The end of the element that was opened last.
    fn foot(&mut self);
}

/// Why the bytes cannot be read on, in words that hold nothing of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// They break the rules of XML namespaces, or use what XMPP forbids: the end of the element can be
    /// trusted all the same.
    Names(&'static str),
    /// They are not XML.
    NotXml(&'static str),
}

/// Why nothing more is told.
enum Stop {
    /// The bytes end in the midst of something: a stream's start tag and a stanza that was cut do.
    End,
    Wrong(Wrong),
}

impl From<Wrong> for Stop {
    fn from(wrong: Wrong) -> Self {
        Self::Wrong(wrong)
    }
}

const SYNTAX: Wrong = Wrong::NotXml("not well-formed XML");
const RESERVED: Wrong = Wrong::Names("a reserved prefix or namespace was declared");
const INSTRUCTION: Wrong = Wrong::Names("processing instructions");

/// Tells of all that stands in these bytes, or of as much as there is of it. The names are those that were seen before.
///
/// # Errors
///
/// With the first thing that is wrong. What came before it has been told.
pub fn read<'x>(
    bytes: &'x [u8],
    names: &mut Names,
    tokens: &mut impl Tokens<'x>,
) -> Result<(), Wrong> {
    let mut reading = Reading {
        bytes,
        at: 0,
        names,
        open: Vec::with_capacity(USUAL_DEPTH),
    };
    match reading.document(tokens) {
        Ok(()) | Err(Stop::End) => Ok(()),
        Err(Stop::Wrong(wrong)) => Err(wrong),
    }
}

struct Reading<'x, 'n> {
    bytes: &'x [u8],
    at: usize,
    names: &'n mut Names,
    /// The names of the open elements, prefixes and all.
    open: Vec<&'x [u8]>,
}

impl<'x> Reading<'x, '_> {
    fn document(&mut self, tokens: &mut impl Tokens<'x>) -> Result<(), Stop> {
        while self.open.is_empty() {
            match self.rest() {
                [] => return Err(Stop::End),
                [b'<', ..] => {}
                _ => return Err(SYNTAX.into()),
            }
            if self.markup(tokens)? == Some(Tag::Whole) {
                return self.behind();
            }
        }
        while !self.open.is_empty() {
            let rest = self.rest();
            let text = memchr(b'<', rest);
            let (text, is_whole) = (&rest[..text.unwrap_or(rest.len())], text.is_some());
            if !text.is_empty() {
                self.at += text.len();
                match plain(text, is_plain_text) {
                    Some(text) if is_whole => tokens.text(text?),
                    _ => tokens.text(&expand(text, is_whole, In::Text)?),
                }
            }
            if !is_whole {
                return Err(Stop::End);
            }
            self.markup(tokens)?;
        }
        self.behind()
    }

    /// What stands behind the element.
    fn behind(&self) -> Result<(), Stop> {
        let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n');
        match self.rest().iter().all(is_blank) {
            true => Ok(()),
            false => Err(SYNTAX.into()),
        }
    }

    /// Whatever begins with the `<` at which it stands.
    fn markup(&mut self, tokens: &mut impl Tokens<'x>) -> Result<Option<Tag>, Stop> {
        self.at += 1;
        match self.peek()? {
            b'/' => {
                self.at += 1;
                self.end_tag()?;
                tokens.foot();
                Ok(None)
            }
            b'!' => {
                self.at += 1;
                self.section(tokens)?;
                Ok(None)
            }
            b'?' => {
                self.at += 1;
                let begun = b"xml".starts_with(self.rest()) && self.rest().len() < 3;
                Err(if begun { Stop::End } else { INSTRUCTION.into() })
            }
            _ => self.start_tag(tokens).map(Some),
        }
    }

    fn start_tag(&mut self, tokens: &mut impl Tokens<'x>) -> Result<Tag, Stop> {
        let (raw, name) = self.qualified()?;
        self.open.push(raw);
        tokens.open(name);
        loop {
            let blanks = self.skip_blanks();
            match self.peek()? {
                b'>' => {
                    self.at += 1;
                    tokens.head_close();
                    return Ok(Tag::Open);
                }
                b'/' => {
                    self.at += 1;
                    self.take(b'>')?;
                    self.open.pop();
                    tokens.head_close();
                    tokens.foot();
                    return Ok(Tag::Whole);
                }
                _ if blanks == 0 => return Err(SYNTAX.into()),
                _ => self.attribute(tokens)?,
            }
        }
    }

    fn attribute(&mut self, tokens: &mut impl Tokens<'x>) -> Result<(), Stop> {
        let (raw, name) = self.qualified()?;
        if raw == b"xmlns:xmlns" {
            return Err(RESERVED.into());
        }
        self.skip_blanks();
        self.take(b'=')?;
        self.skip_blanks();
        let quote = self.peek()?;
        if !matches!(quote, b'\'' | b'"') {
            return Err(SYNTAX.into());
        }
        self.at += 1;
        let rest = self.rest();
        let Some(length) = memchr(quote, rest) else {
            expand(rest, false, In::Value)?;
            return Err(Stop::End);
        };
        let raw = &rest[..length];
        self.at += length + 1;
        let value = match plain(raw, is_plain_value) {
            Some(value) => Cow::Borrowed(value?),
            None => Cow::Owned(expand(raw, true, In::Value)?),
        };
        check_declaration(&name, &value)?;
        tokens.attribute(name, value);
        Ok(())
    }

    fn end_tag(&mut self) -> Result<(), Stop> {
        let name = self.open.pop().unwrap_or_default();
        let begun = self.rest();
        if self.name_is(name)? {
            self.skip_blanks();
            return self.take(b'>');
        }
        // It may be cut in the midst of its name.
        match name.starts_with(begun) {
            true => Err(Stop::End),
            false => Err(Wrong::NotXml("an end tag without a matching start tag").into()),
        }
    }

    /// Whether this name stands there, and nothing longer.
    fn name_is(&mut self, name: &[u8]) -> Result<bool, Stop> {
        if name.is_empty() || !self.rest().starts_with(name) {
            return Ok(false);
        }
        self.at += name.len();
        Ok(!is_name_byte(self.peek()?))
    }

    /// A comment or a CDATA section, from behind its `<!`.
    fn section(&mut self, tokens: &mut impl Tokens<'x>) -> Result<(), Stop> {
        const COMMENT: &[u8] = b"--";
        const CDATA: &[u8] = b"[CDATA[";
        let rest = self.rest();
        if let Some(rest) = rest.strip_prefix(COMMENT) {
            let end = memmem::find(rest, b"--");
            let content = &rest[..end.unwrap_or(rest.len())];
            characters(content, end.is_some())?;
            self.at += COMMENT.len() + content.len() + 2;
            return match end {
                Some(_) => self.take(b'>'),
                None => Err(Stop::End),
            };
        }
        if let Some(rest) = rest.strip_prefix(CDATA) {
            let end = memmem::find(rest, b"]]>");
            let content = &rest[..end.unwrap_or(rest.len())];
            let text = characters(content, end.is_some())?;
            self.at += CDATA.len() + content.len() + 3;
            return match end {
                Some(_) if self.open.is_empty() => Err(SYNTAX.into()),
                Some(_) => {
                    tokens.text(text);
                    Ok(())
                }
                None => Err(Stop::End),
            };
        }
        let begun = COMMENT.starts_with(rest) || CDATA.starts_with(rest);
        Err(if begun { Stop::End } else { SYNTAX.into() })
    }

    /// The name of an element or an attribute, also as it is written.
    fn qualified(&mut self) -> Result<(&'x [u8], QName), Stop> {
        let raw = self.name()?;
        let ends = b" \t\n=>/'\"";
        if raw.is_empty() || !ends.contains(&self.peek()?) {
            return Err(SYNTAX.into());
        }
        Ok((raw, self.names.get(raw)?))
    }

    /// The bytes of a name, which may be none.
    fn name(&mut self) -> Result<&'x [u8], Stop> {
        let rest = self.rest();
        let end = rest.iter().position(|byte| !is_name_byte(*byte));
        let name = &rest[..end.ok_or(Stop::End)?];
        self.at += name.len();
        Ok(name)
    }

    fn skip_blanks(&mut self) -> usize {
        let rest = self.rest();
        let is_blank = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\n');
        let blanks = rest.iter().take_while(is_blank).count();
        self.at += blanks;
        blanks
    }

    fn take(&mut self, byte: u8) -> Result<(), Stop> {
        if self.peek()? != byte {
            return Err(SYNTAX.into());
        }
        self.at += 1;
        Ok(())
    }

    fn peek(&self) -> Result<u8, Stop> {
        self.bytes.get(self.at).copied().ok_or(Stop::End)
    }

    fn rest(&self) -> &'x [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }
}

/// What a start tag was.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tag {
    Open,
    Whole,
}

/// Declarations that may not be, whatever is declared elsewhere.
fn check_declaration((prefix, name): &QName, value: &str) -> Result<(), Wrong> {
    match prefix.as_deref() {
        None if **name == *"xmlns" && value == ns::XML => Err(RESERVED),
        Some(prefix) if *prefix == *"xmlns" => {
            if (**name == *"xml") != (value == ns::XML) {
                Err(RESERVED)
            } else if value.is_empty() {
                Err(Wrong::Names("a prefix cannot be undeclared"))
            } else {
                Ok(())
            }
        }
        _ => Ok(()),
    }
}

/// Whether a byte may be part of a name, in whatever encoding of a character.
fn is_name_byte(byte: u8) -> bool {
    NAME_BYTES[usize::from(byte)]
}

const NAME_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut at = 0;
    while at < table.len() {
        let byte = at as u8;
        table[at] = byte.is_ascii_alphanumeric()
            || matches!(byte, b':' | b'-' | b'.' | b'_')
            || byte >= 0x80;
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests;
