//! SIGHUP: the configuration is read again, and takes effect as far as it can without a restart.
//!
//! It is taken whole or not at all: with one mistake in it, everything stays as it was. It is read
//! on a thread of its own, one at a time: a disk that hangs keeps nobody waiting but the next reload.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::Signal;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::systemd;
use crate::config::{Changes, Config, ConfigError};
use crate::logs::Levels;

/// After how long it is told that the reading takes long.
const LONG: Duration = Duration::from_secs(10);

/// What it takes to read the configuration again.
pub struct Reload<L, O> {
    /// Reads it, from where it was read before.
    pub load: Arc<L>,
    pub running: Config,
    /// Which log lines are written.
    pub levels: Levels,
    pub component: UnboundedSender<Config>,
    pub others: O,
}

impl<L, O> Reload<L, O>
where
    L: Fn() -> Result<Config, ConfigError> + Send + Sync + 'static,
    O: Fn(&Config),
{
    /// Reads it again with each signal.
    pub async fn whenever(mut self, mut asked: Signal) {
        while asked.recv().await.is_some() {
            systemd::reloading();
            match read(Arc::clone(&self.load)).await {
                Ok(new) => self.take(new),
                Err(messages) => {
                    for message in messages {
                        tracing::error!("{message}");
                    }
                    tracing::error!("not reloaded: all settings stay as they were");
                }
            }
            systemd::reloaded();
        }
    }

    fn take(&mut self, new: Config) {
        for warning in &new.warnings {
            tracing::warn!("{warning}");
        }
        let source = new.source.clone();
        let Changes { config, now, later } = self.running.changed_to(new);
        self.levels.set(&config.log.level);
        (self.others)(&config);
        self.running = config.clone();
        // Nobody receives it when the service is about to stop.
        let _ = self.component.send(config);
        // Whoever reads this can count on it.
        if !later.is_empty() {
            let later = later.join(", ");
            tracing::warn!("{later} changed, but only in effect after a restart");
        }
        if now.is_empty() {
            tracing::info!("reloaded {source}: no setting changed that takes effect now");
        } else {
            tracing::info!("reloaded {source}: {} changed", now.join(", "));
        }
    }
}

/// The configuration, or what is wrong.
async fn read<L>(load: Arc<L>) -> Result<Config, Vec<String>>
where
    L: Fn() -> Result<Config, ConfigError> + Send + Sync + 'static,
{
    let mut reading = spawn_blocking(move || load());
    let read = match timeout(LONG, &mut reading).await {
        Ok(read) => read,
        Err(_) => {
            tracing::warn!(
                "reading the configuration and the files that it names has taken more than {} s; \
                 is the disk stuck? The service goes on with its current settings",
                LONG.as_secs()
            );
            reading.await
        }
    };
    match read {
        Ok(Ok(config)) => Ok(config),
        Ok(Err(error)) => Err(error.messages().to_vec()),
        // The place was told where it happened.
        Err(_) => Err(vec![
            "reading the configuration panicked; this is a bug, please report it".to_owned(),
        ]),
    }
}
