//! What is wrong with a database, or with the way to it, is said so that somebody can do something about it.

use std::fs;
use std::time::Duration;

use super::support::{at, fresh_database, in_database, server, try_set, wait_until};
use xps_postgres::{OpenError, Settings, examine, open, open_waiting};
use xps_postgres_testing::{DATABASE, Options, Pair, Server};
use xps_store::suite::{change, set};

/// What is said when the store cannot be opened, which has to be the same for a service and for a check.
fn refusal(settings: Settings) -> String {
    let error = open(settings.clone()).unwrap_err();
    assert!(!error.may_pass(), "{error}");
    let of_service = open_waiting(settings.clone()).unwrap_err();
    assert_eq!(of_service.to_string(), error.to_string());
    if let Err(of_check) = examine(settings) {
        assert_eq!(of_check.to_string(), error.to_string());
    }
    error.to_string()
}

fn assert_says(settings: Settings, words: &[&str]) {
    let said = refusal(settings);
    for word in words {
        assert!(said.contains(word), "{said:?} and not {word:?}");
    }
}

#[test]
fn a_database_of_something_else_is_left_alone() {
    let database = fresh_database();
    for table in ["users", "rosterusers", "last", "spool", "vcard"] {
        server().sql(&database, &format!("create table {table} (a int)"));
    }
    let settings = in_database(&database);
    assert_says(
        settings.clone(),
        &[
            "last, rosterusers, spool and 2 more",
            "a database of its own",
        ],
    );
    assert!(examine(settings).is_err());
    let tables = "select count(*) from pg_tables where schemaname = 'public'";
    assert_eq!(server().sql(&database, tables), "5");
}

#[test]
fn half_a_store_is_not_used() {
    let spoil = |how: &str| {
        let database = fresh_database();
        let store = open(in_database(&database)).unwrap();
        set(&store, "a@x", vec![change("n", "a", Some("1"))]);
        drop(store);
        server().sql(&database, how);
        in_database(&database)
    };
    assert_says(
        spoil("drop table xps_note"),
        &["the table xps_note is missing"],
    );
    assert_says(
        spoil("drop table xps_meta"),
        &["the table xps_meta is missing"],
    );
    assert_says(
        spoil("delete from xps_meta"),
        &["does not say what the store is"],
    );
    assert_says(
        spoil("alter table xps_owner drop column was"),
        &["xps_owner.was is missing"],
    );
    assert_says(
        spoil("alter table xps_element alter elements type int8"),
        &["xps_element.elements is of the type bigint and not integer"],
    );
}

#[test]
fn a_newer_format_is_refused() {
    let database = fresh_database();
    drop(open(in_database(&database)).unwrap());
    server().sql(
        &database,
        "update xps_meta set value = '2' where key = 'format'",
    );
    assert_says(
        in_database(&database),
        &["format 2", "up to 1", "newer release"],
    );
}

#[test]
fn another_encoding_is_refused() {
    let create = "create database latin owner xps encoding 'SQL_ASCII' template template0";
    server().sql("postgres", create);
    assert_says(in_database("latin"), &["SQL_ASCII", "-E UTF8"]);
}

#[test]
fn who_may_not_is_told_what_is_missing() {
    let server = Server::start();
    server.sql(
        "postgres",
        "create role poor login; create role locked login password 'right'",
    );
    let hba = server.folder().join("data/pg_hba.conf");
    let rules = fs::read_to_string(&hba).unwrap();
    let rules = format!("host all locked all scram-sha-256\nhost all barred all reject\n{rules}");
    fs::write(&hba, rules).unwrap();
    server.sql("postgres", "select pg_reload_conf()");
    let with = |user: &str, password: Option<&str>| Settings {
        user: user.to_owned(),
        password: password.map(Into::into),
        ..at(&[server.port()])
    };
    wait_until("the rules count", || {
        open(with("locked", Some("wrong"))).is_err()
    });
    assert_says(
        with("poor", None),
        &["the user poor", "permission denied for schema public"],
    );
    assert_says(
        with("locked", Some("wrong")),
        &["refuses the password of the user locked"],
    );
    assert_says(
        with("locked", None),
        &["asks for a password, and none is configured"],
    );
    assert_says(
        with("barred", None),
        &["does not let the user barred in", "pg_hba.conf"],
    );
    assert_says(with("nobody", None), &["does not let the user nobody in"]);
    let missing = Settings {
        database: "missing".to_owned(),
        ..at(&[server.port()])
    };
    assert_says(missing, &["no database missing", "createdb"]);
    // The right password lets in, and then the database's owner may do all.
    server.sql(
        "postgres",
        &format!("alter database {DATABASE} owner to locked"),
    );
    let store = open(with("locked", Some("right"))).unwrap();
    assert_eq!(try_set(&store, "a@x", "1"), Ok(()));
    assert!(!server.log().contains("right"));
}

#[test]
fn a_standby_alone_is_no_database() {
    let pair = Pair::start();
    let standby = at(&[pair.b.port()]);
    for error in [
        open(standby.clone()).unwrap_err(),
        examine(standby).unwrap_err(),
    ] {
        assert!(matches!(error, OpenError::OnlyStandbys { .. }), "{error}");
        assert!(error.to_string().contains("name all hosts"), "{error}");
    }
}

#[test]
fn who_cannot_be_reached_is_named_with_the_reason() {
    let error = open(at(&[1])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the database cannot be reached: 127.0.0.1:1: nothing listens there"
    );
    assert!(error.may_pass());
}

#[test]
fn a_service_waits_for_a_database_that_starts_later() {
    let mut server = Server::start();
    let settings = at(&[server.port()]);
    server.stop();
    let store = open_waiting(settings).unwrap();
    assert!(store.failed());
    let (reached, answer) = std::sync::mpsc::channel();
    store.when_reached(move || reached.send(()).unwrap());
    answer
        .recv_timeout(Duration::from_secs(5))
        .expect("it is alive");
    server.restart();
    assert_eq!(try_set(&store, "a@x", "1"), Ok(()), "it was held");
    assert!(!store.failed());
}

/// What turns out to be wrong later ends the service.
#[test]
fn a_foreign_database_that_starts_later_ends_the_service() {
    let mut server = Server::start();
    server.sql(DATABASE, "create table users (a int)");
    let settings = at(&[server.port()]);
    server.stop();
    let store = open_waiting(settings).unwrap();
    let (lost, told) = std::sync::mpsc::channel();
    store.when_lost(move || lost.send(()).unwrap());
    server.restart();
    told.recv_timeout(Duration::from_secs(30)).unwrap();
}

#[test]
fn a_check_says_what_there_is_and_makes_nothing() {
    let options = Options {
        more: "shared_buffers = 32MB".to_owned(),
        ..Options::default()
    };
    let pair = Pair::start_with(&options);
    let settings = at(&[pair.b.port(), pair.a.port(), 1]);
    let facts = examine(settings.clone()).unwrap();
    let host = |port: u16| format!("127.0.0.1:{port}");
    assert_eq!(
        (facts.host, facts.standbys),
        (host(pair.a.port()), vec![host(pair.b.port())])
    );
    assert_eq!(
        facts.unreachable,
        [(host(1), "nothing listens there".to_owned())]
    );
    assert!(
        facts.version.starts_with("PostgreSQL 1"),
        "{}",
        facts.version
    );
    assert_eq!(facts.synchronous.as_deref(), Some("FIRST 1 (b)"));
    assert_eq!(facts.replicas, Some(1));
    assert_eq!(
        (facts.data_checksums, facts.fsync),
        (Some(true), Some(false))
    );
    assert_eq!((facts.format, facts.may_create), (None, true));
    assert_eq!(facts.instances, [""; 0]);
    assert_eq!(
        pair.a.sql(
            DATABASE,
            "select count(*) from pg_tables where tablename like 'xps%'"
        ),
        "0"
    );

    let store = open(Settings {
        instance: "one".into(),
        ..settings.clone()
    })
    .unwrap();
    assert_eq!(try_set(&store, "a@x", "1"), Ok(()));
    let facts = examine(settings).unwrap();
    assert_eq!(facts.format, Some(xps_postgres::FORMAT));
    assert_eq!(facts.instances, ["one"]);
}
