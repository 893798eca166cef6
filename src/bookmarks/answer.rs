//! An answer of PEP, taken apart before it is read: items hold users' trees, so each is read by
//! itself. What cannot be read in one costs that item alone, and of a large node no more is in memory
//! at once than its text and one item.

use std::borrow::Cow;
use std::ops::Range;

use crate::service::CONTAINERS;
use crate::service::privilege::{self, PUBSUB};
use crate::stanza::{Element, Received, Unread, ns};
use crate::xml::frame::Stanza;
use crate::xml::reader::{Bounds, Reader, start_tag};
use crate::xml::scan::{Markup, Scanner};

/// The elements in which items stand, from the outermost: namespace, where it is one alone, and name.
const PATH: [(Option<&str>, &str); 6] = [
    (None, "iq"),
    (Some(privilege::NAMESPACE), "privilege"),
    (Some(ns::FORWARD), "forwarded"),
    (None, "iq"),
    (Some(PUBSUB), "pubsub"),
    (Some(PUBSUB), "items"),
];

/// How deep elements may be nested in an item: it is not kept, so this bounds no more than its
/// reading.
const MAX_DEPTH: usize = 1024;

/// How much longer all items may become with every namespace written out, in bytes.
const MAX_GROWTH: usize = 64 * 1024;

/// An answer, without its items.
#[derive(Debug)]
pub struct Answer {
    /// All of it but these.
    pub received: Received,
    pub items: Items,
}

/// The items of an answer, in order.
#[derive(Debug, Default)]
pub struct Items {
    bytes: Vec<u8>,
    places: Vec<Range<usize>>,
    reader: Option<Reader>,
}

#[derive(Debug)]
pub struct Read {
    /// Its id, as it is written.
    pub id: Option<String>,
    /// Its elements, each whole and in normal form; `None` if they cannot be read.
    pub content: Option<Vec<(Element, String)>>,
}

impl Answer {
    /// Takes it apart; `None` if it is not XML, or not whole.
    pub fn read(unread: Unread) -> Option<Self> {
        let items = if unread.cut > 0 {
            None
        } else {
            Items::find(&unread)
        };
        let Some((places, inside)) = items else {
            let received = Reader::read_late(&unread, limits(unread.bytes.len())).ok()??;
            let items = Items::default();
            return Some(Self { received, items });
        };
        let around = match (places.first(), places.last()) {
            (Some(first), Some(last)) => {
                let parts = [&unread.bytes[..first.start], &unread.bytes[last.end..]];
                parts.concat()
            }
            _ => unread.bytes.clone(),
        };
        let around = Unread {
            bytes: around,
            ..unread.clone()
        };
        Some(Self {
            received: Reader::read_late(&around, limits(around.bytes.len())).ok()??,
            items: Items {
                bytes: unread.bytes,
                places,
                reader: Some(inside),
            },
        })
    }
}

impl Items {
    /// Whether there is an element for them.
    pub fn are_there(&self) -> bool {
        self.reader.is_some()
    }

    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Reads them, one after the other.
    pub fn read(&self) -> impl Iterator<Item = Read> {
        let mut room = 2 * self.bytes.len() + MAX_GROWTH;
        self.places.iter().filter_map(move |place| {
            let bytes = self.bytes.get(place.clone())?;
            let mut reader = self.reader.clone()?;
            reader.set_bounds(Bounds {
                text: room,
                depth: MAX_DEPTH,
                ..limits(bytes.len())
            });
            let read = read_item(bytes, &reader)?;
            let content = read.content.iter().flatten();
            room = room.saturating_sub(content.map(|(_, xml)| xml.len()).sum());
            Some(read)
        })
    }

    /// Finds them by the markup, and the names of what stands around. `None` if there is no element
    /// that they could stand in.
    fn find(unread: &Unread) -> Option<(Vec<Range<usize>>, Reader)> {
        let (outside, _) = Reader::open(&unread.stream, limits(unread.bytes.len())).ok()?;
        let mut search = Search {
            open: vec![outside],
            depth: 0,
            found: None,
            begin: 0,
        };
        let (mut scanner, mut at) = (Scanner::default(), 0);
        let bytes = &*unread.bytes;
        while at < bytes.len() {
            at += scanner.text(&bytes[at..]);
            let (length, ended) = scanner.markup(&bytes[at..]).ok()?;
            let markup = at..at + length;
            at = markup.end;
            if let Some(kind) = ended {
                search.step(kind, markup, bytes)?;
            }
        }
        search.found
    }
}

/// A walk through the markup of an answer.
struct Search {
    /// The readers for what stands in the elements of the path that are open, and outside of them.
    open: Vec<Reader>,
    /// How many elements are open.
    depth: usize,
    /// The items found so far, in the first element that may hold some.
    found: Option<(Vec<Range<usize>>, Reader)>,
    /// Where the item begins that is open.
    begin: usize,
}

impl Search {
    /// The next piece of markup; `None` if it cannot be.
    fn step(&mut self, kind: Markup, place: Range<usize>, bytes: &[u8]) -> Option<()> {
        let on_path = self.open.len() - 1;
        let is_next = self.depth == on_path;
        match kind {
            Markup::Start | Markup::Empty if is_next && on_path == PATH.len() => {
                self.begin = place.start;
                if kind == Markup::Empty {
                    self.item(place.end);
                }
            }
            Markup::Start | Markup::Empty if is_next && self.found.is_none() => {
                if let Some(inside) = self.enter(&bytes[place], PATH[on_path]) {
                    if on_path + 1 == PATH.len() {
                        self.found = Some((Vec::new(), inside.clone()));
                    }
                    if kind == Markup::Start {
                        self.open.push(inside);
                    }
                }
            }
            Markup::End => {
                self.depth = self.depth.checked_sub(1)?;
                if on_path == PATH.len() && self.depth == on_path {
                    self.item(place.end);
                }
                if self.depth < on_path {
                    self.open.pop();
                }
            }
            Markup::Start | Markup::Empty | Markup::Other => {}
        }
        self.depth += usize::from(kind == Markup::Start);
        Some(())
    }

    fn item(&mut self, end: usize) {
        if let Some((places, _)) = &mut self.found {
            places.push(self.begin..end);
        }
    }

    fn enter(&self, tag: &[u8], (namespace, name): (Option<&str>, &str)) -> Option<Reader> {
        let (inside, element) = self.open.last()?.enter(&open(tag)).ok()?;
        let is_it = namespace.is_none_or(|namespace| *element.namespace == *namespace);
        (is_it && *element.name == *name).then_some(inside)
    }
}

fn read_item(bytes: &[u8], reader: &Reader) -> Option<Read> {
    let item = reader.read_payloads(&Stanza {
        bytes: Cow::Borrowed(bytes),
        cut: 0,
    });
    let item = match item {
        Ok(item) => item?,
        // The rest is nothing that could be read, but its id still says which it is.
        Err(_) => {
            let (_, element) = reader.enter(&open(start_tag(bytes)?)).ok()?;
            let id = element.is(PUBSUB, "item").then(|| id(&element))?;
            return Some(Read { id, content: None });
        }
    };
    if !item.stanza.is(PUBSUB, "item") {
        return None;
    }
    let content = item.fault.is_none().then(|| {
        let children = item.stanza.children.iter();
        children
            .map(|child| (child.clone(), item.xml(child).to_owned()))
            .collect()
    });
    Some(Read {
        id: id(&item.stanza),
        content,
    })
}

fn id(item: &Element) -> Option<String> {
    item.attribute("id").map(str::to_owned)
}

/// A start tag, open even if its element is empty.
fn open(tag: &[u8]) -> Cow<'_, [u8]> {
    match tag.strip_suffix(b"/>") {
        Some(tag) => Cow::Owned([tag, b">"].concat()),
        None => Cow::Borrowed(tag),
    }
}

/// The limits for what has so many bytes.
fn limits(bytes: usize) -> Bounds {
    Bounds {
        text: 2 * bytes + MAX_GROWTH,
        depth: MAX_DEPTH,
        children: usize::MAX,
        containers: CONTAINERS,
    }
}
