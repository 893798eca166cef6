//! Where log lines go, in which form, and which of them.

use std::io::IsTerminal;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

use crate::config::{self, LogFormat};
use crate::panics;

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
    std::panic::set_hook(Box::new(panics::report));
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
