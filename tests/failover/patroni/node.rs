//! A machine's worth of the database: Patroni, which runs a PostgreSQL.

use std::fs;
use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::failover::cable::Cable;
use crate::support::ports;
use crate::support::process::Process;
use xps_postgres_testing::{give, path, program, signal_all};

/// Where `scripts/prove-failover` has put Patroni.
const PATRONI: &str = "PATRONI";

/// Ends a node when nobody else does: first the one that would start again what is ended behind its back.
const END: &str = r#"kill -KILL "-$1"
read -r pid <"$2/data/postmaster.pid"
kill -KILL $pid $(cat "/proc/$pid/task/$pid/children")"#;

/// What others reach of a node, and what it reaches itself but for others of its kind, goes by cables of its
/// own.
pub struct Node {
    pub name: &'static str,
    /// Where its PostgreSQL and its Patroni listen.
    postgres: u16,
    rest: u16,
    to_postgres: Cable,
    to_rest: Cable,
    to_etcd: Cable,
    process: Option<Process>,
    // Last, so that the processes are gone before it is.
    folder: TempDir,
}

impl Node {
    /// A node that keeps what it knows of others in etcd, there.
    pub fn start(name: &'static str, etcd: SocketAddr) -> Node {
        let (postgres, rest) = (ports::free(), ports::free());
        let mut node = Node {
            name,
            postgres,
            rest,
            to_postgres: Cable::to(ports::address(postgres)),
            to_rest: Cable::to(ports::address(rest)),
            to_etcd: Cable::to(etcd),
            process: None,
            folder: TempDir::with_prefix("patroni-").expect("a folder"),
        };
        give(node.folder.path());
        let configuration = node.configuration();
        let file = node.folder.path().join("patroni.yml");
        fs::write(file, configuration).expect("a file of ours");
        node.come_back();
        node
    }

    /// Where clients find its PostgreSQL.
    pub fn address(&self) -> SocketAddr {
        self.to_postgres.address()
    }

    /// Where its PostgreSQL listens, for whoever does not mind what becomes of the network.
    pub fn behind(&self) -> SocketAddr {
        ports::address(self.postgres)
    }

    /// Where its Patroni is asked, by the same.
    pub fn rest(&self) -> SocketAddr {
        ports::address(self.rest)
    }

    /// Starts its Patroni, which starts its PostgreSQL.
    pub fn come_back(&mut self) {
        let folder = self.folder.path();
        let log = folder.join("log");
        let log = File::options().create(true).append(true).open(log);
        let log = log.expect("a log file");
        let patroni = std::env::var_os(PATRONI).expect("PATRONI: where it is");
        let mut patroni = program(patroni);
        patroni.arg("patroni.yml").current_dir(folder);
        patroni.env("HOME", folder);
        patroni.stdout(log.try_clone().expect("a second handle"));
        patroni.stderr(Stdio::from(log));
        self.process = Some(Process::spawn_ended_by(END, patroni, folder));
    }

    /// Its PostgreSQL is killed, and its Patroni sees to that.
    pub fn kill_postgres(&self) {
        self.signal_postgres(Signal::KILL);
    }

    /// All of it is killed.
    pub fn die(&mut self) {
        self.process = None;
        self.kill_postgres();
    }

    /// All of it stops where it is.
    pub fn freeze(&self) {
        if let Some(patroni) = &self.process {
            patroni.signal_all(Signal::STOP);
        }
        self.signal_postgres(Signal::STOP);
    }

    /// It goes on as if nothing had been.
    pub fn thaw(&self) {
        self.signal_postgres(Signal::CONT);
        if let Some(patroni) = &self.process {
            patroni.signal_all(Signal::CONT);
        }
    }

    fn signal_postgres(&self, signal: Signal) {
        let told = fs::read_to_string(self.folder.path().join("data/postmaster.pid"));
        let told = told.unwrap_or_default();
        let Some(process) = told.lines().next().and_then(|pid| pid.parse().ok()) else {
            return;
        };
        // What was killed leaves its file, and its number may be another's by now.
        let name = fs::read_to_string(format!("/proc/{process}/comm"));
        if name.is_ok_and(|name| name.trim() == "postgres") {
            signal_all(process, signal);
        }
    }

    /// Nothing passes to it or from it any more.
    pub fn cut(&self) {
        for cable in [&self.to_postgres, &self.to_rest, &self.to_etcd] {
            cable.cut();
        }
    }

    /// All passes again.
    pub fn mend(&self) {
        for cable in [&self.to_postgres, &self.to_rest, &self.to_etcd] {
            cable.mend();
        }
    }

    /// What it has said of late.
    pub fn log(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    /// Failover within some 20 s; a standby that is gone is not waited for. The lists are what 4.0.7 has in
    /// its documentation.
    fn configuration(&self) -> String {
        let (name, folder) = (self.name, self.folder.path().display());
        format!(
            r#"scope: xps
name: {name}
restapi: {{ listen: "127.0.0.1:{rest}", connect_address: "{to_rest}" }}
# Or it would go past the cable.
etcd3: {{ hosts: ["{to_etcd}"], use_proxies: true }}
bootstrap:
  dcs:
    ttl: 20
    loop_wait: 5
    retry_timeout: 5
    maximum_lag_on_failover: 0
    synchronous_mode: true
    postgresql:
      use_pg_rewind: true
      use_slots: true
      parameters: {{ wal_log_hints: "on", max_connections: 50 }}
  initdb: [ {{ encoding: UTF8 }}, {{ locale: C }}, data-checksums ]
  pg_hba: [ "host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust" ]
postgresql:
  listen: "127.0.0.1:{postgres}"
  connect_address: "{to_postgres}"
  data_dir: {folder}/data
  bin_dir: {programs}
  pgpass: {folder}/pgpass
  authentication: {{ superuser: {{ username: postgres }}, replication: {{ username: replicator }} }}
  basebackup: [{{ checkpoint: fast }}]
  parameters: {{ unix_socket_directories: "{folder}", synchronous_commit: "on" }}
"#,
            rest = self.rest,
            postgres = self.postgres,
            to_rest = self.to_rest.address(),
            to_etcd = self.to_etcd.address(),
            to_postgres = self.to_postgres.address(),
            programs = path("").display(),
        )
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.thaw();
        self.die();
    }
}

/// Where nodes keep what they know of each other.
pub struct Etcd {
    pub address: SocketAddr,
    _process: Process,
    _folder: TempDir,
}

impl Etcd {
    /// Debian's `etcd-server`, alone.
    pub fn start() -> Etcd {
        let folder = TempDir::with_prefix("etcd-").expect("a folder");
        let (clients, peers) = (ports::free(), ports::free());
        let [clients_url, peers_url] =
            [clients, peers].map(|port| format!("http://127.0.0.1:{port}"));
        let log = File::create(folder.path().join("log")).expect("a log file");
        let mut etcd = Command::new("etcd");
        etcd.args(["--name", "e", "--logger", "zap", "--data-dir"]);
        etcd.arg(Path::new("data")).current_dir(folder.path());
        for (option, url) in [
            ("--listen-client-urls", &clients_url),
            ("--advertise-client-urls", &clients_url),
            ("--listen-peer-urls", &peers_url),
            ("--initial-advertise-peer-urls", &peers_url),
        ] {
            etcd.args([option, url]);
        }
        etcd.arg("--initial-cluster").arg(format!("e={peers_url}"));
        etcd.stdout(log.try_clone().expect("a second handle"));
        etcd.stderr(Stdio::from(log));
        Etcd {
            address: ports::address(clients),
            _process: Process::spawn(etcd, folder.path()),
            _folder: folder,
        }
    }
}
