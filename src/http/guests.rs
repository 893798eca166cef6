//! The connections of one listener: how many there may be, and who has to go when there are more.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};
use tokio::task::{AbortHandle, JoinSet};

/// How many there are at once.
const MAX_GUESTS: usize = 128;

/// Of the descriptors that the process may have, strangers take at most one part in so many.
const SHARE: u64 = 8;

/// How many there are in any case.
const LEAST: usize = 4;

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// It has not sent a whole request.
    Silent,
    Asked,
    /// What it asks for takes long.
    AtWork,
}

/// Where a connection says how far it has come.
#[derive(Debug, Clone, Default)]
pub struct Said(Arc<AtomicU8>);

impl Said {
    /// It has come so far.
    pub fn set(&self, stage: Stage) {
        self.0.store(stage as u8, Ordering::Relaxed);
    }

    fn is(&self, stage: Stage) -> bool {
        self.0.load(Ordering::Relaxed) == stage as u8
    }
}

/// The connections, the oldest first.
pub struct Guests {
    most: usize,
    all: VecDeque<(Said, AbortHandle)>,
    tasks: JoinSet<()>,
}

impl Default for Guests {
    fn default() -> Self {
        Self {
            most: most(),
            all: VecDeque::new(),
            tasks: JoinSet::new(),
        }
    }
}

impl Guests {
    /// Lets one in. Only within a runtime.
    pub fn admit<C>(&mut self, converse: impl FnOnce(Said) -> C)
    where
        C: Future<Output = ()> + Send + 'static,
    {
        let said = Said::default();
        let task = self.tasks.spawn(converse(said.clone()));
        self.all.push_back((said, task));
    }

    /// Makes room for one more: at once, unless all the others are at work.
    pub async fn make_room(&mut self) {
        self.forget_those_gone();
        while self.all.len() >= self.most && !self.show_one_out() {
            self.tasks.join_next().await;
            self.forget_those_gone();
        }
    }

    /// Ends the oldest connection that has not sent a whole request; where there is none, the oldest
    /// that is not at work. Returns whether there was one.
    pub fn show_one_out(&mut self) -> bool {
        self.forget_those_gone();
        let oldest = |stage| self.all.iter().position(|(said, _)| said.is(stage));
        let oldest = oldest(Stage::Silent).or_else(|| oldest(Stage::Asked));
        let gone = oldest.and_then(|at| self.all.remove(at));
        gone.inspect(|(_, task)| task.abort()).is_some()
    }

    fn forget_those_gone(&mut self) {
        while self.tasks.try_join_next().is_some() {}
        self.all.retain(|(_, task)| !task.is_finished());
    }
}

/// Whether nothing can be listened on or accepted because too much is open already.
pub fn is_shortage(error: &io::Error) -> bool {
    let shortages = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|errno| shortages.contains(&errno))
}

fn most() -> usize {
    let descriptors = getrlimit(Resource::Nofile).current;
    let share = descriptors.and_then(|all| usize::try_from(all / SHARE).ok());
    share.map_or(MAX_GUESTS, |share| share.clamp(LEAST, MAX_GUESTS))
}
