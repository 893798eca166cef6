//! `check` of a database: each thing that can be wrong with it, on real servers.

use std::fs;
use std::process::Child;
use std::time::Duration;

use xps_postgres_testing::{DATABASE, Pair, Server, USER, path, program};

use crate::support::clock::eventually;
use crate::support::component::{Options, check};
use crate::support::ports;

/// What is said below `[storage.postgres]` of a database at these ports.
fn at(ports: &[u16], database: &str, user: &str, more: &str) -> Options {
    let hosts: Vec<String> = ports.iter().map(|it| format!("127.0.0.1:{it}")).collect();
    let mut options = Options::at(ports::address(1));
    options.storage = format!(
        "engine = \"postgres\"\n[storage.postgres]\nhosts = {hosts:?}\ndatabase = {database:?}\n\
         user = {user:?}\n{more}"
    );
    options
}

fn on(server: &Server, database: &str) -> Options {
    at(&[server.port()], database, USER, "")
}

/// The lines about the database, which end with this code.
#[track_caller]
fn lines(options: &Options, code: i32) -> Vec<String> {
    let (found, said) = check(options, &[]);
    assert_eq!(found, Some(code), "{said}");
    let lines = said.lines().filter(|line| line.contains(" database: "));
    lines.map(str::to_owned).collect()
}

/// The one line about what keeps it from being used.
#[track_caller]
fn refusal(options: &Options, code: i32) -> String {
    let lines = lines(options, code);
    let bad: Vec<&String> = lines.iter().filter(|it| it.starts_with('✗')).collect();
    assert_eq!(bad.len(), 1, "{lines:?}");
    bad[0].trim_start_matches("✗ database: ").to_owned()
}

#[test]
fn a_pair_that_is_in_order() {
    let pair = Pair::start();
    let ports = [pair.b.port(), pair.a.port()];
    let options = at(&ports, DATABASE, USER, "require_synchronous = true\n");
    let lines = lines(&options, 0);
    let [a, b] = [pair.a.port(), pair.b.port()];
    let primary = format!("✓ database: 127.0.0.1:{a} is the primary: PostgreSQL ");
    assert!(lines[0].starts_with(&primary), "{lines:?}");
    assert_eq!(
        lines[1..4],
        [
            format!("✓ database: 127.0.0.1:{b} is a standby"),
            format!("✓ database: {DATABASE} is empty, and the first start makes the tables"),
            "✓ database: sets wait for a synchronous standby (FIRST 1 (b))".to_owned(),
        ]
    );
    // The tests' servers do not sync: no test cuts their power.
    assert!(
        lines[4].starts_with("! database: fsync is off"),
        "{lines:?}"
    );
    assert_eq!(lines.len(), 5, "{lines:?}");
    let tables = "select count(*) from pg_tables where schemaname = 'public'";
    assert_eq!(pair.a.sql(DATABASE, tables), "0", "nothing is made");
}

#[test]
fn a_standby_alone_or_a_primary_alone() {
    let pair = Pair::start();
    let [a, b] = [pair.a.port(), pair.b.port()];
    let said = refusal(&at(&[b], DATABASE, USER, ""), 69);
    let standby = format!("127.0.0.1:{b} is a standby, which takes no writes");
    assert!(said.starts_with(&standby), "{said}");
    assert!(said.contains("storage.postgres.hosts"), "{said}");

    pair.set_synchronous(false);
    let required = at(&[a], DATABASE, USER, "require_synchronous = true\n");
    let said = refusal(&required, 69);
    assert!(said.contains("no synchronous standby"), "{said}");
    assert!(
        said.contains("storage.postgres.require_synchronous"),
        "{said}"
    );
    let lines = lines(&at(&[a], DATABASE, USER, ""), 0);
    let warned = lines
        .iter()
        .any(|it| it.starts_with("! database: there is no synchronous standby"));
    assert!(warned, "{lines:?}");
}

#[test]
fn a_standby_that_is_waited_for_and_has_gone() {
    let mut pair = Pair::start();
    pair.b.kill();
    let [a, b] = [pair.a.port(), pair.b.port()];
    let replicas = "select count(*) from pg_stat_replication";
    eventually("it has gone", || pair.a.sql(DATABASE, replicas) == "0");
    let said = refusal(&at(&[a, b], DATABASE, USER, ""), 69);
    let waits = "sets wait for a synchronous standby (FIRST 1 (b)), and none is connected";
    assert!(said.starts_with(waits), "{said}");
}

#[test]
fn hosts_that_cannot_be_reached_are_each_told_with_the_reason() {
    let ports = [ports::free(), ports::free()];
    let told = lines(&at(&ports, DATABASE, USER, ""), 69);
    let expected = ports
        .map(|port| format!("✗ database: cannot reach 127.0.0.1:{port}: nothing listens there"));
    assert_eq!(told, expected);

    let server = Server::start();
    let [nobody, _] = ports;
    let told = lines(&at(&[nobody, server.port()], DATABASE, USER, ""), 0);
    let warned = format!(
        "! database: cannot reach 127.0.0.1:{nobody}: nothing listens there; it could not take over now"
    );
    assert!(told.contains(&warned), "{told:?}");
}

#[test]
fn who_is_not_let_in() {
    let server = Server::start();
    server.sql("postgres", "create role locked login password 'right'");
    server.sql("postgres", "create role guest login");
    let rules = server.folder().join("data/pg_hba.conf");
    let others = fs::read_to_string(&rules).expect("the rules");
    let locked = "host all locked 127.0.0.1/32 scram-sha-256\n";
    fs::write(&rules, locked.to_owned() + &others).expect("written");
    server.sql("postgres", "select pg_reload_conf()");
    let database = |database, user, more: &str| at(&[server.port()], database, user, more);

    let said = refusal(&database(DATABASE, "locked", "password = \"wrong\"\n"), 74);
    assert!(
        said.contains("refuses the password of the user locked"),
        "{said}"
    );
    assert!(!said.contains("wrong"), "{said}");
    let said = refusal(&database(DATABASE, "locked", ""), 74);
    assert!(
        said.contains("asks for a password, and none is configured"),
        "{said}"
    );
    let said = refusal(&database("nowhere", USER, ""), 74);
    assert!(said.contains("there is no database nowhere"), "{said}");
    let said = refusal(&database(DATABASE, "nobody", ""), 74);
    assert!(said.contains("does not let the user nobody in"), "{said}");
    // From PostgreSQL 15 on, only its owner may make something in a new database.
    let said = refusal(&database(DATABASE, "guest", ""), 74);
    assert!(
        said.contains("the user guest has no right to make tables"),
        "{said}"
    );
}

#[test]
fn tables_that_are_not_ours() {
    let server = Server::start();
    let with = |name: &str, statements: &[&str]| {
        server.create_database(name);
        for statement in statements {
            server.sql(name, statement);
        }
        on(&server, name)
    };
    let meta = "create table xps_meta (key text primary key, value text not null)";
    let of_others = with("of_others", &["create table roster (jid text)"]);
    let said = refusal(&of_others, 78);
    assert!(
        said.contains("holds a table roster, which this program did not put there"),
        "{said}"
    );
    let half = with("half", &["create table xps_owner (owner text)"]);
    let said = refusal(&half, 74);
    assert!(
        said.contains("is not whole: the table xps_meta is missing"),
        "{said}"
    );
    let all = format!("grant all on xps_meta to {USER}");
    let no_rows = with("no_rows", &[meta, &all]);
    let said = refusal(&no_rows, 74);
    assert!(said.contains("is not whole"), "{said}");
    let rows = "insert into xps_meta values ('format', '99'), ('mark', 'x')";
    let newer = with("newer", &[meta, rows, &all]);
    let said = refusal(&newer, 74);
    assert!(
        said.contains("has format 99") && said.contains("a newer release"),
        "{said}"
    );
}

#[test]
fn checksums_and_whoever_is_connected() {
    let mut server = Server::start();
    let told = lines(&on(&server, DATABASE), 0);
    assert!(!told.iter().any(|it| it.contains("checksums")), "{told:?}");
    server.stop();
    let disabled = program(path("pg_checksums"))
        .args(["--disable", "--no-sync", "-D"])
        .arg(server.folder().join("data"))
        .output();
    assert!(disabled.expect("pg_checksums").status.success());
    server.restart();
    let other = Connected::to(&server, "xmpp-private-storage other");
    let told = lines(&on(&server, DATABASE), 0);
    let warned = told
        .iter()
        .any(|it| it.starts_with("! database: data checksums are off"));
    assert!(warned, "{told:?}");
    let last = "· database: connected instances: other";
    assert_eq!(told.last().map(String::as_str), Some(last), "{told:?}");
    drop(other);
}

/// A connection of a program of this name.
struct Connected(Child);

impl Connected {
    fn to(server: &Server, name: &str) -> Connected {
        let port = server.port().to_string();
        let child = program(path("psql"))
            .env("PGAPPNAME", name)
            .args([
                "-qX",
                "-h",
                "127.0.0.1",
                "-p",
                &port,
                "-U",
                USER,
                "-d",
                DATABASE,
            ])
            .args(["-c", "select pg_sleep(600)"])
            .spawn()
            .expect("psql");
        let connected = Connected(child);
        let count =
            format!("select count(*) from pg_stat_activity where application_name = '{name}'");
        while server.sql("postgres", &count) != "1" {
            std::thread::sleep(Duration::from_millis(20));
        }
        connected
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
