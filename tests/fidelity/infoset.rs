//! Infosets: what XML says, without how it is written.

use minidom::{Element, Node};
use proptest::collection::vec;
use proptest::prelude::*;

/// An element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub namespace: String,
    pub name: String,
    /// (namespace, name, value), sorted.
    pub attributes: Vec<(String, String, String)>,
    pub children: Vec<Child>,
}

/// What an element holds. No text is empty, and no two stand side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Child {
    Text(String),
    Element(Item),
}

const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// A sequence of elements of one namespace and one name, as one set stores it, none of which is
/// alone and empty.
pub fn stored() -> impl Strategy<Value = Vec<Item>> {
    let outermost = (own_namespace(), name());
    (outermost, vec(item(), 1..4)).prop_map(|((namespace, name), mut items)| {
        for item in &mut items {
            item.namespace = namespace.clone();
            item.name = name.clone();
        }
        if items.len() == 1 && items[0].attributes.is_empty() && items[0].children.is_empty() {
            items[0].children.push(Child::Text(" ".to_owned()));
        }
        items
    })
}

/// The infoset that another parser finds.
pub fn of(element: &Element) -> Item {
    let mut attributes: Vec<_> = element
        .attrs()
        .iter()
        .map(|((namespace, name), value)| {
            (namespace.to_string(), name.to_string(), value.to_owned())
        })
        .collect();
    attributes.sort();
    let mut children = Vec::new();
    for node in element.nodes() {
        children.push(match node {
            Node::Text(text) => Child::Text(text.clone()),
            Node::Element(element) => Child::Element(of(element)),
        });
    }
    Item {
        namespace: element.ns(),
        name: element.name().to_owned(),
        attributes,
        children: joined(children),
    }
}

/// An element with anything in it.
pub fn item() -> impl Strategy<Value = Item> {
    let leaf = (namespace(), name(), attributes()).prop_map(|(namespace, name, attributes)| Item {
        namespace,
        name,
        attributes,
        children: Vec::new(),
    });
    leaf.prop_recursive(6, 40, 5, |inner| {
        let child = prop_oneof![text().prop_map(Child::Text), inner.prop_map(Child::Element),];
        (namespace(), name(), attributes(), vec(child, 0..5)).prop_map(
            |(namespace, name, attributes, children)| Item {
                namespace,
                name,
                attributes,
                children: joined(children),
            },
        )
    })
}

/// The same, with no empty text and no two texts side by side.
pub fn joined(children: Vec<Child>) -> Vec<Child> {
    let mut joined: Vec<Child> = Vec::new();
    for child in children {
        match (joined.last_mut(), child) {
            (_, Child::Text(text)) if text.is_empty() => {}
            (Some(Child::Text(before)), Child::Text(text)) => before.push_str(&text),
            (_, child) => joined.push(child),
        }
    }
    joined
}

/// A namespace that an element of a query may have.
fn own_namespace() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("urn:x".to_owned()),
        Just("storage:bookmarks".to_owned()),
        "[a-z&<>'\" \u{e9}\u{1f600}]{1,20}".prop_map(|rest| format!("urn:{rest}")),
    ]
}

/// A namespace that anything inside may have.
fn namespace() -> impl Strategy<Value = String> {
    prop_oneof![
        own_namespace(),
        Just(String::new()),
        Just("jabber:client".to_owned()),
        Just("jabber:component:accept".to_owned()),
        Just("jabber:iq:private".to_owned()),
        Just("urn:xmpp:forward:0".to_owned()),
    ]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("a".to_owned()),
        Just("iq".to_owned()),
        Just("forwarded".to_owned()),
        Just("query".to_owned()),
        "[A-Za-z_\u{c0}-\u{d6}\u{370}-\u{37d}\u{10000}-\u{1ffff}][A-Za-z0-9_.\u{b7}\u{e9}-]{0,12}",
    ]
}

/// An element's attributes.
pub fn attributes() -> impl Strategy<Value = Vec<(String, String, String)>> {
    let xml = prop_oneof![
        Just((XML.to_owned(), "lang".to_owned())),
        Just((XML.to_owned(), "space".to_owned())),
        Just((XML.to_owned(), "id".to_owned())),
        Just((XML.to_owned(), "base".to_owned())),
    ];
    let named = prop_oneof![
        (Just(String::new()), name()),
        (own_namespace(), name()),
        xml
    ];
    vec((named, text()), 0..4).prop_map(|attributes| {
        let mut attributes: Vec<_> = attributes
            .into_iter()
            .map(|((namespace, name), value)| (namespace, name, value))
            .collect();
        attributes.sort();
        attributes.dedup_by(|a, b| (&a.0, &a.1) == (&b.0, &b.1));
        attributes
    })
}

/// Every character that XML 1.0 allows, and those that need care more often.
pub fn text() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        4 => prop::char::range(' ', '~'),
        2 => prop::sample::select(vec!['<', '>', '&', '\'', '"', ']', '\t', '\n', '\r', ' ']),
        1 => prop::char::range('\u{7f}', '\u{d7ff}'),
        1 => prop::char::range('\u{e000}', '\u{fffd}'),
        1 => prop::char::range('\u{10000}', '\u{10ffff}'),
    ];
    vec(character, 0..30).prop_map(String::from_iter)
}
