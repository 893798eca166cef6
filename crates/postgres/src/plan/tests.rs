use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use xps_base::clock::Instant;
use xps_store::{Done, Owner, Quota};

type Told = Arc<Mutex<Vec<Result<(), SetError>>>>;

fn owner() -> Owner {
    Owner::new("juliet@capulet.lit").unwrap()
}

fn job(works: Vec<Work>) -> (Job, Told) {
    let told = Told::default();
    let later = Instant::now() + Duration::from_secs(60);
    let items = works.into_iter().map(|work| {
        let told = Arc::clone(&told);
        let done = Done::new(move |result| told.lock().unwrap().push(result));
        Item::new(work, done, later)
    });
    let job = Job {
        owner: owner(),
        items: items.collect(),
    };
    (job, told)
}

fn change(name: &str, text: Option<&str>) -> Change {
    let value = text.map(|text| Value {
        text: text.to_owned(),
        elements: 1,
    });
    Change {
        namespace: "n".to_owned(),
        name: name.to_owned(),
        value,
    }
}

fn set_within(quota: Quota, changes: Vec<Change>) -> Work {
    let set = ChangeSet {
        owner: owner(),
        quota,
        changes,
    };
    Work::Set(set, Existing::Replace)
}

fn set(changes: Vec<Change>) -> Work {
    set_within(Quota::NONE, changes)
}

fn knows(names: &[(&str, u64)]) -> Known {
    let mut known = Known::under(7);
    for (name, bytes) in names {
        known.put(
            "n",
            name,
            Some(Amount {
                bytes: *bytes,
                elements: 1,
            }),
        );
    }
    known
}

#[test]
fn several_sets_come_to_one_write() {
    let (job, told) = job(vec![
        set(vec![change("a", Some("1")), change("b", Some("2"))]),
        set(vec![change("a", Some("longer")), change("c", None)]),
        set(vec![change("b", None)]),
    ]);
    let plan = Plan::new(&job, knows(&[("b", 9), ("d", 3)]), None);
    assert_eq!((plan.effect, plan.was), (Effect::GoOn, 7));
    let puts: Vec<_> = plan
        .puts()
        .map(|(_, name, value)| (name, &*value.text))
        .collect();
    assert_eq!(puts, [("a", "longer")]);
    assert_eq!(plan.deletes().collect::<Vec<_>>(), [("n", "b")]);
    let stamp = plan.stamp;
    let known = plan.tell();
    assert_eq!(
        (known.stamp, known.amount().bytes, known.amount().elements),
        (stamp, 9, 2)
    );
    assert_eq!(*told.lock().unwrap(), [Ok(()), Ok(()), Ok(())]);
}

#[test]
fn a_refused_set_leaves_no_trace_and_is_answered_in_its_place() {
    let little = Quota {
        max_user_bytes: 5,
        ..Quota::NONE
    };
    let (job, told) = job(vec![
        set_within(little, vec![change("a", Some("12345"))]),
        set_within(little, vec![change("b", Some("1"))]),
        set_within(little, vec![change("a", None), change("b", Some("1"))]),
    ]);
    let plan = Plan::new(&job, Known::default(), None);
    assert_eq!(plan.effect, Effect::Begin);
    assert_eq!(plan.puts().count(), 1);
    plan.tell();
    let refused = SetError::UserBytes {
        limit: 5,
        would_be: 6,
    };
    assert_eq!(*told.lock().unwrap(), [Ok(()), Err(refused), Ok(())]);
}

#[test]
fn nothing_is_answered_from_what_is_known_alone() {
    let delete = || set(vec![change("a", None)]);
    let (deletes, _) = job(vec![delete()]);
    let plan = Plan::new(&deletes, knows(&[("b", 1)]), None);
    assert!(plan.is_idle() && plan.rests_on_what_is_known());
    let none = Quota {
        max_user_bytes: 0,
        ..Quota::NONE
    };
    let (refused, _) = job(vec![set_within(none, vec![change("a", Some("1"))])]);
    assert!(Plan::new(&refused, knows(&[("b", 1)]), None).rests_on_what_is_known());
    // A write over the stamp tells whether it was true.
    let (both, _) = job(vec![delete(), set(vec![change("b", Some("22"))])]);
    assert!(!Plan::new(&both, knows(&[("b", 1)]), None).rests_on_what_is_known());
    let (noted, _) = job(vec![delete(), Work::Note(owner(), Some("x".into()))]);
    let plan = Plan::new(&noted, knows(&[("b", 1)]), None);
    assert!(!plan.is_idle() && plan.rests_on_what_is_known());
    let (note, _) = job(vec![Work::Note(owner(), Some("x".into()))]);
    assert!(!Plan::new(&note, knows(&[("b", 1)]), None).rests_on_what_is_known());
}

#[test]
fn of_who_is_removed_all_goes_unless_something_follows() {
    let (alone, _) = job(vec![Work::Remove(owner(), None)]);
    let plan = Plan::new(&alone, knows(&[("a", 1), ("b", 1)]), None);
    assert_eq!((plan.effect, plan.deletes().count()), (Effect::GoOn, 2));
    assert!(
        plan.note
            .as_ref()
            .is_some_and(|note| note.text.is_none() && note.over.is_none())
    );
    let stamp = plan.stamp;
    let known = plan.tell();
    assert_eq!(known, Known::under(stamp), "its row stays");
    let (again, _) = job(vec![Work::Remove(owner(), None)]);
    let plan = Plan::new(&again, known, None);
    assert_eq!(plan.effect, Effect::None, "there is nothing");

    let (followed, _) = job(vec![
        Work::Remove(owner(), None),
        set(vec![change("a", Some("new"))]),
    ]);
    let plan = Plan::new(&followed, knows(&[("a", 1), ("b", 1)]), None);
    assert_eq!(plan.effect, Effect::GoOn);
    assert_eq!(plan.deletes().collect::<Vec<_>>(), [("n", "b")]);
    assert_eq!(plan.puts().count(), 1);
}

#[test]
fn what_has_been_done_about_a_note_is_not_done_again() {
    let if_x = || Work::NoteIf {
        owner: owner(),
        was: Some("x".into()),
        text: Some(String::new()),
    };
    let (asked, told) = job(vec![set(vec![change("a", Some("1"))]), if_x()]);
    let plan = Plan::new(&asked, Known::default(), None);
    let wanted = NoteChange {
        over: Some(Some("x")),
        text: None,
    };
    assert_eq!(plan.note, Some(wanted), "an empty note is none");
    let plan = Plan::new(&asked, Known::default(), Some(false));
    assert_eq!(plan.note, None);
    plan.tell();
    assert_eq!(*told.lock().unwrap(), [Ok(()), Err(SetError::Outdated)]);
}

#[test]
fn what_no_database_takes_is_refused() {
    let (job, told) = job(vec![
        set(vec![change("a", Some("nul \0"))]),
        set(vec![change("a\0", Some("x"))]),
        Work::Note(owner(), Some("\0".into())),
    ]);
    let plan = Plan::new(&job, Known::default(), None);
    assert!(plan.is_idle());
    plan.tell();
    assert_eq!(
        *told.lock().unwrap(),
        [const { Err(SetError::Unstorable) }; 3]
    );
}

proptest! {
    /// Whatever works there are, the write leaves what they would one by one.
    #[test]
    fn a_write_leaves_what_its_works_would(
        before in prop::collection::btree_map(0_u8..4, 1_u64..9, 0..4),
        works in prop::collection::vec((0_u8..5, prop::option::of(0_usize..9)), 0..8),
    ) {
        let mut known = Known::under(if before.is_empty() { 0 } else { 7 });
        let mut wanted: BTreeMap<String, u64> = BTreeMap::new();
        for (name, bytes) in &before {
            let size = Amount { bytes: *bytes, elements: 1 };
            known.put("n", &name.to_string(), Some(size));
            wanted.insert(name.to_string(), *bytes);
        }
        let all = works.iter().map(|(name, length)| match (name, length) {
            (4, _) => Work::Remove(owner(), Some("n".into())),
            (name, length) => {
                let text = length.map(|length| "x".repeat(length));
                set(vec![change(&name.to_string(), text.as_deref())])
            }
        });
        let (job, _) = job(all.collect());
        for (name, length) in &works {
            match (name, length) {
                (4, _) => wanted.clear(),
                (name, Some(length)) => drop(wanted.insert(name.to_string(), *length as u64)),
                (name, None) => drop(wanted.remove(&name.to_string())),
            }
        }
        let plan = Plan::new(&job, known, None);
        let mut left: BTreeMap<String, u64> =
            before.iter().map(|(name, bytes)| (name.to_string(), *bytes)).collect();
        for (_, name) in plan.deletes() {
            left.remove(name);
        }
        for (_, name, value) in plan.puts() {
            left.insert(name.to_owned(), value.text.len() as u64);
        }
        prop_assert_eq!(&left, &wanted);
        prop_assert_eq!(plan.after.amount().bytes, wanted.values().sum::<u64>());
        prop_assert_eq!(plan.after.is_empty(), wanted.is_empty());
    }
}
