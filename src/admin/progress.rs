//! How far a long command has come: on a terminal one line that is written over again and again,
//! otherwise a line now and then, or nothing.

use std::fmt::Display;
use std::io::{IsTerminal, Write, stderr};
use std::time::Duration;

use crate::clock::Instant;
use crate::logs;

/// How often the line on a terminal is written over.
const OFTEN: Duration = Duration::from_millis(200);

/// How often there is a line elsewhere.
const SELDOM: Duration = Duration::from_secs(10);

/// How many characters wide a bar is.
const WIDTH: u64 = 30;

#[derive(Debug)]
pub struct Progress {
    terminal: bool,
    elsewhere: bool,
    last: Instant,
    is_shown: bool,
}

impl Progress {
    /// On a terminal alone.
    pub fn on_terminal() -> Self {
        Self {
            terminal: stderr().is_terminal(),
            elsewhere: false,
            last: Instant::now(),
            is_shown: false,
        }
    }

    /// On a terminal, and in a line now and then elsewhere.
    pub fn anywhere() -> Self {
        let elsewhere = true;
        Self {
            elsewhere,
            ..Self::on_terminal()
        }
    }

    /// Shows how far it is, if it is time for that.
    pub fn show(&mut self, how_far: impl FnOnce() -> String) {
        let every = match (self.terminal, self.elsewhere) {
            (true, _) => OFTEN,
            (false, true) => SELDOM,
            (false, false) => return,
        };
        if self.last.elapsed() < every {
            return;
        }
        self.last = Instant::now();
        // A terminal that is gone does not end the work.
        let _ = if self.terminal {
            self.is_shown = true;
            write!(stderr(), "\r\x1b[K{}", how_far())
        } else {
            writeln!(stderr(), "{}", how_far())
        };
    }

    /// The same, where it is known how much there is in all.
    pub fn show_part(&mut self, done: u64, total: u64, what: impl Display) {
        let terminal = self.terminal;
        self.show(|| {
            let total = total.max(1);
            let part = done.min(total);
            let percent = part.saturating_mul(100) / total;
            if !terminal {
                return format!("{percent} %, {what}");
            }
            let full = usize::try_from(part.saturating_mul(WIDTH) / total).unwrap_or(0);
            let bar = format!("{:<width$}", "#".repeat(full), width = WIDTH as usize);
            format!("[{bar}] {percent:>3} %, {what}")
        });
    }

    /// Something wrong, in a line of its own.
    pub fn line(&mut self, what: impl Display) {
        self.clear();
        logs::error(what);
    }

    /// Makes room for other lines.
    pub fn clear(&mut self) {
        if std::mem::take(&mut self.is_shown) {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}
