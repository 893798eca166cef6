//! Bookmarks as private storage has them (XEP-0048): one element with all rooms, beside whatever
//! else a client keeps in there.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use super::baseline::Baseline;
use super::room::{Conference, Room, reader_inside};
use crate::address;
use crate::service::BOOKMARKS;
use crate::xml::normal::{self, Node};
use crate::xml::reader::Reader;

/// The namespace of its elements, and the name of the outermost.
const NAMESPACE: &str = BOOKMARKS.0;
const STORAGE: &str = BOOKMARKS.1;

/// What stands for bookmarks where there are none.
pub const EMPTY: &str = "<storage xmlns='storage:bookmarks'/>";

#[derive(Debug, Clone, Default)]
pub struct Legacy {
    /// The rooms, each once: of two with one address the first counts.
    pub rooms: Vec<Kept>,
    /// As it is stored: `<storage/>`s in normal form, none or more.
    text: String,
    /// What the first of them says in its start tag beside its namespace.
    attributes: Range<usize>,
    pieces: Vec<Piece>,
    base: Baseline,
}

/// A part of what is stored.
#[derive(Debug, Clone)]
enum Piece {
    /// The next of the rooms.
    Room,
    /// What has no form in PEP: URLs, elements that we do not know, conferences without an address
    /// that is one.
    Rest(Range<usize>),
}

/// A room that is stored.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Its address, normalised.
    pub key: String,
    /// What is said of it.
    pub room: Room,
    place: Range<usize>,
}

/// A room as a client is to see it.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// Its address, normalised.
    pub key: &'a str,
    /// What is said of it.
    pub room: &'a Room,
    /// As it is stored, if it is.
    pub kept: Option<&'a Kept>,
}

impl Legacy {
    /// Reads what is stored: `<storage/>`s as this program stores them, none or more.
    pub fn read(text: impl Into<String>) -> Self {
        let text = text.into();
        let mut legacy = Self::default();
        let mut seen = HashSet::new();
        // A constant, which can be entered.
        let reader = reader_inside(NAMESPACE);
        let storages = normal::nodes(&text).filter_map(in_storage);
        for (number, storage) in storages.enumerate() {
            if number == 0 {
                legacy.attributes = place(&text, attributes(storage));
            }
            for node in normal::nodes(normal::content(storage)) {
                legacy.add(&text, node, reader.as_ref(), &mut seen);
            }
        }
        let rooms = legacy.rooms.iter();
        legacy.base = Baseline::of(rooms.map(|kept| (&*kept.key, kept.room.digest())));
        legacy.text = text;
        legacy
    }

    fn add(
        &mut self,
        text: &str,
        node: Node<'_>,
        reader: Option<&Reader>,
        seen: &mut HashSet<String>,
    ) {
        let (Node::Text(xml) | Node::Element(xml)) = node;
        let place = place(text, xml);
        let conference = reader.and_then(|reader| conference(node, reader));
        let key = conference.as_ref().and_then(room_of);
        if let (Some(key), Some(conference)) = (key, conference) {
            if seen.insert(key.clone()) {
                let room = conference.room();
                self.pieces.push(Piece::Room);
                self.rooms.push(Kept { key, room, place });
            }
            return;
        }
        match self.pieces.last_mut() {
            Some(Piece::Rest(last)) if last.end == place.start => last.end = place.end,
            _ => self.pieces.push(Piece::Rest(place)),
        }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// How many bytes it has.
    pub fn bytes(&self) -> usize {
        self.text.len()
    }

    pub fn base(&self) -> Baseline {
        self.base.clone()
    }

    /// The element with these rooms, those that are stored in their order and before the others, and
    /// with all that has no form in PEP. `None` where nothing is stored, and there would be nothing
    /// in it either.
    pub fn with(&self, rooms: &[Seen<'_>]) -> Option<String> {
        let attributes = self.part(&self.attributes);
        let mut out = format!("<{STORAGE} xmlns='{NAMESPACE}'{attributes}>");
        let empty = out.len();
        let mut shown = rooms.iter().filter(|seen| seen.kept.is_some()).peekable();
        let mut kept = self.rooms.iter();
        for piece in &self.pieces {
            match piece {
                Piece::Rest(place) => out.push_str(self.part(place)),
                Piece::Room => {
                    let next = kept.next();
                    let seen = shown.next_if(|seen| next.is_some_and(|next| next.key == seen.key));
                    if let (Some(kept), Some(seen)) = (next, seen) {
                        out.push_str(&self.saying(kept, seen.room));
                    }
                }
            }
        }
        for seen in rooms.iter().filter(|seen| seen.kept.is_none()) {
            let new = Conference::new(NAMESPACE, Some(seen.key));
            out.push_str(&new.saying(seen.room, Some(NAMESPACE)));
        }
        let is_nothing = out.len() == empty && self.text.is_empty();
        out.push_str("</storage>");
        (!is_nothing).then_some(out)
    }

    /// The element of a room, corrected where it says something else.
    fn saying(&self, kept: &Kept, room: &Room) -> Cow<'_, str> {
        let xml = self.part(&kept.place);
        if kept.room == *room {
            return Cow::Borrowed(xml);
        }
        let reader = reader_inside(NAMESPACE);
        let conference = reader.and_then(|reader| Conference::read(xml, &reader));
        let conference = conference.unwrap_or_else(|| Conference::new(NAMESPACE, Some(&kept.key)));
        Cow::Owned(conference.saying(room, Some(NAMESPACE)))
    }

    fn part(&self, place: &Range<usize>) -> &str {
        self.text.get(place.clone()).unwrap_or_default()
    }
}

/// The element, if it is a `<storage/>`.
fn in_storage(node: Node<'_>) -> Option<&str> {
    match node {
        Node::Element(element) => tag_rest(element).map(|_| element),
        Node::Text(_) => None,
    }
}

/// What stands in the start tag of a `<storage/>` beside its namespace.
fn attributes(storage: &str) -> &str {
    let rest = tag_rest(storage).unwrap_or_default();
    let tag = rest.split('>').next().unwrap_or_default();
    tag.strip_suffix('/').unwrap_or(tag)
}

fn tag_rest(element: &str) -> Option<&str> {
    let rest = element.strip_prefix('<')?.strip_prefix(STORAGE)?;
    let rest = rest.strip_prefix(" xmlns='")?.strip_prefix(NAMESPACE)?;
    rest.strip_prefix('\'')
}

/// A conference, which stands inside of a `<storage/>`.
fn conference<'x>(node: Node<'x>, reader: &Reader) -> Option<Conference<'x>> {
    match node {
        Node::Element(xml) if normal::is(xml, "conference") => Conference::read(xml, reader),
        Node::Element(_) | Node::Text(_) => None,
    }
}

/// The room that this is a bookmark of; `None` if that has no address.
fn room_of(conference: &Conference<'_>) -> Option<String> {
    address::room(conference.attribute("jid")?)
}

/// Where a part of a text stands in it.
fn place(text: &str, part: &str) -> Range<usize> {
    let begin = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    begin..begin + part.len()
}

#[derive(Debug)]
pub enum List {
    Text(String),
    Read(Legacy),
}

impl List {
    /// Reads it, if it is not yet.
    pub fn read(self) -> Legacy {
        match self {
            Self::Text(text) => Legacy::read(text),
            Self::Read(stored) => stored,
        }
    }

    /// How many bytes it has.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Read(stored) => stored.bytes(),
        }
    }
}

#[cfg(test)]
mod tests;
