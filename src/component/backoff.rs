//! How long to wait before the next attempt.

use std::time::Duration;

use crate::random;

const FIRST: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// A login that lasted this long has worked.
const WORKED: Duration = Duration::from_secs(60);

/// Growing pauses, each of them shortened at random, so that many components do not come back to
/// a server in the same moment.
///
/// They start again only after a login that lasted: two instances of one name that throw each
/// other out must not do so every second.
#[derive(Debug)]
pub struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

impl Backoff {
    /// Notes how long a login lasted.
    pub fn link_lasted(&mut self, lasted: Duration) {
        if lasted >= WORKED {
            self.start_again();
        }
    }

    /// Pauses begin again with the shortest.
    pub fn start_again(&mut self) {
        self.next = FIRST;
    }

    /// The pause before the next attempt.
    pub fn next(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(MAX_PAUSE);
        pause.mul_f64(0.5 + 0.5 * random::fraction())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute_and_start_anew_after_a_login_that_lasted() {
        let mut backoff = Backoff::default();
        assert!(backoff.next() <= Duration::from_secs(1));
        for _ in 0..20 {
            assert!(backoff.next() <= MAX_PAUSE);
        }
        backoff.link_lasted(Duration::from_secs(59));
        assert!(backoff.next() >= MAX_PAUSE / 2);
        backoff.link_lasted(Duration::from_secs(60));
        assert!(backoff.next() <= FIRST);
    }
}
