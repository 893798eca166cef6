//! Time, as far as a busy machine lets it pass.
//!
//! The tests share their machine with whatever else it does, so that something took less than so
//! many seconds says nothing of the program. Where it works, its work is counted
//! (`Component::busy`); where it waits for a moment that it has promised, this clock counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::router::PATIENCE;

const TICK: Duration = Duration::from_millis(10);

/// Counts its own short sleeps. So it is never ahead of the machine's clock, and it is behind by
/// all that the machine did meanwhile instead of waking who had slept enough; whoever wakes up in
/// time on an idle machine is in time by this clock on a busy one.
pub struct Ticks(Arc<AtomicU64>);

impl Ticks {
    /// One that begins now.
    pub fn start() -> Ticks {
        let count = Arc::new(AtomicU64::new(0));
        let ticking = Arc::downgrade(&count);
        thread::spawn(move || {
            loop {
                thread::sleep(TICK);
                let Some(count) = ticking.upgrade() else {
                    return;
                };
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Ticks(count)
    }

    /// How much has passed since then.
    pub fn passed(&self) -> Duration {
        TICK * u32::try_from(self.0.load(Ordering::Relaxed)).expect("less than a year")
    }

    /// Waits until so much has passed.
    pub fn wait_for(&self, time: Duration) {
        while self.passed() < time {
            thread::sleep(TICK);
        }
    }
}

/// Repeats it until it holds.
#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + 2 * PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
