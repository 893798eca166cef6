//! What a test asks about an answer.

use std::io;

use minidom::Element;
use minidom::rxml::{Options, RawReader};
use minidom::tree_builder::TreeBuilder;

const STANZA_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";

/// Parses a stanza as it stood in a client's stream.
pub fn element(stanza: &str) -> io::Result<Element> {
    let stream = format!(
        "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>\
         {stanza}</stream:stream>"
    );
    // minidom's own way in refuses attributes over 8 KiB.
    let options = Options {
        max_token_length: stream.len(),
        ..Options::default()
    };
    let mut reader: RawReader<&[u8]> = RawReader::with_options(stream.as_bytes(), options);
    let mut tree = TreeBuilder::new();
    while let Some(event) = reader.read()? {
        tree.process_event(event).map_err(io::Error::other)?;
    }
    let mut root = tree.root.take().ok_or(io::ErrorKind::UnexpectedEof)?;
    let stanza = root.unshift_child();
    stanza.ok_or_else(|| io::Error::other("no element"))
}

/// A fragment of a test's own.
pub fn fragment(xml: &str) -> Element {
    element(xml).unwrap_or_else(|error| panic!("{error}: {xml}"))
}

/// What a successful get brought: the children of its query.
#[track_caller]
pub fn stored(iq: &Element) -> Vec<Element> {
    succeeded(iq);
    let query = iq.get_child("query", "jabber:iq:private");
    let query = query.unwrap_or_else(|| panic!("no query: {}", text(iq)));
    query.children().cloned().collect()
}

/// Insists on a result.
#[track_caller]
pub fn succeeded(iq: &Element) {
    assert_eq!(iq.attr("type"), Some("result"), "{}", text(iq));
}

/// Insists on an error; its type and condition, as in "auth forbidden".
#[track_caller]
pub fn refusal(iq: &Element) -> String {
    assert_eq!(iq.attr("type"), Some("error"), "{}", text(iq));
    let error = iq.get_child("error", "jabber:client").expect("an error");
    let condition = error
        .children()
        .find(|child| child.ns() == STANZA_ERRORS && child.name() != "text");
    let condition = condition.map_or("no condition", Element::name);
    format!("{} {condition}", error.attr("type").unwrap_or("no type"))
}

/// An element for a person to read.
pub fn text(element: &Element) -> String {
    let mut bytes = Vec::new();
    match element.write_to(&mut bytes) {
        Ok(()) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => format!("{element:?}: {error}"),
    }
}
