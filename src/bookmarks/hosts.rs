//! The hosts that let us work on their users' PEP nodes, and whether they answer.

use std::collections::HashMap;
use std::time::Duration;

use crate::address;
use crate::clock::Instant;
use crate::service::Grant;
use crate::store::Owner;

/// How many hosts are remembered that are not served, and may be later. Anybody's server may say that it grants
/// something.
const NOT_SERVED: usize = 1024;

/// How many IQs about one owner may stay without an answer, and about how many owners, until these
/// owners, or their host, are left alone, and for how long.
const MISSES: u32 = 3;
const ALONE: Duration = Duration::from_secs(60);

/// A node that takes more bytes than this is large: the host takes so long to write it down on the
/// link that everybody else's requests wait behind it (ejabberd: a MiB of short elements, 0.25 s).
const LARGE: usize = 64 * 1024;

/// How long no other large node of the host is fetched after one of a MiB. It grows with the square of
/// the size, as does what others wait behind it on average: so that is a millisecond at most. It ends at the longest,
/// which is that of 11 MiB: a node that is small again is to be found so.
const PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// Nodes of like size have turns among themselves, up to twice the least: so whoever has the largest
/// takes no turn of those who have smaller ones, and who has less than 256 KiB waits for two seconds at
/// most.
const SIZES: usize = 8;

/// How many owners of large nodes are remembered on one host: what comes beyond is fetched at once.
const LARGE_NODES: usize = 4096;

/// How many owners of one host are remembered whose IQs had no answer: what comes beyond counts, too,
/// but for nobody.
const SILENT: usize = 256;

/// What is known of hosts, on one link.
#[derive(Debug, Default)]
pub struct Hosts(HashMap<String, Host>);

#[derive(Debug, Default)]
struct Host {
    grant: Grant,
    /// Whether it was served when it said so.
    is_served: bool,
    /// The owners whose last IQs had no answer.
    silent: HashMap<Owner, Silent>,
    alone_until: Option<Instant>,
    /// The owners of large nodes, and how many bytes these took when they were fetched last.
    large: HashMap<Owner, usize>,
    /// When the next large node may be fetched, by size.
    next_large: [Option<Instant>; SIZES],
    /// Whether it has been told that nodes there cannot be configured.
    told: bool,
}

/// Of an owner, since the last answer about them.
#[derive(Debug)]
struct Silent {
    misses: u32,
    alone_until: Option<Instant>,
    /// Whether they count for the host.
    counts: bool,
    /// When the last IQ was given up.
    last: Instant,
}

/// Who is left alone for a while, and was not before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftAlone {
    Nobody,
    /// The owner: their IQs alone have no answers.
    Owner,
    /// The host, and so all its owners.
    Host,
}

impl Hosts {
    /// A host has said what it grants, from now on; one that is served, or not.
    pub fn granted(&mut self, domain: String, grant: Grant, is_served: bool) {
        let has_room = || self.0.values().filter(|it| !it.is_served).count() < NOT_SERVED;
        if is_served || self.0.contains_key(&domain) || has_room() {
            let host = self.0.entry(domain).or_default();
            host.grant = grant;
            host.is_served = is_served;
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

    /// Whether PEP is not to be asked about an owner now.
    pub fn is_left_alone(&self, owner: &Owner, now: Instant) -> bool {
        let Some(host) = self.0.get(address::domain_of(owner.as_str())) else {
            return false;
        };
        let owner = host.silent.get(owner).and_then(|it| it.alone_until);
        let until = host.alone_until.max(owner);
        until.is_some_and(|until| now < until)
    }

    /// A node is to be fetched now: `Some` if it has to wait for its turn until then, because it is large.
    /// Otherwise it has had it.
    pub fn wait_to_fetch(&mut self, owner: &Owner, now: Instant) -> Option<Instant> {
        let host = self.0.get_mut(address::domain_of(owner.as_str()))?;
        let bytes = host.large.get(owner)?;
        let next = host.next_large.get_mut(size(*bytes))?;
        let wait = next.filter(|next| *next > now);
        if wait.is_none() {
            *next = Some(now + pause(*bytes));
        }
        wait
    }

    /// A node was fetched, and took so many bytes.
    pub fn fetched(&mut self, owner: &Owner, bytes: usize, now: Instant) {
        let Some(host) = self.0.get_mut(address::domain_of(owner.as_str())) else {
            return;
        };
        if bytes <= LARGE {
            host.large.remove(owner);
            return;
        }
        if host.large.len() < LARGE_NODES || host.large.contains_key(owner) {
            host.large.insert(owner.clone(), bytes);
        }
        if let Some(next) = host.next_large.get_mut(size(bytes)) {
            *next = (*next).max(Some(now + pause(bytes)));
        }
    }

    /// A host has answered about an owner. Whether it had been left alone for not answering.
    pub fn heard(&mut self, owner: &Owner) -> bool {
        let Some(host) = self.0.get_mut(address::domain_of(owner.as_str())) else {
            return false;
        };
        host.silent.remove(owner);
        host.silent.values_mut().for_each(|it| it.counts = false);
        host.alone_until.take().is_some()
    }

    /// A host has not answered in time about an owner. One user can have a node at which PEP itself
    /// fails: so it takes several owners without an answer, and none with one meanwhile, until that
    /// counts against the host.
    pub fn missed(&mut self, owner: &Owner, now: Instant) -> LeftAlone {
        let Some(host) = self.0.get_mut(address::domain_of(owner.as_str())) else {
            return LeftAlone::Nobody;
        };
        if host.silent.len() >= SILENT && !host.silent.contains_key(owner) {
            host.silent.retain(|_, it| now - it.last < ALONE);
            if host.silent.len() >= SILENT {
                return LeftAlone::Nobody;
            }
        }
        let silent = host.silent.entry(owner.clone()).or_insert(Silent {
            misses: 0,
            alone_until: None,
            counts: false,
            last: now,
        });
        silent.last = now;
        silent.misses += 1;
        silent.counts = true;
        let alone = silent.misses >= MISSES;
        if alone {
            silent.alone_until = Some(now + ALONE);
        }
        let owners = host.silent.values().filter(|it| it.counts).count();
        if owners >= MISSES as usize {
            let new = host.alone_until.is_none_or(|until| until <= now);
            host.alone_until = Some(now + ALONE);
            return if new {
                LeftAlone::Host
            } else {
                LeftAlone::Nobody
            };
        }
        match alone {
            true => LeftAlone::Owner,
            false => LeftAlone::Nobody,
        }
    }

    /// Until when a host is left alone, or was.
    pub fn alone_until(&self, domain: &str) -> Option<Instant> {
        self.0.get(domain)?.alone_until
    }

    /// Whether something about a host is to be told, because it has not been yet.
    pub fn tell_once(&mut self, domain: &str) -> bool {
        let host = self.0.get_mut(domain);
        host.is_some_and(|host| !std::mem::replace(&mut host.told, true))
    }
}

/// Which of the sizes a large node has.
fn size(bytes: usize) -> usize {
    let times = (bytes / LARGE).max(1);
    usize::try_from(times.ilog2())
        .unwrap_or(SIZES)
        .min(SIZES - 1)
}

/// How long no large node is fetched after one of so many bytes.
fn pause(bytes: usize) -> Duration {
    let mebibytes = bytes as f64 / f64::from(1 << 20);
    PAUSE
        .mul_f64(mebibytes.min(64.0).powi(2))
        .min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(name: &str) -> Owner {
        Owner::new(&format!("{name}@example.org")).unwrap()
    }

    fn hosts() -> Hosts {
        let mut hosts = Hosts::default();
        let (items, owner) = (true, false);
        hosts.granted("example.org".into(), Grant { items, owner }, true);
        hosts
    }

    /// One user's node at which PEP failed took bookmarks from the whole host, for a minute.
    #[test]
    fn silence_about_one_owner_counts_against_that_owner_alone() {
        let (mut hosts, now) = (hosts(), Instant::now());
        let (a, b) = (owner("a"), owner("b"));
        assert_eq!(hosts.missed(&a, now), LeftAlone::Nobody);
        assert_eq!(hosts.missed(&a, now), LeftAlone::Nobody);
        assert_eq!(hosts.missed(&a, now), LeftAlone::Owner);
        assert!(hosts.is_left_alone(&a, now) && !hosts.is_left_alone(&b, now));
        assert_eq!(hosts.missed(&b, now), LeftAlone::Nobody);
        assert!(!hosts.is_left_alone(&a, now + ALONE));
        hosts.heard(&a);
        assert!(!hosts.is_left_alone(&a, now));
    }

    #[test]
    fn silence_about_several_owners_counts_against_the_host() {
        let (mut hosts, now) = (hosts(), Instant::now());
        for name in ["a", "b"] {
            assert_eq!(hosts.missed(&owner(name), now), LeftAlone::Nobody);
        }
        hosts.heard(&owner("c"));
        for name in ["a", "b"] {
            assert_eq!(hosts.missed(&owner(name), now), LeftAlone::Nobody);
        }
        assert_eq!(hosts.missed(&owner("c"), now), LeftAlone::Host);
        assert!(hosts.is_left_alone(&owner("d"), now));
        assert!(!hosts.is_left_alone(&owner("d"), now + ALONE));
        hosts.heard(&owner("a"));
        assert!(!hosts.is_left_alone(&owner("d"), now));
    }

    #[test]
    fn what_is_remembered_of_the_silent_is_bounded() {
        let (mut hosts, now) = (hosts(), Instant::now());
        for number in 0..2 * SILENT {
            hosts.missed(&owner(&format!("a{number}")), now);
        }
        assert_eq!(hosts.0["example.org"].silent.len(), SILENT);
        hosts.missed(&owner("b"), now + ALONE);
        assert_eq!(hosts.0["example.org"].silent.len(), 1);
    }

    /// Eight users asked for bookmarks over nodes of a MiB, and everybody's requests waited for 4 s
    /// behind these in ejabberd.
    #[test]
    fn large_nodes_take_turns_and_others_do_not_wait() {
        let (mut hosts, now) = (hosts(), Instant::now());
        let (a, b, small) = (owner("a"), owner("b"), owner("small"));
        assert_eq!(hosts.wait_to_fetch(&a, now), None, "nobody knows yet");
        hosts.fetched(&a, 1 << 20, now);
        hosts.fetched(&b, 3 << 19, now);
        hosts.fetched(&small, LARGE, now);
        let later = now + PAUSE.mul_f64(2.25);
        assert_eq!(hosts.wait_to_fetch(&a, now), Some(later));
        assert_eq!(hosts.wait_to_fetch(&small, now), None);
        assert_eq!(hosts.wait_to_fetch(&a, later), None, "its turn");
        assert_eq!(hosts.wait_to_fetch(&b, later), Some(later + PAUSE));
        let huge = owner("huge");
        hosts.fetched(&huge, usize::MAX, now);
        let longest = now + LONGEST_PAUSE;
        assert_eq!(hosts.wait_to_fetch(&huge, now), Some(longest));
        let smaller = owner("smaller");
        hosts.fetched(&smaller, 2 * LARGE, now);
        assert_eq!(
            hosts.wait_to_fetch(&smaller, later),
            None,
            "of another size"
        );
        hosts.fetched(&a, 10, now);
        assert_eq!(hosts.wait_to_fetch(&a, later), None, "it is large no more");
    }

    #[test]
    fn what_is_remembered_of_strangers_is_bounded() {
        let mut hosts = Hosts::default();
        let (items, owner) = (true, true);
        for host in 0..2 * NOT_SERVED {
            hosts.granted(format!("h{host}"), Grant { items, owner }, false);
        }
        assert_eq!(hosts.0.len(), NOT_SERVED);
    }

    #[test]
    fn what_is_granted_can_be_withdrawn() {
        let mut hosts = Hosts::default();
        let (items, owner) = (true, true);
        hosts.granted("example.org".into(), Grant { items, owner }, true);
        assert_eq!(hosts.grant("example.org"), Some(Grant { items, owner }));
        let items = false;
        hosts.granted("example.org".into(), Grant { items, owner }, true);
        assert_eq!(hosts.grant("example.org"), None);
    }
}
