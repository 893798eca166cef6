//! How the service is set up, and what follows for addresses.

use crate::address::{self, Sender};
use crate::clock::Instant;
use crate::limits::Limits;
use crate::stanza::Element;
use crate::store::Owner;

/// The namespace of what is ours alone.
pub const NAMESPACE: &str = "urn:xmpp-private-storage:0";

/// How the service is set up.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What we say of ourselves.
    pub profile: Profile,
    /// The domains whose users are served, and who may delegate; normalised.
    pub domains: Vec<String>,
    /// Who may see and delete what others have stored.
    pub admins: Vec<Owner>,
    /// What becomes of reserved namespaces.
    pub reserved: Reserved,
    pub limits: Limits,
}

/// What we say of ourselves.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Our own domain, normalised.
    pub domain: String,
    /// Addresses of whoever is responsible, as URIs (XEP-0157).
    pub contact: Vec<String>,
    /// The operating system, where it is to be told.
    pub os: Option<String>,
    /// Since when we have been up.
    pub started: Instant,
}

impl Settings {
    /// Whether the users of this domain, normalised, are served.
    pub fn serves(&self, domain: &str) -> bool {
        self.domains.iter().any(|served| served == domain)
    }

    /// Whether this is our own bare domain, however it is written.
    pub fn is_own_domain(&self, address: &str) -> bool {
        address::is_bare_domain(address) && self.is_in_own_domain(address)
    }

    /// The address that a stanza was sent to, if it is one of ours; or else our own domain:
    /// servers close the link on any other sender.
    pub fn own_address<'e>(&'e self, stanza: &'e Element) -> &'e str {
        match stanza.attribute("to") {
            Some(to) if self.is_in_own_domain(to) => to,
            _ => &self.profile.domain,
        }
    }

    fn is_in_own_domain(&self, address: &str) -> bool {
        if address == self.profile.domain {
            // As nearly all requests have it: nothing to normalise.
            return true;
        }
        match address::sender(address) {
            Sender::Malformed => false,
            Sender::User(_, domain) | Sender::Host(domain) => domain == self.profile.domain,
        }
    }
}

/// Whether stored elements may be in the namespaces that XEP-0049 section 2.3 reserves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserved {
    /// As the specification has it: refused.
    Refuse,
    Accept,
}
