//! What a get asks for, and what it finds.

use std::cell::OnceCell;
use std::ops::Range;
use std::sync::Arc;

use super::error::{Condition, Limit, StanzaError, unreadable};
use crate::stanza::escape_attribute;
use crate::store::{Elements, Held, Owner, Query, ReadError, Under};
use crate::xml::normal::{self, Node};

/// Around what an answer holds.
const OPEN: &str = "<query xmlns='jabber:iq:private'>";
const CLOSE: &str = "</query>";

/// Where old clients keep their room bookmarks (XEP-0048): this namespace, under this name.
pub const BOOKMARKS: (&str, &str) = ("storage:bookmarks", "storage");

/// The longest namespace and the longest element name that are stored, in bytes.
pub const MAX_NAME_BYTES: usize = 1024;

#[derive(Debug)]
pub struct Get {
    /// In the order asked, none twice.
    names: Vec<String>,
    /// For those that may be stored.
    query: Arc<Query>,
    /// The longest answer, in bytes, that the server lets through.
    limit: u64,
}

impl Get {
    /// A get of what is stored under these names, as far as the answer is not over the limit, in bytes.
    pub fn new(owner: Owner, namespace: String, names: Vec<String>, limit: u64) -> Self {
        let storable = names.iter().filter(|name| may_be_stored(&namespace, name));
        let query = Query {
            // Real clients depend on it: nbxmpp stores <roster xmlns='roster:delimiter'> and asks for
            // <storage xmlns='roster:delimiter'/>.
            or_all: names.len() == 1,
            names: storable.cloned().collect(),
            owner,
            namespace,
        };
        Self {
            names,
            query: Arc::new(query),
            limit,
        }
    }

    /// Whether room bookmarks are among what is fetched. A get of a single other name may come to all
    /// that is in the namespace.
    pub fn is_about_bookmarks(&self) -> bool {
        let is_named = self.names.iter().any(|name| name == BOOKMARKS.1);
        self.query.namespace == BOOKMARKS.0 && (is_named || self.names.len() == 1)
    }

    /// What the store is asked.
    pub fn query(&self) -> Arc<Query> {
        Arc::clone(&self.query)
    }

    /// What is found by what the store has read. Stored elements go into the answer as they are, unparsed.
    pub fn found(&self, read: Result<Vec<Elements>, ReadError>) -> Result<Found, StanzaError> {
        let elements = read.map_err(unreadable)?;
        let mut elements = elements.into_iter();
        let mut parts = Vec::with_capacity(self.names.len());
        let mut bookmarks = None;
        let mut bytes = OPEN.len() as u64;
        for name in &self.names {
            let is_asked = may_be_stored(&self.query.namespace, name);
            let found = is_asked.then(|| elements.next()).flatten();
            let Elements { mut text, under } = found.unwrap_or_default();
            let is_stored = under != Under::Nothing;
            if !is_stored {
                write_empty(name, &self.query.namespace, &mut text);
            }
            bytes += text.len() as u64;
            // What is stored in one namespace is never too long; empty elements may become so.
            if !is_stored && bytes > self.limit {
                return Err(too_long(self.limit));
            }
            if let Some((range, is_stored)) = self.bookmarks_in(name, under, &text) {
                bookmarks = Some(Place {
                    part: parts.len(),
                    range,
                    is_stored,
                });
            }
            parts.push(text);
        }
        Ok(Found {
            parts,
            bookmarks,
            left: OnceCell::new(),
            held: Held::default(),
        })
    }

    /// Where room bookmarks stand in what was found under this name, or would, and whether they are stored.
    fn bookmarks_in(&self, name: &str, under: Under, text: &str) -> Option<(Range<usize>, bool)> {
        let all = 0..text.len();
        let end = text.len()..text.len();
        match (name == BOOKMARKS.1, under) {
            _ if !self.is_about_bookmarks() => None,
            (true, under) => Some((all, under == Under::Name)),
            (false, Under::Namespace) => {
                let place = place_of(BOOKMARKS.1, text);
                Some(place.map_or((end, false), |place| (place, true)))
            }
            (false, Under::Nothing) => (self.names.len() == 1).then_some((all, false)),
            (false, Under::Name) => None,
        }
    }
}

/// What a get has found: the payload of its answer. Room bookmarks in it may yet be shown otherwise than
/// they are stored.
#[derive(Debug)]
pub struct Found {
    /// What there is under each of the names.
    parts: Vec<String>,
    bookmarks: Option<Place>,
    /// What is shown of them where PEP is not asked, or does not answer, if that is not all.
    left: OnceCell<String>,
    held: Held,
}

/// Where bookmarks stand, or what stands for them, or where they would.
#[derive(Debug)]
struct Place {
    part: usize,
    range: Range<usize>,
    is_stored: bool,
}

impl Found {
    /// Whether there are bookmarks in it, or a place for them.
    pub fn has_bookmarks(&self) -> bool {
        self.bookmarks.is_some()
    }

    /// Of what is stored only this is to be shown where PEP is not asked, or does not answer. What is said first counts.
    pub fn leave(&self, left: String) {
        let _ = self.left.set(left);
    }

    /// The memory that it takes is held like this from now on.
    pub fn hold(&mut self, held: Held) {
        self.held = held;
    }

    /// The bookmarks that are shown where PEP is not asked, or does not answer; empty if there are none.
    pub fn shown(&self) -> &str {
        self.left.get().map_or(self.stored(), String::as_str)
    }

    /// The bookmarks as they are stored; empty if they are not.
    pub fn stored(&self) -> &str {
        let place = self.bookmarks.as_ref().filter(|place| place.is_stored);
        let text = |place: &Place| self.parts.get(place.part)?.get(place.range.clone());
        place.and_then(text).unwrap_or_default()
    }

    /// How many bytes it has.
    pub fn bytes(&self) -> usize {
        let parts: usize = self.parts.iter().map(String::len).sum();
        OPEN.len() + parts + CLOSE.len()
    }

    /// How many bytes stand beside the bookmarks.
    pub(super) fn beside(&self) -> usize {
        let place = self.bookmarks.as_ref();
        self.bytes() - place.map_or(0, |place| place.range.len())
    }

    /// Appends the payload, with this in place of the bookmarks, or else what is shown of them.
    pub(super) fn write(&self, instead: Option<&str>, out: &mut String) {
        let instead = instead.or(self.left.get().map(String::as_str));
        out.push_str(OPEN);
        for (number, text) in self.parts.iter().enumerate() {
            match (&self.bookmarks, instead) {
                (Some(place), Some(instead)) if place.part == number => {
                    out.push_str(text.get(..place.range.start).unwrap_or_default());
                    out.push_str(instead);
                    out.push_str(text.get(place.range.end..).unwrap_or_default());
                }
                _ => out.push_str(text),
            }
        }
        out.push_str(CLOSE);
    }
}

/// Nothing of an overlong name was ever stored.
fn may_be_stored(namespace: &str, name: &str) -> bool {
    namespace.len().max(name.len()) <= MAX_NAME_BYTES
}

/// Where the elements of this name stand among these. They stand side by side.
fn place_of(name: &str, text: &str) -> Option<Range<usize>> {
    let mut at = 0;
    let mut place: Option<Range<usize>> = None;
    for node in normal::nodes(text) {
        let (Node::Text(xml) | Node::Element(xml)) = node;
        let range = at..at + xml.len();
        at = range.end;
        let rest = xml.strip_prefix('<').and_then(|it| it.strip_prefix(name));
        if rest.is_some_and(|rest| rest.starts_with(' ')) {
            place = Some(place.map_or(range.start, |it| it.start)..range.end);
        }
    }
    place
}

/// Writes the empty element that stands for what is not stored.
fn write_empty(name: &str, namespace: &str, out: &mut String) {
    out.push('<');
    out.push_str(name);
    out.push_str(" xmlns='");
    escape_attribute(namespace, out);
    out.push_str("'/>");
}

fn too_long(limit: u64) -> StanzaError {
    StanzaError::new(
        Condition::NotAcceptable,
        format!("The answer would be longer than limits.max_namespace_bytes, which is {limit}."),
    )
    .over(Limit::NamespaceBytes)
}
