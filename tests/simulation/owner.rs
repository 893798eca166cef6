//! One owner: asks for anything at random, and knows which answers can be true.

use std::collections::{HashMap, VecDeque};

use minidom::Element;

use super::predicate::{self, Violation, holds};
use crate::chaos::dice::Dice;
use crate::chaos::model::Worlds;
use crate::chaos::request::{self, Envelope, Outcome};
use crate::chaos::wish::{NAMESPACES, What};
use crate::support::server::HOST;

/// How many requests are under way at most.
const AT_ONCE: usize = 6;

/// How many worlds an owner lives in before it only asks.
const TOO_MANY_WORLDS: usize = 16;

/// The component drops replies that no link took for so long, in milliseconds; a little less, because it is the reply
/// that was made then, and not the request.
pub const KEPT: u64 = 55_000;

/// After how long no process does or answers what it was asked while it had no link.
const OVER: u64 = 100_000;

/// A request that was sent and has no answer.
struct Open {
    number: u64,
    what: What,
    envelope: Envelope,
    process: u64,
    line: usize,
    /// Where it ends among what the line carries to the component.
    end: u64,
    sent: u64,
    /// Whether it was sent while others may have been open.
    is_one_of_some: bool,
    /// Its answer may have been dropped for its age.
    is_excused: bool,
}

/// What the answer came in.
pub struct Reply<'a> {
    pub line: usize,
    pub process: u64,
    /// When the disk was last in trouble, or lately.
    pub trouble: u64,
    pub answer: &'a Element,
    /// Stands for the answer as it was written.
    pub digest: u64,
    /// Whether little may be open.
    pub is_narrow: bool,
    /// Whoever has asked by then may have waited too long for another instance.
    pub waited_since: Option<u64>,
    /// Since when PEP works again, or will.
    pub pep_works_since: u64,
}

pub struct Owner {
    name: String,
    dice: Dice,
    worlds: Worlds,
    open: VecDeque<Open>,
    /// What was answered, on which line, by which process.
    closed: HashMap<u64, (usize, u64, u64)>,
    /// What nobody waits for any more, and the process that was asked: an answer may be on its way.
    given_up: HashMap<u64, u64>,
    asked: u64,
    /// Namespaces to be read before anything is changed again.
    doubtful: Vec<u8>,
    pub acknowledged: u64,
    pub doubts: u64,
}

impl Owner {
    pub fn new(number: usize, seed: u64) -> Owner {
        Owner {
            name: format!("u{number}"),
            dice: Dice::new(seed, number as u64 + 1),
            worlds: Worlds::default(),
            open: VecDeque::new(),
            closed: HashMap::new(),
            given_up: HashMap::new(),
            asked: 0,
            doubtful: Vec::new(),
            acknowledged: 0,
            doubts: 0,
        }
    }

    /// How long until it asks again, in milliseconds: much at once, and then nothing for a while.
    pub fn pause(&mut self) -> u64 {
        match self.dice.below(6) {
            0 => self.dice.below(4000),
            1 | 2 => self.dice.below(200),
            _ => self.dice.below(3),
        }
    }

    /// What it asks of this process next, unless too much is under way; or another process may yet do what it was asked:
    /// nobody knows in which order that would be.
    pub fn wish(&mut self, process: u64, now: u64) -> Option<What> {
        let elsewhere = self.open.iter().filter(|it| it.process != process);
        let over: Vec<u64> = elsewhere
            .filter(|it| it.is_excused && now > it.sent + OVER)
            .map(|it| it.number)
            .collect();
        for number in over {
            self.give_up(number);
        }
        let is_elsewhere = self.open.iter().any(|it| it.process != process);
        if is_elsewhere || self.open.len() >= AT_ONCE {
            return None;
        }
        let unique = format!("{}-{}", self.name, self.asked + 1);
        Some(match self.doubtful.pop() {
            Some(namespace) => What::all_of(namespace),
            None if self.worlds.len() > TOO_MANY_WORLDS => What::any_get(&mut self.dice),
            None => What::anything(&mut self.dice, &unique),
        })
    }

    /// Wants to see all that it has.
    pub fn look_through(&mut self) -> Vec<What> {
        self.doubtful.clear();
        (0..NAMESPACES).map(What::all_of).collect()
    }

    /// The request for this, delegated in that version or direct.
    pub fn request(&mut self, what: &What, way: Option<&'static str>) -> (Envelope, String) {
        self.asked += 1;
        let envelope = Envelope {
            id: format!("{}-{}", self.name, self.asked),
            user: format!("{}@{HOST}", self.name),
            resource: "it",
            to: matches!(what, What::Trespass).then_some("another@localhost"),
            way,
        };
        let stanza = envelope.wrap(what.kind(), &what.elements());
        (envelope, stanza)
    }

    /// It was sent to this process on this line, where it ends so far behind the beginning.
    pub fn sent(
        &mut self,
        what: What,
        envelope: Envelope,
        (process, line, end): (u64, usize, u64),
        now: u64,
    ) {
        self.open.push_back(Open {
            number: self.asked,
            what,
            envelope,
            process,
            line,
            end,
            sent: now,
            is_one_of_some: !self.open.is_empty() || !self.given_up.is_empty(),
            is_excused: false,
        });
    }

    /// Takes the answer to the request of this number.
    pub fn answered(&mut self, number: u64, reply: &Reply<'_>) -> Result<String, Violation> {
        let Some(at) = self.open.iter().position(|it| it.number == number) else {
            if self.given_up.remove(&number) == Some(reply.process) {
                let closed = (reply.line, reply.process, reply.digest);
                self.closed.insert(number, closed);
                return Ok(format!("{}-{number} is answered too late", self.name));
            }
            return self.answered_again(number, reply);
        };
        let open = &self.open[at];
        holds(open.process == reply.process, predicate::ASKED, || {
            format!("{} was asked of another process", open.envelope.id)
        })?;
        let outcome = open
            .envelope
            .open(reply.answer)
            .map_err(|why| Violation::new(predicate::ADDRESSED, why))?;
        // What is refused may be so at once.
        if !matches!(outcome, Outcome::Refused(_)) {
            self.is_in_order(at)?;
        }
        let at = self.open.iter().position(|it| it.number == number);
        let Some(open) = at.and_then(|at| self.open.remove(at)) else {
            return Ok(String::new());
        };
        let closed = (reply.line, reply.process, reply.digest);
        self.closed.insert(number, closed);
        self.judge(&open, outcome, reply)
    }

    /// The request in this place is answered: so those before it are, or never will be.
    fn is_in_order(&mut self, at: usize) -> Result<(), Violation> {
        let open = &self.open[at];
        let of_process = |it: &&Open| it.process == open.process;
        let before = self.open.iter().take(at).filter(of_process);
        let before: Vec<&Open> = before.collect();
        if let Some(passed) = before.iter().find(|it| !it.is_excused) {
            let (id, passed) = (&open.envelope.id, &passed.envelope.id);
            let what = format!("{id} is answered before {passed}, which came earlier");
            return Err(Violation::new(predicate::ORDER, what));
        }
        let given_up: Vec<u64> = before.iter().map(|it| it.number).collect();
        for number in given_up {
            self.give_up(number);
        }
        Ok(())
    }

    fn answered_again(&self, number: u64, reply: &Reply<'_>) -> Result<String, Violation> {
        let id = format!("{}-{number}", self.name);
        match self.closed.get(&number) {
            Some((line, process, same)) if *process == reply.process => {
                holds(*line != reply.line, predicate::ONCE, || {
                    format!("{id} is answered twice on a link")
                })?;
                holds(*same == reply.digest, predicate::ONCE, || {
                    format!("{id} is answered once more, and otherwise")
                })?;
                Ok(format!("{id} is answered once more"))
            }
            _ => Err(Violation::new(
                predicate::ASKED,
                format!("there is an answer to {id}, which nobody waits for"),
            )),
        }
    }

    /// Whether this answer to that request can be true.
    fn judge(
        &mut self,
        open: &Open,
        outcome: Outcome,
        reply: &Reply<'_>,
    ) -> Result<String, Violation> {
        let id = &open.envelope.id;
        match (&open.what, outcome) {
            (What::Trespass, outcome) => {
                let is_kept_out = matches!(&outcome, Outcome::Refused(why) if why == "forbidden");
                holds(is_kept_out, predicate::OWN, || {
                    format!("{id} wanted another's, and got {outcome:?}")
                })?;
                Ok(format!("{id} is kept from another's"))
            }
            (What::Set(set), Outcome::Done) => {
                self.worlds.apply(set);
                self.acknowledged += 1;
                Ok(format!("{id} is stored"))
            }
            (What::Get(fetch), Outcome::Fetched(children)) => {
                let fetched = request::fetched(fetch, &children)
                    .map_err(|why| Violation::new(predicate::STORED, why))?;
                let of_others = fetched.iter().filter_map(|(_, mark)| mark.as_ref());
                let name = format!("{}-", self.name);
                let stranger = of_others.into_iter().find(|mark| !mark.starts_with(&name));
                holds(stranger.is_none(), predicate::OWN, || {
                    format!("{id} shows {stranger:?}")
                })?;
                holds(
                    self.worlds.observe(fetch, &fetched),
                    predicate::LOST,
                    || {
                        let expected = self.worlds.expectations(fetch);
                        format!(
                            "{id} ({fetch:?}) brought {fetched:?}; it can only be one of {expected}"
                        )
                    },
                )?;
                Ok(format!("{id} brought {fetched:?}"))
            }
            (_, Outcome::Refused(why))
                if reply.is_narrow && reply.trouble < open.sent && why == "resource-constraint" =>
            {
                // Too much at once; or an answer found no room for long, where the store can be out of reach.
                let has_waited = reply.waited_since.is_some_and(|it| open.sent <= it);
                let is_due = open.is_one_of_some || has_waited;
                holds(is_due, predicate::REASON, || {
                    format!("{id} is too much, and there is nothing else")
                })?;
                if has_waited && let What::Set(set) = &open.what {
                    self.worlds.doubt(set);
                }
                Ok(format!("{id} is refused: {why}"))
            }
            (what, Outcome::Refused(why)) => {
                let is_due = reply.trouble >= open.sent
                    && ["internal-server-error", "resource-constraint"].contains(&&*why);
                holds(is_due, predicate::REASON, || {
                    format!("{id} ({what:?}) is refused with {why}")
                })?;
                if let What::Set(set) = what {
                    self.doubts += 1;
                    self.worlds.doubt(set);
                    self.doubtful = (0..NAMESPACES).collect();
                }
                Ok(format!("{id} is refused: {why}"))
            }
            (what, outcome) => Err(Violation::new(
                predicate::STORED,
                format!("{id} ({what:?}) has the outcome {outcome:?}"),
            )),
        }
    }

    /// A request has no answer, and may have been carried out.
    fn give_up(&mut self, number: u64) {
        let Some(at) = self.open.iter().position(|it| it.number == number) else {
            return;
        };
        let Some(open) = self.open.remove(at) else {
            return;
        };
        self.given_up.insert(number, open.process);
        if let What::Set(set) = open.what {
            self.doubts += 1;
            self.worlds.doubt(&set);
            self.doubtful = (0..NAMESPACES).collect();
        }
    }

    /// Nobody reads this line any more, of which so much was read: what stands behind that never came, and what was
    /// sent before that moment was surely taken.
    pub fn was_left(&mut self, line: usize, read: u64, sure_before: u64) {
        self.open.retain(|it| it.line != line || it.end <= read);
        for open in self.open.iter_mut().filter(|it| it.line == line) {
            open.is_excused |= open.sent >= sure_before;
        }
    }

    /// A process has no link for so long that its answers are gone.
    pub fn is_late(&mut self, process: u64, now: u64) {
        for open in self.open.iter_mut().filter(|it| it.process == process) {
            open.is_excused |= now.saturating_sub(open.sent) > KEPT;
        }
    }

    /// The process has ended: what it has not answered it never will.
    pub fn process_ended(&mut self, process: u64) {
        let open = self.open.iter().filter(|it| it.process == process);
        let numbers: Vec<u64> = open.map(|it| it.number).collect();
        for number in numbers {
            self.give_up(number);
        }
        self.doubtful = (0..NAMESPACES).collect();
    }

    /// What is waited for still, and must come.
    pub fn owed(&self) -> Vec<&str> {
        let owed = self.open.iter().filter(|it| !it.is_excused);
        owed.map(|it| &*it.envelope.id).collect()
    }

    /// Nothing comes any more.
    pub fn close(&mut self) {
        let numbers: Vec<u64> = self.open.iter().map(|it| it.number).collect();
        for number in numbers {
            self.give_up(number);
        }
    }
}
