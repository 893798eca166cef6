//! Whether domains still delegate: a server says when that begins, and never that it has ended.
//!
//! What we answer to a server's nested disco questions (XEP-0355 section 7.2) it shows as its own for as
//! long as it delegates. A feature of ours is among that, and is looked for in the served domains'
//! disco#info: where it was once, and is no more, delegation has ended.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use minidom::Element;

use crate::link::{self, Outbox};
use crate::service::{DISCO_INFO, delegation_mark};
use crate::stanza::{Received, escape_attribute, ns};

/// How soon after it has said that it delegates a domain is asked for the first time: it has our answers
/// by then.
const FIRST: Duration = Duration::from_secs(2);

/// How soon after one attempt to bring delegation back the next may follow, at least and at most.
const PAUSES: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3600));

/// The domains that delegate on one link, and what is seen of that.
#[derive(Debug)]
pub struct Watch {
    from: String,
    /// How often domains are asked.
    every: Duration,
    /// Those that have delegated, and whether they have shown our feature since.
    domains: BTreeMap<String, bool>,
    /// When they are asked next.
    next: Option<Instant>,
    number: u64,
}

impl Watch {
    /// For a component of this domain.
    pub fn new(from: &str, every: Duration) -> Self {
        Self {
            from: from.to_owned(),
            every,
            domains: BTreeMap::new(),
            next: None,
            number: 0,
        }
    }

    /// There is a new link, on which nobody has said anything yet.
    pub fn begin(&mut self) {
        self.domains.clear();
        self.next = None;
    }

    /// This served domain delegates, from now on.
    pub fn delegated(&mut self, domain: &str, now: Instant) {
        self.domains.insert(domain.to_owned(), false);
        let soon = now + FIRST.min(self.every);
        self.next = Some(self.next.map_or(soon, |next| next.min(soon)));
    }

    /// Only these are served from now on.
    pub fn keep(&mut self, served: &[String]) {
        self.domains.retain(|domain, _| served.contains(domain));
    }

    /// Asks if it is time to, and says when it will be.
    pub fn look(&mut self, now: Instant, outbox: &mut Outbox) -> Option<Instant> {
        self.next.take_if(|_| self.domains.is_empty());
        if self.next.is_some_and(|next| next <= now) {
            self.number += 1;
            for domain in self.domains.keys() {
                outbox.push_request(self.question(domain));
            }
            self.next = Some(now + self.every);
        }
        self.next
    }

    fn question(&self, domain: &str) -> String {
        let mut iq = format!("<iq type='get' id='{PREFIX}{}' from='", self.number);
        escape_attribute(&self.from, &mut iq);
        iq.push_str("' to='");
        escape_attribute(domain, &mut iq);
        iq.push_str(&format!("'><query xmlns='{DISCO_INFO}'/></iq>"));
        iq
    }

    /// Takes a stanza that answers one of these questions; `None` if it is something else. With the
    /// domain that has ended its delegation, if one has.
    pub fn take(&mut self, received: &Received) -> Option<Option<String>> {
        let iq = &received.stanza;
        if !iq.is(ns::ACCEPT, "iq") || !matches!(iq.attribute("type"), Some("result" | "error")) {
            return None;
        }
        let number = iq.attribute("id")?.strip_prefix(PREFIX)?;
        let domain = iq.attribute("from")?;
        let is_last = number.parse() == Ok(self.number);
        let Some(seen) = self.domains.get_mut(domain).filter(|_| is_last) else {
            return Some(None);
        };
        // An error says nothing, nor does what cannot be read.
        let Some(has_mark) = has_feature(received, &delegation_mark(&self.from)) else {
            return Some(None);
        };
        if has_mark {
            *seen = true;
        } else if *seen {
            self.domains.remove(domain);
            return Some(Some(domain.to_owned()));
        }
        Some(None)
    }
}

/// Whether a disco#info result has this feature; `None` if it is none.
fn has_feature(received: &Received, feature: &str) -> Option<bool> {
    if received.stanza.attribute("type") != Some("result") {
        return None;
    }
    let read = link::read_late(received)?;
    let query: Element = read.xml(read.stanza.children.first()?).parse().ok()?;
    let is_it =
        |child: &Element| child.is("feature", DISCO_INFO) && child.attr("var") == Some(feature);
    query
        .is("query", DISCO_INFO)
        .then(|| query.children().any(is_it))
}

const PREFIX: &str = "delegated-";

/// Brings delegation back by a new login, which costs all domains on the link a moment: not too often.
#[derive(Debug)]
pub struct Anew {
    /// The domains whose delegation has ended on this link, and is not back.
    ended: BTreeSet<String>,
    /// Not before this.
    from: Option<Instant>,
    /// The next pause.
    pause: Duration,
}

impl Default for Anew {
    fn default() -> Self {
        Self {
            ended: BTreeSet::new(),
            from: None,
            pause: PAUSES.0,
        }
    }
}

impl Anew {
    /// A domain has ended its delegation.
    pub fn ended(&mut self, domain: &str) {
        self.ended.insert(domain.to_owned());
    }

    /// A domain delegates again, by itself.
    pub fn delegated(&mut self, domain: &str) {
        self.ended.remove(domain);
    }

    /// Only these are served from now on.
    pub fn keep(&mut self, served: &[String]) {
        self.ended.retain(|domain| served.contains(domain));
    }

    /// There is a new link, where nothing has ended yet.
    pub fn begin(&mut self) {
        self.ended.clear();
    }

    /// When to log in anew, if there is a reason to: now or later.
    pub fn due(&self, now: Instant) -> Option<Instant> {
        let due = self.from.map_or(now, |from| from.max(now));
        (!self.ended.is_empty()).then_some(due)
    }

    /// Whether to log in anew now, for which this is the time then.
    pub fn begins(&mut self, now: Instant) -> bool {
        if self.due(now) != Some(now) {
            return false;
        }
        let calm = self.from.is_none_or(|from| now >= from + PAUSES.1);
        if calm {
            self.pause = PAUSES.0;
        }
        self.from = Some(now + self.pause);
        self.pause = (self.pause * 2).min(PAUSES.1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_anew_are_less_and_less_frequent_and_frequent_again_after_calm() {
        let mut anew = Anew::default();
        let mut now = Instant::now();
        assert_eq!(anew.due(now), None);
        anew.ended("h");
        assert_eq!(anew.due(now), Some(now), "the first at once");
        let mut pauses = Vec::new();
        for _ in 0..9 {
            assert!(anew.begins(now));
            let next = anew.due(now).unwrap();
            assert!(!anew.begins(next - Duration::from_millis(1)));
            pauses.push((next - now).as_secs() / 60);
            now = next;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        now += PAUSES.1;
        assert!(anew.begins(now));
        assert_eq!(anew.due(now), Some(now + PAUSES.0));
    }

    /// Two domains had ended and the first delegated again by itself: the login that it had been planned
    /// for was dropped, and the other stayed without.
    #[test]
    fn as_long_as_one_domain_is_missing_there_is_a_login_anew() {
        let mut anew = Anew::default();
        let now = Instant::now();
        for domain in ["first", "second", "third"] {
            anew.ended(domain);
        }
        anew.delegated("first");
        assert_eq!(anew.due(now), Some(now));
        anew.keep(&["second".to_owned()]);
        assert_eq!(anew.due(now), Some(now));
        anew.delegated("second");
        assert_eq!(anew.due(now), None);
        anew.ended("second");
        anew.begin();
        assert_eq!(anew.due(now), None, "on a new link nothing has ended yet");
    }

    #[test]
    fn who_has_not_delegated_is_not_asked() {
        let (mut watch, mut outbox) = (Watch::new("p.h", PAUSES.0), Outbox::default());
        let now = Instant::now();
        assert_eq!(watch.look(now, &mut outbox), None);
        watch.delegated("h", now);
        assert_eq!(watch.look(now, &mut outbox), Some(now + FIRST));
        assert_eq!(outbox.bytes(), 0);
        watch.look(now + FIRST, &mut outbox);
        let once = outbox.bytes();
        assert!(once > 0);
        watch.look(now + FIRST + PAUSES.0, &mut outbox);
        assert_eq!(outbox.bytes(), 2 * once);
        watch.keep(&[]);
        assert_eq!(watch.look(now + 9 * PAUSES.0, &mut outbox), None);
    }
}
