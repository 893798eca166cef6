//! Rooms are written as their address and their name.

mod property;

use super::*;
use crate::bookmarks::baseline::Baseline;

type Rooms<'a> = [(&'a str, &'a str)];

fn stored(rooms: &Rooms<'_>) -> Legacy {
    let room = |(jid, name): &(&str, &str)| format!("<conference jid='{jid}' name='{name}'/>");
    let rooms: String = rooms.iter().map(room).collect();
    Legacy::read(format!(
        "<storage xmlns='storage:bookmarks'>{rooms}</storage>"
    ))
}

fn base(rooms: &Rooms<'_>) -> Baseline {
    stored(rooms).base()
}

fn shown(rooms: &Rooms<'_>, in_step: bool) -> LastView {
    LastView::new(base(rooms).apart(|_, _| !in_step))
}

/// What becomes of what is stored and the node: what is seen, and the changes in short.
fn outcome(stored: &Legacy, node: &Node, before: Before<'_>) -> (Vec<String>, Vec<String>) {
    let decision = decide(stored, node, before);
    let seen = decision.rooms.iter().map(|seen| {
        let view = stored.with(&[*seen]).unwrap();
        let name = view
            .split("name='")
            .nth(1)
            .and_then(|rest| rest.split('\'').next());
        format!("{} {}", seen.key, name.unwrap_or_default())
    });
    let change = |change: &Change| {
        let xml = change.over(&node.items).unwrap().xml();
        let after = |what: &str| {
            let rest = xml.split(what).nth(1);
            rest.and_then(|rest| rest.split('\'').next())
                .unwrap_or_default()
        };
        match change.is_removal() {
            true => format!("-{}", after("item id='")),
            false => format!("+{} {}", after("item id='"), after("name='")),
        }
    };
    (
        seen.collect(),
        decision.changes.iter().map(change).collect(),
    )
}

const NOTHING: Before<'_> = Before {
    base: None,
    shown: None,
    is_set: false,
    max_rooms: 250,
    now: SystemTime::UNIX_EPOCH,
};

const SET: Before<'_> = Before {
    is_set: true,
    ..NOTHING
};

#[test]
fn on_first_contact_all_are_kept_and_the_node_counts() {
    let (stored, node) = (
        stored(&[("a@m", "old"), ("b@m", "b")]),
        Node::of(&[("a@m", "new"), ("c@m", "c")]),
    );
    let all = (
        vec!["a@m new".into(), "b@m b".into(), "c@m c".into()],
        vec!["+b@m b".into()],
    );
    assert_eq!(outcome(&stored, &node, NOTHING), all);
    assert_eq!(outcome(&stored, &node, SET), all);
}

#[test]
fn what_a_client_changed_is_carried_over_and_nothing_else() {
    let before = [("a@m", "a"), ("b@m", "b"), ("c@m", "c")];
    let (base, shown) = (base(&before), shown(&before, true));
    let stored = stored(&[("a@m", "mine"), ("b@m", "b"), ("d@m", "d")]);
    let node = Node::of(&[("a@m", "a"), ("b@m", "theirs"), ("c@m", "c"), ("e@m", "e")]);
    let before = Before {
        base: Some(&base),
        shown: Some(&shown),
        ..SET
    };
    let (seen, changes) = outcome(&stored, &node, before);
    assert_eq!(changes, ["-c@m", "+a@m mine", "+d@m d"]);
    assert_eq!(seen, ["a@m mine", "b@m theirs", "d@m d", "e@m e"]);
}

#[test]
fn who_was_not_shown_a_room_does_not_delete_it() {
    let base = base(&[("a@m", "a")]);
    for sight in [None, Some(shown(&[("b@m", "b")], true))] {
        let before = Before {
            base: Some(&base),
            shown: sight.as_ref(),
            ..SET
        };
        let (_, changes) = outcome(&stored(&[]), &Node::of(&[("a@m", "a")]), before);
        assert_eq!(changes, [""; 0]);
    }
}

#[test]
fn what_somebody_else_deleted_stays_deleted() {
    let rooms = [("a@m", "a")];
    let (base, in_step) = (base(&rooms), shown(&rooms, true));
    let none = Node::default();
    let by_base = Before {
        base: Some(&base),
        ..NOTHING
    };
    let by_sight = Before {
        shown: Some(&in_step),
        ..SET
    };
    for before in [by_base, by_sight] {
        let nothing = (Vec::new(), Vec::new());
        assert_eq!(outcome(&stored(&rooms), &none, before), nothing);
    }
    // But not if it was never in the node, or was changed since.
    let store_alone = shown(&rooms, false);
    let never = Before {
        shown: Some(&store_alone),
        ..SET
    };
    assert_eq!(outcome(&stored(&rooms), &none, never).1, ["+a@m a"]);
    let changed = stored(&[("a@m", "mine")]);
    assert_eq!(outcome(&changed, &none, by_sight).1, ["+a@m mine"]);
    // Nor if the change was stored, and did not get through.
    let stored_alone = shown(&[("a@m", "mine")], false);
    let again = Before {
        base: Some(&base),
        shown: Some(&stored_alone),
        ..SET
    };
    assert_eq!(outcome(&changed, &none, again).1, ["+a@m mine"]);
}

/// A room was deleted elsewhere and added again here, just as it was: nobody ever saw it again.
#[test]
fn what_a_client_was_not_shown_it_has_added() {
    let rooms = [("a@m", "a")];
    let (base, shown) = (base(&rooms), shown(&[], true));
    let before = Before {
        base: Some(&base),
        shown: Some(&shown),
        ..SET
    };
    let published = (vec!["a@m a".to_owned()], vec!["+a@m a".to_owned()]);
    assert_eq!(
        outcome(&stored(&rooms), &Node::default(), before),
        published
    );
}

#[test]
fn what_was_stored_while_the_node_was_out_of_reach_counts_unless_both_changed() {
    let base = base(&[("a@m", "a")]);
    let before = Before {
        base: Some(&base),
        ..NOTHING
    };
    let changed = stored(&[("a@m", "mine")]);
    let same = Node::of(&[("a@m", "a")]);
    assert_eq!(outcome(&changed, &same, before).1, ["+a@m mine"]);
    let other = Node::of(&[("a@m", "theirs")]);
    let theirs = (vec!["a@m theirs".to_owned()], Vec::new());
    assert_eq!(outcome(&changed, &other, before), theirs);
}

#[test]
fn an_item_keeps_its_id_and_what_it_says_beside() {
    let base = base(&[("a@m", "a")]);
    let before = Before {
        base: Some(&base),
        ..SET
    };
    let (stored, node) = (stored(&[("a@m", "mine")]), Node::of(&[("A@M", "a")]));
    let decision = decide(&stored, &node, before);
    let xml = decision.changes[0].over(&node.items).unwrap().xml();
    assert!(xml.contains("<item id='A@M'>"));
    assert!(xml.contains("<x xmlns='urn:x'/></extensions>"));
}

#[test]
fn of_items_for_one_room_the_first_is_seen_and_all_are_retracted() {
    let rooms = [("a@m", "a")];
    let (base, shown) = (base(&rooms), shown(&rooms, true));
    let node = Node::of(&[("a@m", "a"), ("A@m", "other")]);
    let before = Before {
        base: Some(&base),
        shown: Some(&shown),
        ..SET
    };
    assert_eq!(outcome(&stored(&rooms), &node, before).0, ["a@m a"]);
    assert_eq!(outcome(&stored(&[]), &node, before).1, ["-a@m", "-A@m"]);
}

#[test]
fn where_there_would_be_too_many_none_is_added_and_all_are_seen() {
    let before = Before {
        max_rooms: 2,
        ..NOTHING
    };
    let node = Node::of(&[("b@m", "b"), ("no address", "")]);
    let (seen, changes) = outcome(&stored(&[("a@m", "a")]), &node, before);
    assert_eq!(
        (seen.len(), changes.len()),
        (2, 0),
        "what is no room counts, too"
    );
    assert!(
        !decide(&stored(&[("a@m", "a")]), &node, before)
            .too_many
            .is_empty()
    );
    let fewer = Node::of(&[("b@m", "b")]);
    assert_eq!(
        outcome(&stored(&[("a@m", "a")]), &fewer, before).1,
        ["+a@m a"]
    );
}

/// Whoever had more rooms than they may have could change nothing, and so not delete any.
#[test]
fn who_has_too_many_already_deletes_edits_and_replaces() {
    let rooms = [("a@m", "a"), ("b@m", "b"), ("c@m", "c")];
    let (base, shown, node) = (base(&rooms), shown(&rooms, true), Node::of(&rooms));
    let before = Before {
        base: Some(&base),
        shown: Some(&shown),
        max_rooms: 1,
        ..SET
    };
    let replaced = stored(&[("b@m", "mine"), ("c@m", "c"), ("d@m", "d")]);
    assert_eq!(
        outcome(&replaced, &node, before).1,
        ["-a@m", "+b@m mine", "+d@m d"]
    );
    let more = stored(&[("b@m", "mine"), ("c@m", "c"), ("d@m", "d"), ("e@m", "e")]);
    assert!(!decide(&more, &node, before).too_many.is_empty());
    assert_eq!(outcome(&more, &node, before).1, ["-a@m", "+b@m mine"]);
}

#[test]
fn once_in_step_nothing_is_left_to_do() {
    let (stored, node) = (
        stored(&[("a@m", "a")]),
        Node::of(&[("a@m", "a"), ("b@m", "b")]),
    );
    let decision = decide(&stored, &node, NOTHING);
    assert!(decision.changes.is_empty() && decision.too_many.is_empty());
    let base = decision.base;
    let before = Before {
        base: Some(&base),
        ..NOTHING
    };
    assert_eq!(decide(&stored, &node, before).base, base);
    assert_eq!(base.count(), 2, "those that only the node has are in it");
}

/// A modern client had renamed a room, an old one saw that, and stored its list while PEP was silent; then the modern one
/// deleted the room. It came back: what was noted said what it had been called when both sides were last in step.
#[test]
fn what_was_left_alone_while_pep_was_silent_and_deleted_then_stays_deleted() {
    let seen = [("a@m", "renamed")];
    for in_step in [true, false] {
        let sight = shown(&seen, in_step);
        for before in [&[("a@m", "a")][..], &[]] {
            let left = left_of(&base(before), &base(&seen), Some(&sight));
            let by_base = Before {
                base: Some(&left),
                ..NOTHING
            };
            let (_, changes) = outcome(&stored(&seen), &Node::default(), by_base);
            assert_eq!(changes.is_empty(), in_step, "{before:?} {changes:?}");
        }
    }
}

/// A client deleted a room while PEP was out of reach. It is retracted as it was, however the client or the store knew
/// it; but not what is stored again, nor what the node did not have any more when both sides were last in step.
#[test]
fn what_was_deleted_while_pep_was_silent_is_retracted_then() {
    let kept = [("b@m", "b")];
    let seen = [("a@m", "seen"), ("b@m", "b")];
    let in_step = base(&[("a@m", "a"), ("b@m", "b")]);
    let lost = in_step
        .clone()
        .without(["a@m"].into_iter(), SystemTime::UNIX_EPOCH);
    let again = left_of(&in_step, &base(&kept), Some(&shown(&seen, true)));
    let again = left_of(&again, &base(&seen), None);
    let sight = shown(&seen, true);
    let left = |before: &Baseline| left_of(before, &base(&kept), Some(&sight));
    for (base, there, is_retracted) in [
        (left(&in_step), "a", true),
        (left(&in_step), "seen", true),
        (left(&in_step), "changed", false),
        (left(&lost), "seen", false),
        (left(&base(&kept)), "seen", false),
        (left_of(&in_step, &base(&kept), None), "a", false),
        (again, "seen", false),
    ] {
        let base = Baseline::read(&base.write()).unwrap();
        let by_base = Before {
            base: Some(&base),
            ..NOTHING
        };
        let node = Node::of(&[("a@m", there), ("b@m", "b")]);
        let (seen, changes) = outcome(&stored(&kept), &node, by_base);
        let expected: &[&str] = if is_retracted { &["-a@m"] } else { &[] };
        assert_eq!(changes, expected, "{there}");
        assert_eq!(seen.len(), if is_retracted { 1 } else { 2 });
    }
}

/// A modern client had renamed a room, an old one saw that, and another instance noted what that one was about to store.
/// A get that had read the older list was compared over that note: its older name looked like a change, and was
/// published. The same where the process ended before the list was stored.
#[test]
fn what_is_noted_before_a_list_is_stored_is_true_of_the_one_before_as_well() {
    let (old, new) = ([("a@m", "a")], [("a@m", "renamed")]);
    let sight = shown(&new, true);
    let note = in_common(&base(&old), &base(&new), &sight, false);
    let note = Baseline::read(&note.write()).unwrap();
    assert_eq!(note.count(), 1, "it is one room");
    for list in [old, new].map(|rooms| stored(&rooms)) {
        let by_base = Before {
            base: Some(&note),
            ..NOTHING
        };
        let node = Node::of(&[("a@m", "renamed again")]);
        let there = (vec!["a@m renamed again".to_owned()], Vec::new());
        assert_eq!(outcome(&list, &node, by_base), there);
        let nothing = (Vec::new(), Vec::new());
        assert_eq!(outcome(&list, &Node::default(), by_base), nothing);
    }
    let after = in_common(&note, &base(&new), &sight, true);
    assert_eq!(after, base(&new), "once it is stored, nothing else is true");
}
