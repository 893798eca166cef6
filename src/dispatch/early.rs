//! Questions about delegation that come before it is known what their host grants.
//!
//! With mod_privilege, ejabberd (26.07) drops what we send to a host until that host has granted us
//! something, and the host asks about delegation at the very same moment. An answer that comes too
//! early would leave it without delegation for as long as the link lasts; so it is given again once
//! the host has granted something. Where the first was heard, the second is an answer to nothing.
//!
//! And what accounts are to announce depends on the grant: that question waits a moment for it.

use std::time::{Duration, Instant};

use crate::address;
use crate::service::{asks_about_accounts, asks_about_delegation};
use crate::stanza::Received;

/// How many are kept, and how long they may be. A host asks twice, and briefly.
const MOST: usize = 1024;
const LONGEST: usize = 4096;

/// How long a question waits for the grant, which a host gives with the login if it gives one.
const WAIT: Duration = Duration::from_millis(300);

/// What hosts have asked on this link before they had said what they grant.
#[derive(Debug, Default)]
pub struct Early {
    /// With their domains, normalised: those that were answered, and may have to be again.
    answered: Vec<(String, Received)>,
    /// Those that wait until then.
    waiting: Vec<(Instant, String, Received)>,
}

impl Early {
    /// A stanza has come. Whether it waits, and is answered later; `may_wait`: whether it matters what is
    /// granted.
    pub fn keep(&mut self, received: &Received, may_wait: bool, now: Instant) -> bool {
        let from = received.stanza.attribute("from").unwrap_or_default();
        if self.answered.len() + self.waiting.len() >= MOST
            || received.size > LONGEST
            || !address::is_bare_domain(from)
            || !asks_about_delegation(&received.stanza)
        {
            return false;
        }
        let Some(domain) = address::domain_name(from) else {
            return false;
        };
        let waits = may_wait && asks_about_accounts(&received.stanza);
        let (domain, received) = (domain.into_owned(), received.clone());
        match waits {
            true => self.waiting.push((now + WAIT, domain, received)),
            false => self.answered.push((domain, received)),
        }
        waits
    }

    /// What this host is to be answered, or again, now that it has said what it grants: once.
    pub fn granted(&mut self, domain: &str) -> Vec<Received> {
        let again = self.answered.extract_if(.., |(of, _)| *of == *domain);
        let again = again.map(|(_, received)| received);
        let mut all: Vec<Received> = again.collect();
        let late = self.waiting.extract_if(.., |(_, of, _)| *of == *domain);
        all.extend(late.map(|(_, _, received)| received));
        all
    }

    /// What has waited for long enough. It may have to be answered again.
    pub fn overdue(&mut self, now: Instant) -> Vec<Received> {
        let overdue = self.waiting.extract_if(.., |(until, ..)| *until <= now);
        let overdue: Vec<(Instant, String, Received)> = overdue.collect();
        let again = overdue.iter().map(|(_, of, it)| (of.clone(), it.clone()));
        self.answered.extend(again);
        overdue
            .into_iter()
            .map(|(_, _, received)| received)
            .collect()
    }

    /// When something will have waited for long enough.
    pub fn due(&self) -> Option<Instant> {
        self.waiting.iter().map(|(until, ..)| *until).min()
    }
}
