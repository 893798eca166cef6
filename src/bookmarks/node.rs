//! Bookmarks as PEP has them (XEP-0402): a node with an item for each room, whose id is the room's
//! address.

use minidom::Element as Tree;

use super::room::Room;
use crate::address;
use crate::service::privilege::{PUBSUB, PUBSUB_OWNER};
use crate::stanza::{Element, Received, escape_attribute};

/// The name of the node, and the namespace of its payloads.
const NODE: &str = "urn:xmpp:bookmarks:1";

/// What the node must be like: private, and without an end to what it keeps.
const OPTIONS: [(&str, &str); 4] = [
    ("persist_items", "true"),
    ("max_items", "max"),
    ("send_last_published_item", "never"),
    ("access_model", "whitelist"),
];

/// The payload of an IQ. Many of them may wait, so it is written only when it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// Asks for all items.
    Fetch,
    /// Puts this item into the node.
    Publish(String),
    /// Takes this item away, and tells the user's clients.
    Retract(String),
    /// Makes a node that exists what it must be.
    Configure,
}

/// What the node holds.
#[derive(Debug, Default)]
pub struct Node {
    /// The items that are about a room.
    pub items: Vec<Item>,
    /// How many items there are, whatever they are about.
    pub total: usize,
}

/// An item that is about a room.
#[derive(Debug)]
pub struct Item {
    /// Its id, as it is written.
    pub id: String,
    /// The room's address, normalised.
    pub key: String,
    /// What it says of the room.
    pub room: Room,
    conference: Tree,
}

impl Payload {
    /// Whether it is of the type set.
    pub fn is_set(&self) -> bool {
        *self != Self::Fetch
    }

    /// As XML.
    pub fn xml(&self) -> String {
        match self {
            Self::Fetch => format!("<pubsub xmlns='{PUBSUB}'><items node='{NODE}'/></pubsub>"),
            Self::Publish(item) => format!(
                "<pubsub xmlns='{PUBSUB}'><publish node='{NODE}'>{item}</publish>\
                 <publish-options>{}</publish-options></pubsub>",
                form("publish-options")
            ),
            Self::Retract(item) => format!(
                "<pubsub xmlns='{PUBSUB}'><retract node='{NODE}' notify='true'>{item}</retract>\
                 </pubsub>"
            ),
            Self::Configure => format!(
                "<pubsub xmlns='{PUBSUB_OWNER}'><configure node='{NODE}'>{}</configure></pubsub>",
                form("node_config")
            ),
        }
    }
}

impl Node {
    /// Reads the answer to [`Payload::Fetch`]; `None` if it is none.
    pub fn read(received: &Received, pubsub: &Element) -> Option<Self> {
        let pubsub: Tree = pubsub_in(received, pubsub)?;
        let items = pubsub.get_child("items", PUBSUB)?;
        let all = || items.children().filter(|item| item.is("item", PUBSUB));
        Some(Self {
            total: all().count(),
            items: all().filter_map(Item::read).collect(),
        })
    }
}

fn pubsub_in(received: &Received, pubsub: &Element) -> Option<Tree> {
    let pubsub = pubsub.is(PUBSUB, "pubsub").then_some(pubsub)?;
    received.xml(pubsub).parse().ok()
}

impl Item {
    fn read(item: &Tree) -> Option<Self> {
        let id = item.attr("id")?;
        let conference = item.get_child("conference", NODE)?;
        Some(Self {
            id: id.to_owned(),
            key: address::room(id)?,
            room: Room::read(conference),
            conference: conference.clone(),
        })
    }

    /// The payload by which it says this, and beside what it says beside.
    pub fn publish(&self, room: &Room) -> Payload {
        publish(&self.id, room, self.conference.clone())
    }
}

/// The payload by which the node gets an item for this room.
pub fn publish_new(key: &str, room: &Room) -> Payload {
    publish(key, room, Tree::bare("conference", NODE))
}

fn publish(id: &str, room: &Room, mut conference: Tree) -> Payload {
    room.write(&mut conference);
    Payload::Publish(item(id, &String::from(&conference)))
}

/// The payload that takes the item of this id away.
pub fn retract(id: &str) -> Payload {
    Payload::Retract(item(id, ""))
}

fn item(id: &str, content: &str) -> String {
    let mut item = String::from("<item id='");
    escape_attribute(id, &mut item);
    item.push_str("'>");
    item.push_str(content);
    item.push_str("</item>");
    item
}

fn form(kind: &str) -> String {
    let mut form = format!(
        "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>\
         <value>{PUBSUB}#{kind}</value></field>"
    );
    for (name, value) in OPTIONS {
        form.push_str(&format!(
            "<field var='pubsub#{name}'><value>{value}</value></field>"
        ));
    }
    form.push_str("</x>");
    form
}

#[cfg(test)]
impl Node {
    /// A node with items of these ids and names.
    pub fn of(items: &[(&str, &str)]) -> Self {
        let item = |(id, name): &(&str, &str)| {
            let xml = format!(
                "<item xmlns='{PUBSUB}' id='{id}'><conference xmlns='{NODE}' name='{name}'>\
                 <extensions><x xmlns='urn:x'/></extensions></conference></item>"
            );
            Item::read(&xml.parse().expect("an item"))
        };
        Self {
            items: items.iter().filter_map(item).collect(),
            total: items.len(),
        }
    }
}
