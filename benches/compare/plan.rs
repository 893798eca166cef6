//! What is measured: the scenarios, and how long they take.

use std::fmt;
use std::time::Duration;

/// What the requests ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Gets of one element.
    Get,
    /// Sets of one element.
    Set,
    /// Four gets to each set, in no order.
    Mixed,
    /// Sets of four elements that together have the size.
    SetOfFour,
    /// Sets, and one get after the other by somebody else, whose waits alone are measured.
    GetBesideSets,
}

/// One load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scenario {
    /// What is asked.
    pub kind: Kind,
    /// How many requests wait for their replies at any time.
    pub window: usize,
    /// How long a value is.
    pub bytes: usize,
    /// Whether a server hands the requests over (XEP-0355), or users ask directly.
    pub delegated: bool,
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Get => "gets",
            Kind::Set => "sets",
            Kind::Mixed => "80/20",
            Kind::SetOfFour => "sets of 4",
            Kind::GetBesideSets => "a get beside sets",
        };
        let way = if self.delegated {
            "delegated"
        } else {
            "direct"
        };
        write!(
            f,
            "{kind}, {way}, {} KiB, window {}",
            self.bytes / 1024,
            self.window
        )
    }
}

/// The sizes of values.
pub const SIZES: [usize; 2] = [1024, 16 * 1024];

/// The windows.
pub const WINDOWS: [usize; 3] = [1, 64, 1024];

/// How many writes go to a sync where there is no XMPP: the windows, and between them what our
/// own groups come to at each window (counted as fsync calls beside answered sets).
pub const GROUPS: [usize; 5] = [1, 16, 32, 64, 1024];

/// The window, and our groups at it.
pub const OWN_GROUPS: [(usize, usize); 3] = [(1, 1), (64, 16), (1024, 32)];

/// How much is measured.
pub struct Extent {
    /// How often everything is measured, by turns.
    pub rounds: usize,
    /// How long each load lasts at least.
    pub slice: Duration,
    /// How long a client asks through a real server.
    pub real_slice: Duration,
}

/// A run of a few minutes.
pub const SHORT: Extent = Extent {
    rounds: 3,
    slice: Duration::from_millis(150),
    real_slice: Duration::from_millis(400),
};

/// A run for numbers to be trusted.
pub const LONG: Extent = Extent {
    rounds: 7,
    slice: Duration::from_secs(1),
    real_slice: Duration::from_secs(3),
};

/// All loads, in the order of the table.
pub fn scenarios() -> Vec<Scenario> {
    let mut all = Vec::new();
    for delegated in [false, true] {
        for bytes in SIZES {
            for kind in [Kind::Get, Kind::Set, Kind::Mixed] {
                for window in WINDOWS {
                    all.push(Scenario {
                        kind,
                        window,
                        bytes,
                        delegated,
                    });
                }
            }
        }
    }
    all.push(LONE_SET_OF_FOUR);
    for window in [64, 1024] {
        all.push(Scenario {
            kind: Kind::GetBesideSets,
            window,
            bytes: 1024,
            delegated: false,
        });
    }
    all
}

/// A set that takes a batch.
pub const LONE_SET_OF_FOUR: Scenario = Scenario {
    kind: Kind::SetOfFour,
    window: 1,
    bytes: 1024,
    delegated: false,
};
