//! Privileged entities (XEP-0356): what a host lets us do in the name of its users, and the IQs by
//! which we do it.
//!
//! An IQ of ours goes to a user's bare address and holds the one that the host is to handle as if
//! the user had sent it. The answer to that one comes inside the answer to ours, whose own type
//! says nothing: some servers answer `result` around an error, others `error`. An error that is
//! not wrapped is the host's own: it does not let us.

use minidom::Element as Tree;

use super::delegation::advertising_domain;
use crate::stanza::{Element, Received, Refusal, Reply, ns, write_attribute};

/// The one version that has IQs.
pub const NAMESPACE: &str = "urn:xmpp:privilege:2";

/// PEP itself (XEP-0060).
pub const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
pub const PUBSUB_OWNER: &str = "http://jabber.org/protocol/pubsub#owner";

/// The longest that is read of what a host lets us do: anybody's server may say something of that.
const MAX_GRANT_BYTES: usize = 16 * 1024;

/// What a host lets us do with its users' PEP nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Grant {
    /// To read and write items.
    pub items: bool,
    /// To read and write the configuration of nodes.
    pub owner: bool,
}

/// What this message says of our privileges, and the domain, normalised, that says so in its own
/// name; `None` if it is no such message.
pub fn advertised(received: &Received) -> Option<(String, Grant)> {
    let message = &received.stanza;
    let mut children = message.children.iter();
    let privilege = children.find(|child| child.is(NAMESPACE, "privilege"))?;
    if message.attribute("type") == Some("error") || received.fault.is_some() {
        return None;
    }
    let domain = advertising_domain(received)?;
    let privilege = received.xml(privilege);
    if privilege.len() > MAX_GRANT_BYTES {
        return None;
    }
    let privilege: Tree = privilege.parse().ok()?;
    let iqs = privilege
        .children()
        .filter(|perm| perm.is("perm", NAMESPACE) && perm.attr("access") == Some("iq"));
    let mut grant = Grant::default();
    for perm in iqs {
        add(perm, &mut grant);
    }
    Some((domain, grant))
}

/// Takes the namespaces in, at whatever depth: Prosody's module nests the second in the first.
fn add(element: &Tree, grant: &mut Grant) {
    for child in element.children().filter(|it| it.ns() == NAMESPACE) {
        let granted = match child.attr("ns") {
            Some(PUBSUB) => Some(&mut grant.items),
            Some(PUBSUB_OWNER) => Some(&mut grant.owner),
            _ => None,
        };
        if let Some(granted) = granted {
            *granted |= child.attr("type") == Some("both");
        }
        add(child, grant);
    }
}

/// An IQ with this payload in the name of the user with this bare address. Its id, inside and
/// outside, must be unlike all others: Prosody tells the inner ones of all users apart by it.
pub fn request(id: &str, from: &str, user: &str, is_set: bool, payload: &str) -> Reply {
    let kind = if is_set { "set" } else { "get" };
    let mut iq = String::with_capacity(payload.len() + 512);
    iq.push_str("<iq");
    write_attribute("type", kind, &mut iq);
    write_attribute("id", id, &mut iq);
    write_attribute("from", from, &mut iq);
    write_attribute("to", user, &mut iq);
    iq.push_str("><privileged_iq");
    write_attribute("xmlns", NAMESPACE, &mut iq);
    iq.push_str("><iq");
    write_attribute("xmlns", ns::CLIENT, &mut iq);
    write_attribute("type", kind, &mut iq);
    write_attribute("id", id, &mut iq);
    write_attribute("to", user, &mut iq);
    iq.push('>');
    iq.push_str(payload);
    iq.push_str("</iq></privileged_iq></iq>");
    iq
}

/// What came of a privileged IQ.
#[derive(Debug)]
pub enum Outcome<'r> {
    /// It was carried out; with the payload of the answer, if it has one.
    Done(Option<&'r Element>),
    /// Whoever handles such IQs of the user's refused it.
    Refused(Refusal),
    /// The host does not let us, or has no such user.
    Denied(Refusal),
    /// The answer cannot be read.
    Unreadable,
}

/// What this answer to a privileged IQ says.
pub fn outcome(received: &Received) -> Outcome<'_> {
    let outer = &received.stanza;
    if received.fault.is_some() {
        return Outcome::Unreadable;
    }
    let inner = outer
        .children
        .first()
        .filter(|it| it.is(NAMESPACE, "privilege"))
        .and_then(|privilege| privilege.children.first())
        .filter(|it| it.is(ns::FORWARD, "forwarded"))
        .and_then(|forwarded| forwarded.children.first())
        .filter(|it| it.is(ns::ACCEPT, "iq"));
    match (inner, outer.attribute("type")) {
        (Some(iq), _) => match iq.attribute("type") {
            Some("result") => Outcome::Done(iq.children.first()),
            Some("error") => Outcome::Refused(Refusal::read(received, iq)),
            _ => Outcome::Unreadable,
        },
        (None, Some("error")) => Outcome::Denied(Refusal::read(received, outer)),
        (None, _) => Outcome::Unreadable,
    }
}
