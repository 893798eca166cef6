//! The framer: bytes of strangers, before anything is known of them.

use arbitrary::Unstructured;
use xmpp_private_storage::xml::NotXml;
use xmpp_private_storage::xml::frame::{Frame, Framer, Stanza};

use super::generate::Xml;
use super::is_xml;

/// A frame, on its own.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Cut {
    Open(Vec<u8>),
    Stanza { bytes: Vec<u8>, cut: bool },
    Close,
    NotXml,
}

/// No panic; the same frames however the bytes arrive; no more kept than the limit; for XML,
/// exactly the stanzas that were written, or that another parser finds.
pub fn frames(input: &[u8]) {
    let (stream, written) = if is_xml(input) {
        (input.to_vec(), None)
    } else {
        let Ok((stream, written)) = generated(input) else {
            return;
        };
        (stream, Some(written))
    };
    for limit in [16, 64, 1 << 20] {
        let whole = cut(&stream, limit, |_| usize::MAX);
        assert_eq!(
            whole,
            cut(&stream, limit, |_| 1),
            "byte by byte, limit {limit}"
        );
        // Any split there is, sooner or later: the pieces' sizes are the input's own bytes.
        let sizes = |piece: usize| {
            1 + input
                .iter()
                .cycle()
                .nth(piece % 997)
                .map_or(0, |byte| usize::from(byte & 15))
        };
        assert_eq!(whole, cut(&stream, limit, sizes), "split, limit {limit}");
        let expected = written.clone().or_else(|| by_roxmltree(&stream));
        if let Some(expected) = expected {
            assert_eq!(
                shortened(expected, limit),
                whole,
                "{}",
                String::from_utf8_lossy(&stream)
            );
        }
    }
}

fn generated(input: &[u8]) -> arbitrary::Result<(Vec<u8>, Vec<Cut>)> {
    let mut choices = Unstructured::new(input);
    let mut xml = Xml::new(&mut choices);
    let header = "<s:stream xmlns:s='urn:s' id=\"/>'\">";
    xml.between()?;
    xml.out.push_str(header);
    let mut written = vec![Cut::Open(header.into())];
    while !xml.is_over() {
        xml.between()?;
        let begin = xml.out.len();
        xml.element()?;
        written.push(Cut::Stanza {
            bytes: xml.out.as_bytes()[begin..].to_vec(),
            cut: false,
        });
    }
    xml.between()?;
    xml.out.push_str("</s:stream>");
    written.push(Cut::Close);
    Ok((xml.out.into_bytes(), written))
}

/// Another parser's word; `None` where it refuses, or where there is no stream to open.
fn by_roxmltree(stream: &[u8]) -> Option<Vec<Cut>> {
    let text = std::str::from_utf8(stream).ok()?;
    let document = roxmltree::Document::parse(text).ok()?;
    let root = document.root_element();
    let whole = &text[root.range()];
    let mut stanzas = root.children().filter(roxmltree::Node::is_element);
    let stanzas: Vec<_> = stanzas
        .by_ref()
        .map(|stanza| text[stanza.range()].into())
        .collect();
    let end = end_of_start_tag(whole.as_bytes());
    if whole[..end].ends_with("/>") {
        return None;
    }
    let mut cuts = vec![Cut::Open(whole.as_bytes()[..end].to_vec())];
    cuts.extend(
        stanzas
            .into_iter()
            .map(|bytes| Cut::Stanza { bytes, cut: false }),
    );
    cuts.push(Cut::Close);
    Some(cuts)
}

fn end_of_start_tag(element: &[u8]) -> usize {
    let mut quote = None;
    for (at, byte) in element.iter().enumerate() {
        match (quote, byte) {
            (None, b'>') => return at + 1,
            (None, b'\'' | b'"') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    element.len()
}

/// What is over the limit, as it has to come out.
fn shortened(cuts: Vec<Cut>, limit: usize) -> Vec<Cut> {
    let mut shortened = Vec::new();
    for cut in cuts {
        shortened.push(match cut {
            Cut::Open(bytes) if bytes.len() > limit => {
                shortened.push(Cut::NotXml);
                return shortened;
            }
            Cut::Stanza { bytes, .. } => Cut::Stanza {
                cut: bytes.len() > limit,
                bytes: bytes[..bytes.len().min(limit)].to_vec(),
            },
            other => other,
        });
        if shortened.last() == Some(&Cut::Close) {
            break;
        }
    }
    shortened
}

/// Frames a stream that arrives in pieces of these sizes.
fn cut(stream: &[u8], limit: usize, size: impl Fn(usize) -> usize) -> Vec<Cut> {
    let mut framer = Framer::new(limit);
    let (mut cuts, mut rest, mut pieces) = (Vec::new(), stream, 0);
    while !rest.is_empty() {
        let (mut piece, after) = rest.split_at(size(pieces).min(rest.len()));
        (rest, pieces) = (after, pieces + 1);
        loop {
            match framer.next(&mut piece) {
                Ok(None) => break,
                Ok(Some(Frame::Close)) => {
                    cuts.push(Cut::Close);
                    return cuts; // the link reads no further
                }
                Ok(Some(Frame::Open(bytes))) => cuts.push(Cut::Open(bytes.into_owned())),
                Ok(Some(Frame::Stanza(Stanza { bytes, cut, .. }))) => {
                    let bytes = bytes.into_owned();
                    assert!(bytes.capacity() <= 2 * limit, "more is held than the limit");
                    cuts.push(Cut::Stanza {
                        bytes,
                        cut: cut > 0,
                    });
                }
                Err(NotXml(_)) => {
                    cuts.push(Cut::NotXml);
                    return cuts;
                }
            }
        }
    }
    cuts
}
