//! Work that takes long beside what the requests of others take: done on threads of its own, a few
//! at a time and first come, first served, so that the task that serves everybody never waits for it.

use std::fmt;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, available_parallelism};

use tokio::sync::mpsc::UnboundedSender;
use tokio::task::spawn_blocking;

use super::Outcome;

type Job = Box<dyn FnOnce() -> Outcome + Send>;

/// The jobs, and the threads that do them. These are the same ones always: what the allocator keeps
/// for a thread is kept once.
pub struct Jobs {
    queue: Sender<Job>,
    taken: Arc<Mutex<Receiver<Job>>>,
    threads: usize,
    at_once: usize,
    open: usize,
    done: UnboundedSender<Outcome>,
}

impl Jobs {
    /// None; what they come to is sent there.
    pub fn new(done: UnboundedSender<Outcome>) -> Self {
        // Half of the processors, so that they hold up neither us nor the router.
        let processors = available_parallelism().map_or(1, usize::from);
        let (queue, taken) = mpsc::channel();
        Self {
            queue,
            taken: Arc::new(Mutex::new(taken)),
            threads: 0,
            at_once: (processors / 2).max(1),
            open: 0,
            done,
        }
    }

    /// Has this done. It must not panic.
    pub fn add(&mut self, job: impl FnOnce() -> Outcome + Send + 'static) {
        self.open += 1;
        if self.threads < self.at_once.min(self.open) && self.start_thread() {
            self.threads += 1;
        }
        if self.threads > 0 {
            // The receiver is here, too.
            let _ = self.queue.send(Box::new(job));
        } else {
            // The system refuses threads; the runtime has some.
            let done = self.done.clone();
            spawn_blocking(move || {
                let _ = done.send(Outcome::Job(Box::new(job())));
            });
        }
    }

    /// One of them is done.
    pub fn ended(&mut self) {
        self.open -= 1;
    }

    fn start_thread(&self) -> bool {
        let (taken, done) = (Arc::clone(&self.taken), self.done.clone());
        let work = move || {
            // The queue ends with its sender.
            while let Ok(job) = next(&taken) {
                let _ = done.send(Outcome::Job(Box::new(job())));
            }
        };
        let started = thread::Builder::new().name("jobs".into()).spawn(work);
        started.is_ok()
    }
}

fn next(queue: &Mutex<Receiver<Job>>) -> Result<Job, mpsc::RecvError> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).recv()
}

impl fmt::Debug for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} jobs on {} threads", self.open, self.threads)
    }
}
