//! What can be configured, checked: one structure for each section. The defaults, the ranges and what each
//! is for are in the [table](super::table).

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use jid::BareJid;
use secrecy::SecretString;

use super::postgres::Postgres;
use crate::limits::Limits;
use crate::link::Endpoint;
use crate::link::Tls;

/// Everything that can be configured, checked.
///
/// `Debug` never shows the secret.
#[derive(Debug, Clone)]
pub struct Config {
    /// Who we are, and to which server we connect.
    pub component: Component,
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

/// `[component]`: who we are, and to which server we connect.
#[derive(Debug, Clone)]
pub struct Component {
    /// Our own address as the server knows it: a domain, normalised, without local part and
    /// resource.
    pub jid: BareJid,
    /// Where the server listens for components.
    pub server: Endpoint,
    /// How the link is encrypted, and how the server proves who it is; `None`: in plain text.
    pub tls: Option<Tls>,
    /// `ping_seconds`: after so long without a word from the server it is asked whether it is still
    /// there, and after twice as long given up.
    pub ping: Duration,
    /// `standby_retry_seconds`: how often an instance tries to log in while another one is logged in.
    /// `None` where the engine lets one instance alone have the data: then a second one is a mistake.
    pub standby_retry: Option<Duration>,
    /// What proves to the server that we are `jid`: from `secret`, from `secret_file`, or from
    /// `$CREDENTIALS_DIRECTORY/secret`.
    pub secret: SecretString,
}

/// `[access]`: whom we serve.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Access {
    /// The domains whose users are served and which may delegate, normalised, none twice, at least
    /// one. Default: the parent domain of [`Component::jid`], all that follows its first dot.
    pub domains: Vec<String>,
    /// Whose accounts may see and delete what others have stored, by command (XEP-0050): bare JIDs
    /// as they were written, none twice, of any domain.
    pub admins: Vec<String>,
    /// Whether readiness waits for delegation.
    pub delegation: Delegation,
    /// What becomes of `jabber:…`, `http://jabber.org/…` and `vcard-temp`.
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

/// `[bookmarks]`: whether room bookmarks are kept in step with PEP.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bookmarks {
    /// Which of the two kinds of clients see each other's rooms.
    pub mode: BookmarksMode,
    /// How many rooms a set of bookmarks may hold while they are kept in step: PEP forgets the
    /// oldest items of a node that has too many, and tells nobody.
    pub max_rooms: usize,
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
#[derive(Debug, Clone)]
pub struct Storage {
    pub engine: Engine,
    /// With sled the folder of the database, with PostgreSQL that of the control socket and the lock
    /// alone; a relative one is relative to the working directory.
    pub path: PathBuf,
    /// Of sled: how much memory the database may use for its cache, in bytes.
    pub cache_bytes: u64,
    /// Of sled: the database is rewritten when its file is larger than three times what lives in it,
    /// and this, in bytes.
    pub compact_above_bytes: u64,
}

/// What keeps the data.
#[derive(Debug, Clone)]
pub enum Engine {
    /// A folder of this machine, which one process has open.
    Sled,
    /// A database server, which several instances may use.
    Postgres(Box<Postgres>),
}

/// `[log]`: what is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Log {
    /// What is logged, in the syntax of `tracing_subscriber::filter::Targets`, which is known to
    /// parse it.
    pub level: String,
    pub format: LogFormat,
}

/// How a line of the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For the journal where it goes there, else text.
    #[default]
    Auto,
    /// With the time.
    Text,
    /// A priority and no time: the journal keeps that itself.
    Journal,
    /// One JSON object a line, for programs.
    Json,
}

/// `[http]`: where the service can be asked how it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Http {
    /// Where a page for browsers, `/livez`, `/readyz` and `/metrics` are answered, beside the control
    /// socket.
    pub listen: Option<SocketAddr>,
}

/// `[disco]`: what we tell about ourselves to whoever asks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Disco {
    /// Where to reach the administrators (XEP-0157): `mailto:`, `xmpp:` or `https:` addresses.
    pub contact: Vec<String>,
    /// The operating system that XEP-0092 tells.
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
