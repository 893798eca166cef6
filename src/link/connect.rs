//! Getting a socket to the router.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_xmpp::connect::DnsConfig;

use super::StreamError;
use crate::config::Endpoint;

/// How long one address may take to accept.
const CONNECT: Duration = Duration::from_secs(10);

/// Why there is no link.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name has no address.
    #[error("cannot resolve {0}: {1}; is the name in component.server right?")]
    Resolve(String, io::Error),
    /// Nothing accepts the connection.
    #[error(
        "cannot connect to {0}: {1}; is the router up, and does it listen there for components?"
    )]
    Connect(Endpoint, String),
    /// The router accepted the connection and said nothing, or not enough.
    #[error(
        "{0} accepted the connection but did not {1} within {2} s; is this its component port?"
    )]
    Silent(Endpoint, &'static str, u64),
    /// The router closed the connection before the login was complete.
    #[error("{0} closed the connection before the login was complete; is this its component port?")]
    Closed(Endpoint),
    /// What is there speaks something else.
    #[error("{0} does not speak XMPP: {1}; is this its component port?")]
    NotXmpp(Endpoint, &'static str),
    /// The router said no to this domain.
    #[error("{0} does not let {1} in: {2}")]
    Refused(Endpoint, String, StreamError),
}

impl ConnectError {
    /// Whether the router refused the stream itself: its kind, or the name that it is for. It says
    /// so behind a header that promises more.
    pub fn is_about_the_stream(&self) -> bool {
        matches!(self, Self::Refused(_, _, error)
            if ["host-unknown", "invalid-namespace"].contains(&error.condition.as_str()))
    }
}

/// How far a connection has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The name stands for these addresses.
    Resolved(Vec<SocketAddr>),
    /// This address has accepted the connection.
    Connected(SocketAddr),
    /// The router has opened a stream for our domain.
    Opened,
}

/// Connects to the first address of the endpoint that accepts. The name is resolved anew each
/// time: a router that comes back may have a new address.
pub async fn connect(
    server: &Endpoint,
    reached: &mut impl FnMut(Step),
) -> Result<TcpStream, ConnectError> {
    let addresses: Vec<SocketAddr> = lookup_host((server.host.as_str(), server.port))
        .await
        .map_err(|error| ConnectError::Resolve(server.host.clone(), error))?
        .collect();
    reached(Step::Resolved(addresses.clone()));
    let mut problem = "the name has no address".to_owned();
    for address in addresses {
        let dns = DnsConfig::addr(&address.to_string());
        match timeout(CONNECT, dns.resolve()).await {
            Ok(Ok(socket)) => {
                // Replies are gathered into large writes already; waiting for more costs time.
                let _ = socket.set_nodelay(true);
                reached(Step::Connected(address));
                return Ok(socket);
            }
            Ok(Err(tokio_xmpp::Error::Io(error))) => problem = error.to_string(),
            Ok(Err(error)) => problem = error.to_string(),
            Err(_) => problem = format!("no answer within {} s", CONNECT.as_secs()),
        }
    }
    Err(ConnectError::Connect(server.clone(), problem))
}
