//! What comes first, and what comes too late.

use std::sync::mpsc;

use super::{ROOMY, Rig, change, get, owner, set_within};
use crate::{ChangeSet, SetError};

pub fn sets_of_one_owner_take_effect_and_are_answered_in_order(rig: &dyn Rig) {
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

/// Sets, removals of one namespace and of all, and notes, all under way at once.
pub fn whatever_is_done_to_an_owner_is_done_in_order(rig: &dyn Rig) {
    let store = rig.open();
    let (done, answers) = mpsc::channel();
    let of = owner("j@c");
    let tell = |number: usize| {
        let done = done.clone();
        move |result| done.send((number, result)).unwrap()
    };
    for number in 0..60 {
        let set = |namespace: &str| ChangeSet {
            owner: of.clone(),
            quota: ROOMY,
            changes: vec![change(namespace, &number.to_string(), Some("<a/>"))],
        };
        store.submit(set("n"), tell(7 * number));
        store.put_note(of.clone(), Some("before".to_owned()), tell(7 * number + 1));
        match number % 3 {
            0 => store.remove(of.clone(), tell(7 * number + 2)),
            _ => store.remove_some(of.clone(), Some("n".to_owned()), tell(7 * number + 2)),
        }
        let was = (number % 3 != 0).then(|| "before".to_owned());
        let after = Some("after".to_owned());
        store.put_note_if(of.clone(), was, after.clone(), tell(7 * number + 3));
        store.put_note_if(of.clone(), after, None, tell(7 * number + 4));
        store.submit(set("m"), tell(7 * number + 5));
        store.submit(set("n"), tell(7 * number + 6));
    }
    drop(done);
    let answers: Vec<_> = answers.iter().take(60 * 7).collect();
    assert!(
        answers
            .into_iter()
            .eq((0..60 * 7).map(|number| (number, Ok(()))))
    );
    // The last that removed all was number 57, and each has removed what was in the one namespace.
    assert_eq!(get(&store, "j@c", "n", None), "<a/>");
    assert_eq!(get(&store, "j@c", "m", None), "<a/><a/><a/>");
    assert_eq!(store.note(&of), Ok(None));
}

pub fn closing_waits_for_what_was_submitted_and_refuses_the_rest(rig: &dyn Rig) {
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
