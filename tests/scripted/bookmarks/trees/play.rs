//! One user's two clients, one after the other, beside somebody else who asks all the time.

use std::collections::BTreeMap;
use std::time::Instant;

use super::case::{Case, OLD, Room, Then};
use super::model::{Said, attribute, bare, is_edited};
use crate::fidelity::infoset::{self, Item};
use crate::scripted::bookmarks::pep::*;
use crate::scripted::stage::request;
use crate::support::answers::fragment;
use crate::support::router::{PATIENCE, parse};

const BOB: &str = "bob@localhost/pad";
const BOBS: &str = "<b xmlns='urn:b' xmlns:p='urn:p' p:a='1'>Bob's</b>";

/// A component, a host that can grant, and a new user for each case.
pub struct Play {
    host: Host,
    users: usize,
}

type Outcome<T = ()> = Result<T, String>;

impl Play {
    pub fn new() -> Play {
        let mut host = Host::new();
        host.send(request("set", "bob", BOB, BOBS));
        let stored = host.next();
        assert!(stored.contains("type='result'"), "{stored}");
        Play { host, users: 0 }
    }

    /// First contact, a look, a set, another look, and all gone.
    pub fn run(&mut self, case: &Case) -> Outcome {
        self.users += 1;
        let owner = format!("u{}@localhost", self.users);
        let mut user = User {
            owner: &owner,
            host: &mut self.host,
            case,
        };
        let stored = case.stored();
        user.store_before_the_grant(&stored)?;
        let view = user.come_into_contact()?;
        let again = user.look(&[])?;
        insist(again == view, || format!("then {again:#?}\nnot {view:#?}"))?;
        let set = user.change(&view)?;
        let view = user.look(&[])?;
        let (shown, set): (Vec<_>, Vec<_>) = (sorted(&view), sorted(&set));
        insist(shown == set, || format!("shown {shown:#?}\nset {set:#?}"))?;
        user.drop_all()
    }
}

struct User<'p> {
    owner: &'p str,
    host: &'p mut Host,
    case: &'p Case,
}

impl User<'_> {
    /// What is stored comes back whole, whatever it is.
    fn store_before_the_grant(&mut self, stored: &Item) -> Outcome {
        self.host.send(advertisement("localhost", ""));
        self.set(stored)?;
        let found = self.get()?;
        insist(found == *stored, || format!("{found:#?}\nnot {stored:#?}"))?;
        for (id, conference) in self
            .case
            .rooms
            .iter()
            .filter_map(|room| room.modern.as_ref())
        {
            let node = self.host.nodes.entry(self.owner.to_owned()).or_default();
            let xml = format!("<item id='{id}'>{}</item>", self.case.write(conference));
            node.push((id.clone(), xml));
        }
        self.host.send(grant("localhost"));
        Ok(())
    }

    /// What PEP lacks is published, what it has counts, and nothing that is said beside is lost.
    fn come_into_contact(&mut self) -> Outcome<Item> {
        let new = |room: &&Room| room.old.is_some() && room.modern.is_none();
        let new: Vec<&Room> = self.case.rooms.iter().filter(new).collect();
        let published = new.iter().map(|room| Step::Publish(room.key.clone()));
        let view = self.look(&published.collect::<Vec<_>>())?;
        for room in new {
            let said = room.old.as_ref().map(Said::by).unwrap_or_default();
            is_edited(&bare(NODE, None), &said, &self.kept(&room.key)?)?;
        }
        insist(view.attributes == self.case.around, || {
            format!("around: {:?}", view.attributes)
        })?;
        let mut shown = by_address(&view);
        for Room {
            key, old, modern, ..
        } in &self.case.rooms
        {
            let before = match (old, modern) {
                (Some(old), _) => old.clone(),
                (None, Some(_)) => bare(OLD, Some(key)),
                (None, None) => continue,
            };
            let said = modern.as_ref().map(|(_, modern)| modern).unwrap_or(&before);
            let after = shown
                .remove(key)
                .ok_or_else(|| format!("{key} is not shown"))?;
            is_edited(&before, &Said::by(said), after)?;
        }
        insist(shown.is_empty(), || format!("shown too: {shown:#?}"))?;
        let rest: Vec<&Item> = view.elements().filter(|it| key(it).is_none()).collect();
        let expected: Vec<&Item> = self.case.rest.iter().collect();
        insist(rest == expected, || format!("{rest:#?}\nnot {expected:#?}"))?;
        Ok(view)
    }

    /// The client changes what it was shown; the node follows, and keeps what it says beside.
    fn change(&mut self, view: &Item) -> Outcome<Item> {
        let rooms: BTreeMap<&str, &Room> =
            self.case.rooms.iter().map(|it| (&*it.key, it)).collect();
        let mut elements = Vec::new();
        let mut steps = Vec::new();
        let mut edits = Vec::new();
        for element in view.elements() {
            let mut element = element.clone();
            if let Some(room) = key(&element).and_then(|key| rooms.get(&*key)) {
                let id = room.modern.as_ref().map_or(&room.key, |(id, _)| id);
                match &room.then {
                    Then::LeavesIt => {}
                    Then::Drops => {
                        steps.push(Step::Retract(id.clone()));
                        continue;
                    }
                    Then::Has(said) => {
                        if Said::by(&element) != *said {
                            steps.push(Step::Publish(id.clone()));
                        }
                        said.put_into(&mut element);
                        edits.push((id, self.kept(id)?, said));
                    }
                }
            }
            elements.push(element);
        }
        let storage = self.case.storage(elements.into_iter());
        let asked = self.set(&storage)?;
        same_steps(asked, &steps)?;
        for (id, before, said) in edits {
            is_edited(&before, said, &self.kept(id)?)?;
        }
        Ok(storage)
    }

    /// All that was shown is retracted, by the id that each item has.
    fn drop_all(&mut self) -> Outcome {
        let node = self.host.nodes.get(self.owner);
        let ids = node.into_iter().flatten().map(|(id, _)| id.clone());
        let steps: Vec<Step> = ids.map(Step::Retract).collect();
        let storage = Item {
            namespace: OLD.to_owned(),
            name: "storage".to_owned(),
            attributes: Vec::new(),
            children: Vec::new(),
        };
        let asked = self.set(&storage)?;
        same_steps(asked, &steps)
    }

    /// What is shown; meanwhile the node is changed so, in whatever order.
    fn look(&mut self, changes: &[Step]) -> Outcome<Item> {
        let before = self.host.asked.len();
        let view = self.get()?;
        // What is long is read off the task that answers pings, so these may come before what it leads
        // to.
        let deadline = Instant::now() + PATIENCE;
        let expected = 1 + changes.len();
        while self.host.steps_since(before).len() < expected && Instant::now() < deadline {
            self.host.settle();
        }
        self.host.settle();
        same_steps(self.host.steps_since(before), changes)?;
        Ok(view)
    }

    fn get(&mut self) -> Outcome<Item> {
        let answer = self.ask("get", BOOKMARKS)?;
        let answer = parse(&answer);
        let query = answer.children().next();
        let storage = query.and_then(|query| query.children().next());
        Ok(infoset::of(storage.ok_or("no bookmarks")?))
    }

    fn set(&mut self, storage: &Item) -> Outcome<Vec<Step>> {
        let before = self.host.asked.len();
        let xml = self.case.write(storage);
        self.ask("set", &xml)?;
        self.host.settle();
        Ok(self.host.steps_since(before))
    }

    /// Asks, with Bob right behind; plays the host until both have their answers.
    fn ask(&mut self, kind: &str, payload: &str) -> Outcome<String> {
        let from = format!("{}/phone", self.owner);
        let bobs = request("get", "bob", BOB, "<b xmlns='urn:b'/>");
        self.host.send(request(kind, "1", &from, payload) + &bobs);
        let (mut own, mut bobs) = (None, false);
        while own.is_none() || !bobs {
            let Some(xml) = self.host.next_within(PATIENCE) else {
                let log = self.host.component.log().join("\n");
                return Err(format!("no answer to {kind} {payload}\n{log}"));
            };
            if let Some(asked) = Asked::read(&xml) {
                self.host.answer(asked);
                continue;
            }
            let answer = parse(&xml);
            match answer.attr("id") {
                Some("1") => own = Some(xml),
                Some("bob") => {
                    let found = answer.children().next().and_then(|it| it.children().next());
                    let found = found.map(infoset::of);
                    insist(found == Some(infoset::of(&fragment(BOBS))), || xml)?;
                    bobs = true;
                }
                _ => return Err(xml),
            }
        }
        let own = own.unwrap_or_default();
        insist(parse(&own).attr("type") == Some("result"), || {
            format!("{own}\nto {payload}")
        })?;
        Ok(own)
    }

    /// What the node says of a room.
    fn kept(&self, id: &str) -> Outcome<Item> {
        let mut items = self.host.nodes.get(self.owner).into_iter().flatten();
        let item = items.find(|(known, _)| known == id);
        let (_, xml) = item.ok_or_else(|| format!("no item {id}"))?;
        let item = fragment(xml);
        let conference = item.children().next().ok_or("an empty item")?;
        Ok(infoset::of(conference))
    }
}

fn insist(is_so: bool, otherwise: impl FnOnce() -> String) -> Outcome {
    if is_so { Ok(()) } else { Err(otherwise()) }
}

/// The room that an element of private storage is about.
fn key(element: &Item) -> Option<String> {
    let is_conference = element.namespace == OLD && element.name == "conference";
    let jid = attribute(element, "jid").filter(|jid| is_conference && jid != "@@")?;
    let bare = jid.split('/').next().unwrap_or_default();
    Some(bare.to_lowercase())
}

fn by_address(view: &Item) -> BTreeMap<String, &Item> {
    let rooms = view.elements().filter_map(|it| Some((key(it)?, it)));
    rooms.collect()
}

/// The rooms in the order of their addresses, and then the rest as it is.
fn sorted(storage: &Item) -> Vec<&Item> {
    let rest = storage.elements().filter(|it| key(it).is_none());
    by_address(storage).into_values().chain(rest).collect()
}

/// Whether the node was changed so, in whatever order.
fn same_steps(asked: Vec<Step>, expected: &[Step]) -> Outcome {
    let is_change = |step: &Step| matches!(step, Step::Publish(_) | Step::Retract(_));
    let told = |steps: &[Step]| {
        let mut told: Vec<String> = steps.iter().map(|step| format!("{step:?}")).collect();
        told.sort();
        told
    };
    let changes: Vec<Step> = asked.into_iter().filter(is_change).collect();
    let (changes, expected) = (told(&changes), told(expected));
    insist(changes == expected, || {
        format!("{changes:?}, not {expected:?}")
    })
}
