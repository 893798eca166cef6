//! What has to be answered, by the letter of docs/internals/contract.md, and what is then stored.

use std::collections::{BTreeMap, BTreeSet};

use super::infoset::Token;
use super::request::{Child, Domain, Iq, Payload, Who, is_us};

/// What the answer to an IQ has to be.
#[derive(Debug, PartialEq, Eq)]
pub enum Expected {
    /// There is none.
    Nothing,
    /// There is one; what it says is not predicted.
    Something,
    /// An error with this condition.
    Error(&'static str),
    /// This is stored.
    Stored,
    /// These elements.
    Elements(Vec<Token>),
    /// The same, wrapped for the host that delegated.
    Wrapped(Box<Expected>),
}

use Expected::{Error, Nothing, Something};

type Name = (&'static str, &'static str);

/// Everything that is stored: by owner, then (namespace, name).
#[derive(Debug, Default, Clone)]
pub struct Model(BTreeMap<&'static str, BTreeMap<Name, Vec<Token>>>);

impl Model {
    /// What is to be answered. The request takes effect.
    pub fn answer(&mut self, iq: &Iq) -> Expected {
        if matches!(iq.kind.as_deref(), Some("result" | "error")) {
            return Nothing;
        }
        let Some(from) = iq.from.as_ref().filter(|from| !from.text.is_empty()) else {
            return Nothing;
        };
        let is_set = match iq.kind.as_deref() {
            Some("set") => true,
            Some("get") => false,
            _ => return Error("bad-request"),
        };
        if let ([Payload::Delegation(1 | 2, inner)], Some(_)) = (&*iq.elements(), &iq.id) {
            return match (from.who, is_set) {
                _ if from.text.contains(['@', '/']) => Error("forbidden"),
                (_, false) => Error("bad-request"),
                (host, true) => self.delegated(host, inner, iq.has_fault()),
            };
        }
        if iq.has_fault() || iq.id.is_none() || iq.payloads.len() != 1 {
            return Error("bad-request");
        }
        let [Payload::Query(children)] = iq.payloads.as_slice() else {
            return Something;
        };
        let to_self = |owner: &Who| match &iq.to {
            None => true,
            Some(to) => is_us(&to.text) || to.who == *owner,
        };
        match from.who {
            Who::Malformed => Error("jid-malformed"),
            Who::Stranger | Who::ForeignHost => Error("service-unavailable"),
            Who::Host(_) => Error("forbidden"),
            Who::Unknown => Something,
            Who::User(..) if !to_self(&from.who) => Error("forbidden"),
            Who::User(owner, _) => self.private(owner, is_set, children),
        }
    }

    /// A fault anywhere in the stanza is one of the request in it.
    fn delegated(&mut self, host: Who, inner: &[Iq], has_fault: bool) -> Expected {
        let [iq] = inner else {
            return Error("bad-request");
        };
        let from = iq.from.as_ref().filter(|from| !from.text.is_empty());
        let (Some(from), Some(_), Some("get" | "set")) = (from, &iq.id, iq.kind.as_deref()) else {
            return Error("bad-request");
        };
        let inside = if has_fault {
            Error("bad-request")
        } else {
            self.inside(host, iq, from.who)
        };
        Expected::Wrapped(Box::new(inside))
    }

    fn inside(&mut self, host: Who, iq: &Iq, sender: Who) -> Expected {
        if iq.payloads.len() != 1 {
            return Error("bad-request");
        }
        let [Payload::Query(children)] = iq.payloads.as_slice() else {
            return Error("service-unavailable");
        };
        let served: Domain = match (sender, host) {
            (Who::Malformed, _) => return Error("jid-malformed"),
            (_, Who::Host(domain)) => domain,
            // It may be no address.
            (Who::Unknown, _) => return Something,
            _ => return Error("service-unavailable"),
        };
        match sender {
            Who::Unknown => Something,
            Who::User(owner, domain)
                if domain == served && iq.to.as_ref().is_none_or(|to| to.who == sender) =>
            {
                self.private(owner, iq.kind.as_deref() == Some("set"), children)
            }
            _ => Error("forbidden"),
        }
    }

    fn private(&mut self, owner: &'static str, is_set: bool, children: &[Child]) -> Expected {
        let Some(first) = children.first() else {
            return Error(if is_set {
                "not-acceptable"
            } else {
                "bad-format"
            });
        };
        let refused = |child: &Child| {
            let namespace = child.namespace;
            namespace.is_empty()
                || namespace.starts_with("jabber:")
                || namespace.starts_with("http://jabber.org/")
                || namespace == "vcard-temp"
        };
        let elsewhere = |child: &Child| !is_set && child.namespace != first.namespace;
        if children
            .iter()
            .any(|child| refused(child) || elsewhere(child))
        {
            return Error("not-acceptable");
        }
        let stored = self.0.entry(owner).or_default();
        if is_set {
            set(stored, children);
            Expected::Stored
        } else {
            Expected::Elements(get(stored, children))
        }
    }
}

fn set(stored: &mut BTreeMap<Name, Vec<Token>>, children: &[Child]) {
    let names: BTreeSet<Name> = children.iter().map(|c| (c.namespace, c.name)).collect();
    for name in names {
        let named = || children.iter().filter(|c| (c.namespace, c.name) == name);
        if named().count() == 1 && named().all(Child::is_bare) {
            stored.remove(&name);
        } else {
            stored.insert(name, named().flat_map(Child::tokens).collect());
        }
    }
}

fn get(stored: &BTreeMap<Name, Vec<Token>>, children: &[Child]) -> Vec<Token> {
    let mut found = Vec::new();
    let mut names: Vec<Name> = Vec::new();
    for child in children {
        let name = (child.namespace, child.name);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    for name in &names {
        match stored.get(name) {
            Some(elements) => found.extend_from_slice(elements),
            None if names.len() == 1 => {
                let in_namespace = stored.iter().filter(|((ns, _), _)| *ns == name.0);
                found.extend(in_namespace.flat_map(|(_, elements)| elements.clone()));
            }
            None => {}
        }
        if !stored.contains_key(name) && (names.len() > 1 || found.is_empty()) {
            found.extend([Token::start(name.0, name.1), Token::End]);
        }
    }
    found
}
