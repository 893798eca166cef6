//! Where the database is, and how it is used.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

/// How long a request waits for a database that cannot be reached. ejabberd gives up after 32 seconds, and the answer
/// has a way to go.
pub const HOLD: Duration = Duration::from_secs(25);

/// How the database is reached and used.
#[derive(Clone, Debug)]
pub struct Settings {
    /// All hosts that are or may become the primary: names or addresses, each with its port; with a slash before it,
    /// the folder of a socket on this machine.
    pub hosts: Vec<(String, u16)>,
    pub database: String,
    pub user: String,
    pub password: Option<SecretString>,
    /// How connections that are not sockets of this machine are encrypted, if they are.
    pub tls: Option<Tls>,
    /// How many connections are kept, at least 2: one reads for requests, one does what takes long, the others
    /// write. Of two, one does both that is not writing.
    pub connections: usize,
    /// Whether a set counts only when a synchronous standby has it as well.
    pub require_synchronous: bool,
    /// How long a request waits for a database that cannot be reached: [`HOLD`], but in tests.
    pub hold: Duration,
    /// What the database shows of this instance among those that are connected.
    pub instance: String,
}

/// How connections are encrypted.
#[derive(Clone, Debug)]
pub struct Tls {
    pub config: Arc<ClientConfig>,
    /// The name that certificates must have; `None`: that of the host.
    pub name: Option<ServerName<'static>>,
}

impl Settings {
    /// How many connections write.
    pub(crate) fn writers(&self) -> usize {
        self.connections.saturating_sub(2).max(1)
    }

    /// Whether what takes long has a connection of its own.
    pub(crate) fn has_aside(&self) -> bool {
        self.connections > 2
    }

    /// What the server shows as the name of the application. It takes 63 bytes and cuts off the rest.
    pub(crate) fn application(&self) -> String {
        format!("{APPLICATION} {}", self.instance)
    }

    pub(crate) fn host(&self, at: usize) -> Host<'_> {
        match self.hosts.get(at) {
            Some((name, port)) => Host { name, port: *port },
            None => Host { name: "", port: 0 },
        }
    }
}

/// What the names of all instances begin with.
pub(crate) const APPLICATION: &str = "xmpp-private-storage";

/// One of the hosts; `Display` gives it as administrators write it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Host<'a> {
    pub(crate) name: &'a str,
    pub(crate) port: u16,
}

impl Host<'_> {
    pub(crate) fn is_socket(self) -> bool {
        self.name.starts_with('/')
    }
}

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, port } = self;
        match name.contains(':') && !self.is_socket() {
            true => write!(f, "[{name}]:{port}"),
            false => write!(f, "{name}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(connections: usize) -> Settings {
        Settings {
            hosts: vec![("::1".into(), 5432), ("/run/postgresql".into(), 5433)],
            database: "d".into(),
            user: "u".into(),
            password: Some("secret".into()),
            tls: None,
            connections,
            require_synchronous: false,
            hold: HOLD,
            instance: "a".into(),
        }
    }

    #[test]
    fn every_number_of_connections_leaves_one_that_writes() {
        let shares = |connections| (with(connections).writers(), with(connections).has_aside());
        assert_eq!(shares(2), (1, false));
        assert_eq!(shares(3), (1, true));
        assert_eq!(shares(4), (2, true));
        assert_eq!(shares(16), (14, true));
    }

    #[test]
    fn a_host_is_shown_as_it_is_written() {
        let settings = with(2);
        assert_eq!(settings.host(0).to_string(), "[::1]:5432");
        assert_eq!(settings.host(1).to_string(), "/run/postgresql:5433");
    }

    #[test]
    fn the_password_is_not_shown() {
        assert!(!format!("{:?}", with(2)).contains("secret"));
    }
}
