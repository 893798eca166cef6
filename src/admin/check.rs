//! `check`: the first thing to run when something is wrong. One line for each thing looked at.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use tokio::sync::watch;

use crate::component::{Component, Event};
use crate::config::{Config, Delegation};
use crate::exit;
use crate::metrics::Metrics;
use crate::start::{StartError, start};
use crate::store::OpenError;

/// How long the router has to let us in and to delegate.
const PATIENCE: Duration = Duration::from_secs(5);

/// Looks at the configuration and the store; with `connect` at the router as well. The exit code
/// tells what was wrong first.
pub fn run(config: &Config, connect: bool) -> ExitCode {
    good(&format!("configuration: {}", config.source));
    for warning in &config.warnings {
        println!("! {warning}");
    }
    let (runtime, store) = match start(config) {
        Ok(started) => started,
        Err(StartError::Store(error @ OpenError::InUse { .. })) => {
            println!("! store: {error}");
            if connect {
                // A second connection would be refused by Prosody, and would take the delegation
                // from the first on ejabberd as soon as it ends.
                bad(
                    "router: not tried while the service runs; its own log says how it is connected",
                );
                return ExitCode::from(exit::UNAVAILABLE);
            }
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            bad(&format!("store: {error}"));
            return ExitCode::from(exit::STORE);
        }
    };
    good(&format!("store: {}", config.storage.path.display()));
    let code = if connect {
        let requests = Metrics::new().requests;
        let component = Component::new(config, store.clone(), requests);
        runtime.block_on(look_at_router(component, config))
    } else {
        0
    };
    runtime.shutdown_background();
    store.close();
    ExitCode::from(code)
}

/// Serves for real while it looks: a request that comes in meanwhile is answered as ever.
async fn look_at_router(component: Component, config: &Config) -> u8 {
    let (seen_enough, mut enough) = watch::channel(false);
    let mut up = false;
    let mut told = false;
    let mut delegated = BTreeSet::new();
    let wanted = &config.access.domains;
    let stop = async move {
        let _ = tokio::time::timeout(PATIENCE, enough.wait_for(|enough| *enough)).await;
    };
    component
        .run(stop, |event| match event {
            Event::Up => {
                up = true;
                let (server, jid) = (&config.component.server, &config.component.jid);
                good(&format!("router: logged in to {server} as {jid}"));
            }
            Event::Delegated(domain) => {
                good(&format!("delegation: {domain}"));
                delegated.insert(domain.clone());
                let all = wanted.iter().all(|domain| delegated.contains(domain));
                seen_enough.send_replace(all);
            }
            Event::Down { why, .. } => {
                told = true;
                bad(&format!("router: {why}"));
                seen_enough.send_replace(true);
            }
            Event::Undelegated(_) => {} // what is missing is told at the end
        })
        .await;
    if !up {
        if !told {
            let (server, patience) = (&config.component.server, PATIENCE.as_secs());
            bad(&format!(
                "router: {server} did not let us in within {patience} s; is this its component port, \
                 and does no firewall stand between?"
            ));
        }
        return exit::UNAVAILABLE;
    }
    let required = config.access.delegation == Delegation::Required;
    let missing: Vec<&String> = wanted.iter().filter(|d| !delegated.contains(*d)).collect();
    for domain in &missing {
        let line = format!(
            "delegation: none from {domain}: its users' clients do not reach this service, \
             except those that ask it by its address; `print-config` prints what the router needs"
        );
        if required {
            bad(&line);
        } else {
            println!("! {line}");
        }
    }
    if required && !missing.is_empty() {
        exit::UNAVAILABLE
    } else {
        0
    }
}

fn good(line: &str) {
    println!("✓ {line}");
}

fn bad(line: &str) {
    println!("✗ {line}");
}
