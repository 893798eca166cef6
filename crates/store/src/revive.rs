//! Brings a broken store back: closes its engine, and opens it again when that may work.
//!
//! After an error nobody knows what the engine's memory and the disk still agree on, so what it
//! has in memory is given up, and what is on the disk is read again. It all happens on a thread of
//! its own: a broken disk can make any of it slow, and requests want their answers meanwhile. That
//! thread is started with the store, because a system that is short of threads may refuse it later.
//!
//! It is sound within one process because sled holds a lock on its log as long as any of its
//! threads could still write there: what is opened has no rival.
//!
//! It is tried for as long as the disk is broken, full or gone. A shortage of threads, memory or
//! descriptors may be our own, though, so after a while of that the process is to be started again.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use super::engine::{Engine, Source, Successor};
use super::error::OpenError;
use super::request::Request;
use super::shared::Shared;

use xps_base::clock::Instant;
use xps_base::threads;

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

/// How long the system may be short of what it takes.
const SHORT_FOR: Duration = if cfg!(test) {
    Duration::from_secs(1)
} else {
    Duration::from_secs(600)
};

/// How long the end of the store waits for an attempt under way.
const ENDS_WITHIN: Duration = Duration::from_secs(2);

/// An engine that broke, with what was in the making beside it.
pub(super) struct Broken {
    pub(super) engine: Arc<dyn Engine>,
    pub(super) successor: Option<Box<dyn Successor>>,
    /// What was said of it.
    pub(super) reason: String,
    /// The pause before the first attempt.
    pub(super) pause: Duration,
}

/// Whoever revives the engine, again and again.
pub(super) struct Reviver {
    broken: Sender<Broken>,
    stop: Sender<()>,
    ended: Receiver<()>,
}

impl Reviver {
    /// Starts its thread. A new engine comes as `Request::Revived`.
    pub(super) fn start(
        source: Arc<dyn Source>,
        shared: Arc<Shared>,
        tell: Sender<Request>,
    ) -> io::Result<Self> {
        let (broken, come) = mpsc::channel();
        let (stop, stopped) = mpsc::channel();
        let (end, ended) = mpsc::channel();
        let attempts = Attempts {
            source,
            shared,
            stopped,
        };
        let work = move || {
            let _end: Sender<()> = end;
            while let Ok(broken) = come.recv() {
                if let Some(engine) = attempts.revive(broken) {
                    // Nobody receives it when the store has been closed meanwhile.
                    let _ = tell.send(Request::Revived(engine));
                }
            }
        };
        threads::start("store-revival", work)?;
        Ok(Self {
            broken,
            stop,
            ended,
        })
    }

    pub(super) fn none() -> Self {
        let ((broken, _), (stop, _), (_, ended)) =
            (mpsc::channel(), mpsc::channel(), mpsc::channel());
        Self {
            broken,
            stop,
            ended,
        }
    }

    /// One that hands what has broken to somebody else.
    #[cfg(feature = "simulation")]
    pub(super) fn elsewhere() -> (Self, Receiver<Broken>) {
        let (broken, come) = mpsc::channel();
        (
            Self {
                broken,
                ..Self::none()
            },
            come,
        )
    }

    pub(super) fn revive(&self, broken: Broken) {
        // Its thread ends after us.
        let _ = self.broken.send(broken);
    }

    /// Gives up what is under way.
    pub(super) fn end(self) {
        drop((self.broken, self.stop));
        // Nothing is ever sent: this waits for the sender to be gone.
        let _ = self.ended.recv_timeout(ENDS_WITHIN);
    }
}

/// What an attempt has come to.
enum Outcome {
    Works(Arc<dyn Engine>),
    Stopped,
    /// This process cannot go on: why.
    Lost(String),
}

struct Attempts {
    source: Arc<dyn Source>,
    shared: Arc<Shared>,
    stopped: Receiver<()>,
}

impl Attempts {
    fn revive(&self, broken: Broken) -> Option<Arc<dyn Engine>> {
        let Broken {
            engine,
            successor,
            reason,
            pause,
        } = broken;
        let mut trouble = Shortage {
            said: reason,
            short_since: None,
        };
        let outcome = match self.release(engine, successor, &mut trouble) {
            None => self.reopen(pause, &mut trouble),
            Some(outcome) => outcome,
        };
        match outcome {
            Outcome::Works(engine) => Some(engine),
            Outcome::Stopped => None,
            Outcome::Lost(why) => {
                self.shared.lose(&why);
                None
            }
        }
    }

    /// Drops the engine, which waits for its threads, on yet another thread: it may never end.
    /// `None` when it has.
    fn release(
        &self,
        engine: Arc<dyn Engine>,
        successor: Option<Box<dyn Successor>>,
        trouble: &mut Shortage,
    ) -> Option<Outcome> {
        let (end, ended) = mpsc::channel::<()>();
        // Dropped in this order.
        let mut all = (engine, successor, end);
        while let Err((error, back)) = threads::start_with("store-end", all, drop) {
            all = back;
            let error = OpenError::NoThread { source: error };
            if let Some(lost) = trouble.tell(&error) {
                return Some(lost);
            }
            if self.stops_within(SHORTEST_PAUSE) {
                return Some(Outcome::Stopped);
            }
        }
        let gone = ended.recv_timeout(LETS_GO_WITHIN) == Err(RecvTimeoutError::Disconnected);
        (!gone).then(|| {
            Outcome::Lost("the failed store cannot be closed, so it cannot be opened again".into())
        })
    }

    fn reopen(&self, mut pause: Duration, trouble: &mut Shortage) -> Outcome {
        let source = &*self.source;
        loop {
            self.shared.wants_space(!source.has_space());
            if self.stops_within(pause) {
                return Outcome::Stopped;
            }
            let begun = Instant::now();
            let opened = if source.has_space() {
                source.reopen()
            } else {
                Err(source.no_space())
            };
            match opened {
                Ok(engine) => return Outcome::Works(engine),
                Err(error) => {
                    self.shared
                        .wants_space(matches!(error, OpenError::NoSpace { .. }));
                    if let Some(lost) = trouble.tell(&error) {
                        return lost;
                    }
                }
            }
            // A large store takes seconds to open; the disk shall not be busy with that alone.
            pause = (begun.elapsed() * 10).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        }
    }

    fn stops_within(&self, pause: Duration) -> bool {
        self.stopped.recv_timeout(pause) != Err(RecvTimeoutError::Timeout)
    }
}

/// What has kept the store from being opened so far.
struct Shortage {
    said: String,
    short_since: Option<Instant>,
}

impl Shortage {
    /// Tells the log what is new; and when there is no point in going on.
    fn tell(&mut self, error: &OpenError) -> Option<Outcome> {
        let words = error.to_string();
        if words != self.said {
            tracing::error!("the store cannot be opened again yet: {words}");
            self.said = words;
        }
        if !error.is_shortage() {
            self.short_since = None;
            return None;
        }
        let since = *self.short_since.get_or_insert_with(Instant::now);
        (since.elapsed() >= SHORT_FOR).then(|| {
            Outcome::Lost(format!(
                "for {} minutes the store could not be opened again: {error}",
                SHORT_FOR.as_secs() / 60
            ))
        })
    }
}
