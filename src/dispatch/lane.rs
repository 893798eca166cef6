//! The open requests of one owner, in the order they came.

use std::collections::VecDeque;

use crate::service::{Answer, Fetch, Request, Work};
use crate::store::ChangeSet;

/// How many sets of one owner are with the store at once. More would only stand before the sets
/// of others there.
const WRITING: usize = 16;

/// How many gets of one owner run in one turn. They stay together, so that their answers come in
/// order.
const READING: usize = 32;

/// The requests of one owner that have no reply yet.
#[derive(Debug, Default)]
pub struct Lane {
    waiting: VecDeque<Request>,
    reading: usize,
    writing: usize,
    bytes: usize,
}

/// What has its turn.
#[derive(Debug)]
pub enum Next {
    /// Gets that stand one behind the other, to one of the threads that read.
    Gets(Vec<Get>),
    /// A set, to the store: with what it costs, and how to answer it.
    Set(ChangeSet, usize, Answer),
    /// A removal, in the same way: of one namespace or of all.
    Remove(Option<String>, usize, Answer),
    /// The removal of all, because the account is gone.
    Forget(usize, Answer),
}

/// A get, with what it costs and how to answer it.
#[derive(Debug)]
pub struct Get {
    /// What is to be read.
    pub fetch: Fetch,
    /// Bytes.
    pub size: usize,
    /// How to answer it.
    pub answer: Answer,
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
            Work::Get(_) => self.writing == 0 && self.reading == 0,
            Work::Set(_) | Work::Remove(_) | Work::Forget => {
                self.reading == 0 && self.writing < WRITING
            }
        })
    }

    /// Starts what may start next: a set, or all the gets that come before the next set.
    pub fn start_next(&mut self) -> Option<Next> {
        if !self.may_start() {
            return None;
        }
        let mut gets = Vec::new();
        while let Some(request) = self.waiting.pop_front() {
            match request.work {
                Work::Get(fetch) => gets.push(Get {
                    fetch,
                    size: request.size,
                    answer: request.answer,
                }),
                Work::Set(changes) => {
                    self.writing += 1;
                    return Some(Next::Set(changes, request.size, request.answer));
                }
                Work::Remove(namespace) => {
                    self.writing += 1;
                    return Some(Next::Remove(namespace, request.size, request.answer));
                }
                Work::Forget => {
                    self.writing += 1;
                    return Some(Next::Forget(request.size, request.answer));
                }
            }
            let next_is_get = matches!(self.waiting.front().map(|r| &r.work), Some(Work::Get(_)));
            if !next_is_get || gets.len() >= READING {
                break;
            }
        }
        self.reading += gets.len();
        Some(Next::Gets(gets))
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
