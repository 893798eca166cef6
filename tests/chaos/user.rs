//! One user: asks at random, and knows which answers can be true.
//!
//! The order of one user's requests is what everything is judged by. A set is answered when all
//! that its user asked before has been: whatever was surely read before it, and has no answer by
//! then, will never have one. A get is answered after all sets before it; two gets may overtake
//! each other.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use minidom::Element;

use super::dice::Dice;
use super::model::Worlds;
use super::request::{self, Envelope, Outcome, WAYS};
use super::wish::{NAMESPACES, What};
use crate::support::server::HOST;

/// How many requests of one user are under way at most.
const AT_ONCE: usize = 5;

/// How many worlds a user lives in before he only asks.
const TOO_MANY_WORLDS: usize = 16;

/// The component drops replies that no link took for so long.
const KEPT: Duration = Duration::from_secs(60);

/// How long an answer may take while everything works, on a machine that is busy with other tests.
const OVERDUE: Duration = Duration::from_secs(60);

/// Where on which link a request was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub link: u64,
    pub number: u64,
}

/// A request without an answer.
#[derive(Debug)]
struct Open {
    number: u64,
    what: What,
    envelope: Envelope,
    place: Place,
    sent: Instant,
    /// The component has read it: something that stood behind it has been answered.
    read: bool,
    /// Its answer may have gone down with a link, or have been dropped for its age.
    excused: bool,
    /// A get that was overtaken: what it may bring.
    worlds: Option<Worlds>,
}

/// A user.
pub struct User {
    name: String,
    dice: Dice,
    worlds: Worlds,
    open: VecDeque<Open>,
    /// What this process has answered, and on which link.
    closed: HashMap<u64, (u64, Element)>,
    asked: u64,
    next: Instant,
    /// Namespaces to read before anything is changed again.
    doubtful: Vec<u8>,
    /// Sets that were acknowledged, and those that stayed in doubt.
    pub sets: u64,
    pub doubts: u64,
}

impl User {
    /// The user with this number.
    pub fn new(number: usize, seed: u64) -> User {
        User {
            name: format!("u{number}"),
            dice: Dice::new(seed, number as u64 + 1),
            worlds: Worlds::default(),
            open: VecDeque::new(),
            closed: HashMap::new(),
            asked: 0,
            next: Instant::now(),
            doubtful: Vec::new(),
            sets: 0,
            doubts: 0,
        }
    }

    /// The next request, if it is time for one and not too much is under way.
    pub fn ask(&mut self, place: Place) -> Option<String> {
        let now = Instant::now();
        let under_way = self
            .open
            .iter()
            .filter(|open| open.place.link == place.link);
        if now < self.next || under_way.count() >= AT_ONCE {
            return None;
        }
        self.next = now + Duration::from_millis(self.dice.between(2, 25));
        let unique = format!("{}-{}", self.name, self.asked + 1);
        let what = match self.doubtful.pop() {
            Some(namespace) => What::all_of(namespace),
            None if self.worlds.len() > TOO_MANY_WORLDS => What::any_get(&mut self.dice),
            None => What::anything(&mut self.dice, &unique),
        };
        Some(self.send(what, place))
    }

    /// Asks for all of a namespace, whatever else is under way.
    pub fn read_all(&mut self, namespace: u8, place: Place) -> String {
        self.send(What::all_of(namespace), place)
    }

    fn send(&mut self, what: What, place: Place) -> String {
        self.asked += 1;
        let envelope = Envelope {
            id: format!("{}-{}", self.name, self.asked),
            user: format!("{}@{HOST}", self.name),
            resource: "it",
            to: matches!(what, What::Trespass).then_some("another@localhost"),
            way: self.dice.pick(&WAYS),
        };
        let stanza = envelope.wrap(what.kind(), &what.elements());
        self.open.push_back(Open {
            number: self.asked,
            what,
            envelope,
            place,
            sent: Instant::now(),
            read: false,
            excused: false,
            worlds: None,
        });
        stanza
    }

    /// Where an open request was sent; none if there is no such request.
    pub fn place_of(&self, number: u64) -> Option<Place> {
        let open = self.open.iter().find(|open| open.number == number);
        open.map(|open| open.place)
    }

    /// What stood here or before on that link has been read.
    pub fn was_read(&mut self, place: Place) {
        for open in &mut self.open {
            open.read |= open.place.link == place.link && open.place.number <= place.number;
        }
    }

    /// Takes an answer, and complains if it is not one that may come now, on this link. An answer
    /// that an earlier link may have lost comes again, as it was.
    pub fn answered(&mut self, number: u64, link: u64, answer: &Element) -> Result<(), String> {
        let at = self.open.iter().position(|open| open.number == number);
        let open = at.and_then(|at| self.open.remove(at));
        let (Some(at), Some(open)) = (at, open) else {
            return match self.closed.get(&number) {
                Some((earlier, same)) if *earlier < link && same == answer => Ok(()),
                Some(_) => Err("a second answer".into()),
                None => Err("an answer to nothing that this process was asked".into()),
            };
        };
        self.closed.insert(number, (link, answer.clone()));
        match (&open.what, open.envelope.open(answer)?) {
            (What::Trespass, Outcome::Refused(why)) if why == "forbidden" => Ok(()),
            (What::Set(set), Outcome::Done) => {
                self.overtake(at, true)?;
                self.worlds.apply(set);
                self.sets += 1;
                Ok(())
            }
            (What::Get(fetch), Outcome::Fetched(children)) => {
                self.overtake(at, false)?;
                let fetched = request::fetched(fetch, &children)?;
                let mut overtaken = open.worlds;
                let worlds = overtaken.as_mut().unwrap_or(&mut self.worlds);
                if worlds.observe(fetch, &fetched) {
                    return Ok(());
                }
                Err(format!(
                    "{fetch:?} brought {fetched:?}; possible were {}",
                    worlds.expectations(fetch)
                ))
            }
            (what, outcome) => Err(format!("{what:?} has the outcome {outcome:?}")),
        }
    }

    /// Something was answered that stood at `at`: what becomes of those before it.
    fn overtake(&mut self, at: usize, by_a_set: bool) -> Result<(), String> {
        let behind = self.open.split_off(at);
        for mut open in std::mem::take(&mut self.open) {
            let is_get = matches!(open.what, What::Get(_));
            if matches!(open.what, What::Trespass) {
                self.open.push_back(open);
            } else if is_get && !by_a_set {
                open.worlds.get_or_insert_with(|| self.worlds.clone());
                self.open.push_back(open);
            } else if open.read && !open.excused {
                return Err(format!("{} was read and passed over", open.envelope.id));
            } else {
                self.give_up(&open);
            }
        }
        self.open.extend(behind);
        Ok(())
    }

    fn give_up(&mut self, open: &Open) {
        if let What::Set(set) = &open.what {
            self.doubts += 1;
            self.worlds.doubt(set);
        }
    }

    /// A link is gone. `lossy`: what the component wrote last may never have been read.
    pub fn lost_link(&mut self, lossy: bool) {
        for open in &mut self.open {
            open.excused |= lossy;
        }
        self.doubtful = (0..NAMESPACES).collect();
    }

    /// A new link is up: answers that waited too long for it were dropped.
    pub fn logged_in(&mut self) {
        for open in &mut self.open {
            open.excused |= open.sent.elapsed() > KEPT;
        }
    }

    /// The component has ended: what is open has no answer for ever.
    pub fn end_of_life(&mut self) {
        self.closed.clear();
        for open in std::mem::take(&mut self.open) {
            self.give_up(&open);
        }
        self.doubtful = (0..NAMESPACES).collect();
    }

    /// The requests that are owed an answer; those of this link even if they were never read.
    pub fn owed(&self, link: Option<u64>) -> Vec<String> {
        let owed = |open: &&Open| open.read && !open.excused || Some(open.place.link) == link;
        let owed = self.open.iter().filter(owed);
        owed.map(|open| open.envelope.id.clone()).collect()
    }

    /// A request that waits too long, on a link that has worked since `since`.
    pub fn overdue(&self, link: u64, since: Instant) -> Option<String> {
        let mut open = self
            .open
            .iter()
            .filter(|open| open.place.link == link || (open.read && !open.excused));
        open.find(|open| open.sent.max(since).elapsed() > OVERDUE)
            .map(|open| open.envelope.id.clone())
    }

    /// The namespaces that all users use.
    pub fn namespaces() -> std::ops::Range<u8> {
        0..NAMESPACES
    }

    /// Whether nothing is in doubt.
    pub fn is_sure(&self) -> bool {
        self.doubtful.is_empty() && self.worlds.len() == 1
    }
}
