//! What every backend and every engine must do, run against each of them: [`suite!`](crate::suite!) makes a test
//! of each case.

pub mod compaction;
pub mod content;
pub mod find;
pub mod limits;
pub mod notes;
pub mod order;
pub mod whole;

mod distant;
#[cfg(test)]
mod local;

use std::sync::mpsc;

pub use distant::Distant;
#[cfg(test)]
pub(super) use local::{OPTIONS, open};

use super::{Change, ChangeSet, CompactError, Owner, Quota, SetError, Store, Value};

/// What no test comes near to.
pub const ROOMY: Quota = Quota {
    max_namespace_bytes: u64::MAX,
    max_user_bytes: u64::MAX,
    max_user_elements: u64::MAX,
};

/// A store that can be closed and opened again.
pub trait Rig {
    /// Opens it, empty the first time.
    fn open(&self) -> Store;
}

/// Makes a test of each case, over the rig that this expression makes for it.
#[macro_export]
macro_rules! suite {
    ($rig:expr) => {
        $crate::suite! { @each $rig;
            content::a_value_is_replaced_and_deleted_as_a_whole
            content::of_two_changes_of_one_name_the_last_counts
            content::a_namespace_is_read_in_the_order_of_names_and_counted
            content::what_is_a_prefix_of_another_stays_apart
            content::every_length_comes_back_whole
            content::a_shrunk_value_leaves_no_stale_chunk
            find::each_question_is_answered_and_in_its_place
            find::what_is_asked_after_a_set_was_told_sees_it
            limits::a_refused_set_changes_nothing
            limits::limits_are_inclusive_and_hold_for_the_state_after_the_set
            limits::what_is_over_a_lowered_limit_can_shrink_but_not_grow
            limits::usage_is_the_same_after_reopening
            limits::quotas_are_exact_however_many_submit_at_once
            order::sets_of_one_owner_take_effect_and_are_answered_in_order
            order::whatever_is_done_to_an_owner_is_done_in_order
            order::closing_waits_for_what_was_submitted_and_refuses_the_rest
            compaction::what_is_stored_stays_while_it_is_compacted_and_after
            compaction::closing_in_the_middle_of_a_compaction_loses_nothing
            notes::a_note_is_kept_beside_what_an_owner_has_and_goes_with_it
            notes::a_note_is_put_only_over_the_one_that_was_read
            notes::of_many_who_read_the_same_note_one_puts_another
            whole::every_owner_is_listed_once
            whole::owners_are_listed_with_how_much_they_have
            whole::all_that_an_owner_has_comes_at_once
            whole::of_who_is_removed_nothing_is_left
            whole::one_namespace_is_removed_alone
            whole::a_set_that_keeps_what_is_there_adds_the_rest
        }
    };
    (@each $rig:expr; $($part:ident::$case:ident)*) => {
        $(
            #[test]
            fn $case() {
                $crate::suite::$part::$case(&$rig);
            }
        )*
    };
}

/// An owner by this address.
///
/// # Panics
///
/// If it is none.
pub fn owner(address: &str) -> Owner {
    Owner::new(address).unwrap()
}

/// A value of one element, or the order to delete.
pub fn change(namespace: &str, name: &str, text: Option<&str>) -> Change {
    let value = text.map(|text| Value {
        text: text.into(),
        elements: 1,
    });
    Change {
        namespace: namespace.into(),
        name: name.into(),
        value,
    }
}

/// How a set ends.
///
/// # Panics
///
/// If it is never answered.
pub fn set_within(
    store: &Store,
    quota: Quota,
    address: &str,
    changes: Vec<Change>,
) -> Result<(), SetError> {
    let (done, answer) = mpsc::channel();
    let set = ChangeSet {
        owner: owner(address),
        quota,
        changes,
    };
    store.submit(set, move |result| done.send(result).unwrap());
    answer.recv().unwrap()
}

/// Stores what no quota is in the way of.
///
/// # Panics
///
/// If that fails.
pub fn set(store: &Store, address: &str, changes: Vec<Change>) {
    assert_eq!(set_within(store, ROOMY, address, changes), Ok(()));
}

/// What is stored, appended to what was there.
///
/// # Panics
///
/// If it cannot be read.
pub fn get(store: &Store, address: &str, namespace: &str, name: Option<&str>) -> String {
    let mut text = String::from("before ");
    store
        .read(&owner(address), namespace, name, &mut text)
        .unwrap();
    text.strip_prefix("before ").unwrap().to_owned()
}

/// Has the store compacted, and waits for that. A database server does it by itself.
///
/// # Panics
///
/// If it fails.
pub fn compact(store: &Store) {
    let (done, answer) = mpsc::channel();
    store.compact(move |result| done.send(result).unwrap());
    assert_compacted(answer.recv().unwrap().map(drop));
}

fn assert_compacted(result: Result<(), CompactError>) {
    assert!(
        matches!(result, Ok(()) | Err(CompactError::NothingToDo)),
        "{result:?}"
    );
}

/// Puts a note, or takes it away.
///
/// # Panics
///
/// If that fails.
pub fn put_note(store: &Store, address: &str, text: Option<&str>) {
    let (done, answer) = mpsc::channel();
    let text = text.map(str::to_owned);
    store.put_note(owner(address), text, move |result| {
        done.send(result).unwrap();
    });
    assert_eq!(answer.recv().unwrap(), Ok(()));
}

/// Removes all that somebody has.
///
/// # Panics
///
/// If that fails.
pub fn remove(store: &Store, address: &str) {
    let (done, answer) = mpsc::channel();
    store.remove(owner(address), move |result| done.send(result).unwrap());
    assert_eq!(answer.recv().unwrap(), Ok(()));
}

#[cfg(test)]
mod memory {
    crate::suite!(crate::memory::Memory::default());
}

#[cfg(test)]
mod disk {
    crate::suite!(tempfile::tempdir().unwrap());
}
