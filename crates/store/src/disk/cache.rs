//! Keeps sled's cache near its bound.
//!
//! sled counts what its cache holds in 256 parts, each of which looks, and lets go of pages, at
//! every 64th access only. Where users come in no order to a large store, nearly all of these are
//! pages just read from the disk: some 70 MiB beyond the bound. Further accesses to a page count,
//! too, and cost next to nothing beside reading it; so parts look sooner. In a small store, where
//! pages stay anyway, there are none.

use std::sync::atomic::{AtomicBool, Ordering};

/// How many times the cache a log is in which most reads find a page that is not cached.
const CROWDED: u64 = 4;

/// How often a page is accessed again.
const AGAIN: usize = 3;

/// What is known of the cache.
pub(super) struct Cache {
    pub(super) bytes: u64,
    crowded: AtomicBool,
}

impl Cache {
    pub(super) fn new(bytes: u64, log_bytes: u64) -> Self {
        let cache = Self {
            bytes,
            crowded: AtomicBool::new(false),
        };
        cache.adjust(log_bytes);
        cache
    }

    /// To be told now and then how large the log is.
    pub(super) fn adjust(&self, log_bytes: u64) {
        let crowded = log_bytes > self.bytes.saturating_mul(CROWDED);
        self.crowded.store(crowded, Ordering::Relaxed);
    }

    /// To be told what was read.
    pub(super) fn have_read(&self, db: &sled::Db, key: &[u8]) -> sled::Result<()> {
        if self.crowded.load(Ordering::Relaxed) {
            for _ in 0..AGAIN {
                db.contains_key(key)?;
            }
        }
        Ok(())
    }
}
