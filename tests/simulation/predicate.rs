//! What must always be so, by name: the invariants of docs/internals/architecture.md.

use std::fmt;

/// Answers are held to these.
pub const LOST: &str =
    "nothing that was acknowledged or shown is lost, nothing that was deleted comes back";
pub const OWN: &str = "nobody sees or changes another's";
pub const STORED: &str = "an answer says what was asked, and shows what was stored, wholly";
pub const ADDRESSED: &str = "an answer is addressed to who has asked";
pub const ORDER: &str = "requests of one owner are answered in the order they came";
pub const ONCE: &str = "a request is answered once on a link, and the same each time";
pub const ASKED: &str = "only what was asked is answered";
pub const REASON: &str = "a request is refused only for a reason";
/// What the component does to PEP is held to these.
pub const EDITED: &str =
    "what a modern client has made of a room stands, unless an old one changes it that knows of it";
pub const RETRACTED: &str =
    "a room that a modern client has deleted comes back only if an old one wants it";
pub const RETRACTED_OWN: &str =
    "a room is retracted only for a client that dropped it and had been shown it";
pub const GRANTED: &str = "PEP is asked only in the name of who has bookmarks";
pub const PRIVATE: &str = "bookmarks are published only where nobody else can read them";
pub const FEW: &str = "a node is not given more rooms than it may have";
/// What old clients are shown to these.
pub const IN_STEP: &str = "once all works, old clients see the rooms that modern ones see";
/// The whole is held to these at the end.
pub const ANSWERED: &str = "each request that was read is answered, while a link comes";
pub const QUIET: &str = "once all works again, all is served again, and nothing is left";
pub const RESTORED: &str = "what was backed up can be restored";
/// And all the time to these.
pub const PANIC: &str = "nothing panics";
pub const XML: &str = "what the component writes is what a server takes";
pub const WORK: &str = "work is bounded";
pub const MEMORY: &str = "no more is open or unsent than may be";

/// That something is not so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub predicate: &'static str,
    pub what: String,
}

impl Violation {
    pub fn new(predicate: &'static str, what: impl Into<String>) -> Violation {
        Violation {
            predicate,
            what: what.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not so: {}: {}", self.predicate, self.what)
    }
}

/// Insists that this is so.
pub fn holds(
    is_so: bool,
    predicate: &'static str,
    what: impl FnOnce() -> String,
) -> Result<(), Violation> {
    match is_so {
        true => Ok(()),
        false => Err(Violation::new(predicate, what())),
    }
}
