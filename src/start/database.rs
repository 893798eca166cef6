//! The database that is configured, as the store is told of it.

use std::process;

use super::StartError;
use crate::config::{Config, Engine, Postgres};
use crate::postgres::{self, Facts, HOLD, Settings, Tls};
use crate::store::Store;

/// Connects to it, and makes a store in it if it is empty.
pub fn open(config: &Config) -> Result<Store, StartError> {
    Ok(postgres::open(settings(configured(config)?)?)?)
}

/// The same, also where it cannot be reached yet: then the store waits for it.
pub fn open_waiting(config: &Config) -> Result<Store, StartError> {
    Ok(postgres::open_waiting(settings(configured(config)?)?)?)
}

/// What it says of itself and of its hosts. Nothing is changed.
///
/// # Errors
///
/// When it cannot be used, or none is configured.
pub fn look_at(config: &Config) -> Result<Facts, StartError> {
    Ok(postgres::examine(settings(configured(config)?)?)?)
}

fn configured(config: &Config) -> Result<&Postgres, StartError> {
    match &config.storage.engine {
        Engine::Postgres(postgres) => Ok(postgres),
        Engine::Sled => {
            let why = "storage.engine is \"sled\", and this is about a database: set storage.engine = \"postgres\", \
                       and storage.postgres.hosts";
            Err(StartError::Settings(why.to_owned()))
        }
    }
}

fn settings(config: &Postgres) -> Result<Settings, StartError> {
    let tls = config.tls.as_ref().map(|tls| {
        let name = tls.name.clone();
        Ok(Tls {
            config: tls.client()?,
            name,
        })
    });
    let hosts = config.hosts.iter();
    Ok(Settings {
        hosts: hosts.map(|it| (it.host.clone(), it.port)).collect(),
        database: config.database.clone(),
        user: config.user.clone(),
        password: config.password.clone().map_err(StartError::Settings)?,
        tls: tls.transpose().map_err(StartError::Settings)?,
        connections: config.connections,
        require_synchronous: config.require_synchronous,
        hold: HOLD,
        instance: instance(),
    })
}

/// This process among those that use the database.
fn instance() -> String {
    let name = rustix::system::uname();
    let machine = name.nodename().to_string_lossy();
    format!("{machine} (pid {})", process::id())
}
