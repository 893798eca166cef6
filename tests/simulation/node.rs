//! The PEP node of an account as the server has it (XEP-0402), and what the component may do with it.
//!
//! Each change of the component's is held to what has become of the node before, at the moment it is made: the rules
//! of docs/internals/bookmarks.md.

use std::collections::{BTreeMap, BTreeSet};

use minidom::Element;

use super::plan::Plan;
use super::predicate::{self, Violation, holds};
use crate::support::answers;

const NODE: &str = "urn:xmpp:bookmarks:1";
const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
const ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";

/// A room, by its address.
pub type Room = String;

/// What an item says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Item {
    pub name: String,
    /// What only modern clients know of.
    pub extension: Option<String>,
}

/// What is known of a room beside its item.
#[derive(Debug, Clone, Default)]
struct Past {
    /// When a modern client last published or retracted it, by the count of what was done to the node.
    touched: u64,
    /// When one last gave it another name.
    renamed: u64,
    /// When anybody last changed it, another process of the component's included.
    changed: u64,
    /// Whether an old client has added or changed it, so that the component may publish it.
    is_wanted: bool,
    /// Whether an old client has dropped it that had been shown it, so that the component may retract it.
    is_dropped: bool,
}

/// IQs that the component may ask for one comparison: a fetch, two for each room, and some to correct the node and to see
/// whether it keeps anything.
const IQS: u64 = 2 * super::account::ROOMS + 6;

#[derive(Default)]
pub struct Node {
    /// `None` if there is none.
    pub items: Option<BTreeMap<Room, Item>>,
    /// Whether others can read it, and whether the component may correct that.
    pub is_open: bool,
    pub may_be_corrected: bool,
    /// How many rooms the component may give it.
    pub max_rooms: usize,
    /// How often it was fetched.
    pub fetches: u64,
    pasts: BTreeMap<Room, Past>,
    /// How often something was done to it.
    count: u64,
    /// What each process has seen of it.
    views: BTreeMap<u64, View>,
}

/// What a process has seen of a node, by the count of what was done to it.
#[derive(Debug, Clone, Default)]
struct View {
    /// When it was last fetched, and the rooms that were in it then.
    fetched: u64,
    found: BTreeSet<Room>,
    /// When items were last read alone.
    read: BTreeMap<Room, u64>,
    /// What was asked since then, and how many of these were added.
    asked: u64,
    added: usize,
}

/// What the component is answered: the type of the inner IQ, and its payload.
pub type Answer = (&'static str, String);

impl View {
    /// Whether this was done in the gap that is left: between the reading of the item, behind the node's, and its change.
    fn is_gap(&self, room: &str, done: u64) -> bool {
        let read = self.read.get(room).copied().unwrap_or_default();
        read > self.fetched && done > read
    }

    /// Whether what was done at that time came after the node was fetched, and can be known.
    fn can_know(&self, room: &str, done: u64) -> bool {
        done > self.fetched && !self.is_gap(room, done)
    }
}

impl Node {
    pub fn of(plan: &Plan) -> Node {
        Node {
            may_be_corrected: plan.grants_options,
            max_rooms: plan.max_rooms,
            ..Node::default()
        }
    }

    /// Its owner deletes it: so it looks as if there had never been one, and whatever is stored is wanted.
    pub fn delete(&mut self) {
        self.count += 1;
        let count = self.count;
        for room in self
            .items
            .take()
            .into_iter()
            .flatten()
            .map(|(room, _)| room)
        {
            let past = self.past(&room);
            (past.touched, past.changed) = (count, count);
        }
        self.pasts.values_mut().for_each(|it| it.is_wanted = true);
        self.is_open = false;
    }

    /// The rooms that are in it.
    pub fn rooms(&self) -> BTreeMap<Room, String> {
        let items = self.items.iter().flatten();
        items
            .map(|(room, item)| (room.clone(), item.name.clone()))
            .collect()
    }

    fn past(&mut self, room: &str) -> &mut Past {
        self.pasts.entry(room.to_owned()).or_default()
    }

    /// A modern client publishes this. While both sides are known to be in step, what old clients had dropped before
    /// counts no more.
    pub fn publish(&mut self, room: &str, item: Item, in_step: bool) {
        self.count += 1;
        let count = self.count;
        let before = self.items.as_ref().and_then(|it| it.get(room)).cloned();
        let is_renamed = before.as_ref().is_none_or(|it| it.name != item.name);
        let past = self.past(room);
        (past.touched, past.changed) = (count, count);
        if is_renamed {
            past.renamed = count;
        }
        past.is_dropped &= !(in_step && before.is_none());
        self.items
            .get_or_insert_default()
            .insert(room.to_owned(), item);
    }

    /// A modern client retracts this. While both sides are known to be in step, what old clients had said before
    /// counts no more.
    pub fn retract(&mut self, room: &str, in_step: bool) {
        self.count += 1;
        let count = self.count;
        let past = self.past(room);
        (past.touched, past.changed) = (count, count);
        past.is_wanted &= !in_step;
        self.items.get_or_insert_default().remove(room);
    }

    /// An old client stores a list of these rooms, of which those are new or otherwise, and those are missing that it
    /// knew. One that another has dropped is wanted again.
    pub fn stored(&mut self, all: &[&Room], wanted: &BTreeSet<Room>, dropped: &BTreeSet<Room>) {
        for room in all {
            let past = self.past(room);
            past.is_wanted |= past.is_dropped || wanted.contains(*room);
        }
        for room in dropped {
            self.past(room).is_dropped = true;
        }
    }

    /// The component asks something of it.
    pub fn asked(&mut self, iq: &Element, process: u64) -> Result<(String, Answer), Violation> {
        let strange = || Violation::new(predicate::XML, answers::text(iq));
        let pubsub = iq.children().next().ok_or_else(strange)?;
        let what = pubsub.children().next().ok_or_else(strange)?;
        let item = what.children().find(|it| it.name() == "item");
        let room = item.and_then(|it| it.attr("id"));
        self.count += 1;
        let view = self.views.entry(process).or_default();
        view.asked += 1;
        let done = || ("result", String::new());
        match (what.name(), item, room) {
            ("items", None, _) => {
                self.fetches += 1;
                let found = self.rooms().into_keys().collect();
                let view = self.views.entry(process).or_default();
                (view.fetched, view.found) = (self.count, found);
                (view.asked, view.added) = (1, 0);
                Ok(("fetches the node".to_owned(), self.fetch(None)))
            }
            _ if view.asked > IQS => Err(Violation::new(
                predicate::WORK,
                format!("{} IQs are asked for one comparison", view.asked),
            )),
            ("items", Some(_), Some(room)) => {
                view.read.insert(room.to_owned(), self.count);
                Ok((format!("reads {room}"), self.fetch(Some(room))))
            }
            ("publish", Some(item), Some(room)) => {
                let said = read(item).ok_or_else(strange)?;
                let is_private = answers::text(pubsub).contains("whitelist");
                holds(is_private, predicate::PRIVATE, || answers::text(pubsub))?;
                if self.is_open {
                    let told = format!("may not publish {room}: the node is open to others");
                    return Ok((told, precondition_not_met()));
                }
                self.may_publish(room, &said, process)?;
                let changed = self.count;
                self.past(room).changed = changed;
                let told = format!("publishes {room}: {said:?}");
                self.items
                    .get_or_insert_default()
                    .insert(room.to_owned(), said);
                Ok((told, done()))
            }
            ("retract", Some(_), Some(room)) => {
                let is_there = self.items.as_ref().is_some_and(|it| it.contains_key(room));
                if !is_there {
                    return Ok((format!("retracts {room}, which is not there"), not_found()));
                }
                self.may_retract(room, process)?;
                // Another old client's list that lacks it may be under way still.
                let changed = self.count;
                self.past(room).changed = changed;
                self.items.get_or_insert_default().remove(room);
                Ok((format!("retracts {room}"), done()))
            }
            ("configure", ..) => {
                holds(self.may_be_corrected, predicate::GRANTED, || {
                    answers::text(iq)
                })?;
                self.is_open = false;
                Ok(("configures the node".to_owned(), done()))
            }
            _ => Err(strange()),
        }
    }

    fn may_publish(&mut self, room: &str, said: &Item, process: u64) -> Result<(), Violation> {
        let view = self.views.entry(process).or_default().clone();
        let now = self.items.as_ref().and_then(|it| it.get(room)).cloned();
        let past = self.past(room).clone();
        holds(past.is_wanted, predicate::RETRACTED, || {
            format!("{room} is {now:?} and is to be {said:?}, and no old client wants that")
        })?;
        let Some(now) = now else {
            let added = view.added + 1;
            self.views.entry(process).or_default().added = added;
            let total = view.found.len();
            // It counts with the removal of those that it has read, and that others may have changed since.
            let removed = view.read.iter().filter(|(_, at)| **at > view.fetched);
            let removed = removed.filter(|(it, _)| view.found.contains(*it)).count();
            let most = self.max_rooms.max(total) + removed;
            holds(total + added <= most, predicate::FEW, || {
                format!("{room} is added to {total} rooms, as number {added}")
            })?;
            let is_known = view.found.contains(room) && view.can_know(room, past.touched);
            return holds(!is_known, predicate::RETRACTED, || {
                format!("{room} was retracted after the node was fetched, and is published again")
            });
        };
        let is_gap = view.is_gap(room, past.changed);
        holds(
            is_gap || now.extension == said.extension,
            predicate::EDITED,
            || format!("{room} was {now:?}, and is {said:?} now: an extension is lost"),
        )?;
        let is_known = view.can_know(room, past.renamed);
        holds(
            !is_known || now.name == said.name,
            predicate::EDITED,
            || format!("{room} was made {now:?} after the node was fetched, and is {said:?} now"),
        )
    }

    fn may_retract(&mut self, room: &str, process: u64) -> Result<(), Violation> {
        let view = self.views.entry(process).or_default().clone();
        let past = self.past(room);
        holds(past.is_dropped, predicate::RETRACTED_OWN, || {
            format!("{room} is retracted, and no old client has dropped it that had seen it")
        })?;
        holds(
            !view.can_know(room, past.touched),
            predicate::EDITED,
            || format!("{room} was published after the node was fetched, and is retracted"),
        )
    }

    fn fetch(&self, only: Option<&str>) -> Answer {
        let Some(items) = &self.items else {
            return not_found();
        };
        let items = items.iter();
        let items = items.filter(|(room, _)| only.is_none_or(|only| only == *room));
        let items: String = items.map(|(room, item)| write(room, item)).collect();
        let payload =
            format!("<pubsub xmlns='{PUBSUB}'><items node='{NODE}'>{items}</items></pubsub>");
        ("result", payload)
    }
}

fn precondition_not_met() -> Answer {
    let error = format!(
        "<error type='cancel'><conflict xmlns='{ERRORS}'/>\
         <precondition-not-met xmlns='http://jabber.org/protocol/pubsub#errors'/></error>"
    );
    ("error", error)
}

fn not_found() -> Answer {
    let error = format!("<error type='cancel'><item-not-found xmlns='{ERRORS}'/></error>");
    ("error", error)
}

fn write(room: &str, item: &Item) -> String {
    let extension = item.extension.as_ref().map(|it| {
        // Prefixes of their own, as users may have them.
        format!(
            "<extensions xmlns:q='urn:example:q' q:b='{it}'><x xmlns='urn:example:extension' n='{it}'/></extensions>"
        )
    });
    format!(
        "<item id='{room}'><conference xmlns='{NODE}' xmlns:p='urn:example:p' p:a='1' name='{}' autojoin='true'>\
         {}</conference></item>",
        item.name,
        extension.unwrap_or_default()
    )
}

fn read(item: &Element) -> Option<Item> {
    let conference = item.get_child("conference", NODE)?;
    let extensions = conference.get_child("extensions", NODE);
    let extension = extensions.and_then(|it| it.get_child("x", "urn:example:extension"));
    Some(Item {
        name: conference.attr("name").unwrap_or_default().to_owned(),
        extension: extension.and_then(|it| it.attr("n")).map(str::to_owned),
    })
}
