//! Accounts that were deleted: their server says so, and what they had stored goes.
//!
//! No specification has such a request, so its namespace is our own. On Prosody the module in
//! `packaging/prosody` makes it.

use super::access::{malformed, not_served};
use super::error::{Condition, StanzaError};
use super::settings::Settings;
use crate::address::{self, Sender};
use crate::stanza::Element;
use crate::store::Owner;

/// Whose data is to go. Only a served host may say it, in its own name, of its own users.
pub fn owner(
    settings: &Settings,
    from: &str,
    to: Option<&str>,
    forget: &Element,
) -> Result<Owner, StanzaError> {
    let host = match address::sender(from) {
        Sender::Malformed => return Err(malformed()),
        Sender::Host(host) if address::is_bare_domain(from) => host,
        Sender::Host(_) | Sender::User(..) => {
            return Err(forbidden(
                "Only a server, in its own name, may say that an account was deleted.",
            ));
        }
    };
    if !settings.serves(&host) {
        return Err(not_served());
    }
    if !to.is_none_or(|to| settings.is_own_domain(to)) {
        let text = "This request must be sent to the service itself.";
        return Err(StanzaError::new(Condition::ServiceUnavailable, text));
    }
    let Some(jid) = forget.attribute("jid") else {
        let text = "The request must name the deleted account: jid='user@domain'.";
        return Err(StanzaError::new(Condition::BadRequest, text));
    };
    match address::sender(jid) {
        Sender::User(owner, domain) if !jid.contains('/') => {
            if domain != host {
                return Err(forbidden(
                    "A server may say this only of accounts of its own.",
                ));
            }
            Owner::new(&owner).ok_or_else(not_bare)
        }
        _ => Err(not_bare()),
    }
}

fn not_bare() -> StanzaError {
    let text = "The jid must be a user's bare address.";
    StanzaError::new(Condition::JidMalformed, text)
}

fn forbidden(text: &'static str) -> StanzaError {
    StanzaError::new(Condition::Forbidden, text)
}
