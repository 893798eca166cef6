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
    /// It has logged in.
    Up,
    /// A served domain delegates private storage to it.
    Delegated(String),
    /// A served domain that had delegated on this link does so no more.
    DelegationEnded {
        /// The domain.
        domain: String,
        /// Whether that is seen from its silence alone.
        silent: bool,
        /// How soon that is tried to be mended by a new login.
        anew: Duration,
    },
    /// A served domain lets it work on its users' PEP nodes, to this extent: told whenever the
    /// domain says so.
    Granted {
        /// The domain.
        domain: String,
        /// What it grants.
        grant: Grant,
    },
    /// A question was answered.
    Replied(Reply),
    /// These served domains have not delegated a while after the login.
    Undelegated {
        /// The domains.
        domains: Vec<String>,
        /// How soon a new login is tried, because some of them had on an earlier link.
        anew: Option<Duration>,
    },
    /// These delegate, and do not let us work on their users' PEP nodes.
    Ungranted(Vec<String>),
    /// A link was given up in order to log in anew.
    Left {
        /// How long until then.
        pause: Duration,
    },
    /// A login failed, or a link was lost.
    Down {
        /// Why.
        why: String,
        /// Whether it is the stream itself that the router refused.
        stream: bool,
        /// How long until the next attempt.
        pause: Duration,
    },
}
