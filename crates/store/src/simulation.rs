//! A store on a disk that a simulator plays: it forgets what was not synced when the power goes, fails, fills up, and
//! is taken away. No build for use has any of this.
//!
//! What is real: the writer with its groups, limits and answers, records, reading, compaction. What is played: the
//! engine (in place of sled), how long a sync takes, and the thread that opens a broken store again.

mod database;
mod disk;
mod work;

pub use database::Database;
pub use disk::{Disk, Trouble};
