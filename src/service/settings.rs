//! How the service is set up, and what follows for addresses.

use std::time::Instant;

use super::access;
use super::private::Reserved;
use crate::address::{self, Sender};
use crate::stanza::Element;
use crate::store::Owner;

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
    /// The limits, as configured.
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

/// The limits, as configured; bytes, levels and elements.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)] // they are described where they are configured
pub struct Limits {
    pub max_stanza_bytes: u64,
    pub max_depth: u64,
    pub max_namespace_bytes: u64,
    pub max_user_bytes: u64,
    pub max_user_elements: u64,
}

/// The accounts with these addresses, normalised as those of senders are.
pub fn accounts(addresses: &[String]) -> Vec<Owner> {
    let accounts = addresses.iter().map(|address| access::account(address));
    accounts.flatten().collect()
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
    /// routers close the link on any other sender.
    pub fn own_address<'e>(&'e self, stanza: &'e Element) -> &'e str {
        match stanza.attribute("to") {
            Some(to) if self.is_in_own_domain(to) => to,
            _ => &self.profile.domain,
        }
    }

    fn is_in_own_domain(&self, address: &str) -> bool {
        match address::sender(address) {
            Sender::Malformed => false,
            Sender::User(_, domain) | Sender::Host(domain) => domain == self.profile.domain,
        }
    }
}
