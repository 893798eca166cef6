//! The store of `xps-store` over a database that speaks PostgreSQL's protocol: replicated by the server, and written by
//! several instances of the program at the same time.
//!
//! What is promised, in which failures, and why it is so, is in docs/internals/postgres.md. In short: a set that was
//! acknowledged is kept as well as the database keeps what is committed; an instance plans over what it has last seen of
//! an owner, and the owner's row has a stamp that tells whether it still is so; a write whose answer was lost is sent again
//! with the same stamps, which tell whether it was done; and what is read is proved to come from the primary.
//!
//! | to understand | read |
//! | --- | --- |
//! | the life of the thread | `run` |
//! | how a set becomes durable | `board` (what waits), `writer`, `plan` (limits), `batch` (statements), `conclude` |
//! | what becomes of a write when the connection is lost | `settle` |
//! | how a get is answered | `reader` |
//! | the turns of owners | `turns` |
//! | which server is used | `finder`, `look`; `slot` keeps the connections |
//! | the tables | `schema`, `statements`; `sweep` removes what tells nothing any more |
//!
//! Architecture invariants: one thread, with a runtime of its own, does all of it; whoever calls waits for that thread or is
//! called back by it. Nothing that is sent to be written is ever cancelled. Of one owner, one write is under way.

mod backend;
mod batch;
mod board;
mod columns;
mod conclude;
mod connect;
mod count;
mod error;
mod examine;
mod finder;
mod keys;
mod known;
mod lease;
mod load;
mod look;
mod plan;
mod reader;
mod run;
mod schema;
mod server;
mod settings;
mod settle;
mod shared;
mod slot;
mod socket;
mod state;
mod statements;
mod sweep;
mod tls;
mod turns;
mod whole;
mod wire;
mod work;
mod writer;

pub use error::OpenError;
pub use examine::Facts;
pub use schema::FORMAT;
pub use settings::{HOLD, Settings, Tls};

use run::Open;
use xps_store::Store;

/// Opens the store, which is made if the database is empty.
///
/// # Errors
///
/// When no host answers as the primary at the first look, or there is no store and none can be made; each says what to do.
pub fn open(settings: Settings) -> Result<Store, OpenError> {
    backend::open(settings, Open::Now)
}

/// The same for a service that starts with its machine, perhaps before the database: where waiting makes sense, there is a
/// store that waits. It has `failed()` until then, and what it is asked waits with it.
///
/// What turns out to be wrong when the database can be reached is logged, and ends the service by
/// [`Store::when_lost`].
///
/// # Errors
///
/// When waiting makes no sense; each says what to do.
pub fn open_waiting(settings: Settings) -> Result<Store, OpenError> {
    backend::open(settings, Open::Whenever)
}

/// Looks at all hosts, and at the store if there is one. Changes nothing.
///
/// # Errors
///
/// When no host answers as the primary, or the database holds no store of ours, or not a whole one.
pub fn examine(settings: Settings) -> Result<Facts, OpenError> {
    examine::examine(settings)
}
