//! What an administrator decides: one file and the environment, read once into a checked
//! [`Config`].
//!
//! Everything is checked here, at the start, so that no other part of the program meets a value it
//! cannot use, and so that a mistake is told where it was made: with the file, the line and what
//! was expected there. All mistakes are told at once.
//!
//! `keys` is the one table of what can be configured. `file` and `environment` are its two readers,
//! `secret` finds the secret, `tls` what a router's certificate is judged by, and `load` puts them
//! together.

mod changes;
mod draft;
mod endpoint;
mod environment;
mod file;
mod keys;
mod load;
mod nearest;
mod read;
mod secret;
#[cfg(test)]
mod tests;
mod tls;
mod value;

pub use changes::Changes;
pub use endpoint::Endpoint;
pub use tls::{Fingerprint, Tls, Trust};

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use jid::BareJid;
use secrecy::SecretString;

/// Everything that can be configured, checked.
///
/// `Debug` never shows the secret.
#[derive(Debug, Clone)]
pub struct Config {
    /// Who we are, and to which router we connect.
    pub component: Component,
    /// Whom we serve.
    pub access: Access,
    /// How much one stanza, one namespace and one user may hold.
    pub limits: Limits,
    /// Whether room bookmarks are kept in step with PEP.
    pub bookmarks: Bookmarks,
    /// Where the data is kept.
    pub storage: Storage,
    /// What is logged, and how.
    pub log: Log,
    /// Where the service can be asked how it is.
    pub http: Http,
    /// What we tell about ourselves to whoever asks.
    pub disco: Disco,
    /// Where this configuration came from.
    pub source: Source,
    /// What an administrator should know although it stops nothing: to be logged once logging
    /// stands.
    pub warnings: Vec<String>,
}

/// `[component]`: who we are, and to which router we connect.
#[derive(Debug, Clone)]
pub struct Component {
    /// Our own address as the router knows it: a domain, normalised, without local part and
    /// resource. There is no default.
    pub jid: BareJid,
    /// Where the router listens for components. Default: `127.0.0.1:5347`.
    pub server: Endpoint,
    /// How the link is encrypted, and how the router proves who it is. Default: `None`, plain text.
    pub tls: Option<Tls>,
    /// `ping_seconds`: after so long without a word from the router it is asked whether it is still
    /// there, and after twice as long given up. A second to an hour; default a minute.
    pub ping: Duration,
    /// What proves to the router that we are `jid`: from `secret`, from `secret_file`, or from
    /// `$CREDENTIALS_DIRECTORY/secret`. There is no default.
    pub secret: SecretString,
}

/// `[access]`: whom we serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The domains whose users are served and which may delegate, normalised, none twice, at least
    /// one. Default: the parent domain of [`Component::jid`], all that follows its first dot.
    pub domains: Vec<String>,
    /// Whose accounts may see and delete what others have stored, by command (XEP-0050): bare JIDs
    /// as they were written, none twice, of any domain. Default: none.
    pub admins: Vec<String>,
    /// Whether readiness waits for delegation. Default: optional.
    pub delegation: Delegation,
    /// What becomes of `jabber:…`, `http://jabber.org/…` and `vcard-temp`. Default: refuse.
    pub reserved_namespaces: ReservedNamespaces,
}

/// Which domains have to delegate for the service to be ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Delegation {
    /// None: users ask the component by its own address, and nobody delegates.
    None,
    /// Any of [`Access::domains`]: somebody is served.
    #[default]
    Optional,
    /// Every one of them.
    Required,
}

/// What becomes of a request for a reserved namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReservedNamespaces {
    /// It is answered with an error, as XEP-0049 asks.
    #[default]
    Refuse,
    /// It is served like any other.
    Accept,
}

/// `[limits]`: how much one stanza, one namespace and one user may hold. All are inclusive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The longest stanza that is read, in bytes as received. 10,000 (RFC 6120, 13.12, asks for no
    /// less) to 64 MiB; default 1 MiB.
    pub max_stanza_bytes: usize,
    /// What one owner may keep in one namespace, in bytes of the stored form: what one answer can
    /// carry. 1 KiB to 64 MiB, and never over `max_user_bytes`; default 384 KiB, or
    /// `max_user_bytes` where that is less.
    pub max_namespace_bytes: u64,
    /// What one owner may keep altogether, in bytes of the stored form. 1 KiB to 1 TiB; default
    /// 10 MiB.
    pub max_user_bytes: u64,
    /// How many elements one owner may keep altogether. 1 to 1,000,000; default 1,000.
    pub max_user_elements: u64,
    /// How deep a stored element may nest, itself being level 1. 16 to 1,024 (ejabberd itself dies
    /// of 3,500); default 256.
    pub max_depth: usize,
    /// How many bytes of requests may be open at once; where there are more, nothing is read from
    /// the router. 1 MiB to 64 GiB; default 32 MiB.
    pub max_open_bytes: usize,
    /// How many of them may be one owner's; what comes beyond is refused. One request is always
    /// taken. 1 KiB to 64 GiB; default 4 MiB.
    pub max_user_open_bytes: usize,
    /// How many bytes of answers may wait for the router; where there are more, nothing is read
    /// from it. 1 MiB to 64 GiB; default 8 MiB.
    pub max_unsent_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_stanza_bytes: 1 << 20,
            max_namespace_bytes: 384 << 10,
            max_user_bytes: 10 << 20,
            max_user_elements: 1_000,
            max_depth: 256,
            max_open_bytes: 32 << 20,
            max_user_open_bytes: 4 << 20,
            max_unsent_bytes: 8 << 20,
        }
    }
}

/// `[bookmarks]`: whether room bookmarks are kept in step with PEP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bookmarks {
    /// Which of the two kinds of clients see each other's rooms. Default: pep.
    pub mode: BookmarksMode,
    /// How many rooms a set of bookmarks may hold while they are kept in step: PEP forgets the
    /// oldest items of a node that has too many, and tells nobody. 1 to 10,000; default 250.
    pub max_rooms: u64,
}

impl Default for Bookmarks {
    fn default() -> Self {
        Bookmarks {
            mode: BookmarksMode::default(),
            max_rooms: 250,
        }
    }
}

/// What becomes of the room bookmarks that old clients keep in private storage
/// (`storage:bookmarks`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BookmarksMode {
    /// On each host that grants us PEP (XEP-0356) they are kept in step with those of modern
    /// clients (XEP-0402); elsewhere as with `Off`.
    #[default]
    Pep,
    /// They are stored like everything else, and PEP is left alone.
    Off,
}

/// `[storage]`: where the data is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// The folder of the database; a relative one is relative to the working directory. Default:
    /// `data`.
    pub path: PathBuf,
    /// How much memory the database may use for its cache, in bytes. 1 MiB to 64 GiB; default 64
    /// MiB.
    pub cache_bytes: u64,
    /// The database is written anew when its file is larger than three times what lives in it, and
    /// this, in bytes. 1 MiB to 1 TiB; default 128 MiB.
    pub compact_above_bytes: u64,
}

impl Default for Storage {
    fn default() -> Self {
        Storage {
            path: PathBuf::from("data"),
            cache_bytes: 64 << 20,
            compact_above_bytes: 128 << 20,
        }
    }
}

/// `[log]`: what is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// What is logged, in the syntax of `tracing_subscriber::filter::Targets`, which is known to
    /// parse it. Default: `info`.
    pub level: String,
    /// How it is written. Default: text.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Log {
            level: "info".to_owned(),
            format: LogFormat::default(),
        }
    }
}

/// How a line of the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for programs.
    Json,
}

/// `[http]`: where the service can be asked how it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Http {
    /// Where `/livez`, `/readyz` and `/metrics` are answered, beside the control socket. Default:
    /// nowhere.
    pub listen: Option<SocketAddr>,
}

/// `[disco]`: what we tell about ourselves to whoever asks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Disco {
    /// Where to reach the administrators (XEP-0157): `mailto:`, `xmpp:` or `https:` addresses.
    /// Default: none.
    pub contact: Vec<String>,
    /// The operating system that XEP-0092 tells. Default: none, and none is told.
    pub os: Option<String>,
}

/// Where a [`Config`] came from. `Display` gives the words for a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// This file, and whatever of the environment wins over it.
    File(PathBuf),
    /// No file was found; the environment said it all.
    Environment,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::File(path) => write!(f, "{}", path.display()),
            Source::Environment => f.write_str("the environment"),
        }
    }
}

/// Why there is no configuration: every mistake that was found, one a line.
///
/// Each line says where the mistake is, what was found and what was expected. None ever shows the
/// secret.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct ConfigError(Vec<String>);

impl ConfigError {
    /// The mistakes, one a line, never none.
    pub fn messages(&self) -> &[String] {
        &self.0
    }
}
