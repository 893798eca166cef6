//! Work that takes long beside what the requests of others take: done on threads of its own, a few
//! at a time and first come, first served, so that the task that serves everybody never waits for it.

use std::collections::VecDeque;
use std::fmt;
use std::thread::available_parallelism;

use tokio::sync::mpsc::UnboundedSender;
use tokio::task::spawn_blocking;

use super::Outcome;

/// How many bytes are gone through at once where they are, in less than half a millisecond. Changing
/// threads would take longer than what is shorter.
pub const SHORT: usize = 4 * 1024;

type Job = Box<dyn FnOnce() -> Outcome + Send>;

/// The jobs that wait, and how many run.
pub struct Jobs {
    waiting: VecDeque<Job>,
    running: usize,
    at_once: usize,
    done: UnboundedSender<Outcome>,
}

impl Jobs {
    /// None; what they come to is sent there.
    pub fn new(done: UnboundedSender<Outcome>) -> Self {
        // Half of the processors, so that they hold up neither us nor the router.
        let processors = available_parallelism().map_or(1, usize::from);
        Self {
            waiting: VecDeque::new(),
            running: 0,
            at_once: (processors / 2).max(1),
            done,
        }
    }

    /// Has this done. It must not panic.
    pub fn add(&mut self, job: impl FnOnce() -> Outcome + Send + 'static) {
        self.waiting.push_back(Box::new(job));
        self.start();
    }

    /// One of them is done.
    pub fn ended(&mut self) {
        self.running -= 1;
        self.start();
    }

    fn start(&mut self) {
        while self.running < self.at_once
            && let Some(job) = self.waiting.pop_front()
        {
            self.running += 1;
            let done = self.done.clone();
            spawn_blocking(move || {
                let _ = done.send(Outcome::Job(Box::new(job())));
            });
        }
    }
}

impl fmt::Debug for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} jobs, {} of them waiting",
            self.running,
            self.waiting.len()
        )
    }
}
