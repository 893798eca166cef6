//! What is counted of an answer, in small closed sets: never whose it is, or what it holds.

use enum_map::Enum;

use xmpp_parsers::ns as xep;

use super::error::{Condition, Limit};
use crate::stanza::{Element, ns};

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum Kind {
    Get,
    Set,
    Disco,
    Ping,
    /// Whatever else, or what could not be read so far.
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum Via {
    Direct,
    /// A server handed it over.
    Delegated,
}

/// What is counted of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// What was asked for.
    pub kind: Kind,
    pub via: Via,
    /// The error that was answered, if any.
    pub error: Option<Condition>,
    /// The limit that it was refused for, if any.
    pub limit: Option<Limit>,
}

impl Kind {
    /// Its name among the metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Set => "set",
            Self::Disco => "disco",
            Self::Ping => "ping",
            Self::Other => "other",
        }
    }
}

impl Via {
    /// Its name among the metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Delegated => "delegated",
        }
    }
}

/// What a request is counted as, by its payload.
pub fn kind_of(payload: Option<&Element>, is_set: bool) -> Kind {
    let Some(payload) = payload else {
        return Kind::Other;
    };
    match (&*payload.namespace, is_set) {
        (ns::PRIVATE, false) => Kind::Get,
        (ns::PRIVATE, true) => Kind::Set,
        (xep::DISCO_INFO | xep::DISCO_ITEMS, _) => Kind::Disco,
        (xep::PING, _) => Kind::Ping,
        _ => Kind::Other,
    }
}
