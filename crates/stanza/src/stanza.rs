//! The vocabulary that the link and the service share: what was received, what is answered.
//!
//! Inbound, a stanza is kept as one string of normalised XML (every name resolved, every
//! namespace declared where it is used) and a small skeleton of [`Element`]s that point into it.
//! A stored fragment is a slice of that string; it is never built into a tree.
//!
//! Outbound, a [`Reply`] is finished XML, addressed and ready for the socket.

mod refusal;
mod write;

use std::ops::Range;
use std::sync::Arc;

pub use refusal::{ERROR, Refusal};
pub use rxml::NcName;
pub use write::{PING, escape_attribute, escape_text, get, write_attribute};

/// A namespace name; the empty string stands for "no namespace".
pub type Namespace = Arc<str>;

/// The namespaces this crate names in more than one module.
pub mod ns {
    /// The application namespace of a component's stream (XEP-0114).
    pub const ACCEPT: &str = "jabber:component:accept";
    /// The application namespace of a client's stream.
    pub const CLIENT: &str = "jabber:client";
    /// The application namespace of a server's stream.
    pub const SERVER: &str = "jabber:server";
    /// Streams (RFC 6120).
    pub const STREAMS: &str = "http://etherx.jabber.org/streams";
    /// The conditions of a stream error.
    pub const STREAM_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-streams";
    /// The conditions of a stanza error.
    pub const STANZA_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
    /// Stanza forwarding (XEP-0297).
    pub const FORWARD: &str = "urn:xmpp:forward:0";
    /// Namespace delegation (XEP-0355), the versions that servers speak: ejabberd the first, Prosody the second.
    pub const DELEGATIONS: [&str; 2] = ["urn:xmpp:delegation:1", "urn:xmpp:delegation:2"];
    /// Private XML storage (XEP-0049).
    pub const PRIVATE: &str = "jabber:iq:private";
    /// The namespace that the prefix `xml` is bound to.
    pub const XML: &str = "http://www.w3.org/XML/1998/namespace";
    /// The namespace that the prefix `xmlns` is bound to.
    pub const XMLNS: &str = "http://www.w3.org/2000/xmlns/";
}

/// One attribute, its name resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Its namespace; empty for an attribute without a prefix.
    pub namespace: Namespace,
    pub name: NcName,
    /// Its value, references expanded.
    pub value: String,
}

impl Attribute {
    /// Its namespace, its name and its value.
    pub fn parts(&self) -> (&Namespace, &NcName, &str) {
        (&self.namespace, &self.name, &self.value)
    }
}

/// One element of a stanza's skeleton.
#[derive(Debug, Clone)]
pub struct Element {
    /// Its namespace, after the rewriting of XEP-0044.
    pub namespace: Namespace,
    pub name: NcName,
    /// Its attributes, without namespace declarations.
    pub attributes: Vec<Attribute>,
    /// Its child elements, where the skeleton goes that deep.
    pub children: Vec<Element>,
    /// Where in [`Received::text`] the element stands, as self-contained XML. Empty for the
    /// stanza itself, and meaningless when the stanza has a fault.
    pub range: Range<usize>,
    /// Whether it has no attribute, no text (white space is text) and no child.
    pub bare: bool,
}

impl Element {
    /// Whether the element has this namespace and this name.
    pub fn is(&self, namespace: &str, name: &str) -> bool {
        *self.name == *name && *self.namespace == *namespace
    }

    /// The value of an attribute that has no namespace.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|a| *a.name == *name && a.namespace.is_empty())
            .map(|a| a.value.as_str())
    }
}

/// An element whose children are wanted apart in the skeleton. All that it stands in must be
/// containers too, up to the stanza: the same element anywhere else is the user's data.
#[derive(Debug, Clone, Copy)]
pub struct Container {
    /// The local name of the element it stands in.
    pub parent: &'static str,
    /// Its namespace, after the rewriting of XEP-0044.
    pub namespace: &'static str,
    pub name: &'static str,
}

/// What was wrong with a stanza. It costs that stanza, never the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It breaks the rules of XML namespaces, or uses what XMPP forbids; the reason in words.
    Malformed(&'static str),
    /// It is longer than `limits.max_stanza_bytes`, as received or with every namespace written
    /// out; what came later was skipped.
    TooLong,
    /// An element inside a payload is nested deeper than `limits.max_depth`.
    TooDeep,
    /// A payload has more children than any answer could use.
    TooMany,
    /// Reading it has panicked: a bug of ours.
    Broken,
}

/// One stanza as the link hands it up.
#[derive(Debug, Clone)]
pub struct Received {
    /// The stanza element: its name, its attributes, its payloads. Where there is a fault, only
    /// names and attributes may be relied on, and children may be missing from the end.
    pub stanza: Element,
    /// The payloads as normalised XML, one after another. Shared, as an answer may repeat of it.
    pub text: Arc<String>,
    /// What was wrong with it.
    pub fault: Option<Fault>,
    /// How many bytes it had on the wire, at most the stanza limit: what it costs to hold it.
    pub size: usize,
    /// What of an answer has not been read; then the skeleton is its outermost element alone.
    pub unread: Option<Unread>,
}

/// An answer to an IQ of ours as it came. Whoever has asked reads it, where that holds up nobody.
#[derive(Debug, Clone)]
pub struct Unread {
    /// The stream's own start tag: what prefixes stand for.
    pub stream: Arc<[u8]>,
    /// The bytes, from `<` to `>`, or as many of them as `limits.max_stanza_bytes` allows.
    pub bytes: Vec<u8>,
    /// How many there were beyond those.
    pub cut: usize,
}

impl Received {
    /// An element of the skeleton as self-contained XML.
    pub fn xml(&self, element: &Element) -> &str {
        self.text.get(element.range.clone()).unwrap_or_default()
    }
}

/// One answer, finished: XML in the stream's default namespace, without a prefix.
pub type Reply = String;
