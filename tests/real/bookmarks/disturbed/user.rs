//! A user with an old client and a modern one, and what must be true of the rooms.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use minidom::Element;

use super::super::modern::Modern;
use super::super::old::{Old, rooms_of, storage};
use super::super::room::{Room, room};
use super::super::stage::Stage;
use crate::chaos::dice::Dice;
use crate::support::answers::{element, stored, succeeded};
use crate::support::client::{PATIENCE, RawClient};
use crate::support::clock::eventually;
use crate::support::server::Server;

type Rooms = BTreeMap<String, Room>;

pub struct User {
    jid: String,
    /// Whose requests and rooms these are.
    number: u64,
    old: RawClient,
    modern: Modern,
    dice: Dice,
    /// Whether both clients may edit at once.
    at_once: bool,
    requests: u32,
    /// What the old client knows of.
    known: Rooms,
    waiting: Option<Waiting>,
    /// The rooms that somebody has added and was told so, those that somebody has tried to delete,
    /// and all that was ever said of each.
    added: BTreeSet<String>,
    deleted: BTreeSet<String>,
    said: BTreeSet<Room>,
}

/// A request of the old client's without an answer yet.
struct Waiting {
    id: String,
    /// None for a get.
    set: Option<Rooms>,
}

/// So many users that nobody has used yet.
pub fn users(stage: &Stage, count: usize, seed: u64) -> Vec<User> {
    let numbers = 0..count as u64;
    numbers
        .map(|number| User::new(stage, number, seed))
        .collect()
}

impl User {
    pub fn new(stage: &Stage, number: u64, seed: u64) -> User {
        let jid = stage.newcomer();
        let old = RawClient::login(&stage.server, &jid);
        let modern = stage.modern(&jid);
        let at_once = stage.takes_edits_at_once();
        User {
            at_once,
            ..User::with(jid, old, modern, number, seed)
        }
    }

    /// With these clients.
    pub fn with(jid: String, old: RawClient, modern: Modern, number: u64, seed: u64) -> User {
        User {
            old,
            modern,
            jid,
            number,
            dice: Dice::new(seed, number + 1),
            at_once: true,
            requests: 0,
            known: Rooms::new(),
            waiting: None,
            added: BTreeSet::new(),
            deleted: BTreeSet::new(),
            said: BTreeSet::new(),
        }
    }

    /// One edit by either client, or a look by the old one, to its end.
    pub fn edit(&mut self) {
        if self.dice.percent(30) {
            return self.edit_by_modern();
        }
        self.ask_by_old();
        self.wait();
    }

    /// Until what is waited for has succeeded.
    fn wait(&mut self) {
        while let Some(waiting) = &self.waiting {
            let id = waiting.id.clone();
            let answer = self.next(PATIENCE);
            let answer = answer.unwrap_or_else(|| panic!("{}: no answer to {id}", self.jid));
            self.settle(&answer, succeeded);
        }
    }

    /// The old client asks for something and does not wait; meanwhile the modern one may edit, where the server
    /// does not undo that by itself.
    pub fn begin(&mut self) {
        self.ask_by_old();
        if self.dice.percent(50) && self.at_once {
            self.edit_by_modern();
        }
    }

    pub fn waits(&self) -> bool {
        self.waiting.is_some()
    }

    /// Takes what comes.
    pub fn hear(&mut self, patience: Duration) {
        if let Some(answer) = self.next(patience) {
            self.settle(&answer, |_| ());
        }
    }

    /// Takes what is still to come, and gives up the rest.
    pub fn hear_the_rest(&mut self) {
        // What came to the server before this goes to the client before its answer.
        let id = self.id();
        let ping = format!("<iq type='get' id='{id}'><ping xmlns='urn:xmpp:ping'/></iq>");
        self.old.send(&ping);
        loop {
            let stanza = self.next(PATIENCE).expect("a pong");
            if stanza.attr("id") == Some(&id) {
                break;
            }
            self.settle(&stanza, |_| ());
        }
        self.waiting = None;
        if !self.at_once {
            self.look();
        }
    }

    /// A get of the old client's to its end: what it had asked before is done by then, answered or not.
    fn look(&mut self) {
        self.ask_by_old_for(None);
        self.wait();
    }

    /// How many rooms must be there.
    pub fn kept(&self) -> usize {
        self.added.difference(&self.deleted).count()
    }

    /// What somebody else has done to the same rooms counts too.
    #[cfg(feature = "newer-servers")]
    pub fn know_of(&mut self, other: &User) {
        self.added.extend(other.added.iter().cloned());
        self.deleted.extend(other.deleted.iter().cloned());
        self.said.extend(other.said.iter().cloned());
    }

    pub fn assert_nothing_is_lost(&mut self, server: &Server) {
        let mut old = Old::login(server, &self.jid);
        let seen = old.rooms();
        let modern = &mut self.modern;
        eventually("both see the same", || modern.rooms() == seen);
        let there: BTreeSet<&String> = seen.iter().map(|room| &room.jid).collect();
        for jid in self.added.difference(&self.deleted) {
            assert!(there.contains(jid), "{} has lost {jid}: {seen:?}", self.jid);
        }
        assert_eq!(there.len(), seen.len(), "{seen:?}");
        for room in &seen {
            assert!(self.said.contains(room), "nobody said {room:?}");
        }
    }

    fn ask_by_old(&mut self) {
        let set = match self.dice.percent(30) {
            true => None,
            false => Some(self.edited_list()),
        };
        self.ask_by_old_for(set);
    }

    /// A set of this list, or a get.
    fn ask_by_old_for(&mut self, set: Option<Rooms>) {
        let id = self.id();
        let (kind, content) = match &set {
            None => ("get", storage("")),
            Some(list) => {
                let content: String = list.values().map(Room::old).collect();
                ("set", storage(&content))
            }
        };
        self.old.send(&format!(
            "<iq type='{kind}' id='{id}'><query xmlns='jabber:iq:private'>{content}</query></iq>"
        ));
        self.tell(&format!(
            "{id}: {kind} {}",
            names(set.iter().flat_map(Rooms::keys))
        ));
        self.waiting = Some(Waiting { id, set });
    }

    /// What the old client knows, with a change or two.
    fn edited_list(&mut self) -> Rooms {
        let mut list = self.known.clone();
        for _ in 0..self.dice.between(1, 2) {
            let kept: Vec<String> = list.keys().cloned().collect();
            match self.dice.below(20) {
                0 => list.clear(),
                1..4 if !kept.is_empty() => drop(list.remove(&self.one_of(&kept))),
                4..10 if !kept.is_empty() => {
                    let jid = self.one_of(&kept);
                    put(&mut list, self.version(&jid));
                }
                _ => put(&mut list, self.new_room()),
            }
        }
        let gone = self.known.keys().filter(|jid| !list.contains_key(*jid));
        self.deleted.extend(gone.cloned());
        list
    }

    fn edit_by_modern(&mut self) {
        let there: Vec<String> = self.modern.rooms().into_iter().map(|it| it.jid).collect();
        match self.dice.below(10) {
            0..2 if !there.is_empty() => {
                let jid = self.one_of(&there);
                self.deleted.insert(jid.clone());
                self.tell(&format!("the modern client retracts {jid}"));
                // An old client's set may have deleted it meanwhile.
                self.modern.try_retract(&jid);
            }
            2..5 if !there.is_empty() => {
                let jid = self.one_of(&there);
                let room = self.version(&jid);
                self.tell(&format!("the modern client publishes {jid}"));
                self.modern.publish(&room);
                self.added.insert(jid);
            }
            _ => {
                let room = self.new_room();
                self.tell(&format!("the modern client adds {}", room.jid));
                self.modern.publish(&room);
                self.added.insert(room.jid);
            }
        }
    }

    /// Mostly one that never was.
    fn new_room(&mut self) -> Room {
        let gone: Vec<String> = self.deleted.iter().cloned().collect();
        if !gone.is_empty() && self.dice.percent(20) {
            let jid = self.one_of(&gone);
            return self.version(&jid);
        }
        let jid = room(&format!("room{}", self.id())).jid;
        self.version(&jid)
    }

    fn version(&mut self, jid: &str) -> Room {
        let name = self.dice.below(1000).to_string();
        let mut room = Room {
            jid: jid.to_owned(),
            ..Room::default().name(&name)
        };
        room.autojoin = self.dice.percent(50);
        self.said.insert(room.clone());
        room
    }

    /// Takes an answer to what is waited for.
    fn settle(&mut self, answer: &Element, judge: impl Fn(&Element)) {
        let id = answer.attr("id");
        let Some(waiting) = self.waiting.take_if(|waiting| id == Some(&waiting.id)) else {
            return;
        };
        self.tell(&format!(
            "{}: {}",
            waiting.id,
            answer.attr("type").unwrap_or("?")
        ));
        judge(answer);
        if answer.attr("type") != Some("result") {
            return;
        }
        match waiting.set {
            Some(list) => {
                let new = list
                    .iter()
                    .filter(|(jid, room)| self.known.get(*jid) != Some(room));
                self.added.extend(new.map(|(jid, _)| jid.clone()));
                self.known = list;
            }
            None => {
                let [storage] = stored(answer).try_into().expect("one element");
                let rooms = rooms_of(&storage).into_iter();
                self.tell(&format!(
                    "sees {}",
                    names(rooms.clone().map(|room| room.jid))
                ));
                self.known = rooms.map(|room| (room.jid.clone(), room)).collect();
            }
        }
    }

    fn next(&mut self, patience: Duration) -> Option<Element> {
        let stanza = self.old.next(patience)?;
        Some(element(&stanza).unwrap_or_else(|error| panic!("{error}: {stanza}")))
    }

    /// For whoever reads why it failed.
    fn tell(&self, what: &str) {
        println!("{}: {what}", self.jid);
    }

    fn one_of(&mut self, jids: &[String]) -> String {
        jids[self.dice.below(jids.len() as u64) as usize].clone()
    }

    fn id(&mut self) -> String {
        self.requests += 1;
        format!("u{}-{}", self.number, self.requests)
    }
}

fn names(jids: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let names = jids.into_iter().map(|jid| {
        let name = jid.as_ref().split('@').next();
        name.unwrap_or_default().to_owned()
    });
    names.collect::<Vec<_>>().join(" ")
}

fn put(list: &mut Rooms, room: Room) {
    list.insert(room.jid.clone(), room);
}
