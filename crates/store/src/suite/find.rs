//! What requests ask for, many at once.

use std::sync::Arc;

use super::{Rig, change, owner, set};
use crate::{Asked, Query, Store, Under};
use xps_base::clock::Instant;

fn asked(address: &str, namespace: &str, names: &[&str], or_all: bool) -> Asked {
    Asked {
        query: Arc::new(Query {
            owner: owner(address),
            namespace: namespace.to_owned(),
            names: names.iter().map(|&name| name.to_owned()).collect(),
            or_all,
        }),
        since: Instant::now(),
    }
}

/// All of it, however many are read at once.
fn find(store: &Store, asked: &[Asked]) -> Vec<Vec<(String, Under)>> {
    let mut found = Vec::new();
    while let Some(rest) = asked.get(found.len()..).filter(|rest| !rest.is_empty()) {
        let more = store.find(rest);
        assert!((1..=rest.len()).contains(&more.len()), "{}", more.len());
        found.extend(more.into_iter().map(|elements| {
            let elements = elements.unwrap().into_iter();
            elements.map(|it| (it.text, it.under)).collect()
        }));
    }
    found
}

pub fn each_question_is_answered_and_in_its_place(rig: &dyn Rig) {
    let store = rig.open();
    let long = "x".repeat(400_000);
    let of = |address: &str, name: &str| format!("<{name}>{address}</{name}>");
    for address in ["a@x", "b@x"] {
        for name in ["b", "a", "c"] {
            let change = change("n", name, Some(&of(address, name)));
            set(&store, address, vec![change]);
        }
        set(&store, address, vec![change("long", "a", Some(&long))]);
    }
    set(&store, "a@x", vec![change("n", "c", None)]);
    let name = |text: &str| (text.to_owned(), Under::Name);
    let nothing = || (String::new(), Under::Nothing);
    let all = |texts: &[String]| (texts.concat(), Under::Namespace);
    let [a, b, c] = ["a", "b", "c"].map(|name| of("b@x", name));
    let questions = [
        (
            asked("b@x", "n", &["c", "a", "d"], false),
            vec![name(&c), name(&a), nothing()],
        ),
        (
            asked("a@x", "n", &["c"], true),
            vec![all(&[of("a@x", "a"), of("a@x", "b")])],
        ),
        (
            asked("b@x", "n", &["d", "b"], true),
            vec![all(&[a, b.clone(), c]), name(&b)],
        ),
        (asked("a@x", "long", &["a"], false), vec![name(&long)]),
        (asked("a@x", "m", &["a"], true), vec![nothing()]),
        (asked("a@x", "n", &[], true), vec![]),
        (asked("c@x", "n", &["a"], false), vec![nothing()]),
        // What can be no key was never stored.
        (asked("a@x", "n\0a", &["b"], true), vec![nothing()]),
        (asked("b@x", "long", &["a"], true), vec![name(&long)]),
        // The same as before, and once more.
        (asked("b@x", "n", &["b"], false), vec![name(&b)]),
        (asked("b@x", "n", &["b"], false), vec![name(&b)]),
    ];
    let (questions, wanted): (Vec<_>, Vec<_>) = questions.into_iter().unzip();
    for (at, (found, wanted)) in find(&store, &questions).iter().zip(&wanted).enumerate() {
        assert!(found == wanted, "{at}: {found:.60?} and not {wanted:.60?}");
    }
    // One after the other, it is no different.
    let alone = questions
        .iter()
        .flat_map(|it| find(&store, std::slice::from_ref(it)));
    assert!(alone.eq(wanted));
    // Nothing is asked by nobody.
    assert!(store.find(&[]).is_empty());
}

pub fn what_is_asked_after_a_set_was_told_sees_it(rig: &dyn Rig) {
    let store = rig.open();
    for number in 0..100 {
        let texts = ["a@x", "b@x"].map(|address| format!("<n>{address} {number}</n>"));
        set(&store, "a@x", vec![change("n", "a", Some(&texts[0]))]);
        set(&store, "b@x", vec![change("n", "a", Some(&texts[1]))]);
        let questions = ["b@x", "a@x"].map(|address| asked(address, "n", &["a"], false));
        let found = find(&store, &questions);
        let found: Vec<&str> = found.iter().flatten().map(|(text, _)| &**text).collect();
        assert_eq!(found, [&*texts[1], &*texts[0]]);
    }
}
