//! What is noted about owners.

use std::sync::{Arc, Barrier, mpsc};

use super::{Rig, change, compact, owner, put_note, remove, set};
use crate::{SetError, Store};
use xps_base::threads;

fn put_if(store: &Store, was: Option<&str>, text: Option<&str>) -> Result<(), SetError> {
    let (done, answer) = mpsc::channel();
    let [was, text] = [was, text].map(|it| it.map(str::to_owned));
    store.put_note_if(owner("a@x"), was, text, move |result| {
        done.send(result).unwrap();
    });
    answer.recv().unwrap()
}

fn note(store: &Store) -> Option<String> {
    store.note(&owner("a@x")).unwrap()
}

pub fn a_note_is_kept_beside_what_an_owner_has_and_goes_with_it(rig: &dyn Rig) {
    let store = rig.open();
    assert_eq!(note(&store), None);
    put_note(&store, "a@x", Some(&"x".repeat(200_000)));
    put_note(&store, "a@x", Some("short"));
    set(&store, "a@x", vec![change("n", "a", Some("<a/>"))]);
    compact(&store);
    store.close();

    let store = rig.open();
    assert_eq!(note(&store), Some("short".to_owned()));
    assert_eq!(store.note(&owner("a@")), Ok(None), "nobody else's");
    assert_eq!(store.owners(None, 10), Ok(vec![owner("a@x")]));
    let amount = store.amount(&owner("a@x")).unwrap();
    assert_eq!((amount.bytes, amount.elements), (4, 1));
    remove(&store, "a@x");
    assert_eq!(note(&store), None);
    put_note(&store, "a@x", Some("again"));
    put_note(&store, "a@x", None);
    assert_eq!(note(&store), None);
}

pub fn a_note_is_put_only_over_the_one_that_was_read(rig: &dyn Rig) {
    let store = rig.open();
    let long = "x".repeat(200_000);
    assert_eq!(
        put_if(&store, Some("other"), Some("a")),
        Err(SetError::Outdated)
    );
    assert_eq!(note(&store), None);
    assert_eq!(put_if(&store, None, Some(&long)), Ok(()));
    assert_eq!(put_if(&store, None, Some("b")), Err(SetError::Outdated));
    assert_eq!(put_if(&store, Some("x"), None), Err(SetError::Outdated));
    assert_eq!(note(&store), Some(long.clone()));
    assert_eq!(put_if(&store, Some(&long), Some("b")), Ok(()));
    assert_eq!(
        put_if(&store, Some("b"), Some("b")),
        Ok(()),
        "the same again"
    );
    assert_eq!(put_if(&store, Some("b"), None), Ok(()));
    assert_eq!(
        put_if(&store, Some("b"), Some("c")),
        Err(SetError::Outdated)
    );
    assert_eq!(note(&store), None);
    assert_eq!(put_if(&store, None, None), Ok(()));
    // What somebody has does not matter, and is not touched.
    set(&store, "a@x", vec![change("n", "a", Some("<a/>"))]);
    assert_eq!(put_if(&store, None, Some("d")), Ok(()));
    remove(&store, "a@x");
    assert_eq!(
        put_if(&store, Some("d"), Some("e")),
        Err(SetError::Outdated)
    );
    assert_eq!(store.owners(None, 1), Ok(vec![]));
}

pub fn of_many_who_read_the_same_note_one_puts_another(rig: &dyn Rig) {
    const THREADS: usize = 4;
    const EACH: usize = 50;
    let store = rig.open();
    let barrier = Arc::new(Barrier::new(THREADS));
    let counts = |store: Store| {
        for _ in 0..EACH {
            loop {
                let was = note(&store);
                let number: usize = was.as_deref().map_or(0, |it| it.parse().unwrap());
                let next = (number + 1).to_string();
                match put_if(&store, was.as_deref(), Some(&next)) {
                    Ok(()) => break,
                    Err(error) => assert_eq!(error, SetError::Outdated),
                }
            }
        }
    };
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (store, barrier) = (store.clone(), Arc::clone(&barrier));
            let work = move || {
                barrier.wait();
                counts(store);
            };
            threads::start("counts", work).unwrap()
        })
        .collect();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    assert_eq!(note(&store), Some((THREADS * EACH).to_string()));
}
