//! Stanza errors: the conditions we answer with, each with its RFC 6120 type and its XEP-0086
//! code, so that no two places can disagree about them.

use std::borrow::Cow;

use super::{Limit, escape_text, ns};

/// A condition, and with it the type and the legacy code of the error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
    /// Over a quota, or no space left.
    ResourceConstraint,
    /// Nothing here answers that.
    ServiceUnavailable,
}

impl Condition {
    /// All of them, in order.
    pub const ALL: [Self; 9] = [
        Self::BadRequest,
        Self::BadFormat,
        Self::Forbidden,
        Self::InternalServerError,
        Self::ItemNotFound,
        Self::JidMalformed,
        Self::NotAcceptable,
        Self::ResourceConstraint,
        Self::ServiceUnavailable,
    ];

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

/// A stanza error: a condition, and a text that a person can act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StanzaError {
    /// The condition.
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
