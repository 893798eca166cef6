//! A configuration in the making, and where each of its values was given.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use jid::BareJid;
use secrecy::SecretString;
use tokio_rustls::rustls::pki_types::ServerName;

use super::keys::{Id, Key};
use super::value::Given;
use super::{
    Bookmarks, Delegation, Disco, Endpoint, Fingerprint, Http, Limits, Log, ReservedNamespaces,
    Storage,
};

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

/// A configuration in the making: the defaults, and over them whatever was given.
pub(super) struct Draft {
    pub jid: Option<BareJid>,
    pub server: Endpoint,
    pub tls: bool,
    pub tls_ca_file: Option<PathBuf>,
    pub tls_pin: Option<Fingerprint>,
    pub tls_name: Option<ServerName<'static>>,
    pub ping_seconds: u64,
    pub secret: Option<SecretString>,
    pub secret_file: Option<PathBuf>,
    pub domains: Option<Vec<String>>,
    pub admins: Vec<String>,
    pub delegation: Delegation,
    pub reserved_namespaces: ReservedNamespaces,
    pub limits: Limits,
    pub bookmarks: Bookmarks,
    pub storage: Storage,
    pub log: Log,
    pub http: Http,
    pub disco: Disco,
    /// Where each key was last given: for what can be judged only when all are known.
    pub places: BTreeMap<Id, Place>,
}

impl Default for Draft {
    fn default() -> Self {
        Draft {
            jid: None,
            server: Endpoint::default(),
            tls: false,
            tls_ca_file: None,
            tls_pin: None,
            tls_name: None,
            ping_seconds: 60,
            secret: None,
            secret_file: None,
            domains: None,
            admins: Vec::new(),
            delegation: Delegation::default(),
            reserved_namespaces: ReservedNamespaces::default(),
            limits: Limits::default(),
            bookmarks: Bookmarks::default(),
            storage: Storage::default(),
            log: Log::default(),
            http: Http::default(),
            disco: Disco::default(),
            places: BTreeMap::new(),
        }
    }
}

impl Draft {
    /// Takes one value, or says in one line what is wrong with it.
    pub fn take(&mut self, key: &Key, given: &Given<'_>, place: Place) -> Result<(), String> {
        (key.set)(self, given).map_err(|wrong| {
            let found = match wrong.found {
                _ if key.is_secret() => given.kind().to_owned(),
                Some(found) => found,
                None => given.shown(),
            };
            let expected = wrong.expected;
            refusal(
                key.id(),
                &place,
                &format!("found {found}, expected {expected}"),
            )
        })?;
        self.places.insert(key.id(), place);
        Ok(())
    }

    /// One line about a value that was taken, and turned out wrong beside the others.
    pub fn told(&self, id: Id, what: &str) -> String {
        match self.places.get(&id) {
            Some(place) => refusal(id, place, what),
            None => format!("{}.{}: {what}", id.0, id.1),
        }
    }
}

/// One line about one value. A variable names its key already.
fn refusal((section, name): Id, place: &Place, what: &str) -> String {
    match place {
        Place::File { .. } => format!("{place}: {section}.{name}: {what}"),
        Place::Variable(_) => format!("{place}: {what}"),
    }
}
