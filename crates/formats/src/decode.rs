//! A file's bytes, in whichever encoding → UTF-8, in constant memory.
//!
//! A byte order mark tells the encoding, or zeros among the first bytes, or else the XML declaration. The
//! last may be out of date: whoever converts a file with iconv leaves the declaration as it was. So where
//! all characters beyond ASCII are written as UTF-8 has them, in the first of them and 64 KiB from there, the
//! file is UTF-8, whatever it declares. (Text in another encoding is not like that by chance for long.)

use std::io::{ErrorKind, Read};

use super::problem::Reason;

/// As much is read at once where it is converted.
const SIZE: usize = 16 * 1024;
/// An XML declaration ends before this.
const HEAD: usize = 1024;
/// From the first character beyond ASCII on so much is looked at to see whether it is UTF-8.
const WINDOW: usize = 64 * 1024;
/// The longest character in UTF-8.
const CHARACTER: usize = 4;

const DECLARATION: &[u8] = b"<?xml";
/// How SQLite's databases begin. Prosody may keep its data in one.
pub const DATABASE: &[u8] = b"SQLite format 3\0";
/// In an encoding that has several sets of characters it begins another, and it is in no XML.
const ESCAPE: u8 = 0x1b;

pub struct Decoder {
    read: Box<dyn Read + Send>,
    /// What was read and not handed on.
    raw: Vec<u8>,
    at_end: bool,
    encoding: Encoding,
}

enum Encoding {
    /// Nothing was read yet.
    Unknown,
    /// It is handed on as it is, and may turn out to be no UTF-8.
    Utf8,
    Utf16(fn([u8; 2]) -> u16),
    SingleByte(fn(u8) -> char),
    /// Another than UTF-8 is declared. So far all was ASCII.
    Declared(Declared),
}

#[derive(Clone)]
enum Declared {
    SingleByte(fn(u8) -> char),
    Other(String),
}

impl Decoder {
    pub fn new(read: Box<dyn Read + Send>) -> Self {
        Self {
            read,
            raw: Vec::new(),
            at_end: false,
            encoding: Encoding::Unknown,
        }
    }

    /// How many of the file's bytes this was made of.
    pub fn length_in_the_file(&self, utf8: &[u8]) -> u64 {
        let count = |is: fn(&u8) -> bool| utf8.iter().filter(|byte| is(byte)).count();
        let characters = || count(|byte| byte & 0xc0 != 0x80);
        let length = match self.encoding {
            Encoding::Unknown | Encoding::Utf8 | Encoding::Declared(_) => utf8.len(),
            Encoding::SingleByte(_) => characters(),
            // Those of four bytes in UTF-8 are the pairs.
            Encoding::Utf16(_) => 2 * (characters() + count(|byte| *byte >= 0xf0)),
        };
        length as u64
    }

    /// Writes more of what the file says to the beginning of `out`, which has room for a character at
    /// least. Returns how many bytes; none at the end.
    pub fn read(&mut self, out: &mut [u8]) -> Result<usize, Reason> {
        if matches!(self.encoding, Encoding::Unknown) {
            self.encoding = self.find_out()?;
        }
        loop {
            if matches!(self.encoding, Encoding::Utf8) && self.raw.is_empty() {
                return self.read_raw(out);
            }
            let (taken, written) = self.decode(out)?;
            self.raw.drain(..taken);
            if written > 0 || self.raw.is_empty() && self.at_end {
                return Ok(written);
            }
            if self.at_end {
                return Err(Reason::Cut);
            }
            self.more()?;
        }
    }

    fn more(&mut self) -> Result<(), Reason> {
        let mut raw = std::mem::take(&mut self.raw);
        let before = raw.len();
        raw.resize(before + SIZE, 0);
        let read = self.read_raw(&mut raw[before..]);
        raw.truncate(before + read.as_ref().copied().unwrap_or(0));
        self.raw = raw;
        self.at_end = read? == 0;
        Ok(())
    }

    fn read_raw(&mut self, out: &mut [u8]) -> Result<usize, Reason> {
        loop {
            match self.read.read(out) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => return Ok(read?),
            }
        }
    }

    /// The encoding, by how the file begins.
    fn find_out(&mut self) -> Result<Encoding, Reason> {
        while !self.at_end && self.raw.len() < HEAD && says_too_little(&self.raw) {
            self.more()?;
        }
        let other = |name: &str| Err(Reason::Encoding(name.to_owned()));
        match *self.raw {
            [0xff, 0xfe, 0, 0, ..] | [1..=0xff, 0, 0, 0, ..] => return other("UTF-32LE"),
            [0, 0, 0xfe, 0xff, ..] | [0, 0, 0, 1..=0xff, ..] => return other("UTF-32BE"),
            [0xff, 0xfe, ..] | [1..=0xff, 0, ..] => return Ok(Encoding::Utf16(u16::from_le_bytes)),
            [0xfe, 0xff, ..] | [0, 1..=0xff, ..] => return Ok(Encoding::Utf16(u16::from_be_bytes)),
            _ if self.raw.starts_with(DATABASE) => return Err(Reason::Database { stale: false }),
            _ => {}
        }
        Ok(match declared(&self.raw).map(by_name) {
            Some(Some(declared)) => Encoding::Declared(declared),
            _ => Encoding::Utf8,
        })
    }

    /// Writes what of the raw bytes is whole and has room: how many of them that were, and how many it
    /// became.
    fn decode(&mut self, out: &mut [u8]) -> Result<(usize, usize), Reason> {
        let declared = match &self.encoding {
            Encoding::Unknown | Encoding::Utf8 => return Ok(copy(&self.raw, out)),
            Encoding::SingleByte(character) => return Ok(single_bytes(&self.raw, *character, out)),
            Encoding::Utf16(unit) => return utf16(&self.raw, *unit, out),
            Encoding::Declared(declared) => declared.clone(),
        };
        let is_ascii = |byte: &u8| byte.is_ascii() && *byte != ESCAPE;
        let ascii = self.raw.iter().take_while(|byte| is_ascii(byte)).count();
        if ascii > 0 || self.raw.is_empty() {
            return Ok(copy(&self.raw[..ascii], out));
        }
        if self.raw.len() < WINDOW && !self.at_end {
            return Ok((0, 0));
        }
        self.encoding = match declared {
            _ if self.is_utf8() => Encoding::Utf8,
            Declared::SingleByte(character) => Encoding::SingleByte(character),
            Declared::Other(name) => return Err(Reason::Encoding(name)),
        };
        self.decode(out)
    }

    /// Whether what was read is UTF-8, as far as that is to be seen.
    fn is_utf8(&self) -> bool {
        let (window, is_rest) = match self.raw.get(..WINDOW) {
            Some(window) => (window, false),
            None => (&*self.raw, true),
        };
        match std::str::from_utf8(window) {
            Ok(_) => window.first() != Some(&ESCAPE),
            Err(error) => error.error_len().is_none() && !is_rest,
        }
    }
}

/// Whether more of a file's beginning is needed to tell its encoding.
fn says_too_little(head: &[u8]) -> bool {
    let begins = |what: &[u8], with: &[u8]| what.starts_with(&with[..with.len().min(what.len())]);
    let text = head.trim_ascii_start();
    head.len() < 4
        || head.len() < DATABASE.len() && begins(DATABASE, head)
        || begins(DECLARATION, text) && !text.contains(&b'>')
}

/// The encoding that an XML declaration names.
fn declared(head: &[u8]) -> Option<&str> {
    let inside = head.trim_ascii_start().strip_prefix(DECLARATION)?;
    let end = inside.iter().position(|byte| *byte == b'>')?;
    let inside = std::str::from_utf8(&inside[..end]).ok()?;
    let (_, value) = inside.split_once("encoding")?;
    let value = value.trim_start().strip_prefix('=')?.trim_start();
    let quote = value
        .chars()
        .next()
        .filter(|quote| "'\"".contains(*quote))?;
    let (name, _) = value[1..].split_once(quote)?;
    // As XML has it. It is repeated in a command that somebody may type.
    let is_of_a_name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (!name.is_empty() && name.chars().all(is_of_a_name)).then_some(name)
}

/// What an encoding of this name is; none where it is UTF-8.
fn by_name(name: &str) -> Option<Declared> {
    let plain: String = name.chars().filter(|c| !"-_".contains(*c)).collect();
    Some(match plain.to_ascii_lowercase().as_str() {
        "utf8" | "usascii" | "ascii" => return None,
        "iso88591" | "latin1" | "l1" => Declared::SingleByte(char::from),
        "iso885915" | "latin9" => Declared::SingleByte(latin_9),
        "windows1252" | "cp1252" => Declared::SingleByte(windows_1252),
        _ => Declared::Other(name.chars().take(40).collect()),
    })
}

fn latin_9(byte: u8) -> char {
    match byte {
        0xa4 => '€',
        0xa6 => 'Š',
        0xa8 => 'š',
        0xb4 => 'Ž',
        0xb8 => 'ž',
        0xbc => 'Œ',
        0xbd => 'œ',
        0xbe => 'Ÿ',
        _ => char::from(byte),
    }
}

/// What it has where ISO-8859-1 has control characters. Five of them it leaves as they are.
fn windows_1252(byte: u8) -> char {
    const FROM_80: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž',
        '\u{8f}', '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}',
        'ž', 'Ÿ',
    ];
    match byte {
        0x80..0xa0 => FROM_80[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

fn copy(raw: &[u8], out: &mut [u8]) -> (usize, usize) {
    let count = raw.len().min(out.len());
    out[..count].copy_from_slice(&raw[..count]);
    (count, count)
}

fn single_bytes(raw: &[u8], character: fn(u8) -> char, out: &mut [u8]) -> (usize, usize) {
    let (mut taken, mut written) = (0, 0);
    for byte in raw {
        if out.len() - written < CHARACTER {
            break;
        }
        written += character(*byte).encode_utf8(&mut out[written..]).len();
        taken += 1;
    }
    (taken, written)
}

fn utf16(raw: &[u8], unit: fn([u8; 2]) -> u16, out: &mut [u8]) -> Result<(usize, usize), Reason> {
    let (units, _) = raw.as_chunks::<2>();
    let (mut taken, mut written) = (0, 0);
    while let Some(first) = units.get(taken / 2)
        && out.len() - written >= CHARACTER
    {
        let first = unit(*first);
        let is_first_of_two = (0xd800..0xdc00).contains(&first);
        let second = units.get(taken / 2 + 1).filter(|_| is_first_of_two);
        if is_first_of_two && second.is_none() {
            break;
        }
        let both = [Some(first), second.map(|second| unit(*second))];
        match char::decode_utf16(both.into_iter().flatten()).next() {
            Some(Ok(character)) => {
                written += character.encode_utf8(&mut out[written..]).len();
                taken += 2 * character.len_utf16();
            }
            // What was before comes first, so that the place is right.
            _ if written > 0 => break,
            _ => return Err(Reason::NotXml("half of a character of UTF-16")),
        }
    }
    Ok((taken, written))
}
