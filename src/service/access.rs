//! Whose data a request is about, and whether it may be: nobody reads or writes another's.

use super::delegation::Inner;
use super::error::{Condition, StanzaError};
use super::settings::Settings;
use crate::address::{self, Sender};
use crate::store::Owner;

/// The owner with this address, normalised; `None` where it is no account's.
pub fn account(address: &str) -> Option<Owner> {
    match address::sender(address) {
        Sender::User(jid, _) => Owner::new(&jid),
        Sender::Host(_) | Sender::Malformed => None,
    }
}

/// The accounts with these addresses, normalised as those of senders are.
pub fn accounts(addresses: &[String]) -> Vec<Owner> {
    let accounts = addresses.iter().map(|address| account(address));
    accounts.flatten().collect()
}

/// The owner of what is asked for directly: the sender, who asks us or their own address.
pub fn direct(settings: &Settings, from: &str, to: Option<&str>) -> Result<Owner, StanzaError> {
    let owner = match address::sender(from) {
        Sender::Malformed => return Err(malformed()),
        Sender::User(_, domain) | Sender::Host(domain) if !settings.serves(&domain) => {
            return Err(not_served());
        }
        Sender::Host(_) => return Err(not_yours()),
        Sender::User(owner, _) => Owner::new(&owner).ok_or_else(malformed)?,
    };
    let ours = to.is_none_or(|to| settings.is_own_domain(to));
    if ours || to.is_some_and(|to| is_address_of(&owner, to)) {
        Ok(owner)
    } else {
        Err(not_yours())
    }
}

/// The owner of what a server hands over: one of its own users, who asks for their own data.
pub fn delegated(settings: &Settings, inner: &Inner<'_>, host: &str) -> Result<Owner, StanzaError> {
    let (owner, domain) = match address::sender(inner.from) {
        Sender::Malformed => return Err(malformed()),
        Sender::User(owner, domain) => (Owner::new(&owner), domain),
        Sender::Host(domain) => (None, domain),
    };
    let host = address::domain_name(host).filter(|host| settings.serves(host));
    let host = host.ok_or_else(not_served)?;
    let to = inner.iq.attribute("to");
    match owner {
        Some(owner) if domain == *host && to.is_none_or(|to| is_address_of(&owner, to)) => {
            Ok(owner)
        }
        _ => Err(not_yours()),
    }
}

/// Whether this is the owner's own address, with or without a resource.
fn is_address_of(owner: &Owner, address: &str) -> bool {
    address::bare(address) == owner.as_str()
        || matches!(address::sender(address), Sender::User(other, _) if other == owner.as_str())
}

/// The error for a domain that is not ours to serve.
pub fn not_served() -> StanzaError {
    let text = "The users of this domain are not served: access.domains does not name it.";
    StanzaError::new(Condition::ServiceUnavailable, text)
}

fn not_yours() -> StanzaError {
    let text = "Private storage is for its owner alone.";
    StanzaError::new(Condition::Forbidden, text)
}

/// The error for a sender who can be nobody.
pub fn malformed() -> StanzaError {
    StanzaError::new(
        Condition::JidMalformed,
        "The sender's address is not valid.",
    )
}
