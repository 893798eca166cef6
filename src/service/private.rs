//! Private XML storage (XEP-0049): what a query asks for, and its answer.
//!
//! A stored element belongs to (owner, namespace, element name). `docs/SEMANTICS.md` has the
//! whole table; each row has a scenario in the tests.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::Limits;
use crate::stanza::{
    Condition, Element, Fault, Limit, Received, StanzaError, escape_attribute, ns,
};
use crate::store::{self, Change, ChangeSet, Elements, Owner, SetError, Storage, Value};
use crate::xml::normal::{self, Node};

/// Around what an answer holds.
const OPEN: &str = "<query xmlns='jabber:iq:private'>";
const CLOSE: &str = "</query>";

/// Where old clients keep their room bookmarks (XEP-0048): this namespace, under this name.
pub const BOOKMARKS: (&str, &str) = ("storage:bookmarks", "storage");

/// The longest namespace and the longest element name that are stored, in bytes.
pub const MAX_NAME_BYTES: usize = 1024;

/// Whether stored elements may be in the namespaces that XEP-0049 section 2.3 reserves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserved {
    /// As the specification has it: refused.
    Refuse,
    /// Treated like any other.
    Accept,
}

/// What a valid query asks for.
#[derive(Debug)]
pub enum Action {
    /// To fetch.
    Get(Get),
    /// To store or delete, all of it or nothing.
    Set(ChangeSet),
}

/// An answer with room bookmarks in it, which may yet be shown otherwise than they are stored.
#[derive(Debug)]
pub struct Bookmarks {
    /// The answer's payload.
    text: String,
    /// Where they stand in it, or what stands for them, or where they would.
    place: Range<usize>,
    /// Whether they are stored.
    is_stored: bool,
    /// What is shown of them where PEP is not asked, or does not answer, if that is not all.
    left: Option<String>,
}

impl Bookmarks {
    /// Of what is stored only this is to be shown where PEP is not asked, or does not answer.
    pub fn leave(&mut self, left: String) {
        self.left = Some(left);
    }

    /// What is shown where PEP is not asked, or does not answer; empty if nothing is stored.
    pub fn shown(&self) -> &str {
        self.left.as_deref().unwrap_or(self.stored())
    }

    /// As they are stored; empty if they are not.
    pub fn stored(&self) -> &str {
        let place = self.place.clone();
        self.text
            .get(place)
            .filter(|_| self.is_stored)
            .unwrap_or_default()
    }

    /// How many bytes it has.
    pub fn bytes(&self) -> usize {
        self.text.len()
    }

    /// How many bytes stand beside them.
    pub(super) fn beside(&self) -> usize {
        self.text.len() - self.place.len()
    }

    /// Appends the payload, with this in their place, or else what there is of them.
    pub(super) fn write(&self, instead: Option<&str>, out: &mut String) {
        let part = |range: Range<usize>| self.text.get(range).unwrap_or_default();
        out.push_str(part(0..self.place.start));
        let instead = instead.or(self.left.as_deref());
        out.push_str(instead.unwrap_or_else(|| part(self.place.clone())));
        out.push_str(part(self.place.end..self.text.len()));
    }
}

/// What to fetch.
#[derive(Debug)]
pub struct Get {
    owner: Owner,
    namespace: String,
    /// In the order asked, none twice.
    names: Vec<String>,
    /// The longest answer, in bytes, that the router lets through.
    limit: u64,
}

impl Get {
    /// Whether room bookmarks are among what is fetched. A get of a single other name may come to all
    /// that is in the namespace.
    pub fn is_about_bookmarks(&self) -> bool {
        let is_named = self.names.iter().any(|name| name == BOOKMARKS.1);
        self.namespace == BOOKMARKS.0 && (is_named || self.names.len() == 1)
    }
}

/// Reads a query. The first of the rules that it breaks decides: its shape, then the limits.
pub fn read(
    owner: Owner,
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
        let limits = store::Limits {
            max_namespace_bytes: limits.max_namespace_bytes,
            max_user_bytes: limits.max_user_bytes,
            max_user_elements: limits.max_user_elements,
        };
        Ok(Action::Set(ChangeSet {
            owner,
            limits,
            changes,
        }))
    } else {
        let mut names: Vec<String> = Vec::with_capacity(query.children.len());
        let mut seen = HashSet::new();
        for child in &query.children {
            if seen.insert(&*child.name) {
                names.push(child.name.to_string());
            }
        }
        let namespace = query
            .children
            .first()
            .map(|child| child.namespace.to_string());
        Ok(Action::Get(Get {
            owner,
            namespace: namespace.unwrap_or_default(),
            names,
            limit: limits.max_namespace_bytes,
        }))
    }
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

/// The answer to a request with a fault that was found while it was read.
pub fn fault_error(fault: Fault, limits: &Limits) -> StanzaError {
    let (condition, limit, text) = match fault {
        Fault::TooLong => (
            Condition::NotAcceptable,
            Some(Limit::StanzaBytes),
            format!(
                "The request is too long: limits.max_stanza_bytes is {}.",
                limits.max_stanza_bytes
            ),
        ),
        Fault::TooDeep => (
            Condition::NotAcceptable,
            Some(Limit::Depth),
            format!(
                "The elements are nested too deep: limits.max_depth is {}.",
                limits.max_depth
            ),
        ),
        Fault::TooMany => (
            Condition::ResourceConstraint,
            Some(Limit::UserElements),
            format!(
                "The request has too many elements: limits.max_user_elements is {}.",
                limits.max_user_elements
            ),
        ),
        Fault::Broken => return broken(),
        Fault::Malformed(why) => (
            Condition::BadRequest,
            None,
            format!("The request is not valid: {why}."),
        ),
    };
    StanzaError {
        limit,
        ..StanzaError::new(condition, text)
    }
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
                format!("A namespace or an element's name is over {MAX_NAME_BYTES} bytes (fixed)."),
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

/// What a set does to room bookmarks; `None` if it leaves them alone.
pub fn bookmarks_in(set: &ChangeSet) -> Option<&Change> {
    set.changes
        .iter()
        .find(|change| (&*change.namespace, &*change.name) == BOOKMARKS)
}

/// Fetches: the payload of the answer. Stored elements go into it as they are, unparsed.
pub async fn fetch(get: &Get, storage: &Storage) -> Result<String, StanzaError> {
    let mut text = OPEN.to_owned();
    for name in &get.names {
        fetch_one(get, name, storage, &mut text).await?;
    }
    text.push_str(CLOSE);
    Ok(text)
}

/// The same, with bookmarks apart; `None` if they are not in it, because what is asked for is stored
/// under a name of its own.
pub async fn fetch_bookmarks(
    get: &Get,
    storage: &Storage,
) -> Result<Option<Bookmarks>, StanzaError> {
    let mut text = OPEN.to_owned();
    let mut found = None;
    for name in &get.names {
        let begin = text.len();
        let how = fetch_one(get, name, storage, &mut text).await?;
        let all = begin..text.len();
        match (name == BOOKMARKS.1, how) {
            (true, how) => found = Some((all, how == Found::Named)),
            (false, Found::Namespace) => {
                let place = place_of(BOOKMARKS.1, &text, begin);
                let is_stored = place.is_some();
                found = Some((place.unwrap_or(all.end..all.end), is_stored));
            }
            (false, Found::Nothing) if get.names.len() == 1 => found = Some((all, false)),
            (false, Found::Named | Found::Nothing) => {}
        }
    }
    text.push_str(CLOSE);
    Ok(found.map(|(place, is_stored)| Bookmarks {
        text,
        place,
        is_stored,
        left: None,
    }))
}

/// Where the elements of this name stand among the stored ones that begin there. They stand side by side.
fn place_of(name: &str, text: &str, begin: usize) -> Option<Range<usize>> {
    let mut at = begin;
    let mut place: Option<Range<usize>> = None;
    for node in normal::nodes(text.get(begin..)?) {
        let (Node::Text(xml) | Node::Element(xml)) = node;
        let range = at..at + xml.len();
        at = range.end;
        let rest = xml.strip_prefix('<').and_then(|it| it.strip_prefix(name));
        if rest.is_some_and(|rest| rest.starts_with(' ')) {
            place = Some(place.map_or(range.start, |it| it.start)..range.end);
        }
    }
    place
}

/// What was found under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// What is stored under that very name.
    Named,
    /// All that is stored in its namespace.
    Namespace,
    /// Nothing: an empty element stands for it.
    Nothing,
}

/// Appends what is found under one name.
async fn fetch_one(
    get: &Get,
    name: &str,
    storage: &Storage,
    answer: &mut String,
) -> Result<Found, StanzaError> {
    // Nothing of an overlong name was ever stored, and no key of the store could hold it.
    let storable = get.namespace.len() <= MAX_NAME_BYTES && name.len() <= MAX_NAME_BYTES;
    if storable && let Some(found) = stored(get, Some(name), storage).await? {
        answer.push_str(&found.text);
        return Ok(Found::Named);
    }
    // Real clients depend on it: nbxmpp stores <roster xmlns='roster:delimiter'> and asks for
    // <storage xmlns='roster:delimiter'/>.
    let is_alone = get.names.len() == 1;
    if storable && is_alone && let Some(found) = stored(get, None, storage).await? {
        answer.push_str(&found.text);
        return Ok(Found::Namespace);
    }
    answer.push('<');
    answer.push_str(name);
    answer.push_str(" xmlns='");
    escape_attribute(&get.namespace, answer);
    answer.push_str("'/>");
    // What is stored in one namespace is never too long; empty elements may become so.
    if answer.len() as u64 > get.limit {
        let limit = get.limit;
        return Err(StanzaError::new(
            Condition::NotAcceptable,
            format!("The answer would be over limits.max_namespace_bytes, {limit}."),
        )
        .over(Limit::NamespaceBytes));
    }
    Ok(Found::Nothing)
}

async fn stored(
    get: &Get,
    name: Option<&str>,
    storage: &Storage,
) -> Result<Option<Elements>, StanzaError> {
    let found = storage.get(&get.owner, &get.namespace, name).await;
    let found = found.map_err(|_| unreadable())?;
    Ok(Some(found).filter(|found| found.count > 0))
}

/// The answer where the store cannot be read.
pub fn unreadable() -> StanzaError {
    failed("The storage cannot be read; nothing is known to be lost.")
}

/// What to answer to a set that was not carried out.
pub fn set_error(error: &SetError) -> StanzaError {
    let over = |key: &str, limit: u64, would_be: u64| {
        format!("{key} is {limit}, and this would make it {would_be}. What was stored stays.")
    };
    match error {
        SetError::NamespaceBytes {
            limit, would_be, ..
        } => StanzaError::new(
            Condition::NotAcceptable,
            over("limits.max_namespace_bytes", *limit, *would_be),
        )
        .over(Limit::NamespaceBytes),
        SetError::UserBytes { limit, would_be } => StanzaError::new(
            Condition::ResourceConstraint,
            over("limits.max_user_bytes", *limit, *would_be),
        )
        .over(Limit::UserBytes),
        SetError::UserElements { limit, would_be } => StanzaError::new(
            Condition::ResourceConstraint,
            over("limits.max_user_elements", *limit, *would_be),
        )
        .over(Limit::UserElements),
        SetError::Unstorable => StanzaError::new(
            Condition::NotAcceptable,
            "A namespace or an element's name cannot be stored.",
        ),
        SetError::Full => StanzaError::new(
            Condition::ResourceConstraint,
            "The storage is full. What was stored stays; please try again later.",
        )
        .over(Limit::Disk),
        SetError::Broken => broken(),
        SetError::Failed => {
            failed("The storage has failed. Nothing of this request is known to be stored.")
        }
    }
}

/// The answer where a request has met a bug.
pub fn broken() -> StanzaError {
    failed("This request has met a bug in the service, which is in its log. Please report it.")
}

fn failed(text: &'static str) -> StanzaError {
    StanzaError::new(Condition::InternalServerError, text)
}

impl Action {
    /// Whether room bookmarks are among what is fetched or stored.
    pub fn is_about_bookmarks(&self) -> bool {
        match self {
            Self::Get(get) => get.is_about_bookmarks(),
            Self::Set(set) => bookmarks_in(set).is_some(),
        }
    }

    /// Whose data it is about.
    pub fn owner(&self) -> &Owner {
        match self {
            Self::Get(get) => &get.owner,
            Self::Set(set) => &set.owner,
        }
    }
}
