//! Brings a broken store back: closes its engine, and opens it anew when that may work.
//!
//! After an error nobody knows what the engine's memory and the disk still agree on, so what it
//! has in memory is given up, and what is on the disk is read again. It all happens on a thread of
//! its own: a broken disk can make any of it slow, and requests want their answers meanwhile.
//!
//! It is sound within one process because sled holds a lock on its log as long as any of its
//! threads could still write there: what is opened has no rival.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use super::commit::Request;
use super::engine::{Engine, Source};
use super::error::OpenError;
use super::shared::Shared;

/// The pause before each attempt, at first and at most.
pub(super) const SHORTEST_PAUSE: Duration = if cfg!(test) {
    Duration::from_millis(50)
} else {
    Duration::from_secs(2)
};
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How long the engine may take to let go of the folder. Past that it never will.
const LETS_GO_WITHIN: Duration = if cfg!(test) {
    // A busy machine needs more than an idle one, and one test waits for the end of it.
    Duration::from_secs(5)
} else {
    Duration::from_secs(60)
};

/// How long the end of the store waits for an attempt under way.
const ENDS_WITHIN: Duration = Duration::from_secs(2);

/// A revival under way.
pub(super) struct Revival {
    stop: Sender<()>,
    ended: Receiver<()>,
}

impl Revival {
    /// Begins it. The new engine comes as `Request::Revived`.
    pub(super) fn begin(
        broken: Arc<dyn Engine>,
        source: Arc<dyn Source>,
        shared: Arc<Shared>,
        pause: Duration,
        tell: Sender<Request>,
    ) -> Self {
        let (stop, stopped) = mpsc::channel();
        let (end, ended) = mpsc::channel();
        let work = move || {
            let _end: Sender<()> = end;
            if !lets_go(broken) {
                shared.lose();
            } else if let Some(engine) = reopen(&*source, &shared, pause, &stopped) {
                // Nobody receives it when the store has been closed meanwhile.
                let _ = tell.send(Request::Revived(engine));
            }
        };
        if let Err(error) = thread::Builder::new()
            .name("store-revival".into())
            .spawn(work)
        {
            tracing::error!("the store cannot be opened again: {error}; restart the service");
        }
        Self { stop, ended }
    }

    /// Gives it up.
    pub(super) fn end(self) {
        drop(self.stop);
        // Nothing is ever sent: this waits for the sender to be gone.
        let _ = self.ended.recv_timeout(ENDS_WITHIN);
    }
}

/// Drops the engine, which waits for its threads; says whether it came to an end.
fn lets_go(engine: Arc<dyn Engine>) -> bool {
    let (end, ended) = mpsc::channel::<()>();
    let work = move || {
        let _end = end;
        drop(engine);
    };
    // Without a thread it is dropped right here, with the closure.
    let _ = thread::Builder::new().name("store-end".into()).spawn(work);
    ended.recv_timeout(LETS_GO_WITHIN) == Err(RecvTimeoutError::Disconnected)
}

/// Tries until it works; `None` if told to stop.
fn reopen(
    source: &dyn Source,
    shared: &Shared,
    mut pause: Duration,
    stopped: &Receiver<()>,
) -> Option<Arc<dyn Engine>> {
    let mut said = String::new();
    loop {
        shared.wants_space(!source.has_space());
        if stopped.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
            return None;
        }
        let begun = Instant::now();
        let opened = if source.has_space() {
            source.reopen()
        } else {
            Err(source.no_space())
        };
        match opened {
            Ok(engine) => return Some(engine),
            Err(error) => {
                shared.wants_space(matches!(error, OpenError::NoSpace { .. }));
                let error = error.to_string();
                if error != said {
                    tracing::error!("the store cannot be opened again yet: {error}");
                    said = error;
                }
            }
        }
        // A large store takes seconds to open; the disk shall not be busy with that alone.
        pause = (begun.elapsed() * 10).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
    }
}
