//! Requests about bookmarks, with a server and a node that are played, in time that is.

mod instances;
mod reach;

use std::borrow::Cow;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::task::LocalSet;
use tokio::time::sleep;

use super::{Requests, Settings};
use crate::bookmarks::{self, Baseline};
use crate::clock::Instant;
use crate::limits::Limits;
use crate::link::Outbox;
use crate::metrics::Metrics;
use crate::replies::Replies;
use crate::service::{self, CONTAINERS, Profile, Reserved, privilege};
use crate::stanza::Received;
use crate::store::{Owner, Storage, Store};
use crate::threads::Workers;
use crate::xml::frame::Stanza;
use crate::xml::reader::{self, Reader};

/// What is read of a stanza, in bytes.
const MAX_STANZA: usize = 1 << 20;

/// What a namespace may hold, in bytes.
const MOST: u64 = 16 * 1024;

/// All IQs get through; or all do, and none is answered.
const ALL: usize = 99;
const SILENCE: usize = 100;

/// Requests, the store, and a node with rooms of these addresses.
struct Stage {
    requests: Requests,
    replies: Replies,
    storage: Storage,
    /// `None` if there is none.
    node: Option<Vec<String>>,
    /// Which client of the user's asks.
    resource: char,
    /// How many requests there were.
    asked: usize,
}

/// Where nothing can be done at once, time goes on to when something can.
fn played(play: impl AsyncFnOnce()) {
    let mut runtime = Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(LocalSet::new().run_until(play()));
}

fn settings(held: usize) -> Settings {
    Settings {
        service: service::Settings {
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
                max_stanza_bytes: MAX_STANZA,
                max_depth: 64,
                max_namespace_bytes: MOST,
                max_user_bytes: 1 << 20,
                max_user_elements: 1000,
                max_open_bytes: 1 << 20,
                max_user_open_bytes: 1 << 20,
                max_unsent_bytes: 1 << 20,
            },
        },
        bookmarks: bookmarks::Settings {
            from: "p.h".to_owned(),
            active: true,
            max_rooms: 250,
            held,
        },
    }
}

/// A stanza as it is received.
pub fn received(xml: &str) -> Received {
    let limits = reader::Bounds {
        text: usize::MAX,
        depth: 64,
        children: 1000,
        containers: CONTAINERS,
    };
    let stream = b"<stream:stream xmlns='jabber:component:accept' \
                   xmlns:stream='http://etherx.jabber.org/streams'>";
    let (reader, _) = Reader::open(stream, limits).unwrap();
    let (kept, rest) = xml.as_bytes().split_at(xml.len().min(MAX_STANZA));
    let mut stanza = Stanza {
        bytes: Cow::Borrowed(kept),
        cut: rest.len(),
    };
    reader.receive(&mut stanza).unwrap().unwrap()
}

fn room(address: &str) -> String {
    format!("<conference jid='{address}'/>")
}

impl Stage {
    fn new(node: &[&str]) -> Self {
        Self::over(Store::by_caller(), node)
    }

    fn over(store: Store, node: &[&str]) -> Self {
        let metrics = Metrics::new();
        let settings = settings(1 << 20);
        let replies = Replies::new(metrics.requests.clone(), 1 << 20);
        let storage = Storage::by_caller(store);
        let requests = Requests::new(
            settings,
            storage.clone(),
            Workers::none(),
            &metrics,
            replies.clone(),
        );
        let stage = Self {
            requests,
            replies,
            storage,
            node: Some(node.iter().map(|room| (*room).to_owned()).collect()),
            resource: 'r',
            asked: 0,
        };
        stage.logs_in();
        stage
    }

    fn hears(&self, xml: &str) {
        self.requests.accept(received(xml), Instant::now());
    }

    fn logs_in(&self) {
        self.requests.logged_in();
        self.hears(
            "<message from='h' to='p.h'><privilege xmlns='urn:xmpp:privilege:2'><perm access='iq'>\
             <namespace ns='http://jabber.org/protocol/pubsub' type='both'/>\
             <namespace ns='http://jabber.org/protocol/pubsub#owner' type='both'/>\
             </perm></privilege></message>",
        );
    }

    /// Asks for bookmarks, or stores these; so many IQs get through. What the client is answered.
    async fn asks(&mut self, set: Option<&str>, iqs: usize) -> String {
        self.sends(set);
        self.plays(iqs).await
    }

    /// The same, and nothing has come of it yet.
    fn sends(&mut self, set: Option<&str>) {
        self.asked += 1;
        let (kind, inside) = (set.map_or("get", |_| "set"), set.unwrap_or_default());
        self.hears(&format!(
            "<iq type='{kind}' id='{}' from='u@h/{}' to='p.h'><query xmlns='jabber:iq:private'>\
             <storage xmlns='storage:bookmarks'>{inside}</storage></query></iq>",
            self.asked, self.resource
        ));
    }

    /// So many users ask for their bookmarks.
    fn many_ask(&self, users: usize) {
        for user in 0..users {
            self.hears(&format!(
                "<iq type='get' id='{user}' from='u{user}@h/r' to='p.h'>\
                 <query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'/></query></iq>"
            ));
        }
    }

    /// What was said, once nothing more can be done at once.
    async fn said(&self) -> Vec<String> {
        sleep(Duration::from_millis(1)).await;
        self.replies.with(Outbox::take)
    }

    /// The IQ that is sent, alone.
    async fn iq(&self) -> String {
        let said = self.said().await;
        let [iq] = &*said else { panic!("{said:?}") };
        assert!(iq.contains("<privileged_iq"), "{iq}");
        iq.clone()
    }

    /// Goes on to the end; what was answered last.
    async fn plays(&mut self, mut iqs: usize) -> String {
        let mut answered = None;
        for _ in 0..1000 {
            let said = self.said().await;
            if said.is_empty() && self.requests.count() == 0 {
                return answered.expect("an answer");
            }
            if said.is_empty() {
                // A large node waits for its turn, or nobody answers.
                sleep(Duration::from_secs(1)).await;
            }
            for said in said {
                if !said.contains("<privileged_iq") {
                    answered = Some(said);
                } else if iqs == 0 {
                    self.requests.link_ended();
                    self.logs_in();
                } else if iqs != SILENCE {
                    iqs -= 1;
                    let answer = self.node_answers(&said);
                    self.hears(&answer);
                }
            }
        }
        panic!("{} never end", self.requests.count());
    }

    fn node_answers(&mut self, iq: &str) -> String {
        let after = |what: &str| {
            let rest = iq.split_once(what).map(|(_, rest)| rest);
            rest.and_then(|rest| rest.split('\'').next())
        };
        let item = after("<item id='").map(str::to_owned);
        match item {
            Some(room) if iq.contains("<publish") => {
                let node = self.node.get_or_insert_default();
                if !node.contains(&room) {
                    node.push(room);
                }
                return answer(after(" id='").unwrap(), "result", "");
            }
            Some(room) if iq.contains("<retract") => {
                let node = self.node.as_mut().expect("a node");
                node.retain(|it| *it != room);
                return answer(after(" id='").unwrap(), "result", "");
            }
            _ => {}
        }
        let Some(node) = &self.node else {
            let none = "<error type='cancel'><item-not-found \
                        xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
            return answer(after(" id='").unwrap(), "error", none);
        };
        let rooms = node.iter();
        let rooms = rooms.filter(|it| item.is_none() || item.as_ref() == Some(it));
        let items: String = rooms
            .map(|it| format!("<item id='{it}'><conference xmlns='urn:xmpp:bookmarks:1'/></item>"))
            .collect();
        let payload = format!(
            "<pubsub xmlns='http://jabber.org/protocol/pubsub'>\
             <items node='urn:xmpp:bookmarks:1'>{items}</items></pubsub>"
        );
        answer(after(" id='").unwrap(), "result", &payload)
    }

    fn rooms(&self) -> Vec<&str> {
        self.node.iter().flatten().map(String::as_str).collect()
    }
}

/// The answer to the privileged IQ with this id, with this inside.
fn answer(id: &str, kind: &str, payload: &str) -> String {
    format!(
        "<iq type='result' id='{id}' from='u@h'><privilege xmlns='urn:xmpp:privilege:2'>\
         <forwarded xmlns='urn:xmpp:forward:0'><iq xmlns='jabber:client' type='{kind}' id='{id}'>\
         {payload}</iq></forwarded></privilege></iq>"
    )
}

#[test]
fn both_see_the_same_rooms() {
    played(async || {
        let mut stage = Stage::new(&["a@m"]);
        assert!(stage.asks(None, ALL).await.contains("jid='a@m'"));
        stage.asks(Some(&room("b@m")), ALL).await;
        assert_eq!(stage.rooms(), ["b@m"]);
        stage.node = Some(Vec::new());
        let seen = stage.asks(None, ALL).await;
        assert!(!seen.contains("jid"), "the last one was deleted: {seen}");
        let note = stage.storage.note(&Owner::new("u@h").unwrap()).await;
        let base = Baseline::read(&note.unwrap().unwrap()).unwrap();
        assert!(base.gone_at().is_some(), "it is noted as gone");
    });
}

/// The server was set up again, and with the node all rooms were gone from the old clients too.
#[test]
fn where_there_is_no_node_all_that_is_stored_is_published() {
    for set in [None, Some(room("a@m"))] {
        played(async || {
            let mut stage = Stage::new(&[]);
            stage.asks(Some(&room("a@m")), ALL).await;
            assert_eq!(stage.rooms(), ["a@m"]);
            stage.node = None;
            let answered = stage.asks(set.as_deref(), ALL).await;
            assert_eq!(answered.contains("jid='a@m'"), set.is_none(), "{answered}");
            assert_eq!(stage.rooms(), ["a@m"]);
        });
    }
}

/// A client was shown what is stored, because all together was too long; what it had not seen was
/// retracted with its next set.
#[test]
fn what_was_too_long_to_be_shown_is_not_taken_for_deleted() {
    played(async || {
        let long = format!("{}@m", "x".repeat(900));
        let rooms: Vec<String> = (0..240).map(|room| format!("{room}{long}")).collect();
        let rooms: Vec<&str> = rooms.iter().map(String::as_str).collect();
        let mut stage = Stage::new(&rooms);
        let seen = stage.asks(None, ALL).await;
        assert!(!seen.contains("jid"), "{}", seen.len());
        stage.asks(Some(&room("a@m")), ALL).await;
        assert_eq!(stage.rooms().len(), 241);
    });
}

/// A client was shown a room by the store alone, another client deleted it, and it came back when the first stored its list
/// again: nothing said that the node had had it. Of a list of more than 4 KiB nothing was known at all.
#[test]
fn what_the_store_alone_shows_and_somebody_deletes_stays_deleted() {
    for others in [0, 100] {
        played(async || {
            let others: Vec<String> = (0..others).map(|other| format!("{other:050}@m")).collect();
            let list = |more: &[&str]| -> String {
                let others = others.iter().map(String::as_str);
                others.chain(more.iter().copied()).map(room).collect()
            };
            let mut stage = Stage::new(&[]);
            stage.asks(Some(&list(&["a@m"])), ALL + 300).await;
            stage.resource = 's';
            assert!(stage.asks(None, 0).await.contains("a@m"));
            stage.resource = 'r';
            stage.asks(Some(&list(&[])), ALL).await;
            assert_eq!(stage.rooms(), others);
            stage.resource = 's';
            stage.asks(Some(&list(&["a@m", "b@m"])), ALL).await;
            assert_eq!(stage.rooms().last(), Some(&"b@m"));
            assert_eq!(stage.rooms().len(), others.len() + 1);
        });
    }
}

/// A get waited for another client's, which found that a room was gone from the node; then the link was lost, and the get
/// was answered with what had been read before. The room was shown, and came back with that client's next set.
#[test]
fn what_is_found_to_be_gone_while_a_get_waits_is_not_shown() {
    played(async || {
        let mut stage = Stage::new(&[]);
        stage
            .asks(Some(&[room("a@m"), room("b@m")].concat()), ALL)
            .await;
        stage.node = Some(vec!["b@m".to_owned()]);
        stage.sends(None);
        let iq = stage.iq().await;
        stage.resource = 's';
        stage.sends(None);
        let answer = stage.node_answers(&iq);
        stage.hears(&answer);
        assert_eq!(iqs_and_replies(&stage.said().await), (1, 1));
        stage.requests.link_ended();
        stage.logs_in();
        let said = stage.said().await.concat();
        assert!(said.contains("b@m") && !said.contains("a@m"), "{said}");
    });
}

/// A client was answered from the store alone for a while, and what it had seen in PEP before was
/// retracted with its next set.
#[test]
fn what_a_client_was_shown_counts_no_more_once_it_is_served_otherwise() {
    played(async || {
        let mut stage = Stage::new(&["a@m"]);
        assert!(stage.asks(None, ALL).await.contains("jid='a@m'"));
        stage.requests.link_ended();
        stage.asks(None, ALL).await;
        stage.logs_in();
        stage.asks(Some(&room("b@m")), ALL).await;
        assert_eq!(stage.rooms(), ["a@m", "b@m"]);
    });
}

/// A room was deleted, and the link lost in the middle of that; added again, it was taken for one
/// that somebody else had deleted.
#[test]
fn a_room_that_is_added_again_after_a_lost_link_is_published() {
    played(async || {
        let mut stage = Stage::new(&["a@m"]);
        stage.asks(Some(&room("a@m")), ALL).await;
        stage.asks(Some(&room("b@m")), 3).await;
        assert_eq!(stage.rooms(), [""; 0]);
        stage.asks(Some(&room("a@m")), 0).await;
        assert!(stage.asks(None, ALL).await.contains("jid='a@m'"));
        assert_eq!(stage.rooms(), ["a@m"]);
    });
}

/// A room was deleted while PEP was out of reach, and the client was told that its list is stored: with the next get the
/// room was there again.
#[test]
fn what_is_deleted_while_pep_is_out_of_reach_stays_deleted() {
    for (is_granted, iqs) in [(true, 0), (true, 1), (true, 2), (false, 0)] {
        played(async || {
            let mut stage = Stage::new(&["a@m", "b@m"]);
            stage.asks(None, ALL).await;
            if !is_granted {
                stage.requests.link_ended();
            }
            stage.asks(Some(&room("a@m")), iqs).await;
            if !is_granted {
                stage.logs_in();
            }
            assert_eq!(stage.rooms(), ["a@m", "b@m"]);
            stage.resource = 's';
            let seen = stage.asks(None, ALL).await;
            assert!(!seen.contains("b@m"), "{is_granted} {iqs}: {seen}");
            assert_eq!(stage.rooms(), ["a@m"], "{is_granted} {iqs}");
            // Whoever wants it has it again.
            stage.node = Some(vec!["a@m".to_owned(), "b@m".to_owned()]);
            assert!(stage.asks(None, ALL).await.contains("b@m"));
        });
    }
}

/// The same, where it is stored again before PEP is back.
#[test]
fn what_is_deleted_and_added_again_while_pep_is_out_of_reach_stays() {
    played(async || {
        let mut stage = Stage::new(&["a@m", "b@m"]);
        let both = [room("a@m"), room("b@m")].concat();
        stage.asks(None, ALL).await;
        stage.asks(Some(&room("a@m")), 0).await;
        stage.asks(Some(&both), 0).await;
        assert!(stage.asks(None, ALL).await.contains("b@m"));
        assert_eq!(stage.rooms(), ["a@m", "b@m"]);
    });
}

/// The same, while the host is left alone because it does not answer.
#[test]
fn a_room_that_is_added_again_while_nobody_answers_is_published() {
    played(async || {
        let mut stage = Stage::new(&["a@m"]);
        stage.asks(Some(&room("a@m")), ALL).await;
        stage.node = Some(Vec::new());
        stage.asks(None, ALL).await;
        stage.falls_silent().await;
        stage.asks(Some(&room("a@m")), ALL).await;
        assert_eq!(stage.rooms(), [""; 0]);
        sleep(Duration::from_secs(61)).await;
        stage.asks(None, ALL).await;
        assert_eq!(stage.rooms(), ["a@m"]);
    });
}

/// What both sides had in common was forgotten with any set that the host was not asked about, and
/// rooms that had been deleted elsewhere came back.
#[test]
fn what_was_deleted_elsewhere_stays_so_though_something_is_stored_while_nobody_answers() {
    played(async || {
        let mut stage = Stage::new(&[]);
        stage.asks(Some(&room("a@m")), ALL).await;
        stage.node = Some(Vec::new());
        stage.falls_silent().await;
        let both = [room("a@m"), room("b@m")].concat();
        stage.asks(Some(&both), ALL).await;
        sleep(Duration::from_secs(61)).await;
        stage.asks(None, ALL).await;
        assert_eq!(stage.rooms(), ["b@m"]);
    });
}

impl Stage {
    /// Another client of the user's asks in vain until PEP is left alone.
    async fn falls_silent(&mut self) {
        self.resource = 's';
        for _ in 0..3 {
            self.asks(None, SILENCE).await;
        }
        self.resource = 'r';
    }
}

/// A client stored a list without waiting for what it had asked for; by the time the list had its
/// turn, it was taken to have seen the answer, and a room of another client's was retracted.
#[test]
fn what_a_client_is_shown_after_it_has_stored_its_list_does_not_count() {
    played(async || {
        let mut stage = Stage::new(&["a@m"]);
        stage.sends(None);
        stage.asks(Some(&room("b@m")), ALL).await;
        assert_eq!(stage.rooms(), ["a@m", "b@m"]);
        stage.asks(Some(""), ALL).await;
        assert_eq!(stage.rooms(), ["a@m"], "its own list it knows");
    });
}

/// A set that was answered by the store at once, because too much was held, made what was noted count
/// no more; and the request before it, which waited for just that, was never over. Nothing of its
/// owner's was, from then on.
#[test]
fn a_request_ends_whatever_becomes_of_those_behind_it() {
    played(async || {
        let mut stage = Stage::new(&["a@m"]);
        stage.sends(None);
        let iq = stage.iq().await;
        stage.requests.reconfigure(settings(0));
        stage.sends(Some(&room("b@m")));
        let said = stage.said().await;
        assert_eq!(said.len(), 1, "the set is answered: {said:?}");
        let answer = stage.node_answers(&iq);
        stage.hears(&answer);
        assert!(stage.plays(ALL).await.contains("jid='a@m'"));
    });
}

/// What a user had was removed while PEP was asked, and the answer was taken for that to the next
/// request.
#[test]
fn an_answer_counts_for_the_request_that_has_asked_alone() {
    played(async || {
        let mut stage = Stage::new(&["old@m"]);
        stage.sends(None);
        let iq = stage.iq().await;
        let stale = stage.node_answers(&iq);
        stage.hears(
            "<iq type='set' id='gone' from='h' to='p.h'>\
             <forget xmlns='urn:xmpp-private-storage:0' jid='u@h'/></iq>",
        );
        let said = stage.said().await;
        assert_eq!(said.len(), 2, "both are answered: {said:?}");
        stage.node = Some(vec!["a@m".to_owned()]);
        stage.sends(None);
        let iq = stage.iq().await;
        let answer = stage.node_answers(&iq);
        stage.hears(&stale);
        stage.hears(&answer);
        let seen = stage.plays(ALL).await;
        assert!(seen.contains("a@m") && !seen.contains("old@m"), "{seen}");
    });
}

/// What a user had was removed while a set of theirs waited behind another, and a note about them was written again when
/// its turn came: nothing took that away any more.
#[test]
fn nothing_is_noted_about_who_is_removed_by_a_set_that_has_waited() {
    played(async || {
        let mut stage = Stage::new(&[]);
        stage.asks(Some(&room("a@m")), ALL).await;
        for address in ["b@m", "c@m"] {
            stage.sends(Some(&[room("a@m"), room(address)].concat()));
        }
        stage.iq().await;
        stage.hears(
            "<iq type='set' id='gone' from='h' to='p.h'>\
             <forget xmlns='urn:xmpp-private-storage:0' jid='u@h'/></iq>",
        );
        let said = stage.said().await;
        assert_eq!(said.len(), 3, "all are answered: {said:?}");
        let note = stage.storage.note(&Owner::new("u@h").unwrap()).await;
        assert_eq!(note, Ok(None));
    });
}

/// Anybody's servers can say that they grant something. A thousand of them took all the places there were, and of a host
/// that is served nobody knew any more that it did.
#[test]
fn whatever_strangers_grant_that_of_a_served_host_counts() {
    played(async || {
        let mut stage = Stage::new(&["a@m"]);
        stage.requests.link_ended();
        for stranger in 0..2000 {
            stage.hears(&format!(
                "<message from='h{stranger}' to='p.h'><privilege xmlns='urn:xmpp:privilege:2'>\
                 <perm access='iq'><namespace ns='http://jabber.org/protocol/pubsub' type='both'/>\
                 </perm></privilege></message>"
            ));
        }
        stage.logs_in();
        assert!(stage.asks(None, ALL).await.contains("a@m"));
    });
}

/// How many of these are IQs to PEP, and how many replies.
fn iqs_and_replies(said: &[String]) -> (usize, usize) {
    let iqs = said.iter().filter(|it| it.contains("<privileged_iq"));
    let iqs = iqs.count();
    (iqs, said.len() - iqs)
}

/// A host fell silent while many were asking: those who had waited for their turn asked it all the same,
/// for minutes, and everybody else stood behind them.
#[test]
fn who_waits_does_not_ask_a_host_that_has_fallen_silent() {
    played(async || {
        let stage = Stage::new(&[]);
        stage.many_ask(50);
        let (first, _) = iqs_and_replies(&stage.said().await);
        assert!((1..=8).contains(&first), "{first}");
        sleep(Duration::from_secs(6)).await;
        assert_eq!(iqs_and_replies(&stage.said().await), (0, 50));
        assert_eq!(stage.requests.count(), 0);
    });
}

/// Those who waited for their turn when the link was lost asked on the next, and had no answer.
#[test]
fn who_waits_when_the_link_is_lost_is_answered_at_once_and_asks_nothing_on_the_next() {
    played(async || {
        let stage = Stage::new(&[]);
        stage.many_ask(50);
        stage.said().await;
        stage.requests.link_ended();
        stage.logs_in();
        assert_eq!(iqs_and_replies(&stage.said().await), (0, 50));
        assert_eq!(stage.requests.count(), 0);
    });
}

/// Sets that PEP was not to learn of stayed open until their turn, and what they took kept everything else
/// from being read: the answers of PEP, too, that they waited for.
#[test]
fn a_set_that_does_not_wait_for_pep_is_over_when_it_is_answered() {
    played(async || {
        let mut stage = Stage::new(&["a@m"]);
        stage.sends(None);
        let iq = stage.iq().await;
        stage.requests.reconfigure(settings(0));
        for _ in 0..3 {
            stage.sends(Some(&room("b@m")));
        }
        assert_eq!(iqs_and_replies(&stage.said().await), (0, 3));
        assert_eq!(stage.requests.count(), 1, "the get alone");
        let answer = stage.node_answers(&iq);
        stage.hears(&answer);
        stage.plays(ALL).await;
    });
}

/// One user set list after list without waiting for any, and all were carried out, which took PEP for hours. Five such
/// users took all the room there is to wait in: nobody's bookmarks were kept in step any more.
#[test]
fn one_users_sets_take_the_room_of_no_other_and_are_not_all_carried_out() {
    for rooms in [1, 250] {
        played(async || {
            let mut stage = Stage::new(&[]);
            let list = |name: usize| -> String {
                let room = |n| format!("<conference jid='r{n}@m' name='{name}'/>");
                (0..rooms).map(room).collect()
            };
            stage.sends(Some(&list(0)));
            stage.iq().await;
            for name in 1..200 {
                stage.sends(Some(&list(name)));
            }
            let (iqs, replies) = iqs_and_replies(&stage.said().await);
            assert_eq!(iqs, 0);
            assert_eq!(replies + stage.requests.count(), 200);
            assert!((2..=64).contains(&stage.requests.count()), "{replies}");
            // That of all who wait.
            stage.requests.reconfigure(settings(1 << 21));
            stage.many_ask(1);
            stage.iq().await;
            stage.requests.link_ended();
            stage.said().await;
            assert_eq!(stage.requests.count(), 0);
        });
    }
}

/// A list that is long by itself, of somebody who has nothing else under way, is brought into step all the same.
#[test]
fn one_long_set_is_always_brought_into_step() {
    played(async || {
        let mut stage = Stage::new(&[]);
        stage.hears(&format!(
            "<iq type='set' id='1' from='u@h/r' to='p.h'><query xmlns='jabber:iq:private'>\
             <storage xmlns='storage:bookmarks'>{}</storage>{}</query></iq>",
            room("a@m"),
            " ".repeat(300 * 1024)
        ));
        stage.plays(ALL).await;
        assert_eq!(stage.rooms(), ["a@m"]);
    });
}

/// A node of 64 MiB was taken for one of `max_stanza_bytes`, and of one that came later than anybody waits for it nothing
/// was known: it was fetched every 30 s or more often, and everybody's requests waited behind it on the link.
#[test]
fn a_node_that_is_too_large_or_late_is_seldom_fetched_again() {
    for late in [0, 6] {
        played(async || {
            let mut stage = Stage::new(&[]);
            stage.sends(None);
            let iq = stage.iq().await;
            let id = iq
                .split_once(" id='")
                .and_then(|(_, rest)| rest.split_once('\''));
            let (id, _) = id.unwrap();
            sleep(Duration::from_secs(late)).await;
            stage.hears(&answer(id, "result", &"x".repeat(4 << 20)));
            stage.said().await;
            assert_eq!(stage.requests.count(), 0);
            sleep(Duration::from_secs(400)).await;
            stage.sends(None);
            let said = stage.said().await;
            assert_eq!(iqs_and_replies(&said), (0, 1), "{late}");
            sleep(Duration::from_secs(100)).await;
            stage.sends(None);
            stage.iq().await;
        });
    }
}

/// Answers waited for others to be written, and those were dropped, as no link had come for too long: the
/// answers went on waiting until something else was written.
#[test]
fn answers_that_wait_for_room_are_sent_when_there_is_some_however_it_was_made() {
    played(async || {
        let stage = Stage::new(&[]);
        stage.replies.set_max_unsent(1);
        for user in 0..3 {
            stage.hears(&format!(
                "<iq type='get' id='{user}' from='u{user}@h/r' to='p.h'>\
                 <query xmlns='jabber:iq:private'><a xmlns='urn:x'/></query></iq>"
            ));
        }
        for _ in 0..3 {
            assert_eq!(stage.said().await.len(), 1);
        }
        assert_eq!(stage.requests.count(), 0);
    });
}

/// Requests were read ahead of the end of those that were open: with 1,024 under way, one set in a hundred
/// waited two syncs more than it had to.
#[test]
fn nothing_more_is_read_until_what_was_read_goes_on_by_itself() {
    played(async || {
        let mut stage = Stage::new(&[]);
        assert!(stage.requests.has_room());
        stage.sends(None);
        assert!(!stage.requests.has_room(), "it has just been begun");
        stage.iq().await;
        assert!(stage.requests.has_room(), "it waits for PEP");
    });
}

/// Any server may say what it lets us do, and what it says was made a tree of, whatever its length, by the thread that
/// serves everybody: a few of 512 KiB a second, and nobody else was served.
#[test]
fn what_is_too_long_to_be_a_grant_is_none() {
    let grant = |filling: &str| {
        let message = received(&format!(
            "<message from='example.org' to='private.localhost'><privilege xmlns='{0}'><perm access='iq'>\
             <namespace ns='{1}' type='both'/>{filling}</perm></privilege></message>",
            privilege::NAMESPACE,
            privilege::PUBSUB
        ));
        privilege::advertised(&message).map(|(domain, grant)| (domain, grant.items))
    };
    assert_eq!(grant("<a/>"), Some(("example.org".to_owned(), true)));
    assert_eq!(grant(&"<a/>".repeat(5000)), None);
}
