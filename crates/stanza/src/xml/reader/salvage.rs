//! Takes out of a stanza what the parser refuses for its namespaces, so that the names and
//! attributes which say whom to answer can be read all the same.
//!
//! What comes out is read for its skeleton alone, with the fault noted: nothing of it is stored
//! or sent back.

use crate::stanza::ns;
use crate::xml::scan::{Markup, Scanner};

/// The stanza without processing instructions, without declarations and attributes that break
/// the rules of XML namespaces, and with every element of a forbidden name renamed.
pub fn without_faults(stanza: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(stanza.len());
    let mut scanner = Scanner::default();
    let mut rest = stanza;
    while !rest.is_empty() {
        let (text, after) = rest.split_at(scanner.text(rest));
        out.extend_from_slice(text);
        let Ok((taken, ended)) = scanner.markup(after) else {
            break;
        };
        let (markup, after) = after.split_at(taken);
        match ended {
            Some(Markup::Start | Markup::Empty) => start_tag(markup, &mut out),
            Some(Markup::End) => {
                out.extend_from_slice(b"</");
                out.extend_from_slice(element_name(name_at(&markup[2..])));
                out.push(b'>');
            }
            Some(Markup::Other) if markup.starts_with(b"<?") => {}
            Some(Markup::Other) | None => out.extend_from_slice(markup),
        }
        rest = after;
    }
    out
}

fn start_tag(tag: &[u8], out: &mut Vec<u8>) {
    let name = name_at(&tag[1..]);
    out.push(b'<');
    out.extend_from_slice(element_name(name));
    let mut rest = &tag[1 + name.len()..];
    while let Some((attribute, after)) = next_attribute(rest) {
        if attribute.is_allowed() {
            out.push(b' ');
            out.extend_from_slice(attribute.whole);
        }
        rest = after;
    }
    out.extend_from_slice(if tag.ends_with(b"/>") { b"/>" } else { b">" });
}

struct RawAttribute<'a> {
    whole: &'a [u8],
    name: &'a [u8],
    value: &'a [u8],
}

impl RawAttribute<'_> {
    fn is_allowed(&self) -> bool {
        if !is_allowed_name(self.name) {
            return false;
        }
        let value = match self.name {
            b"xmlns" => self.value,
            b"xmlns:xml" | b"xmlns:xmlns" => return false,
            name if name.starts_with(b"xmlns:") && self.value.is_empty() => return false,
            name if name.starts_with(b"xmlns:") => self.value,
            _ => return true,
        };
        // A reserved name may be spelled with references; few other names need any.
        let reserved = [ns::XML, ns::XMLNS].map(str::as_bytes).contains(&value);
        !reserved && !value.contains(&b'&')
    }
}

/// `name = 'value'` at the front of what follows an element's name.
fn next_attribute(tag: &[u8]) -> Option<(RawAttribute<'_>, &[u8])> {
    let begin = tag.iter().position(|byte| !byte.is_ascii_whitespace())?;
    let tag = &tag[begin..];
    let name = name_at(tag);
    let open = tag.iter().position(|byte| matches!(byte, b'"' | b'\''))?;
    let value = &tag[open + 1..];
    let close = value.iter().position(|byte| *byte == tag[open])?;
    let (whole, after) = tag.split_at(open + close + 2);
    let value = &value[..close];
    (!name.is_empty()).then_some((RawAttribute { whole, name, value }, after))
}

fn name_at(bytes: &[u8]) -> &[u8] {
    let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'=' | b'>' | b'/');
    &bytes[..bytes.iter().position(ends).unwrap_or(bytes.len())]
}

fn element_name(name: &[u8]) -> &[u8] {
    if is_allowed_name(name) { name } else { b"_" }
}

/// One colon at most, with a name on either side of it.
fn is_allowed_name(name: &[u8]) -> bool {
    let mut parts = name.split(|byte| *byte == b':');
    let begins_a_name =
        |part: &[u8]| !matches!(part.first(), None | Some(b'0'..=b'9' | b'-' | b'.'));
    parts.next().is_some_and(begins_a_name)
        && parts.next().is_none_or(begins_a_name)
        && parts.next().is_none()
}
