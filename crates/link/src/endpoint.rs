//! `host:port` or `unix:/path`, where a server listens.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;

/// The longest path that the system takes for a socket.
const LONGEST_PATH: usize = 107;

/// Where a server listens. `Display` gives it back as `host:port`, `[::1]:port` or `unix:/path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// The host is kept as a name: it is resolved at each attempt to connect, because addresses
    /// change while a service runs, in containers above all.
    Tcp {
        /// A name, an IPv4 address, or an IPv6 address without its brackets.
        host: String,
        /// A TCP port, never 0.
        port: u16,
    },
    /// The absolute path of a socket on this machine.
    Unix(PathBuf),
}

/// The port that is usual for components, on this machine.
impl Default for Endpoint {
    fn default() -> Self {
        Endpoint::Tcp {
            host: "127.0.0.1".to_owned(),
            port: Self::USUAL_PORT,
        }
    }
}

impl Endpoint {
    /// The port at which servers usually wait for components.
    pub const USUAL_PORT: u16 = 5347;

    /// Reads `host:port`, where an IPv6 address stands in brackets, so that its colons are its own;
    /// or `unix:` and the absolute path of a socket.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix("unix:").filter(|it| it.starts_with('/')) {
            let fits = path.len() <= LONGEST_PATH && !path.contains(char::is_control);
            return fits.then(|| Endpoint::Unix(path.into()));
        }
        let (host, port) = text.rsplit_once(':')?;
        // `parse` alone would take "+5347".
        if !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let port = port.parse().ok().filter(|port| *port != 0)?;
        let host = match host.strip_prefix('[') {
            Some(bracketed) => bracketed.strip_suffix(']').filter(|host| is_ipv6(host))?,
            None => Some(host).filter(|host| is_name(host))?,
        };
        Some(Endpoint::Tcp {
            host: host.to_owned(),
            port,
        })
    }

    /// The host, if there is one and it is an address and not a name.
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Endpoint::Tcp { host, .. } => host.parse().ok(),
            Endpoint::Unix(_) => None,
        }
    }

    /// Whether the server runs on this machine, as far as this alone tells.
    pub fn is_loopback(&self) -> bool {
        match self {
            Endpoint::Tcp { host, .. } => {
                host.eq_ignore_ascii_case("localhost")
                    || self.address().is_some_and(|address| address.is_loopback())
            }
            Endpoint::Unix(_) => true,
        }
    }
}

/// With its zone or without: `fe80::1%eth0` is an address on one link only.
fn is_ipv6(host: &str) -> bool {
    let (address, zone) = host.split_once('%').unwrap_or((host, "-"));
    address.parse::<Ipv6Addr>().is_ok() && is_name(zone)
}

/// The underscore is in no host name, but in many a container's.
fn is_name(host: &str) -> bool {
    !host.is_empty()
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Endpoint::Tcp { host, port } => write!(f, "{host}:{port}"),
            Endpoint::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Endpoint;

    #[test]
    fn what_is_read_is_shown_again() {
        for text in [
            "127.0.0.1:5347",
            "localhost:8888",
            "prosody_1.internal:1",
            "[::1]:65535",
            "[fe80::1%eth0]:5347",
            "unix:/run/ejabberd/component.sock",
            "unix:5347",
        ] {
            let endpoint = Endpoint::parse(text);
            assert_eq!(endpoint.map(|it| it.to_string()).as_deref(), Some(text));
        }
    }

    #[test]
    fn what_is_no_endpoint_is_refused() {
        for text in [
            "",
            "localhost",
            ":5347",
            "localhost:",
            "localhost:0",
            "localhost:65536",
            "localhost:+5347",
            "::1:5347",
            "::1",
            "[::1]",
            "[localhost]:5347",
            "xmpp://localhost:5347",
            "local host:5347",
            "unix:",
            "unix:component.sock",
            "/run/ejabberd/component.sock",
        ] {
            assert_eq!(Endpoint::parse(text), None, "{text:?}");
        }
        let path = |length: usize| format!("unix:/{}", "x".repeat(length - 1));
        assert!(Endpoint::parse(&path(107)).is_some());
        assert_eq!(Endpoint::parse(&path(108)), None, "no system takes it");
    }

    #[test]
    fn loopback_is_known_by_name_and_by_address() {
        for (text, loopback) in [
            ("localhost:1", true),
            ("127.0.0.2:1", true),
            ("[::1]:1", true),
            ("prosody:1", false),
            ("192.0.2.1:1", false),
            ("unix:/run/x", true),
        ] {
            let endpoint = Endpoint::parse(text).expect(text);
            assert_eq!(endpoint.is_loopback(), loopback, "{text}");
        }
    }
}
