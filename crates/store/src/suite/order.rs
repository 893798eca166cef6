//! What comes first, and what comes too late.

use std::sync::mpsc;

use super::{ROOMY, Rig, change, get, owner, set_within};
use crate::{ChangeSet, SetError};

pub(super) fn sets_of_one_owner_take_effect_and_are_answered_in_order(rig: &dyn Rig) {
    let store = rig.open();
    let (done, answers) = mpsc::channel();
    for number in 0..500 {
        // Now and then a set of several records, which makes its whole group a batch.
        let mut changes = vec![change("n", "a", Some(&number.to_string()))];
        if number % 50 == 0 {
            changes.push(change("n", "b", Some(&"x".repeat(number * 400))));
        }
        let done = done.clone();
        let set = ChangeSet {
            owner: owner("j@c"),
            quota: ROOMY,
            changes,
        };
        store.submit(set, move |result| done.send((number, result)).unwrap());
    }
    drop(done);
    assert!(answers.iter().eq((0..500).map(|number| (number, Ok(())))));
    assert_eq!(get(&store, "j@c", "n", Some("a")), "499");
    assert_eq!(get(&store, "j@c", "n", Some("b")).len(), 450 * 400);
}

pub(super) fn closing_waits_for_what_was_submitted_and_refuses_the_rest(rig: &dyn Rig) {
    let store = rig.open();
    let (done, answers) = mpsc::channel();
    for number in 0..100 {
        let done = done.clone();
        let changes = vec![change("n", &number.to_string(), Some("x"))];
        let set = ChangeSet {
            owner: owner("j@c"),
            quota: ROOMY,
            changes,
        };
        store.submit(set, move |result| done.send(result).unwrap());
    }
    store.close();
    store.close();
    assert_eq!(answers.try_iter().filter(Result::is_ok).count(), 100);
    let late = set_within(&store, ROOMY, "j@c", vec![change("n", "late", Some("x"))]);
    assert_eq!(late, Err(SetError::Failed));
    assert!(
        store
            .read(&owner("j@c"), "n", None, &mut String::new())
            .is_err()
    );
    assert_eq!(get(&rig.open(), "j@c", "n", None).len(), 100);
}
