//! What is known of a room, in whichever form it is kept: both forms have the same four things, in
//! `<conference/>` elements that look alike.
//!
//! These elements are users' trees: whatever else is in them stays, and none of it is parsed. All
//! of them are in normal form, so that what stands where can be seen by the markup.

use crate::stanza::{Attribute, Namespace, NcName, escape_text};
use crate::xml::fragment::FragmentWriter;
use crate::xml::normal::{self, Node};
use crate::xml::reader::{Bounds, Reader};

use super::baseline::Digest;

/// What a bookmark says of its room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Room {
    name: Option<String>,
    autojoin: bool,
    nick: Option<String>,
    password: Option<String>,
}

/// A `<conference/>`, taken apart.
#[derive(Debug)]
pub struct Conference<'x> {
    namespace: Namespace,
    attributes: Vec<Attribute>,
    content: &'x str,
}

impl Room {
    /// By which two rooms are told apart that say something different.
    pub fn digest(&self) -> Digest {
        let autojoin = if self.autojoin { "join" } else { "" };
        Digest::of(&[
            self.name.as_deref().unwrap_or_default(),
            autojoin,
            self.nick.as_deref().unwrap_or_default(),
            self.password.as_deref().unwrap_or_default(),
        ])
    }

    /// What this makes of `was`, made of `now` instead: what is different there already is newer.
    pub fn merged(&self, was: &Self, now: &Self) -> Self {
        fn newest<T: Clone + PartialEq>(wanted: &T, was: &T, now: &T) -> T {
            if now == was { wanted } else { now }.clone()
        }
        Self {
            name: newest(&self.name, &was.name, &now.name),
            autojoin: newest(&self.autojoin, &was.autojoin, &now.autojoin),
            nick: newest(&self.nick, &was.nick, &now.nick),
            password: newest(&self.password, &was.password, &now.password),
        }
    }
}

/// A reader for elements in normal form that stand where this default namespace is in force. (`None`
/// would be a namespace that needs to be escaped.)
pub fn reader_inside(namespace: &str) -> Option<Reader> {
    let limits = Bounds {
        text: usize::MAX,
        depth: usize::MAX,
        children: usize::MAX,
        containers: &[],
    };
    let tag = format!("<around xmlns='{namespace}'>");
    let (reader, _) = Reader::open(tag.as_bytes(), limits).ok()?;
    Some(reader)
}

impl<'x> Conference<'x> {
    /// Takes this element apart, which stands where the reader is. `None` if it is no element in
    /// normal form.
    pub fn read(element: &'x str, reader: &Reader) -> Option<Self> {
        let tag = normal::start_tag(element);
        let (_, tag) = reader.enter(tag.as_bytes()).ok()?;
        Some(Self {
            namespace: tag.namespace,
            attributes: tag.attributes,
            content: normal::content(element),
        })
    }

    /// One in this namespace that says nothing, of the room with this address if that is said.
    pub fn new(namespace: &str, jid: Option<&str>) -> Self {
        let mut conference = Self {
            namespace: namespace.into(),
            attributes: Vec::new(),
            content: "",
        };
        conference.set("jid", jid.map(str::to_owned));
        conference
    }

    /// The value of an attribute that has no namespace.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let mut all = self.attributes.iter();
        let found = all.find(|it| *it.name == *name && it.namespace.is_empty());
        found.map(|it| it.value.as_str())
    }

    /// What it says of its room.
    pub fn room(&self) -> Room {
        let child = |name: &str| {
            let element = normal::nodes(self.content).find_map(|node| match node {
                Node::Element(element) if normal::is(element, name) => Some(element),
                Node::Element(_) | Node::Text(_) => None,
            });
            let text = element.map(|element| normal::text(normal::content(element)));
            text.filter(|text| !text.is_empty())
        };
        let name = self.attribute("name").filter(|name| !name.is_empty());
        Room {
            name: name.map(str::to_owned),
            autojoin: matches!(self.attribute("autojoin"), Some("true" | "1")),
            nick: child("nick"),
            password: child("password"),
        }
    }

    /// The element, saying this instead. What says it already, and what it says beside, stays. Its
    /// namespace is declared unless it stands in that anyway.
    pub fn saying(mut self, room: &Room, around: Option<&str>) -> String {
        let was = self.room();
        if was.name != room.name {
            self.set("name", room.name.clone());
        }
        if was.autojoin != room.autojoin {
            let autojoin = if room.autojoin { "true" } else { "false" };
            self.set("autojoin", Some(autojoin.to_owned()));
        }
        let mut children = Vec::new();
        if was.nick != room.nick {
            children.push(("nick", room.nick.as_deref()));
        }
        if was.password != room.password {
            children.push(("password", room.password.as_deref()));
        }
        // There is no bound that it could meet.
        self.written(&children, around).unwrap_or_default()
    }

    /// The element, with these children in place of all of their names.
    fn written(&self, children: &[(&str, Option<&str>)], around: Option<&str>) -> Option<String> {
        let name = NcName::try_from("conference").ok()?;
        let mut writer = FragmentWriter::inside(around.unwrap_or_default().into());
        let whole = around.is_none();
        let attributes = self.attributes.iter().map(Attribute::parts);
        writer
            .start(&self.namespace, &name, attributes, whole)
            .ok()?;
        for node in normal::nodes(self.content) {
            match node {
                Node::Element(it) if children.iter().any(|(name, _)| normal::is(it, name)) => {}
                Node::Element(it) | Node::Text(it) => writer.content(it).ok()?,
            }
        }
        for (name, text) in children {
            if let Some(text) = text {
                let mut child = format!("<{name}>");
                escape_text(text, &mut child);
                child.push_str(&format!("</{name}>"));
                writer.content(&child).ok()?;
            }
        }
        writer.end().ok()?;
        Some(writer.into_text())
    }

    /// Gives it this attribute, or takes it away.
    fn set(&mut self, name: &str, value: Option<String>) {
        let is_it = |it: &Attribute| *it.name == *name && it.namespace.is_empty();
        let Some(value) = value else {
            return self.attributes.retain(|it| !is_it(it));
        };
        if let Some(attribute) = self.attributes.iter_mut().find(|it| is_it(it)) {
            attribute.value = value;
        } else if let Ok(name) = NcName::try_from(name) {
            self.attributes.push(Attribute {
                namespace: Namespace::from(""),
                name,
                value,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(xml: &str) -> Room {
        conference(xml).room()
    }

    fn conference(xml: &str) -> Conference<'_> {
        Conference::read(xml, &reader_inside("").unwrap()).unwrap()
    }

    #[test]
    fn both_forms_say_the_same() {
        let old = "<conference xmlns='storage:bookmarks' jid='a@b' name='A' autojoin='1'>\
                   <nick>n</nick><password>p</password></conference>";
        let new = "<conference xmlns='urn:xmpp:bookmarks:1' name='A' autojoin='true'>\
                   <nick>n</nick><password>p</password><extensions/></conference>";
        assert_eq!(room(old), room(new));
        let none = "<conference xmlns='urn:xmpp:bookmarks:1' name='' autojoin='false'><nick/></conference>";
        assert_eq!(room(none), Room::default());
    }

    #[test]
    fn what_is_said_is_the_text_of_the_first_child_of_its_own_namespace() {
        let read = room(
            "<conference xmlns='u'><nick xmlns='urn:x'>no</nick><nick>a&amp;<b>c</b>d</nick>\
             <nick>e</nick></conference>",
        );
        assert_eq!(read.nick.as_deref(), Some("a&d"));
    }

    #[test]
    fn what_has_no_other_form_stays_where_it_is() {
        let old = "<conference xmlns='storage:bookmarks' jid='A@b' autojoin='1' name='old' \
                   xmlns:n1='urn:p' n1:a='1'>text<x xmlns='urn:x' xmlns:n1='urn:q' n1:a='1'/>\
                   <nick>n</nick><nick xmlns='urn:x'/></conference>";
        let new = Room {
            name: Some("ne'w".into()),
            autojoin: true,
            nick: None,
            password: Some("<p>".into()),
        };
        let written = conference(old).saying(&new, None);
        assert_eq!(
            written,
            "<conference xmlns='storage:bookmarks' jid='A@b' autojoin='1' name='ne&apos;w' \
             xmlns:n1='urn:p' n1:a='1'>text<x xmlns='urn:x' xmlns:n1='urn:q' n1:a='1'/>\
             <nick xmlns='urn:x'/><password>&lt;p&gt;</password></conference>"
        );
        assert_eq!(room(&written), new);
        let inside = conference(old).saying(&new, Some("storage:bookmarks"));
        assert_eq!(
            inside,
            written.replacen(" xmlns='storage:bookmarks'", "", 1)
        );
    }

    #[test]
    fn a_new_element_says_no_more_than_it_has_to() {
        let made = Conference::new("u", Some("a@b")).saying(&Room::default(), None);
        assert_eq!(made, "<conference xmlns='u' jid='a@b'/>");
    }
}
