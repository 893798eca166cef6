//! Character data and the values of attributes: which characters may be there, and what references stand for.

use memchr::{memchr, memmem};

use super::{SYNTAX, Stop, Wrong, is_name_byte};

pub const CHARACTER: Wrong = Wrong::NotXml("a character that XML does not allow");
pub const UTF8: Wrong = Wrong::NotXml("invalid UTF-8");
pub const ENTITY: Wrong = Wrong::NotXml("an entity that is not declared");

/// The longest name of a reference, and the most digits of one.
const LONGEST_REFERENCE: usize = 8;

/// Where references are expanded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum In {
    Text,
    /// White space becomes blanks there, if it is not written as a reference (XML 1.0, section 3.3.3).
    Value,
}

/// The same as text, if it means what it says; `None` if it has to be looked at more closely.
pub fn plain(raw: &[u8], is_plain: impl Fn(u8) -> bool) -> Option<Result<&str, Wrong>> {
    // Without a way out, so that many bytes are looked at together.
    let is_plain = raw
        .iter()
        .fold(true, |so_far, byte| so_far & is_plain(*byte));
    is_plain.then(|| std::str::from_utf8(raw).map_err(|_| UTF8))
}

/// The lead byte of U+FFFE and U+FFFF, which XML does not allow, is 0xEF.
pub fn is_plain_text(byte: u8) -> bool {
    !(is_control(byte) | (byte == b'&') | (byte == b']') | (byte == 0xef))
}

pub fn is_plain_value(byte: u8) -> bool {
    !((byte < b' ') | (byte == b'&') | (byte == b'<') | (byte == 0xef))
}

/// With references expanded. Where `is_whole` is false, what is at the very end may be cut, and is not
/// judged.
pub fn expand(raw: &[u8], is_whole: bool, place: In) -> Result<String, Stop> {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    loop {
        let end = memchr(b'&', rest);
        let piece = &rest[..end.unwrap_or(rest.len())];
        let is_wrong = match place {
            In::Text => memmem::find(piece, b"]]>").is_some(),
            In::Value => memchr(b'<', piece).is_some(),
        };
        if is_wrong {
            return Err(SYNTAX.into());
        }
        let piece = characters(piece, is_whole || end.is_some())?;
        match place {
            In::Text => text.push_str(piece),
            In::Value => text.extend(piece.chars().map(|it| match it {
                '\t' | '\n' => ' ',
                other => other,
            })),
        }
        let Some(end) = end else { return Ok(text) };
        let (character, length) = reference(&rest[end + 1..], is_whole)?;
        text.push(character);
        rest = &rest[end + 1 + length..];
    }
}

/// Bytes as text, if XML allows every character of it; of what is cut the end is not judged, nor told.
pub fn characters(raw: &[u8], is_whole: bool) -> Result<&str, Wrong> {
    if raw.iter().any(|byte| is_control(*byte)) {
        return Err(CHARACTER);
    }
    if !is_whole {
        return Ok("");
    }
    let text = std::str::from_utf8(raw).map_err(|_| UTF8)?;
    match memchr(0xef, raw).is_some() && text.contains(['\u{fffe}', '\u{ffff}']) {
        true => Err(CHARACTER),
        false => Ok(text),
    }
}

/// Control characters that XML has no place for, and the carriage return, of which none is left.
fn is_control(byte: u8) -> bool {
    (byte < b' ') & (byte != b'\t') & (byte != b'\n')
}

/// The character that a reference stands for, from behind its `&`, and the length of that with its `;`.
fn reference(rest: &[u8], is_whole: bool) -> Result<(char, usize), Stop> {
    let (radix, skipped) = match rest {
        [b'#', b'x', ..] => (16, 2),
        [b'#', ..] => (10, 1),
        _ => (0, 0),
    };
    let is_part = |byte: u8| match radix {
        0 => is_name_byte(byte),
        10 => byte.is_ascii_digit(),
        _ => byte.is_ascii_hexdigit(),
    };
    let name = &rest[skipped..];
    let length = name.iter().take_while(|byte| is_part(**byte)).count();
    if length > LONGEST_REFERENCE {
        return Err(ENTITY.into());
    }
    match name.get(length) {
        None if !is_whole => return Err(Stop::End),
        Some(b';') if length > 0 => {}
        _ => return Err(SYNTAX.into()),
    }
    let name = &name[..length];
    let character = match (radix, name) {
        (0, b"amp") => '&',
        (0, b"lt") => '<',
        (0, b"gt") => '>',
        (0, b"apos") => '\'',
        (0, b"quot") => '"',
        (0, _) => return Err(ENTITY.into()),
        (radix, digits) => {
            let digits = std::str::from_utf8(digits).map_err(|_| UTF8)?;
            let number = u32::from_str_radix(digits, radix).map_err(|_| CHARACTER)?;
            char::from_u32(number)
                .filter(|it| is_allowed(*it))
                .ok_or(CHARACTER)?
        }
    };
    Ok((character, skipped + length + 1))
}

/// XML 1.0, section 2.2.
fn is_allowed(character: char) -> bool {
    match character {
        '\t' | '\n' | '\r' => true,
        '\0'..' ' | '\u{fffe}' | '\u{ffff}' => false,
        _ => true,
    }
}
