//! What the keeper does, with a router and a node played.

use std::borrow::Cow;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::{Ask, Base, Effect, Keeper, Legacy, Settings};
use crate::metrics::Metrics;
use crate::service::{
    self, CONTAINERS, Grant, Limits, Plan, Profile, Reserved, Service, Work, Write, bookmarks_in,
};
use crate::stanza::Received;
use crate::store::{Owner, Store};
use crate::xml::frame::Stanza;
use crate::xml::reader::{self, Reader};

/// A stanza as it is received.
pub fn received(xml: &str) -> Received {
    let limits = reader::Limits {
        text: usize::MAX,
        depth: 64,
        children: 1000,
        containers: CONTAINERS,
    };
    let stream = b"<stream:stream xmlns='jabber:component:accept' \
                   xmlns:stream='http://etherx.jabber.org/streams'>";
    let (reader, _) = Reader::open(stream, limits).unwrap();
    let mut stanza = Stanza {
        longest_markup: xml.len(),
        bytes: Cow::Borrowed(xml.as_bytes()),
        cut: false,
    };
    reader.receive(&mut stanza).unwrap().unwrap()
}

/// The answer to the privileged IQ with this id, with this inside.
pub fn answer(id: &str, kind: &str, payload: &str) -> Received {
    received(&format!(
        "<iq type='result' id='{id}' from='u@h'><privilege xmlns='urn:xmpp:privilege:2'>\
         <forwarded xmlns='urn:xmpp:forward:0'><iq xmlns='jabber:client' type='{kind}' id='{id}'>\
         {payload}</iq></forwarded></privilege></iq>"
    ))
}

/// A keeper, the store, and a node with rooms of these addresses.
struct Stage {
    keeper: Keeper,
    service: Service,
    store: Store,
    node: Vec<String>,
    /// Which client of the user's asks.
    resource: char,
    /// How much later it is than the clock says.
    later: Duration,
    /// How many requests are over.
    closed: usize,
}

fn settings(held: usize) -> Settings {
    Settings {
        from: "p.h".to_owned(),
        active: true,
        max_rooms: 250,
        held,
    }
}

/// What a namespace may hold, in bytes.
const MOST: u64 = 4096;

impl Stage {
    fn new(node: &[&str]) -> Self {
        let mut keeper = Keeper::new(settings(1 << 20), Metrics::new().pep);
        let (items, owner) = (true, true);
        keeper.granted("h".to_owned(), Grant { items, owner });
        let service = Service::new(service::Settings {
            profile: Profile {
                domain: "p.h".to_owned(),
                contact: Vec::new(),
                os: None,
                started: Instant::now(),
            },
            domains: vec!["h".to_owned()],
            admins: Vec::new(),
            reserved: Reserved::Refuse,
            limits: Limits {
                max_stanza_bytes: 1 << 20,
                max_depth: 64,
                max_namespace_bytes: MOST,
                max_user_bytes: 1 << 20,
                max_user_elements: 1000,
            },
        });
        Self {
            keeper,
            service,
            store: Store::in_memory(),
            node: node.iter().map(|room| (*room).to_owned()).collect(),
            resource: 'r',
            later: Duration::ZERO,
            closed: 0,
        }
    }

    /// Asks for bookmarks, or stores these; so many IQs get through. What the client is answered.
    fn asks(&mut self, set: Option<&str>, iqs: usize) -> String {
        self.enters(set);
        self.plays(iqs)
    }

    /// The same, and nothing has come of it yet.
    fn enters(&mut self, set: Option<&str>) {
        let (kind, inside) = (set.map_or("get", |_| "set"), set.unwrap_or_default());
        let resource = self.resource;
        let request = received(&format!(
            "<iq type='{kind}' id='1' from='u@h/{resource}' to='p.h'><query xmlns='jabber:iq:private'>\
             <storage xmlns='storage:bookmarks'>{inside}</storage></query></iq>"
        ));
        let Plan::Store(request) = self.service.plan(&request, Instant::now()) else {
            panic!("no request");
        };
        let (owner, answer) = (request.owner, request.answer);
        let ask = |answer| Ask {
            owner,
            asker: request.asker.unwrap(),
            size: request.size,
            answer,
        };
        match request.work {
            Work::Get(fetch) => {
                let found = fetch.bookmarks(&self.store, &answer).unwrap();
                self.keeper.get(ask(answer), found);
            }
            Work::Write(Write::Set(set)) => {
                let value = bookmarks_in(&set).unwrap().value.clone();
                let (done, is_done) = mpsc::channel();
                self.store
                    .submit(set, move |result| done.send(result).unwrap());
                is_done.recv().unwrap().unwrap();
                let text = value.map_or_else(String::new, |value| value.text);
                self.keeper.set(ask(answer), Legacy::read(text), false);
            }
            Work::Write(_) => panic!("no set"),
        }
    }

    /// What is noted about the owner is to be read, and nothing else is to be done.
    fn asks_for_its_note(&mut self) -> (Owner, u64) {
        self.keeper.look(Instant::now());
        match &*self.keeper.effects() {
            [Effect::ReadNote(owner, number)] => (owner.clone(), *number),
            effects => panic!("{effects:?}"),
        }
    }

    fn plays(&mut self, mut iqs: usize) -> String {
        let mut answered = None;
        loop {
            self.keeper.look(Instant::now() + self.later);
            let effects = self.keeper.effects();
            if effects.is_empty() {
                let Some(answered) = answered else {
                    // A large node waits for its turn.
                    assert!(self.keeper.due().is_some(), "nothing will come");
                    self.later += Duration::from_secs(1);
                    continue;
                };
                return answered;
            }
            for effect in effects {
                match effect {
                    Effect::Send(iq) if iqs > 0 && iqs != SILENCE => {
                        iqs -= 1;
                        let mut answer = self.node_answers(&iq);
                        assert!(self.keeper.answered(&mut answer));
                    }
                    Effect::Send(_) if iqs == SILENCE => self.later += Duration::from_secs(6),
                    Effect::Send(_) => {
                        self.keeper.give_up();
                        let (items, owner) = (true, true);
                        self.keeper.granted("h".to_owned(), Grant { items, owner });
                    }
                    Effect::Answer(answer) => answered = Some(answer.reply),
                    Effect::Close(..) => self.closed += 1,
                    Effect::Compare(it) => self.keeper.compared(it.carry_out()),
                    Effect::ReadNote(owner, number) => {
                        let note = self.store.note(&owner).unwrap();
                        let now = Instant::now() + self.later;
                        let base = note.as_deref().and_then(Base::read);
                        self.keeper.note_is(owner, number, base, now);
                    }
                    Effect::Note(owner, note) => {
                        let (done, is_done) = mpsc::channel();
                        self.store
                            .put_note(owner.clone(), note, move |_| done.send(()).unwrap());
                        is_done.recv().unwrap();
                        self.keeper.noted(&owner);
                    }
                }
            }
        }
    }

    fn node_answers(&mut self, iq: &str) -> Received {
        let after = |what: &str| {
            let rest = iq.split_once(what).map(|(_, rest)| rest);
            rest.and_then(|rest| rest.split('\'').next())
        };
        let mut payload = String::new();
        let item = after("<item id='").map(str::to_owned);
        match item {
            Some(room) if iq.contains("<retract") => self.node.retain(|it| *it != room),
            Some(room) if iq.contains("<publish") => self.node.push(room),
            item => {
                for room in self
                    .node
                    .iter()
                    .filter(|it| item.is_none() || item.as_ref() == Some(it))
                {
                    payload.push_str(&format!(
                        "<item id='{room}'><conference xmlns='urn:xmpp:bookmarks:1'/></item>"
                    ));
                }
            }
        }
        let payload = format!(
            "<pubsub xmlns='http://jabber.org/protocol/pubsub'>\
             <items node='urn:xmpp:bookmarks:1'>{payload}</items></pubsub>"
        );
        answer(after(" id='").unwrap(), "result", &payload)
    }
}

/// All get through; or all do, and none is answered.
const ALL: usize = 99;
const SILENCE: usize = 100;

#[test]
fn both_see_the_same_rooms() {
    let mut stage = Stage::new(&["a@m"]);
    assert!(stage.asks(None, ALL).contains("jid='a@m'"));
    stage.asks(Some("<conference jid='b@m'/>"), ALL);
    assert_eq!(stage.node, ["b@m"]);
    stage.node.clear();
    let seen = stage.asks(None, ALL);
    assert!(!seen.contains("jid"), "the last one was deleted: {seen}");
}

/// A client was shown what is stored, because all together was too long; what it had not seen was
/// retracted with its next set.
#[test]
fn what_was_too_long_to_be_shown_is_not_taken_for_deleted() {
    let long = format!("{}@m", "x".repeat(900));
    let rooms: Vec<String> = (0..100).map(|room| format!("{room}{long}")).collect();
    let rooms: Vec<&str> = rooms.iter().map(String::as_str).collect();
    let mut stage = Stage::new(&rooms);
    let seen = stage.asks(None, ALL);
    assert!(!seen.contains("jid"), "{}", seen.len());
    stage.asks(Some("<conference jid='a@m'/>"), ALL);
    assert_eq!(stage.node.len(), 101);
}

/// A client was answered from the store alone for a while, and what it had seen in PEP before was
/// retracted with its next set.
#[test]
fn what_a_client_was_shown_counts_no_more_once_it_is_served_otherwise() {
    let mut stage = Stage::new(&["a@m"]);
    assert!(stage.asks(None, ALL).contains("jid='a@m'"));
    stage.keeper.pass_over("u@h/r");
    stage.asks(Some("<conference jid='b@m'/>"), ALL);
    assert_eq!(stage.node, ["a@m", "b@m"]);
}

/// A room was deleted, and the link lost in the middle of that; added again, it was taken for one
/// that somebody else had deleted.
#[test]
fn a_room_that_is_added_again_after_a_lost_link_is_published() {
    let mut stage = Stage::new(&["a@m"]);
    stage.asks(Some("<conference jid='a@m'/>"), ALL);
    stage.asks(Some("<conference jid='b@m'/>"), 3);
    assert_eq!(stage.node, [""; 0]);
    stage.asks(Some("<conference jid='a@m'/>"), 0);
    assert!(stage.asks(None, ALL).contains("jid='a@m'"));
    assert_eq!(stage.node, ["a@m"]);
}

/// The same, while the host is left alone because it does not answer.
#[test]
fn a_room_that_is_added_again_while_nobody_answers_is_published() {
    let mut stage = Stage::new(&["a@m"]);
    stage.asks(Some("<conference jid='a@m'/>"), ALL);
    stage.node.clear();
    stage.asks(None, ALL);
    stage.resource = 's';
    for _ in 0..3 {
        stage.asks(None, SILENCE);
    }
    stage.resource = 'r';
    stage.asks(Some("<conference jid='a@m'/>"), ALL);
    assert_eq!(stage.node, [""; 0]);
    stage.later += Duration::from_secs(61);
    stage.asks(None, ALL);
    assert_eq!(stage.node, ["a@m"]);
}

/// What both sides had in common was forgotten with any set that the host was not asked about, and
/// rooms that had been deleted elsewhere came back.
#[test]
fn what_was_deleted_elsewhere_stays_so_though_something_is_stored_while_nobody_answers() {
    let mut stage = Stage::new(&[]);
    stage.asks(Some("<conference jid='a@m'/>"), ALL);
    stage.node.clear();
    stage.resource = 's';
    for _ in 0..3 {
        stage.asks(None, SILENCE);
    }
    stage.resource = 'r';
    stage.asks(Some("<conference jid='a@m'/><conference jid='b@m'/>"), ALL);
    stage.later += Duration::from_secs(61);
    stage.asks(None, ALL);
    assert_eq!(stage.node, ["b@m"]);
}

/// A client stored a list without waiting for what it had asked for; by the time the list had its
/// turn, it was taken to have seen the answer, and a room of another client's was retracted.
#[test]
fn what_a_client_is_shown_after_it_has_stored_its_list_does_not_count() {
    let mut stage = Stage::new(&["a@m"]);
    stage.enters(None);
    stage.asks(Some("<conference jid='b@m'/>"), ALL);
    assert_eq!(stage.node, ["a@m", "b@m"]);
    stage.asks(Some(""), ALL);
    assert_eq!(stage.node, ["a@m"], "its own list it knows");
}

/// A set that was answered by the store at once, because too much was held, made what was noted count
/// no more; and the request before it, which waited for just that, was never over. Nothing of its
/// owner's was, from then on.
#[test]
fn a_request_that_waits_for_its_note_ends_whatever_becomes_of_those_behind_it() {
    let mut stage = Stage::new(&["a@m"]);
    stage.enters(None);
    let (owner, number) = stage.asks_for_its_note();
    stage.keeper.set_up_anew(settings(0));
    stage.enters(Some("<conference jid='b@m'/>"));
    let now = Instant::now();
    stage.keeper.note_is(owner, number, None, now);
    stage.plays(ALL);
    assert_eq!(stage.closed, 2);
}

/// What a user had was removed while PEP was asked, and the answer was taken for that to the next
/// request.
#[test]
fn an_answer_counts_for_the_request_that_has_asked_alone() {
    let mut stage = Stage::new(&["old@m"]);
    stage.enters(None);
    let (owner, number) = stage.asks_for_its_note();
    stage
        .keeper
        .note_is(owner.clone(), number, None, Instant::now());
    let [Effect::Send(iq)] = &*stage.keeper.effects() else {
        panic!("nothing is asked");
    };
    let mut stale = stage.node_answers(iq);
    stage.keeper.let_go(&owner);
    stage.keeper.effects();
    stage.node = vec!["a@m".to_owned()];
    stage.enters(None);
    let (owner, number) = stage.asks_for_its_note();
    stage.keeper.note_is(owner, number, None, Instant::now());
    let [Effect::Send(iq)] = &*stage.keeper.effects() else {
        panic!("nothing is asked");
    };
    let mut answer = stage.node_answers(iq);
    assert!(stage.keeper.answered(&mut stale) && stage.keeper.answered(&mut answer));
    let seen = stage.plays(ALL);
    assert!(seen.contains("a@m") && !seen.contains("old@m"), "{seen}");
}
