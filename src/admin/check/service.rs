//! What the service knows that runs already: it is asked, and no second connection is made.

use crate::admin::report::{Report, Sign};
use crate::admin::status::{self, Unknown};
use crate::exit;
use crate::status::Known;

/// Says what it knows. `Err` where its store has failed; with `connect`, where it is neither ready nor standing
/// by, too.
pub fn check(report: &Report, asked: Result<Known, Unknown>, connect: bool) -> Result<(), u8> {
    // Without that, the link is looked at and not judged.
    let (bad, code) = match connect {
        true => (Sign::Bad, Err(exit::UNAVAILABLE)),
        false => (Sign::Warning, Ok(())),
    };
    match asked {
        Ok(known) if known.store.failed => {
            status::tell(report, &known, Sign::Bad);
            Err(exit::STORE)
        }
        Ok(known) => {
            status::tell(report, &known, bad);
            if status::is_well(&known) || known.stands_by_well() {
                Ok(())
            } else {
                code
            }
        }
        Err(why) => {
            report.line(bad, format_args!("service: {why}"));
            code
        }
    }
}
