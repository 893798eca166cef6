//! What was set is what is read.

use super::{Rig, change, get, owner, set};
use crate::{Change, Value};

pub fn a_value_is_replaced_and_deleted_as_a_whole(rig: &dyn Rig) {
    let store = rig.open();
    set(
        &store,
        "j@c",
        vec![
            change("n", "a", Some("<a/><a/>")),
            change("n", "b", Some("<b/>")),
        ],
    );
    set(&store, "j@c", vec![change("n", "a", Some("<a>2</a>"))]);
    assert_eq!(get(&store, "j@c", "n", Some("a")), "<a>2</a>");
    assert_eq!(get(&store, "j@c", "n", Some("b")), "<b/>");
    set(
        &store,
        "j@c",
        vec![change("n", "a", None), change("n", "never there", None)],
    );
    assert_eq!(get(&store, "j@c", "n", Some("a")), "");
    assert_eq!(get(&store, "j@c", "n", None), "<b/>");
    set(&store, "j@c", vec![]);
}

pub fn of_two_changes_of_one_name_the_last_counts(rig: &dyn Rig) {
    let store = rig.open();
    set(
        &store,
        "j@c",
        vec![change("n", "a", Some("1")), change("n", "a", Some("2"))],
    );
    assert_eq!(get(&store, "j@c", "n", None), "2");
    set(
        &store,
        "j@c",
        vec![change("n", "a", Some("3")), change("n", "a", None)],
    );
    assert_eq!(get(&store, "j@c", "n", None), "");
}

pub fn a_namespace_is_read_in_the_order_of_names_and_counted(rig: &dyn Rig) {
    let store = rig.open();
    for name in ["b", "a-", "a", "é", "ab", "B"] {
        set(
            &store,
            "j@c",
            vec![change("n", name, Some(&format!("<{name}/>")))],
        );
    }
    let mut text = String::new();
    assert_eq!(store.read(&owner("j@c"), "n", None, &mut text), Ok(6));
    assert_eq!(text, "<B/><a/><a-/><ab/><b/><é/>");
    let value = Some(Value {
        text: "<a/><a/>".into(),
        elements: 2,
    });
    set(
        &store,
        "j@c",
        vec![Change {
            namespace: "n".into(),
            name: "a".into(),
            value,
        }],
    );
    assert_eq!(store.read(&owner("j@c"), "n", Some("a"), &mut text), Ok(2));
    assert_eq!(store.read(&owner("j@c"), "n", None, &mut text), Ok(7));
}

pub fn what_is_a_prefix_of_another_stays_apart(rig: &dyn Rig) {
    let store = rig.open();
    let parts = ["a", "ab", "a\u{1}", "a b", "abc"];
    for o in parts {
        for n in parts {
            let change = |e: &&str| change(n, e, Some(&format!("{o}/{n}/{e};")));
            set(&store, o, parts.iter().map(change).collect());
        }
    }
    set(&store, "ab", vec![change("a", "ab", None)]);
    assert_eq!(
        get(&store, "ab", "a", None),
        "ab/a/a;ab/a/a\u{1};ab/a/a b;ab/a/abc;"
    );
    assert_eq!(get(&store, "a", "ab", Some("ab")), "a/ab/ab;");
    assert_eq!(get(&store, "a", "ab", None).matches(';').count(), 5);
    assert_eq!(get(&store, "a", "", None), "");
}

pub fn every_length_comes_back_whole(rig: &dyn Rig) {
    let kib64 = 64 * 1024;
    let lengths = [0, 1, kib64 - 1, kib64, kib64 + 1, 2 * kib64, 300 * 1024];
    // 'é' takes two bytes, so that the end of a chunk falls into a character.
    let text = |length: usize| format!("{}{}", "é".repeat(length / 2), &"x"[..length % 2]);
    let store = rig.open();
    for (at, length) in lengths.into_iter().enumerate() {
        set(
            &store,
            "j@c",
            vec![change("n", &at.to_string(), Some(&text(length)))],
        );
    }
    store.close();
    let store = rig.open();
    for (at, length) in lengths.into_iter().enumerate() {
        assert_eq!(
            get(&store, "j@c", "n", Some(&at.to_string())),
            text(length),
            "{length}"
        );
    }
    assert_eq!(get(&store, "j@c", "n", None), lengths.map(text).concat());
}

pub fn a_shrunk_value_leaves_no_stale_chunk(rig: &dyn Rig) {
    let store = rig.open();
    for length in [300 * 1024, 100 * 1024, 65_537, 65_536, 200 * 1024, 1, 0] {
        let text = "x".repeat(length);
        set(
            &store,
            "j@c",
            vec![
                change("n", "a", Some(&text)),
                change("n", "b", Some("<b/>")),
            ],
        );
        // A chunk left behind would show here: it belongs to nothing.
        assert_eq!(get(&store, "j@c", "n", None), format!("{text}<b/>"));
        set(&store, "j@c", vec![change("n", "a", None)]);
        assert_eq!(get(&store, "j@c", "n", None), "<b/>");
    }
}
