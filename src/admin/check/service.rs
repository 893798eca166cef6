//! What the service knows that runs already: it is asked, and no second connection is made.

use crate::admin::report::{Report, Sign};
use crate::admin::status;
use crate::config::Config;
use crate::exit;

/// Asks it, and says what it knows. `Err` where its store has failed; with `connect`, where it is not
/// ready, too.
pub fn check(report: &Report, config: &Config, connect: bool) -> Result<(), u8> {
    // Without that, the link is looked at and not judged.
    let bad = if connect { Sign::Bad } else { Sign::Warning };
    match status::ask(&config.storage.path) {
        Ok(known) if known.store.failed => {
            status::tell(report, &known, Sign::Bad);
            Err(exit::STORE)
        }
        Ok(known) => {
            status::tell(report, &known, bad);
            match connect && !status::is_well(&known) {
                true => Err(exit::UNAVAILABLE),
                false => Ok(()),
            }
        }
        Err(why) => {
            report.line(bad, format_args!("service: {why}"));
            match connect {
                true => Err(exit::UNAVAILABLE),
                false => Ok(()),
            }
        }
    }
}
