//! One server.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use super::ports::free_port;
use super::processes::{signal, signal_all};
use super::programs::{give, output, path, program};
use xps_base::clock::Instant;

/// Who may do what the owner of a database may, and no more.
pub const USER: &str = "xps";

/// Who may do everything.
pub(crate) const ADMINISTRATOR: &str = "postgres";

/// A database that is there from the beginning, empty, and belongs to [`USER`].
pub const DATABASE: &str = "xps";

/// How long a server may take to start, or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the server for as long as somebody holds the other end of its input. When nobody does any more without having
/// said so, the test is over, and nothing is to be left.
const SHELL: &str = r#"
"$1" -D "$0/data" >>"$0/log" 2>&1 </dev/null &
server=$!
if ! read -r _; then
  kill -KILL $server $(cat /proc/$server/task/$server/children) 2>/dev/null
  wait
  rm -rf "$0"
fi
wait
"#;

/// What a server is like.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whether it syncs what it writes. Killing processes loses nothing of what is not synced, so tests do without.
    pub is_durable: bool,
    /// Where its folder is made, if not among the temporary ones.
    pub beside: Option<PathBuf>,
    /// Lines of its configuration.
    pub more: String,
}

/// A server. It ends with this.
pub struct Server {
    /// Removed behind all else.
    folder: TempDir,
    port: u16,
    /// The shell that runs it.
    shell: Option<Child>,
    process: i32,
}

impl Server {
    /// A server of its own, with [`DATABASE`].
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&Options::default())
    }

    #[must_use]
    pub fn start_with(options: &Options) -> Self {
        let mut server = Self::prepare(options);
        let data = server.data();
        let mut initdb = program(path("initdb"));
        initdb.args([
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "--no-instructions",
        ]);
        initdb
            .args(["--data-checksums", "-U", ADMINISTRATOR, "-D"])
            .arg(&data);
        output(&mut initdb);
        server.configure(options);
        let hba = data.join("pg_hba.conf");
        let replication = "host replication all 127.0.0.1/32 trust\n";
        fs::write(&hba, fs::read_to_string(&hba).unwrap() + replication).unwrap();
        server.restart();
        server.sql("postgres", &format!("create role {USER} login"));
        server.create_database(DATABASE);
        server
    }

    /// The place of a server that has no data yet.
    pub(crate) fn prepare(options: &Options) -> Self {
        let temporary = std::env::temp_dir();
        let beside = options.beside.as_ref().unwrap_or(&temporary);
        let folder = TempDir::with_prefix_in("xps-postgres-", beside).unwrap();
        give(folder.path());
        Self {
            folder,
            port: free_port(),
            shell: None,
            process: 0,
        }
    }

    pub(crate) fn configure(&self, options: &Options) {
        let syncs = if options.is_durable { "on" } else { "off" };
        let file = self.data().join("postgresql.conf");
        let configuration = format!(
            "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = '{}'\n\
             dynamic_shared_memory_type = mmap\nfsync = {syncs}\nfull_page_writes = {syncs}\nshared_buffers = 64MB\nmax_connections = 60\n\
             max_wal_senders = 8\nwal_level = replica\nhot_standby = on\nsynchronous_commit = on\n{}\n",
            self.port,
            self.folder.path().display(),
            options.more,
        );
        fs::write(file, configuration).unwrap();
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Where its socket is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Starts it, if it does not run, and waits until it lets somebody in.
    pub fn restart(&mut self) {
        if self.shell.is_some() {
            self.stop();
        }
        let mut shell = program("/bin/sh");
        shell
            .args(["-c", SHELL])
            .arg(self.folder.path())
            .arg(path("postgres"));
        let shell = shell.stdin(Stdio::piped()).spawn().unwrap();
        self.shell = Some(shell);
        let file = self.data().join("postmaster.pid");
        wait_until("a server starts", || {
            let lines = fs::read_to_string(&file).unwrap_or_default();
            let is_ready = lines
                .lines()
                .nth(7)
                .is_some_and(|state| state.trim() == "ready");
            let is_standby = lines
                .lines()
                .nth(7)
                .is_some_and(|state| state.trim() == "standby");
            let process = lines.lines().next().and_then(|line| line.parse().ok());
            self.process = process.unwrap_or(0);
            (is_ready || is_standby) && self.lets_in()
        });
    }

    fn lets_in(&self) -> bool {
        let mut ready = program(path("pg_isready"));
        ready.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
        ready.status().unwrap().success()
    }

    /// Stops it as an administrator would.
    pub fn stop(&mut self) {
        self.thaw();
        signal(self.process, Signal::INT);
        self.gone();
    }

    /// Kills all of its processes at once, as if its machine had died.
    pub fn kill(&mut self) {
        signal_all(self.process, Signal::KILL);
        self.gone();
        let _ = fs::remove_file(self.data().join("postmaster.pid"));
    }

    /// Waits for its end, which has been asked for.
    fn gone(&mut self) {
        if let Some(mut shell) = self.shell.take() {
            drop(shell.stdin.take().unwrap().write_all(b"gone\n"));
            shell.wait().unwrap();
        }
    }

    /// Stops all of its processes where they are: connections stay, are accepted even, and nothing answers.
    pub fn freeze(&self) {
        signal_all(self.process, Signal::STOP);
    }

    pub fn thaw(&self) {
        signal_all(self.process, Signal::CONT);
    }

    /// Makes the primary of a standby.
    pub fn promote(&self) {
        let promoted = self.sql("postgres", "select pg_promote(true, 60)");
        assert_eq!(promoted, "t");
    }

    pub fn create_database(&self, name: &str) {
        self.sql("postgres", &format!("create database {name} owner {USER}"));
    }

    /// What a statement of the administrator's gives, columns by `|` and rows by lines.
    pub fn sql(&self, database: &str, statement: &str) -> String {
        let mut psql = program(path("psql"));
        psql.args([
            "-qAtX",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            "127.0.0.1",
            "-U",
            ADMINISTRATOR,
        ]);
        psql.args([
            "-p",
            &self.port.to_string(),
            "-d",
            database,
            "-c",
            statement,
        ]);
        output(&mut psql).trim_end().to_owned()
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.shell.is_some() {
            self.kill();
        }
    }
}

/// Waits until it is so, for as long as it may take.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
