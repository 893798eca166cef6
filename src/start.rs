//! What has to stand before anything can be served: syncs that are real, the store, the runtime.

mod database;

use std::io;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::config::{Config, Engine};
use crate::exit;
use crate::postgres;
use crate::store::{FolderLock, OpenError, Options, Owner, ReadError, Store, durable};
use crate::threads;

pub use database::look_at;

/// How many threads for what takes long are started at once. Others come as they are needed.
const THREADS: usize = 4;

/// How long such a thread waits for work before it ends: a system that is short of threads may not
/// give us another, and the runtime panics where it has none.
const FOR_EVER: Duration = Duration::from_secs(u32::MAX as u64);

/// How soon a database that could not be reached is asked again whether all is there.
const AGAIN: Duration = Duration::from_secs(1);

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// What would be stored would not be safe from a power loss.
    #[error(transparent)]
    Durability(#[from] durable::NotDurable),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The database cannot be used.
    #[error(transparent)]
    Database(#[from] postgres::OpenError),
    /// What is said of it in the configuration cannot be used.
    #[error("{0}")]
    Settings(String),
    /// Only a part of the data is there.
    #[error(
        "data is being moved into this store, or that was cut short, so it may hold only a part: run \
         `xmpp-private-storage migrate --to {to}` again, which finishes it"
    )]
    Unfinished { to: &'static str },
    #[error(
        "a backup is being restored into this store, or that was cut short, so it may hold only a part: {away}, and \
         restore it again"
    )]
    HalfRestored { away: &'static str },
    #[error("the store was opened, and cannot be read: {0}")]
    Unreadable(ReadError),
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
            Self::Database(postgres::OpenError::Foreign { .. }) | Self::Settings(_) => exit::CONFIG,
            Self::Database(error) if error.may_pass() => exit::UNAVAILABLE,
            _ => exit::STORE,
        }
    }
}

/// Where a database has the data, this process has to have the folder of its control socket to itself. With sled
/// the store has it.
pub fn lock_folder(config: &Config) -> Result<Option<FolderLock>, StartError> {
    match &config.storage.engine {
        Engine::Sled => Ok(None),
        Engine::Postgres(_) => Ok(Some(FolderLock::take(&config.storage.path)?)),
    }
}

/// Opens the store, and makes the runtime that serves it.
pub fn start(config: &Config) -> Result<(Runtime, Store), StartError> {
    let store = match &config.storage.engine {
        Engine::Sled => open_store(config)?,
        Engine::Postgres(_) => wait_for_database(config)?,
    };
    // One thread, which waits for the socket itself: with several, each wait ends on one and is
    // handled on another. What takes long has threads of its own.
    let runtime = Builder::new_current_thread()
        .enable_all()
        .thread_keep_alive(FOR_EVER)
        .build()?;
    start_threads(&runtime)?;
    Ok((runtime, store))
}

/// Opens the store, whichever engine has it, if all that belongs into it is there.
pub fn open_store(config: &Config) -> Result<Store, StartError> {
    let store = match &config.storage.engine {
        Engine::Sled => open_folder(config)?,
        Engine::Postgres(_) => open_database(config)?,
    };
    is_whole(&store).inspect_err(|_| store.close())?;
    Ok(store)
}

/// The same for a service that may start before its database. What is wrong, and found out later, ends the process.
fn wait_for_database(config: &Config) -> Result<Store, StartError> {
    let store = ending(database::open_waiting(config)?);
    if !store.failed() {
        is_whole(&store).inspect_err(|_| store.close())?;
        return Ok(store);
    }
    let waiting = store.clone();
    drop(threads::start("waiting", move || {
        loop {
            match is_whole(&waiting) {
                Err(StartError::Unreadable(ReadError::Unreachable)) => thread::sleep(AGAIN),
                Err(
                    unfinished @ (StartError::Unfinished { .. } | StartError::HalfRestored { .. }),
                ) => {
                    tracing::error!("{unfinished}");
                    std::process::exit(unfinished.exit_code().into());
                }
                // It is, or the service has ended.
                Ok(()) | Err(_) => return,
            }
        }
    })?);
    Ok(store)
}

/// Whether all that belongs into a store is there, as far as that is noted.
pub fn is_whole(store: &Store) -> Result<(), StartError> {
    let moving = moving().map_or(Ok(None), |moving| store.note(&moving));
    match moving.map_err(StartError::Unreadable)?.as_deref() {
        None => Ok(()),
        Some(BACKUP) => Err(StartError::HalfRestored {
            away: away(store.is_shared()),
        }),
        Some(SLED) => Err(StartError::Unfinished { to: POSTGRES }),
        Some(_) => Err(StartError::Unfinished { to: SLED }),
    }
}

/// What is done with a store, so that a backup can be restored.
pub fn away(is_database: bool) -> &'static str {
    match is_database {
        true => "make another database, and name it in storage.postgres.database",
        false => "move its folder away",
    }
}

/// What is noted in a store while something is put into it: where that comes from.
pub const SLED: &str = "sled";
pub const POSTGRES: &str = "postgres";
pub const BACKUP: &str = "backup";

/// Under whose name it is noted: nobody's, as no address is like this.
#[must_use]
pub fn moving() -> Option<Owner> {
    Owner::new("//moving")
}

/// Opens the store of sled in the configured folder, whether or not it has all that belongs into it.
///
/// The order matters: syncs are made real before there is anything to sync. What sled does not sync needs
/// no filter.
pub fn open_folder(config: &Config) -> Result<Store, StartError> {
    durable::make_syncs_real()?;
    let options = Options {
        cache_bytes: config.storage.cache_bytes,
        compact_above_bytes: config.storage.compact_above_bytes,
    };
    Ok(ending(Store::open(&config.storage.path, &options)?))
}

/// The same of the configured database.
pub fn open_database(config: &Config) -> Result<Store, StartError> {
    Ok(ending(database::open(config)?))
}

/// A service manager starts the service again; nobody would open the store otherwise.
fn ending(store: Store) -> Store {
    store.when_lost(|| std::process::exit(exit::STORE.into()));
    store
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
