//! Where log lines go, in which form, and which of them.

use std::io::IsTerminal;
use std::panic::{self, PanicHookInfo};

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

use crate::config::{self, LogFormat};

/// Which lines are logged can change while the program runs.
#[derive(Debug, Clone)]
pub struct Levels(reload::Handle<Targets, Registry>);

/// Sends the log lines of this process to standard error, and nothing else there.
pub fn start(log: &config::Log) -> Levels {
    let (filter, handle) = reload::Layer::new(targets(&log.level));
    let out = std::io::stderr;
    // A line that cannot be written, because a terminal is gone, is not worth a panic.
    let layer = match log.format {
        LogFormat::Json => fmt::layer()
            .json()
            .flatten_event(true)
            .with_writer(out)
            .log_internal_errors(false)
            .boxed(),
        LogFormat::Text => fmt::layer()
            .with_target(false)
            .with_ansi(out().is_terminal())
            .with_writer(out)
            .log_internal_errors(false)
            .boxed(),
    };
    tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .init();
    panic::set_hook(Box::new(tell));
    Levels(handle)
}

impl Levels {
    /// Logs these lines from now on.
    pub fn set(&self, level: &str) {
        // It fails only when there are no logs any more.
        let _ = self.0.reload(targets(level));
    }
}

/// The configuration holds none that cannot be parsed.
fn targets(level: &str) -> Targets {
    level.parse().unwrap_or_default()
}

/// The words of a panic may hold what users sent, so only its place is told.
fn tell(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    let place = place.unwrap_or_default();
    tracing::error!("a fault of the program, at {place}: please report this");
    tracing::trace!("{panic}");
}
