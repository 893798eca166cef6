//! What every engine must do, run against each of them.

mod compaction;
mod content;
mod limits;
mod order;
mod whole;

use std::path::Path;
use std::sync::{Arc, mpsc};

use super::memory::Memory;
use super::{Change, ChangeSet, Options, Owner, Quota, SetError, Store, Value};

pub(super) const OPTIONS: Options = Options {
    cache_bytes: 8 * 1024 * 1024,
    compact_above_bytes: u64::MAX,
};
pub(super) const ROOMY: Quota = Quota {
    max_namespace_bytes: u64::MAX,
    max_user_bytes: u64::MAX,
    max_user_elements: u64::MAX,
};

/// A store that can be closed and opened again.
trait Rig {
    fn open(&self) -> Store;
}

impl Rig for Memory {
    fn open(&self) -> Store {
        let memory = Arc::new(self.clone());
        Store::over(Arc::clone(&memory) as _, memory, u64::MAX).unwrap()
    }
}

impl Rig for tempfile::TempDir {
    fn open(&self) -> Store {
        Store::open(&self.path().join("data"), &OPTIONS).unwrap()
    }
}

pub(super) fn owner(address: &str) -> Owner {
    Owner::new(address).unwrap()
}

/// A value of one element, or the order to delete.
pub(super) fn change(namespace: &str, name: &str, text: Option<&str>) -> Change {
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

pub(super) fn set_within(
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

pub(super) fn set(store: &Store, address: &str, changes: Vec<Change>) {
    assert_eq!(set_within(store, ROOMY, address, changes), Ok(()));
}

pub(super) fn get(store: &Store, address: &str, namespace: &str, name: Option<&str>) -> String {
    let mut text = String::from("before ");
    store
        .read(&owner(address), namespace, name, &mut text)
        .unwrap();
    text.strip_prefix("before ").unwrap().to_owned()
}

/// For tests of one engine or one trouble.
pub(super) fn open(folder: &Path) -> Store {
    Store::open(folder, &OPTIONS).unwrap()
}

macro_rules! suite {
    ($($part:ident::$test:ident)*) => {
        mod memory {
            $(#[test] fn $test() { super::$part::$test(&super::Memory::default()); })*
        }
        mod disk {
            $(#[test] fn $test() { super::$part::$test(&tempfile::tempdir().unwrap()); })*
        }
    };
}

suite! {
    content::a_value_is_replaced_and_deleted_as_a_whole
    content::of_two_changes_of_one_name_the_last_counts
    content::a_namespace_is_read_in_the_order_of_names_and_counted
    content::what_is_a_prefix_of_another_stays_apart
    content::every_length_comes_back_whole
    content::a_shrunk_value_leaves_no_stale_chunk
    limits::a_refused_set_changes_nothing
    limits::limits_are_inclusive_and_hold_for_the_state_after_the_set
    limits::what_is_over_a_lowered_limit_can_shrink_but_not_grow
    limits::usage_is_the_same_after_reopening
    limits::quotas_are_exact_however_many_submit_at_once
    order::sets_of_one_owner_take_effect_and_are_answered_in_order
    compaction::what_is_stored_stays_while_it_is_compacted_and_after
    compaction::closing_in_the_middle_of_a_compaction_loses_nothing
    order::closing_waits_for_what_was_submitted_and_refuses_the_rest
    whole::every_owner_is_listed_once
    whole::all_that_an_owner_has_comes_at_once
    whole::of_who_is_removed_nothing_is_left
    whole::one_namespace_is_removed_alone
    whole::a_set_that_keeps_what_is_there_adds_the_rest
    whole::a_note_is_kept_beside_what_an_owner_has_and_goes_with_it
}
