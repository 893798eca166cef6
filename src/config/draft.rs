//! A configuration in the making, and where each of its values was given.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use jid::BareJid;
use secrecy::SecretString;
use tokio_rustls::rustls::pki_types::ServerName;

use super::types::{Access, Bookmarks, Disco, Http, Log, Storage};
use crate::limits::Limits;
use crate::link::Endpoint;
use crate::link::Fingerprint;

/// Section and name of a setting.
pub(super) type Id = (&'static str, &'static str);

pub(super) const JID: Id = ("component", "jid");
pub(super) const SERVER: Id = ("component", "server");
pub(super) const TLS: Id = ("component", "tls");
pub(super) const TLS_CA_FILE: Id = ("component", "tls_ca_file");
pub(super) const TLS_PIN: Id = ("component", "tls_pin_sha256");
pub(super) const TLS_NAME: Id = ("component", "tls_name");
pub(super) const SECRET: Id = ("component", "secret");
pub(super) const SECRET_FILE: Id = ("component", "secret_file");
pub(super) const DOMAINS: Id = ("access", "domains");
pub(super) const MAX_NAMESPACE_BYTES: Id = ("limits", "max_namespace_bytes");

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
}

impl Draft {
    /// One line about a value that was taken, and turned out wrong beside the others.
    pub fn told(&self, id: Id, what: &str) -> String {
        match self.places.get(&id) {
            Some(place) => refusal(id, place, what),
            None => format!("{}.{}: {what}", id.0, id.1),
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
