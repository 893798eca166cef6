//! `check`: the first thing to run when something is wrong. One line for each thing looked at, in
//! the order in which they depend on each other; after the first that makes the rest impossible,
//! the rest is named and not tried.

mod bookmarks;
mod database;
mod delegation;
mod router;
mod service;

use std::path::Path;
use std::process::ExitCode;

use tokio::runtime::Runtime;

use super::format;
use super::report::{Report, Sign};
use super::status;
use super::user::become_owner_of;
use crate::component::Component;
use crate::config::{Config, ConfigError, Engine, Postgres};
use crate::exit;
use crate::metrics::Metrics;
use crate::postgres::FORMAT;
use crate::start::{StartError, look_at, open_store, start};
use crate::store::{OpenError, Scarce, Store};

/// What is looked at behind the store, in this order.
const ROUTER: [&str; 5] = ["name", "connection", "stream", "secret", "delegation"];

/// Looks at the configuration and the store; with `connect` at the server as well. The exit code
/// tells what was wrong first.
pub fn run(config: Result<Config, ConfigError>, connect: bool) -> ExitCode {
    let report = Report::from_environment();
    let code = check(&report, config, connect).err().unwrap_or(0);
    ExitCode::from(code)
}

/// Looks at the configuration alone.
pub fn settings(config: Result<Config, ConfigError>) -> ExitCode {
    let config = good(&Report::from_environment(), config);
    ExitCode::from(config.err().unwrap_or(0))
}

/// The configuration; `Err` with the exit code where it is wrong.
fn good(report: &Report, config: Result<Config, ConfigError>) -> Result<Config, u8> {
    let config = config.map_err(|error| {
        for message in error.messages() {
            report.line(Sign::Bad, format_args!("configuration: {message}"));
        }
        exit::CONFIG
    })?;
    let source = &config.source;
    report.line(Sign::Good, format_args!("configuration: {source}"));
    for warning in &config.warnings {
        report.line(Sign::Warning, format_args!("configuration: {warning}"));
    }
    Ok(config)
}

/// `Err` with the exit code of what is wrong.
fn check(report: &Report, config: Result<Config, ConfigError>, connect: bool) -> Result<(), u8> {
    let config = good(report, config).inspect_err(|_| {
        let router = if connect { &ROUTER[..] } else { &[] };
        not_tried(report, &[&["store"], router].concat());
    })?;
    let opened = match &config.storage.engine {
        Engine::Sled => open(report, &config, connect)?,
        Engine::Postgres(postgres) => open_database(report, &config, postgres, connect)?,
    };
    let Some((runtime, store)) = opened else {
        return Ok(());
    };
    let has_space = match &config.storage.engine {
        Engine::Sled => space(report, &config),
        Engine::Postgres(_) => Ok(()),
    };
    let looked = if connect {
        let jid = &config.component.jid;
        let line = format!(
            "connecting: this logs in as {jid} for a moment. On ejabberd, delegation begins with \
             that: its own mod_private answers nobody from then on, and another instance that is \
             logged in loses its delegation and logs in again"
        );
        report.line(Sign::Neutral, line);
        match Component::new(&config, store.clone(), &Metrics::new()) {
            Ok(component) => runtime.block_on(router::check(report, component, &config)),
            Err(error) => {
                report.line(Sign::Bad, StartError::Threads(error));
                Err(exit::STORE)
            }
        }
    } else {
        Ok(())
    };
    runtime.shutdown_background();
    store.close();
    has_space.and(looked)
}

/// Whether the disk has space for more. Nothing depends on that: what is stored is served.
fn space(report: &Report, config: &Config) -> Result<(), u8> {
    let folder = &config.storage.path;
    let Some(Scarce { free, needed }) = Store::scarce_space(folder) else {
        return Ok(());
    };
    let [free, needed] = [free, needed].map(format::bytes);
    let line = format!(
        "space: the disk of {} has {free} free, and {needed} is needed: until then users can only \
         delete data or replace it with less",
        folder.display()
    );
    report.line(Sign::Bad, line);
    Err(exit::STORE)
}

/// Opens the store; `None` if the service has it.
fn open(report: &Report, config: &Config, connect: bool) -> Result<Option<(Runtime, Store)>, u8> {
    let folder = &config.storage.path;
    let path = folder.display();
    // First of all: a service whose store has failed has left it, and is about to open it again.
    if let Ok(known) = status::ask(folder) {
        if !known.store.failed {
            in_use(report, folder, &format!(" (pid {})", known.pid));
        }
        let has_space = space(report, config);
        service::check(report, Ok(known), connect)?;
        has_space?;
        return Ok(None);
    }
    let is_new = !folder.exists();
    let became = become_owner_of(folder).map_err(|error| {
        let why = format!("store: cannot open {path} as the user who owns it: {error}");
        report.line(Sign::Bad, format!("{why}; run this command as that user"));
        give_up(report, connect);
        exit::STORE
    })?;
    match start(config) {
        Ok(started) => {
            match became {
                Some(user) => {
                    let line = format!("store: {path} (as its owner, user {user})");
                    report.line(Sign::Good, line);
                }
                None => report.line(Sign::Good, format_args!("store: {path}")),
            }
            if is_new && rustix::process::geteuid().is_root() {
                let line =
                    format!("store: {path} was just created and belongs to root; if the service");
                let line = format!("{line} runs as another user: chown -R THAT-USER {path}");
                report.line(Sign::Warning, line);
            }
            Ok(Some(started))
        }
        Err(StartError::Store(OpenError::InUse { pid, .. })) => {
            in_use(
                report,
                folder,
                &pid.map_or(String::new(), |pid| format!(" (pid {pid})")),
            );
            let has_space = space(report, config);
            service::check(report, status::ask(folder), connect)?;
            has_space?;
            Ok(None)
        }
        Err(error) => {
            report.line(Sign::Bad, format_args!("store: {error}"));
            give_up(report, connect);
            Err(error.exit_code())
        }
    }
}

/// Looks at the database; opens the store in it if that is needed to connect, and the service does not run here.
fn open_database(
    report: &Report,
    config: &Config,
    postgres: &Postgres,
    connect: bool,
) -> Result<Option<(Runtime, Store)>, u8> {
    let failed = |error: StartError| {
        report.line(Sign::Bad, format_args!("database: {error}"));
        give_up(report, connect);
        error.exit_code()
    };
    let found = match look_at(config) {
        Ok(facts) => Ok(facts),
        Err(StartError::Database(error)) => Err(error),
        Err(error) => return Err(failed(error)),
    };
    // An older one would be moved on, and nothing is to be made here.
    let is_begun = found
        .as_ref()
        .is_ok_and(|facts| facts.format == Some(FORMAT));
    let looked = database::check(report, postgres, found);
    if let Ok(known) = status::ask(&config.storage.path) {
        let served = service::check(report, Ok(known), connect);
        return looked.and(served).map(|()| None);
    }
    looked.inspect_err(|_| give_up(report, connect))?;
    if connect {
        return start(config).map(Some).map_err(failed);
    }
    if is_begun {
        // Whether all that belongs into it is there.
        open_store(config).map_err(failed)?.close();
    }
    Ok(None)
}

/// Then no second connection is made: Prosody would refuse it, and on ejabberd it would take the delegation
/// from the first as soon as it ends.
fn in_use(report: &Report, folder: &Path, pid: &str) {
    let path = folder.display();
    report.line(
        Sign::Good,
        format!("store: {path}, in use by the service{pid}"),
    );
}

/// Without a store, nothing of the rest can be looked at.
fn give_up(report: &Report, connect: bool) {
    if connect {
        not_tried(report, &ROUTER);
    }
}

fn not_tried(report: &Report, rest: &[&str]) {
    if !rest.is_empty() {
        report.line(Sign::Neutral, format!("{}: not tried", rest.join(", ")));
    }
}
