//! Whether the server is still there, and has read what it was sent: pings (XEP-0199), and what
//! follows from their answers.
//!
//! The served host is pinged, and not ourselves through the server: with mod_privilege, ejabberd
//! since 25.03 never answers that, and answers this.

use std::time::Duration;

use crate::clock::Instant;
use crate::link::Outbox;
use crate::stanza;

/// How soon replies that no ping has confirmed are followed by one.
const CONFIRM: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub struct Liveness {
    /// How long the server may be silent before it is asked, and again until it is given up.
    patience: Duration,
    from: String,
    to: String,
    /// When the server last showed that it lives.
    alive: Instant,
    /// The last ping, and whether it has its answer.
    last: Option<(u64, Instant, bool)>,
    number: u64,
    /// Whether any ping was ever answered. There are servers that drop them all, and those must
    /// not be given up for it.
    answered: bool,
}

/// What is to be done now.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    Wait(Instant),
    /// The server has been silent for too long.
    Dead(Duration),
}

impl Liveness {
    /// For a component of this domain that serves that host.
    pub fn new(patience: Duration, from: &str, to: &str) -> Self {
        Self {
            patience,
            from: from.to_owned(),
            to: to.to_owned(),
            alive: Instant::now(),
            last: None,
            number: 0,
            answered: false,
        }
    }

    /// One of these hosts is served, and may be pinged: the same one as before, if it is among
    /// them.
    pub fn watch_one_of(&mut self, hosts: &[String]) {
        if !hosts.contains(&self.to)
            && let Some(host) = hosts.first()
        {
            self.to.clone_from(host);
            // This one may answer no pings, and must not be given up for it.
            self.answered = false;
            self.last = None;
        }
    }

    /// A new link is up: the first ping shows whether this server answers any.
    pub fn begin(&mut self, outbox: &mut Outbox) {
        self.alive = Instant::now();
        self.ping(outbox);
    }

    /// A host that is served has said what it lets us do. Before that, ejabberd with mod_privilege drops our IQs,
    /// and those to a host that never does: a ping that has had no answer is sent once more, to this one.
    pub fn granted(&mut self, host: &str, outbox: &mut Outbox) {
        if matches!(self.last, Some((.., false))) {
            host.clone_into(&mut self.to);
            self.ping(outbox);
        }
    }

    /// The server has shown at this moment that it lives.
    pub fn lives(&mut self, moment: Instant) {
        self.alive = self.alive.max(moment);
    }

    /// Somebody has answered an IQ of this id. Only the host's own answer to our own ping counts.
    pub fn answered(&mut self, id: &str, from: &str, outbox: &mut Outbox) {
        let Some((number, at, false)) = self.last else {
            return;
        };
        if from == self.to && id == ping_id(number) {
            self.last = Some((number, at, true));
            self.answered = true;
            outbox.confirm(number);
        }
    }

    /// Pings if it is time to, and says what comes next.
    pub fn poll(&mut self, now: Instant, outbox: &mut Outbox) -> Verdict {
        let silent = now.saturating_duration_since(self.alive);
        if silent >= 2 * self.patience && self.answered {
            return Verdict::Dead(silent);
        }
        let at = self.next_ping(outbox);
        if at <= now {
            self.ping(outbox);
        }
        let given_up = self.alive + 2 * self.patience;
        let next = self.next_ping(outbox);
        Verdict::Wait(if given_up > now {
            next.min(given_up)
        } else {
            next
        })
    }

    /// When the next ping is due.
    fn next_ping(&self, outbox: &Outbox) -> Instant {
        match self.last {
            None => self.alive,
            Some((_, at, true)) if outbox.has_unconfirmed() => at + CONFIRM,
            Some((_, at, _)) => (self.alive + self.patience).max(at + self.patience),
        }
    }

    fn ping(&mut self, outbox: &mut Outbox) {
        self.number += 1;
        self.last = Some((self.number, Instant::now(), false));
        let ping = stanza::get(&ping_id(self.number), &self.from, &self.to, stanza::PING);
        outbox.push_ping(self.number, ping);
    }
}

fn ping_id(number: u64) -> String {
    format!("alive-{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn liveness() -> (Liveness, Outbox, Instant) {
        let mut outbox = Outbox::default();
        let mut liveness = Liveness::new(PATIENCE, "private.example.org", "example.org");
        liveness.begin(&mut outbox);
        (liveness, outbox, Instant::now())
    }

    #[test]
    fn a_silent_router_is_asked_and_then_given_up() {
        let (mut liveness, mut outbox, now) = liveness();
        liveness.answered("alive-1", "example.org", &mut outbox);
        assert!(matches!(liveness.poll(now, &mut outbox), Verdict::Wait(_)));
        assert_eq!(outbox.bytes(), ping_bytes());
        liveness.poll(now + PATIENCE, &mut outbox);
        assert_eq!(outbox.bytes(), 2 * ping_bytes());
        let late = now + 2 * PATIENCE;
        assert!(matches!(liveness.poll(late, &mut outbox), Verdict::Dead(_)));
        liveness.lives(late);
        assert!(matches!(liveness.poll(late, &mut outbox), Verdict::Wait(_)));
    }

    #[test]
    fn a_router_that_never_answered_a_ping_is_not_given_up() {
        let (mut liveness, mut outbox, now) = liveness();
        for minutes in 1..10 {
            let verdict = liveness.poll(now + minutes * PATIENCE, &mut outbox);
            assert!(matches!(verdict, Verdict::Wait(_)));
        }
    }

    #[test]
    fn a_ping_that_came_before_the_grant_is_repeated() {
        let (mut liveness, mut outbox, _) = liveness();
        liveness.granted("example.org", &mut outbox);
        assert_eq!(outbox.bytes(), 2 * ping_bytes());
        liveness.answered("alive-2", "example.org", &mut outbox);
        liveness.granted("example.org", &mut outbox);
        assert_eq!(outbox.bytes(), 2 * ping_bytes());
    }

    /// Of two hosts only the second let us do something, and ejabberd dropped all pings, which went to the first: what
    /// was written was never known to have been read, and was written again on each new link.
    #[test]
    fn a_host_that_grants_is_pinged_in_place_of_one_that_does_not_answer() {
        let (mut liveness, mut outbox, _) = liveness();
        liveness.granted("example.net", &mut outbox);
        liveness.answered("alive-2", "example.net", &mut outbox);
        assert!(liveness.answered);
        liveness.granted("example.org", &mut outbox);
        assert_eq!(liveness.to, "example.net", "it answers");
    }

    #[test]
    fn nobody_else_can_answer_for_the_host() {
        let (mut liveness, mut outbox, _) = liveness();
        liveness.answered("alive-1", "mallory@example.org/x", &mut outbox);
        liveness.answered("alive-2", "example.org", &mut outbox);
        assert!(!liveness.answered);
    }

    #[test]
    fn another_host_is_pinged_only_if_this_one_is_served_no_more() {
        let (mut liveness, mut outbox, now) = liveness();
        liveness.answered("alive-1", "example.org", &mut outbox);
        let hosts = |names: &[&str]| names.iter().map(|&it| it.to_owned()).collect::<Vec<_>>();
        liveness.watch_one_of(&hosts(&["example.net", "example.org"]));
        assert_eq!(
            (liveness.to.as_str(), liveness.answered),
            ("example.org", true)
        );
        liveness.watch_one_of(&hosts(&["example.net"]));
        assert_eq!(
            (liveness.to.as_str(), liveness.answered),
            ("example.net", false)
        );
        liveness.poll(now, &mut outbox);
        liveness.answered("alive-2", "example.net", &mut outbox);
        assert!(liveness.answered);
    }

    fn ping_bytes() -> usize {
        let (_, outbox, _) = liveness();
        outbox.bytes()
    }
}
