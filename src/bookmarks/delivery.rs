//! Which of the answers that show rooms have got to the server.
//!
//! What a client is shown, or was told is stored, may count in the next run, or for another instance, only where that
//! answer is known to have got through: a client that has never seen a room has not deleted it. So each has a number, and the
//! server confirms up to which number all have got through. In a shared store that is noted, as is beforehand what a client is
//! about to be shown.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;

use crate::clock::Instant;
use crate::random;

/// How many answers are followed at once. A server that confirms none must not take up ever more memory.
const MOST: usize = 1 << 16;

/// By what a client knows of rooms, among the answers of all instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Tells the answers of one run, and of one time in it, from those of all others.
    pub run: u64,
    /// That of the answer.
    pub number: u64,
}

#[derive(Debug)]
pub struct Delivery {
    run: u64,
    /// The number of the first that is followed.
    first: u64,
    followed: VecDeque<State>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// It is noted, and not given yet.
    Due,
    Given(Instant),
    /// It was never given, and nothing says any more that it was.
    Over,
}

impl Delivery {
    pub fn new() -> Self {
        Self {
            run: random::number(),
            first: 1,
            followed: VecDeque::new(),
        }
    }

    /// Whether it is one of this run's, as far as that has come.
    pub fn is_ours(&self, mark: Mark) -> bool {
        mark.run == self.run
    }

    /// One more that is due.
    fn next(&mut self) -> Mark {
        if self.followed.len() >= MOST {
            self.renew();
        }
        self.followed.push_back(State::Due);
        let ahead = self.followed.len() as u64 - 1;
        Mark {
            run: self.run,
            number: self.first + ahead,
        }
    }

    fn set(&mut self, mark: Mark, state: State) {
        let at = mark.number.checked_sub(self.first);
        let at = at.and_then(|at| usize::try_from(at).ok());
        if mark.run == self.run
            && let Some(followed) = at.and_then(|at| self.followed.get_mut(at))
        {
            *followed = state;
        }
    }

    /// Of those that are followed none will ever count: answers were lost, and nobody knows whose.
    pub fn renew(&mut self) {
        if !self.followed.is_empty() {
            *self = Self::new();
        }
    }

    /// The server has confirmed the answers that were given before this moment, or all. Up to which they have got
    /// through, if that is news.
    pub fn confirm(&mut self, unconfirmed_since: Option<Instant>) -> Option<Mark> {
        let before = self.first;
        while self.followed.front().is_some_and(|state| match state {
            State::Due => false,
            State::Given(at) => unconfirmed_since.is_none_or(|since| *at < since),
            State::Over => true,
        }) {
            self.followed.pop_front();
            self.first += 1;
        }
        (self.first > before).then(|| Mark {
            run: self.run,
            number: self.first - 1,
        })
    }

    /// Whether what bears this mark is known to the client; `None` where that is for a note to say.
    pub fn knows(&self, mark: Mark) -> Option<bool> {
        self.is_ours(mark).then_some(mark.number < self.first)
    }
}

/// An answer that is noted, and about to be given. If it is dropped as it is, nobody knows what became of it.
#[derive(Debug)]
pub struct Due {
    delivery: Rc<RefCell<Delivery>>,
    pub mark: Mark,
    is_settled: bool,
}

impl Due {
    pub fn new(delivery: &Rc<RefCell<Delivery>>) -> Self {
        let mark = delivery.borrow_mut().next();
        Self {
            delivery: Rc::clone(delivery),
            mark,
            is_settled: false,
        }
    }

    /// It is given now.
    pub fn give(self) -> Mark {
        self.settle(State::Given(Instant::now()))
    }

    /// It was not given, and what was noted of it is noted no more.
    pub fn take_back(self) {
        self.settle(State::Over);
    }

    fn settle(mut self, state: State) -> Mark {
        self.is_settled = true;
        self.delivery.borrow_mut().set(self.mark, state);
        self.mark
    }
}

impl Drop for Due {
    fn drop(&mut self) {
        if !self.is_settled {
            self.delivery.borrow_mut().renew();
        }
    }
}

impl Mark {
    /// As [`fmt::Display`] writes it.
    pub fn read(text: &str) -> Option<Self> {
        let (run, number) = text.split_once('.')?;
        Some(Self {
            run: u64::from_str_radix(run, 16).ok()?,
            number: number.parse().ok()?,
        })
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}.{}", self.run, self.number)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_answer_has_got_through_when_all_before_it_have() {
        let delivery = Rc::new(RefCell::new(Delivery::new()));
        let knows = |mark| delivery.borrow().knows(mark).unwrap();
        let confirm = |since| delivery.borrow_mut().confirm(since).map(|it| it.number);
        let (first, second) = (Due::new(&delivery), Due::new(&delivery));
        let second = second.give();
        assert_eq!(confirm(None), None, "the first is still to come");
        let before = Instant::now();
        let first = first.give();
        assert_eq!(confirm(Some(before)), None, "none is confirmed");
        let later = Instant::now() + Duration::from_secs(1);
        assert_eq!(confirm(Some(later)), Some(2));
        assert!(knows(first) && knows(second));
        Due::new(&delivery).take_back();
        assert_eq!(confirm(None), Some(3));
        assert_eq!(confirm(None), None, "that is no news");
        let other = Mark {
            run: first.run.wrapping_add(1),
            ..first
        };
        assert_eq!(delivery.borrow().knows(other), None);
        assert_eq!(Mark::read(&first.to_string()), Some(first));
    }

    /// A request that is cancelled, or panics, between the note and its answer.
    #[test]
    fn an_answer_that_nobody_knows_of_never_counts_and_holds_up_none() {
        let delivery = Rc::new(RefCell::new(Delivery::new()));
        let given = Due::new(&delivery).give();
        let due = Due::new(&delivery);
        let lost = due.mark;
        drop(due);
        let later = Due::new(&delivery).give();
        assert_eq!(delivery.borrow_mut().confirm(None), Some(later));
        for mark in [given, lost] {
            assert_ne!(mark.run, later.run);
        }
    }

    #[test]
    fn what_is_never_confirmed_is_bounded() {
        let delivery = Rc::new(RefCell::new(Delivery::new()));
        let first = Due::new(&delivery).give();
        for _ in 0..MOST {
            Due::new(&delivery).give();
        }
        assert!(delivery.borrow().followed.len() < MOST);
        assert_eq!(delivery.borrow().knows(first), None);
    }
}
