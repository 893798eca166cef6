//! The owners of the configured store, wherever they can be got at.
//!
//! Only one process can have a store of sled open, and usually that is the service. So a command asks the
//! service that runs, and opens the store itself where none does; the administrator need not care. A
//! database takes commands beside all instances, so there they go to it directly.
//! All that goes wrong is printed here, and comes back as the exit code.

use std::ops::Deref;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::report::tell;
use super::user::become_owner_of;
use crate::clock::Instant;
use crate::config::{Config, Engine};
use crate::exit;
use crate::logs;
use crate::owners::wire::RemoteStore;
use crate::owners::{LocalStore, Owners, OwnersError};
use crate::postgres::Facts;
use crate::start::{self, BACKUP, StartError, look_at, moving, open_store};
use crate::store::{OpenError, SetError, Store};

/// How long a service that has the store may take until it can be asked: it starts, or it stops.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often it is tried meanwhile.
const PAUSE: Duration = Duration::from_millis(100);

/// The owners. A store that was opened for them is closed with them.
pub struct Data {
    owners: Box<dyn Owners>,
    opened: Option<Store>,
}

impl Data {
    /// Whether they are in a database, which takes care of its own files.
    pub fn is_database(&self) -> bool {
        self.opened.as_ref().is_some_and(Store::is_shared)
    }

    /// What is done with a store that is not empty, or has only a part of a backup, so that one can be restored.
    pub fn away(&self) -> &'static str {
        start::away(self.is_database())
    }

    /// Keeps everybody else from using a store that has only a part yet of what is restored into it, also where that is
    /// cut short; or no more.
    ///
    /// # Errors
    ///
    /// When that cannot be noted.
    pub fn set_restoring(&self, is_so: bool) -> Result<(), OwnersError> {
        let Some((store, moving)) = self.opened.as_ref().zip(moving()) else {
            return Ok(());
        };
        let (done, answer) = mpsc::channel();
        let text = is_so.then(|| BACKUP.to_owned());
        store.put_note(moving, text, move |result| drop(done.send(result)));
        let noted = answer.recv().unwrap_or(Err(SetError::Failed));
        noted.map_err(|error| OwnersError::Broken(error.to_string()))
    }

    fn of(store: Store, here: LocalStore) -> Self {
        let owners = Box::new(here);
        let opened = Some(store);
        Self { owners, opened }
    }
}

impl Deref for Data {
    type Target = dyn Owners;

    fn deref(&self) -> &Self::Target {
        &*self.owners
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        if let Some(store) = &self.opened {
            store.close();
        }
    }
}

/// The owners of the store that is configured, which must be there.
///
/// It must be called before the program has threads.
///
/// # Errors
///
/// With the exit code; why is printed.
pub fn open(config: &Config) -> Result<Data, u8> {
    find(config, IfMissing::Refuse)
}

/// The same; the store is made if there is none.
///
/// # Errors
///
/// As [`open`].
pub fn open_or_make(config: &Config) -> Result<Data, u8> {
    find(config, IfMissing::Make)
}

/// The same, for whoever changes nothing: where there is no store, none is made, and nothing is stored.
///
/// # Errors
///
/// As [`open`].
pub fn open_or_empty(config: &Config) -> Result<Data, u8> {
    find(config, IfMissing::Empty)
}

/// The owners of a store that no service uses, made if there is none. What is put is held to no
/// limits.
///
/// # Errors
///
/// As [`open`], and when a service runs.
pub fn open_alone(config: &Config) -> Result<Data, u8> {
    nobody_runs(config)?;
    let store = match is_database(config) {
        true => open_store(config).map_err(not_opened)?,
        false => open_here(config)?.map_err(not_opened)?,
    };
    Ok(Data::of(store.clone(), LocalStore::without_limits(store)))
}

/// Makes sure that no service uses the store.
///
/// # Errors
///
/// With the exit code, when one does; that is printed.
fn nobody_runs(config: &Config) -> Result<(), u8> {
    no_service_on(&config.storage.path)?;
    match is_database(config) {
        true => no_instance_of(config).map(drop),
        false => Ok(()),
    }
}

/// Makes sure that no instance is connected to the database; what it says of itself.
///
/// # Errors
///
/// When one runs, and when it cannot be looked at.
pub fn no_instance_of(config: &Config) -> Result<Facts, u8> {
    let facts = look_at(config).map_err(not_opened)?;
    if facts.instances.is_empty() {
        return Ok(facts);
    }
    logs::error(format_args!(
        "the {} is used by {}: stop them first, and start them again afterwards",
        place(config),
        facts.instances.join(", ")
    ));
    Err(exit::UNAVAILABLE)
}

/// Makes sure that no service runs on this folder.
///
/// # Errors
///
/// When one runs.
pub fn no_service_on(folder: &Path) -> Result<(), u8> {
    if ask(folder)?.is_none() {
        return Ok(());
    }
    logs::error(format_args!(
        "a service is running on {}: stop it first, and start it again afterwards",
        folder.display()
    ));
    Err(exit::UNAVAILABLE)
}

/// Where the data is, in words.
pub fn place(config: &Config) -> String {
    match &config.storage.engine {
        Engine::Sled => format!("store in {}", config.storage.path.display()),
        Engine::Postgres(postgres) => format!("store in the database {}", postgres.database),
    }
}

fn is_database(config: &Config) -> bool {
    matches!(config.storage.engine, Engine::Postgres(_))
}

/// Prints why something was not done; the exit code for it.
pub fn told(trouble: &OwnersError) -> u8 {
    logs::error(trouble);
    exit::STORE
}

/// Opens the store in this process. Only for that root becomes its owner: a service answers root,
/// and files that root names may be for root alone.
fn open_here(config: &Config) -> Result<Result<Store, StartError>, u8> {
    open_as_owner(&config.storage.path, || open_store(config))
}

/// Opens the store in this folder like this, as the user who owns it.
///
/// # Errors
///
/// With the exit code, when that user cannot be worked as; that is printed.
pub fn open_as_owner(
    folder: &Path,
    open: impl FnOnce() -> Result<Store, StartError>,
) -> Result<Result<Store, StartError>, u8> {
    let path = folder.display();
    let is_new = !folder.exists();
    become_owner_of(folder).map_err(|error| {
        logs::error(format_args!(
            "cannot work on {path} as the user who owns it: {error}; run this command as that user"
        ));
        exit::STORE
    })?;
    let opened = open();
    if is_new && opened.is_ok() && rustix::process::geteuid().is_root() {
        tell(format_args!(
            "{path} was just created and belongs to root; if the service runs as another user: \
             chown -R THAT-USER {path}"
        ));
    }
    Ok(opened)
}

/// What is done where there is no store.
#[derive(Clone, Copy, PartialEq, Eq)]
enum IfMissing {
    Refuse,
    Make,
    Empty,
}

fn find(config: &Config, if_missing: IfMissing) -> Result<Data, u8> {
    if is_database(config) {
        return find_in_database(config, if_missing);
    }
    let folder = &config.storage.path;
    let begun = Instant::now();
    loop {
        if let Some(there) = ask(folder)? {
            let owners = Box::new(there);
            let opened = None;
            return Ok(Data { owners, opened });
        }
        if if_missing != IfMissing::Make && !Store::is_in(folder) {
            return nothing_there(config, if_missing);
        }
        match open_here(config)? {
            Ok(store) => {
                let here = LocalStore::new(store.clone(), config);
                return Ok(Data::of(store, here));
            }
            Err(StartError::Store(OpenError::InUse { .. })) if begun.elapsed() < PATIENCE => {
                thread::sleep(PAUSE);
            }
            Err(error) => return Err(not_opened(error)),
        }
    }
}

fn find_in_database(config: &Config, if_missing: IfMissing) -> Result<Data, u8> {
    // Whoever only looks makes no tables.
    if if_missing != IfMissing::Make && look_at(config).map_err(not_opened)?.format.is_none() {
        return nothing_there(config, if_missing);
    }
    let store = open_store(config).map_err(not_opened)?;
    Ok(Data::of(store.clone(), LocalStore::new(store, config)))
}

fn nothing_there(config: &Config, if_missing: IfMissing) -> Result<Data, u8> {
    if if_missing == IfMissing::Empty {
        let store = Store::by_caller();
        return Ok(Data::of(store.clone(), LocalStore::new(store, config)));
    }
    Err(no_store(config))
}

/// Prints that there is no store; the exit code for it.
pub fn no_store(config: &Config) -> u8 {
    match &config.storage.engine {
        Engine::Sled => logs::error(format_args!(
            "there is no store in {}, the storage.path of {}; name another configuration with --config, or, \
             if the path is relative, run this in the service's working directory",
            config.storage.path.display(),
            config.source
        )),
        Engine::Postgres(postgres) => logs::error(format_args!(
            "there is no store in the database {}: nothing has used it yet; name another configuration with \
             --config, or correct storage.postgres.database",
            postgres.database
        )),
    }
    exit::STORE
}

fn ask(folder: &Path) -> Result<Option<RemoteStore>, u8> {
    RemoteStore::find(folder).map_err(|trouble| {
        logs::error(trouble);
        exit::UNAVAILABLE
    })
}

/// Prints why a store was not opened; the exit code for it.
pub fn not_opened(error: StartError) -> u8 {
    if let StartError::Store(OpenError::InUse { folder, pid }) = &error {
        let pid = pid
            .as_ref()
            .map_or(String::new(), |pid| format!(" (pid {pid})"));
        logs::error(format_args!(
            "the store in {} is in use by another process{pid} that cannot be asked: if that is \
             the service and it is just starting or stopping, try again; otherwise its log says \
             why it has no control socket",
            folder.display()
        ));
        return exit::UNAVAILABLE;
    }
    logs::error(&error);
    error.exit_code()
}
