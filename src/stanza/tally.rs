//! What is counted of an answer, in small closed sets: never whose it is, or what it holds.

use super::Condition;

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Private storage, to fetch.
    Get,
    /// Private storage, to store.
    Set,
    /// Service discovery.
    Disco,
    /// A ping.
    Ping,
    /// Whatever else, or what could not be read so far.
    Other,
}

/// How it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// Addressed to us.
    Direct,
    /// A server handed it over.
    Delegated,
}

/// A limit that a request was refused for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// What is counted of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// What was asked for.
    pub kind: Kind,
    /// How it came.
    pub via: Via,
    /// The error that was answered, if any.
    pub error: Option<Condition>,
    /// The limit that it was refused for, if any.
    pub limit: Option<Limit>,
}

impl Kind {
    /// All of them, in order.
    pub const ALL: [Self; 5] = [Self::Get, Self::Set, Self::Disco, Self::Ping, Self::Other];

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
    /// All of them, in order.
    pub const ALL: [Self; 2] = [Self::Direct, Self::Delegated];

    /// Its name among the metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Delegated => "delegated",
        }
    }
}

impl Limit {
    /// All of them, in order.
    pub const ALL: [Self; 9] = [
        Self::StanzaBytes,
        Self::Depth,
        Self::NameBytes,
        Self::NamespaceBytes,
        Self::UserBytes,
        Self::UserElements,
        Self::UserOpenBytes,
        Self::Disk,
        Self::Rooms,
    ];

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

#[cfg(test)]
mod tests {
    use super::*;

    /// Counters are found by number.
    #[test]
    fn each_stands_at_its_own_place() {
        for (place, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place);
        }
        for (place, via) in Via::ALL.into_iter().enumerate() {
            assert_eq!(via as usize, place);
        }
        for (place, limit) in Limit::ALL.into_iter().enumerate() {
            assert_eq!(limit as usize, place);
        }
        for (place, condition) in Condition::ALL.into_iter().enumerate() {
            assert_eq!(condition as usize, place);
        }
    }
}
