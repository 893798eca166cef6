//! Private XML storage (XEP-0049): what a query asks for.
//!
//! A stored element belongs to (owner, namespace, element name). `docs/internals/contract.md` has the
//! whole table; each row has a scenario in the tests.

use std::collections::{HashMap, HashSet};

use super::error::{Condition, Limit, StanzaError, fault_error};
use super::get::{Get, MAX_NAME_BYTES};
use super::request::Action;
use super::settings::Reserved;
use crate::limits::Limits;
use crate::stanza::{Element, Fault, Received, ns};
use crate::store::{Change, ChangeSet, Owner, Value};

/// Reads a query. The first of the rules that it breaks decides: its shape, then the limits.
pub fn read(
    owner: &Owner,
    is_set: bool,
    query: &Element,
    received: &Received,
    reserved: Reserved,
    limits: &Limits,
) -> Result<Action, StanzaError> {
    check_shape(is_set, query, received, reserved)?;
    if let Some(fault) = received.fault {
        let mut error = fault_error(fault, limits);
        if !is_set && fault != Fault::Broken {
            // Nothing that is asked for can become less by waiting.
            error.condition = Condition::NotAcceptable;
        }
        return Err(error);
    }
    if is_set {
        let changes = changes(query, received)?;
        Ok(Action::Set(ChangeSet {
            owner: owner.clone(),
            quota: limits.quota(),
            changes,
        }))
    } else {
        let names = names(&query.children);
        let namespace = query
            .children
            .first()
            .map(|child| child.namespace.to_string());
        let namespace = namespace.unwrap_or_default();
        let limit = limits.max_namespace_bytes;
        Ok(Action::Get(Get::new(
            owner.clone(),
            namespace,
            names,
            limit,
        )))
    }
}

/// The names of these elements, none twice.
fn names(elements: &[Element]) -> Vec<String> {
    if let [only] = elements {
        // Nearly always: nothing needs to be hashed for that.
        return vec![only.name.to_string()];
    }
    let mut seen = HashSet::new();
    let names = elements.iter().map(|it| it.name.as_str());
    let names = names.filter(|name| seen.insert(*name));
    names.map(str::to_owned).collect()
}

fn check_shape(
    is_set: bool,
    query: &Element,
    received: &Received,
    reserved: Reserved,
) -> Result<(), StanzaError> {
    let not_acceptable = |text: String| Err(StanzaError::new(Condition::NotAcceptable, text));
    let Some(first) = query.children.first() else {
        if received.fault.is_some() {
            return Ok(()); // it had a child, which was too large to be read
        }
        if is_set {
            return not_acceptable("The query holds no element to store.".into());
        }
        return Err(StanzaError::new(
            Condition::BadFormat,
            "The query must name one element to fetch, in its own namespace.",
        ));
    };
    for child in &query.children {
        if child.namespace.is_empty() || *child.namespace == *ns::PRIVATE {
            return not_acceptable(format!(
                "The element <{}/> must be in a namespace of its own, not in that of the query.",
                abridged(child.name.as_str())
            ));
        }
        if !is_set && child.namespace != first.namespace {
            return not_acceptable("One query can fetch from one namespace only.".into());
        }
        if reserved == Reserved::Refuse && is_reserved(&child.namespace) {
            return not_acceptable(format!(
                "The namespace {:?} is reserved: access.reserved_namespaces is \"refuse\".",
                abridged(&child.namespace)
            ));
        }
    }
    Ok(())
}

/// Whether XEP-0049 section 2.3 reserves a namespace.
pub fn is_reserved(namespace: &str) -> bool {
    namespace.starts_with("jabber:")
        || namespace.starts_with("http://jabber.org/")
        || namespace == "vcard-temp"
}

/// Whatever a request brings, what we say of it stays short.
fn abridged(text: &str) -> String {
    text.chars().take(100).collect()
}

/// What a set changes: for each (namespace, name) in it, the sequence that replaces the stored
/// one, or nothing for a lone empty element.
fn changes(query: &Element, received: &Received) -> Result<Vec<Change>, StanzaError> {
    let mut changes: Vec<Change> = Vec::new();
    let mut places = HashMap::new();
    for child in &query.children {
        let (namespace, name) = (&*child.namespace, child.name.as_str());
        if namespace.len() > MAX_NAME_BYTES || name.len() > MAX_NAME_BYTES {
            return Err(StanzaError::new(
                Condition::NotAcceptable,
                format!(
                    "A namespace or an element's name is longer than {MAX_NAME_BYTES} bytes, which \
                     is a fixed limit."
                ),
            )
            .over(Limit::NameBytes));
        }
        let (place, first) = *places
            .entry((namespace, name))
            .or_insert((changes.len(), child));
        if let Some(change) = changes.get_mut(place) {
            // Not alone of its name any more: an empty element is a value after all.
            let value = change.value.get_or_insert_with(|| Value {
                text: received.xml(first).to_owned(),
                elements: 1,
            });
            value.text.push_str(received.xml(child));
            value.elements += 1;
        } else {
            let value = (!child.bare).then(|| Value {
                text: received.xml(child).to_owned(),
                elements: 1,
            });
            changes.push(Change {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                value,
            });
        }
    }
    Ok(changes)
}
