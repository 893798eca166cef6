//! Getting a connection to the server.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::spawn;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_xmpp::connect::DnsConfig;

use super::certificate::BadCertificate;
use super::endpoint::Endpoint;
use super::security::Tls;
use super::socket::{self, ReadHalf, WriteHalf};
use super::tls::{self, TlsError};
use super::{Settings, StreamError};

/// How long the system may take to look a name up.
const RESOLVE: Duration = Duration::from_secs(30);

/// How long one address may take to accept.
const CONNECT: Duration = Duration::from_secs(10);

/// After so many milliseconds without a sign that the other machine has what was sent to it, the system gives the
/// connection up. By itself it takes a quarter of an hour, and pings tell it sooner only if the server has answered one
/// before.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED: u32 = 120_000;

/// How long the server may take for the TLS handshake.
const ENCRYPT: Duration = Duration::from_secs(30);

/// Why there is no link.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name has no address.
    #[error("cannot resolve {0}: {1}; is the name in component.server right?")]
    Resolve(String, io::Error),
    #[error(
        "cannot connect to {0}: {1}; is the server running, and does it listen there for \
         components?"
    )]
    Connect(Endpoint, String),
    /// The socket is there, and not for us.
    #[error(
        "cannot connect to {0}: {1}; this user must be able to write to the socket and to enter \
         its folder: check the owner and mode of both (from ejabberd 23.10 on, unix_socket in the \
         listener sets those of the socket)"
    )]
    Forbidden(Endpoint, io::Error),
    /// The server accepted the connection and said nothing, or not enough.
    #[error(
        "{0} accepted the connection but did not {1} within {2} s; is this its component port?"
    )]
    Silent(Endpoint, &'static str, u64),
    /// The server closed the connection before the login was complete.
    #[error("{0} closed the connection before the login was complete; is this its component port?")]
    Closed(Endpoint),
    /// The server closed the connection without a word, and TLS is off.
    #[error(
        "{0} closed the connection before the login was complete, without a word; is this its \
         component port? If that port expects TLS (ejabberd's `tls: true`), component.tls must be \
         \"on\""
    )]
    ClosedPlain(Endpoint),
    /// What is there speaks something else.
    #[error("{0} does not speak XMPP: {1}; is this its component port?")]
    NotXmpp(Endpoint, &'static str),
    /// What is there speaks XMPP, and not with components.
    #[error(
        "{0} speaks XMPP with {1} and not with components: name the server's component port in \
         component.server (Prosody: component_ports, 5347 by default; ejabberd: the listener of \
         ejabberd_service)"
    )]
    NotForComponents(Endpoint, &'static str),
    /// The server's certificate will not do.
    #[error("{0} showed a certificate that is not trusted: {1}")]
    Certificate(Endpoint, BadCertificate),
    /// The server answered TLS in something else.
    #[error(
        "{0} does not speak TLS, and component.tls is \"on\"; is this the port on which the server \
         expects TLS (ejabberd's `tls: true`)?"
    )]
    NotTls(Endpoint),
    /// The server closed the connection during the TLS handshake.
    #[error(
        "{0} closed the connection during the TLS handshake; is this its component port, and does \
         its listener have a certificate (ejabberd's `certfile`)?"
    )]
    ClosedTls(Endpoint),
    #[error("cannot set up TLS with {0}: {1}")]
    Tls(Endpoint, String),
    /// The server said no to this domain.
    #[error("{0} refused the login of {1}: {2}")]
    Refused(Endpoint, String, StreamError),
}

impl ConnectError {
    /// Whether this is what only a port for components says.
    pub fn is_of_components(&self) -> bool {
        matches!(self, Self::Refused(_, _, error)
            if ["not-authorized", "host-unknown", "conflict"].contains(&error.condition.as_str()))
    }

    /// What the server says, where it is that it has another connection of our name.
    pub fn conflict(&self) -> Option<String> {
        match self {
            Self::Refused(_, _, error) if error.is_conflict() => Some(error.said()),
            _ => None,
        }
    }

    /// Whether the server refused the stream itself: its kind, or the name that it is for. It says
    /// so behind a header that promises more.
    pub fn is_about_the_stream(&self) -> bool {
        match self {
            Self::NotForComponents(..) => true,
            Self::Refused(_, _, error) => {
                ["host-unknown", "invalid-namespace"].contains(&error.condition.as_str())
            }
            _ => false,
        }
    }
}

/// How far a connection has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The name stands for these addresses; none where there was none to look up.
    Resolved(Vec<SocketAddr>),
    /// This address, or a socket of this machine, has accepted the connection; it is encrypted if
    /// it is to be.
    Connected(Option<SocketAddr>),
    /// The server has opened a stream for our domain.
    Opened,
}

/// Connects, and encrypts the connection if it is to be.
pub async fn connect(
    settings: &Settings,
    reached: &mut impl FnMut(Step),
) -> Result<(ReadHalf, WriteHalf), ConnectError> {
    let server = &settings.server;
    #[cfg(feature = "simulation")]
    if let Some(dialled) = super::simulation::dial(server, CONNECT).await {
        let (read, write) =
            dialled.map_err(|error| ConnectError::Connect(server.clone(), error.to_string()))?;
        reached(Step::Connected(None));
        return Ok((ReadHalf::Played(read), WriteHalf::Played(write)));
    }
    match server {
        Endpoint::Unix(path) => {
            let connecting = timeout(CONNECT, UnixStream::connect(path));
            match connecting.await.unwrap_or(Err(ErrorKind::TimedOut.into())) {
                Ok(socket) => {
                    reached(Step::Resolved(Vec::new()));
                    reached(Step::Connected(None));
                    Ok(socket::local(socket))
                }
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                    Err(ConnectError::Forbidden(server.clone(), error))
                }
                Err(error) => Err(ConnectError::Connect(server.clone(), error.to_string())),
            }
        }
        Endpoint::Tcp { host, port } => {
            let (socket, address) = connect_tcp(server, host, *port, reached).await?;
            let halves = match &settings.tls {
                None => socket::plain(socket),
                Some(tls) => encrypt(server, socket, tls).await?,
            };
            reached(Step::Connected(Some(address)));
            Ok(halves)
        }
    }
}

/// Connects to the first address of the host that accepts. The name is resolved again each time: a
/// server that comes back may have a new address.
async fn connect_tcp(
    server: &Endpoint,
    host: &str,
    port: u16,
    reached: &mut impl FnMut(Step),
) -> Result<(TcpStream, SocketAddr), ConnectError> {
    let addresses = resolve(host, port)
        .await
        .map_err(|error| ConnectError::Resolve(host.to_owned(), error))?;
    reached(Step::Resolved(addresses.clone()));
    let mut problem = "the name has no address".to_owned();
    for address in addresses {
        match timeout(CONNECT, open(address)).await {
            Ok(Ok(socket)) => {
                // Replies are gathered into large writes already; waiting for more costs time.
                let _ = socket.set_nodelay(true);
                #[cfg(target_os = "linux")]
                let _ = rustix::net::sockopt::set_tcp_user_timeout(&socket, UNACKNOWLEDGED);
                return Ok((socket, address));
            }
            Ok(Err(tokio_xmpp::Error::Io(error))) => problem = error.to_string(),
            Ok(Err(error)) => problem = error.to_string(),
            Err(_) => problem = format!("no answer within {} s", CONNECT.as_secs()),
        }
    }
    Err(ConnectError::Connect(server.clone(), problem))
}

/// The addresses of a name. They are looked up one at a time: each attempt to connect would leave another thread behind
/// while the system does not answer.
async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    static ONE: Semaphore = Semaphore::const_new(1);
    let name = (host.to_owned(), port);
    let looking = async {
        let one = ONE.acquire().await;
        spawn(async move {
            let _one = one;
            Ok(lookup_host(name).await?.collect())
        })
        .await?
    };
    let late = || {
        let text = format!("the system has not answered for {} s", RESOLVE.as_secs());
        io::Error::new(ErrorKind::TimedOut, text)
    };
    timeout(RESOLVE, looking)
        .await
        .unwrap_or_else(|_| Err(late()))
}

async fn open(address: SocketAddr) -> Result<TcpStream, tokio_xmpp::Error> {
    match address {
        // A text would lose the zone.
        SocketAddr::V6(it) if it.scope_id() != 0 => Ok(TcpStream::connect(address).await?),
        _ => DnsConfig::addr(&address.to_string()).resolve().await,
    }
}

async fn encrypt(
    server: &Endpoint,
    socket: TcpStream,
    tls: &Tls,
) -> Result<(ReadHalf, WriteHalf), ConnectError> {
    let server = server.clone();
    match timeout(ENCRYPT, tls::encrypt(socket, tls)).await {
        Ok(Ok(stream)) => Ok(socket::encrypted(stream)),
        Ok(Err(TlsError::Certificate(bad))) => Err(ConnectError::Certificate(server, bad)),
        Ok(Err(TlsError::NotTls)) => Err(ConnectError::NotTls(server)),
        Ok(Err(TlsError::Closed)) => Err(ConnectError::ClosedTls(server)),
        Ok(Err(TlsError::Other(why))) => Err(ConnectError::Tls(server, why)),
        Err(_) => {
            let step = "complete the TLS handshake";
            Err(ConnectError::Silent(server, step, ENCRYPT.as_secs()))
        }
    }
}

#[cfg(test)]
mod tests {
    /// The machine of the server went away before it had answered a ping, and nobody noticed for a quarter of an hour.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_machine_that_is_gone_is_noticed_though_no_ping_was_ever_answered() {
        use super::{Endpoint, UNACKNOWLEDGED, connect_tcp};

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Endpoint::Tcp {
            host: "127.0.0.1".to_owned(),
            port,
        };
        let mut reached = |_| {};
        let connecting = connect_tcp(&server, "127.0.0.1", port, &mut reached);
        let (socket, _) = connecting.await.unwrap();
        let given_up_after = rustix::net::sockopt::tcp_user_timeout(&socket);
        assert_eq!(given_up_after, Ok(UNACKNOWLEDGED));
    }
}
