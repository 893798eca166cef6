//! What an administrator is told by a command: one line for each thing that was looked at.

use std::fmt::Display;
use std::io::Write;

use crate::logs::{self, Priority, leads_to_journal};

/// A line of what the command was asked for, to standard output.
pub fn say(what: impl Display) {
    // Whoever closes the pipe wants no more lines, and what was done is done.
    let _ = writeln!(std::io::stdout(), "{what}");
}

/// A line about what was done, to standard error.
pub fn tell(what: impl Display) {
    logs::tell(Priority::Info, what);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    Good,
    Bad,
    /// It works, and somebody should look at it.
    Warning,
    /// Nothing can be said of it.
    Neutral,
}

/// Prints lines to standard output.
#[derive(Debug, Clone, Copy)]
pub struct Report {
    utf8: bool,
    is_journal: bool,
}

impl Report {
    /// For the terminal that the environment describes: in ASCII, unless it says UTF-8.
    pub fn from_environment() -> Self {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .find_map(variable);
        let locale = locale.unwrap_or_default().to_ascii_lowercase();
        Self {
            is_journal: leads_to_journal(std::io::stdout()),
            utf8: locale.contains("utf-8") || locale.contains("utf8"),
        }
    }

    pub fn line(&self, sign: Sign, what: impl Display) {
        let mut line = format!("{} {what}\n", self.mark(sign));
        if self.is_journal {
            line = priority(sign).before_each_line(&line);
        }
        // Whoever closes the pipe wants no more lines.
        let _ = std::io::stdout().write_all(line.as_bytes());
    }

    fn mark(&self, sign: Sign) -> &'static str {
        match (sign, self.utf8) {
            (Sign::Good, true) => "✓",
            (Sign::Bad, true) => "✗",
            (Sign::Warning, true) => "!",
            (Sign::Neutral, true) => "·",
            (Sign::Good, false) => "[ok]",
            (Sign::Bad, false) => "[x]",
            (Sign::Warning, false) => "[!]",
            (Sign::Neutral, false) => "[-]",
        }
    }
}

fn priority(sign: Sign) -> Priority {
    match sign {
        Sign::Bad => Priority::Error,
        Sign::Warning => Priority::Warning,
        Sign::Good | Sign::Neutral => Priority::Info,
    }
}
