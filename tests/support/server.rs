//! One interface for both servers, so that a scenario need not know which it meets.

use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::place::{Folder, Place};
use super::ports;
use super::process::Process;

/// The first virtual host.
pub const HOST: &str = "localhost";
/// The second virtual host, with users of its own.
pub const OTHER_HOST: &str = "test2.localhost";
/// Where the component lives.
pub const COMPONENT: &str = "private.localhost";
/// What the component and the server know of each other.
pub const SECRET: &str = "s3cret";
/// Everybody's password.
pub const PASSWORD: &str = "secret";

const LOG: &str = "server.log";
const START: Duration = Duration::from_secs(180);
const STOP: Duration = Duration::from_secs(60);

/// Where a server listens.
#[derive(Clone, Copy)]
pub struct Ports {
    /// For clients.
    pub client: u16,
    /// For components.
    pub component: u16,
}

impl Ports {
    /// Two ports that nothing listens on.
    pub fn free() -> Ports {
        Ports {
            client: ports::free(),
            component: ports::free(),
        }
    }
}

/// How a server is to be set up.
pub struct Options {
    /// Where it listens. Known before it starts, because the component's configuration, from
    /// which the server's may be printed, names the port.
    pub ports: Ports,
    /// Who has an account: bare JIDs of either virtual host.
    pub accounts: Vec<String>,
    /// Whether both virtual hosts delegate private storage to the component.
    pub delegation: bool,
    /// The part of the configuration that concerns the virtual hosts and the component, instead
    /// of the harness's own.
    pub host_blocks: Option<String>,
    /// What is said besides: for Prosody in the global part, for ejabberd merged into the rest.
    pub besides: String,
    /// Modules of Prosody's that a test brings: the name of the file, and what is in it.
    pub modules: &'static [(&'static str, &'static str)],
}

impl Options {
    /// A server that delegates, with these accounts.
    pub fn delegating(accounts: &[&str]) -> Options {
        Options {
            ports: Ports::free(),
            accounts: accounts.iter().map(|&jid| jid.to_owned()).collect(),
            delegation: true,
            host_blocks: None,
            besides: String::new(),
            modules: &[],
        }
    }
}

/// A private Prosody or ejabberd.
pub struct Server {
    name: &'static str,
    ports: Ports,
    /// What a ready server has written to its log, where open ports do not say enough.
    ready: Option<&'static str>,
    command: Box<dyn Fn() -> Command + Send + Sync>,
    process: Option<Process>,
    // Last, so that the process is gone before its folder is.
    folder: Folder,
}

impl Server {
    /// Starts what `command` runs, and waits until it is ready.
    pub fn start(
        name: &'static str,
        folder: Folder,
        ports: Ports,
        ready: Option<&'static str>,
        command: impl Fn() -> Command + Send + Sync + 'static,
    ) -> Server {
        let mut server = Server {
            name,
            ports,
            ready,
            command: Box::new(command),
            process: None,
            folder,
        };
        server.launch();
        server
    }

    /// "Prosody" or "ejabberd".
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Where clients connect.
    pub fn client_address(&self) -> SocketAddr {
        ports::address(self.ports.client)
    }

    /// Where components connect.
    pub fn component_address(&self) -> SocketAddr {
        ports::address(self.ports.component)
    }

    /// Where it keeps its files.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// All it has logged, over all its starts.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.folder.outside().join(LOG)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Shuts it down as its administrator would.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.stop(STOP);
        }
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Shuts it down, if it is up, and starts it again with the same data and ports.
    pub fn restart(&mut self) {
        self.stop();
        self.launch();
    }

    fn launch(&mut self) {
        let before = self.log().len();
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder.outside().join(LOG))
            .expect("a log file");
        let mut command = (self.command)();
        command
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(Stdio::from(log));
        self.process = Some(Process::spawn(command, self.folder.outside()));

        let deadline = Instant::now() + START;
        while !self.is_ready(before) {
            let ended = self.process.as_mut().and_then(Process::exited);
            if ended.is_some() || Instant::now() > deadline {
                let why = ended.map_or("not ready in time".to_owned(), |status| status.to_string());
                panic!("{} did not start: {why}\n{}", self.name, tail(&self.log()));
            }
            sleep(Duration::from_millis(20));
        }
    }

    fn is_ready(&self, before: usize) -> bool {
        self.ready
            .is_none_or(|mark| self.log()[before..].contains(mark))
            && TcpStream::connect(self.client_address()).is_ok()
            && TcpStream::connect(self.component_address()).is_ok()
    }
}

/// Whether the servers will run as root, which Prosody has to be told.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The servers of the place that the environment names.
pub fn place() -> Place {
    Place::from_environment()
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}
