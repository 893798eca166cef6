//! Several instances write the same owners at the same time.

use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;

use super::support::{assert_sound, fresh_database, in_database, pause, server, wait_until};
use xps_base::threads;
use xps_postgres::open;
use xps_store::suite::{ROOMY, change, get, owner, remove};
use xps_store::{Change, ChangeSet, Existing, Quota, SetError, Store};

const INSTANCES: usize = 3;

fn stores(database: &str) -> Vec<Store> {
    let settings = || in_database(database);
    (0..INSTANCES).map(|_| open(settings()).unwrap()).collect()
}

/// Has each instance do this at the same time, on a thread of its own.
fn together(stores: &[Store], work: impl Fn(usize, &Store) + Clone + Send + 'static) {
    let barrier = Arc::new(Barrier::new(stores.len()));
    let threads: Vec<_> = stores
        .iter()
        .enumerate()
        .map(|(number, store)| {
            let (store, barrier, work) = (store.clone(), Arc::clone(&barrier), work.clone());
            let run = move || {
                barrier.wait();
                work(number, &store);
            };
            threads::start("instance", run).unwrap()
        })
        .collect();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
}

/// Submits all of these at once; how each ends.
fn submit_all(store: &Store, sets: Vec<(&str, Quota, Vec<Change>)>) -> Vec<Result<(), SetError>> {
    let (done, answers) = mpsc::channel();
    for (at, (address, quota, changes)) in sets.into_iter().enumerate() {
        let done = done.clone();
        let set = ChangeSet {
            owner: owner(address),
            quota,
            changes,
        };
        store.submit_over(set, Existing::Replace, move |result| {
            done.send((at, result)).unwrap();
        });
    }
    drop(done);
    let mut answers: Vec<_> = answers.iter().collect();
    answers.sort_by_key(|(at, _)| *at);
    answers.into_iter().map(|(_, result)| result).collect()
}

/// One user's page was damaged, and all sets that were written with theirs failed.
#[test]
fn what_is_damaged_costs_nobody_else() {
    let database = fresh_database();
    let store = open(in_database(&database)).unwrap();
    server().sql(
        &database,
        "create function damaged() returns trigger language plpgsql as $$ begin \
           if new.owner = 'bad@x' then raise 'invalid page' using errcode = 'XX001'; end if; return new; end $$; \
         create trigger damaged before insert on xps_element for each row execute function damaged()",
    );
    let addresses: Vec<String> = (0..20).map(|number| format!("u{number}@x")).collect();
    let mut all: Vec<&str> = addresses.iter().map(String::as_str).collect();
    all.insert(7, "bad@x");
    let sets = all
        .iter()
        .map(|it| (*it, ROOMY, vec![change("n", "a", Some("1"))]));
    let ended = submit_all(&store, sets.collect());
    for (address, result) in all.iter().zip(ended) {
        assert_eq!(
            result.is_err(),
            *address == "bad@x",
            "{address}: {result:?}"
        );
    }
}

#[test]
fn quotas_are_exact_whoever_writes() {
    let database = fresh_database();
    let stores = stores(&database);
    let quota = Quota {
        max_user_elements: 200,
        max_user_bytes: 1_990,
        ..ROOMY
    };
    let (count, counts) = mpsc::channel();
    together(&stores, move |instance, store| {
        let names: Vec<String> = (0..100)
            .map(|number| format!("{instance}-{number}"))
            .collect();
        // A few at once, so that there are many writes.
        let results: Vec<_> = names
            .chunks(4)
            .flat_map(|names| {
                let change = |name| vec![change("n", name, Some("0123456789"))];
                let sets = names.iter().map(|name| ("j@c", quota, change(name)));
                submit_all(store, sets.collect())
            })
            .collect();
        let refused = |it: &&Result<(), SetError>| {
            matches!(
                it,
                Err(SetError::UserBytes {
                    limit: 1_990,
                    would_be: 2_000
                })
            )
        };
        let stored = results.iter().filter(|it| it.is_ok()).count();
        assert_eq!(
            stored + results.iter().filter(refused).count(),
            100,
            "{results:?}"
        );
        count.send(stored).unwrap();
    });
    assert_eq!(counts.iter().sum::<usize>(), 199);
    for store in &stores {
        assert_eq!(get(store, "j@c", "n", None).len(), 1_990);
        assert_eq!(store.amount(&owner("j@c")).unwrap().elements, 199);
    }
    assert_sound(server(), &database);
}

/// Sets of two elements, deletes, whole removals: never half a set, never a sum that is wrong, never an element
/// without its owner.
#[test]
fn no_set_is_torn_and_nothing_is_orphaned() {
    let database = fresh_database();
    let stores = stores(&database);
    together(&stores, |instance, store| {
        for round in 0..150_usize {
            let address = format!("user{}@x", round % 4);
            match (round * 7 + instance * 3) % 8 {
                0 => remove(store, &address),
                1 => {
                    let all = ["a", "b"].map(|name| change("n", name, None));
                    let results = submit_all(store, vec![(&address, ROOMY, all.to_vec())]);
                    assert_eq!(results, [Ok(())]);
                }
                _ => {
                    let text = format!("{instance}-{round}").repeat(1 + round % 3);
                    let both = ["a", "b"].map(|name| change("n", name, Some(&text)));
                    let results = submit_all(store, vec![(&address, ROOMY, both.to_vec())]);
                    assert_eq!(results, [Ok(())]);
                }
            }
            let found = get(store, &address, "n", None);
            let (a, b) = found.split_at(found.len() / 2);
            assert_eq!(a, b, "torn");
        }
    });
    assert_sound(server(), &database);
    for number in 0..4 {
        remove(&stores[number % INSTANCES], &format!("user{number}@x"));
    }
    assert_eq!(stores[0].owners(None, 1), Ok(vec![]));
    let left =
        "select (select sum(bytes + elements) from xps_owner) + (select count(*) from xps_element)";
    assert_eq!(server().sql(&database, left), "0");
}

/// What another has stored since is seen, although this one remembers otherwise.
#[test]
fn what_is_remembered_is_never_believed_alone() {
    let database = fresh_database();
    let stores = stores(&database);
    let set = |store: &Store, quota, name: &str, text| {
        let changes = vec![change("n", name, text)];
        submit_all(store, vec![("j@c", quota, changes)]).remove(0)
    };
    let [first, second, _] = &stores[..] else {
        panic!()
    };
    assert_eq!(set(first, ROOMY, "a", Some("1234")), Ok(()));
    assert_eq!(set(second, ROOMY, "b", Some("1234")), Ok(()));
    // The first does not know of b; deleting it is not nothing.
    assert_eq!(set(first, ROOMY, "b", None), Ok(()));
    assert_eq!(get(second, "j@c", "n", None), "1234");
    // The first knows of 4 bytes again, and the second makes room.
    let quota = Quota {
        max_user_bytes: 5,
        ..ROOMY
    };
    assert_eq!(set(second, ROOMY, "a", None), Ok(()));
    assert_eq!(set(first, quota, "c", Some("12345")), Ok(()));
    assert_eq!(get(second, "j@c", "n", None), "12345");
    // It has gone altogether, and comes again.
    remove(second, "j@c");
    assert_eq!(set(first, quota, "d", Some("1")), Ok(()));
    assert_eq!(get(second, "j@c", "n", None), "1");
    assert_sound(server(), &database);
}

/// What many owners have is read in portions. Who is not in the first is not taken for one who has nothing.
#[test]
fn owners_with_much_are_read_one_after_the_other() {
    let database = fresh_database();
    let addresses: Vec<String> = (0..20).map(|number| format!("user{number}@x")).collect();
    let [first, second, _] = &stores(&database)[..] else {
        panic!()
    };
    for address in &addresses {
        let both = ["a", "b"].map(|name| change("n", name, Some("1")));
        xps_store::suite::set(first, address, both.to_vec());
    }
    server().sql(&database, "update xps_owner set bytes = 30000000");
    let delete = |address| (address, ROOMY, vec![change("n", "a", None)]);
    let results = submit_all(second, addresses.iter().map(|it| delete(&**it)).collect());
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    for address in &addresses {
        assert_eq!(get(second, address, "n", None), "1", "{address}");
    }
    assert_sound(server(), &database);
}

/// What is counted for long holds up no request, and is no sign that the database does not get on.
#[test]
fn what_takes_long_is_not_taken_for_a_standstill() {
    let database = fresh_database();
    let store = open(in_database(&database)).unwrap();
    xps_store::suite::put_note(&store, "a@x", Some("noted"));
    let lock = "begin; lock table xps_owner in access exclusive mode;
        do $$ begin
          for i in 1..6000 loop
            perform pg_stat_clear_snapshot();
            exit when exists (select from pg_stat_activity where wait_event_type = 'Lock'
              and datname = current_database() and clock_timestamp() - query_start > '7 s');
            perform pg_sleep(0.02);
          end loop;
        end $$;
        commit";
    std::thread::scope(|scope| {
        let locks = scope.spawn(|| server().sql(&database, lock));
        let has_locked = "select count(*) from pg_locks \
            where relation = 'xps_owner'::regclass and mode = 'AccessExclusiveLock' and granted";
        wait_until("it is locked", || {
            server().sql(&database, has_locked) == "1"
        });
        let counts = scope.spawn(|| store.totals(Duration::from_secs(60)));
        let has_waited = "select count(*) from pg_stat_activity \
            where wait_event_type = 'Lock' and datname = current_database()";
        // What removes the rows of owners who have nothing may wait beside it.
        wait_until("it is counted", || {
            server().sql(&database, has_waited) != "0"
        });
        assert_eq!(store.note(&owner("a@x")), Ok(Some("noted".to_owned())));
        assert!(!locks.is_finished(), "it waited for the count");
        while !locks.is_finished() {
            assert!(!store.failed());
            pause(Duration::from_millis(20));
        }
        assert!(counts.join().unwrap().unwrap().whole);
    });
}

/// Two begin with an empty database at the same moment.
#[test]
fn a_store_is_begun_once() {
    let database = fresh_database();
    let barrier = Arc::new(Barrier::new(4));
    let threads: Vec<_> = (0..4)
        .map(|number| {
            let (barrier, settings) = (Arc::clone(&barrier), in_database(&database));
            let run = move || {
                barrier.wait();
                let store = open(settings).unwrap();
                let address = format!("user{number}@x");
                xps_store::suite::set(&store, &address, vec![change("n", "a", Some("1"))]);
            };
            threads::start("instance", run).unwrap()
        })
        .collect();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    let count = "select (select count(*) from xps_meta), (select count(*) from xps_owner)";
    assert_eq!(server().sql(&database, count), "2|4");
}

/// One of all tells how much is stored, and another when that one has gone.
#[test]
fn totals_are_told_by_one_of_all() {
    use std::sync::Mutex;
    use xps_store::Observer;

    #[derive(Debug, Default)]
    struct Seen(Mutex<Vec<Option<(u64, u64)>>>);

    impl Observer for Seen {
        fn group(&self, _: usize) {}
        fn synced(&self, _: Duration) {}
        fn failed(&self) {}
        fn stored(&self, stored: Option<(u64, u64)>) {
            self.0.lock().unwrap().push(stored);
        }
    }

    let database = fresh_database();
    let stores = stores(&database);
    xps_store::suite::set(&stores[0], "a@x", vec![change("n", "a", Some("1234"))]);
    let seen: Vec<Arc<Seen>> = stores
        .iter()
        .map(|store| {
            let seen = Arc::new(Seen::default());
            store.measure(Arc::clone(&seen) as _);
            store.count();
            seen
        })
        .collect();
    let last = |seen: &Arc<Seen>| seen.0.lock().unwrap().last().copied();
    wait_until("all have looked", || {
        seen.iter().all(|it| last(it).is_some())
    });
    let told: Vec<_> = seen.iter().filter_map(|it| last(it).flatten()).collect();
    assert_eq!(told, [(4, 1)]);
}
