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
    /// Bytes that are held beside what the requests themselves cost.
    pub held: usize,
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
    /// The rooms when both sides were last in step.
    pub base: Option<Base>,
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

    /// This is noted now: the requests behind this place begin from there.
    pub fn begin_from(&mut self, base: &Base, place: usize) {
        for request in self.requests.iter_mut().skip(place) {
            request.base = Some(base.clone());
        }
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

    /// What is left of the base, if it is less and this was not brought into step.
    pub fn left_of_base(&self, shown: &Shown) -> Option<Base> {
        let (Content::Set(text), Some(base)) = (&self.content, &self.base) else {
            return None;
        };
        let left = left_of(base, &Legacy::read(text).base(), shown.to(&self.asker));
        (!self.is_in_step && left != *base).then_some(left)
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
    pub fn stored(&self, shown: &Shown) -> Stored {
        let (text, is_set) = match &self.content {
            Content::Get(found) => (found.stored(), false),
            Content::Set(text) => (&**text, true),
        };
        let shown = shown.to(&self.asker).filter(|_| is_set);
        Stored {
            text: text.to_owned(),
            base: self.base.clone(),
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
