//! Answers that a host may not have got.
//!
//! With mod_privilege, ejabberd (26.07) drops what we send to a host until that host has granted us
//! something, and the host asks about delegation at the very same moment. An answer that comes too
//! early would leave it without delegation for as long as the link lasts; so it is given again once
//! the host has granted something. Where the first was heard, the second is an answer to nothing.

use crate::address;
use crate::service::asks_about_delegation;
use crate::stanza::{Received, Reply};

/// How many are kept, and how long they may be. A host asks twice, and briefly.
const MOST: usize = 1024;
const LONGEST: usize = 4096;

/// What hosts were answered on this link, and may be told again: with their domains, normalised.
#[derive(Debug, Default)]
pub struct Early(Vec<(String, Reply)>);

impl Early {
    /// This is the reply to this stanza.
    pub fn replied(&mut self, received: &Received, reply: &Reply) {
        let from = received.stanza.attribute("from").unwrap_or_default();
        if self.0.len() < MOST
            && reply.len() <= LONGEST
            && address::is_bare_domain(from)
            && asks_about_delegation(&received.stanza)
            && let Some(domain) = address::domain_name(from)
        {
            self.0.push((domain.into_owned(), reply.clone()));
        }
    }

    /// What this host is to be told again, once.
    pub fn take<'e>(&'e mut self, domain: &'e str) -> impl Iterator<Item = Reply> + 'e {
        let its_own = self.0.extract_if(.., move |(of, _)| *of == *domain);
        its_own.map(|(_, reply)| reply)
    }
}
