//! Where the service stands: its link, whom it serves, what the server has said.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

/// Who is served: it may change with a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    pub domains: Vec<String>,
    /// Which of them have to delegate.
    pub needs: Needs,
    /// Whether their room bookmarks are to be kept in step with PEP, where they let us.
    pub bookmarks: bool,
}

/// Which of the served domains have to delegate, or else the service is not ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// None: the service is only asked by its own address.
    Nothing,
    One,
    All,
}

/// The link to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// The first attempt is under way.
    Connecting,
    Up {
        since: SystemTime,
    },
    /// The server has another instance's.
    Standby {
        /// Since when there is none.
        since: SystemTime,
        /// How often it is tried to follow that one, and when next.
        every: Duration,
        next: SystemTime,
    },
    /// The last attempt failed, or the link was lost.
    Down {
        why: String,
        /// Since when there is none.
        since: SystemTime,
        /// How long the pause before the next attempt is, and when it ends.
        pause: Duration,
        next: SystemTime,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The link to the server.
    pub link: Link,
    pub served: Served,
    /// The served domains that delegate, on this link.
    pub delegated: BTreeSet<String>,
    /// The served domains that let us work on their users' PEP nodes, on this link.
    pub granted: BTreeSet<String>,
    /// Whether the service has been asked to end.
    pub stopping: bool,
}

impl State {
    /// The served domains that have not delegated.
    pub(super) fn missing(&self) -> Vec<&str> {
        let domains = self.served.domains.iter().map(String::as_str);
        domains
            .filter(|domain| !self.delegated.contains(*domain))
            .collect()
    }
}
