//! The hosts that let us work on their users' PEP nodes, and whether they answer.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::service::Grant;

/// How many hosts are remembered. Anybody's server may say that it grants something.
const HOSTS: usize = 1024;

/// How many IQs in a row a host may leave without an answer, and for how long it is left alone then.
const MISSES: u32 = 3;
const ALONE: Duration = Duration::from_secs(60);

/// What is known of hosts, on one link.
#[derive(Debug, Default)]
pub struct Hosts(HashMap<String, Host>);

#[derive(Debug, Default)]
struct Host {
    grant: Grant,
    misses: u32,
    alone_until: Option<Instant>,
    /// Whether it has been told that nodes there cannot be configured.
    told: bool,
}

impl Hosts {
    /// A host has said what it grants, from now on.
    pub fn granted(&mut self, domain: String, grant: Grant) {
        if self.0.len() < HOSTS || self.0.contains_key(&domain) {
            self.0.entry(domain).or_default().grant = grant;
        }
    }

    /// The link is gone, and all that was said on it.
    pub fn forget(&mut self) {
        self.0.clear();
    }

    /// What a host grants; `None` if that is not enough to read and write items.
    pub fn grant(&self, domain: &str) -> Option<Grant> {
        let host = self.0.get(domain)?;
        host.grant.items.then_some(host.grant)
    }

    /// Whether a host is not to be asked now.
    pub fn is_left_alone(&self, domain: &str, now: Instant) -> bool {
        let until = self.0.get(domain).and_then(|host| host.alone_until);
        until.is_some_and(|until| now < until)
    }

    /// A host has answered.
    pub fn heard(&mut self, domain: &str) {
        if let Some(host) = self.0.get_mut(domain) {
            (host.misses, host.alone_until) = (0, None);
        }
    }

    /// A host has not answered in time. Whether it is left alone for a while because of that.
    pub fn missed(&mut self, domain: &str, now: Instant) -> bool {
        let Some(host) = self.0.get_mut(domain) else {
            return false;
        };
        host.misses += 1;
        let enough = host.misses >= MISSES;
        if enough {
            host.alone_until = Some(now + ALONE);
        }
        enough
    }

    /// Whether something about a host is to be told, because it has not been yet.
    pub fn tell_once(&mut self, domain: &str) -> bool {
        let host = self.0.get_mut(domain);
        host.is_some_and(|host| !std::mem::replace(&mut host.told, true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_never_answers_is_left_alone_for_a_while() {
        let (mut hosts, now) = (Hosts::default(), Instant::now());
        let (items, owner) = (true, false);
        hosts.granted("example.org".into(), Grant { items, owner });
        assert!(!hosts.missed("example.org", now));
        hosts.heard("example.org");
        assert!(!hosts.missed("example.org", now) && !hosts.missed("example.org", now));
        assert!(hosts.missed("example.org", now));
        assert!(hosts.is_left_alone("example.org", now));
        assert!(!hosts.is_left_alone("example.org", now + ALONE));
    }

    #[test]
    fn what_is_granted_can_be_withdrawn() {
        let mut hosts = Hosts::default();
        let (items, owner) = (true, true);
        hosts.granted("example.org".into(), Grant { items, owner });
        assert_eq!(hosts.grant("example.org"), Some(Grant { items, owner }));
        let items = false;
        hosts.granted("example.org".into(), Grant { items, owner });
        assert_eq!(hosts.grant("example.org"), None);
    }
}
