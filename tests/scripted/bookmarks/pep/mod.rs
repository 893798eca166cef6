//! What the component asks of a granting host (XEP-0356), and that host's part.
//!
//! Forms as recorded from Prosody 0.12 and 13 and ejabberd 26.07.

mod host;

use std::fmt::Write;
use std::time::Duration;

use minidom::Element;

use crate::scripted::stage::Stage;
use crate::support::router::{PATIENCE, parse};
pub use host::Host;

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
    /// One item is read again, directly before it is changed.
    Reread(String),
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
        ("get", PUBSUB, "items", [id]) => Step::Reread((*id).to_owned()),
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

/// The next thing that comes, which must be the publication of a room that the node has not.
#[track_caller]
pub fn asked_to_add(stage: &mut Stage) -> Asked {
    let reread = asked(stage);
    assert!(matches!(reread.step, Step::Reread(_)), "{}", reread.xml);
    stage.send(reread.error("error", "item-not-found"));
    let publish = asked(stage);
    assert!(matches!(publish.step, Step::Publish(_)), "{}", publish.xml);
    publish
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
