//! `compact`: rewrites the store, now. Afterwards nothing is left in its files of what was
//! deleted.

use std::process::ExitCode;

use super::report::say;
use super::{data, format};
use crate::config::Config;
use crate::store::Compacted;

/// What there is to say of a database server.
pub const NOTHING_TO_DO: &str = "nothing to compact: the database server clears away by itself what was deleted \
                                 (autovacuum)";

/// Does it, and prints what it was good for.
pub fn run(config: &Config) -> ExitCode {
    let compacted =
        data::open(config).and_then(|data| data.compact().map_err(|trouble| data::told(&trouble)));
    match compacted {
        Ok(None) => {
            say(NOTHING_TO_DO);
            ExitCode::SUCCESS
        }
        Ok(Some(Compacted { before, after })) => {
            let [before, after] = [before, after].map(format::bytes);
            say(format_args!(
                "compacted: the database took {before} and now takes {after}"
            ));
            ExitCode::SUCCESS
        }
        Err(code) => ExitCode::from(code),
    }
}
