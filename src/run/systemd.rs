//! What a service manager is told (sd_notify): that we serve, what we are doing, that we live.
//! Without one, that is nobody.

use std::convert::Infallible;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::sleep;

use crate::clock::Instant;
use crate::status::{Link, Status};

/// How long the first attempt to connect may hold up the start.
const FIRST_ATTEMPT: Duration = Duration::from_secs(5);

/// How soon it is told of the store's failing, which nobody announces.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often there is a sign of life, at least.
const ALIVE_EVERY: Duration = Duration::from_secs(5);

/// Keeps the service manager told, for ever.
///
/// To be polled by the task that runs the service: a main loop that is stuck must not seem alive.
pub async fn keep_told(status: &Status) -> Infallible {
    tokio::select! {
        never = describe(status) => never,
        never = live(status) => never,
    }
}

/// That it has to end, and does. To be told before anything that takes time.
pub fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

/// That the configuration is being read again.
pub fn reloading() {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        tell(&[NotifyState::Reloading, now]);
    }
}

/// That it has been, for better or worse.
pub fn reloaded() {
    tell(&[NotifyState::Ready]);
}

async fn describe(status: &Status) -> Infallible {
    let begun = Instant::now();
    let mut changes = status.changes();
    let mut ready = false;
    let mut told = String::new();
    loop {
        let line = one_line(&status.to_string());
        // A server that is down, or slow, must not fail the start.
        let attempted = status.now().link != Link::Connecting;
        if !ready && (attempted || begun.elapsed() >= FIRST_ATTEMPT) {
            // Each message takes a descriptor, and for this one the service manager waits.
            ready = tell(&[NotifyState::Ready, NotifyState::Status(&line)]);
        } else if line != told {
            tell(&[NotifyState::Status(&line)]);
        }
        told = line;
        tokio::select! {
            _ = changes.changed() => {}
            () = sleep(LOOK_EVERY) => {}
        }
    }
}

async fn live(status: &Status) -> Infallible {
    let watchdog = sd_notify::watchdog_enabled();
    let every = watchdog.map_or(ALIVE_EVERY, |patience| (patience / 3).min(ALIVE_EVERY));
    loop {
        status.sign_of_life().await;
        if watchdog.is_some() {
            tell(&[NotifyState::Watchdog]);
        }
        sleep(every).await;
    }
}

/// Says whether that has worked; without a service manager it has.
fn tell(what: &[NotifyState<'_>]) -> bool {
    sd_notify::notify(what)
        .inspect_err(|error| tracing::debug!("cannot notify the service manager: {error}"))
        .is_ok()
}

/// A line's end would end the message, and begin another.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}
