//! SIGHUP: the configuration is read again, and takes effect as far as it can without a restart.
//!
//! It is taken whole or not at all: with one mistake in it, everything stays as it was.

use tokio::signal::unix::Signal;
use tokio::sync::mpsc::UnboundedSender;

use super::manager;
use crate::config::{Changes, Config, ConfigError};
use crate::logs::Levels;

/// What it takes to read the configuration again.
pub struct Reload<L, O> {
    /// Reads it, from where it was read before.
    pub load: L,
    /// What runs.
    pub running: Config,
    /// Which log lines are written.
    pub levels: Levels,
    /// To the component.
    pub component: UnboundedSender<Config>,
    /// Tells everybody else.
    pub others: O,
}

impl<L, O> Reload<L, O>
where
    L: Fn() -> Result<Config, ConfigError>,
    O: Fn(&Config),
{
    /// Reads it again with each signal.
    pub async fn whenever(mut self, mut asked: Signal) {
        while asked.recv().await.is_some() {
            manager::reloading();
            self.reload();
            manager::reloaded();
        }
    }

    fn reload(&mut self) {
        let new = match (self.load)() {
            Ok(new) => new,
            Err(error) => {
                for message in error.messages() {
                    tracing::error!("{message}");
                }
                tracing::error!("not reloaded: all settings stay as they were");
                return;
            }
        };
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
            tracing::warn!("{later} changed: takes effect at the next start");
        }
        if now.is_empty() {
            tracing::info!("reloaded {source}: nothing to change now");
        } else {
            tracing::info!("reloaded {source}: {} changed", now.join(", "));
        }
    }
}
