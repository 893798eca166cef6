//! What is known of a room, in whichever form it is kept: both forms have the same four things, in
//! elements that look alike.

use minidom::Element as Tree;
use minidom::rxml::{Namespace, NcName};

use super::base::Digest;

/// What a bookmark says of its room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Room {
    name: Option<String>,
    autojoin: bool,
    nick: Option<String>,
    password: Option<String>,
}

impl Room {
    /// Reads a `<conference/>` of either form.
    pub fn read(conference: &Tree) -> Self {
        let child = |name: &str| {
            let child = conference.get_child(name, conference.ns().as_str());
            child.map(Tree::text).filter(|text| !text.is_empty())
        };
        let name = conference.attr("name").filter(|name| !name.is_empty());
        Self {
            name: name.map(str::to_owned),
            autojoin: matches!(conference.attr("autojoin"), Some("true" | "1")),
            nick: child("nick"),
            password: child("password"),
        }
    }

    /// Makes a `<conference/>` say the same. What says it already, and what it says beside, stays.
    pub fn write(&self, conference: &mut Tree) {
        let was = Self::read(conference);
        if was.name != self.name {
            set_attribute(conference, "name", self.name.as_deref());
        }
        if was.autojoin != self.autojoin {
            let autojoin = if self.autojoin { "true" } else { "false" };
            set_attribute(conference, "autojoin", Some(autojoin));
        }
        if was.nick != self.nick {
            set_child(conference, "nick", self.nick.as_deref());
        }
        if was.password != self.password {
            set_child(conference, "password", self.password.as_deref());
        }
    }

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
}

/// Gives an element this attribute, or takes it away.
pub fn set_attribute(element: &mut Tree, name: &str, value: Option<&str>) {
    let Ok(name) = NcName::try_from(name) else {
        return;
    };
    // Not by set_attr, which panics where an attribute is to be taken away.
    match value {
        Some(value) => {
            let value = value.to_owned();
            element.attrs_mut().insert(Namespace::NONE, name, value);
        }
        None => {
            element.attrs_mut().remove(&Namespace::NONE, &name);
        }
    }
}

/// Gives an element one child of this name, and in its own namespace, or takes all such away.
fn set_child(element: &mut Tree, name: &str, text: Option<&str>) {
    let namespace = element.ns();
    // Not by remove_child, which moves all that stand behind, each time.
    for node in element.take_nodes() {
        let child = node.as_element();
        if !child.is_some_and(|child| child.is(name, namespace.as_str())) {
            element.append_node(node);
        }
    }
    if let Some(text) = text {
        let mut child = Tree::bare(name, namespace);
        child.append_text(text);
        element.append_child(child);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(xml: &str) -> Tree {
        xml.parse().unwrap()
    }

    #[test]
    fn both_forms_say_the_same() {
        let old = "<conference xmlns='storage:bookmarks' jid='a@b' name='A' autojoin='1'>\
                   <nick>n</nick><password>p</password></conference>";
        let new = "<conference xmlns='urn:xmpp:bookmarks:1' name='A' autojoin='true'>\
                   <nick>n</nick><password>p</password><extensions/></conference>";
        assert_eq!(Room::read(&tree(old)), Room::read(&tree(new)));
        let none = "<conference xmlns='urn:xmpp:bookmarks:1' name='' autojoin='false'><nick/></conference>";
        assert_eq!(Room::read(&tree(none)), Room::default());
    }

    /// Somebody's bookmark had a hundred thousand nicknames, and correcting it held up everybody.
    #[test]
    fn many_children_of_one_name_are_taken_away_in_one_go() {
        let many = format!(
            "<conference xmlns='storage:bookmarks'>{}</conference>",
            "<nick>n</nick>".repeat(200_000)
        );
        let mut conference = tree(&many);
        let begin = std::time::Instant::now();
        Room::default().write(&mut conference);
        assert_eq!(conference.nodes().count(), 0);
        assert!(begin.elapsed() < std::time::Duration::from_secs(5));
    }

    #[test]
    fn what_has_no_other_form_stays_where_it_is() {
        let mut conference = tree(
            "<conference xmlns='storage:bookmarks' jid='A@b' autojoin='1' name='old'>\
             <x xmlns='urn:x' xmlns:p='urn:p' p:a='1'/><nick>n</nick></conference>",
        );
        let room = Room {
            name: Some("new".into()),
            autojoin: true,
            nick: None,
            password: Some("<p>".into()),
        };
        room.write(&mut conference);
        assert_eq!(Room::read(&conference), room);
        assert_eq!(conference.attr("jid"), Some("A@b"));
        assert_eq!(conference.attr("autojoin"), Some("1"), "it says so already");
        let x = conference.get_child("x", "urn:x").unwrap();
        assert_eq!(x.attr_ns("urn:p", "a"), Some("1"));
    }
}
