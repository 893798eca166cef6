//! Users who store, and what each of them may find.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use super::super::is_result;
use super::super::power::random::Random;
use super::serving;
use crate::scripted::stage::{Stage, request};
use crate::support::router::Session;

const USERS: usize = 4;
const NAMES: usize = 4;

/// How many sets are under way at once.
const WINDOW: usize = 12;

/// Others have something too, and change nothing: so much that a backup, a restore or a compaction has
/// a middle.
const OTHERS: usize = 150;
const OF_ANOTHER: usize = 40_000;

/// How many of the others are looked at, each time.
const SAMPLE: usize = 5;

/// How long values are.
#[derive(Clone, Copy)]
pub enum Size {
    /// Mostly short.
    Any,
    /// So that garbage grows fast.
    Large,
}

/// The values of a user, by the number of their name: each is the number of the set, and a length.
type State = BTreeMap<usize, (usize, usize)>;

/// How many of each user's sets had been answered at some moment.
pub type Moment = Vec<usize>;

/// All users.
pub struct Users {
    each: Vec<User>,
    /// Sets without an answer, in order: whose.
    open: VecDeque<(usize, usize)>,
    sent: usize,
    pub answered: usize,
    /// Which of the others is looked at next.
    next: Cell<usize>,
}

/// What one user may find: the states before the first set since this was last certain, after it, and
/// so on. Sets of one user take effect in order, each wholly.
struct User {
    states: Vec<State>,
    /// How many sets of those were answered.
    acknowledged: usize,
}

impl Users {
    /// Who have nothing.
    pub fn new() -> Self {
        let nothing = || User {
            states: vec![State::new()],
            acknowledged: 0,
        };
        Self {
            each: (0..USERS).map(|_| nothing()).collect(),
            open: VecDeque::new(),
            sent: 0,
            answered: 0,
            next: Cell::new(0),
        }
    }

    /// The others store what they have.
    pub fn fill(&mut self, stage: &mut Stage) {
        for number in 0..OTHERS {
            let value = element(0, &text(number, OF_ANOTHER));
            stage.send(request("set", "fill", &other(number), &value));
            if number >= WINDOW {
                assert!(is_result(&stage.next()));
            }
        }
        for _ in 0..WINDOW {
            assert!(is_result(&stage.next()));
        }
        self.answered += OTHERS;
    }

    /// They store until there are so many answers more. Some sets stay under way.
    pub fn keep_on(&mut self, stage: &mut Stage, size: Size, answers: usize, random: &mut Random) {
        for _ in 0..answers {
            while self.open.len() < WINDOW {
                self.send(&mut stage.session, size, random);
            }
            let answer = stage.session.next();
            assert!(is_result(&answer), "{answer:.300}");
            let id = answer
                .split("set-")
                .nth(1)
                .and_then(|rest| rest.split('.').next());
            let number: usize = id.and_then(|id| id.parse().ok()).expect("an id of ours");
            let at = self.open.iter().position(|(its, _)| *its == number);
            let (_, user) = at.and_then(|at| self.open.remove(at)).expect("an open set");
            let earlier = self
                .open
                .iter()
                .any(|(its, of)| *of == user && *its < number);
            assert!(!earlier, "sets of one user are answered out of order");
            self.each[user].acknowledged += 1;
            self.answered += 1;
        }
    }

    /// One, two or three names of one user are replaced or deleted.
    fn send(&mut self, session: &mut Session, size: Size, random: &mut Random) {
        self.sent += 1;
        let (number, user) = (self.sent, random.below(USERS));
        let (mut state, mut elements) = (self.each[user].last().clone(), BTreeMap::new());
        let names = match size {
            Size::Any => 1 + random.below(3),
            Size::Large => 1,
        };
        for _ in 0..names {
            let length = match size {
                Size::Any if random.below(10) > 0 => random.below(500),
                Size::Any => random.below(150_000),
                Size::Large => 20_000 + random.below(40_000),
            };
            let (name, deletes) = (random.below(NAMES), random.below(5) == 0);
            if deletes {
                state.remove(&name);
                elements.insert(name, element(name, ""));
            } else {
                state.insert(name, (number, length));
                elements.insert(name, element(name, &text(number, length)));
            }
        }
        self.each[user].states.push(state);
        self.open.push_back((number, user));
        let elements: String = elements.into_values().collect();
        session.send(request(
            "set",
            &format!("set-{number}."),
            &jid(user),
            &elements,
        ));
    }

    /// The process was killed and runs again: everybody finds what they may. From here on that is
    /// certain.
    #[track_caller]
    pub fn hold(&mut self, stage: &mut Stage) {
        self.open.clear();
        for (number, user) in self.each.iter_mut().enumerate() {
            let found = read(&jid(number), &mut stage.session);
            user.may_have(number, &found, user.acknowledged);
            *user = User {
                states: vec![found],
                acknowledged: 0,
            };
        }
        self.hold_others(&mut stage.session);
    }

    /// The others have what they had.
    #[track_caller]
    fn hold_others(&self, session: &mut Session) {
        for _ in 0..SAMPLE {
            let number = self.next.replace((self.next.get() + 37) % OTHERS);
            let found = read(&other(number), session);
            let wanted = State::from([(0, (number, OF_ANOTHER))]);
            assert_eq!(found, wanted, "{}", other(number));
        }
    }

    /// How many of each user's sets have been answered by now.
    pub fn acknowledged(&self) -> Moment {
        self.each.iter().map(|user| user.acknowledged).collect()
    }

    /// In the store of that folder everybody has what they had at that moment or later.
    #[track_caller]
    pub fn hold_since(&self, moment: &Moment, folder: &Path) {
        let mut stage = serving(folder);
        for (number, user) in self.each.iter().enumerate() {
            let found = read(&jid(number), &mut stage.session);
            user.may_have(number, &found, moment[number]);
        }
        self.hold_others(&mut stage.session);
    }
}

impl User {
    fn last(&self) -> &State {
        self.states.last().expect("there is one to begin with")
    }

    #[track_caller]
    fn may_have(&self, number: usize, found: &State, acknowledged: usize) {
        let possible = &self.states[acknowledged..];
        assert!(
            possible.contains(found),
            "user {number} has {found:?} (names, and of each the set and its length); after \
             {acknowledged} acknowledged sets it can be any of {possible:?}"
        );
    }
}

/// What a user finds.
fn read(user: &str, session: &mut Session) -> State {
    let mut state = State::new();
    for name in 0..NAMES {
        session.send(request("get", "get", user, &element(name, "")));
        let answer = session.next_with("id='get'");
        assert!(is_result(&answer), "{answer:.300}");
        let found = answer.split("<e ").nth(1).expect("an element");
        if let Some((value, _)) = found.split_once("</e>") {
            let (_, value) = value.split_once('>').expect("a tag");
            let (number, rest) = value.split_once(':').expect("a number");
            let number = number.parse().expect("a number");
            assert_eq!(
                value,
                text(number, rest.len()),
                "a value that nobody has stored"
            );
            state.insert(name, (number, rest.len()));
        }
    }
    state
}

fn text(number: usize, length: usize) -> String {
    format!("{number}:{}", "x".repeat(length))
}

fn jid(user: usize) -> String {
    format!("user{user}@localhost/phone")
}

fn other(number: usize) -> String {
    format!("other{number}@localhost/phone")
}

/// Each in a namespace of its own, so that an empty one deletes and a get finds only itself.
fn element(name: usize, text: &str) -> String {
    format!("<e xmlns='urn:kill:{name}'>{text}</e>")
}
