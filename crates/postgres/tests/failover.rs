//! The primary is killed, frozen or replaced while sets and gets go on.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::load::Load;
use super::support::{assert_sound, at, pause, store_at, try_set, wait_until};
use xps_base::clock::Instant;
use xps_base::threads;
use xps_postgres::{Settings, open};
use xps_postgres_testing::{DATABASE, Pair, USER};
use xps_store::SetError;
use xps_store::suite::{get, owner, put_note, remove};

#[test]
fn a_killed_primary_loses_nothing() {
    let mut pair = Pair::start();
    let ports = [pair.a.port(), pair.b.port()];
    let stores = [store_at(&ports), store_at(&ports)];
    let load = Load::start(&stores);
    load.goes_on_for(200);
    pair.a.kill();
    pair.b.promote();
    load.goes_on_for(500);
    let told = load.end(&stores[0]);
    assert_eq!(told.unreachable, 0, "{told:?}");
    assert_sound(&pair.b, DATABASE);
}

/// A standby is promoted while the primary knows nothing of it, answers, and would go on for ever.
#[test]
fn an_old_primary_that_does_not_know_it_serves_nobody() {
    let pair = Pair::start();
    let ports = [pair.a.port(), pair.b.port()];
    let stores = [store_at(&ports), store_at(&ports)];
    let load = Load::start(&stores);
    load.goes_on_for(200);
    pair.b.promote();
    load.goes_on_for(500);
    let told = load.end(&stores[1]);
    assert_eq!(told.unreachable, 0, "{told:?}");
    assert_sound(&pair.b, DATABASE);
}

/// An instance that was idle while another moved on must not answer from what it was connected to.
#[test]
fn an_idle_instance_does_not_answer_from_an_old_primary() {
    let pair = Pair::start();
    let idle = store_at(&[pair.a.port(), pair.b.port()]);
    assert_eq!(try_set(&idle, "a@x", "old"), Ok(()));
    assert_eq!(get(&idle, "a@x", "n", None), "old");
    pair.b.promote();
    let other = store_at(&[pair.b.port()]);
    assert_eq!(try_set(&other, "a@x", "new"), Ok(()));
    // The old one answers everybody, and would have the old one still.
    assert_eq!(pair.a.sql(DATABASE, "select text from xps_element"), "old");
    assert_eq!(get(&idle, "a@x", "n", None), "new");
    assert_eq!(idle.amount(&owner("a@x")).unwrap().bytes, 3);
    assert_eq!(try_set(&idle, "a@x", "newer"), Ok(()));
    assert_eq!(get(&other, "a@x", "n", None), "newer");
}

/// One that reads all the time, and has its last proof still when another begins to write elsewhere.
#[test]
fn a_busy_instance_does_not_answer_from_an_old_primary() {
    let pair = Pair::start();
    let busy = store_at(&[pair.a.port(), pair.b.port()]);
    assert_eq!(try_set(&busy, "a@x", "0"), Ok(()));
    let acknowledged = Arc::new(AtomicU64::new(0));
    let ends = Arc::new(AtomicBool::new(false));
    let reads = {
        let (busy, acknowledged, ends) = (busy.clone(), acknowledged.clone(), ends.clone());
        let read = move || {
            while !ends.load(SeqCst) {
                let least = acknowledged.load(SeqCst);
                let found: u64 = get(&busy, "a@x", "n", None).parse().unwrap();
                assert!(found >= least, "{found} is stale: {least} was acknowledged");
            }
        };
        threads::start("reads", read).unwrap()
    };
    pause(Duration::from_millis(500));
    pair.b.promote();
    let other = store_at(&[pair.b.port()]);
    for number in 1..50 {
        assert_eq!(try_set(&other, "a@x", &number.to_string()), Ok(()));
        acknowledged.store(number, SeqCst);
        pause(Duration::from_millis(20));
    }
    wait_until("it has moved on", || get(&busy, "a@x", "n", None) == "49");
    ends.store(true, SeqCst);
    reads.join().unwrap();
}

/// For as long as another instance may still read its predecessor without asking anybody.
#[test]
fn a_promoted_server_is_left_alone_for_a_while() {
    let pair = Pair::start();
    pair.b.promote();
    let begun = Instant::now();
    let store = store_at(&[pair.b.port()]);
    assert_eq!(try_set(&store, "a@x", "1"), Ok(()));
    assert!(begun.elapsed() >= Duration::from_millis(300));
}

/// What is not there is not written to be removed, and a commit of nothing waits for no standby: so a primary that had
/// been replaced said that somebody was removed who had everything still.
#[test]
fn what_an_old_primary_does_not_have_is_not_gone() {
    let pair = Pair::start();
    let idle = store_at(&[pair.a.port(), pair.b.port()]);
    assert_eq!(try_set(&idle, "a@x", "1"), Ok(()));
    pair.b.promote();
    let other = store_at(&[pair.b.port()]);
    assert_eq!(try_set(&other, "b@x", "2"), Ok(()));
    put_note(&other, "b@x", Some("noted"));
    remove(&idle, "b@x");
    assert_eq!(get(&other, "b@x", "n", None), "");
    assert_eq!(other.note(&owner("b@x")), Ok(None));
}

/// The same for a note that is not what it was taken for: that proves nothing, and what is read afterwards must not be
/// read from the old primary.
#[test]
fn what_an_old_primary_does_not_write_is_no_proof() {
    let pair = Pair::start();
    let idle = store_at(&[pair.a.port(), pair.b.port()]);
    assert_eq!(try_set(&idle, "a@x", "old"), Ok(()));
    pair.b.promote();
    let other = store_at(&[pair.b.port()]);
    assert_eq!(try_set(&other, "a@x", "new"), Ok(()));
    let (done, answer) = mpsc::channel();
    let was = Some("what nobody has noted".to_owned());
    idle.put_note_if(owner("a@x"), was, Some("x".to_owned()), move |result| {
        done.send(result).unwrap();
    });
    assert_eq!(answer.recv().unwrap(), Err(SetError::Outdated));
    assert_eq!(get(&idle, "a@x", "n", None), "new");
}

#[test]
fn a_frozen_primary_is_left_and_is_not_asked_when_it_thaws() {
    let pair = Pair::start();
    let ports = [pair.a.port(), pair.b.port()];
    let stores = [store_at(&ports), store_at(&ports)];
    let load = Load::start(&stores);
    load.goes_on_for(200);
    pair.a.freeze();
    wait_until("it is noticed", || {
        stores.iter().all(|store| store.failed())
    });
    pair.b.promote();
    load.goes_on_for(500);
    pair.a.thaw();
    load.goes_on_for(2_000);
    let told = load.end(&stores[0]);
    assert_eq!(told.unreachable, 0, "{told:?}");
    assert_sound(&pair.b, DATABASE);
}

/// It thaws before anybody has taken its place: nothing has happened, but for a pause.
#[test]
fn a_primary_that_thaws_goes_on() {
    let pair = Pair::start();
    let store = store_at(&[pair.a.port(), pair.b.port()]);
    let load = Load::start(std::slice::from_ref(&store));
    load.goes_on_for(100);
    pair.a.freeze();
    wait_until("it is noticed", || store.failed());
    pair.a.thaw();
    load.goes_on_for(500);
    let told = load.end(&store);
    assert_eq!(told.unreachable, 0, "{told:?}");
    assert_sound(&pair.a, DATABASE);
}

#[test]
fn a_primary_that_crashes_and_comes_back_is_the_same() {
    let mut pair = Pair::start();
    let store = store_at(&[pair.a.port(), pair.b.port()]);
    let load = Load::start(std::slice::from_ref(&store));
    load.goes_on_for(100);
    pair.a.kill();
    wait_until("it is noticed", || store.failed());
    pair.a.restart();
    load.goes_on_for(500);
    let told = load.end(&store);
    assert_eq!(told.unreachable, 0, "{told:?}");
    assert_sound(&pair.a, DATABASE);
}

const TERMINATE: &str = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
    where application_name like 'xmpp-private-storage%'";

/// Sessions are ended again and again in the middle of what they do.
#[test]
fn ended_sessions_cost_nothing() {
    let pair = Pair::start();
    let ports = [pair.a.port(), pair.b.port()];
    let stores = [store_at(&ports), store_at(&ports)];
    let load = Load::start(&stores);
    for _ in 0..40 {
        pair.a.sql("postgres", TERMINATE);
        pause(Duration::from_millis(50));
    }
    load.goes_on_for(200);
    let told = load.end(&stores[0]);
    assert_eq!(told.unreachable, 0, "{told:?}");
    assert_sound(&pair.a, DATABASE);
}

/// A password that is changed, or a host that lets us in no more, is found out with the next connection. All others were
/// cut with it, and nobody was served.
#[test]
fn a_server_that_lets_nobody_else_in_is_used_over_the_connections_there_are() {
    let pair = Pair::start();
    let store = store_at(&[pair.a.port(), pair.b.port()]);
    assert_eq!(try_set(&store, "a@x", "1"), Ok(()));
    let may = |it: &str| pair.a.sql("postgres", &format!("alter role {USER} {it}"));
    may("nologin");
    assert_eq!(try_set(&store, "a@x", "1"), Ok(()));
    pair.a.sql("postgres", &format!("{TERMINATE} and pid = (select max(pid) from pg_stat_activity where application_name like 'xmpp-private-storage%')"));
    let begun = Instant::now();
    // Shorter than the primary may be silent.
    while begun.elapsed() < Duration::from_secs(2) {
        assert!(!store.failed());
        pause(Duration::from_millis(50));
    }
    may("login");
    wait_until("it goes on", || try_set(&store, "a@x", "2") == Ok(()));
}

/// Each counts in a note of their own, over what it was. Done twice, it would be outdated or too much.
#[test]
fn what_was_in_doubt_is_done_once() {
    let pair = Pair::start();
    let store = store_at(&[pair.a.port(), pair.b.port()]);
    let ends = Arc::new(AtomicBool::new(false));
    let counters: Vec<_> = (0..8)
        .map(|number| {
            let (store, ends) = (store.clone(), Arc::clone(&ends));
            let count = move || {
                let mut count = 0_u64;
                while !ends.load(SeqCst) {
                    let was = (count > 0).then(|| count.to_string());
                    count += 1;
                    let address = format!("user{number}@x");
                    let (done, answer) = mpsc::channel();
                    let next = Some(count.to_string());
                    store.put_note_if(owner(&address), was, next, move |result| {
                        done.send(result).unwrap();
                    });
                    assert_eq!(answer.recv().unwrap(), Ok(()), "{count}");
                    assert_eq!(try_set(&store, &address, &count.to_string()), Ok(()));
                }
                (number, count)
            };
            threads::start("counts", count).unwrap()
        })
        .collect();
    for _ in 0..60 {
        pair.a.sql("postgres", TERMINATE);
        pause(Duration::from_millis(30));
    }
    let least = "select coalesce(min(text::int8), 0) from xps_note";
    let least = || pair.a.sql(DATABASE, least).parse::<u64>().unwrap();
    wait_until("each has counted", || least() > 20);
    ends.store(true, SeqCst);
    for counter in counters {
        let (number, count) = counter.join().unwrap();
        let address = format!("user{number}@x");
        assert_eq!(store.note(&owner(&address)), Ok(Some(count.to_string())));
        assert_eq!(get(&store, &address, "n", None), count.to_string());
    }
}

/// Two instances write the same owners, and lose their sessions again and again. The database keeps a record of
/// every text that took effect: none may do so twice, whoever has written between.
#[test]
fn nothing_takes_effect_twice() {
    let pair = Pair::start();
    let ports = [pair.a.port(), pair.b.port()];
    let stores = [store_at(&ports), store_at(&ports)];
    pair.a.sql(
        DATABASE,
        "create table record (text text);
         create function record() returns trigger language plpgsql security definer as
           'begin insert into record values (new.text); return null; end';
         create trigger begun after insert on xps_element for each row execute function record();
         create trigger replaced after update on xps_element for each row
           when (new.text <> old.text) execute function record()",
    );
    let ends = Arc::new(AtomicBool::new(false));
    let threads: Vec<_> = (0..8)
        .map(|number| {
            let (store, ends) = (stores[number % 2].clone(), Arc::clone(&ends));
            let work = move || {
                for round in 0.. {
                    if ends.load(SeqCst) {
                        return;
                    }
                    let address = format!("user{}@x", number / 4);
                    match try_set(&store, &address, &format!("{number} {round}")) {
                        // Where others have written since more than once, nobody can tell.
                        Ok(()) | Err(SetError::Unreachable) => {}
                        Err(error) => panic!("{error:?}"),
                    }
                }
            };
            threads::start("sets", work).unwrap()
        })
        .collect();
    for _ in 0..100 {
        // Those that have committed and wait for the standby, mostly: others wait for them, and write at once.
        pair.a.sql(
            "postgres",
            &format!("{TERMINATE} and (wait_event = 'SyncRep' or random() < 0.2)"),
        );
        pause(Duration::from_millis(20));
    }
    let count = || pair.a.sql(DATABASE, "select count(*) from record");
    wait_until("there is enough", || count().parse::<u32>().unwrap() > 200);
    ends.store(true, SeqCst);
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    let twice = "select coalesce(string_agg(text, ','), '') from \
        (select text from record group by text having count(*) > 1) as twice";
    assert_eq!(pair.a.sql(DATABASE, twice), "");
    assert_sound(&pair.a, DATABASE);
}

/// Once another was seen to be the primary, the one before is not used again, even where it is the only one left and
/// would acknowledge everything.
#[test]
fn there_is_no_way_back_to_an_old_primary() {
    let mut pair = Pair::start();
    let settings = Settings {
        hold: Duration::from_secs(4),
        ..at(&[pair.a.port(), pair.b.port()])
    };
    let store = open(settings).unwrap();
    assert_eq!(try_set(&store, "a@x", "1"), Ok(()));
    pair.b.promote();
    pair.a.sql(
        "postgres",
        "alter system set synchronous_standby_names = ''",
    );
    pair.a.sql(
        "postgres",
        "select pg_terminate_backend(pid) from pg_stat_activity \
        where application_name like 'xmpp-private-storage%'",
    );
    wait_until("it has moved on", || {
        try_set(&store, "a@x", "2") == Ok(())
            && pair.b.sql(DATABASE, "select text from xps_element") == "2"
    });
    pair.a.sql("postgres", "select pg_reload_conf()");
    pair.b.kill();
    assert_eq!(try_set(&store, "a@x", "3"), Err(SetError::Unreachable));
    assert!(store.failed());
    pair.b.restart();
    wait_until("it goes on", || try_set(&store, "a@x", "4") == Ok(()));
    assert_eq!(get(&store, "a@x", "n", None), "4");
}

#[test]
fn what_waits_for_too_long_is_told_and_what_follows_is_held() {
    let mut pair = Pair::start();
    let settings = Settings {
        hold: Duration::from_secs(3),
        ..at(&[pair.a.port(), pair.b.port()])
    };
    let store = open(settings).unwrap();
    assert_eq!(try_set(&store, "a@x", "1"), Ok(()));
    pair.a.kill();
    assert_eq!(try_set(&store, "a@x", "2"), Err(SetError::Unreachable));
    let mut text = String::new();
    let read = store.read(&owner("a@x"), "n", None, &mut text);
    assert_eq!(read, Err(xps_store::ReadError::Unreachable));
    assert!(store.failed());
    pair.b.promote();
    assert_eq!(try_set(&store, "a@x", "3"), Ok(()));
    assert_eq!(get(&store, "a@x", "n", None), "3");
    assert!(!store.failed());
}
