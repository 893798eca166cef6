//! Stanza errors: the conditions we answer with, each with its RFC 6120 type and its XEP-0086
//! code, so that no two places can disagree about them; and what is answered where something is wrong.

use std::borrow::Cow;

use enum_map::Enum;

use crate::limits::Limits;
use crate::stanza::{Fault, escape_text, ns};
use crate::store::{ReadError, SetError};

/// A condition, and with it the type and the legacy code of the error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
pub enum Condition {
    /// The request is not one that can be read.
    BadRequest,
    /// The query is not one XEP-0049 knows. Not a condition of RFC 6120, but what XEP-0049
    /// (section 3, listing 4) and Prosody say.
    BadFormat,
    /// The sender may not do this.
    Forbidden,
    /// Our own failure; what was asked has not been done.
    InternalServerError,
    /// There is no such node.
    ItemNotFound,
    /// An address that is no address.
    JidMalformed,
    /// Against the rules of XEP-0049, or over a limit.
    NotAcceptable,
    /// Over a quota, no space left, or a database that cannot be reached for now.
    ResourceConstraint,
    ServiceUnavailable,
}

impl Condition {
    /// The element name, the type and the legacy code.
    pub fn parts(self) -> (&'static str, &'static str, u16) {
        match self {
            Self::BadRequest => ("bad-request", "modify", 400),
            Self::BadFormat => ("bad-format", "modify", 406),
            Self::Forbidden => ("forbidden", "auth", 403),
            Self::InternalServerError => ("internal-server-error", "cancel", 500),
            Self::ItemNotFound => ("item-not-found", "cancel", 404),
            Self::JidMalformed => ("jid-malformed", "modify", 400),
            Self::NotAcceptable => ("not-acceptable", "modify", 406),
            Self::ResourceConstraint => ("resource-constraint", "wait", 500),
            Self::ServiceUnavailable => ("service-unavailable", "cancel", 503),
        }
    }
}

/// A limit that a request was refused for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum Limit {
    /// `limits.max_stanza_bytes`
    StanzaBytes,
    /// `limits.max_depth`
    Depth,
    /// The fixed limit of names and namespaces.
    NameBytes,
    /// `limits.max_namespace_bytes`
    NamespaceBytes,
    /// `limits.max_user_bytes`
    UserBytes,
    /// `limits.max_user_elements`
    UserElements,
    /// `limits.max_user_open_bytes`
    UserOpenBytes,
    /// The space on the disk.
    Disk,
    /// `bookmarks.max_rooms`
    Rooms,
}

impl Limit {
    /// Its name among the metrics: that of its key, where it has one.
    pub fn name(self) -> &'static str {
        match self {
            Self::StanzaBytes => "max_stanza_bytes",
            Self::Depth => "max_depth",
            Self::NameBytes => "name_bytes",
            Self::NamespaceBytes => "max_namespace_bytes",
            Self::UserBytes => "max_user_bytes",
            Self::UserElements => "max_user_elements",
            Self::UserOpenBytes => "max_user_open_bytes",
            Self::Disk => "disk",
            Self::Rooms => "max_rooms",
        }
    }
}

/// A stanza error: a condition, and a text that a person can act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StanzaError {
    pub condition: Condition,
    /// What happened and what to do, in English.
    pub text: Cow<'static, str>,
    /// The limit that is the reason, if it is one.
    pub limit: Option<Limit>,
    /// A condition that an extension adds: its namespace and its name.
    pub more: Option<(&'static str, &'static str)>,
}

impl StanzaError {
    /// An error with its text.
    pub fn new(condition: Condition, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            condition,
            text: text.into(),
            limit: None,
            more: None,
        }
    }

    /// The same, with a condition of this namespace and name beside its own.
    pub fn with(self, namespace: &'static str, name: &'static str) -> Self {
        let more = Some((namespace, name));
        Self { more, ..self }
    }

    /// The same, because of a limit.
    pub fn over(self, limit: Limit) -> Self {
        let limit = Some(limit);
        Self { limit, ..self }
    }

    /// Appends the `<error/>` element, in the default namespace of where it is written.
    pub fn write(&self, out: &mut String) {
        let (name, kind, code) = self.condition.parts();
        let stanzas = ns::STANZA_ERRORS;
        out.push_str(&format!(
            "<error type='{kind}' code='{code}'><{name} xmlns='{stanzas}'/>"
        ));
        if !self.text.is_empty() {
            out.push_str(&format!("<text xmlns='{stanzas}' xml:lang='en'>"));
            escape_text(&self.text, out);
            out.push_str("</text>");
        }
        if let Some((namespace, name)) = self.more {
            out.push_str(&format!("<{name} xmlns='{namespace}'/>"));
        }
        out.push_str("</error>");
    }
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
                "The elements are nested too deeply: limits.max_depth is {}.",
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

/// The answer where the store cannot be read.
pub fn unreadable(error: ReadError) -> StanzaError {
    match error {
        ReadError::Damaged | ReadError::Failed => {
            failed("The storage cannot be read; nothing is known to be lost.")
        }
        ReadError::Unreachable => StanzaError::new(
            Condition::ResourceConstraint,
            "The storage cannot be reached right now; nothing is known to be lost. Please try \
             again later.",
        ),
    }
}

/// What to answer to a set that was not carried out.
pub fn set_error(error: &SetError) -> StanzaError {
    let over = |key: &str, limit: u64, would_be: u64| {
        format!(
            "This would need {would_be}, and {key} allows {limit}. What was stored before is \
             unchanged."
        )
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
            "The storage is full. What was stored before is unchanged; please try again later.",
        )
        .over(Limit::Disk),
        SetError::Unreachable => StanzaError::new(
            Condition::ResourceConstraint,
            "The storage cannot be reached right now. It is not known whether anything in this \
             request was stored; please try again later.",
        ),
        // Nobody is told of a note that was not put.
        SetError::Broken | SetError::Outdated => broken(),
        SetError::Failed => failed(
            "The storage has failed. It is not known whether anything in this request was stored.",
        ),
    }
}

/// The answer where a request has met a bug.
pub fn broken() -> StanzaError {
    failed(
        "This request hit a bug in the service; details are in the service's log. Please report \
         it.",
    )
}

fn failed(text: &'static str) -> StanzaError {
    StanzaError::new(Condition::InternalServerError, text)
}
