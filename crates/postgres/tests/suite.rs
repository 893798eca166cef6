//! What every backend must do.

use super::support::{fresh_database, in_database};
use xps_postgres::open;
use xps_store::Store;
use xps_store::suite::Rig;

/// A database of its own for each case.
struct Database(String);

impl Rig for Database {
    fn open(&self) -> Store {
        open(in_database(&self.0)).unwrap()
    }
}

xps_store::suite!(Database(fresh_database()));
