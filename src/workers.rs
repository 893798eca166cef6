//! Threads for work that would hold up everybody: reading the store, taking apart what is long.

use std::fmt;
use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::sync::oneshot;

use crate::panics;

type Job = Box<dyn FnOnce() + Send>;

/// A few threads that share a queue, first come, first served.
pub struct Workers(Sender<Job>);

impl Workers {
    /// Starts so many, at least one.
    ///
    /// # Errors
    ///
    /// When the system refuses threads.
    pub fn start(name: &str, threads: usize) -> io::Result<Self> {
        let (queue, jobs) = mpsc::channel::<Job>();
        let jobs = Arc::new(Mutex::new(jobs));
        for _ in 0..threads.max(1) {
            let jobs = Arc::clone(&jobs);
            // The queue ends with its sender.
            let work = move || while let Ok(job) = next(&jobs) { job() };
            thread::Builder::new().name(name.to_owned()).spawn(work)?;
        }
        Ok(Self(queue))
    }

    /// Has this done, behind all that was handed over before this call. The panic of a job is raised
    /// again in whoever waits for it.
    pub fn run<T, J>(&self, job: J) -> impl Future<Output = T> + use<T, J>
    where
        T: Send + 'static,
        J: FnOnce() -> T + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        let job = move || {
            // Nobody waits any more, perhaps.
            let _ = tell.send(panics::caught(job));
        };
        // The threads live as long as their queue.
        let _ = self.0.send(Box::new(job));
        async move { told.await.ok().flatten().unwrap_or_else(|| panics::again()) }
    }
}

fn next(jobs: &Mutex<Receiver<Job>>) -> Result<Job, mpsc::RecvError> {
    jobs.lock().unwrap_or_else(PoisonError::into_inner).recv()
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Workers")
    }
}
