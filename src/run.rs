//! `run`: the service from its first log line to its last.

mod end;
mod events;
mod known;
mod listeners;
mod page;
mod reload;
mod routes;
mod systemd;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

use crate::component::Component;
use crate::config::{BookmarksMode, Config, ConfigError, Delegation, Engine};
use crate::exit;
use crate::logs;
use crate::metrics::Metrics;
use crate::owners::LocalStore;
use crate::start::{StartError, lock_folder, start};
use crate::status::{Facts, Needs, Place, Served, Status};
use end::Asked;
use events::EventLog;
use listeners::Listeners;
use reload::Reload;
use routes::Public;

/// Serves until somebody asks the process to end. `load` reads the configuration again.
pub fn run(
    config: &Config,
    load: impl Fn() -> Result<Config, ConfigError> + Send + Sync + 'static,
) -> ExitCode {
    let levels = logs::start(&config.log);
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let started = lock_folder(config).and_then(|folder| Ok((folder, start(config)?)));
    let (_folder, (runtime, store)) = match started {
        Ok(started) => started,
        Err(error) => {
            tracing::error!("{error}");
            return ExitCode::from(error.exit_code());
        }
    };
    let listeners = match Listeners::open(config, runtime.handle()) {
        Ok(listeners) => listeners,
        Err(error) => {
            tracing::error!("{error}");
            return ExitCode::from(error.exit_code());
        }
    };
    let status = Status::new(facts(config), served(config), store.clone());
    let metrics = Arc::new(Metrics::new());
    store.measure(Arc::new(metrics.store.clone()));
    let public = Public {
        status: status.clone(),
        metrics: Arc::clone(&metrics),
    };
    let owners = LocalStore::new(store.clone(), config);
    listeners.serve(public, owners.clone(), runtime.handle());
    let component = match Component::new(config, store.clone(), &metrics) {
        Ok(component) => component,
        Err(error) => {
            tracing::error!("{}", StartError::Threads(error));
            return ExitCode::from(exit::STORE);
        }
    };
    let told = status.clone();
    let reload = Reload {
        load: Arc::new(load),
        running: config.clone(),
        levels,
        component: component.changes(),
        others: move |config: &Config| {
            told.serve(served(config));
            owners.set_limits(config);
        },
    };
    // Whoever reads the line below may send the signal.
    let entered = runtime.enter();
    match signal(SignalKind::hangup()) {
        Ok(asked) => drop(runtime.spawn(reload.whenever(asked))),
        Err(error) => tracing::error!("cannot listen for SIGHUP: {error}"),
    }
    let asked = Asked::listen();
    drop(entered);
    end::in_time();
    tracing::info!(
        "{} {} keeps private storage for {} in {} ({})",
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_VERSION"),
        config.access.domains.join(", "),
        place(config),
        config.source,
    );
    if let Some(address) = config.http.listen {
        tracing::info!(
            "status page at http://{address}/; also serves /livez, /readyz and /metrics"
        );
    }
    let mut events = EventLog::new(&status, &metrics.link);
    let stop = async {
        // Outside the macro, which evaluates nothing at a level that is not logged.
        let reason = asked.wait().await;
        tracing::info!("stopping: {reason}");
        status.stopping();
        systemd::stopping();
    };
    let unanswered = runtime.block_on(async {
        tokio::select! {
            unanswered = component.run(stop, |event| events.take(event)) => unanswered,
            never = systemd::keep_told(&status) => match never {},
        }
    });
    if unanswered > 0 {
        let requests = match unanswered {
            1 => "request was",
            _ => "requests were",
        };
        tracing::warn!("{unanswered} {requests} left without an answer");
    }
    runtime.shutdown_background();
    store.close();
    tracing::info!("stopped");
    ExitCode::SUCCESS
}

fn facts(config: &Config) -> Facts {
    Facts {
        jid: config.component.jid.to_string(),
        server: config.component.server.to_string(),
        store: place(config),
    }
}

/// Where the data is.
fn place(config: &Config) -> Place {
    match &config.storage.engine {
        Engine::Sled => Place::Folder(absolute(&config.storage.path).display().to_string()),
        Engine::Postgres(database) => {
            let hosts: Vec<String> = database.hosts.iter().map(ToString::to_string).collect();
            Place::Database(format!("{} at {}", database.database, hosts.join(", ")))
        }
    }
}

/// Whoever reads it need not know where the service was started.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn served(config: &Config) -> Served {
    Served {
        domains: config.access.domains.clone(),
        needs: match config.access.delegation {
            Delegation::None => Needs::Nothing,
            Delegation::Optional => Needs::One,
            Delegation::Required => Needs::All,
        },
        bookmarks: config.bookmarks.mode == BookmarksMode::Pep,
    }
}
