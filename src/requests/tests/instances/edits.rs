//! Whatever clients of both kinds do to one user's bookmarks by two instances, in whatever order their steps come, and
//! whenever an instance ends or is taken over: no room is lost that somebody was told is stored, and none comes back
//! that was deleted.

use std::collections::{BTreeSet, VecDeque};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const CLIENTS: usize = 3;

#[derive(Debug, Clone, Copy)]
enum Event {
    /// An old client asks.
    Get(usize),
    /// It adds a room to what it knows.
    Add(usize),
    /// It deletes one of those.
    Delete(usize, usize),
    /// A modern client adds a room.
    ModernAdd,
    /// It deletes one.
    ModernDelete(usize),
    /// An IQ of an instance is answered by PEP.
    Answer(usize),
    /// All that is under way is done.
    Settle,
    /// An instance is killed and started again.
    Kill(usize),
    /// Its link is lost, and it comes back; the clients go over to the other, unless they stay.
    Lose(usize, bool),
}

/// An old client.
#[derive(Debug, Default)]
struct Client {
    instance: usize,
    /// What it was shown, or has stored since.
    known: Option<BTreeSet<String>>,
    asked: Option<Asked>,
}

#[derive(Debug)]
struct Asked {
    id: String,
    /// `None` for a get.
    stores: Option<BTreeSet<String>>,
}

struct World {
    cluster: Cluster,
    clients: [Client; CLIENTS],
    /// The IQs that PEP has not answered.
    iqs: [VecDeque<String>; 2],
    next: usize,
    /// Rooms that somebody has added, and was told so.
    wanted: BTreeSet<String>,
    /// Rooms that somebody has deleted, and was told so.
    gone: BTreeSet<String>,
    /// Rooms in sets that nobody was told of.
    unsure: BTreeSet<String>,
}

impl World {
    fn new() -> Self {
        let mut clients: [Client; CLIENTS] = Default::default();
        clients[CLIENTS - 1].instance = 1;
        Self {
            cluster: Cluster::new(2),
            clients,
            iqs: Default::default(),
            next: 0,
            wanted: BTreeSet::new(),
            gone: BTreeSet::new(),
            unsure: BTreeSet::new(),
        }
    }

    fn new_room(&mut self) -> String {
        self.next += 1;
        format!("r{}@m", self.next)
    }

    async fn happens(&mut self, event: Event) {
        match event {
            Event::Get(client) => self.asks(client, None).await,
            Event::Add(client) => {
                if let Some(mut rooms) = self.clients[client].known.clone() {
                    rooms.insert(self.new_room());
                    self.asks(client, Some(rooms)).await;
                }
            }
            Event::Delete(client, which) => {
                if let Some(mut rooms) = self.clients[client].known.clone()
                    && let Some(room) = rooms.iter().nth(which % rooms.len().max(1)).cloned()
                {
                    rooms.remove(&room);
                    self.asks(client, Some(rooms)).await;
                }
            }
            Event::ModernAdd => {
                let room = self.new_room();
                self.wanted.insert(room.clone());
                self.cluster.node.get_or_insert_default().push(room);
            }
            Event::ModernDelete(which) => {
                if let Some(node) = self.cluster.node.as_mut().filter(|node| !node.is_empty()) {
                    let room = node.remove(which % node.len());
                    self.is_gone(room);
                }
            }
            Event::Answer(instance) => {
                if let Some(iq) = self.iqs[instance].pop_front() {
                    let said = self.cluster.goes_on(instance, &iq).await;
                    self.take(instance, said);
                }
            }
            Event::Settle => self.settle().await,
            Event::Kill(instance) => {
                self.is_lost(instance);
                self.cluster.dies(instance);
            }
            Event::Lose(instance, stay) => {
                self.is_lost(instance);
                let stage = &self.cluster.instances[instance];
                stage.requests.link_ended();
                stage.said().await;
                stage.logs_in();
                let said = stage.said().await;
                self.take(instance, said);
                let clients = self.clients.iter_mut();
                for client in clients.filter(|it| it.instance == instance && !stay) {
                    client.instance = 1 - instance;
                }
            }
        }
    }

    fn is_gone(&mut self, room: String) {
        self.wanted.remove(&room);
        self.gone.insert(room);
    }

    /// What it has said, and was not told, nobody hears of.
    fn is_lost(&mut self, instance: usize) {
        self.iqs[instance].clear();
        let clients = self.clients.iter_mut();
        for client in clients.filter(|it| it.instance == instance) {
            let Some(Asked { stores, .. }) = client.asked.take() else {
                continue;
            };
            // Who has only asked goes on from what it knew.
            let Some(stores) = stores else { continue };
            let known = client.known.take().unwrap_or_default();
            self.unsure
                .extend(known.symmetric_difference(&stores).cloned());
        }
    }

    async fn asks(&mut self, client: usize, stores: Option<BTreeSet<String>>) {
        let Client {
            instance, asked, ..
        } = &mut self.clients[client];
        if asked.is_some() {
            return;
        }
        self.next += 1;
        let id = format!("id{}", self.next);
        let kind = stores.as_ref().map_or("get", |_| "set");
        let rooms: String = stores.iter().flatten().map(|it| room(it)).collect();
        let xml = format!(
            "<iq type='{kind}' id='{id}' from='u@h/{client}' to='p.h'><query xmlns='jabber:iq:private'>\
             <storage xmlns='storage:bookmarks'>{rooms}</storage></query></iq>"
        );
        *asked = Some(Asked { id, stores });
        let instance = *instance;
        let said = self.cluster.hears(instance, &xml).await;
        self.take(instance, said);
    }

    /// Takes what an instance has said, which learns that.
    fn take(&mut self, instance: usize, said: Vec<String>) {
        let requests = &self.cluster.instances[instance].requests;
        requests.replies_were_read(None);
        for said in said {
            if said.contains("<privileged_iq") {
                self.iqs[instance].push_back(said);
                continue;
            }
            let is_asked = |it: &Asked| said.contains(&format!(" id='{}'", it.id));
            let mut clients = self.clients.iter_mut();
            let client = clients.find(|it| it.asked.as_ref().is_some_and(is_asked));
            let Some(client) = client else { continue };
            let asked = client.asked.take().expect("it has asked");
            let known = client.known.take().unwrap_or_default();
            let Some(stores) = asked.stores else {
                let rooms = said.split("jid='").skip(1);
                let rooms = rooms.filter_map(|it| it.split('\'').next());
                client.known = Some(rooms.map(str::to_owned).collect());
                continue;
            };
            assert!(said.contains("type='result'"), "{said}");
            client.known = Some(stores.clone());
            for room in known.difference(&stores).cloned().collect::<Vec<_>>() {
                self.is_gone(room);
            }
            for room in stores.difference(&known) {
                if !self.gone.contains(room) {
                    self.wanted.insert(room.clone());
                }
            }
        }
    }

    async fn settle(&mut self) {
        while self.iqs.iter().any(|iqs| !iqs.is_empty()) {
            for instance in 0..2 {
                if let Some(iq) = self.iqs[instance].pop_front() {
                    let said = self.cluster.goes_on(instance, &iq).await;
                    self.take(instance, said);
                }
            }
        }
    }

    /// What a client that comes anew is shown by this instance.
    async fn seen(&mut self, instance: usize) -> BTreeSet<String> {
        let seen = self.cluster.asks(instance, 'n', None).await;
        let rooms = seen.split("jid='").skip(1);
        let rooms = rooms.filter_map(|it| it.split('\'').next());
        rooms.map(str::to_owned).collect()
    }
}

fn event() -> impl Strategy<Value = Event> {
    let client = 0..CLIENTS;
    let instance = 0..2_usize;
    prop_oneof![
        4 => client.clone().prop_map(Event::Get),
        4 => client.clone().prop_map(Event::Add),
        3 => (client, any::<usize>()).prop_map(|(client, which)| Event::Delete(client, which)),
        1 => Just(Event::ModernAdd),
        1 => any::<usize>().prop_map(Event::ModernDelete),
        12 => instance.clone().prop_map(Event::Answer),
        3 => Just(Event::Settle),
        1 => instance.clone().prop_map(Event::Kill),
        1 => (instance, any::<bool>()).prop_map(|(instance, stay)| Event::Lose(instance, stay)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_room_is_lost_and_none_comes_back(events in vec(event(), 1..40)) {
        played(async || {
            let mut world = World::new();
            for event in &events {
                world.happens(*event).await;
            }
            world.settle().await;
            let seen = world.seen(0).await;
            for instance in [1, 0] {
                assert_eq!(world.seen(instance).await, seen, "{events:?}");
            }
            let node: BTreeSet<String> = world.cluster.node.iter().flatten().cloned().collect();
            assert_eq!(node, seen, "{events:?}");
            for room in world.wanted.difference(&world.unsure) {
                assert!(seen.contains(room), "{room} is lost: {events:?}");
            }
            for room in world.gone.difference(&world.unsure) {
                assert!(!seen.contains(room), "{room} is back: {events:?}");
            }
        });
    }
}
