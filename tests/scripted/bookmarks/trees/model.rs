//! What a `<conference/>` of either form says of its room, and what must be left of it when it is
//! made to say something else.

use crate::fidelity::infoset::{Child, Item, joined};

/// What both forms can say. What is empty is not said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    pub name: Option<String>,
    pub autojoin: bool,
    pub nick: Option<String>,
    pub password: Option<String>,
}

impl Said {
    /// What this one says.
    pub fn by(conference: &Item) -> Said {
        Said {
            name: attribute(conference, "name").filter(|name| !name.is_empty()),
            autojoin: matches!(
                attribute(conference, "autojoin").as_deref(),
                Some("true" | "1")
            ),
            nick: child(conference, "nick"),
            password: child(conference, "password"),
        }
    }

    /// Has this one say the same, as a client may write it.
    pub fn put_into(&self, conference: &mut Item) {
        let was = Said::by(conference);
        *conference = without(conference, &was.differing(self));
        if self.name != was.name {
            conference.add("name", self.name.as_deref());
        }
        if self.autojoin != was.autojoin {
            conference.add("autojoin", self.autojoin.then_some("true"));
        }
        for (name, was, text) in [
            ("nick", &was.nick, &self.nick),
            ("password", &was.password, &self.password),
        ] {
            if let (Some(text), true) = (text, was != text) {
                let element = Item {
                    namespace: conference.namespace.clone(),
                    name: name.to_owned(),
                    attributes: Vec::new(),
                    children: vec![Child::Text(text.clone())],
                };
                conference.children.push(Child::Element(element));
            }
        }
    }

    /// The names of what the other says otherwise.
    fn differing(&self, other: &Said) -> Vec<&'static str> {
        let all = [
            ("name", self.name != other.name),
            ("autojoin", self.autojoin != other.autojoin),
            ("nick", self.nick != other.nick),
            ("password", self.password != other.password),
        ];
        let differing = all.into_iter().filter(|(_, differs)| *differs);
        differing.map(|(name, _)| name).collect()
    }
}

/// Insists that `after` is `before`, made to say this: what says it already and what it says beside
/// is as it was.
pub fn is_edited(before: &Item, said: &Said, after: &Item) -> Result<(), String> {
    let differing = Said::by(before).differing(said);
    let [kept, found] = [before, after].map(|it| without(it, &differing));
    let new_children = ["nick", "password"].map(|name| children(after, name));
    let are_single = new_children
        .iter()
        .all(|(name, found)| !differing.contains(name) || found.len() <= 1);
    if Said::by(after) == *said && kept == found && are_single {
        return Ok(());
    }
    Err(format!(
        "of {before:#?}\nsaying {said:?}\nbecame {after:#?}"
    ))
}

/// A conference with this attribute, or none, and nothing else.
pub fn bare(namespace: &str, jid: Option<&str>) -> Item {
    let mut conference = Item {
        namespace: namespace.to_owned(),
        name: "conference".to_owned(),
        attributes: Vec::new(),
        children: Vec::new(),
    };
    conference.add("jid", jid);
    conference
}

impl Item {
    /// Adds an attribute without a namespace.
    pub fn add(&mut self, name: &str, value: Option<&str>) {
        let value = value.map(|value| (String::new(), name.to_owned(), value.to_owned()));
        self.attributes.extend(value);
        self.attributes.sort();
    }

    /// Its child elements.
    pub fn elements(&self) -> impl Iterator<Item = &Item> {
        self.children.iter().filter_map(|child| match child {
            Child::Element(element) => Some(element),
            Child::Text(_) => None,
        })
    }
}

/// The value of an attribute without a namespace.
pub fn attribute(element: &Item, name: &str) -> Option<String> {
    let mut attributes = element.attributes.iter();
    let found = attributes.find(|(namespace, it, _)| namespace.is_empty() && it == name);
    found.map(|(_, _, value)| value.clone())
}

fn children<'i>(conference: &'i Item, name: &'static str) -> (&'static str, Vec<&'i Item>) {
    let elements = conference.elements();
    let own = elements.filter(|it| it.name == name && it.namespace == conference.namespace);
    (name, own.collect())
}

fn child(conference: &Item, name: &'static str) -> Option<String> {
    let (_, found) = children(conference, name);
    let texts = found.first()?.children.iter().map(|child| match child {
        Child::Text(text) => text.as_str(),
        Child::Element(_) => "",
    });
    Some(texts.collect::<String>()).filter(|text| !text.is_empty())
}

/// The same without what says these.
fn without(conference: &Item, names: &[&str]) -> Item {
    let is_named = |name: &String| names.contains(&name.as_str());
    let is_own = |it: &Item| it.namespace == conference.namespace && is_named(&it.name);
    let mut left = conference.clone();
    left.attributes
        .retain(|(namespace, name, _)| !(namespace.is_empty() && is_named(name)));
    left.children
        .retain(|child| !matches!(child, Child::Element(element) if is_own(element)));
    left.children = joined(left.children);
    left
}
