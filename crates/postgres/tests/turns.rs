//! One instance at a time has the turn of an owner.

use std::sync::mpsc;

use super::support::{fresh_database, in_database, server, store_at, try_set, wait_until};
use xps_postgres::open;
use xps_postgres_testing::{Pair, Proxy, Server, Way};
use xps_store::suite::{owner, put_note};
use xps_store::{Store, Taken};

/// How the server shows whoever has one.
const HOLDERS: &str = "select count(*) from pg_locks l join pg_database d on d.oid = l.database \
    where l.locktype = 'advisory' and d.datname = current_database()";

fn take(store: &Store, address: &str) -> Option<Taken> {
    let (tell, told) = mpsc::channel();
    store.take_turn(&owner(address), move |taken| tell.send(taken).unwrap());
    told.recv().unwrap().unwrap()
}

/// The same, as soon as it is to be had.
fn wait_for(store: &Store, address: &str) -> Taken {
    let mut taken = None;
    wait_until("it is to be had", || {
        taken = take(store, address);
        taken.is_some()
    });
    taken.unwrap()
}

#[test]
fn stores_exclude_each_other_and_whoever_waits_holds_up_nobody() {
    let database = fresh_database();
    let [first, second] = [(); 2].map(|()| open(in_database(&database)).unwrap());
    put_note(&first, "a@x", Some("noted"));
    let had = take(&first, "a@x").unwrap();
    assert_eq!(had.note, Ok(Some("noted".to_owned())));
    assert!(take(&second, "a@x").is_none());
    let other = take(&second, "b@x").unwrap();
    assert_eq!(other.note, Ok(None));
    assert_eq!(try_set(&second, "a@x", "1"), Ok(()));
    assert!(had.hold.is_held() && other.hold.is_held());
    drop(had);
    let had = wait_for(&second, "a@x");
    assert!(take(&first, "a@x").is_none());
    drop((had, other));
    wait_until("all are given back", || {
        server().sql(&database, HOLDERS) == "0"
    });
}

/// Nobody had waited for the answer any more.
#[test]
fn what_nobody_takes_is_given_back() {
    let database = fresh_database();
    let [first, second] = [(); 2].map(|()| open(in_database(&database)).unwrap());
    first.take_turn(&owner("a@x"), drop);
    drop(wait_for(&second, "a@x"));
    // An instance that ends has none any more.
    let had = wait_for(&first, "a@x");
    first.close();
    assert!(wait_for(&second, "a@x").hold.is_held());
    assert!(!had.hold.is_held());
}

#[test]
fn a_session_that_is_ended_takes_its_turns_with_it() {
    let database = fresh_database();
    let [first, second] = [(); 2].map(|()| open(in_database(&database)).unwrap());
    let had = take(&first, "a@x").unwrap();
    let end = "select count(pg_terminate_backend(pid)) from pg_locks l \
        join pg_database d on d.oid = l.database \
        where l.locktype = 'advisory' and d.datname = current_database()";
    assert_eq!(server().sql(&database, end), "1");
    let other = wait_for(&second, "a@x");
    wait_until("it is known", || !had.hold.is_held());
    // What was lost gives nothing back.
    drop(had);
    assert!(take(&first, "a@x").is_none() && other.hold.is_held());
}

/// The network swallows all that an instance says: it knows that it has no turn any more before another can have it.
#[test]
fn an_instance_that_is_cut_off_loses_its_turns_before_another_has_them() {
    let server = Server::start();
    let proxy = Proxy::to(server.port());
    let (far, near) = (store_at(&[proxy.port()]), store_at(&[server.port()]));
    let had = take(&far, "a@x").unwrap();
    proxy.set(Way::Swallows);
    assert!(had.hold.is_held(), "it may be that nothing is wrong");
    drop(wait_for(&near, "a@x"));
    assert!(!had.hold.is_held());
    proxy.set(Way::Open);
    drop(wait_for(&far, "a@x"));
}

#[test]
fn another_primary_knows_of_no_turns() {
    let mut pair = Pair::start();
    let ports = [pair.a.port(), pair.b.port()];
    let [first, second] = [(); 2].map(|()| store_at(&ports));
    let had = take(&first, "a@x").unwrap();
    pair.a.kill();
    pair.b.promote();
    let other = wait_for(&second, "a@x");
    wait_until("it is known", || !had.hold.is_held());
    assert!(other.hold.is_held() && take(&first, "a@x").is_none());
}
