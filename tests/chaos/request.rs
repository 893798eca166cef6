//! Requests as XML, and what their answers say.

use minidom::Element;

use super::model::{Change, Fetch, Fetched, Key, Mark};
use crate::support::answers::text;
use crate::support::server::{COMPONENT, HOST};

const ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";

/// How a request reaches the component: directly, or delegated in this version.
pub type Way = Option<&'static str>;

/// All the ways.
pub const WAYS: [Way; 3] = [
    None,
    Some("urn:xmpp:delegation:1"),
    Some("urn:xmpp:delegation:2"),
];

/// Who asks, and how.
#[derive(Debug, Clone)]
pub struct Envelope {
    pub id: String,
    /// A bare JID.
    pub user: String,
    pub resource: &'static str,
    /// Whose data he asks for, if it is not his own.
    pub to: Option<&'static str>,
    pub way: Way,
}

/// What an answer says.
#[derive(Debug)]
pub enum Outcome {
    /// A result without a payload.
    Done,
    /// A result with the children of its query.
    Fetched(Vec<Element>),
    /// An error, with its condition.
    Refused(String),
}

impl Envelope {
    /// The request, whole.
    pub fn wrap(&self, kind: &str, elements: &str) -> String {
        let Envelope {
            id,
            user,
            resource,
            to,
            way,
        } = self;
        let query = format!("<query xmlns='jabber:iq:private'>{elements}</query>");
        match way {
            None => {
                let to = to.unwrap_or(COMPONENT);
                format!(
                    "<iq type='{kind}' id='{id}' from='{user}/{resource}' to='{to}'>{query}</iq>"
                )
            }
            Some(version) => {
                let to = to.map_or(String::new(), |to| format!(" to='{to}'"));
                format!(
                    "<iq type='set' id='{id}' from='{HOST}' to='{COMPONENT}'>\
                     <delegation xmlns='{version}'><forwarded xmlns='urn:xmpp:forward:0'>\
                     <iq xmlns='jabber:client' type='{kind}' id='in-{id}' from='{user}/{resource}'{to}>\
                     {query}</iq></forwarded></delegation></iq>"
                )
            }
        }
    }

    /// Takes an answer to this request apart; complains of any header that is not as it must be.
    pub fn open(&self, answer: &Element) -> Result<Outcome, String> {
        let Envelope {
            id,
            user,
            resource,
            to,
            way,
        } = self;
        let full = format!("{user}/{resource}");
        expect(answer, &[("id", id), ("from", COMPONENT)])?;
        let Some(version) = way else {
            expect(answer, &[("to", &full)])?;
            return outcome(answer);
        };
        expect(answer, &[("to", HOST), ("type", "result")])?;
        let inner = answer
            .get_child("delegation", *version)
            .and_then(|delegation| delegation.get_child("forwarded", "urn:xmpp:forward:0"))
            .and_then(|forwarded| forwarded.get_child("iq", "jabber:client"))
            .ok_or_else(|| format!("no inner answer in {}", text(answer)))?;
        let id = format!("in-{id}");
        expect(
            inner,
            &[("id", &id), ("to", &full), ("from", to.unwrap_or(user))],
        )?;
        outcome(inner)
    }
}

fn expect(iq: &Element, attributes: &[(&str, &str)]) -> Result<(), String> {
    for (name, value) in attributes {
        if iq.attr(*name) != Some(*value) {
            return Err(format!("{name} is not {value:?} in {}", text(iq)));
        }
    }
    Ok(())
}

fn outcome(iq: &Element) -> Result<Outcome, String> {
    if iq.attr("type") == Some("result") {
        let query = iq.get_child("query", "jabber:iq:private");
        return Ok(match query {
            None => Outcome::Done,
            Some(query) => Outcome::Fetched(query.children().cloned().collect()),
        });
    }
    iq.children()
        .filter(|child| child.name() == "error")
        .flat_map(Element::children)
        .find(|child| child.ns() == ERRORS && child.name() != "text")
        .map(|condition| Outcome::Refused(condition.name().to_owned()))
        .ok_or_else(|| format!("neither result nor error: {}", text(iq)))
}

/// What stands in the query of a set.
pub fn elements(set: &[Change]) -> String {
    let mut xml = String::new();
    for Change { key, value } in set {
        if value.is_empty() {
            xml.push_str(&empty(*key));
        }
        for mark in value {
            let (namespace, name) = key;
            let content = content(mark);
            xml.push_str(&format!(
                "<n{name} xmlns='urn:chaos:{namespace}' mark='{mark}'>{content}</n{name}>"
            ));
        }
    }
    xml
}

/// What stands in the query of a get.
pub fn asked(fetch: &Fetch) -> String {
    let names = fetch.names.iter();
    names.map(|name| empty((fetch.namespace, *name))).collect()
}

fn empty((namespace, name): Key) -> String {
    format!("<n{name} xmlns='urn:chaos:{namespace}'/>")
}

/// What a get brought; complains of anything that nobody has ever stored.
pub fn fetched(fetch: &Fetch, children: &[Element]) -> Result<Fetched, String> {
    let read = |child: &Element| {
        let name = child.name().strip_prefix('n')?.parse().ok()?;
        let mark = child.attr("mark").map(str::to_owned);
        let right = child.ns() == format!("urn:chaos:{}", fetch.namespace)
            && child.text() == mark.as_deref().map_or(String::new(), content)
            && child.children().next().is_none();
        right.then_some((name, mark))
    };
    let read = |child| read(child).ok_or_else(|| format!("nobody stored {}", text(child)));
    children.iter().map(read).collect()
}

/// The mark of an element whose content has so many bytes.
pub fn mark(unique: &str, bytes: u64) -> Mark {
    format!("{unique}-{bytes}")
}

fn content(mark: &str) -> String {
    let bytes = mark.rsplit('-').next().and_then(|size| size.parse().ok());
    let bytes: usize = bytes.unwrap_or(0);
    let mut content = mark.repeat(bytes.div_ceil(mark.len().max(1)));
    content.truncate(bytes);
    content
}
