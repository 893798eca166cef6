//! Where the running service can be asked: on the control socket, and on a TCP port if that is
//! configured.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, UnixListener};
use tokio::runtime::Handle;

use super::routes::{Control, Public};
use crate::config::Config;
use crate::owners::Here;
use crate::{control, http};

/// How long a stranger's connection lasts at most.
const LONGEST: Duration = Duration::from_secs(10);

/// The administrator wants a port that we do not get.
#[derive(Debug, thiserror::Error)]
#[error(
    "http.listen: cannot listen on {0}: {1}; name an address of this machine and a port that nothing \
     else listens on"
)]
pub struct NoPort(SocketAddr, io::Error);

/// The listeners, open and not served yet.
pub struct Doors {
    tcp: Option<TcpListener>,
    control: Option<UnixListener>,
    guard: Option<control::Guard>,
}

impl Doors {
    /// Opens them. Without a control socket the service is as good as ever, but for the commands
    /// that ask it, so that is only told.
    pub fn open(config: &Config, runtime: &Handle) -> Result<Self, NoPort> {
        let _within = runtime.enter();
        let tcp = config
            .http
            .listen
            .map(|address| listen(address).map_err(|error| NoPort(address, error)));
        let tcp = tcp.transpose()?;
        let (control, guard) = open_control(&config.storage.path).unzip();
        Ok(Self {
            tcp,
            control,
            guard,
        })
    }

    /// Serves them, for as long as the runtime lives. The guard removes the socket in the end.
    pub fn serve(self, public: Public, owners: Here, runtime: &Handle) -> Option<control::Guard> {
        let public = Arc::new(public);
        if let Some(tcp) = self.tcp {
            runtime.spawn(http::serve(tcp, Arc::clone(&public), Some(LONGEST)));
        }
        if let Some(control) = self.control {
            let routes = Control { public, owners };
            runtime.spawn(http::serve(control, Arc::new(routes), None));
        }
        self.guard
    }
}

fn open_control(folder: &Path) -> Option<(UnixListener, control::Guard)> {
    control::listen(folder)
        .inspect_err(|error| {
            tracing::warn!(
                "no control socket in {}: {error}; the service runs, but commands such as \
                 `healthcheck` cannot reach it",
                folder.display()
            );
        })
        .ok()
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Else what is left of connections to a service before would hold the port for a minute.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(http::BACKLOG.into())
}
