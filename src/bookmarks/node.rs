//! Bookmarks as PEP has them (XEP-0402): a node with an item for each room, whose id is the room's
//! address.

use super::answer::{Items, Read};
use super::baseline::Digest;
use super::room::{Conference, Room, reader_inside};
use crate::address;
use crate::service::privilege::{PUBSUB, PUBSUB_OWNER};
use crate::stanza::{Element, escape_attribute};
use crate::xml::normal;

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
    Fetch,
    /// Asks for the item with this id.
    FetchItem(String),
    /// Puts this item into the node.
    Publish(String),
    /// Takes this item away, and tells the user's clients.
    Retract(String),
    /// Makes a node that exists what it must be.
    Configure,
}

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
    /// What it says of the room; `None` if that cannot be read.
    pub room: Option<Room>,
    /// Its `<conference/>`, in normal form.
    conference: String,
}

impl Payload {
    /// One that gives the item of this id to the node, which had none.
    pub fn publish(id: &str, room: &Room) -> Self {
        let conference = Conference::new(NODE, None);
        Self::Publish(item(id, &conference.saying(room, None)))
    }

    /// One that takes the item of this id away.
    pub fn retract(id: &str) -> Self {
        Self::Retract(item(id, ""))
    }

    /// Whether it is of the type set.
    pub fn is_set(&self) -> bool {
        !matches!(self, Self::Fetch | Self::FetchItem(_))
    }

    /// Whether it changes something, or is read for a change that follows at once.
    pub fn is_of_change(&self) -> bool {
        *self != Self::Fetch
    }

    pub fn xml(&self) -> String {
        match self {
            Self::Fetch => format!("<pubsub xmlns='{PUBSUB}'><items node='{NODE}'/></pubsub>"),
            Self::FetchItem(id) => format!(
                "<pubsub xmlns='{PUBSUB}'><items node='{NODE}'>{}</items></pubsub>",
                item(id, "")
            ),
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
    /// Reads the answer to [`Payload::Fetch`], which has this payload and these items; `None` if it
    /// is none.
    pub fn read(pubsub: &Element, items: &Items) -> Option<Self> {
        if !(pubsub.is(PUBSUB, "pubsub") && items.are_there()) {
            return None;
        }
        Some(Self {
            total: items.len(),
            items: items.read().filter_map(Item::read).collect(),
        })
    }
}

impl Item {
    fn read(read: Read) -> Option<Self> {
        let id = read.id?;
        let key = address::room(&id)?;
        let Some(content) = read.content else {
            let (room, conference) = (None, String::new());
            return Some(Self {
                id,
                key,
                room,
                conference,
            });
        };
        let mut content = content.into_iter();
        let (_, conference) = content.find(|(child, _)| child.is(NODE, "conference"))?;
        let room = Conference::read(&conference, &reader_inside("")?)?.room();
        Some(Self {
            id,
            key,
            room: Some(room),
            conference,
        })
    }

    /// The payload by which it says this, and beside what it says beside.
    pub fn publish(&self, room: &Room) -> Payload {
        let reader = reader_inside("");
        let conference = reader.and_then(|it| Conference::read(&self.conference, &it));
        let conference = conference.unwrap_or_else(|| Conference::new(NODE, None));
        Payload::Publish(item(&self.id, &conference.saying(room, None)))
    }

    /// By which it is told from what it says at another time.
    pub fn digest(&self) -> Digest {
        Digest::of(&[&normal::in_order(&self.conference)])
    }
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
        let nodes = items.iter().map(|(id, name)| {
            Self::with(
                id,
                &format!(
                    "<conference xmlns='{NODE}' name='{name}'><extensions><x xmlns='urn:x'/>\
                     </extensions></conference>"
                ),
            )
        });
        Self {
            items: nodes.flat_map(|node| node.items).collect(),
            total: items.len(),
        }
    }

    /// A node with an item of this id, with this in it.
    pub fn with(id: &str, conference: &str) -> Self {
        let reader = reader_inside("").expect("a namespace");
        let item = |key| Item {
            id: id.to_owned(),
            key,
            room: Conference::read(conference, &reader).map(|it| it.room()),
            conference: conference.to_owned(),
        };
        Self {
            items: address::room(id).map(item).into_iter().collect(),
            total: 1,
        }
    }
}
