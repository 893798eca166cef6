//! What differs between the configuration that runs and the one that was read again.

use secrecy::ExposeSecret;

use super::{Config, Tls};

/// A configuration that was read while another one runs.
#[derive(Debug)]
pub struct Changes {
    /// What is to run from now on: the new one, but for what takes effect only at a start.
    pub config: Config,
    /// The keys that have changed, and take effect now.
    pub now: Vec<&'static str>,
    /// The keys that have changed, and take effect at the next start.
    pub later: Vec<&'static str>,
}

impl Config {
    /// What becomes of this configuration when `new` was read.
    pub fn changed_to(&self, new: Config) -> Changes {
        let changed = |keys: &[Key]| -> Vec<&'static str> {
            let differ = |key: &&Key| !(key.same)(self, &new);
            keys.iter().filter(differ).map(|key| key.name).collect()
        };
        let (now, later) = (changed(AT_ONCE), changed(AT_A_START));
        let mut config = new;
        config.component = self.component.clone();
        config.http = self.http.clone();
        config.storage = self.storage.clone();
        config.log.format = self.log.format;
        Changes { config, now, later }
    }
}

struct Key {
    name: &'static str,
    same: fn(&Config, &Config) -> bool,
}

macro_rules! keys {
    ($($name:literal: $($path:ident).+),+ $(,)?) => {
        &[$(Key { name: $name, same: |a, b| a.$($path).+ == b.$($path).+ }),+]
    };
}

/// What can change while the service runs.
const AT_ONCE: &[Key] = keys![
    "access.domains": access.domains,
    "access.admins": access.admins,
    "access.delegation": access.delegation,
    "access.reserved_namespaces": access.reserved_namespaces,
    "limits.max_stanza_bytes": limits.max_stanza_bytes,
    "limits.max_namespace_bytes": limits.max_namespace_bytes,
    "limits.max_user_bytes": limits.max_user_bytes,
    "limits.max_user_elements": limits.max_user_elements,
    "limits.max_depth": limits.max_depth,
    "limits.max_open_bytes": limits.max_open_bytes,
    "limits.max_user_open_bytes": limits.max_user_open_bytes,
    "limits.max_unsent_bytes": limits.max_unsent_bytes,
    "bookmarks.mode": bookmarks.mode,
    "bookmarks.max_rooms": bookmarks.max_rooms,
    "log.level": log.level,
    "disco.contact": disco.contact,
    "disco.os": disco.os,
];

/// What a running service keeps as it was.
const AT_A_START: &[Key] = &[
    Key {
        name: "component.jid",
        same: |a, b| a.component.jid == b.component.jid,
    },
    Key {
        name: "component.server",
        same: |a, b| a.component.server == b.component.server,
    },
    Key {
        name: "component.tls",
        same: |a, b| a.component.tls.is_some() == b.component.tls.is_some(),
    },
    Key {
        name: "component.tls_ca_file",
        same: |a, b| tls(a).and_then(Tls::ca_file) == tls(b).and_then(Tls::ca_file),
    },
    Key {
        name: "component.tls_pin_sha256",
        same: |a, b| tls(a).and_then(Tls::pin) == tls(b).and_then(Tls::pin),
    },
    Key {
        name: "component.tls_name",
        same: |a, b| tls(a).map(|tls| &tls.name) == tls(b).map(|tls| &tls.name),
    },
    Key {
        name: "http.listen",
        same: |a, b| a.http.listen == b.http.listen,
    },
    Key {
        name: "component.secret",
        same: |a, b| {
            let [a, b] = [a, b].map(|it| it.component.secret.expose_secret());
            a == b
        },
    },
    Key {
        name: "component.ping_seconds",
        same: |a, b| a.component.ping == b.component.ping,
    },
    Key {
        name: "storage.path",
        same: |a, b| a.storage.path == b.storage.path,
    },
    Key {
        name: "storage.compact_above_bytes",
        same: |a, b| a.storage.compact_above_bytes == b.storage.compact_above_bytes,
    },
    Key {
        name: "storage.cache_bytes",
        same: |a, b| a.storage.cache_bytes == b.storage.cache_bytes,
    },
    Key {
        name: "log.format",
        same: |a, b| a.log.format == b.log.format,
    },
];

fn tls(config: &Config) -> Option<&Tls> {
    config.component.tls.as_ref()
}

#[cfg(test)]
mod tests {
    use super::super::keys::{KEYS, SECRET_FILE};
    use super::*;

    /// A key that stood in neither list would change without a word, or never.
    #[test]
    fn every_key_is_in_one_of_the_lists() {
        let mut listed: Vec<&str> = AT_ONCE.iter().chain(AT_A_START).map(|k| k.name).collect();
        // What is compared is the secret, wherever it came from.
        let keys = KEYS.iter().filter(|key| key.id() != SECRET_FILE);
        let mut keys: Vec<String> = keys.map(ToString::to_string).collect();
        listed.sort_unstable();
        keys.sort_unstable();
        assert_eq!(listed, keys);
    }

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
            let environment = super::super::environment::Environment::new(variables);
            super::super::load::load(None, &environment, nowhere, true).expect("a configuration")
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
        assert_eq!(config.storage, running.storage);
        assert_eq!(config.log.format, running.log.format);
    }
}
