//! `[storage.postgres]`: the database server, if what was said of it makes sense together.

use std::fmt;
use std::sync::Arc;

use secrecy::SecretString;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::draft::POSTGRES;
use crate::link::{Endpoint, Trust, client_config};

/// The port at which PostgreSQL usually listens.
const USUAL_PORT: u16 = 5432;

/// The longest folder of a socket: the system takes 107 bytes for its path, and `/.s.PGSQL.65535`
/// follows.
const LONGEST_FOLDER: usize = 107 - 15;

/// `[storage.postgres]`: the database server. `Debug` never shows the password.
#[derive(Debug, Clone)]
pub struct Postgres {
    /// All hosts that are, or may become, the primary; none twice, at least one.
    pub hosts: Vec<DatabaseHost>,
    pub database: String,
    pub user: String,
    /// What proves to the database that we are `user`; `None` where it asks for nothing. `Err` says
    /// why it is not known, which concerns only whoever connects: most commands ask the service, and
    /// systemd's credentials are handed to the service alone.
    pub password: Result<Option<SecretString>, String>,
    /// How connections to hosts that are not sockets are encrypted; `None`: in plain text.
    pub tls: Option<DatabaseTls>,
    /// How many connections are kept, 2 to 16.
    pub connections: usize,
    /// Whether a set counts only when a synchronous standby has it as well.
    pub require_synchronous: bool,
}

/// How connections to the database are encrypted, and what makes a host's certificate a good one.
#[derive(Debug, Clone)]
pub struct DatabaseTls {
    /// `tls_name`: the name that the certificate must have; `None`: that of the host.
    pub name: Option<ServerName<'static>>,
    pub trust: Trust,
}

impl DatabaseTls {
    /// What a TLS client needs. The system's authorities are read now, where they count.
    ///
    /// # Errors
    ///
    /// When they cannot be read.
    pub fn client(&self) -> Result<Arc<ClientConfig>, String> {
        client_config(&self.trust, POSTGRES)
    }
}

/// Where a database server listens. `Display` gives it back with its port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseHost {
    /// A name, an IPv4 address, an IPv6 address without its brackets, or, with a slash before it, the
    /// folder of a socket on this machine.
    pub host: String,
    /// Never 0. Of a socket it is a part of the name.
    pub port: u16,
}

impl DatabaseHost {
    /// Reads `host` or `host:port`, where an IPv6 address stands in brackets; or a folder.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.starts_with('/') {
            return Self::socket(text);
        }
        let with_port = format!("{text}:{USUAL_PORT}");
        match Endpoint::parse(text).or_else(|| Endpoint::parse(&with_port))? {
            Endpoint::Tcp { host, port } => Some(Self { host, port }),
            Endpoint::Unix(_) => None,
        }
    }

    fn socket(text: &str) -> Option<Self> {
        let (folder, port) = match text.split_once(':') {
            None => (text, USUAL_PORT),
            Some((folder, port)) => {
                // `parse` alone would take "+5432".
                let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
                let port = port.parse().ok().filter(|port| is_number && *port != 0)?;
                (folder, port)
            }
        };
        let fits = folder.len() <= LONGEST_FOLDER && !folder.contains(char::is_control);
        fits.then(|| Self {
            host: folder.to_owned(),
            port,
        })
    }

    /// Whether it is a socket on this machine.
    #[must_use]
    pub fn is_socket(&self) -> bool {
        self.host.starts_with('/')
    }
}

impl fmt::Display for DatabaseHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { host, port } if !self.is_socket() && host.contains(':') => {
                write!(f, "[{host}]:{port}")
            }
            Self { host, port } => write!(f, "{host}:{port}"),
        }
    }
}
