//! What an administrator decides: one file and the environment, read once into a checked
//! [`Config`].
//!
//! Everything is checked here, at the start, so that no other part of the program meets a value it
//! cannot use, and so that a mistake is told where it was made: with the file, the line and what
//! was expected there. All mistakes are told at once.
//!
//! `table` is the one table of what can be configured, and `types` and `postgres` what comes of it. `file`
//! and `environment` are its two readers, `secret` finds the secrets, `trust` what a server's certificate
//! is judged by, `engine` what keeps the data, `load` puts them together, and `reference` writes the
//! table down for people.

mod changes;
mod draft;
mod engine;
mod environment;
mod error;
mod file;
mod load;
mod postgres;
mod read;
mod reference;
mod secret;
mod table;
#[cfg(test)]
mod tests;
mod trust;
mod types;
mod value;

pub use crate::link::{Endpoint, Fingerprint, Tls, Trust};
pub use changes::Changes;
pub use error::ConfigError;
pub use postgres::{DatabaseHost, DatabaseTls, Postgres};
pub use reference::example;
pub use table::{Setting, Value, settings};
pub use types::{
    Access, Bookmarks, BookmarksMode, Component, Config, Delegation, Disco, Engine, Http, Log,
    LogFormat, ReservedNamespaces, Source, Storage,
};
