//! The requests about one owner's bookmarks, in the order they came; the first of them is being
//! brought into step.

use std::collections::VecDeque;

use super::base::Base;
use super::decide::left_of;
use super::legacy::Legacy;
use super::node::Payload;
use super::shown::{Shown, Sight};
use super::step::{List, Step, Stored};
use crate::address;
use crate::service::{Answer, Answered, Bookmarks};

/// How many bytes of a list are taken apart in less than half a millisecond: where they are.
pub const SHORT: usize = 4 * 1024;

/// The requests of one owner.
#[derive(Debug, Default)]
pub struct Line {
    /// They themselves.
    pub requests: VecDeque<Request>,
    /// What is under way for the first of them.
    pub step: Option<Step>,
    /// Its next IQ.
    pub payload: Option<Payload>,
    /// What both sides had when they were last in step.
    pub base: Known,
    /// How many notes of it are on their way to the disk. As long as there is one the line stays,
    /// even if nobody waits: what the store has is older.
    pub noting: usize,
    /// Bytes that are held beside what the requests themselves cost.
    pub held: usize,
}

/// What is known of a base.
#[derive(Debug, Default)]
pub enum Known {
    /// Nothing yet.
    #[default]
    Nothing,
    /// It is being read, under this number.
    Asked(u64),
    /// It is this; `None` if both sides never were in step.
    Is(Option<Base>),
}

/// A request.
#[derive(Debug)]
pub struct Request {
    /// By which it is known; those that came later have higher ones.
    pub number: u64,
    /// The full address of who asks, as received.
    pub asker: String,
    /// What it costs, in bytes.
    pub size: usize,
    /// How to answer it; `None` once it is answered.
    pub answer: Option<Answer>,
    /// What it is about.
    pub content: Content,
    /// Whether both sides are in step with it.
    pub is_in_step: bool,
}

/// What a request is about.
#[derive(Debug)]
pub enum Content {
    /// They are read: this was found in the store. It is taken apart when its turn comes, for that
    /// takes time, and many times its memory.
    Get(Bookmarks),
    /// They were stored, durably.
    Set {
        /// This; `None` once it is being brought into step.
        stored: Option<Legacy>,
        /// The rooms in it.
        rooms: Base,
        /// What the client had been shown when it stored them. It may be shown other things before
        /// their turn comes.
        shown: Option<Sight>,
    },
}

impl Line {
    /// The request with this number.
    pub fn request(&mut self, number: u64) -> Option<&mut Request> {
        self.requests.iter_mut().find(|it| it.number == number)
    }

    /// Both sides were last in step like this, from now on; that is being noted.
    pub fn begin_from(&mut self, base: Base) {
        self.base = Known::Is(Some(base));
        self.noting += 1;
    }

    /// This request is over, and may not have been brought into step. What is to be noted then:
    /// `Some(None)` if nothing may be, because it is not known how both sides were.
    pub fn end_of(&mut self, request: &Request) -> Option<Option<String>> {
        let Content::Set { rooms, shown, .. } = &request.content else {
            return None;
        };
        if request.is_in_step {
            return None;
        }
        match &self.base {
            Known::Is(None) => None,
            Known::Is(Some(base)) => {
                let left = left_of(base, rooms, shown.as_ref());
                (left != *base).then(|| {
                    let note = left.write();
                    self.begin_from(left);
                    Some(note)
                })
            }
            Known::Nothing | Known::Asked(_) => {
                self.base = Known::Is(None);
                self.noting += 1;
                Some(None)
            }
        }
    }

    /// Whether nothing is to be done any more.
    pub fn is_over(&self) -> bool {
        self.requests.is_empty() && self.noting == 0
    }
}

impl Request {
    /// Its answer from the store, unless it has one.
    pub fn answered(&mut self, shown: &mut Shown) -> Option<Answered> {
        let answer = self.answer.take()?;
        match &self.content {
            Content::Get(found) => {
                // Where it takes long to see what the client is shown, nobody knows.
                match found.shown() {
                    shown_alone if shown_alone.len() <= SHORT => {
                        let rooms = Legacy::read(shown_alone).base();
                        shown.put(&self.asker, rooms, self.number);
                    }
                    _ => shown.forget(&self.asker),
                }
                answer.bookmarks(found, None)
            }
            Content::Set { .. } => Some(answer.set(&Ok(()))),
        }
    }

    /// Its answer where carrying it out has panicked.
    pub fn broken(&mut self) -> Option<Answered> {
        self.answer.take().map(|answer| answer.broken())
    }

    /// It is over: PEP has what its client has been shown, if both sides are in step.
    pub fn note(&self, shown: &mut Shown) {
        if self.is_in_step {
            shown.is_in_step(&self.asker, self.number);
        }
    }

    /// What is to be brought into step; `None` if it has been taken already.
    pub fn stored(&mut self, base: Option<&Base>) -> Option<Stored> {
        let (list, shown, is_set) = match &mut self.content {
            Content::Get(found) => (List::Text(found.stored().to_owned()), None, false),
            Content::Set { stored, shown, .. } => (List::Read(stored.take()?), shown.clone(), true),
        };
        Some(Stored {
            list,
            base: base.cloned(),
            shown,
            is_set,
        })
    }

    /// Whether it has stored them.
    pub fn is_set(&self) -> bool {
        matches!(self.content, Content::Set { .. })
    }

    /// The bare address of who asks.
    pub fn user(&self) -> &str {
        address::bare(&self.asker)
    }

    /// Bytes that are held beside what the request itself costs.
    pub fn held(&self) -> usize {
        match &self.content {
            Content::Get(found) => found.bytes(),
            Content::Set { .. } => 0,
        }
    }
}
