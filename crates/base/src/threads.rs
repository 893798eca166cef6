//! Threads: whatever runs on one is started here.

use std::fmt;
use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use tokio::sync::oneshot;
use tokio::task::{JoinHandle as Task, spawn_blocking};

use crate::panics;

/// Starts a thread of this name.
///
/// # Errors
///
/// When the system refuses it.
#[expect(clippy::disallowed_methods, reason = "here they enter the program")]
pub fn start<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    Builder::new().name(name.to_owned()).spawn(work)
}

/// Starts a thread that does `work` with `value`, which is given back where the system refuses it.
///
/// # Errors
///
/// The system's, with the value.
pub fn start_with<T: Send + 'static>(
    name: &str,
    value: T,
    work: impl FnOnce(T) + Send + 'static,
) -> Result<JoinHandle<()>, (io::Error, T)> {
    // What a closure holds is lost with it.
    let (give, take) = mpsc::sync_channel(1);
    let started = start(name, move || {
        if let Ok(value) = take.recv() {
            work(value);
        }
    });
    match started {
        Ok(thread) => {
            // It waits for nothing else.
            let _ = give.send(value);
            Ok(thread)
        }
        Err(error) => Err((error, value)),
    }
}

/// Does this on one of the runtime's threads.
pub fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Task<T> {
    #[cfg(feature = "simulation")]
    if crate::simulation::is_played() {
        return tokio::task::spawn_local(async {
            crate::simulation::moment().await;
            work()
        });
    }
    spawn_blocking(work)
}

/// How many bytes anything here goes through in less than half a millisecond: that holds up nobody.
pub const SHORT: usize = 4 * 1024;

pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// A few threads that share a queue, first come, first served: for work that would hold up everybody else.
pub struct Workers(Hands);

enum Hands {
    Threads(Sender<Job>),
    /// Whoever has something done does it.
    Caller,
    #[cfg(feature = "simulation")]
    Played(tokio::sync::mpsc::UnboundedSender<Job>),
}

impl Workers {
    /// Starts so many, at least one.
    ///
    /// # Errors
    ///
    /// When the system refuses them.
    pub fn start(name: &str, threads: usize) -> io::Result<Self> {
        #[cfg(feature = "simulation")]
        if crate::simulation::is_played() {
            return Ok(Self(Hands::Played(crate::simulation::thread())));
        }
        let (queue, jobs) = mpsc::channel::<Job>();
        let jobs = Arc::new(Mutex::new(jobs));
        for _ in 0..threads.max(1) {
            let jobs = Arc::clone(&jobs);
            // The queue ends with its sender.
            start(name, move || {
                while let Ok(job) = next(&jobs) {
                    job()
                }
            })?;
        }
        Ok(Self(Hands::Threads(queue)))
    }

    /// No threads: whoever has something done does it, at once. Nothing runs beside anything then, and
    /// a run can be repeated.
    #[must_use]
    pub fn none() -> Self {
        Self(Hands::Caller)
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
        match &self.0 {
            // The threads live as long as their queue.
            Hands::Threads(queue) => drop(queue.send(Box::new(job))),
            Hands::Caller => job(),
            #[cfg(feature = "simulation")]
            Hands::Played(queue) => drop(queue.send(Box::new(job))),
        }
        async move { told.await.ok().flatten().unwrap_or_else(|| panics::again()) }
    }

    /// Does what goes through so many bytes where it holds up nobody: here and at once if they are few.
    pub async fn compute<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        match bytes <= SHORT {
            true => work(),
            false => self.run(work).await,
        }
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
