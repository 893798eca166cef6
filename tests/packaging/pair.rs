//! The two databases of compose.ha.yaml, as processes of this machine: `pair` runs as it is, but for the folder of
//! its secrets.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;
use xps_postgres_testing::{give, path, program};

use super::read;
use crate::support::client::PATIENCE;
use crate::support::clock::eventually;
use crate::support::ports;
use crate::support::process::Process;

/// Both listen on one port, as two machines do, and know each other by name.
const NAMES: [&str; 2] = ["database1", "database2"];

/// What PostgreSQL's programs are called by. Where `interrupt` is, a copy is begun and does not end.
const PROGRAMS: [(&str, &str); 5] = [
    ("initdb", "exec $BIN/initdb --no-sync \"$@\"\n"),
    ("pg_ctl", "exec $BIN/pg_ctl -p $WRAPPED/postgres \"$@\"\n"),
    (
        "postgres",
        "exec $BIN/postgres -c listen_addresses=$ADDRESS -c unix_socket_directories=$PGHOST \
         -c shared_buffers=16MB \"$@\"\n",
    ),
    ("psql", "exec $BIN/psql \"$@\"\n"),
    (
        "pg_basebackup",
        "if [ -e $WRAPPED/interrupt ]; then\n\
         while [ \"$1\" != --pgdata ]; do shift; done\n\
         mkdir -p \"$2\"\necho >\"$2/PG_VERSION\"\nexec sleep 600\nfi\n\
         exec $BIN/pg_basebackup --no-sync \"$@\"\n",
    ),
];

/// Names are addresses to whoever connects, and names where a standby says which one it is.
const ADDRESSES: &str = "#!/bin/sh\nfor it; do\nshift\n\
    set -- \"$@\" \"$(printf %s \"$it\" | sed 's/^database1$/127.0.0.2/; s/^database2$/127.0.0.3/\n\
    s/host=database1/host=127.0.0.2/; s/host=database2/host=127.0.0.3/')\"\ndone\n";

struct Pair {
    folder: TempDir,
    port: u16,
}

impl Pair {
    /// The first of the two serves, and the second has nothing yet.
    fn begin() -> (Pair, Process) {
        let folder = tempfile::tempdir().expect("a folder");
        let pair = Pair {
            folder,
            port: ports::free(),
        };
        give(pair.folder.path());
        let secrets = pair.folder.path().display().to_string();
        let script = read("packaging/container/postgres/pair").replace("/run/secrets", &secrets);
        pair.write("pair", &script);
        pair.write("replication", "s3cret\n");
        pair.write("database", "s3cret too\n");
        for (name, script) in PROGRAMS {
            pair.write(name, &format!("{ADDRESSES}{script}"));
        }
        for name in NAMES {
            for folder in [pair.data(name), pair.socket(name)] {
                fs::create_dir(&folder).expect("a folder");
                give(&folder);
            }
        }
        pair.run(NAMES[0], "begin");
        let first = pair.start(NAMES[0]);
        eventually("the first serves", || pair.sql(NAMES[0], "select 1") == "1");
        (pair, first)
    }

    fn write(&self, name: &str, text: &str) {
        let file = self.folder.path().join(name);
        fs::write(&file, text).expect("a written file");
        fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).expect("ours");
    }

    fn data(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.data"))
    }

    fn socket(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.socket"))
    }

    /// One of its programs, as that server's.
    fn command(&self, name: &str, of: &str) -> Command {
        let is_first = name == NAMES[0];
        let folder = self.folder.path().display().to_string();
        let mut command = program(self.folder.path().join(of));
        command
            .env("PATH", format!("{folder}:/usr/bin:/bin"))
            .env("BIN", path("psql").parent().expect("a folder"))
            .env("WRAPPED", &folder)
            .env("NAME", name)
            .env("PEER", NAMES[usize::from(is_first)])
            .env("ADDRESS", if is_first { "127.0.0.2" } else { "127.0.0.3" })
            .env("PGDATA", self.data(name))
            .env("PGHOST", self.socket(name))
            .env("PGPORT", self.port.to_string());
        command
    }

    /// Has `pair` do this to its end.
    fn run(&self, name: &str, what: &str) {
        let output = self.command(name, "pair").arg(what).output().expect("sh");
        assert!(output.status.success(), "{output:?}");
    }

    /// Has `pair` start this one.
    fn start(&self, name: &str) -> Process {
        let log = self.folder.path().join(format!("{name}.log"));
        let log = File::options().create(true).append(true).open(log);
        let log = log.expect("a file");
        let mut command = self.command(name, "pair");
        command
            .arg("start")
            .stdout(log.try_clone().expect("another handle"))
            .stderr(log);
        Process::spawn(command, self.folder.path())
    }

    /// What that server answers; nothing if it does not.
    fn sql(&self, name: &str, statement: &str) -> String {
        let mut psql = self.command(name, "psql");
        psql.args(["-qAtX", "-U", "postgres", "-d", "postgres", "-c", statement])
            .env("PGPASSWORD", "s3cret");
        let output = psql.output().expect("psql");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Until the second one copies the first, and each commit waits for it.
    fn wait_until_both_have_it(&self) {
        eventually("the copy streams, and is waited for", || {
            self.sql(
                NAMES[0],
                "select application_name, sync_state from pg_stat_replication",
            ) == "database2|sync"
        });
    }
}

/// `pair alone` was taken back only by a copy that started while the primary answered. One that had only been cut
/// off, or that came up before the primary, stayed healthy beside it, and what was stored was on one server.
#[test]
fn a_copy_that_is_back_is_waited_for_again() {
    let (pair, mut first) = Pair::begin();
    let mut second = pair.start(NAMES[1]);
    pair.wait_until_both_have_it();
    pair.run(NAMES[0], "alone");
    assert_eq!(pair.sql(NAMES[0], "show synchronous_standby_names"), "");
    pair.wait_until_both_have_it();

    second.stop(PATIENCE);
    pair.run(NAMES[0], "alone");
    first.stop(PATIENCE);
    let _second = pair.start(NAMES[1]);
    eventually("the copy is up", || pair.sql(NAMES[1], "select 1") == "1");
    let _first = pair.start(NAMES[0]);
    pair.wait_until_both_have_it();
}

/// A copy that was killed while it was made said for ever that the other one had been promoted.
#[test]
fn a_copy_that_was_cut_short_is_made_again() {
    let (pair, _first) = Pair::begin();
    pair.write("interrupt", "");
    let second = pair.start(NAMES[1]);
    let begun = || {
        let data = pair.data(NAMES[1]);
        let folders = fs::read_dir(&data).into_iter().flatten().flatten();
        let mut folders: Vec<PathBuf> = folders.map(|it| it.path()).collect();
        folders.push(data);
        folders.iter().any(|it| it.join("PG_VERSION").exists())
    };
    eventually("a copy is begun", begun);
    drop(second);
    fs::remove_file(pair.folder.path().join("interrupt")).expect("ours");
    let _second = pair.start(NAMES[1]);
    pair.wait_until_both_have_it();
}
