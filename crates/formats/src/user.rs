//! One user's private data in the making.

use std::collections::HashMap;
use std::collections::hash_map;

use super::problem::{Place, Problem, Reason, abridged};
use xmpp_stanza::stanza::{Element, Fault, Received, escape_attribute, ns};
use xmpp_stanza::xml::NotXml;
use xmpp_stanza::xml::frame::Stanza;
use xmpp_stanza::xml::reader::{self, Reader};

/// How many problems of one user are listed.
const MAX_PROBLEMS: usize = 20;

/// What one user may have at most. Of a user who has more nothing is taken: half would be worse.
/// Inclusive.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of XML, as it would be stored.
    pub bytes: usize,
    pub elements: usize,
    /// How deep an element may be nested. One that is deeper is left out.
    pub depth: usize,
    /// How long a namespace or the name of an element may be. One that is longer is left out.
    pub name_bytes: usize,
}

/// A user with all private data that a file has of them.
///
/// A file may tell of one user twice, and two files may.
#[derive(Debug)]
pub struct User {
    /// The bare JID, normalised as those of requests are.
    pub jid: String,
    pub domain: String,
    pub place: Place,
    /// What the user has, in the order of the file. Without it where `problems` say so, or where
    /// there is nothing: most users have no private data at all.
    pub entries: Vec<Entry>,
    /// What of it was not taken.
    pub problems: Vec<Problem>,
}

/// What a user has under one (namespace, name).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The namespace, never empty.
    pub namespace: String,
    pub name: String,
    /// The elements, one after another, each as self-contained XML.
    pub xml: String,
    pub elements: u32,
}

impl Entry {
    /// An element of that name that holds nothing: a set of it deletes.
    #[must_use]
    pub fn without_content(&self) -> String {
        let mut text = format!("<{} xmlns='", self.name);
        escape_attribute(&self.namespace, &mut text);
        text.push_str("'/>");
        text
    }
}

/// Gathers a user's elements. A lone element without attributes and content is left out: a set of
/// it deletes, and a get of it answers with it all the same.
#[derive(Debug)]
pub struct Collector {
    user: User,
    limits: Limits,
    /// The entry of each (namespace, name), and whether its first element is bare.
    index: HashMap<(String, String), (usize, bool)>,
    bytes: usize,
    elements: usize,
    more: u64,
    over: bool,
}

impl Collector {
    /// A user of whom nothing is known yet.
    pub fn new(jid: String, domain: String, place: Place, limits: Limits) -> Self {
        Self {
            user: User {
                jid,
                domain,
                place,
                entries: Vec::new(),
                problems: Vec::new(),
            },
            limits,
            index: HashMap::new(),
            bytes: 0,
            elements: 0,
            more: 0,
            over: false,
        }
    }

    pub fn jid(&self) -> &str {
        &self.user.jid
    }

    /// How long the next element may be, as it is written.
    pub fn room(&self) -> usize {
        if self.over { 0 } else { self.limits.bytes }
    }

    /// Takes one element, which stands in `around` alone.
    pub fn take(&mut self, reader: &Reader, around: &Stanza<'_>, place: Place) {
        if self.over {
            return;
        }
        match reader.read_payloads(around) {
            Ok(Some(received)) => self.received(&received, place),
            Ok(None) => self.leave_out(None, "it cannot be read", place),
            // Its end is known all the same: nobody else's data is lost with it.
            Err(NotXml(why)) => self.leave_out(None, why, place),
        }
    }

    fn received(&mut self, received: &Received, place: Place) {
        let child = received.stanza.children.first();
        match (received.fault, child) {
            (None, Some(child)) => self.element(received, child, place),
            (Some(Fault::TooLong), _) => self.too_much(place),
            (Some(Fault::TooDeep), child) => {
                let why = format!("it is nested deeper than {} levels", self.limits.depth);
                self.leave_out(child, &why, place);
            }
            (Some(Fault::Malformed(why)), child) => self.leave_out(child, why, place),
            (Some(Fault::TooMany | Fault::Broken) | None, child) => {
                self.leave_out(child, "it is not one element", place);
            }
        }
    }

    fn element(&mut self, received: &Received, child: &Element, place: Place) {
        let (namespace, name) = (&*child.namespace, child.name.as_str());
        if namespace.is_empty() || namespace == ns::PRIVATE {
            return self.leave_out(Some(child), "it has no namespace of its own", place);
        }
        let longest = self.limits.name_bytes;
        if namespace.len() > longest || name.len() > longest {
            let why = format!("its name or its namespace is over {longest} bytes");
            return self.leave_out(Some(child), &why, place);
        }
        let xml = received.xml(child);
        self.bytes += xml.len();
        self.elements += 1;
        if self.bytes > self.limits.bytes || self.elements > self.limits.elements {
            return self.too_much(place);
        }
        let entries = &mut self.user.entries;
        match self.index.entry((namespace.to_owned(), name.to_owned())) {
            hash_map::Entry::Occupied(known) => {
                if let Some(entry) = entries.get_mut(known.get().0) {
                    entry.xml.push_str(xml);
                    entry.elements += 1;
                }
            }
            hash_map::Entry::Vacant(new) => {
                new.insert((entries.len(), child.bare));
                entries.push(Entry {
                    namespace: namespace.to_owned(),
                    name: name.to_owned(),
                    xml: xml.to_owned(),
                    elements: 1,
                });
            }
        }
    }

    /// Notes that this user has more than the limits allow: from now on nothing is kept.
    pub fn too_much(&mut self, place: Place) {
        if !self.over {
            let Limits {
                bytes, elements, ..
            } = self.limits;
            let most = if self.elements > elements {
                format!("{elements} elements")
            } else {
                format!("{bytes} bytes of private XML")
            };
            self.problem(Reason::TooMuch(most), place);
        }
        self.over = true;
        self.user.entries = Vec::new();
        self.index = HashMap::new();
    }

    /// Notes that an element was not taken.
    pub fn leave_out(&mut self, element: Option<&Element>, why: &str, place: Place) {
        let name = element.map_or("?", |element| element.name.as_str());
        let (name, why) = (abridged(name), why.to_owned());
        self.problem(Reason::Element { name, why }, place);
    }

    pub fn problem(&mut self, reason: Reason, place: Place) {
        if self.user.problems.len() >= MAX_PROBLEMS {
            self.more += 1;
            return;
        }
        let jid = Some(self.user.jid.clone());
        self.user.problems.push(Problem { place, jid, reason });
    }

    pub fn finish(mut self) -> User {
        for (place, bare) in self.index.values() {
            if let Some(entry) = self.user.entries.get_mut(*place)
                && entry.elements == 1
                && *bare
            {
                entry.elements = 0;
            }
        }
        self.user.entries.retain(|entry| entry.elements > 0);
        if self.more > 0 {
            let (place, jid) = (self.user.place.clone(), Some(self.user.jid.clone()));
            let reason = Reason::More(self.more);
            self.user.problems.push(Problem { place, jid, reason });
        }
        self.user
    }
}

/// The limits that one element is read with.
pub fn reader_limits(limits: &Limits) -> reader::Bounds {
    reader::Bounds {
        text: limits.bytes,
        depth: limits.depth,
        children: 1,
        containers: &[],
    }
}
