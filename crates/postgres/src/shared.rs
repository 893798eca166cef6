//! What the thread of the database and everybody else share, and what is reported once and not again and again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use xps_base::clock::Instant;
use xps_store::Observer;

type Callback = Box<dyn FnOnce() + Send>;

/// How often the same trouble is logged.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// What is done when it is lost, or that it is.
#[derive(Default)]
enum WhenLost {
    #[default]
    Nothing,
    Call(Callback),
    Is,
}

#[derive(Default)]
pub(crate) struct Shared {
    /// Whether no primary can be reached, and whether one does not get on with what it was sent.
    failed: AtomicBool,
    is_stuck: AtomicBool,
    observer: Mutex<Option<Arc<dyn Observer>>>,
    when_lost: Mutex<WhenLost>,
    logged: Mutex<HashMap<&'static str, Instant>>,
}

impl Shared {
    pub(crate) fn failed(&self) -> bool {
        self.failed.load(Ordering::Acquire) || self.is_stuck.load(Ordering::Acquire)
    }

    pub(crate) fn set_failed(&self, failed: bool) {
        self.set(&self.failed, failed);
    }

    pub(crate) fn set_stuck(&self, is_stuck: bool) {
        self.set(&self.is_stuck, is_stuck);
    }

    fn set(&self, which: &AtomicBool, value: bool) {
        let before = self.failed();
        which.store(value, Ordering::Release);
        if self.failed() && !before {
            self.observe(|it| it.failed());
        }
    }

    pub(crate) fn measure(&self, observer: Arc<dyn Observer>) {
        *lock(&self.observer) = Some(observer);
    }

    pub(crate) fn observe(&self, tell: impl FnOnce(&dyn Observer)) {
        if let Some(observer) = &*lock(&self.observer) {
            tell(&**observer);
        }
    }

    pub(crate) fn when_lost(&self, callback: Callback) {
        let mut when_lost = lock(&self.when_lost);
        match *when_lost {
            WhenLost::Is => {
                drop(when_lost);
                callback();
            }
            WhenLost::Call(_) | WhenLost::Nothing => *when_lost = WhenLost::Call(callback),
        }
    }

    /// Waiting makes no sense any more: somebody has to do something, and to start the program again.
    pub(crate) fn lose(&self, why: &str) {
        tracing::error!("{why}; the process ends now");
        let before = std::mem::replace(&mut *lock(&self.when_lost), WhenLost::Is);
        if let WhenLost::Call(callback) = before {
            callback();
        }
    }

    /// Whether it is time to log this kind of trouble.
    pub(crate) fn is_news(&self, kind: &'static str) -> bool {
        let now = Instant::now();
        let mut logged = lock(&self.logged);
        let is_news = logged
            .get(kind)
            .is_none_or(|then| now.duration_since(*then) >= AGAIN_AFTER);
        if is_news {
            logged.insert(kind, now);
        }
        is_news
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("failed", &self.failed())
            .finish_non_exhaustive()
    }
}
