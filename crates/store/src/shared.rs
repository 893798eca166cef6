//! What the writer thread, the readers and a revival share.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::engine::Engine;
use super::error::{CompactError, Displaced, EngineError, ReadError, SetError};
use super::storage::Elements;
use xps_base::panics;

type Callback = Box<dyn FnOnce() + Send>;

/// Why the engine is given up.
#[derive(Debug, thiserror::Error)]
pub(super) enum Breakdown {
    /// It, or its disk, does not work.
    #[error("{0}")]
    Broken(String),
    /// It works, and nobody will ever find what it writes.
    #[error("{0}")]
    Displaced(Displaced),
}

impl From<EngineError> for Breakdown {
    fn from(error: EngineError) -> Self {
        Self::Broken(error.0)
    }
}

impl From<Displaced> for Breakdown {
    fn from(displaced: Displaced) -> Self {
        Self::Displaced(displaced)
    }
}

impl Breakdown {
    /// What works no more may do so because it lies there no more.
    pub(super) fn of(self, engine: &dyn Engine) -> Self {
        match engine.in_place() {
            Ok(()) => self,
            Err(displaced) => Self::Displaced(displaced),
        }
    }

    /// The program has a fault.
    pub(super) fn panic() -> Self {
        Self::Broken("its writer thread panicked".to_owned())
    }
}

#[derive(Default)]
pub(super) struct Shared {
    /// Readers hold it while they read, and the writer while it applies (not while it syncs), so
    /// that nobody sees half a set. `None` while broken, and once closed.
    pub(super) engine: RwLock<Option<Arc<dyn Engine>>>,
    failed: AtomicBool,
    full: AtomicBool,
    damage_seen: AtomicBool,
    when_lost: Mutex<Option<Callback>>,
}

impl Shared {
    /// What is served from now on.
    pub(super) fn serve(&self, engine: Option<Arc<dyn Engine>>) {
        let works = engine.is_some();
        let mut current = self.engine.write().unwrap_or_else(PoisonError::into_inner);
        *current = engine;
        if works {
            self.full.store(false, Ordering::Release);
            self.failed.store(false, Ordering::Release);
        }
    }

    pub(super) fn failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    pub(super) fn fail(&self, breakdown: &Breakdown) {
        if self.failed.swap(true, Ordering::AcqRel) {
            return;
        }
        match breakdown {
            Breakdown::Broken(reason) => tracing::error!(
                "the store has failed: {reason}; until it can be opened again, which is tried \
                 every few seconds, all requests are answered with errors; check the disk and the \
                 system's log"
            ),
            Breakdown::Displaced(displaced) => tracing::error!(
                "the store has failed: {displaced}; move it back as a whole, and it will be used \
                 again within seconds; until then all requests are answered with errors; to go on \
                 with a backup or an older copy, stop the service first"
            ),
        }
    }

    /// What a set is told while there is no engine.
    pub(super) fn refusal(&self) -> SetError {
        if self.full.load(Ordering::Acquire) {
            SetError::Full
        } else {
            SetError::Failed
        }
    }

    /// Whether it is for want of space that there is no engine.
    pub(super) fn wants_space(&self, full: bool) {
        self.full.store(full, Ordering::Release);
    }

    pub(super) fn when_lost(&self, callback: Callback) {
        let mut slot = self
            .when_lost
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *slot = Some(callback);
    }

    /// This process cannot open the store again.
    pub(super) fn lose(&self, why: &str) {
        tracing::error!("{why}; the process ends now so that the service manager starts it again");
        let callback = self
            .when_lost
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(callback) = callback {
            callback();
        }
    }

    /// Reports data that cannot be read; once, because anybody can ask for it again and again.
    pub(super) fn damaged(&self, details: std::fmt::Arguments<'_>) {
        if !self.damage_seen.swap(true, Ordering::Relaxed) {
            tracing::error!(
                "some stored data is damaged and cannot be read; check the disk, and consider \
                 restoring a backup (at level debug, the log says what is affected)"
            );
        }
        tracing::debug!("damaged data: {details}");
    }
}

/// Whom to tell how something went. Told that it failed if dropped before.
pub struct Told<T: Failure>(Option<Box<dyn FnOnce(T) + Send>>);

/// Whom to tell how a set went.
pub type Done = Told<Result<(), SetError>>;

/// What is told when nobody is left to say more.
pub trait Failure {
    fn failed() -> Self;
}

impl Failure for Result<(), SetError> {
    fn failed() -> Self {
        Err(SetError::Failed)
    }
}

impl<T> Failure for Result<T, ReadError> {
    fn failed() -> Self {
        Err(ReadError::Failed)
    }
}

impl<T> Failure for Result<T, CompactError> {
    fn failed() -> Self {
        Err(CompactError::Failed)
    }
}

impl Failure for Vec<Result<Vec<Elements>, ReadError>> {
    fn failed() -> Self {
        vec![Err(ReadError::Failed)]
    }
}

impl<T: Failure> Told<T> {
    pub fn new(done: impl FnOnce(T) + Send + 'static) -> Self {
        Self(Some(Box::new(done)))
    }

    /// Tells it, on this thread. A panic of theirs costs nobody else anything.
    pub fn tell(mut self, result: T) {
        self.tell_once(result);
    }

    fn tell_once(&mut self, result: T) {
        let Some(done) = self.0.take() else { return };
        // One listener's panic must not cost the others their answers.
        if panics::caught(|| done(result)).is_none() {
            tracing::error!(
                "an answer of the store was lost to a panic; this is a bug, please report it"
            );
        }
    }
}

impl<T: Failure> fmt::Debug for Told<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Told")
    }
}

impl<T: Failure> Drop for Told<T> {
    fn drop(&mut self) {
        self.tell_once(T::failed());
    }
}
