//! What is acknowledged is on two machines.

use std::sync::mpsc;
use std::time::Duration;

use super::load::Load;
use super::support::{at, pause, store_at, try_set, wait_until};
use xps_postgres::{OpenError, Settings, open, open_waiting};
use xps_postgres_testing::{DATABASE, Pair, USER};
use xps_store::suite::{change, get, owner};
use xps_store::{ChangeSet, Quota, ReadError, SetError, Store};

fn strict(pair: &Pair) -> Settings {
    Settings {
        require_synchronous: true,
        hold: Duration::from_secs(4),
        ..at(&[pair.a.port(), pair.b.port()])
    }
}

fn connections(pair: &Pair) -> usize {
    let count =
        "select count(*) from pg_stat_activity where application_name like 'xmpp-private-storage%'";
    pair.a.sql("postgres", count).parse().unwrap()
}

#[test]
fn nothing_is_acknowledged_without_the_standby() {
    let mut pair = Pair::start();
    let store = open(strict(&pair)).unwrap();
    assert_eq!(try_set(&store, "a@x", "1"), Ok(()));
    pair.b.stop();
    assert_eq!(try_set(&store, "a@x", "2"), Err(SetError::Unreachable));
    // What cannot be proved is not told either.
    let mut text = String::new();
    let read = store.read(&owner("a@x"), "n", None, &mut text);
    assert_eq!(read, Err(ReadError::Unreachable));
    assert!(store.failed(), "nothing is done");
    // However long it takes, and whatever is asked, no more and more connections wait at the server.
    for _ in 0..6 {
        let read = store.read(&owner("a@x"), "n", None, &mut text);
        assert_eq!(read, Err(ReadError::Unreachable));
    }
    assert!(connections(&pair) <= 5, "{}", connections(&pair));
    pair.b.restart();
    wait_until("it goes on", || try_set(&store, "a@x", "3") == Ok(()));
    assert_eq!(get(&store, "a@x", "n", None), "3");
}

/// Whoever only asked had each question given up in time, and the next counted as the first that was not answered: the
/// service stayed ready, and nobody was served.
#[test]
fn a_standstill_is_seen_also_where_everybody_only_asks() {
    let mut pair = Pair::start();
    let store = open(strict(&pair)).unwrap();
    assert_eq!(try_set(&store, "a@x", "1"), Ok(()));
    pair.b.stop();
    let mut text = String::new();
    let mut ask = || store.read(&owner("a@x"), "n", None, &mut text);
    wait_until("it stands still", || ask().is_err() && store.failed());
    for _ in 0..3 {
        assert_eq!(ask(), Err(ReadError::Unreachable));
        assert!(store.failed());
    }
    pair.b.restart();
    wait_until("it goes on", || ask().is_ok() && !store.failed());
}

/// A session that had found a setting as it must be followed whatever the server was told later.
#[test]
fn what_the_server_is_told_later_makes_no_commit_less_durable() {
    let mut pair = Pair::start();
    let store = open(strict(&pair)).unwrap();
    assert_eq!(try_set(&store, "a@x", "1"), Ok(()));
    for sql in [
        "alter system set synchronous_commit = local",
        "select pg_reload_conf()",
    ] {
        pair.a.sql("postgres", sql);
    }
    let is_local = || pair.a.sql("postgres", "show synchronous_commit") == "local";
    wait_until("it is told", is_local);
    pair.b.stop();
    assert_eq!(try_set(&store, "a@x", "2"), Err(SetError::Unreachable));
    pair.b.restart();
    wait_until("it goes on", || try_set(&store, "a@x", "3") == Ok(()));
}

/// The server says that all is well when somebody cancels a commit that waits for the standby; and where the user's own
/// settings hide its warnings, it said nothing else.
#[test]
fn a_cancelled_wait_is_no_acknowledgement() {
    let mut pair = Pair::start();
    let hide = format!("alter role {USER} set client_min_messages = error");
    pair.a.sql("postgres", &hide);
    let store = open(strict(&pair)).unwrap();
    assert_eq!(try_set(&store, "a@x", "1"), Ok(()));
    pair.b.stop();
    let (done, answer) = mpsc::channel();
    let set = ChangeSet {
        owner: owner("a@x"),
        quota: Quota::NONE,
        changes: vec![change("n", "a", Some("2"))],
    };
    store.submit(set, move |result| done.send(result).unwrap());
    let cancel = "select count(pg_cancel_backend(pid)) from pg_stat_activity \
        where wait_event = 'SyncRep' and application_name like 'xmpp-private-storage%'";
    wait_until("it waits", || pair.a.sql("postgres", cancel) != "0");
    // It is committed, on one machine.
    let there = "select text from xps_element";
    wait_until("it is there", || pair.a.sql(DATABASE, there) == "2");
    assert_eq!(answer.recv().unwrap(), Err(SetError::Unreachable));
    pair.b.restart();
    wait_until("it goes on", || try_set(&store, "a@x", "3") == Ok(()));
    assert_eq!(get(&store, "a@x", "n", None), "3");
}

/// While what would be acknowledged is on one machine alone, nothing is.
#[test]
fn a_primary_without_synchronous_standbys_is_not_used_where_they_are_required() {
    let pair = Pair::start();
    let store = open(strict(&pair)).unwrap();
    assert_eq!(try_set(&store, "a@x", "1"), Ok(()));
    pair.set_synchronous(false);
    assert_eq!(try_set(&store, "a@x", "2"), Err(SetError::Unreachable));
    wait_until("it is not ready", || store.failed());
    match open(strict(&pair)) {
        Err(OpenError::NotSynchronous { host }) => {
            assert_eq!(host, format!("127.0.0.1:{}", pair.a.port()));
        }
        other => panic!("{other:?}"),
    }
    // One that can wait does.
    let waiting = open_waiting(strict(&pair)).unwrap();
    assert!(waiting.failed());
    pair.set_synchronous(true);
    for (store, text) in [(&store, "3"), (&waiting, "4")] {
        wait_until("it goes on", || try_set(store, "a@x", text) == Ok(()));
        assert_eq!(get(store, "a@x", "n", None), text);
    }
}

/// As with Patroni's synchronous_mode that is not strict: a standby that is lost is waited for no longer.
#[test]
fn a_lost_standby_costs_a_pause() {
    let mut pair = Pair::start();
    let store: Store = store_at(&[pair.a.port(), pair.b.port()]);
    let load = Load::start(std::slice::from_ref(&store));
    load.goes_on_for(100);
    pair.b.kill();
    pause(Duration::from_secs(7));
    pair.a.sql(
        "postgres",
        "alter system set synchronous_standby_names = ''",
    );
    pair.a.sql("postgres", "select pg_reload_conf()");
    load.goes_on_for(500);
    let told = load.end(&store);
    assert_eq!(told.unreachable, 0, "{told:?}");
}
