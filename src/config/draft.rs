//! A configuration in the making, and where each of its values was given.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use jid::BareJid;
use secrecy::SecretString;
use tokio_rustls::rustls::pki_types::ServerName;

use super::postgres::DatabaseHost;
use super::types::{Access, Bookmarks, Disco, Http, Log};
use crate::limits::Limits;
use crate::link::Endpoint;
use crate::link::Fingerprint;

/// Section and name of a setting.
pub(super) type Id = (&'static str, &'static str);

pub(super) const JID: Id = ("component", "jid");
pub(super) const SERVER: Id = ("component", "server");
pub(super) const SECRET: Id = ("component", "secret");
pub(super) const SECRET_FILE: Id = ("component", "secret_file");
pub(super) const STANDBY_RETRY: Id = ("component", "standby_retry_seconds");
pub(super) const DOMAINS: Id = ("access", "domains");
pub(super) const MAX_NAMESPACE_BYTES: Id = ("limits", "max_namespace_bytes");
pub(super) const ENGINE: Id = ("storage", "engine");
pub(super) const STORAGE_PATH: Id = ("storage", "path");
pub(super) const CACHE_BYTES: Id = ("storage", "cache_bytes");
pub(super) const COMPACT_ABOVE_BYTES: Id = ("storage", "compact_above_bytes");
/// The section of what counts with that engine alone.
pub(super) const POSTGRES: &str = "storage.postgres";
pub(super) const PASSWORD: Id = (POSTGRES, "password");
pub(super) const PASSWORD_FILE: Id = (POSTGRES, "password_file");

/// What no message may ever show, each beside what gives it by a file.
pub(super) const SECRETS: [(Id, Id); 2] = [(SECRET, SECRET_FILE), (PASSWORD, PASSWORD_FILE)];

/// Where a value was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Line and column count from 1.
    File {
        path: PathBuf,
        line: usize,
        column: usize,
    },
    Variable(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File { path, line, column } => {
                write!(f, "{}:{line}:{column}", path.display())
            }
            Place::Variable(name) => f.write_str(name),
        }
    }
}

/// A configuration in the making.
#[derive(Default)]
pub(super) struct Draft {
    pub component: Component,
    /// Without domains where none is given.
    pub access: Access,
    pub limits: Limits,
    pub bookmarks: Bookmarks,
    pub storage: Storage,
    pub log: Log,
    pub http: Http,
    pub disco: Disco,
    /// Where each setting was last given: for what can be judged only when all are known.
    pub places: BTreeMap<Id, Place>,
}

/// `[component]`, as it is given.
#[derive(Default)]
pub(super) struct Component {
    pub jid: Option<BareJid>,
    pub server: Endpoint,
    pub tls: bool,
    pub tls_ca_file: Option<PathBuf>,
    pub tls_pin_sha256: Option<Fingerprint>,
    pub tls_name: Option<ServerName<'static>>,
    pub secret: Option<SecretString>,
    pub secret_file: Option<PathBuf>,
    pub ping_seconds: u64,
    pub standby_retry_seconds: u64,
}

/// `[storage]`, as it is given.
#[derive(Default)]
pub(super) struct Storage {
    pub engine: EngineName,
    pub path: PathBuf,
    pub cache_bytes: u64,
    pub compact_above_bytes: u64,
    pub postgres: Postgres,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum EngineName {
    #[default]
    Sled,
    Postgres,
}

/// `[storage.postgres]`, as it is given.
#[derive(Default)]
pub(super) struct Postgres {
    pub hosts: Vec<DatabaseHost>,
    pub database: String,
    pub user: String,
    pub password: Option<SecretString>,
    pub password_file: Option<PathBuf>,
    pub tls: bool,
    pub tls_ca_file: Option<PathBuf>,
    pub tls_pin_sha256: Option<Fingerprint>,
    pub tls_name: Option<ServerName<'static>>,
    pub connections: usize,
    pub require_synchronous: bool,
}

impl Draft {
    /// One line about a value that was taken, and turned out wrong beside the others.
    pub fn told(&self, id: Id, what: &str) -> String {
        match self.places.get(&id) {
            Some(place) => refusal(id, place, what),
            None => format!("{}.{}: {what}", id.0, id.1),
        }
    }

    /// One line about two values of which one has to go.
    pub fn told_of_both(&self, one: Id, other: Id) -> String {
        let place = |id| self.places.get(&id).map(Place::to_string);
        let places: Vec<String> = [one, other].into_iter().filter_map(place).collect();
        format!(
            "{}: found both {}.{} and {}.{}, expected one of the two",
            places.join(" and "),
            one.0,
            one.1,
            other.0,
            other.1
        )
    }

    /// Forgets one of [`SECRETS`] and the file that may give it.
    pub fn forget(&mut self, secret: Id) {
        if secret == SECRET {
            self.component.secret = None;
            self.component.secret_file = None;
        } else if secret == PASSWORD {
            self.storage.postgres.password = None;
            self.storage.postgres.password_file = None;
        }
    }
}

/// One line about one value. A variable names its key already.
pub(super) fn refusal((section, name): Id, place: &Place, what: &str) -> String {
    match place {
        Place::File { .. } => format!("{place}: {section}.{name}: {what}"),
        Place::Variable(_) => format!("{place}: {what}"),
    }
}
