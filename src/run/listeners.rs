//! Where the running service can be asked: on the control socket, and on a TCP port if that is
//! configured.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, UnixListener};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::known::Thorough;
use super::routes::{Control, Public};
use crate::config::{Config, Engine};
use crate::control::{Guard, Socket};
use crate::owners::LocalStore;
use crate::{control, exit, http};

/// How long a stranger's connection lasts at most.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);

/// How often it is looked whether the control socket is still there.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The administrator wants a port that we do not get.
#[derive(Debug, thiserror::Error)]
#[error(
    "http.listen: cannot listen on {0}: {1}; name an address of this machine and a port that nothing \
     else listens on"
)]
pub struct NoPort(SocketAddr, io::Error);

impl NoPort {
    /// What the process ends with. Where it is for want of descriptors, a later start may go well; and so it may where
    /// the machine has no such address: at a boot it may come later than we do.
    pub fn exit_code(&self) -> u8 {
        match self.1.kind() {
            _ if http::is_shortage(&self.1) => exit::STORE,
            io::ErrorKind::AddrNotAvailable => exit::UNAVAILABLE,
            _ => exit::CONFIG,
        }
    }
}

/// The listeners, open and not served yet.
pub struct Listeners {
    tcp: Option<TcpListener>,
    folder: PathBuf,
    /// Whether the store's files are in it.
    has_files: bool,
    control: Option<(UnixListener, Guard)>,
}

impl Listeners {
    /// Opens them. Without a control socket the service is as good as ever, but for the commands
    /// that ask it, so that is only told.
    pub fn open(config: &Config, runtime: &Handle) -> Result<Self, NoPort> {
        let _within = runtime.enter();
        let tcp = config
            .http
            .listen
            .map(|address| listen(address).map_err(|error| NoPort(address, error)));
        let tcp = tcp.transpose()?;
        Ok(Self {
            tcp,
            folder: config.storage.path.clone(),
            has_files: matches!(config.storage.engine, Engine::Sled),
            control: open_control(&config.storage.path),
        })
    }

    /// Serves them, for as long as the runtime lives. The control socket is removed with it.
    pub fn serve(self, public: Public, owners: LocalStore, runtime: &Handle) {
        let public = Arc::new(public);
        if let Some(tcp) = self.tcp {
            runtime.spawn(http::serve(
                tcp,
                Arc::clone(&public),
                Some(CONNECTION_TIMEOUT),
            ));
        }
        let routes = Arc::new(Control {
            thorough: Thorough::new(self.has_files.then(|| self.folder.clone())),
            public,
            owners,
        });
        runtime.spawn(keep_control(self.folder, self.control, routes));
    }
}

fn open_control(folder: &Path) -> Option<(UnixListener, Guard)> {
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

/// Serves the control socket, and makes it again where it is gone, or could not be made.
async fn keep_control(
    folder: PathBuf,
    mut control: Option<(UnixListener, Guard)>,
    routes: Arc<Control>,
) {
    loop {
        if let Some((listener, guard)) = control.take() {
            tokio::select! {
                () = http::serve(listener, Arc::clone(&routes), None) => {}
                () = gone(guard.socket()) => {}
            }
        }
        sleep(LOOK_EVERY).await;
        let status = &routes.public.status;
        // With that the store has seen that the folder is its own.
        status.sign_of_life().await;
        if status.store_failed() {
            continue;
        }
        let path = folder.clone();
        if let Ok(Ok(made)) = spawn_blocking(move || control::listen(&path)).await {
            tracing::info!("made the control socket in {} again", folder.display());
            control = Some(made);
        }
    }
}

/// Waits until the socket lies there no more.
async fn gone(socket: &Socket) {
    loop {
        sleep(LOOK_EVERY).await;
        let socket = socket.clone();
        // A look can take long where the disk does.
        if let Ok(false) = spawn_blocking(move || socket.is_there()).await {
            return;
        }
    }
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

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    /// A service manager does not try again after an error of the configuration.
    #[test]
    fn a_port_that_is_not_to_be_had_now_may_be_later() {
        let code = |errno: Errno| NoPort(([127, 0, 0, 1], 80).into(), errno.into()).exit_code();
        assert_eq!(code(Errno::MFILE), exit::STORE);
        assert_eq!(code(Errno::ADDRNOTAVAIL), exit::UNAVAILABLE);
        assert_eq!(code(Errno::ADDRINUSE), exit::CONFIG);
    }
}
