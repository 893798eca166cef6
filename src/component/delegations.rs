//! Which served domains delegate to us and what they grant, on this link; and what is to be told of that.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::event::Event;
use super::watch::{Anew, Watch};
use crate::clock::Instant;
use crate::replies::Replies;
use crate::service::Grant;
use crate::stanza::Received;

/// How long after a login the served domains have to delegate before it is told that they do not.
const TIME_TO_DELEGATE: Duration = Duration::from_secs(10);

/// How many domains that are not served are remembered as having delegated, and as granting something. Anybody's
/// server may say that it does.
const MAX_NOT_SERVED: usize = 128;

/// What is known of domains.
#[derive(Debug)]
pub struct Delegations {
    served: Vec<String>,
    /// Those, and others, that have told us on this link that they delegate.
    delegated: BTreeSet<String>,
    /// What those, and others, let us do with their users' PEP nodes.
    grants: BTreeMap<String, Grant>,
    /// When it is to be told which served domains have not delegated.
    tell_missing: Option<Instant>,
    watch: Watch,
    anew: Anew,
}

impl Delegations {
    /// No link was up yet.
    pub fn new(served: Vec<String>, watch: Watch) -> Self {
        Self {
            served,
            delegated: BTreeSet::new(),
            grants: BTreeMap::new(),
            tell_missing: None,
            watch,
            anew: Anew::default(),
        }
    }

    /// A link is up, on which nobody has said anything yet.
    pub fn link_is_up(&mut self) {
        self.delegated.clear();
        self.grants.clear();
        self.watch.begin();
        self.tell_missing = Some(Instant::now() + TIME_TO_DELEGATE);
    }

    /// These are served from now on. Returns those that were not before.
    pub fn serve(&mut self, domains: &[String]) -> Vec<String> {
        let before = std::mem::replace(&mut self.served, domains.to_vec());
        self.watch.keep(&self.served);
        self.anew.keep(&self.served);
        let new = self.served.iter().filter(|it| !before.contains(it));
        new.cloned().collect()
    }

    /// While a link is up, these have come: they have their time to delegate.
    pub fn have_come(&mut self, domains: Vec<String>, tell: &mut impl FnMut(&Event)) {
        if !domains.is_empty() {
            self.tell_missing = Some(Instant::now() + TIME_TO_DELEGATE);
        }
        for domain in domains {
            if let Some(grant) = self.grants.get(&domain).copied() {
                let domain = domain.clone();
                tell(&Event::Granted { domain, grant });
            }
            if self.delegated.contains(&domain) {
                self.watch.delegated(&domain, Instant::now());
                self.anew.delegated(&domain);
                tell(&Event::Delegated(domain));
            }
        }
    }

    /// Takes a stanza that answers one of our questions whether a domain still delegates; says whether it
    /// was one.
    pub fn take(&mut self, received: &Received, tell: &mut impl FnMut(&Event)) -> bool {
        match self.watch.take(received) {
            None => false,
            Some(None) => true,
            Some(Some(domain)) => {
                self.ended(domain, false, tell);
                true
            }
        }
    }

    /// A domain, served or not, says that it delegates.
    pub fn delegated(&mut self, domain: String, tell: &mut impl FnMut(&Event)) {
        let is_served = self.served.contains(&domain);
        if is_served {
            self.watch.delegated(&domain, Instant::now());
            self.anew.delegated(&domain);
        }
        let kept = is_served || self.delegated.len() < MAX_NOT_SERVED;
        if kept && self.delegated.insert(domain.clone()) && is_served {
            tell(&Event::Delegated(domain));
        }
    }

    /// A domain, served or not, says what it grants. Whether it is served.
    pub fn granted(&mut self, domain: &str, grant: Grant, tell: &mut impl FnMut(&Event)) -> bool {
        let is_served = self.served.iter().any(|it| it == domain);
        let domain = domain.to_owned();
        let is_known = self.grants.contains_key(&domain);
        if is_served || is_known || self.grants.len() < MAX_NOT_SERVED {
            self.grants.insert(domain.clone(), grant);
        }
        if is_served {
            tell(&Event::Granted { domain, grant });
        }
        is_served
    }

    /// When it has to be [polled](Self::poll) again, if nothing happens.
    pub fn due(&self, now: Instant) -> Option<Instant> {
        let due = self.tell_missing.into_iter();
        due.chain(self.watch.due()).chain(self.anew.due(now)).min()
    }

    /// Asks the domains if it is time to, and tells what there is to be told. `true` if it is time to log in
    /// again, for one of them. While nothing is read nobody is asked, nor is anybody silent.
    pub fn poll(
        &mut self,
        is_read: bool,
        replies: &Replies,
        tell: &mut impl FnMut(&Event),
    ) -> bool {
        let now = Instant::now();
        if !is_read {
            self.watch.wait(now);
        }
        let silent = replies.with(|outbox| self.watch.poll(now, outbox));
        for domain in silent {
            self.ended(domain, true, tell);
        }
        if self.tell_missing.take_if(|due| *due <= now).is_some() {
            self.tell_missing(now, tell);
        }
        self.anew.begins(now)
    }

    /// A domain that had delegated on this link does so no more: only a new login can bring that back. Where
    /// it does not, there is another later, until the domain delegates or is not served any more.
    fn ended(&mut self, domain: String, silent: bool, tell: &mut impl FnMut(&Event)) {
        self.delegated.remove(&domain);
        let now = Instant::now();
        self.anew.ended(&domain);
        let anew = self.anew.due(now).map_or(Duration::ZERO, |due| due - now);
        tell(&Event::DelegationEnded {
            domain,
            silent,
            anew,
        });
    }

    /// Tells which served domains have not delegated, and which of the others have granted nothing.
    fn tell_missing(&mut self, now: Instant, tell: &mut impl FnMut(&Event)) {
        let domains = self.served.iter().cloned();
        let (delegated, missing): (Vec<String>, Vec<String>) =
            domains.partition(|domain| self.delegated.contains(domain));
        if !missing.is_empty() {
            let is_known = self.anew.missing(&missing);
            let due = self.anew.due(now).filter(|_| is_known);
            tell(&Event::Undelegated {
                domains: missing,
                anew: due.map(|due| due - now),
            });
        }
        let ungranted = delegated.into_iter();
        let grants = |domain: &String| self.grants.get(domain).is_some_and(|it| it.items);
        let ungranted = ungranted.filter(|it| !grants(it));
        let ungranted: Vec<String> = ungranted.collect();
        if !ungranted.is_empty() {
            tell(&Event::Ungranted(ungranted));
        }
    }
}
