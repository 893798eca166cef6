//! `run`: the service from its first log line to its last.

mod doors;
mod manager;
mod routes;

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use crate::component::{Component, Event};
use crate::config::{Config, Delegation};
use crate::exit;
use crate::logs;
use crate::start::start;
use crate::status::{Facts, Status};
use doors::Doors;
use routes::Public;

/// Serves until somebody asks the process to end.
pub fn run(config: &Config) -> ExitCode {
    logs::start(&config.log);
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
    let doors = match Doors::open(config, runtime.handle()) {
        Ok(doors) => doors,
        Err(error) => {
            tracing::error!("{error}");
            return ExitCode::from(exit::CONFIG);
        }
    };
    tracing::info!(
        "{} {} keeps private storage for {} in {} ({})",
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_VERSION"),
        config.access.domains.join(", "),
        config.storage.path.display(),
        config.source,
    );
    let status = Status::new(facts(config), store.clone());
    let public = Public {
        status: status.clone(),
    };
    let socket = doors.serve(public, runtime.handle());
    let component = Component::new(config, store.clone());
    let stop = async {
        stop_signal().await;
        status.stopping();
        manager::stopping();
    };
    let unanswered = runtime.block_on(async {
        tokio::select! {
            unanswered = component.run(stop, |event| {
                log(event, config);
                take_note(event, &status);
            }) => unanswered,
            never = manager::keep_told(&status) => match never {},
        }
    });
    runtime.shutdown_background();
    drop(socket);
    store.close();
    if unanswered > 0 {
        tracing::warn!("stopped; {unanswered} requests were left without an answer");
    } else {
        tracing::info!("stopped");
    }
    ExitCode::SUCCESS
}

fn facts(config: &Config) -> Facts {
    Facts {
        jid: config.component.jid.to_string(),
        server: config.component.server.to_string(),
        domains: config.access.domains.clone(),
        needs_delegation: config.access.delegation == Delegation::Required,
    }
}

fn take_note(event: &Event, status: &Status) {
    match event {
        Event::Up => status.up(),
        Event::Delegated(domain) => status.delegated(domain),
        Event::Undelegated(_) => {}
        Event::Down { why, pause } => status.down(why, *pause),
    }
}

fn log(event: &Event, config: &Config) {
    match event {
        Event::Up => {
            let (server, jid) = (&config.component.server, &config.component.jid);
            tracing::info!("logged in to {server} as {jid}");
        }
        Event::Delegated(domain) => tracing::info!("delegation is active for {domain}"),
        Event::Undelegated(domains) => tracing::warn!(
            "no delegation from {}: clients there do not reach this service, except those that ask \
             it by its address; `print-config` prints what the router needs",
            domains.join(", ")
        ),
        Event::Down { why, pause } => {
            tracing::warn!("{why}; next attempt in {:.1} s", pause.as_secs_f32());
        }
    }
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
