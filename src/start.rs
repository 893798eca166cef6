//! What has to stand before anything can be served: syncs that are real, the store, the runtime.

use std::io;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::config::{Config, Engine};
use crate::exit;
use crate::store::{OpenError, Options, Store, durable};
use crate::threads;

/// How many threads for what takes long are started at once. Others come as they are needed.
const THREADS: usize = 4;

/// How long such a thread waits for work before it ends: a system that is short of threads may not
/// give us another, and the runtime panics where it has none.
const FOR_EVER: Duration = Duration::from_secs(u32::MAX as u64);

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// What would be stored would not be safe from a power loss.
    #[error(transparent)]
    Durability(#[from] durable::NotDurable),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// This program has no such engine.
    #[error(
        "storage.engine is \"postgres\", which this program does not have; set storage.engine = \"sled\""
    )]
    NoEngine,
    /// The system refuses threads or descriptors.
    #[error("cannot start: {0}")]
    Threads(#[from] io::Error),
}

impl StartError {
    /// What the process ends with.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Store(error) if error.is_of_others() => exit::CONFIG,
            Self::NoEngine => exit::CONFIG,
            _ => exit::STORE,
        }
    }
}

/// Opens the store, and makes the runtime that serves it.
pub fn start(config: &Config) -> Result<(Runtime, Store), StartError> {
    let store = match &config.storage.engine {
        Engine::Sled => open_folder(config)?,
        Engine::Postgres(_) => return Err(StartError::NoEngine),
    };
    // A service manager starts the service again; nobody would open the store otherwise.
    store.when_lost(|| std::process::exit(exit::STORE.into()));
    // One thread, which waits for the socket itself: with several, each wait ends on one and is
    // handled on another. What takes long has threads of its own.
    let runtime = Builder::new_current_thread()
        .enable_all()
        .thread_keep_alive(FOR_EVER)
        .build()?;
    start_threads(&runtime)?;
    Ok((runtime, store))
}

/// The order matters: syncs are made real before there is anything to sync. What sled does not sync needs
/// no filter.
fn open_folder(config: &Config) -> Result<Store, StartError> {
    durable::make_syncs_real()?;
    let options = Options {
        cache_bytes: config.storage.cache_bytes,
        compact_above_bytes: config.storage.compact_above_bytes,
    };
    Ok(Store::open(&config.storage.path, &options)?)
}

/// Has the runtime start its threads now, while there are some to be had.
fn start_threads(runtime: &Runtime) -> io::Result<()> {
    // This one can be refused without a panic.
    threads::start("first", || {})?;
    let (hold, held) = mpsc::channel::<()>();
    let held = Arc::new(Mutex::new(held));
    for _ in 0..THREADS {
        let held = Arc::clone(&held);
        // A thread that has nothing to do would be given the next task, and no other be started.
        runtime.spawn_blocking(move || {
            let _ = held.lock().unwrap_or_else(PoisonError::into_inner).recv();
        });
    }
    drop(hold);
    Ok(())
}
