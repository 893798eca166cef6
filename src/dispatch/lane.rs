//! The open requests of one owner, in the order they came.

use std::collections::VecDeque;

use crate::service::{Answer, Fetch, Request, Work, Write};

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
    /// Those that are done with the store, and wait for PEP. Nothing waits for them.
    in_step: usize,
    bytes: usize,
    /// Whether nothing may start, for the next change is not with the store yet.
    is_held: bool,
}

/// What has its turn.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it is moved once")]
pub enum Next {
    /// Gets that stand one behind the other, to one of the threads that read.
    Gets(Vec<Get>),
    /// A change, to the store.
    Write(Write, Ticket),
}

/// How far a request has come.
#[derive(Debug, Clone, Copy)]
pub enum Stage {
    /// It is being read from the store.
    Reading,
    /// It is being written.
    Writing,
    /// It waits for PEP.
    InStep,
}

/// A get.
#[derive(Debug)]
pub struct Get {
    /// What is to be read.
    pub fetch: Fetch,
    /// What is kept of it.
    pub ticket: Ticket,
}

/// What is kept of a request until it is answered.
#[derive(Debug)]
pub struct Ticket {
    /// What it costs, in bytes.
    pub size: usize,
    /// How to answer it.
    pub answer: Answer,
    /// Who asks, where it is about bookmarks that are kept in step with PEP.
    pub asker: Option<String>,
}

impl Lane {
    /// What all of them cost, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.reading + self.writing + self.in_step == 0
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
        let next = self.waiting.front().filter(|_| !self.is_held);
        next.is_some_and(|next| match next.work {
            Work::Get(_) => self.writing == 0 && self.reading == 0,
            Work::Write(_) => self.reading == 0 && self.writing < WRITING,
        })
    }

    /// Starts what may start next: a set, or all the gets that come before the next set.
    pub fn start_next(&mut self) -> Option<Next> {
        if !self.may_start() {
            return None;
        }
        let mut gets = Vec::new();
        while let Some(request) = self.waiting.pop_front() {
            let ticket = Ticket {
                size: request.size,
                answer: request.answer,
                asker: request.asker,
            };
            match request.work {
                Work::Get(fetch) => gets.push(Get { fetch, ticket }),
                Work::Write(write) => {
                    self.writing += 1;
                    return Some(Next::Write(write, ticket));
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

    /// A request of this size has reached its end here. Whether the lane may start a request now,
    /// and could not before.
    pub fn close(&mut self, stage: Stage, size: usize) -> bool {
        self.bytes -= size;
        self.leave(stage)
    }

    /// A request is done with the store, and waits for PEP; what comes behind it does not.
    pub fn wait_for_pep(&mut self, stage: Stage) -> bool {
        self.in_step += 1;
        self.leave(stage)
    }

    /// Starts nothing until it is released.
    pub fn hold(&mut self) {
        self.is_held = true;
    }

    /// What was started last is with the store, or over. Whether the lane may start a request now.
    pub fn release(&mut self) -> bool {
        self.is_held = false;
        self.may_start()
    }

    fn leave(&mut self, stage: Stage) -> bool {
        let could = self.may_start();
        match stage {
            Stage::Reading => self.reading -= 1,
            Stage::Writing => self.writing -= 1,
            Stage::InStep => self.in_step -= 1,
        }
        !could && self.may_start()
    }
}
