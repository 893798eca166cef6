//! `run`: the service from its first log line to its last.

mod reload;

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use crate::component::{Component, Event};
use crate::config::{Config, ConfigError};
use crate::exit;
use crate::logs;
use crate::start::start;
use reload::Reload;

/// Serves until somebody asks the process to end. `load` reads the configuration again.
pub fn run(
    config: &Config,
    load: impl Fn() -> Result<Config, ConfigError> + Send + Sync + 'static,
) -> ExitCode {
    let levels = logs::start(&config.log);
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let (runtime, store) = match start(config) {
        Ok(started) => started,
        Err(error) => {
            tracing::error!("{error}");
            return ExitCode::from(exit::STORE);
        }
    };
    let component = Component::new(config, store.clone());
    let reload = Reload {
        load,
        running: config.clone(),
        levels,
        component: component.changes(),
    };
    // Whoever reads the line below may send the signal.
    let entered = runtime.enter();
    match signal(SignalKind::hangup()) {
        Ok(asked) => drop(runtime.spawn(reload.whenever(asked))),
        Err(error) => tracing::error!("cannot listen for SIGHUP: {error}"),
    }
    drop(entered);
    tracing::info!(
        "{} {} keeps private storage for {} in {} ({})",
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_VERSION"),
        config.access.domains.join(", "),
        config.storage.path.display(),
        config.source,
    );
    let server = config.component.server.clone();
    let jid = config.component.jid.clone();
    let unanswered = runtime.block_on(component.run(stop_signal(), |event| match event {
        Event::Reached(step) => tracing::debug!("{step:?}"),
        Event::Replied(_) => {}
        Event::Up => tracing::info!("logged in to {server} as {jid}"),
        Event::Delegated(domain) => tracing::info!("delegation is active for {domain}"),
        Event::Undelegated(domains) => tracing::warn!(
            "no delegation from {}: clients there do not reach this service, except those that ask \
             it by its address; `print-config` prints what the router needs",
            domains.join(", ")
        ),
        Event::Down { why, pause, .. } => {
            tracing::warn!("{why}; next attempt in {:.1} s", pause.as_secs_f32());
        }
    }));
    runtime.shutdown_background();
    store.close();
    if unanswered > 0 {
        tracing::warn!("stopped; {unanswered} requests were left without an answer");
    } else {
        tracing::info!("stopped");
    }
    ExitCode::SUCCESS
}

/// Resolves when somebody asks the process to end.
async fn stop_signal() {
    let signals =
        signal(SignalKind::terminate()).and_then(|t| Ok((t, signal(SignalKind::interrupt())?)));
    match signals {
        Ok((mut terminate, mut interrupt)) => tokio::select! {
            _ = terminate.recv() => tracing::info!("stopping: SIGTERM"),
            _ = interrupt.recv() => tracing::info!("stopping: SIGINT"),
        },
        Err(error) => {
            tracing::error!("cannot listen for signals: {error}");
            std::future::pending().await
        }
    }
}
