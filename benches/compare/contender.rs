//! Who is measured: programs that are components, each with a folder of its own.

use std::env;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;
use xps_postgres_testing::{Options, Pair};

use super::support::database::{hosts, storage_on};
use super::support::process::Process;
use super::support::server::{COMPONENT, HOST, SECRET};

/// A component of some kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Who {
    /// This project.
    Us,
    /// The same on PostgreSQL: a primary with a synchronous standby, on the same disk.
    Postgres,
    /// Another build of it, to see what a change does: the program that `BENCH_BEFORE` names.
    Before,
    /// tokio-xmpp and minidom, in memory.
    Echo,
    /// Searches strings, does one append and one sync a set.
    Floor,
    /// The same with sled, and one sync for all sets of a read.
    SledFloor,
    /// slixmpp and sqlite3.
    Slixmpp,
    /// xmpp.js and better-sqlite3.
    XmppJs,
    /// Answers without looking: what the load generator itself can do.
    Nothing,
}

impl Who {
    /// All, in the order of the tables.
    pub const ALL: [Who; 9] = [
        Who::Us,
        Who::Postgres,
        Who::Before,
        Who::Echo,
        Who::Floor,
        Who::SledFloor,
        Who::Slixmpp,
        Who::XmppJs,
        Who::Nothing,
    ];

    /// What it is called in the tables.
    pub fn name(self) -> &'static str {
        match self {
            Who::Us => "this",
            Who::Postgres => "postgres",
            Who::Before => "before",
            Who::Echo => "echo",
            Who::Floor => "floor",
            Who::SledFloor => "sled-floor",
            Who::Slixmpp => "slixmpp",
            Who::XmppJs => "xmpp.js",
            Who::Nothing => "(nothing)",
        }
    }

    /// The program, where `scripts/bench compare` has made it.
    fn command(self) -> Option<Command> {
        let made = |variable| env::var_os(variable).map(Command::new);
        match self {
            Who::Us => Some(Command::new(env!("CARGO_BIN_EXE_xmpp-private-storage"))),
            Who::Postgres => {
                let is_installed = Path::new("/usr/lib/postgresql").exists();
                is_installed.then_some(Who::Us.command()?)
            }
            Who::Before => made("BENCH_BEFORE"),
            Who::Echo => made("BENCH_ECHO"),
            Who::Slixmpp => {
                let mut command = made("BENCH_PYTHON")?;
                command.arg("benches/contenders/slixmpp_sqlite.py");
                Some(command)
            }
            Who::XmppJs => {
                let mut command = Command::new("node");
                command.arg(env::var_os("BENCH_XMPPJS")?);
                Some(command)
            }
            Who::Floor | Who::SledFloor | Who::Nothing => {
                let mut command = Command::new(env::current_exe().ok()?);
                command.arg(match self {
                    Who::Nothing => "nothing",
                    which => which.name(),
                });
                Some(command)
            }
        }
    }
}

/// A folder on the disk that is measured, gone with its owner.
pub fn folder() -> io::Result<TempDir> {
    TempDir::with_prefix_in("bench-", env!("CARGO_TARGET_TMPDIR"))
}

/// A running component.
pub struct Contender {
    /// Which.
    pub who: Who,
    process: Process,
    _folder: TempDir,
    // Behind the process, which is connected to it.
    _pair: Option<Pair>,
}

impl Contender {
    /// Starts it, for the server at this address; `None` where it has not been made.
    pub fn start(who: Who, router: SocketAddr) -> io::Result<Option<Self>> {
        let Some(mut command) = who.command() else {
            return Ok(None);
        };
        let folder = folder()?;
        let pair = (who == Who::Postgres).then(|| {
            Pair::start_with(&Options {
                is_durable: true,
                beside: Some(env!("CARGO_TARGET_TMPDIR").into()),
                ..Options::default()
            })
        });
        if matches!(who, Who::Us | Who::Postgres | Who::Before) {
            let file = folder.path().join("component.toml");
            let storage = pair
                .as_ref()
                .map_or(String::new(), |pair| storage_on(&hosts(pair)));
            fs::write(&file, configuration(router, folder.path(), &storage))?;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
            command.arg("--config").arg(file);
        } else {
            command.args([&router.to_string(), COMPONENT, SECRET]);
            command.arg(folder.path());
        }
        command.stdout(Stdio::null());
        Ok(Some(Self {
            who,
            process: Process::spawn(command, folder.path()),
            _folder: folder,
            _pair: pair,
        }))
    }

    /// The processor time it has taken, in seconds.
    pub fn cpu_seconds(&mut self) -> f64 {
        let stat = fs::read_to_string(self.proc("stat")).unwrap_or_default();
        // After the name in parentheses; user time and system time, in hundredths of a second.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split(' ').collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok());
        (ticks(12).unwrap_or(0.0) + ticks(13).unwrap_or(0.0)) / 100.0
    }

    /// Begins again to look for the most memory it has.
    pub fn forget_peak(&mut self) {
        // Where that is not allowed, the peak is that of the whole run.
        let _ = fs::write(self.proc("clear_refs"), "5");
    }

    /// The most memory it had, in MiB.
    pub fn peak_mib(&mut self) -> f64 {
        let status = fs::read_to_string(self.proc("status")).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = peak.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
        kib.unwrap_or(0.0) / 1024.0
    }

    fn proc(&mut self, file: &str) -> String {
        format!("/proc/{}/{file}", self.process.child().id())
    }
}

/// As it comes, but for the log; `storage` is what else the section of that name has.
fn configuration(router: SocketAddr, folder: &Path, storage: &str) -> String {
    format!(
        "[component]\njid = \"{COMPONENT}\"\nserver = \"{router}\"\nsecret = \"{SECRET}\"\n\
         [access]\ndomains = [\"{HOST}\"]\n\
         [log]\nlevel = \"warn\"\n\
         [storage]\npath = {:?}\n{storage}",
        folder.join("data")
    )
}
