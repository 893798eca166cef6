//! A database that is not there when the program starts, and one that holds what it must not.

use std::time::Duration;

use crate::scripted::stage::{Stage, set};
use crate::support::clock::eventually;
use crate::support::component::{Component, Options};
use crate::support::database::{Database, storage_on};
use crate::support::ports;
use crate::support::router::{PATIENCE, Router};
use xps_postgres_testing::Server;

/// On a server that is down.
fn down() -> (Server, Router, Component) {
    let mut server = Server::start();
    server.stop();
    let router = Router::new();
    let mut options = Options::at(router.address());
    options.storage = storage_on(&[ports::address(server.port())]);
    let component = Component::start(options);
    component.wait_for_log("nothing listens there", PATIENCE);
    (server, router, component)
}

#[test]
fn a_database_that_comes_late_is_waited_for() {
    let (mut server, router, mut component) = down();
    server.restart();
    let session = router.let_in();
    assert_eq!(component.exited(), None);
    let mut stage = Stage {
        router,
        session,
        component,
    };
    eventually("served", || {
        stage.send(set("1", "<a xmlns='urn:x'>1</a>"));
        stage.next().contains("type='result'")
    });
    stage.fetch("<a xmlns='urn:x'/>", "<a xmlns='urn:x'>1</a>");
}

/// It says so once, and not with every attempt; and it can be stopped.
#[test]
fn a_database_that_never_comes_is_told_once() {
    let (_server, _router, mut component) = down();
    std::thread::sleep(Duration::from_secs(3));
    let told = |line: &&String| line.contains("nothing listens there");
    assert_eq!(component.log().iter().filter(told).count(), 1);
    assert_eq!(component.stop().code(), Some(0));
}

/// How the program ends that may not use this database, and what it says.
#[track_caller]
fn refused(storage: String) -> (Option<i32>, String) {
    let router = Router::new();
    let mut options = Options::at(router.address());
    options.storage = storage;
    let mut component = Component::start(options);
    eventually("its end", || component.exited().is_some());
    let code = component.exited().and_then(|status| status.code());
    (code, component.log().join("\n"))
}

#[track_caller]
fn is_refused(storage: String, code: i32, words: &str) {
    let (ended, said) = refused(storage);
    assert_eq!(ended, Some(code), "{said}");
    assert!(said.contains(words), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}

/// A database in which the program has made a store.
fn begun() -> Database {
    let database = Database::start();
    let mut stage = Stage::configured(|options| options.storage = database.storage());
    stage.store("<a xmlns='urn:x'>1</a>");
    assert!(stage.component.stop().success());
    database
}

#[test]
fn a_database_of_something_else_is_refused_and_left_as_it_is() {
    let database = Database::start();
    database.sql("create table users (name text)");
    is_refused(database.storage(), 78, "holds a table users");
    let tables = "select string_agg(tablename, ' ') from pg_tables where schemaname = 'public'";
    assert_eq!(database.sql(tables), "users");
}

#[test]
fn half_a_store_is_refused_and_nothing_is_made_in_its_place() {
    for (damage, words) in [
        ("drop table xps_element", "the table xps_element is missing"),
        ("drop table xps_meta", "the table xps_meta is missing"),
        (
            "delete from xps_meta",
            "xps_meta does not say what the store is",
        ),
        (
            "alter table xps_owner drop column stamp",
            "the column xps_owner.stamp is missing",
        ),
    ] {
        let database = begun();
        database.sql(damage);
        is_refused(database.storage(), 74, words);
        assert_eq!(database.sql("select count(*) from xps_owner"), "1");
    }
}

#[test]
fn a_store_of_a_newer_release_is_refused() {
    let database = begun();
    database.sql("update xps_meta set value = '99' where key = 'format'");
    is_refused(database.storage(), 74, "written by a newer release");
    assert_eq!(database.sql("select count(*) from xps_element"), "1");
}
