//! Instances that share a store, each with what it has of its turns.

use std::pin::pin;
use std::task::{Context, Waker};

use tokio::runtime::Builder;

use super::MOST;
use crate::suite::{Distant, owner};
use crate::{Owner, Storage, Store, Turn};
use xps_base::clock::Instant;

fn played(play: impl AsyncFnOnce()) {
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(play());
}

/// The turn, if it is to be had at once.
async fn take(storage: &Storage, owner: &Owner) -> Option<Turn> {
    storage.turn(owner, Instant::now()).await.unwrap()
}

#[test]
fn one_instance_has_it_and_its_requests_share_it() {
    played(async || {
        let store = Distant::by_caller();
        let [first, second] =
            [store.clone(), store.of_another()].map(|it| Storage::by_caller(Store::on(it)));
        let (one, other) = (owner("u@h"), owner("v@h"));
        let had = take(&first, &one).await.unwrap();
        let shared = take(&first, &one).await.unwrap();
        assert!(take(&second, &one).await.is_none());
        assert!(take(&second, &other).await.is_some());
        drop(had);
        assert!(take(&second, &one).await.is_none(), "somebody has it still");
        drop(shared);
        assert!(take(&second, &one).await.is_some());
        assert_eq!(first.0.turns.owners.borrow().len(), 0);
    });
}

#[test]
fn one_that_was_lost_is_not_shared_and_gives_back_nothing() {
    played(async || {
        let store = Distant::by_caller();
        let [first, second] =
            [store.clone(), store.of_another()].map(|it| Storage::by_caller(Store::on(it)));
        let owner = owner("u@h");
        let lost = take(&first, &owner).await.unwrap();
        store.lose_turns();
        assert!(!lost.is_held());
        let had = take(&second, &owner).await.unwrap();
        assert!(take(&first, &owner).await.is_none());
        drop(lost);
        assert!(had.is_held() && take(&first, &owner).await.is_none());
        drop(had);
        assert!(take(&first, &owner).await.unwrap().is_held());
    });
}

#[test]
fn what_is_noted_comes_with_it_once() {
    played(async || {
        let store = Distant::by_caller();
        let owner = owner("u@h");
        crate::suite::put_note(&Store::on(store.clone()), "u@h", Some("1"));
        let storage = Storage::by_caller(Store::on(store));
        let turn = take(&storage, &owner).await.unwrap();
        assert_eq!(turn.first_note(), Some(Ok(Some("1".to_owned()))));
        assert_eq!(take(&storage, &owner).await.unwrap().first_note(), None);
        // What nobody else writes to has none to give.
        let alone = Storage::by_caller(Store::by_caller());
        let turn = take(&alone, &owner).await.unwrap();
        assert!(turn.is_held() && turn.first_note().is_none());
    });
}

/// A database server has room for so many locks.
#[test]
fn no_more_are_had_than_may_be() {
    played(async || {
        let storage = Storage::by_caller(Store::on(Distant::by_caller()));
        let owners: Vec<Owner> = (0..=MOST).map(|it| owner(&format!("u{it}@h"))).collect();
        let (last, others) = owners.split_last().unwrap();
        let mut had = Vec::new();
        for owner in others {
            had.push(take(&storage, owner).await.unwrap());
        }
        assert!(take(&storage, last).await.is_none());
        let until = Instant::now() + std::time::Duration::from_secs(60);
        let mut waiting = pin!(storage.turn(last, until));
        let mut context = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        had.pop();
        assert!(matches!(waiting.await, Ok(Some(_))));
    });
}
