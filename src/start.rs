//! What has to stand before anything can be served: syncs that are real, the store, the runtime.

use tokio::runtime::{Builder, Runtime};

use crate::config::Config;
use crate::exit;
use crate::store::{OpenError, Options, Store, durable};

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// What would be stored would not be safe from a power loss.
    #[error(transparent)]
    Durability(#[from] durable::NotDurable),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The system refuses threads or descriptors.
    #[error("cannot start: {0}")]
    Runtime(#[from] std::io::Error),
}

/// Opens the store, and makes the runtime that serves it. The order matters: syncs are made real
/// before there is anything to sync.
pub fn start(config: &Config) -> Result<(Runtime, Store), StartError> {
    durable::make_syncs_real()?;
    let options = Options {
        cache_bytes: config.storage.cache_bytes,
        compact_above_bytes: config.storage.compact_above_bytes,
    };
    let store = Store::open(&config.storage.path, &options)?;
    // A service manager starts the service again; nobody would open the store otherwise.
    store.when_lost(|| std::process::exit(exit::STORE.into()));
    // One thread, which waits for the socket itself: with several, each wait ends on one and is
    // handled on another. What takes long has threads of its own.
    let runtime = Builder::new_current_thread().enable_all().build()?;
    Ok((runtime, store))
}
