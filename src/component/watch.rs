//! Whether domains still delegate: a server says when that begins, and never that it has ended.
//!
//! What we answer to a server's nested disco questions (XEP-0355 section 7.2) it shows as its own for as
//! long as it delegates. A feature of ours is among that, and is looked for in the served domains'
//! disco#info. Where it was once, and is no more, delegation has ended, whatever the domain says: Prosody
//! goes on saying that it delegates, at each login, after its mod_delegation was unloaded. So it has where a
//! domain that has shown it answers nothing any more while the link lives: ejabberd (26.07) drops all that we
//! send when its mod_privilege is loaded again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use minidom::Element;

use crate::clock::Instant;
use crate::link::{self, Outbox};
use crate::service::{DISCO_INFO, delegation_mark};
use crate::stanza::{self, Received, ns};

/// How soon after it has said that it delegates a domain is asked for the first time: it has our answers
/// by then.
const FIRST: Duration = Duration::from_secs(2);

/// How many questions in a row stay without an answer from a domain that has shown our feature until its
/// delegation counts as ended.
const SILENT: u32 = 3;

/// How soon after one attempt to bring delegation back the next may follow, at least and at most.
const PAUSES: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(3600));

/// The domains that delegate on one link, and what is seen of that.
#[derive(Debug)]
pub struct Watch {
    from: String,
    /// How often domains are asked.
    every: Duration,
    /// Those that have delegated, and how many questions each has left without an answer since the last
    /// that it answered.
    domains: BTreeMap<String, u32>,
    /// Those that have shown our feature, on this link or an earlier one.
    marked: BTreeSet<String>,
    /// When they are asked next.
    next: Option<Instant>,
    number: u64,
}

impl Watch {
    /// For a component of this domain. An end is to be noticed within that time.
    pub fn new(from: &str, within: Duration) -> Self {
        Self {
            from: from.to_owned(),
            // The first question may be asked just before the end, and the last has to be waited for.
            every: within / (SILENT + 1),
            domains: BTreeMap::new(),
            marked: BTreeSet::new(),
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
        self.domains.insert(domain.to_owned(), 0);
        let soon = now + FIRST.min(self.every);
        self.next = Some(self.next.map_or(soon, |next| next.min(soon)));
    }

    /// Only these are served from now on.
    pub fn keep(&mut self, served: &[String]) {
        self.domains.retain(|domain, _| served.contains(domain));
        self.marked.retain(|domain| served.contains(domain));
    }

    /// Asks if it is time to, and returns the domains that have said nothing for too long.
    pub fn poll(&mut self, now: Instant, outbox: &mut Outbox) -> Vec<String> {
        self.next.take_if(|_| self.domains.is_empty());
        if self.next.is_none_or(|next| next > now) {
            return Vec::new();
        }
        let marked = &self.marked;
        let silent = self.domains.extract_if(.., |domain, unanswered| {
            *unanswered >= SILENT && marked.contains(domain)
        });
        let silent = silent.map(|(domain, _)| domain).collect();
        self.number += 1;
        for (domain, unanswered) in &mut self.domains {
            *unanswered += 1;
            outbox.push_request(question(&self.from, domain, self.number));
        }
        self.next = Some(now + self.every);
        silent
    }

    /// Nothing is read for now, and so no answer: nobody is asked before what has come can have been read.
    pub fn wait(&mut self, now: Instant) {
        let soon = now + FIRST.min(self.every);
        self.next = self.next.map(|next| next.max(soon));
    }

    /// When it is time to.
    pub fn due(&self) -> Option<Instant> {
        self.next
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
        let Some(unanswered) = self.domains.get_mut(domain) else {
            return Some(None);
        };
        *unanswered = 0;
        // An error says nothing, nor does what cannot be read.
        let Some(has_mark) = has_feature(received, &delegation_mark(&self.from)) else {
            return Some(None);
        };
        // What was not there when an earlier question was answered may be there by now.
        let is_last = number.parse() == Ok(self.number);
        if has_mark {
            self.marked.insert(domain.to_owned());
        } else if is_last && self.marked.contains(domain) {
            self.domains.remove(domain);
            return Some(Some(domain.to_owned()));
        }
        Some(None)
    }
}

fn question(from: &str, domain: &str, number: u64) -> String {
    let payload = format!("<query xmlns='{DISCO_INFO}'/>");
    stanza::get(&format!("{PREFIX}{number}"), from, domain, &payload)
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
    /// The domains that have delegated, on whatever link.
    known: BTreeSet<String>,
    /// The domains whose delegation has ended, on this link or an earlier one, and is not back.
    ended: BTreeSet<String>,
    from: Option<Instant>,
    pause: Duration,
}

impl Default for Anew {
    fn default() -> Self {
        Self {
            known: BTreeSet::new(),
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

    /// These have not delegated a while after the login: whether any did before. Those that never did are
    /// left alone: perhaps they are not to.
    pub fn missing(&mut self, domains: &[String]) -> bool {
        let known = domains.iter().filter(|it| self.known.contains(*it));
        let known: Vec<String> = known.cloned().collect();
        let some = !known.is_empty();
        self.ended.extend(known);
        some
    }

    pub fn delegated(&mut self, domain: &str) {
        self.known.insert(domain.to_owned());
        self.ended.remove(domain);
    }

    /// Only these are served from now on.
    pub fn keep(&mut self, served: &[String]) {
        self.known.retain(|domain| served.contains(domain));
        self.ended.retain(|domain| served.contains(domain));
    }

    /// When to log in again, if there is a reason to: now or later.
    pub fn due(&self, now: Instant) -> Option<Instant> {
        let due = self.from.map_or(now, |from| from.max(now));
        (!self.ended.is_empty()).then_some(due)
    }

    /// Whether to log in again now, for which this is the time then.
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
    use crate::requests::tests::received;

    /// The store stood still, so nothing was read, nor were the answers; and when it went on, so many questions were without
    /// one that delegation counted as ended.
    #[test]
    fn while_nothing_is_read_nobody_is_asked_and_nobody_is_silent() {
        let (mut watch, mut outbox) =
            (Watch::new("c", Duration::from_secs(120)), Outbox::default());
        let mut now = Instant::now();
        watch.marked.insert("h".to_owned());
        watch.delegated("h", now);
        now += FIRST;
        assert_eq!(watch.poll(now, &mut outbox), [""; 0]);
        let asked = outbox.bytes();
        for _ in 0..10 {
            now += watch.every;
            watch.wait(now);
            assert_eq!(watch.poll(now, &mut outbox), [""; 0]);
        }
        assert_eq!(outbox.bytes(), asked);
        now = watch.due().unwrap();
        assert_eq!(watch.poll(now, &mut outbox), [""; 0], "asked again");
        assert!(outbox.bytes() > asked);
        now += 2 * watch.every;
        assert_eq!(watch.poll(now, &mut outbox), [""; 0]);
        now += watch.every;
        assert_eq!(watch.poll(now, &mut outbox), ["h"], "it is silent");
    }

    #[test]
    fn logins_anew_are_less_and_less_frequent_and_frequent_again_after_calm() {
        let mut anew = Anew::default();
        let mut now = Instant::now();
        assert_eq!(anew.due(now), None);
        anew.ended("h");
        assert_eq!(anew.due(now), Some(now), "the first at once");
        let mut pauses = Vec::new();
        for _ in 0..10 {
            assert!(anew.begins(now));
            let next = anew.due(now).unwrap();
            assert!(!anew.begins(next - Duration::from_millis(1)));
            pauses.push((next - now).as_secs());
            now = next;
        }
        assert_eq!(pauses, [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]);
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
        assert!(!anew.missing(&["never".to_owned()]));
        assert_eq!(anew.due(now), None);
        assert!(anew.missing(&["never".to_owned(), "second".to_owned()]));
        assert_eq!(anew.due(now), Some(now));
    }

    #[test]
    fn who_has_not_delegated_is_not_asked() {
        let (mut watch, mut outbox) = (Watch::new("p.h", 4 * PAUSES.0), Outbox::default());
        let now = Instant::now();
        watch.poll(now, &mut outbox);
        assert_eq!(watch.due(), None);
        watch.delegated("h", now);
        watch.poll(now, &mut outbox);
        assert_eq!((watch.due(), outbox.bytes()), (Some(now + FIRST), 0));
        watch.poll(now + FIRST, &mut outbox);
        let once = outbox.bytes();
        assert!(once > 0);
        watch.poll(now + FIRST + PAUSES.0, &mut outbox);
        assert_eq!(outbox.bytes(), 2 * once);
        watch.keep(&[]);
        watch.poll(now + 9 * PAUSES.0, &mut outbox);
        assert_eq!(watch.due(), None);
    }

    /// What a host answers to the question of this number.
    fn answer(number: u32, features: &str) -> Received {
        received(&format!(
            "<iq type='result' id='{PREFIX}{number}' from='h' to='p.h'><query xmlns='{DISCO_INFO}'>\
             {features}</query></iq>"
        ))
    }

    /// A link stalled for some seconds when its host had shown our feature for the first time. The next question had been
    /// asked by the time that the answer came, which was passed over: so the feature had never been seen, and when it
    /// was gone nobody missed it. For ever. (Seed 617721134003348 of the simulator.)
    #[test]
    fn an_answer_that_comes_after_the_next_question_shows_that_a_domain_delegates() {
        let (mut watch, mut outbox) = (Watch::new("p.h", 4 * PAUSES.0), Outbox::default());
        let now = Instant::now();
        let mark = format!("<feature var='{}'/>", delegation_mark("p.h"));
        watch.delegated("h", now);
        watch.poll(now + FIRST, &mut outbox);
        watch.poll(now + FIRST + PAUSES.0, &mut outbox);
        assert_eq!(watch.take(&answer(1, "")), Some(None), "it was too early");
        assert_eq!(watch.take(&answer(1, &mark)), Some(None));
        assert_eq!(watch.take(&answer(1, "")), Some(None), "it is there by now");
        let ended = Some(Some("h".to_owned()));
        assert_eq!(watch.take(&answer(2, "")), ended);
    }

    /// A host that takes longer for each answer than there is between two questions seemed to be silent.
    #[test]
    fn a_domain_that_always_answers_late_is_not_silent() {
        let (mut watch, mut outbox) = (Watch::new("p.h", 4 * PAUSES.0), Outbox::default());
        let mut now = Instant::now() + FIRST;
        let mark = format!("<feature var='{}'/>", delegation_mark("p.h"));
        watch.delegated("h", now - FIRST);
        for number in 0..10 {
            assert_eq!(watch.poll(now, &mut outbox), [""; 0]);
            watch.take(&answer(number, &mark));
            now += PAUSES.0;
        }
    }
}
