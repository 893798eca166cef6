//! Whole owners.

use std::sync::mpsc;
use std::time::Duration;

use super::{Rig, change, get, owner, put_note, remove, set, set_within};
use crate::record::CHUNK_BYTES;
use crate::{Amount, ChangeSet, Existing, NamespaceUsage, Quota, Store, Totals};

/// Who there is, asked for two at a time.
fn owners(store: &Store) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let more = store.owners(all.last(), 2).unwrap();
        if more.is_empty() {
            return all.iter().map(|owner| owner.as_str().to_owned()).collect();
        }
        all.extend(more);
    }
}

pub fn every_owner_is_listed_once(rig: &dyn Rig) {
    let store = rig.open();
    assert_eq!(owners(&store), [""; 0]);
    // One address is the beginning of another, and bytes behind it sort to either side.
    let all = [
        "a@x",
        "a@x!",
        "a@x.y",
        "ä@x",
        "b@x",
        "\u{1}@x",
        "\u{10ffff}@x",
    ];
    for address in all {
        for name in ["a", "b"] {
            set(&store, address, vec![change("n", name, Some("<a/>"))]);
            set(
                &store,
                address,
                vec![change("\u{10ffff}", name, Some("<a/>"))],
            );
        }
    }
    let mut sorted = all.map(str::to_owned);
    sorted.sort();
    assert_eq!(owners(&store), sorted);
}

pub fn owners_are_listed_with_how_much_they_have(rig: &dyn Rig) {
    let store = rig.open();
    for (address, names) in [("a@x", 1), ("b@x", 2), ("c@x", 3)] {
        for name in 0..names {
            let change = change("n", &name.to_string(), Some("<a/>"));
            set(&store, address, vec![change]);
        }
    }
    // Who has nothing but a note is not one, and neither is who has nothing any more.
    put_note(&store, "a@note", Some("noted"));
    set(&store, "b@gone", vec![change("n", "a", Some("<a/>"))]);
    set(&store, "b@gone", vec![change("n", "a", None)]);
    let amount = |elements| Amount {
        bytes: 4 * elements,
        elements,
    };
    let mut all = Vec::new();
    let counted = store.amounts(&mut |some| all.extend(some));
    assert_eq!(counted, Ok(()));
    all.sort_by(|(one, _), (other, _)| one.cmp(other));
    assert_eq!(
        all,
        [("a@x", 1), ("b@x", 2), ("c@x", 3)].map(|(who, elements)| (owner(who), amount(elements)))
    );
    let found = store.owners_with_amounts(None, 2);
    assert_eq!(
        found,
        Ok(vec![(owner("a@x"), amount(1)), (owner("b@x"), amount(2))])
    );
    let found = store.owners_with_amounts(Some(&owner("b@x")), 2);
    assert_eq!(found, Ok(vec![(owner("c@x"), amount(3))]));
    let between = store.owners_with_amounts(Some(&owner("b@xx")), 2);
    assert_eq!(between, Ok(vec![(owner("c@x"), amount(3))]));
    assert_eq!(
        store.owners_with_amounts(Some(&owner("c@x")), 2),
        Ok(vec![])
    );
}

pub fn all_that_an_owner_has_comes_at_once(rig: &dyn Rig) {
    let store = rig.open();
    let long = format!("<long>{}</long>", "x".repeat(3 * CHUNK_BYTES));
    set(&store, "a@x", vec![change("n2", "a", Some("<a/>"))]);
    set(
        &store,
        "a@x",
        vec![
            change("n1", "b", Some(&long)),
            change("n1", "a", Some("<a/>")),
        ],
    );
    set(&store, "a@xx", vec![change("n1", "c", Some("<c/>"))]);
    let owner_data = store.owner_data(&owner("a@x")).unwrap();
    let found: Vec<(&str, &str, &str)> = owner_data
        .entries
        .iter()
        .map(|entry| (&*entry.namespace, &*entry.name, &*entry.value.text))
        .collect();
    assert_eq!(
        found,
        [
            ("n1", "a", "<a/>"),
            ("n1", "b", &*long),
            ("n2", "a", "<a/>")
        ]
    );
    assert!(
        owner_data
            .entries
            .iter()
            .all(|entry| entry.value.elements == 1)
    );
    assert!(owner_data.damaged.is_empty());
    let amount = Amount {
        bytes: long.len() as u64 + 8,
        elements: 3,
    };
    assert_eq!(store.amount(&owner("a@x")), Ok(amount));
    assert_eq!(store.amount(&owner("b@x")), Ok(Amount::default()));
    assert!(store.owner_data(&owner("b@x")).unwrap().entries.is_empty());
}

pub fn of_who_is_removed_nothing_is_left(rig: &dyn Rig) {
    let store = rig.open();
    let long = format!("<long>{}</long>", "x".repeat(3 * CHUNK_BYTES));
    for address in ["a@x", "a@xx"] {
        set(
            &store,
            address,
            vec![
                change("n1", "a", Some(&long)),
                change("n2", "a", Some("<a/>")),
            ],
        );
    }
    remove(&store, "a@x");
    assert_eq!(owners(&store), ["a@xx"]);
    assert_eq!(get(&store, "a@x", "n1", None), "");
    assert_eq!(get(&store, "a@xx", "n1", None), long);
    // What they used does not count any more.
    let little = Quota {
        max_user_bytes: 4,
        ..Quota::NONE
    };
    let again = vec![change("n", "a", Some("<a/>"))];
    assert_eq!(set_within(&store, little, "a@x", again), Ok(()));
    remove(&store, "nobody@x");
}

pub fn one_namespace_is_removed_alone(rig: &dyn Rig) {
    let store = rig.open();
    let long = format!("<long>{}</long>", "x".repeat(3 * CHUNK_BYTES));
    for address in ["a@x", "b@x"] {
        set(
            &store,
            address,
            vec![
                change("n", "a", Some(&long)),
                change("n", "b", Some("<b/>")),
                change("nn", "a", Some("<a/>")),
            ],
        );
    }
    let holding = |namespace: &str, bytes: usize, elements: u64| NamespaceUsage {
        namespace: namespace.to_owned(),
        amount: Amount {
            bytes: bytes as u64,
            elements,
        },
    };
    let all = [holding("n", long.len() + 4, 2), holding("nn", 4, 1)];
    assert_eq!(store.namespace_usage(&owner("a@x")).unwrap(), all);

    let (done, answer) = mpsc::channel();
    store.remove_some(owner("a@x"), Some("n".into()), move |result| {
        done.send(result).unwrap()
    });
    assert_eq!(answer.recv().unwrap(), Ok(()));
    assert_eq!(
        store.namespace_usage(&owner("a@x")).unwrap(),
        [holding("nn", 4, 1)]
    );
    assert_eq!(store.namespace_usage(&owner("b@x")).unwrap(), all);
    assert_eq!(get(&store, "a@x", "n", None), "");

    let patience = Duration::from_secs(60);
    let totals = Totals {
        owners: 2,
        amount: Amount {
            bytes: long.len() as u64 + 12,
            elements: 4,
        },
        whole: true,
    };
    assert_eq!(store.totals(patience), Ok(totals));
    let found = store.totals(Duration::ZERO).unwrap();
    assert!(found == totals || !found.whole, "{found:?}");
}

pub fn a_set_that_keeps_what_is_there_adds_the_rest(rig: &dyn Rig) {
    let store = rig.open();
    set(&store, "a@x", vec![change("n", "a", Some("<a>old</a>"))]);
    let (done, answer) = mpsc::channel();
    let more = ChangeSet {
        owner: owner("a@x"),
        quota: Quota::NONE,
        changes: vec![
            change("n", "a", Some("<a>new</a>")),
            change("n", "b", Some("<b/>")),
        ],
    };
    store.submit_over(more, Existing::Keep, move |result| {
        done.send(result).unwrap()
    });
    assert_eq!(answer.recv().unwrap(), Ok(()));
    assert_eq!(get(&store, "a@x", "n", None), "<a>old</a><b/>");
}
