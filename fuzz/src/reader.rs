//! The reader: one framed stanza → names, attributes, normalised payloads, or its fault.

use arbitrary::Unstructured;
use xmpp_private_storage::service::CONTAINERS;
use xmpp_private_storage::stanza::{Element, Fault, Received, ns};
use xmpp_private_storage::xml::NotXml;
use xmpp_private_storage::xml::frame::{Frame, Framer, Stanza};
use xmpp_private_storage::xml::reader::{Bounds, Reader};

use super::generate::Xml;
use super::infoset::{self, Token};
use super::{END, HEADER, is_xml};

const LIMIT: usize = 16 * 1024;

/// The limits that stanzas are read with here: low, so that they are met.
pub const BOUNDS: Bounds = Bounds {
    text: 2 * LIMIT,
    depth: 24,
    children: 8,
    containers: CONTAINERS,
};

/// How many containers stand around a stored element at most: of a delegated request.
const AROUND: usize = 5;

/// No panic. What two other parsers take, and breaks no rule of ours, comes out without a fault
/// and equal as an infoset; what one of them refuses never comes out without one.
pub fn reader(input: &[u8]) {
    let generated = || {
        let mut choices = Unstructured::new(input);
        let mut xml = Xml::new(&mut choices);
        xml.stanza().map(|()| xml.out.into_bytes())
    };
    let bytes = if is_xml(input) {
        Ok(input.to_vec())
    } else {
        generated()
    };
    let Ok(bytes) = bytes else { return };
    let (reader, _) = Reader::open(HEADER.as_bytes(), BOUNDS).expect("a header");
    // Whatever it is handed, framed or not.
    let _ = reader.read(&Stanza {
        bytes: bytes.as_slice().into(),
        cut: 0,
    });
    let _ = Reader::open(&bytes, BOUNDS);
    let mut framer = Framer::new(LIMIT);
    framer.next(&mut HEADER.as_bytes()).expect("a header");
    let mut rest = bytes.as_slice();
    while let Ok(Some(Frame::Stanza(stanza))) = framer.next(&mut rest) {
        check(&reader, &stanza);
    }
}

fn check(reader: &Reader, stanza: &Stanza<'_>) {
    let shown = String::from_utf8_lossy(&stanza.bytes);
    let document = unfolded(&[HEADER.as_bytes(), &stanza.bytes, END.as_bytes()].concat());
    let by_rxml = infoset::by_rxml(&document);
    let by_roxmltree = infoset::by_roxmltree(&document);
    let received = match reader.read(stanza) {
        Ok(Some(received)) => received,
        // What costs the link (or has no answer) is no XML to anybody.
        Ok(None) => return assert!(by_rxml.is_err() && by_roxmltree.is_err(), "{shown}"),
        Err(NotXml(why)) => {
            return assert!(by_rxml.is_err() && by_roxmltree.is_err(), "{why}: {shown}");
        }
    };
    assert!(received.text.len() <= BOUNDS.text);
    match (received.fault, by_rxml, by_roxmltree) {
        (None, Ok(stream), Ok(other)) => {
            assert_eq!(stream, other, "the parsers disagree: {shown}");
            assert_eq!(stanza.cut, 0, "{shown}");
            let stanza = infoset::children(&stream)[0];
            assert!(infoset::depth(stanza) <= BOUNDS.depth + AROUND, "{shown}");
            equal(&received, &received.stanza, stanza, true);
        }
        (None, by_rxml, by_roxmltree) => panic!(
            "without a fault: {shown}\nrxml: {:?}\nroxmltree: {:?}",
            by_rxml.err(),
            by_roxmltree.err()
        ),
        (Some(fault), Ok(stream), Ok(_)) => {
            let stanza = infoset::children(&stream)[0];
            assert!(is_ours(fault, stanza), "{fault:?}: {shown}");
        }
        (Some(_), ..) => {}
    }
}

/// Whether a stanza that is sound XML breaks the rule of ours that the fault names.
fn is_ours(fault: Fault, stanza: &[Token]) -> bool {
    match fault {
        // Neither parser minds, though XML knows no attribute given twice.
        Fault::Malformed(why) => why == "a prefix declared twice",
        Fault::TooDeep => infoset::depth(stanza) > BOUNDS.depth,
        Fault::TooMany => {
            let starts = stanza
                .iter()
                .filter(|token| matches!(token, Token::Start { .. }));
            starts.count() > BOUNDS.children
        }
        Fault::TooLong => longest_written(stanza) > BOUNDS.text,
        Fault::Broken => false,
    }
}

/// How long it can become with every namespace and every reference written out.
fn longest_written(stanza: &[Token]) -> usize {
    let mut length = 0;
    for token in stanza {
        length += match token {
            Token::Start {
                namespace,
                name,
                attributes,
            } => {
                let attributes: usize = attributes
                    .iter()
                    .map(|((namespace, name), value)| {
                        6 * namespace.len() + name.len() + 6 * value.len() + 32
                    })
                    .sum();
                6 * namespace.len() + 2 * name.len() + attributes + 32
            }
            Token::Text(text) => 6 * text.len(),
            Token::End => 0,
        };
    }
    length
}

/// The skeleton, and what each of its elements stands for as text, against the infoset.
fn equal(received: &Received, element: &Element, tokens: &[Token], is_stanza: bool) {
    let Some(Token::Start {
        namespace,
        name,
        attributes,
    }) = tokens.first()
    else {
        panic!("no element: {tokens:?}");
    };
    assert_eq!(element.name, **name);
    let rewritten = [ns::CLIENT, ns::SERVER].contains(&namespace.as_str());
    assert!(*element.namespace == **namespace || rewritten && *element.namespace == *ns::ACCEPT);
    assert_eq!(element.attributes.len(), attributes.len());
    for attribute in &element.attributes {
        let name = (attribute.namespace.to_string(), attribute.name.to_string());
        assert_eq!(attributes.get(&name), Some(&attribute.value));
    }
    assert_eq!(element.bare, attributes.is_empty() && tokens.len() == 2);
    if !is_stanza {
        let xml = received.xml(element);
        assert_eq!(infoset::of(xml.as_bytes()), tokens, "{xml}");
    }
    let children = infoset::children(tokens);
    if !element.children.is_empty() || is_stanza {
        assert_eq!(element.children.len(), children.len());
        for (child, tokens) in element.children.iter().zip(children) {
            equal(received, child, tokens, false);
        }
    }
}

/// XML 1.0 section 2.11: line ends are line feeds. rxml refuses a carriage return in an
/// attribute's value, and roxmltree overlooks one between a reference and a tag.
fn unfolded(document: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(document.len());
    for (at, byte) in document.iter().enumerate() {
        match byte {
            b'\r' => out.push(b'\n'),
            b'\n' if at > 0 && document[at - 1] == b'\r' => {}
            byte => out.push(*byte),
        }
    }
    out
}
