//! Whatever two old clients and a modern one do, and whichever IQs are lost, in the end all see the
//! same rooms, and none is missing that nobody deleted.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::*;
use crate::bookmarks::baseline::Baseline;
use crate::bookmarks::room::{Conference, Room, reader_inside};

const ROOMS: [&str; 3] = ["a@m", "b@m", "c@m"];
const NAMES: [&str; 2] = ["x", "y"];

/// Rooms by their number, and what they say by its.
type Rooms = BTreeMap<usize, usize>;

#[derive(Debug, Clone, Copy)]
enum Edit {
    /// The room is added, or says this from now on.
    Put(usize, usize),
    Delete(usize),
}

#[derive(Debug, Clone, Copy)]
enum Event {
    /// An old client asks, and so many IQs of that step get through.
    Get(usize, usize),
    /// It edits what it knows, and stores it.
    Set(usize, Edit, usize),
    /// A modern client edits the node.
    Modern(Edit),
    /// What clients were shown is forgotten.
    Crash,
}

#[derive(Debug, Default)]
struct World {
    stored: Rooms,
    stored_by: usize,
    node: Rooms,
    base: Option<Baseline>,
    /// What each old client knows, and what it is known to have been shown.
    clients: [(Rooms, Option<LastView>); 2],
    /// The rooms whose last edit was no deletion.
    wanted: HashSet<usize>,
}

impl World {
    fn happens(&mut self, event: Event) {
        match event {
            Event::Get(client, iqs) => {
                self.step(client, false, iqs);
            }
            Event::Set(client, edit, iqs) => {
                let known = self.clients[client].0.clone();
                // Private storage's own race: what another client has stored, and what has not got
                // into the node yet, is replaced.
                if std::mem::replace(&mut self.stored_by, client) != client {
                    let only_stored = self.stored.keys().filter(|it| !self.node.contains_key(it));
                    only_stored.for_each(|room| {
                        self.wanted.remove(room);
                    });
                }
                let list = self.edited(known, edit);
                // Once it is forgotten what the client was shown, a room that it adds just as it
                // was looks like one that it never lost.
                if let (None, Edit::Put(room, _)) = (&self.clients[client].1, edit) {
                    self.wanted.remove(&room);
                }
                self.stored = list.clone();
                self.clients[client].0 = list;
                self.step(client, true, iqs);
            }
            Event::Modern(edit) => self.node = self.edited(self.node.clone(), edit),
            Event::Crash => self.clients.iter_mut().for_each(|client| client.1 = None),
        }
    }

    fn edited(&mut self, mut rooms: Rooms, edit: Edit) -> Rooms {
        match edit {
            Edit::Put(room, name) => {
                if rooms.insert(room, name) != Some(name) {
                    self.wanted.insert(room);
                }
            }
            Edit::Delete(room) => {
                if rooms.remove(&room).is_some() {
                    self.wanted.remove(&room);
                }
            }
        }
        rooms
    }

    /// A step for this client of which so many IQs get through; how many it took.
    fn step(&mut self, client: usize, is_set: bool, iqs: usize) -> usize {
        let stored = legacy(&self.stored);
        let shown = self.clients[client].1.clone().filter(|_| is_set);
        if iqs == 0 {
            self.fails(&stored, shown.as_ref(), is_set);
            if !is_set {
                self.clients[client].0 = self.stored.clone();
            }
            self.clients[client].1 = Some(LastView::new(stored.base().apart(|_, _| true)));
            return 1;
        }
        let items: Vec<_> = self
            .node
            .iter()
            .map(|(r, n)| (ROOMS[*r], NAMES[*n]))
            .collect();
        let node = Node::of(&items);
        let decision = decide(
            &stored,
            &node,
            Before {
                base: self.base.as_ref(),
                shown: shown.as_ref(),
                is_set,
                max_rooms: 250,
                now: SystemTime::UNIX_EPOCH,
            },
        );
        let view: Rooms = decision
            .rooms
            .iter()
            .map(|it| (number(it.key), name(it.room)))
            .collect();
        for change in decision.changes.iter().take(iqs - 1) {
            let xml = change
                .over(&node.items)
                .expect("nothing came between")
                .xml();
            let conference = xml.split("item id='").nth(1).unwrap_or_default();
            let room = number(conference.split('\'').next().unwrap_or_default());
            match change.is_removal() {
                true => self.node.remove(&room),
                false => {
                    let said = NAMES
                        .iter()
                        .position(|it| xml.contains(&format!("name='{it}'")));
                    self.node.insert(room, said.expect("a name"))
                }
            };
        }
        let changes = decision.changes.len();
        let in_step = changes < iqs;
        let seen = match is_set {
            true => self.stored.clone(),
            false => view,
        };
        let mut rooms = legacy(&seen).base();
        if !in_step && is_set {
            let had = |key, said| shown.as_ref().is_some_and(|it| it.rooms.had(key, said));
            rooms = rooms.apart(|key, said| !had(key, said));
        } else if !in_step {
            rooms = rooms.without(decision.ahead.iter().copied(), SystemTime::UNIX_EPOCH);
        }
        self.clients[client] = (seen, Some(LastView::new(rooms)));
        if in_step {
            self.base = Some(decision.base);
        } else {
            self.fails(&stored, shown.as_ref(), is_set);
        }
        1 + changes
    }

    fn fails(&mut self, stored: &Legacy, shown: Option<&LastView>, is_set: bool) {
        let base = self.base.as_mut().filter(|_| is_set);
        if let Some(base) = base {
            *base = left_of(base, &stored.base(), shown);
        }
    }
}

fn legacy(rooms: &Rooms) -> Legacy {
    let rooms: String = rooms
        .iter()
        .map(|(room, name)| {
            format!(
                "<conference jid='{}' name='{}'/>",
                ROOMS[*room], NAMES[*name]
            )
        })
        .collect();
    Legacy::read(format!(
        "<storage xmlns='storage:bookmarks'>{rooms}</storage>"
    ))
}

fn number(key: &str) -> usize {
    ROOMS.iter().position(|room| *room == key).expect("a room")
}

fn name(room: &Room) -> usize {
    let says = |name: &&str| {
        let xml = format!("<conference xmlns='storage:bookmarks' name='{name}'/>");
        let reader = reader_inside("").expect("a namespace");
        Conference::read(&xml, &reader)
            .expect("a conference")
            .room()
            == *room
    };
    NAMES.iter().position(says).expect("a name")
}

fn event() -> impl Strategy<Value = Event> {
    let edit = || {
        prop_oneof![
            2 => (0..ROOMS.len(), 0..NAMES.len()).prop_map(|(room, name)| Edit::Put(room, name)),
            1 => (0..ROOMS.len()).prop_map(Edit::Delete),
        ]
    };
    let iqs = || prop_oneof![2 => Just(9), 1 => 0..3usize];
    prop_oneof![
        3 => (0..2usize, iqs()).prop_map(|(client, iqs)| Event::Get(client, iqs)),
        5 => (0..2usize, edit(), iqs()).prop_map(|(client, edit, iqs)| Event::Set(client, edit, iqs)),
        3 => edit().prop_map(Event::Modern),
        1 => Just(Event::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn in_the_end_all_see_the_same_rooms_and_none_is_lost(events in vec(event(), 1..14)) {
        let mut world = World::default();
        for client in 0..2 {
            world.step(client, false, 9);
        }
        for event in events {
            world.happens(event);
        }
        world.step(0, false, 9);
        prop_assert_eq!(world.step(1, false, 9), 1, "nothing is left to do");
        prop_assert_eq!(&world.clients[0].0, &world.node);
        prop_assert_eq!(&world.clients[1].0, &world.node);
        for room in &world.wanted {
            prop_assert!(world.node.contains_key(room), "{} is lost: {world:?}", ROOMS[*room]);
        }
    }
}
