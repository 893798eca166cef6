//! The clock: whatever asks for the time asks here, so that a test can stop it and a simulator can play it.

use std::time::{Duration, SystemTime};

use rustix::time::{ClockId, clock_gettime};

/// A moment, by the clock of the runtime: tests can pause and advance it. Outside a runtime it is the
/// system's.
pub use tokio::time::Instant;

#[expect(clippy::disallowed_methods, reason = "here it enters the program")]
pub fn wall() -> SystemTime {
    #[cfg(feature = "simulation")]
    if let Some(time) = crate::simulation::wall() {
        return time;
    }
    SystemTime::now()
}

/// How long this machine has run, with the time for which it was suspended: an [`Instant`] does not count that.
#[must_use]
pub fn uptime() -> Duration {
    // It is never negative.
    Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap_or_default()
}

/// What [`uptime`] was at this moment, or later where the machine was suspended since.
#[must_use]
pub fn uptime_at(moment: Instant) -> Duration {
    let elapsed = moment.elapsed();
    uptime().saturating_sub(elapsed)
}
