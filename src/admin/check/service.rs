//! What the service knows that runs already: it is asked, and no second connection is made.

use crate::admin::report::{Report, Sign};
use crate::config::{BookmarksMode, Config};
use crate::control;
use crate::exit;
use crate::status::Known;

/// Asks it, and says what it knows. `Err` where it is not ready.
pub fn check(report: &Report, config: &Config) -> Result<(), u8> {
    let unavailable = |line: String| {
        report.line(Sign::Bad, format_args!("service: {line}"));
        exit::UNAVAILABLE
    };
    let answer = control::ask_for_line(&config.storage.path, "/known");
    let answer = answer.map_err(|error| unavailable(error.to_string()))?;
    let Some(known) = Known::read(&answer.text).filter(|_| answer.status.is_success()) else {
        let line = "it is of another release, and does not report its state: see its log";
        return Err(unavailable(line.to_owned()));
    };
    let sign = if known.is_up { Sign::Good } else { Sign::Bad };
    report.line(sign, format_args!("service: {}", known.link));
    for domain in &known.domains {
        let name = &domain.name;
        match domain.delegates {
            true => report.line(Sign::Good, format_args!("delegation: {name}")),
            false => report.line(
                Sign::Warning,
                format_args!(
                    "delegation: none from {name}: stop the service, and run this command again to \
                     find out why"
                ),
            ),
        }
        if domain.delegates && config.bookmarks.mode == BookmarksMode::Pep {
            let (sign, how) = match domain.grants {
                true => (Sign::Good, "kept in step with PEP"),
                false => (
                    Sign::Warning,
                    "not kept in step with PEP: the component has no access to it (XEP-0356)",
                ),
            };
            report.line(sign, format_args!("bookmarks of {name}: {how}"));
        }
    }
    match known.not_ready {
        None => Ok(()),
        Some(why) => Err(unavailable(format!("not ready: {why}"))),
    }
}
