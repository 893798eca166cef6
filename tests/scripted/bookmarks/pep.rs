//! What the component asks of a granting host (XEP-0356), and that host's part.
//!
//! Forms as recorded from Prosody 0.12 and 13 and ejabberd 26.07.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use minidom::Element;

use super::super::stage::Stage;
use crate::support::router::{PATIENCE, parse};

pub const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
pub const OWNER: &str = "http://jabber.org/protocol/pubsub#owner";
pub const PRIVILEGE: &str = "urn:xmpp:privilege:2";
pub const NODE: &str = "urn:xmpp:bookmarks:1";
pub const ALICE: &str = "alice@localhost";
/// A get's element.
pub const BOOKMARKS: &str = "<storage xmlns='storage:bookmarks'/>";

/// A privileged IQ.
pub struct Asked {
    pub outer: String,
    pub inner: String,
    /// Whose PEP it is about.
    pub owner: String,
    pub payload: Element,
    /// What it asks, in short.
    pub step: Step,
    /// All of it, as it came.
    pub xml: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Fetch,
    Publish(String),
    Retract(String),
    ReadOptions,
    Configure,
}

impl Asked {
    /// The privileged IQ that this is; none if it is something else. Insists on its form.
    #[track_caller]
    pub fn read(xml: &str) -> Option<Asked> {
        let outer = parse(xml);
        let privileged = outer.get_child("privileged_iq", PRIVILEGE)?;
        let attribute = |iq: &Element, name: &str| match iq.attr(name) {
            Some(value) => value.to_owned(),
            None => panic!("no {name} in {xml}"),
        };
        let inner = privileged.get_child("iq", "jabber:client");
        let inner = inner.unwrap_or_else(|| panic!("no inner IQ in {xml}"));
        let owner = attribute(inner, "to");
        assert_eq!(attribute(&outer, "from"), "private.localhost", "{xml}");
        assert_eq!(attribute(&outer, "to"), owner, "{xml}");
        assert!(owner.contains('@') && !owner.contains('/'), "{xml}");
        let kind = attribute(inner, "type");
        assert_eq!(attribute(&outer, "type"), kind, "{xml}");
        let payload = inner.children().next().expect("a payload").clone();
        let step = step(&kind, &payload).unwrap_or_else(|| panic!("what is {xml}?"));
        Some(Asked {
            outer: attribute(&outer, "id"),
            inner: attribute(inner, "id"),
            owner,
            payload,
            step,
            xml: xml.to_owned(),
        })
    }

    /// Its answer, with this payload.
    pub fn result(&self, payload: &str) -> String {
        self.wrapped("result", "result", payload)
    }

    /// Its answer: an error inside, and this type outside, which differs from server to server.
    pub fn error(&self, outer: &str, condition: &str) -> String {
        let error = format!(
            "<error type='cancel'><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
        );
        self.wrapped(outer, "error", &error)
    }

    /// What a node answers whose options are others.
    pub fn wrong_options(&self) -> String {
        let error = "<error type='cancel'>\
             <conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
             <precondition-not-met xmlns='http://jabber.org/protocol/pubsub#errors'/></error>";
        self.wrapped("error", "error", error)
    }

    /// The refusal of the privilege itself.
    pub fn refused(&self, condition: &str) -> String {
        self.outer(
            "error",
            &format!(
                "<error type='auth'>\
                 <{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
            ),
        )
    }

    /// Its answer to a fetch: these items, each whole.
    pub fn items(&self, items: &str) -> String {
        self.result(&format!(
            "<pubsub xmlns='{PUBSUB}'><items node='{NODE}'>{items}</items></pubsub>"
        ))
    }

    /// An answer with this payload, whatever it is.
    pub fn outer(&self, kind: &str, payload: &str) -> String {
        let Asked { outer, owner, .. } = self;
        format!(
            "<iq type='{kind}' id='{outer}' from='{owner}' to='private.localhost'>{payload}</iq>"
        )
    }

    /// Where Prosody says `result` outside, it leaves the inner `from` out; ejabberd has both.
    fn wrapped(&self, outer: &str, inner: &str, payload: &str) -> String {
        let (id, owner) = (&self.inner, &self.owner);
        let from = match outer {
            "result" => String::new(),
            _ => format!(" from='{owner}'"),
        };
        self.outer(
            outer,
            &format!(
                "<privilege xmlns='{PRIVILEGE}'><forwarded xmlns='urn:xmpp:forward:0'>\
                 <iq xmlns='jabber:client' type='{inner}' id='{id}'{from} to='{owner}'>\
                 {payload}</iq></forwarded></privilege>"
            ),
        )
    }
}

fn step(kind: &str, payload: &Element) -> Option<Step> {
    let what = payload.children().next()?;
    if what.attr("node") != Some(NODE) {
        return None;
    }
    let ids: Vec<&str> = what.children().filter_map(|item| item.attr("id")).collect();
    let step = match (kind, payload.ns().as_str(), what.name(), &*ids) {
        ("get", PUBSUB, "items", []) => Step::Fetch,
        ("set", PUBSUB, "publish", [id]) => Step::Publish((*id).to_owned()),
        ("set", PUBSUB, "retract", [id]) => Step::Retract((*id).to_owned()),
        ("get", OWNER, "configure", []) => Step::ReadOptions,
        ("set", OWNER, "configure", []) => Step::Configure,
        _ => return None,
    };
    Some(step)
}

/// The message by which a host says what it grants.
pub fn advertisement(from: &str, permissions: &str) -> String {
    format!(
        "<message from='{from}' to='private.localhost'>\
         <privilege xmlns='{PRIVILEGE}'>{permissions}</privilege></message>"
    )
}

/// These namespaces, each with a type.
pub fn permission(namespaces: &[(&str, &str)]) -> String {
    let mut xml = "<perm access='iq'>".to_owned();
    for (namespace, kind) in namespaces {
        let _ = write!(xml, "<namespace ns='{namespace}' type='{kind}'/>");
    }
    xml + "</perm>"
}

/// All that we can use.
pub fn grant(from: &str) -> String {
    advertisement(from, &permission(&[(PUBSUB, "both"), (OWNER, "both")]))
}

/// A room as old clients keep it.
pub fn conference(jid: &str, name: &str) -> String {
    format!("<conference jid='{jid}' name='{name}' autojoin='true'><nick>al</nick></conference>")
}

/// Rooms as old clients keep them.
pub fn storage(content: &str) -> String {
    format!("<storage xmlns='storage:bookmarks'>{content}</storage>")
}

/// The same room as an item of the node.
pub fn item(jid: &str, name: &str) -> String {
    format!(
        "<item id='{jid}'><conference xmlns='{NODE}' name='{name}' autojoin='true'>\
         <nick>al</nick></conference></item>"
    )
}

/// The rooms in an answer, by address and name.
#[track_caller]
pub fn rooms(answer: &str) -> Vec<(String, String)> {
    let answer = parse(answer);
    assert_eq!(answer.attr("type"), Some("result"), "{answer:?}");
    let query = answer.get_child("query", "jabber:iq:private");
    let storage = query.and_then(|query| query.get_child("storage", "storage:bookmarks"));
    let rooms = storage.expect("bookmarks").children();
    let attribute = |room: &Element, name| room.attr(name).unwrap_or_default().to_owned();
    rooms
        .filter(|child| child.name() == "conference")
        .map(|room| (attribute(room, "jid"), attribute(room, "name")))
        .collect()
}

/// The same of a test's own.
pub fn named(rooms: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |&(jid, name): &(&str, &str)| (jid.to_owned(), name.to_owned());
    rooms.iter().map(owned).collect()
}

/// A component, and the router as a host that grants and keeps its users' nodes.
pub struct Host {
    stage: Stage,
    /// By user: items by id, each whole.
    pub nodes: BTreeMap<String, Vec<(String, String)>>,
    /// All that was asked and answered.
    pub asked: Vec<Asked>,
    /// Whether answers may come again, because the link was lost that took them.
    again: bool,
}

impl Host {
    /// One that grants all.
    pub fn new() -> Host {
        Host::on(Stage::new())
    }

    /// The same, on a stage of the test's own.
    pub fn on(mut stage: Stage) -> Host {
        stage.send(grant("localhost"));
        Host {
            stage,
            nodes: BTreeMap::new(),
            asked: Vec::new(),
            again: false,
        }
    }

    /// The link is lost, and the next one granted anew.
    #[track_caller]
    pub fn lose_link_for_a_while(&mut self) {
        self.stage.lose_link();
        self.stage.let_in_again();
        self.again = true;
        self.stage.send(grant("localhost"));
    }

    /// A room comes into Alice's node by another client.
    pub fn keep(&mut self, jid: &str, xml: String) {
        put(self.nodes.entry(ALICE.to_owned()).or_default(), jid, xml);
    }

    /// The ids in Alice's node.
    pub fn kept(&self) -> Vec<&str> {
        let items = self.nodes.get(ALICE).into_iter().flatten();
        items.map(|(id, _)| &**id).collect()
    }

    /// Sends this, and plays the host until its answer comes.
    #[track_caller]
    pub fn request(&mut self, id: &str, iq: String) -> String {
        self.stage.send(iq);
        loop {
            let xml = self.stage.next();
            match Asked::read(&xml) {
                Some(asked) => self.answer(asked),
                None if parse(&xml).attr("id") == Some(id) => return xml,
                None => assert!(self.again, "{xml}"),
            }
        }
    }

    /// Alice sets her bookmarks, which succeeds; what was asked for it.
    #[track_caller]
    pub fn set(&mut self, content: &str) -> Vec<Step> {
        let before = self.asked.len();
        let set = super::super::stage::set("set", &storage(content));
        let answer = self.request("set", set);
        assert_eq!(parse(&answer).attr("type"), Some("result"), "{answer}");
        self.steps_since(before)
    }

    /// Alice gets her bookmarks: the answer.
    #[track_caller]
    pub fn get(&mut self) -> String {
        self.request("get", super::super::stage::get("get", BOOKMARKS))
    }

    /// Plays the host until nothing more is asked for.
    #[track_caller]
    pub fn settle(&mut self) {
        loop {
            self.stage.send(
                "<iq type='get' id='settled?' from='localhost' to='private.localhost'>\
                 <ping xmlns='urn:xmpp:ping'/></iq>",
            );
            // What an answer gives rise to comes before what was sent behind it is answered.
            let mut asked = 0;
            loop {
                let xml = self.stage.next();
                let Some(step) = Asked::read(&xml) else {
                    assert_eq!(parse(&xml).attr("id"), Some("settled?"), "{xml}");
                    break;
                };
                self.answer(step);
                asked += 1;
            }
            if asked == 0 {
                return;
            }
        }
    }

    /// What was asked after the first so many.
    pub fn steps_since(&self, first: usize) -> Vec<Step> {
        let asked = self.asked[first..].iter();
        asked.map(|asked| asked.step.clone()).collect()
    }

    /// Answers as a PEP service does.
    pub fn answer(&mut self, asked: Asked) {
        let node = self.nodes.get_mut(&asked.owner);
        let answer = match (&asked.step, node) {
            (Step::Fetch | Step::Retract(_), None) => asked.error("result", "item-not-found"),
            (Step::Fetch, Some(node)) => {
                let items: Vec<&str> = node.iter().map(|(_, xml)| &**xml).collect();
                asked.items(&items.concat())
            }
            (Step::Publish(id), node) => {
                let publish = asked.payload.children().next();
                let item = publish.and_then(|publish| publish.children().next());
                let item = crate::support::answers::text(item.expect("an item"));
                match node {
                    Some(node) => put(node, id, item),
                    None => {
                        let node = vec![(id.clone(), item)];
                        self.nodes.insert(asked.owner.clone(), node);
                    }
                }
                asked.result(&format!(
                    "<pubsub xmlns='{PUBSUB}'><publish node='{NODE}'><item id='{id}'/></publish>\
                     </pubsub>"
                ))
            }
            (Step::Retract(id), Some(node)) => {
                let before = node.len();
                node.retain(|(known, _)| known != id);
                match node.len() < before {
                    true => asked.result(""),
                    false => asked.error("result", "item-not-found"),
                }
            }
            (Step::ReadOptions | Step::Configure, _) => asked.result(""),
        };
        self.stage.send(answer);
        self.asked.push(asked);
    }
}

fn put(node: &mut Vec<(String, String)>, id: &str, xml: String) {
    node.retain(|(known, _)| known != id);
    node.push((id.to_owned(), xml));
}

impl Deref for Host {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.stage
    }
}

impl DerefMut for Host {
    fn deref_mut(&mut self) -> &mut Stage {
        &mut self.stage
    }
}

/// The next thing that comes, which must be a privileged IQ.
#[track_caller]
pub fn asked(stage: &mut Stage) -> Asked {
    let xml = stage.next();
    Asked::read(&xml).unwrap_or_else(|| panic!("expected a privileged IQ, not {xml}"))
}

/// Insists that the next thing that comes answers this request, and returns it.
#[track_caller]
pub fn answered(stage: &mut Stage, id: &str) -> String {
    answered_within(stage, id, PATIENCE)
}

/// Insists that this is answered, past what the last link may have lost, and that nobody is asked
/// anything; returns the answer.
#[track_caller]
pub fn answered_again(stage: &mut Stage, id: &str) -> String {
    loop {
        let xml = stage.next();
        assert!(Asked::read(&xml).is_none(), "asked before {id}: {xml}");
        if parse(&xml).attr("id") == Some(id) {
            return xml;
        }
    }
}

/// Insists that the next thing that comes, in this time, answers this request.
#[track_caller]
pub fn answered_within(stage: &mut Stage, id: &str, patience: Duration) -> String {
    let xml = stage.next_within(patience);
    let xml = xml.unwrap_or_else(|| panic!("no answer to {id} in {patience:?}"));
    assert!(Asked::read(&xml).is_none(), "asked before {id}: {xml}");
    assert_eq!(parse(&xml).attr("id"), Some(id), "{xml}");
    xml
}
