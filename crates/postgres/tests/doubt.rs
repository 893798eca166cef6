//! Writes whose answers are lost, and what others do before they are sent again.

use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use super::support::{
    assert_sound, fresh_database, in_database, server, store_at, try_set, wait_until,
};
use xps_postgres::{Settings, open};
use xps_postgres_testing::{DATABASE, Proxy, Server, Way};
use xps_store::suite::{change, get, owner, remove, set};
use xps_store::{Change, ChangeSet, Quota, SetError, Store};

/// An instance whose answers can be lost, and one beside it.
struct Stage {
    server: Server,
    proxy: Proxy,
    deaf: Store,
    other: Store,
}

impl Stage {
    fn new() -> Self {
        let server = Server::start();
        let proxy = Proxy::to(server.port());
        let (deaf, other) = (store_at(&[proxy.port()]), store_at(&[server.port()]));
        assert_eq!(try_set(&deaf, "somebody@x", "1"), Ok(()));
        Self {
            server,
            proxy,
            deaf,
            other,
        }
    }

    /// Has this done for one who is known, and the answer lost.
    fn lose_answer(&self, address: &str, changes: Vec<Change>) -> Receiver<Result<(), SetError>> {
        let stamps = || {
            let of =
                format!("select coalesce(max(stamp), 0) from xps_owner where owner = '{address}'");
            self.server.sql(DATABASE, &of)
        };
        let before = stamps();
        self.proxy.set(Way::Deaf);
        let (done, answer) = mpsc::channel();
        let set = ChangeSet {
            owner: owner(address),
            quota: Quota::NONE,
            changes,
        };
        self.deaf
            .submit(set, move |result| done.send(result).unwrap());
        wait_until("it is done", || stamps() != before);
        answer
    }

    /// Has it sent again.
    fn hear(&self) {
        self.proxy.set(Way::Open);
        self.proxy.cut();
    }
}

/// It was: a write that begins an owner was done, and removed by another, and then done again by who had not heard of it.
#[test]
fn who_was_begun_and_removed_is_not_begun_again() {
    let stage = Stage::new();
    // Who asks in vain knows that there is nobody.
    set(&stage.deaf, "a@x", vec![change("n", "a", None)]);
    let answer = stage.lose_answer("a@x", vec![change("n", "a", Some("1"))]);
    assert_eq!(get(&stage.other, "a@x", "n", None), "1");
    remove(&stage.other, "a@x");
    stage.hear();
    assert_eq!(answer.recv().unwrap(), Ok(()));
    assert_eq!(get(&stage.other, "a@x", "n", None), "");
    assert_eq!(get(&stage.deaf, "a@x", "n", None), "");
    assert_sound(&stage.server, DATABASE);
}

/// What another is about to write over it stays: the one that is sent again saw its own stamp still, and waited for
/// the other only to write over it.
#[test]
fn what_another_is_about_to_write_is_not_written_over() {
    let stage = Stage::new();
    let two = |text| vec![change("n", "a", Some(text)), change("n", "b", Some(text))];
    set(&stage.deaf, "a@x", two("0"));
    // With a delete, it is a transaction.
    let changes = vec![change("n", "a", Some("1")), change("n", "b", None)];
    let answer = stage.lose_answer("a@x", changes);
    let write = "begin;
         update xps_owner set was = stamp, stamp = 1 where owner = 'a@x';
         update xps_element set text = '2' where owner = 'a@x';
         do $$ begin
           for i in 1..3000 loop
             perform pg_stat_clear_snapshot();
             exit when exists (select from pg_stat_activity
               where wait_event_type = 'Lock' and application_name like 'xmpp-private-storage%');
             perform pg_sleep(0.02);
           end loop;
         end $$;
         commit";
    std::thread::scope(|scope| {
        scope.spawn(|| stage.server.sql(DATABASE, write));
        let has_written = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'";
        wait_until("it is written", || {
            stage.server.sql("postgres", has_written) == "1"
        });
        stage.hear();
    });
    assert_eq!(answer.recv().unwrap(), Ok(()));
    assert_eq!(get(&stage.other, "a@x", "n", None), "2");
    assert_sound(&stage.server, DATABASE);
}

/// The row of who has nothing any more goes later, unless they have come back.
#[test]
fn nothing_is_left_for_ever_of_who_was_removed() {
    let database = fresh_database();
    let store = open(in_database(&database)).unwrap();
    for address in ["gone@x", "back@x"] {
        set(&store, address, vec![change("n", "a", Some("1"))]);
        remove(&store, address);
    }
    let rows = || server().sql(&database, "select string_agg(owner, ' ') from xps_owner");
    assert_eq!(store.owners(None, 1), Ok(vec![]));
    // It is seen, and later removed: after so many times as long as requests wait.
    let impatient = Settings {
        hold: Duration::from_millis(1),
        ..in_database(&database)
    };
    let impatient = open(impatient).unwrap();
    set(&store, "back@x", vec![change("n", "a", Some("1"))]);
    wait_until("the row has gone", || rows() == "back@x");
    assert_eq!(get(&store, "back@x", "n", None), "1");
    // Whoever remembers the row finds that it has gone, and begins anew.
    set(&store, "gone@x", vec![change("n", "a", Some("2"))]);
    assert_eq!(get(&store, "gone@x", "n", None), "2");
    drop(impatient);
    assert_sound(server(), &database);
}
