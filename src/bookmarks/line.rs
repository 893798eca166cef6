//! The requests about one owner's bookmarks, in the order they came; the first of them is being
//! brought into step.

use std::collections::VecDeque;

use super::base::Base;
use super::decide::left_of;
use super::legacy::Legacy;
use super::node::Payload;
use super::shown::Shown;
use super::step::{Step, Stored};
use crate::address;
use crate::service::{Answer, Answered, Bookmarks};

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
    /// By which it is known.
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
    /// They are read: this was found in the store.
    Get(Bookmarks),
    /// They were stored: this, durably.
    Set(String),
}

impl Line {
    /// The request with this number.
    pub fn request(&mut self, number: u64) -> Option<&mut Request> {
        self.requests.iter_mut().find(|it| it.number == number)
    }

    /// Both sides were last in step like this, from now on. Returns what is to be noted.
    pub fn begin_from(&mut self, base: Base) -> Option<String> {
        let note = base.write();
        self.base = Known::Is(Some(base));
        self.noting += 1;
        Some(note)
    }

    /// This request is over, and may not have been brought into step. What is to be noted then:
    /// `Some(None)` if nothing may be, because it is not known how both sides were.
    pub fn end_of(&mut self, request: &Request, shown: &Shown) -> Option<Option<String>> {
        let Content::Set(text) = &request.content else {
            return None;
        };
        if request.is_in_step {
            return None;
        }
        match &self.base {
            Known::Is(None) => None,
            Known::Is(Some(base)) => {
                let stored = Legacy::read(text).base();
                let left = left_of(base, &stored, shown.to(&request.asker));
                (left != *base).then(|| self.begin_from(left))
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
                shown.put(&self.asker, Legacy::read(found.stored()).base(), false);
                answer.bookmarks(found, None)
            }
            Content::Set(_) => Some(answer.set(&Ok(()))),
        }
    }

    /// It is over: what it tells about what its client has been shown.
    pub fn note(&self, shown: &mut Shown) {
        if let Content::Set(text) = &self.content {
            shown.put(&self.asker, Legacy::read(text).base(), false);
        }
        if self.is_in_step {
            shown.is_in_step(&self.asker);
        }
    }

    /// What is to be brought into step.
    pub fn stored(&self, base: Option<&Base>, shown: &Shown) -> Stored {
        let (text, is_set) = match &self.content {
            Content::Get(found) => (found.stored(), false),
            Content::Set(text) => (&**text, true),
        };
        let shown = shown.to(&self.asker).filter(|_| is_set);
        Stored {
            text: text.to_owned(),
            base: base.cloned(),
            shown: shown.cloned(),
            is_set,
        }
    }

    /// The bare address of who asks.
    pub fn user(&self) -> &str {
        address::bare(&self.asker)
    }

    /// Bytes that are held beside what the request itself costs.
    pub fn held(&self) -> usize {
        match &self.content {
            Content::Get(found) => found.bytes(),
            Content::Set(_) => 0,
        }
    }
}
