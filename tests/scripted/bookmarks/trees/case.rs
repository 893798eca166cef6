//! What two clients of one user may have written, each in its form: any XML that fits.

use proptest::collection::vec;
use proptest::prelude::*;

use super::model::Said;
use crate::fidelity::infoset::{self, Child, Item, joined};
use crate::fidelity::writing;
use crate::scripted::bookmarks::pep::NODE;

pub const OLD: &str = "storage:bookmarks";

/// What the servers let through in one attribute, and a parser may not.
const LONG: usize = 60_000;

/// How deep something may stand in a conference: with all that is around one in PEP, just below what
/// `limits.max_depth` allows.
const DEEP: usize = 240;

/// One user's bookmarks, and what comes of them.
#[derive(Debug, Clone)]
pub struct Case {
    /// The attributes of what private storage has them in.
    pub around: Vec<(String, String, String)>,
    pub rooms: Vec<Room>,
    /// What is in there beside, and no room.
    pub rest: Vec<Item>,
    /// What stands between the elements.
    pub between: String,
    /// How all of it is written.
    pub styles: Vec<u8>,
}

/// A room.
#[derive(Debug, Clone)]
pub struct Room {
    /// Its address.
    pub key: String,
    /// As it is in private storage, if it is.
    pub old: Option<Item>,
    /// As it is in PEP, if it is: the id of the item, and its content.
    pub modern: Option<(String, Item)>,
    /// What the old client does with it, once it has seen it.
    pub then: Then,
}

#[derive(Debug, Clone)]
pub enum Then {
    LeavesIt,
    Has(Said),
    Drops,
}

impl Case {
    /// All that is in private storage.
    pub fn stored(&self) -> Item {
        let rooms = self.rooms.iter().filter_map(|room| room.old.clone());
        self.storage(rooms.chain(self.rest.iter().cloned()))
    }

    /// These elements, as private storage has them.
    pub fn storage(&self, elements: impl Iterator<Item = Item>) -> Item {
        let text = || Child::Text(self.between.clone());
        Item {
            namespace: OLD.to_owned(),
            name: "storage".to_owned(),
            attributes: self.around.clone(),
            children: joined(
                elements
                    .flat_map(|element| [Child::Element(element), text()])
                    .collect(),
            ),
        }
    }

    /// An element in this case's writing.
    pub fn write(&self, item: &Item) -> String {
        writing::without_comments(&writing::write(item, &self.styles))
    }
}

pub fn cases() -> impl Strategy<Value = Case> {
    let around = infoset::attributes();
    let between = prop_oneof![Just(String::new()), infoset::text()];
    let parts = (
        around,
        vec(room(), 0..5),
        vec(other(), 0..3),
        between,
        writing::styles(),
    );
    parts.prop_map(|(around, rooms, rest, between, styles)| Case {
        around,
        rooms: rooms.into_iter().enumerate().map(named).collect(),
        rest,
        between,
        styles,
    })
}

/// With an address of its own, which either side may write in several ways.
fn named((number, (mut room, spelling)): (usize, (Room, u8))) -> Room {
    room.key = format!("room{number}@muc.localhost");
    let spelt = |spelling: u8| match spelling % 3 {
        0 => format!("Room{number}@MUC.localhost"),
        _ => room.key.clone(),
    };
    let resource = if spelling >= 200 { "/nick" } else { "" };
    if let Some(old) = &mut room.old {
        old.add("jid", Some(&(spelt(spelling / 3) + resource)));
    }
    if let Some((id, _)) = &mut room.modern {
        *id = spelt(spelling);
    }
    room
}

fn room() -> impl Strategy<Value = (Room, u8)> {
    let old = prop::option::weighted(0.8, conference(OLD));
    let modern = prop::option::weighted(0.6, conference(NODE));
    let said = (
        prop::option::of(name()),
        any::<bool>(),
        prop::option::of(infoset::text()),
        prop::option::of(infoset::text()),
    );
    let said = said.prop_map(|(name, autojoin, nick, password)| Said {
        name: name.filter(|it| !it.is_empty()),
        autojoin,
        nick: nick.filter(|it| !it.is_empty()),
        password: password.filter(|it| !it.is_empty()),
    });
    let then = prop_oneof![
        1 => Just(Then::LeavesIt),
        2 => said.prop_map(Then::Has),
        1 => Just(Then::Drops),
    ];
    (old, modern, then, any::<u8>()).prop_map(|(old, modern, then, spelling)| {
        let modern = modern.map(|conference| (String::new(), conference));
        let key = String::new();
        let room = Room {
            key,
            old,
            modern,
            then,
        };
        (room, spelling)
    })
}

/// One with anything in it, but for an address.
fn conference(namespace: &'static str) -> impl Strategy<Value = Item> {
    let autojoin = prop::sample::select(vec!["true", "1", "false", "0", "yes", ""]);
    (
        infoset::attributes(),
        prop::option::of(name()),
        prop::option::of(autojoin),
        (content(), part(namespace, "nick")),
        (content(), part(namespace, "password")),
        content(),
    )
        .prop_map(move |(attributes, name, autojoin, first, second, last)| {
            let mut conference = super::model::bare(namespace, None);
            let is_free = |(namespace, name, _): &(String, String, String)| {
                !(namespace.is_empty() && ["jid", "name", "autojoin"].contains(&&**name))
            };
            conference.attributes = attributes.into_iter().filter(is_free).collect();
            conference.add("name", name.as_deref());
            conference.add("autojoin", autojoin);
            let parts = [first.0, first.1, second.0, second.1, last];
            conference.children = joined(parts.concat());
            conference
        })
}

/// A name: any text, seldom a long one.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        14 => infoset::text(),
        1 => Just("x".repeat(LONG)),
        1 => Just("\u{e9}".repeat(LONG / 2)),
    ]
}

/// What stands among the children that are understood: seldom deep.
fn content() -> impl Strategy<Value = Vec<Child>> {
    let child = prop_oneof![
        8 => infoset::text().prop_map(Child::Text),
        8 => infoset::item().prop_map(Child::Element),
        1 => (infoset::item(), 1..DEEP).prop_map(|(item, levels)| Child::Element(deep(item, levels))),
    ];
    vec(child, 0..3)
}

fn deep(item: Item, levels: usize) -> Item {
    let levels = levels.saturating_sub(height(&item));
    (0..levels).fold(item, |inner, _| Item {
        children: vec![Child::Element(inner.clone())],
        ..leaf(&inner)
    })
}

fn leaf(item: &Item) -> Item {
    Item {
        namespace: item.namespace.clone(),
        name: item.name.clone(),
        attributes: item.attributes.clone(),
        children: Vec::new(),
    }
}

fn height(item: &Item) -> usize {
    1 + item.elements().map(height).max().unwrap_or(0)
}

/// A child that is understood, with whatever it has beside its text; or none.
fn part(namespace: &'static str, name: &'static str) -> impl Strategy<Value = Vec<Child>> {
    let element = (infoset::attributes(), infoset::text()).prop_map(move |(attributes, text)| {
        let element = Item {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            attributes,
            children: joined(vec![Child::Text(text)]),
        };
        Child::Element(element)
    });
    vec(element, 0..3)
}

/// An element of private storage that is no room.
fn other() -> impl Strategy<Value = Item> {
    let kind = prop::sample::select(vec![
        ("url", None),
        ("conference", None),
        ("conference", Some("@@")),
    ]);
    let known = (infoset::item(), kind).prop_map(|(mut item, (name, jid))| {
        item.namespace = OLD.to_owned();
        item.name = name.to_owned();
        item.attributes
            .retain(|(namespace, name, _)| !namespace.is_empty() || name != "jid");
        item.add("jid", jid);
        item
    });
    let unknown = infoset::item().prop_filter("no room", |item| item.name != "conference");
    prop_oneof![unknown, known]
}
