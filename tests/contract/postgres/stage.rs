//! The stage of `scripted`, with the program on PostgreSQL.

use std::ops::{Deref, DerefMut};

use crate::scripted::stage as scripted;
use crate::support::component::Options;
use crate::support::database::Database;

pub use scripted::{error, error_with, get, request, set};

pub struct Stage {
    stage: scripted::Stage,
    // Last, so that the component has let go of it.
    database: Database,
}

impl Stage {
    /// As configured by default.
    pub fn new() -> Stage {
        Stage::with("")
    }

    /// With further sections of the configuration file.
    pub fn with(extra: &str) -> Stage {
        Stage::configured(|options| options.extra = extra.to_owned())
    }

    /// With further lines of its section `[access]`.
    pub fn with_access(lines: &str) -> Stage {
        Stage::configured(|options| options.access = lines.to_owned())
    }

    /// With options of the test's own.
    pub fn configured(change: impl FnOnce(&mut Options)) -> Stage {
        let database = Database::start();
        let stage = scripted::Stage::configured(|options| {
            options.storage = database.storage();
            change(options);
        });
        Stage { stage, database }
    }

    /// How many rows a table has.
    #[track_caller]
    pub fn rows(&self, table: &str) -> usize {
        let told = self.database.sql(&format!("select count(*) from {table}"));
        told.parse().expect("a number")
    }
}

impl Deref for Stage {
    type Target = scripted::Stage;

    fn deref(&self) -> &scripted::Stage {
        &self.stage
    }
}

impl DerefMut for Stage {
    fn deref_mut(&mut self) -> &mut scripted::Stage {
        &mut self.stage
    }
}
