//! What differs between the configuration that runs and the one that was read again.

use super::table::{Setting, settings};
use super::types::Config;

/// A configuration that was read while another one runs.
#[derive(Debug)]
pub struct Changes {
    /// What is to run from now on: the new one, but for what takes effect only at a start.
    pub config: Config,
    /// The settings that have changed, and take effect now.
    pub now: Vec<String>,
    /// The settings that have changed, and take effect at the next start.
    pub later: Vec<String>,
}

impl Config {
    /// What becomes of this configuration when `new` was read.
    pub fn changed_to(&self, new: Config) -> Changes {
        let changed = settings().filter(|it| !(it.same)(self, &new));
        let (later, now): (Vec<&Setting>, Vec<_>) = changed.partition(|it| it.keep.is_some());
        let names = |settings: Vec<&Setting>| settings.iter().map(ToString::to_string).collect();
        let (now, later) = (names(now), names(later));
        let mut config = new;
        for keep in settings().filter_map(|it| it.keep) {
            keep(&mut config, self);
        }
        Changes { config, now, later }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::super::environment::Environment;
    use super::super::load::{Needs, load};

    #[test]
    fn what_takes_effect_at_a_start_stays_as_it_was() {
        let config = |more: &[(&str, &str)]| {
            let least = [
                ("PRIVATE_STORAGE_COMPONENT_JID", "private.example.org"),
                ("PRIVATE_STORAGE_COMPONENT_SECRET", "s3cret"),
                ("PRIVATE_STORAGE_LOG_LEVEL", "info"),
            ];
            let nowhere = &[];
            let variables = least.into_iter().chain(more.iter().copied());
            let environment = Environment::new(variables);
            load(None, &environment, nowhere, Needs::Secret).expect("a configuration")
        };
        let running = config(&[]);
        let same = running.changed_to(config(&[]));
        assert!(same.now.is_empty() && same.later.is_empty());
        let changes = running.changed_to(config(&[
            ("PRIVATE_STORAGE_COMPONENT_SECRET", "other"),
            ("PRIVATE_STORAGE_COMPONENT_PING_SECONDS", "7"),
            ("PRIVATE_STORAGE_ACCESS_DOMAINS", "example.net"),
            ("PRIVATE_STORAGE_STORAGE_PATH", "elsewhere"),
            ("PRIVATE_STORAGE_LOG_FORMAT", "json"),
            ("PRIVATE_STORAGE_LOG_LEVEL", "debug"),
        ]));
        assert_eq!(changes.now, ["access.domains", "log.level"]);
        assert_eq!(
            changes.later,
            [
                "component.secret",
                "component.ping_seconds",
                "storage.path",
                "log.format"
            ]
        );
        let config = changes.config;
        assert_eq!(config.access.domains, ["example.net"]);
        assert_eq!(config.log.level, "debug");
        assert_eq!(config.component.secret.expose_secret(), "s3cret");
        assert_eq!(config.component.ping, running.component.ping);
        assert_eq!(config.storage.path, running.storage.path);
        assert_eq!(config.log.format, running.log.format);
    }
}
