//! Bookmarks as private storage has them (XEP-0048): one element with all rooms, beside whatever
//! else a client keeps in there.

use std::borrow::Cow;
use std::collections::HashSet;

use minidom::Element as Tree;

use super::base::Base;
use super::room::{Room, set_attribute};
use crate::address;
use crate::service::BOOKMARKS;
use crate::stanza::{Container, Element, Received};
use crate::xml::frame::Stanza;
use crate::xml::reader::{Limits, Reader};

/// The namespace of its elements, and the name of the outermost.
const NAMESPACE: &str = BOOKMARKS.0;
const STORAGE: &str = BOOKMARKS.1;

/// Stands around what was stored, which may be several elements.
const AROUND: &str = "all";

const CONTAINERS: &[Container] = &[Container {
    parent: AROUND,
    namespace: NAMESPACE,
    name: STORAGE,
}];

/// What somebody has stored.
#[derive(Debug, Default)]
pub struct Legacy {
    /// The rooms, each once: of two with one address the first counts.
    pub rooms: Vec<Kept>,
    /// XML of what has no form in PEP: URLs, elements that we do not know, conferences without an
    /// address that is one.
    rest: Vec<String>,
    /// The attributes of the element around, as they are written.
    attributes: String,
    /// Whether anything is stored at all.
    is_stored: bool,
}

/// A room that is stored.
#[derive(Debug)]
pub struct Kept {
    /// Its address, normalised.
    pub key: String,
    /// What is said of it.
    pub room: Room,
    /// The element, without the namespace that stands around it.
    xml: String,
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
    pub fn read(text: &str) -> Self {
        let mut legacy = Self::default();
        let Some(all) = elements(text) else {
            return legacy;
        };
        legacy.is_stored = !all.stanza.children.is_empty();
        let mut seen = HashSet::new();
        for (number, storage) in all.stanza.children.iter().enumerate() {
            if number == 0 {
                legacy.attributes = attributes(all.xml(storage)).to_owned();
            }
            for child in &storage.children {
                let key = room_in(child);
                let xml = inside(all.xml(child), child);
                let room = key.and_then(|key| Some((key, all.xml(child).parse::<Tree>().ok()?)));
                let Some((key, tree)) = room else {
                    legacy.rest.push(xml.into_owned());
                    continue;
                };
                if seen.insert(key.clone()) {
                    legacy.rooms.push(Kept {
                        key,
                        room: Room::read(&tree),
                        xml: xml.into_owned(),
                    });
                }
            }
        }
        legacy
    }

    /// How many rooms there are.
    pub fn count(text: &str) -> usize {
        let all = elements(text);
        let storages = all.iter().flat_map(|all| &all.stanza.children);
        let rooms: HashSet<String> = storages
            .flat_map(|storage| &storage.children)
            .filter_map(room_in)
            .collect();
        rooms.len()
    }

    /// What the rooms say.
    pub fn base(&self) -> Base {
        let rooms = self.rooms.iter();
        Base::of(rooms.map(|kept| (&*kept.key, kept.room.digest())))
    }

    /// The element with these rooms, and with all that has no form in PEP. `None` where nothing is
    /// stored, and there would be nothing in it either.
    pub fn with(&self, rooms: &[Seen<'_>]) -> Option<String> {
        let mut out = format!("<{STORAGE} xmlns='{NAMESPACE}'{}>", self.attributes);
        let empty = out.len();
        for seen in rooms {
            match seen.kept {
                Some(kept) => out.push_str(&kept.saying(seen.room)),
                None => out.push_str(&made(seen.key, seen.room)),
            }
        }
        for other in &self.rest {
            out.push_str(other);
        }
        let is_nothing = out.len() == empty && !self.is_stored;
        out.push_str("</storage>");
        (!is_nothing).then_some(out)
    }
}

impl Kept {
    /// The element, corrected where it says something else.
    fn saying(&self, room: &Room) -> Cow<'_, str> {
        if self.room == *room {
            return Cow::Borrowed(&self.xml);
        }
        let around = format!("<{AROUND} xmlns='{NAMESPACE}'>{}</{AROUND}>", self.xml);
        let conference = around.parse::<Tree>().ok();
        let conference = conference.and_then(|mut around| around.unshift_child());
        match conference {
            Some(mut conference) => Cow::Owned(written(room, &mut conference)),
            None => Cow::Owned(made(&self.key, room)),
        }
    }
}

/// A new element for this room.
fn made(key: &str, room: &Room) -> String {
    let mut conference = Tree::bare("conference", NAMESPACE);
    set_attribute(&mut conference, "jid", Some(key));
    written(room, &mut conference)
}

fn written(room: &Room, conference: &mut Tree) -> String {
    room.write(conference);
    let xml = String::from(&*conference);
    let declared = format!("<conference xmlns='{NAMESPACE}'");
    match xml.strip_prefix(&declared) {
        Some(rest) => format!("<conference{rest}"),
        None => xml,
    }
}

/// The room that this is a bookmark of; `None` if it is none, or the room has no address.
fn room_in(child: &Element) -> Option<String> {
    let jid = child.attribute("jid");
    let conference = child.is(NAMESPACE, "conference");
    address::room(jid.filter(|_| conference)?)
}

/// What is stored, as the skeleton of one element around it.
fn elements(text: &str) -> Option<Received> {
    let around = format!("<{AROUND}>{text}</{AROUND}>");
    let limits = Limits {
        text: usize::MAX,
        depth: usize::MAX,
        children: usize::MAX,
        containers: CONTAINERS,
    };
    let (reader, _) = Reader::open(b"<none>", limits).ok()?;
    let whole = Stanza {
        longest_markup: longest_markup(&around),
        bytes: Cow::Borrowed(around.as_bytes()),
        cut: false,
    };
    let all = reader.read_payloads(&whole).ok()??;
    all.fault.is_none().then_some(all)
}

/// How long the longest tag is, of a text in normal form: there no other `<` stands than those of
/// tags, and the first `>` behind one ends it. (The parser reserves as much for every reference.)
fn longest_markup(text: &str) -> usize {
    let tags = text.split('<').skip(1);
    let lengths = tags.map(|tag| tag.find('>').unwrap_or(tag.len()));
    lengths.max().map_or(0, |length| length + "<>".len())
}

/// An element as it is written inside of one of our namespace.
fn inside<'x>(xml: &'x str, element: &Element) -> Cow<'x, str> {
    let name = element.name.as_str();
    let declared = format!("<{name} xmlns='{NAMESPACE}'");
    match xml.strip_prefix(&declared) {
        Some(rest) => Cow::Owned(format!("<{name}{rest}")),
        None => Cow::Borrowed(xml),
    }
}

/// What stands in the start tag of a `<storage/>` beside its namespace. (In normal form the first `>`
/// ends it.)
fn attributes(storage: &str) -> &str {
    let tag = storage.split('>').next().unwrap_or_default();
    let tag = tag.strip_suffix('/').unwrap_or(tag);
    let declared = format!("<{STORAGE} xmlns='{NAMESPACE}'");
    tag.strip_prefix(&declared).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORED: &str = "<storage xmlns='storage:bookmarks'>\
        <url url='http://a/?b&amp;c' name='A'/>\
        <conference jid='tea@muc' name='Tea'><nick>al</nick><x xmlns='urn:x'/></conference>\
        <conference name='no address'/>\
        <conference jid='not an address'/>\
        <conference jid='Tea@muc/al' name='again'/>\
        <conference jid='go@muc'/>\
        </storage>";

    /// With what is stored; without the rooms that are named.
    fn without(legacy: &Legacy, gone: &[&str]) -> Option<String> {
        let rooms = legacy.rooms.iter();
        let rooms = rooms.filter(|kept| !gone.contains(&&*kept.key));
        let rooms: Vec<Seen<'_>> = rooms.map(|kept| seen(kept, &kept.room)).collect();
        legacy.with(&rooms)
    }

    fn seen<'a>(kept: &'a Kept, room: &'a Room) -> Seen<'a> {
        Seen {
            key: &kept.key,
            room,
            kept: Some(kept),
        }
    }

    #[test]
    fn rooms_are_told_from_the_rest() {
        let legacy = Legacy::read(STORED);
        let keys: Vec<&str> = legacy.rooms.iter().map(|kept| &*kept.key).collect();
        assert_eq!(keys, ["tea@muc", "go@muc"]);
        assert_eq!(Legacy::count(STORED), 2);
        assert_eq!(
            without(&legacy, &["tea@muc", "go@muc"]).unwrap(),
            "<storage xmlns='storage:bookmarks'><url url='http://a/?b&amp;c' name='A'/>\
             <conference name='no address'/><conference jid='not an address'/></storage>"
        );
    }

    #[test]
    fn what_says_the_same_stays_as_it_was_written() {
        let legacy = Legacy::read(STORED);
        let view = without(&legacy, &[]).unwrap();
        let tea =
            "<conference jid='tea@muc' name='Tea'><nick>al</nick><x xmlns='urn:x'/></conference>";
        assert!(view.contains(tea), "{view}");
        assert!(view.contains("<conference jid='go@muc'/>"), "{view}");
    }

    #[test]
    fn what_says_something_else_is_corrected_and_no_more() {
        let legacy = Legacy::read(STORED);
        let other = Room::read(&"<c xmlns='storage:bookmarks' name='new'/>".parse().unwrap());
        let new = Seen {
            key: "new@muc",
            room: &other,
            kept: None,
        };
        let view = legacy.with(&[seen(&legacy.rooms[0], &other), new]).unwrap();
        let tree: Tree = view.parse().unwrap();
        let tea = tree.children().next().unwrap();
        assert_eq!(
            (tea.attr("jid"), tea.attr("name")),
            (Some("tea@muc"), Some("new"))
        );
        assert!(tea.has_child("x", "urn:x") && !tea.has_child("nick", NAMESPACE));
        let made = tree.children().nth(1).unwrap();
        assert_eq!(
            (made.attr("jid"), made.attr("name")),
            (Some("new@muc"), Some("new"))
        );
    }

    /// The last room was deleted elsewhere, and clients went on being shown what is stored.
    #[test]
    fn where_all_rooms_are_gone_an_empty_element_is_seen() {
        let legacy =
            Legacy::read("<storage xmlns='storage:bookmarks'><conference jid='a@b'/></storage>");
        assert_eq!(
            without(&legacy, &["a@b"]).as_deref(),
            Some("<storage xmlns='storage:bookmarks'></storage>")
        );
    }

    #[test]
    fn the_longest_tag_is_known() {
        assert_eq!(longest_markup("<a><b c='&lt;'>a > b</b></a>"), 12);
        assert_eq!(longest_markup("text"), 0);
    }

    #[test]
    fn a_tag_may_be_as_long_as_all_the_rest() {
        let name = "&lt;".repeat(1000);
        let stored = format!(
            "<storage xmlns='storage:bookmarks'><conference jid='a@b' name='{name}'/></storage>"
        );
        let legacy = Legacy::read(&stored);
        assert_eq!(legacy.rooms.len(), 1);
        assert_eq!(without(&legacy, &[]).unwrap(), stored);
    }

    #[test]
    fn the_attributes_around_stay() {
        let stored = "<storage xmlns='storage:bookmarks' xmlns:p='urn:p' a='&gt;/' p:b='1'/>";
        let view: Tree = without(&Legacy::read(stored), &[])
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(
            (view.attr("a"), view.attr_ns("urn:p", "b")),
            (Some(">/"), Some("1"))
        );
    }

    #[test]
    fn several_elements_or_none_are_read_as_one() {
        let two = "<storage xmlns='storage:bookmarks' xml:lang='de'><conference jid='a@b'/></storage>\
                   <storage xmlns='storage:bookmarks'><conference jid='c@d'/><url/></storage>";
        let legacy = Legacy::read(two);
        assert_eq!(legacy.rooms.len(), 2);
        assert_eq!(
            without(&legacy, &["a@b", "c@d"]).unwrap(),
            "<storage xmlns='storage:bookmarks' xml:lang='de'><url/></storage>"
        );
        assert_eq!(without(&Legacy::read(""), &[]), None);
    }
}
