//! `[log]`: what is logged, and how.

use tracing_subscriber::filter::{LevelFilter, Targets};

use super::super::types::LogFormat;
use super::{Setting, Value};

pub(super) const SETTINGS: &[Setting] = &[
    setting!(
        log.level,
        Value::Default("\"info\""),
        at once,
        "Which log lines are written: error, warn, info, debug or trace; or by part of the \
         program: \"info,xmpp_private_storage::link=debug\".",
        |given| {
            let expected = "a level (\"error\", \"warn\", \"info\", \"debug\", \"trace\", \"off\") \
                            or target=level, several separated by commas";
            given.text(expected, filter)?
        }
    ),
    setting!(
        log.format,
        Value::Default("\"auto\""),
        at a start,
        "How log lines are written: \"text\" for people; \"journal\" for systemd's journal, with a \
         priority, and without the time, which the journal has itself; \"json\" for programs that \
         collect logs; \"auto\": \"journal\" if standard error is connected to the journal, \
         otherwise \"text\".",
        |given| given.choice(&[
            ("auto", LogFormat::Auto),
            ("text", LogFormat::Text),
            ("journal", LogFormat::Journal),
            ("json", LogFormat::Json),
        ])?
    ),
];

/// `Targets` takes a bare word for a target to be traced, an empty one for the level "error", and a
/// space for a part of a name: whoever mistypes "info" would get no log at all, and no word about
/// it.
fn filter(text: &str) -> Option<String> {
    let directives: Vec<&str> = text.split(',').map(str::trim).collect();
    let meant = |directive: &&str| match directive.split_once('=') {
        Some((target, level)) => !target.is_empty() && !level.is_empty(),
        None => !directive.is_empty() && directive.parse::<LevelFilter>().is_ok(),
    };
    let filter = directives.join(",");
    (directives.iter().all(meant) && filter.parse::<Targets>().is_ok()).then_some(filter)
}
