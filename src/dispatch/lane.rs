//! The open requests of one owner, in the order they came.

use std::collections::VecDeque;

use crate::service::{Answer, Fetch, Request, Work};
use crate::store::ChangeSet;

/// How many sets of one owner are with the store at once. More would only stand before the sets
/// of others there.
const WRITING: usize = 16;

/// How many gets of one owner run at once.
const READING: usize = 16;

/// The requests of one owner that have no reply yet.
#[derive(Debug, Default)]
pub struct Lane {
    waiting: VecDeque<Request>,
    reading: usize,
    writing: usize,
    bytes: usize,
}

/// A request whose turn it is, with what it costs and how to answer it.
#[derive(Debug)]
pub enum Next {
    /// To the threads that read.
    Get(Fetch, usize, Answer),
    /// To the store.
    Set(ChangeSet, usize, Answer),
}

impl Lane {
    /// What all of them cost, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.reading == 0 && self.writing == 0
    }

    /// Takes a request in. Whether the lane may start one now, and could not before.
    pub fn enter(&mut self, request: Request) -> bool {
        let first = self.waiting.is_empty();
        self.bytes += request.size;
        self.waiting.push_back(request);
        first && self.may_start()
    }

    /// Whether the next request may start: a get when nothing is being written, a set when
    /// nothing is being read, so that no get shows what came after it, or what is not durable.
    pub fn may_start(&self) -> bool {
        self.waiting.front().is_some_and(|next| match next.work {
            Work::Get(_) => self.writing == 0 && self.reading < READING,
            Work::Set(_) => self.reading == 0 && self.writing < WRITING,
        })
    }

    /// Starts the next request, if it may start.
    pub fn start_next(&mut self) -> Option<Next> {
        if !self.may_start() {
            return None;
        }
        let request = self.waiting.pop_front()?;
        Some(match request.work {
            Work::Get(fetch) => {
                self.reading += 1;
                Next::Get(fetch, request.size, request.answer)
            }
            Work::Set(changes) => {
                self.writing += 1;
                Next::Set(changes, request.size, request.answer)
            }
        })
    }

    /// A get has its reply. Whether the lane may start a request now, and could not before.
    pub fn get_is_done(&mut self, size: usize) -> bool {
        let could = self.may_start();
        self.reading -= 1;
        self.bytes -= size;
        !could && self.may_start()
    }

    /// The same for a set.
    pub fn set_is_done(&mut self, size: usize) -> bool {
        let could = self.may_start();
        self.writing -= 1;
        self.bytes -= size;
        !could && self.may_start()
    }
}
