//! How far an import has come, for whoever waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts bytes of files; shared by its clones.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    done: AtomicU64,
    total: AtomicU64,
}

impl Progress {
    /// The bytes that have been read.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.0.done.load(Relaxed)
    }

    /// The bytes of all files known so far: more when a file includes others. 0 where it cannot be
    /// known, as of a pipe.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.total.load(Relaxed)
    }

    pub(super) fn advance(&self, bytes: u64) {
        self.0.done.fetch_add(bytes, Relaxed);
    }

    pub(super) fn foresee(&self, bytes: u64) {
        self.0.total.fetch_add(bytes, Relaxed);
    }
}
