//! Where log lines go, in which form, and which of them.

mod journal;

use std::fmt::Display;
use std::io::{IsTerminal, Write};

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

use crate::config::{self, LogFormat};
use crate::panics;

pub use journal::{Priority, leads_to_journal};

/// Has a panic told as the log would tell it, until there is one.
pub fn before_start() {
    if leads_to_journal(std::io::stderr()) {
        std::panic::set_hook(Box::new(|panic| error(panic)));
    }
}

/// Tells an error where there is no log, or none yet.
pub fn error(what: impl Display) {
    tell(Priority::Error, what);
}

/// Tells something where there is no log, or none yet.
pub fn tell(priority: Priority, what: impl Display) {
    let mut text = format!("{}\n", what.to_string().trim_end());
    if leads_to_journal(std::io::stderr()) {
        text = priority.before_each_line(&text);
    }
    // Nobody is left who could be told of it.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Which lines are logged can change while the program runs.
#[derive(Debug, Clone)]
pub struct Levels(reload::Handle<Targets, Registry>);

/// Sends the log lines of this process to standard error, and nothing else there.
pub fn start(log: &config::Log) -> Levels {
    let (filter, handle) = reload::Layer::new(targets(&log.level));
    let out = std::io::stderr;
    // A line that cannot be written, because a terminal is gone, is not worth a panic.
    let format = match log.format {
        LogFormat::Auto if leads_to_journal(out()) => LogFormat::Journal,
        format => format,
    };
    let layer = match format {
        LogFormat::Journal => fmt::layer()
            .with_target(false)
            .with_ansi(false)
            .without_time()
            .with_writer(journal::Lines)
            .log_internal_errors(false)
            .boxed(),
        LogFormat::Json => fmt::layer()
            .json()
            .flatten_event(true)
            .with_writer(out)
            .log_internal_errors(false)
            .boxed(),
        LogFormat::Auto | LogFormat::Text => fmt::layer()
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
    if log::set_logger(&OfSled).is_ok() {
        log::set_max_level(log::LevelFilter::Error);
    }
    Levels(handle)
}

/// What sled tells of errors, and nobody else: that its thread has ended which clears its log, for one.
struct OfSled;

impl log::Log for OfSled {
    fn enabled(&self, line: &log::Metadata<'_>) -> bool {
        line.level() <= log::Level::Error && line.target().starts_with("sled")
    }

    fn log(&self, line: &log::Record<'_>) {
        if self.enabled(line.metadata()) {
            tracing::warn!("the database says: {}", line.args());
        }
    }

    fn flush(&self) {}
}

impl Levels {
    /// Logs these lines from now on.
    pub fn set(&self, level: &str) {
        // It fails only when there are no logs any more.
        let _ = self.0.reload(targets(level));
    }
}

/// What once logged under another name: whoever has written the old one in `log.level` still means it.
const MOVED: [(&str, &str); 11] = [
    (PROGRAM, "xmpp_component_link"),
    (PROGRAM, "xmpp_stanza"),
    (PROGRAM, "xps_store"),
    (PROGRAM, "xps_base"),
    ("xmpp_private_storage::link", "xmpp_component_link"),
    ("xmpp_private_storage::store", "xps_store"),
    (
        "xmpp_private_storage::dispatch",
        "xmpp_private_storage::requests",
    ),
    (
        "xmpp_private_storage::bookmarks::keeper",
        "xmpp_private_storage::bookmarks::sync",
    ),
    (
        "xmpp_private_storage::run::news",
        "xmpp_private_storage::run::events",
    ),
    (
        "xmpp_private_storage::run::manager",
        "xmpp_private_storage::run::systemd",
    ),
    (
        "xmpp_private_storage::run::doors",
        "xmpp_private_storage::run::listeners",
    ),
];

const PROGRAM: &str = "xmpp_private_storage";

/// The configuration holds none that cannot be parsed.
fn targets(level: &str) -> Targets {
    let given: Targets = level.parse().unwrap_or_default();
    let mut targets = given.clone();
    for (old, new) in MOVED {
        let is_given = |name: &str| given.iter().find(|(target, _)| *target == name);
        // What is given for the name of today counts.
        if is_given(new).is_none()
            && let Some((_, level)) = is_given(old)
        {
            targets = targets.with_target(new, level);
        }
    }
    targets
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn a_target_of_an_older_release_means_what_it_meant() {
        let debug = |level: &str, target: &str| targets(level).would_enable(target, &Level::DEBUG);
        for (old, new) in MOVED {
            assert!(debug(&format!("info,{old}=debug"), new), "{old}");
            assert!(
                !debug(&format!("info,{old}=debug,{new}=info"), new),
                "{old}"
            );
        }
        let store = "xps_store::commit";
        assert!(debug("info,xmpp_private_storage=debug", store));
        assert!(!debug("info,xmpp_private_storage::link=debug", store));
        assert!(!debug("info", store) && debug("debug", store));
    }
}
