//! The clock: whatever asks for the time asks here, so that a test can stop it and a simulator can play it.

use std::time::SystemTime;

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
