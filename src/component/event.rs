//! What the component tells whoever runs it.

use std::time::Duration;

use super::questions::Reply;
use crate::link::Step;
use crate::service::Grant;

/// What the component tells whoever runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The login has come so far.
    Reached(Step),
    Up,
    /// A served domain delegates private storage to it.
    Delegated(String),
    /// A served domain that had delegated on this link does so no more.
    DelegationEnded {
        domain: String,
        /// Whether that is seen from its silence alone.
        silent: bool,
        /// How soon that is tried to be mended by a new login.
        anew: Duration,
    },
    /// A served domain lets it work on its users' PEP nodes, to this extent: told whenever the
    /// domain says so.
    Granted {
        domain: String,
        grant: Grant,
    },
    Replied(Reply),
    /// These served domains have not delegated a while after the login.
    Undelegated {
        domains: Vec<String>,
        /// How soon a new login is tried, because some of them had on an earlier link.
        anew: Option<Duration>,
    },
    /// These delegate, and do not let us work on their users' PEP nodes.
    Ungranted(Vec<String>),
    /// A link was given up in order to log in again.
    Left {
        pause: Duration,
    },
    /// The server has another instance's connection of this name: it is waited for the end of that.
    Standby {
        /// The server's words.
        said: String,
        /// How often the next attempt is made.
        every: Duration,
    },
    /// A login failed, or a link was lost.
    Down {
        why: String,
        /// Whether it is the stream itself that the server refused.
        stream: bool,
        /// How long until the next attempt.
        pause: Duration,
    },
}
