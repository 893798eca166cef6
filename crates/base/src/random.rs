//! Randomness: whatever is drawn is drawn here, so that a simulator can repeat it.

use std::hash::BuildHasher;

/// A number that nobody can guess. The standard library draws the keys of its hashers from the system's
/// randomness.
#[expect(clippy::disallowed_types, reason = "here it enters the program")]
pub fn number() -> u64 {
    #[cfg(feature = "simulation")]
    if let Some(number) = crate::simulation::number() {
        return number;
    }
    std::hash::RandomState::new().hash_one(())
}

/// From 0 up to 1.
pub fn fraction() -> f64 {
    (number() >> 11) as f64 / (1_u64 << 53) as f64
}
