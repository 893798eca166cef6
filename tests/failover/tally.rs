//! What came out.

use std::time::Duration;

use super::owner::{Shown, Wrong};

/// How long anybody may wait for an answer, whatever happens: ejabberd gives up after 32 s.
pub const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How long a ping may wait, which nothing holds up.
const LONGEST_PING: Duration = Duration::from_secs(5);

/// How many faults are told one by one.
const TOLD: usize = 10;

/// Counts, and how long things took.
#[derive(Debug, Default)]
pub struct Tally {
    /// Sets and gets that succeeded.
    pub sets: u64,
    pub gets: u64,
    pub pings: u64,
    /// Requests that were told to wait, and those that a killed component took with it.
    pub told_to_wait: u64,
    pub cut_off: u64,
    pub lost: u64,
    pub overwritten: u64,
    pub torn: u64,
    /// Gets that did not show what another had, which nobody had acknowledged. No fault: an answer shows what
    /// the database holds, and only what is acknowledged is promised to stay.
    pub withdrawn: u64,
    /// The longest wait for an answer, by the machine's clock.
    pub longest: Duration,
    /// The same by the tests' clock, which a busy machine slows down: what promises are held to.
    pub longest_by_ticks: Duration,
    pub longest_ping: Duration,
    /// What was wrong, the first few of all.
    pub faults: Vec<String>,
}

impl Tally {
    /// Something that must never be, told in words.
    pub fn fault(&mut self, what: String) {
        if self.faults.len() < TOLD {
            self.faults.push(what);
        }
    }

    /// What a get has shown.
    pub fn count(&mut self, shown: Shown, who: impl FnOnce() -> String) {
        let count = match shown {
            Shown::Right => return,
            Shown::Withdrawn => &mut self.withdrawn,
            Shown::Wrong(Wrong::Lost) => &mut self.lost,
            Shown::Wrong(Wrong::Overwritten) => &mut self.overwritten,
            Shown::Wrong(Wrong::Torn) => &mut self.torn,
        };
        *count += 1;
        if let Shown::Wrong(wrong) = shown {
            self.fault(format!("{wrong:?}: {}", who()));
        }
    }

    /// An answer has come.
    pub fn waited(&mut self, by_machine: Duration, by_ticks: Duration) {
        self.longest = self.longest.max(by_machine);
        self.longest_by_ticks = self.longest_by_ticks.max(by_ticks);
    }

    /// Insists that all promises were kept.
    #[track_caller]
    pub fn assert_kept(&self) {
        assert!(self.faults.is_empty(), "{self:#?}");
        assert!(self.sets > 100 && self.gets > 10, "{self:#?}");
        assert!(self.longest_by_ticks <= LONGEST_WAIT, "{self:#?}");
        assert!(self.longest_ping <= LONGEST_PING, "{self:#?}");
    }
}
