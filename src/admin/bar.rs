//! How far a long command has come: a bar on a terminal, a line now and then otherwise.

use std::fmt::Display;
use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

use crate::formats::Progress;

/// How often the bar moves.
const MOVES: Duration = Duration::from_millis(200);

/// How often there is a line where no bar can be.
const LINES: Duration = Duration::from_secs(10);

/// How many characters wide the bar is.
const WIDTH: u64 = 30;

/// The bar.
pub struct Bar {
    progress: Progress,
    terminal: bool,
    last: Instant,
}

impl Bar {
    /// A bar for this, on standard error.
    pub fn new(progress: Progress) -> Self {
        Self {
            progress,
            terminal: stderr().is_terminal(),
            last: Instant::now(),
        }
    }

    /// So many users are done.
    pub fn step(&mut self, users: u64) {
        let every = if self.terminal { MOVES } else { LINES };
        if self.last.elapsed() < every {
            return;
        }
        self.last = Instant::now();
        let (done, total) = (self.progress.done(), self.progress.total().max(1));
        let part = done.min(total);
        let percent = part.saturating_mul(100) / total;
        let mut err = stderr();
        // A terminal that is gone does not end the work.
        let _ = if self.terminal {
            let full = usize::try_from(part.saturating_mul(WIDTH) / total).unwrap_or(0);
            let bar = format!("{:<width$}", "#".repeat(full), width = WIDTH as usize);
            write!(err, "\r[{bar}] {percent:>3} %, {users} users")
        } else {
            writeln!(err, "{percent} %, {users} users")
        };
    }

    /// Something worth a line of its own.
    pub fn line(&mut self, what: impl Display) {
        self.wipe();
        let _ = writeln!(stderr(), "{what}");
    }

    /// There is no more to come.
    pub fn end(&mut self) {
        self.wipe();
    }

    fn wipe(&self) {
        if self.terminal {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}
