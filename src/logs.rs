//! Where log lines go, and in which form.

use std::io::IsTerminal;
use std::panic::{self, PanicHookInfo};

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::config::{self, LogFormat};

/// Sends the log lines of this process to standard error, and nothing else there.
pub fn start(log: &config::Log) {
    let filter: Targets = log.level.parse().unwrap_or_default();
    let out = std::io::stderr;
    let layer = match log.format {
        LogFormat::Json => fmt::layer()
            .json()
            .flatten_event(true)
            .with_writer(out)
            .boxed(),
        LogFormat::Text => fmt::layer()
            .with_target(false)
            .with_ansi(out().is_terminal())
            .with_writer(out)
            .boxed(),
    };
    tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .init();
    panic::set_hook(Box::new(tell));
}

/// The words of a panic may hold what users sent, so only its place is told.
fn tell(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    let place = place.unwrap_or_default();
    tracing::error!("a fault of the program, at {place}: please report this");
    tracing::trace!("{panic}");
}
