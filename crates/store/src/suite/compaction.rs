//! Compaction changes nothing that anybody sees.

use std::collections::BTreeMap;
use std::sync::mpsc;

use super::{Rig, assert_compacted, change, get, set};
use crate::Store;

const OWNERS: usize = 40;

/// What each owner has, by name.
type Model = BTreeMap<(usize, usize), String>;

/// Some sets, as large and small as they come; `round` decides.
fn disturb(store: &Store, model: &mut Model, round: usize) {
    for number in 0..7 {
        let (owner, name) = ((round * 17 + number * 5) % OWNERS, number % 3);
        let length = [10, 900, 0, 70_000, 3000][(round + number) % 5];
        let text = (length > 0).then(|| format!("{round}:{number}:{}", "x".repeat(length)));
        let changes = vec![change("n", &name.to_string(), text.as_deref())];
        set(store, &format!("user{owner}@c"), changes);
        match text {
            Some(text) => model.insert((owner, name), text),
            None => model.remove(&(owner, name)),
        };
    }
}

fn assert_is(store: &Store, model: &Model) {
    for owner in 0..OWNERS {
        let wanted: String = (0..3)
            .filter_map(|name| model.get(&(owner, name)).map(String::as_str))
            .collect();
        let found = get(store, &format!("user{owner}@c"), "n", None);
        assert!(
            found == wanted,
            "user{owner}: {found:.40} and not {wanted:.40}"
        );
    }
}

pub fn what_is_stored_stays_while_it_is_compacted_and_after(rig: &dyn Rig) {
    let (store, mut model) = (rig.open(), Model::new());
    let mut round = 0;
    for _ in 0..60 {
        disturb(&store, &mut model, round);
        round += 1;
    }
    for _ in 0..2 {
        let (done, answer) = mpsc::channel();
        store.compact(move |result| done.send(result).unwrap());
        let result = loop {
            disturb(&store, &mut model, round);
            round += 1;
            if let Ok(result) = answer.try_recv() {
                break result;
            }
        };
        assert_compacted(result.map(drop));
        assert_is(&store, &model);
    }
    store.close();
    let store = rig.open();
    assert_is(&store, &model);
    disturb(&store, &mut model, round);
    assert_is(&store, &model);
}

pub fn closing_in_the_middle_of_a_compaction_loses_nothing(rig: &dyn Rig) {
    let (mut store, mut model) = (rig.open(), Model::new());
    for round in 0..8 {
        disturb(&store, &mut model, round);
        store.compact(|_| {});
        disturb(&store, &mut model, round + 1000);
        store.close();
        store = rig.open();
        assert_is(&store, &model);
    }
}
