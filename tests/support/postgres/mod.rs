//! PostgreSQL servers of the tests' own, from Debian's package: never the system's cluster.
//!
//! [`Database`] is one in a server that all tests share; [`Pair`] is a primary with a synchronous
//! standby, for tests that harm them. As root they run as Debian's user postgres, since PostgreSQL
//! refuses to run as root.

mod pair;
mod processes;

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use super::ports;
use super::process::Process;
use super::server::is_root;

pub use pair::Pair;
pub use processes::Processes;

/// Who the component is to its database: nobody who may do more than it needs.
pub const ROLE: &str = "xps";

const START: Duration = Duration::from_secs(120);
const STOP: Duration = Duration::from_secs(60);

/// Ends a server, frozen or not, when nobody else does; its processes are in groups of their own. Asked so,
/// it leaves nothing in shared memory.
pub const END: &str = r#"read -r pid <"$2/data/postmaster.pid"
all="$pid $(cat "/proc/$pid/task/$pid/children")"
kill -CONT $all
kill -QUIT "$pid"
for i in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$pid" || break; sleep 0.3; done
kill -KILL $all "-$1""#;

/// Where a server keeps its data, and whether that outlives a power cut.
#[derive(Debug, Clone, Copy)]
pub enum Disk<'a> {
    /// Among the temporary files, without a sync: quicker, and as good where only processes die.
    Temporary,
    /// In this folder, synced as in service.
    Real(&'a Path),
}

/// A server, running or not, with its folder.
pub struct Postgres {
    port: u16,
    process: Option<Process>,
    // Last, so that the process is gone before its folder is.
    folder: TempDir,
}

impl Postgres {
    /// A server with no data but the role [`ROLE`], running; `settings` are further lines of its configuration.
    pub fn start(name: &str, disk: Disk<'_>, settings: &str) -> Postgres {
        let folder = folder(disk);
        let arguments = [
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--data-checksums",
            "--no-instructions",
            "--no-sync",
        ];
        let mut made = command("initdb", folder.path());
        run(made.args(arguments).arg("--pgdata").arg("data"));
        let mut server = Postgres::over(folder, name, disk, settings);
        server.launch();
        server.sql("postgres", &format!("create role {ROLE} login"));
        server
    }

    /// A server over the data that stands in this folder, not running yet.
    fn over(folder: TempDir, name: &str, disk: Disk<'_>, settings: &str) -> Postgres {
        let port = ports::free();
        let is_synced = match disk {
            Disk::Temporary => "off",
            Disk::Real(_) => "on",
        };
        // The last word on a setting counts, and a standby begins with its primary's.
        let lines = format!(
            "\nlisten_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = ''\n\
             cluster_name = '{name}'\nfsync = {is_synced}\nmax_connections = 200\n\
             dynamic_shared_memory_type = mmap\nlog_min_messages = warning\n{settings}\n"
        );
        let file = folder.path().join("data/postgresql.conf");
        let before = fs::read_to_string(&file).expect("a configuration");
        fs::write(&file, before + &lines).expect("a file of ours");
        Postgres {
            port,
            process: None,
            folder,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        ports::address(self.port)
    }

    /// Starts it, and waits until it answers.
    pub fn launch(&mut self) {
        let path = self.folder.path().join("log");
        let log = File::options().create(true).append(true).open(&path);
        let log = log.expect("a log file");
        let mut server = command("postgres", self.folder.path());
        server.args(["-D", "data"]);
        server.stdout(log.try_clone().expect("a second handle"));
        server.stderr(Stdio::from(log));
        let mut process = Process::spawn_ended_by(END, server, self.folder.path());
        let deadline = Instant::now() + START;
        while !self.answers() {
            let ended = process.exited();
            if ended.is_some() || Instant::now() > deadline {
                let log = fs::read_to_string(&path).unwrap_or_default();
                panic!("PostgreSQL did not start: {ended:?}\n{log}");
            }
            sleep(Duration::from_millis(20));
        }
        self.process = Some(process);
    }

    fn answers(&self) -> bool {
        let mut asked = command("pg_isready", self.folder.path());
        asked.args(["--quiet", "--host=127.0.0.1"]);
        asked.arg(format!("--port={}", self.port));
        asked.status().expect("pg_isready").success()
    }

    /// Shuts it down as its administrator would who does not wait for clients.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.stop_by(Signal::INT, STOP);
        }
    }

    /// Ends it as a power cut would: all its processes at once.
    pub fn kill(&mut self) {
        self.processes().kill();
        self.process = None;
    }

    /// Nothing of it goes on, but the kernel still takes connections for it: as a machine that hangs.
    pub fn freeze(&self) {
        self.processes().freeze();
    }

    /// It goes on as if nothing had been.
    pub fn thaw(&self) {
        self.processes().thaw();
    }

    fn processes(&self) -> Processes {
        let processes = Processes::of(&self.folder.path().join("data"));
        processes.expect("it runs")
    }

    /// Makes a standby a primary.
    pub fn promote(&self) {
        let mut promote = command("pg_ctl", self.folder.path());
        run(promote.args(["promote", "--wait", "--silent", "--pgdata=data"]));
    }

    /// A new database that belongs to [`ROLE`].
    pub fn create(&self, database: &str) {
        let create = format!("create database {database} owner {ROLE}");
        self.sql("postgres", &create);
    }

    /// What its superuser is told there: a line for each row.
    #[track_caller]
    pub fn sql(&self, database: &str, sql: &str) -> String {
        self::sql(self.address(), database, sql)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            if process.exited().is_none() {
                self.thaw();
                process.stop_by(Signal::QUIT, STOP);
            }
        }
    }
}

/// What its superuser is told by a server: a line for each row.
#[track_caller]
pub fn sql(server: SocketAddr, database: &str, sql: &str) -> String {
    let mut psql = command("psql", Path::new("/"));
    psql.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only"]);
    psql.args(["--set=ON_ERROR_STOP=1", "--username=postgres"]);
    psql.arg(format!("--host={}", server.ip()));
    psql.arg(format!("--port={}", server.port()));
    run(psql.args(["--dbname", database, "--command", sql]))
}

/// The lines of the section `[storage]` by which the component finds a database on the primary of these servers.
pub fn storage(hosts: &[SocketAddr], database: &str) -> String {
    let hosts: Vec<String> = hosts.iter().map(SocketAddr::to_string).collect();
    format!(
        "engine = \"postgres\"\n\n[storage.postgres]\nhosts = {hosts:?}\n\
         database = \"{database}\"\nuser = \"{ROLE}\"\n"
    )
}

/// A database of a test's own, in the server that all tests share.
pub struct Database {
    server: &'static Postgres,
    name: String,
}

impl Database {
    /// An empty one.
    pub fn new() -> Database {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let server = SHARED.get_or_init(|| Postgres::start("shared", Disk::Temporary, ""));
        let name = format!("test{}", COUNT.fetch_add(1, Ordering::Relaxed));
        server.create(&name);
        Database { server, name }
    }

    /// The lines of the section `[storage]` by which the component finds it.
    pub fn storage(&self) -> String {
        storage(&[self.server.address()], &self.name)
    }

    /// What the superuser is told there: a line for each row.
    #[track_caller]
    pub fn sql(&self, sql: &str) -> String {
        self.server.sql(&self.name, sql)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let Database { server, name } = self;
            server.sql("postgres", &format!("drop database {name} with (force)"));
        }
    }
}

/// A folder that PostgreSQL may write to.
pub fn folder(disk: Disk<'_>) -> TempDir {
    let parent = match disk {
        Disk::Temporary => std::env::temp_dir(),
        Disk::Real(parent) => parent.to_owned(),
    };
    let folder = TempDir::with_prefix_in("postgres-", parent).expect("a folder");
    if let Some((user, group)) = user() {
        chown(folder.path(), Some(user), Some(group)).expect("root may");
    }
    folder
}

/// Its programs: those of the newest version.
pub fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let newest = versions
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .max()
        .expect("PostgreSQL; scripts/test installs it");
    PathBuf::from(format!("/usr/lib/postgresql/{newest}/bin"))
}

/// Whom it runs as, where that is not whoever runs the tests.
pub fn user() -> Option<(u32, u32)> {
    if !is_root() {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").expect("users");
    let mut users = users.lines().map(|line| line.split(':'));
    let mut fields = users.find(|fields| fields.clone().next() == Some("postgres"))?;
    let mut number = |at| fields.nth(at)?.parse().ok();
    Some((number(2)?, number(0)?))
}

/// One of its programs, in this folder.
pub fn command(program: &str, folder: &Path) -> Command {
    let mut command = Command::new(programs().join(program));
    command.current_dir(folder).env("LC_ALL", "C");
    // Whoever runs the tests may have a database at hand.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
    if let Some((user, group)) = user() {
        command.uid(user).gid(group);
    }
    command
}

/// Runs it to its end, and returns what it says.
#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("it starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
