//! Lines for systemd's journal: it keeps the time of each by itself, and takes a priority from its
//! beginning (sd-daemon(3)).

use std::io::{self, Write, stderr};
use std::os::fd::AsFd;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// How urgent a line is, as syslog numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    Error,
    Warning,
    Info,
    Debug,
}

impl Priority {
    fn of(level: &Level) -> Self {
        match *level {
            Level::ERROR => Self::Error,
            Level::WARN => Self::Warning,
            Level::INFO => Self::Info,
            Level::DEBUG | Level::TRACE => Self::Debug,
        }
    }

    /// What the journal knows it by.
    fn mark(self) -> &'static str {
        match self {
            Self::Error => "<3>",
            Self::Warning => "<4>",
            Self::Info => "<6>",
            Self::Debug => "<7>",
        }
    }

    /// The text with this priority for each of its lines, for each is an entry of its own.
    #[must_use]
    pub fn before_each_line(self, text: &str) -> String {
        let lines = text.split_inclusive('\n');
        lines.flat_map(|line| [self.mark(), line]).collect()
    }
}

/// Whether what is written there goes to the journal: systemd says which socket that is, by device and
/// inode, and whoever is started by the service in its turn may have another.
pub fn leads_to_journal(stream: impl AsFd) -> bool {
    let Ok(journal) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    rustix::fs::fstat(stream).is_ok_and(|it| journal == format!("{}:{}", it.st_dev, it.st_ino))
}

/// Writes log lines to standard error, each with its priority.
pub(super) struct Lines;

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line(Priority::Info)
    }

    fn make_writer_for(&'a self, of: &Metadata<'_>) -> Line {
        Line(Priority::of(of.level()))
    }
}

/// Is given what is logged at once, however many lines that are.
pub(super) struct Line(Priority);

impl Write for Line {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let lines = String::from_utf8_lossy(text);
        // Shorter levels are indented, for a column of times that is not here.
        let lines = self.0.before_each_line(lines.trim_start());
        stderr().write_all(lines.as_bytes())?;
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        stderr().flush()
    }
}
