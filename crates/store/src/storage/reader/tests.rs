//! What is read for many who ask at once.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::sleep;

use super::MAX_HELD;
use crate::local::BATCH_BYTES;
use crate::suite::{Distant, change, owner, set};
use crate::{Query, Storage, Store};

/// The length of what each get finds.
const LONG: usize = 256 * 1024;

/// Gets of one user were answered in order, and each held what it had found until the one before was
/// answered. A later one was read before an earlier one could ask, and nothing was read any more.
#[test]
fn what_is_held_is_bounded_and_each_owner_is_read_in_the_order_of_asking() {
    const GETS: usize = 100;
    const MOST: usize = (MAX_HELD + BATCH_BYTES + LONG) / LONG;
    let store = Store::by_caller();
    set(
        &store,
        "u@h",
        vec![change("n", "a", Some(&"x".repeat(LONG)))],
    );
    let storage = Storage::new(store).unwrap();
    let query = Arc::new(Query {
        owner: owner("u@h"),
        namespace: "n".to_owned(),
        names: vec!["a".to_owned()],
        or_all: false,
    });
    let runtime = Builder::new_current_thread().enable_time().build();
    let gets = async {
        let found = Rc::new(RefCell::new(Vec::new()));
        // How many are over, from when on they may be.
        let (over, _) = watch::channel(None);
        let get = |number| {
            let got = storage.get(Arc::clone(&query), |found| found.unwrap()[0].text.len());
            let (found, over, mut turn) = (Rc::clone(&found), over.clone(), over.subscribe());
            spawn_local(async move {
                let (length, held) = got.await;
                assert_eq!(length, LONG);
                found.borrow_mut().push(number);
                turn.wait_for(|over| *over == Some(number)).await.unwrap();
                drop(held);
                over.send_replace(Some(number + 1));
            })
        };
        let gets: Vec<_> = (0..GETS).map(get).collect();
        while found.borrow().len() < MAX_HELD / LONG {
            sleep(Duration::from_millis(1)).await;
        }
        sleep(Duration::from_millis(50)).await;
        let before = found.borrow().len();
        assert!(before <= MOST, "{before} were read, and nobody had let go");
        over.send_replace(Some(0));
        for get in gets {
            get.await.unwrap();
        }
        assert!(found.borrow().iter().copied().eq(0..GETS), "{found:?}");
    };
    runtime.unwrap().block_on(LocalSet::new().run_until(gets));
}

#[test]
fn a_panic_in_a_batch_costs_the_one_that_met_it() {
    let store = Store::by_caller();
    set(&store, "u@h", vec![change("n", "a", Some("<a/>"))]);
    let storage = Storage::new(store).unwrap();
    let runtime = Builder::new_current_thread().enable_time().build();
    let gets = async {
        let get = |number: usize| {
            let query = Arc::new(Query {
                owner: owner("u@h"),
                namespace: "n".to_owned(),
                names: vec!["a".to_owned()],
                or_all: false,
            });
            let got = storage.get(query, move |found| {
                assert_ne!(number, 3);
                found.unwrap()[0].text.clone()
            });
            spawn_local(async move { got.await.0 })
        };
        let gets: Vec<_> = (0..6).map(get).collect();
        for (number, get) in gets.into_iter().enumerate() {
            match get.await {
                Ok(found) => assert_eq!(found, "<a/>"),
                Err(error) => assert!(number == 3 && error.is_panic(), "{number}"),
            }
        }
    };
    runtime.unwrap().block_on(LocalSet::new().run_until(gets));
}

/// While a batch was on its way to a database and back, nothing else was asked of that.
#[test]
fn two_batches_are_read_at_once_of_a_store_that_is_not_quick_but_not_for_one_owner() {
    let storage = Storage::new(Store::on(Distant::by_caller())).unwrap();
    let made = Arc::new(Mutex::new(Vec::new()));
    let (tell, told) = mpsc::channel();
    let get = |who: &'static str, number, told: Option<Receiver<()>>, tell: Option<Sender<()>>| {
        let query = Query {
            owner: owner(who),
            namespace: "n".to_owned(),
            names: vec!["a".to_owned()],
            or_all: false,
        };
        let made = Arc::clone(&made);
        let got = storage.get(Arc::new(query), move |_| {
            if let Some(told) = told {
                told.recv_timeout(Duration::from_secs(60)).unwrap();
            }
            made.lock().unwrap().push((who, number));
            if let Some(tell) = tell {
                tell.send(()).unwrap();
            }
        });
        spawn_local(async move { got.await.0 })
    };
    let runtime = Builder::new_current_thread().enable_time().build();
    let gets = async {
        let waits = get("a@h", 0, Some(told), None);
        // Its batch is taken without the others.
        sleep(Duration::from_millis(1)).await;
        let next = get("a@h", 1, None, None);
        let other = get("b@h", 0, None, Some(tell));
        for get in [waits, next, other] {
            get.await.unwrap();
        }
    };
    runtime.unwrap().block_on(LocalSet::new().run_until(gets));
    let made = made.lock().unwrap();
    assert_eq!(made[..], [("b@h", 0), ("a@h", 0), ("a@h", 1)]);
}
