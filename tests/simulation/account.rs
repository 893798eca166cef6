//! An account whose bookmarks old and modern clients use at once: the former by private storage, the latter by PEP.

mod judge;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};

use minidom::Element;

use super::node::{Answer, Node, Room};
use super::plan::{MAX_ROOMS, Plan};
use super::predicate::{self, Violation, holds};
use crate::chaos::dice::Dice;
use crate::chaos::request::Envelope;
use crate::support::server::HOST;

/// How many rooms there are to be bookmarked.
pub const ROOMS: u64 = 5;

/// How often the component may compare both sides for one request.
const TRIES: u64 = 5;

const OLD_CLIENTS: [&str; 2] = ["one", "two"];

/// How long after its last IQ the component has surely noted what is in step, in milliseconds; and after how long an old
/// client does not wait any more for an answer that may have been lost.
const NOTED: u64 = 8_000;
const PATIENCE: u64 = 100_000;

type List = BTreeMap<Room, String>;

/// A request under way.
struct Open {
    number: u64,
    envelope: Envelope,
    process: u64,
    line: usize,
    end: u64,
    sent: u64,
    is_excused: bool,
    /// The list that it stores, or else it asks for it.
    stores: Option<List>,
    /// The list that it knew before.
    before: Option<List>,
}

/// A client that knows private storage.
struct Old {
    resource: &'static str,
    /// The list as it was last shown or stored; `None` if it has to ask first.
    known: Option<List>,
    /// The process that has shown or stored that, as long as it has not lost a link since: no other surely knows what
    /// this client knows.
    by: Option<u64>,
    /// The rooms in the last answer that it got: those that were shown, or that it was told were stored.
    told: BTreeSet<Room>,
    /// What it has added or changed, as long as the node has never said that: so long it is carried over, whatever lists
    /// others store meanwhile.
    ahead: List,
    open: Option<Open>,
}

pub struct Account {
    pub name: String,
    dice: Dice,
    pub node: Node,
    old: Vec<Old>,
    asked: u64,
    named: u64,
    /// Whether clients that get no answer may go on from the list that they had before, and who does.
    goes_on: bool,
    choice: Dice,
    /// Whether their owner deletes nodes and opens them to others.
    edges: bool,
    /// All that was ever said of each room.
    said: BTreeMap<Room, BTreeSet<String>>,
    /// The list that was stored last, if that is known.
    stored: Option<List>,
    /// When the component last asked of the node, and when each process did.
    last_iq: u64,
    last_iqs: BTreeMap<u64, u64>,
    /// When the last request was sent for which it did, and that was answered; and since when it is not certain that what
    /// came of that is noted.
    stepped: u64,
    unsure: u64,
    closed: BTreeMap<u64, (usize, u64)>,
    /// What nobody waits for any more, and the process that was asked: an answer may be on its way.
    given_up: BTreeMap<u64, GivenUp>,
    /// What the old clients were shown in the last look, if they have looked.
    shown: Vec<Option<List>>,
}

/// What nobody waits for any more: who has asked which process, and what was to be stored.
struct GivenUp {
    client: usize,
    process: u64,
    stores: Option<List>,
}

/// What an account does next.
pub enum Deed {
    /// An old client sends this.
    Sends(usize, Option<List>),
    /// A modern one has done this.
    Did(String),
    Nothing,
}

impl Account {
    pub fn new(number: usize, plan: &Plan) -> Account {
        let seed = plan.seed;
        let old = OLD_CLIENTS.map(|resource| Old {
            resource,
            known: None,
            by: None,
            told: BTreeSet::new(),
            ahead: List::new(),
            open: None,
        });
        Account {
            name: format!("b{number}"),
            dice: Dice::new(seed, (4 << 32) + number as u64),
            node: Node::of(plan),
            old: old.into(),
            asked: 0,
            named: 0,
            goes_on: plan.goes_on,
            edges: plan.edges,
            choice: Dice::new(seed, (5 << 32) + number as u64),
            said: BTreeMap::new(),
            stored: Some(List::new()),
            last_iq: 0,
            last_iqs: BTreeMap::new(),
            stepped: 0,
            unsure: 0,
            closed: BTreeMap::new(),
            given_up: BTreeMap::new(),
            shown: vec![None; OLD_CLIENTS.len()],
        }
    }

    pub fn pause(&mut self) -> u64 {
        match self.dice.below(4) {
            0 => self.dice.below(8_000),
            1 => self.dice.below(1_000),
            _ => self.dice.below(60),
        }
    }

    fn room(&mut self) -> Room {
        format!("r{}-{}@muc.localhost", self.dice.below(ROOMS), self.name)
    }

    fn name(&mut self, room: &str) -> String {
        self.named += 1;
        let name = format!("{}-{}", self.name, self.named);
        let said = self.said.entry(room.to_owned()).or_default();
        said.insert(name.clone());
        name
    }

    /// One of its clients does something. `calm`: whether the component has surely heard of all that modern ones did.
    pub fn stirs(&mut self, now: u64, calm: bool) -> Deed {
        match self.dice.below(10) {
            0..5 => self.old_stirs(now),
            _ => self.modern_stirs(now, calm),
        }
    }

    fn old_stirs(&mut self, now: u64) -> Deed {
        let client = self.dice.below(self.old.len() as u64) as usize;
        self.give_up(client, |it| it.is_excused && now > it.sent + PATIENCE);
        let old = &self.old[client];
        if old.open.is_some() {
            return Deed::Nothing;
        }
        match old.known.clone() {
            Some(list) if self.dice.percent(60) => {
                let list = self.edited(list);
                Deed::Sends(client, Some(list))
            }
            _ => Deed::Sends(client, None),
        }
    }

    /// A list with a change or two.
    fn edited(&mut self, mut list: List) -> List {
        for _ in 0..self.dice.between(1, 2) {
            let room = self.room();
            if list.contains_key(&room) && self.dice.percent(50) {
                list.remove(&room);
            } else {
                let name = self.name(&room);
                list.insert(room, name);
            }
        }
        list
    }

    fn modern_stirs(&mut self, now: u64, calm: bool) -> Deed {
        if self.edges
            && let Some(told) = self.owner_stirs(now)
        {
            return Deed::Did(told);
        }
        let in_step = calm && self.is_in_step(now);
        let room = self.room();
        let before = self
            .node
            .items
            .as_ref()
            .and_then(|it| it.get(&room))
            .cloned();
        if before.is_some() && self.dice.percent(40) {
            let is_ahead = self.old.iter().any(|it| it.ahead.contains_key(&room));
            self.node.retract(&room, in_step && !is_ahead);
            return Deed::Did(format!("a modern client of {} deletes {room}", self.name));
        }
        let mut item = before.unwrap_or_default();
        if item.name.is_empty() || self.dice.percent(50) {
            item.name = self.name(&room);
        }
        self.named += 1;
        item.extension = Some(self.named.to_string());
        let told = format!(
            "a modern client of {} publishes {room}: {item:?}",
            self.name
        );
        self.node.publish(&room, item, in_step);
        Deed::Did(told)
    }

    /// The owner does something else to the node, now and then.
    fn owner_stirs(&mut self, now: u64) -> Option<String> {
        self.node.items.as_ref()?;
        let name = &self.name;
        let told = match self.choice.below(60) {
            0 => {
                self.node.delete();
                format!("a modern client of {name} deletes the whole node")
            }
            1 | 2 => {
                self.node.is_open = true;
                format!("a modern client of {name} opens the node to others")
            }
            _ => return None,
        };
        self.unsure = now;
        Some(told)
    }

    /// Whether it is certain that the component has brought both sides into step, and noted that.
    fn is_in_step(&self, now: u64) -> bool {
        let rooms = self.node.rooms();
        let is_same = |(room, name): (&Room, &String)| rooms.get(room) == Some(name);
        // What found no room in the node is wanted until it was there.
        let is_there = |it: &Old| it.known.iter().flatten().all(is_same);
        let has_room = self.node.max_rooms == MAX_ROOMS || self.old.iter().all(is_there);
        has_room
            && self.old.iter().all(|it| it.open.is_none())
            && now > self.last_iq + NOTED
            && self.stepped > self.unsure
            && self
                .stored
                .as_ref()
                .is_some_and(|it| it.iter().all(is_same))
    }

    /// The stanza by which an old client asks for its list, or stores this.
    pub fn request(
        &mut self,
        client: usize,
        stores: Option<&List>,
        way: Option<&'static str>,
    ) -> (Envelope, String) {
        self.asked += 1;
        let envelope = Envelope {
            id: format!("{}-{}", self.name, self.asked),
            user: format!("{}@{HOST}", self.name),
            resource: self.old[client].resource,
            to: None,
            way,
        };
        let rooms = stores.into_iter().flatten();
        let rooms: String = rooms
            .map(|(room, name)| format!("<conference jid='{room}' name='{name}' autojoin='true'/>"))
            .collect();
        let kind = stores.map_or("get", |_| "set");
        let storage = format!("<storage xmlns='storage:bookmarks'>{rooms}</storage>");
        let stanza = envelope.wrap(kind, &storage);
        (envelope, stanza)
    }

    /// It was sent to this process on this line, where it ends so far behind the beginning.
    pub fn sent(
        &mut self,
        client: usize,
        (envelope, stores): (Envelope, Option<List>),
        (process, line, end): (u64, usize, u64),
        now: u64,
    ) {
        let number = self.asked;
        let old = &mut self.old[client];
        let before = old.known.clone();
        if let Some(list) = &stores {
            let known = old.known.clone().unwrap_or_default();
            let is_known = old.by == Some(process);
            let wanted = list
                .iter()
                .filter(|(room, name)| !is_known || known.get(*room) != Some(*name));
            let wanted: BTreeSet<Room> = wanted.map(|(room, _)| room.clone()).collect();
            old.ahead.retain(|room, name| list.get(room) == Some(name));
            let new = list.iter().filter(|(room, _)| wanted.contains(*room));
            old.ahead
                .extend(new.map(|(room, name)| (room.clone(), name.clone())));
            let dropped = old.told.iter().filter(|room| !list.contains_key(*room));
            let dropped: BTreeSet<Room> = dropped.cloned().collect();
            old.known = Some(list.clone());
            let all: Vec<&Room> = list.keys().collect();
            self.node.stored(&all, &wanted, &dropped);
            self.stored = Some(list.clone());
        }
        self.old[client].open = Some(Open {
            number,
            envelope,
            process,
            line,
            end,
            sent: now,
            is_excused: false,
            stores,
            before,
        });
    }

    /// What the node says is not ahead of it any more.
    fn look_what_is_there(&mut self) {
        let Some(items) = &self.node.items else {
            return;
        };
        for old in &mut self.old {
            let is_there =
                |room: &Room, name: &String| items.get(room).is_some_and(|it| it.name == *name);
            old.ahead.retain(|room, name| !is_there(room, name));
        }
    }

    /// The component asks something of the node.
    pub fn asked_of_node(
        &mut self,
        iq: &Element,
        process: u64,
        now: u64,
    ) -> Result<(String, Answer), Violation> {
        self.last_iq = now;
        self.last_iqs.insert(process, now);
        let most = TRIES * self.asked;
        let asked = self.node.asked(iq, process)?;
        self.look_what_is_there();
        holds(self.node.fetches <= most, predicate::WORK, || {
            format!(
                "the node of {} was fetched more than {most} times",
                self.name
            )
        })?;
        Ok(asked)
    }
}
