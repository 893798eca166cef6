//! No more than the limits allow, and exactly as much.

use std::sync::{Arc, Barrier, mpsc};

use super::{ROOMY, Rig, change, get, owner, set, set_within};
use xps_base::threads;

use crate::{ChangeSet, Quota, SetError};

pub fn a_refused_set_changes_nothing(rig: &dyn Rig) {
    let store = rig.open();
    set(
        &store,
        "j@c",
        vec![
            change("n", "a", Some("1234")),
            change("m", "a", Some("1234")),
        ],
    );
    let quota = Quota {
        max_namespace_bytes: 8,
        max_user_bytes: 14,
        max_user_elements: 3,
    };
    let refused = |changes, error| {
        assert_eq!(set_within(&store, quota, "j@c", changes), Err(error));
        assert_eq!(get(&store, "j@c", "n", None), "1234");
        assert_eq!(get(&store, "j@c", "m", None), "1234");
    };
    let too_long = SetError::NamespaceBytes {
        namespace: "n".into(),
        limit: 8,
        would_be: 9,
    };
    refused(
        vec![change("m", "a", None), change("n", "b", Some("12345"))],
        too_long,
    );
    let much = vec![
        change("n", "a", Some("12345678")),
        change("m", "a", Some("1234567")),
    ];
    refused(
        much,
        SetError::UserBytes {
            limit: 14,
            would_be: 15,
        },
    );
    let many = vec![change("n", "b", Some("")), change("n", "c", Some(""))];
    refused(
        many,
        SetError::UserElements {
            limit: 3,
            would_be: 4,
        },
    );
    let nul = vec![change("m", "a", None), change("n", "a\0b", Some("x"))];
    refused(nul, SetError::Unstorable);
    refused(
        vec![change(&"n".repeat(20_000), "a", Some("x"))],
        SetError::Unstorable,
    );
}

pub fn limits_are_inclusive_and_hold_for_the_state_after_the_set(rig: &dyn Rig) {
    let store = rig.open();
    let quota = Quota {
        max_namespace_bytes: 8,
        max_user_bytes: 14,
        max_user_elements: 2,
    };
    let set = |changes| set_within(&store, quota, "j@c", changes);
    assert_eq!(
        set(vec![
            change("n", "a", Some("12345678")),
            change("m", "a", Some("123456"))
        ]),
        Ok(())
    );
    // Full in every way; an exchange still fits, whatever the order within the set.
    assert_eq!(
        set(vec![
            change("n", "b", Some("abcdefgh")),
            change("n", "a", None)
        ]),
        Ok(())
    );
    assert_eq!(get(&store, "j@c", "n", None), "abcdefgh");
}

pub fn what_is_over_a_lowered_limit_can_shrink_but_not_grow(rig: &dyn Rig) {
    let store = rig.open();
    set(
        &store,
        "j@c",
        vec![
            change("n", "a", Some("123456")),
            change("n", "b", Some("123456")),
        ],
    );
    let quota = Quota {
        max_namespace_bytes: 4,
        max_user_bytes: 4,
        max_user_elements: 0,
    };
    let set = |changes| set_within(&store, quota, "j@c", changes);
    assert!(matches!(
        set(vec![change("n", "a", Some("1234567"))]),
        Err(SetError::NamespaceBytes {
            limit: 4,
            would_be: 13,
            ..
        })
    ));
    assert!(matches!(
        set(vec![change("m", "a", Some(""))]),
        Err(SetError::UserElements { .. })
    ));
    assert_eq!(
        set(vec![change("n", "a", Some("abcdef"))]),
        Ok(()),
        "as long as before"
    );
    assert_eq!(
        set(vec![change("n", "a", Some("12345"))]),
        Ok(()),
        "shorter, yet over the limit"
    );
    assert_eq!(set(vec![change("n", "a", None)]), Ok(()));
    assert_eq!(get(&store, "j@c", "n", None), "123456");
}

pub fn usage_is_the_same_after_reopening(rig: &dyn Rig) {
    let store = rig.open();
    let long = "x".repeat(100_000);
    set(
        &store,
        "j@c",
        vec![
            change("n", "a", Some(&long)),
            change("m", "a", Some("1234")),
        ],
    );
    set(
        &store,
        "j@capulet",
        vec![change("n", "a", Some("somebody else's"))],
    );
    set(&store, "j@c", vec![change("m", "a", Some("12"))]);
    store.close();
    let store = rig.open();
    let quota = Quota {
        max_namespace_bytes: 100_001,
        max_user_bytes: 100_003,
        max_user_elements: 3,
    };
    let set = |changes| set_within(&store, quota, "j@c", changes);
    let too_much = SetError::UserBytes {
        limit: 100_003,
        would_be: 100_004,
    };
    assert_eq!(set(vec![change("m", "b", Some("12"))]), Err(too_much));
    let too_long = SetError::NamespaceBytes {
        namespace: "n".into(),
        limit: 100_001,
        would_be: 100_002,
    };
    assert_eq!(set(vec![change("n", "b", Some("12"))]), Err(too_long));
    assert_eq!(set(vec![change("n", "b", Some("1"))]), Ok(()));
    let too_many = SetError::UserElements {
        limit: 3,
        would_be: 4,
    };
    assert_eq!(set(vec![change("n", "c", Some(""))]), Err(too_many));
}

pub fn quotas_are_exact_however_many_submit_at_once(rig: &dyn Rig) {
    const THREADS: usize = 4;
    const EACH: usize = 100;
    let store = rig.open();
    let quota = Quota {
        max_user_elements: 250,
        max_user_bytes: 2_490,
        ..ROOMY
    };
    let barrier = Arc::new(Barrier::new(THREADS));
    let (done, answers) = mpsc::channel();
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (store, barrier, done) = (store.clone(), Arc::clone(&barrier), done.clone());
            let work = move || {
                barrier.wait();
                for number in 0..EACH {
                    let changes = vec![change(
                        "n",
                        &format!("{thread}-{number}"),
                        Some("0123456789"),
                    )];
                    let done = done.clone();
                    let set = ChangeSet {
                        owner: owner("j@c"),
                        quota,
                        changes,
                    };
                    store.submit(set, move |result| done.send(result).unwrap());
                }
            };
            threads::start("submits", work).unwrap()
        })
        .collect();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    drop(done);
    let (stored, refused): (Vec<_>, Vec<_>) = answers.iter().partition(Result::is_ok);
    assert_eq!((stored.len(), refused.len()), (249, THREADS * EACH - 249));
    assert_eq!(get(&store, "j@c", "n", None).len(), 2_490);
}
