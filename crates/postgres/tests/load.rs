//! Sets and gets without end while something happens to the database, each held to what was acknowledged.
//!
//! Each owner has a number that goes up by one with each set. Whatever fails, the number that is stored is not less than
//! the last that was acknowledged, nor more than the last that was tried; and what a get finds is not less than what was
//! acknowledged before it was asked.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use xps_base::clock::Instant;
use xps_base::threads;
use xps_store::suite::{change, owner};
use xps_store::{ChangeSet, Quota, ReadError, SetError, Store};

const OWNERS: usize = 16;

#[derive(Default)]
struct Number {
    tried: AtomicU64,
    acknowledged: AtomicU64,
}

/// What is going on.
pub struct Load {
    numbers: Arc<Vec<Number>>,
    ends: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    told: Arc<Mutex<Told>>,
}

/// How it went.
#[derive(Clone, Debug, Default)]
pub struct Told {
    pub sets: u64,
    pub gets: u64,
    pub unreachable: u64,
    pub longest: Duration,
}

fn address(number: usize) -> String {
    format!("user{number}@example.org")
}

impl Load {
    /// One thread sets for each owner, and one for each store gets. Each owner is set by one of the stores.
    pub fn start(stores: &[Store]) -> Self {
        let mut numbers = Vec::new();
        numbers.resize_with(OWNERS, Number::default);
        let mut load = Self {
            numbers: Arc::new(numbers),
            ends: Arc::default(),
            threads: Vec::new(),
            told: Arc::default(),
        };
        for (number, store) in (0..OWNERS).zip(stores.iter().cycle()) {
            load.spawn(store, move |load, store| load.set(store, number));
        }
        for store in stores {
            load.spawn(store, |load, store| load.get(store));
        }
        load
    }

    fn spawn(&mut self, store: &Store, work: impl FnOnce(&Self, &Store) + Send + 'static) {
        let load = Self {
            numbers: Arc::clone(&self.numbers),
            ends: Arc::clone(&self.ends),
            threads: Vec::new(),
            told: Arc::clone(&self.told),
        };
        let store = store.clone();
        let thread = threads::start("load", move || work(&load, &store)).unwrap();
        self.threads.push(thread);
    }

    fn goes_on(&self) -> bool {
        !self.ends.load(SeqCst)
    }

    fn set(&self, store: &Store, number: usize) {
        let counts = &self.numbers[number];
        let mut next = 0;
        while self.goes_on() {
            next += 1;
            counts.tried.store(next, SeqCst);
            let (done, answer) = mpsc::channel();
            // Two elements, which are never torn apart.
            let text = next.to_string();
            let set = ChangeSet {
                owner: owner(&address(number)),
                quota: Quota::NONE,
                changes: vec![change("n", "a", Some(&text)), change("n", "b", Some(&text))],
            };
            let begun = Instant::now();
            store.submit(set, move |result| done.send(result).unwrap());
            let result = answer.recv().unwrap();
            self.took(begun.elapsed(), |told| told.sets += 1);
            match result {
                Ok(()) => counts.acknowledged.store(next, SeqCst),
                Err(SetError::Unreachable) => {
                    self.took(Duration::ZERO, |told| told.unreachable += 1)
                }
                Err(error) => panic!("{error:?}"),
            }
        }
    }

    fn get(&self, store: &Store) {
        for number in (0..OWNERS).cycle() {
            if !self.goes_on() {
                return;
            }
            let least = self.numbers[number].acknowledged.load(SeqCst);
            let begun = Instant::now();
            let found = read(store, number);
            self.took(begun.elapsed(), |told| told.gets += 1);
            match found {
                Ok(found) => assert!(found >= least, "{found} is stale: {least} was acknowledged"),
                Err(ReadError::Unreachable) => {
                    self.took(Duration::ZERO, |told| told.unreachable += 1);
                }
                Err(error) => panic!("{error:?}"),
            }
        }
    }

    fn took(&self, took: Duration, count: impl FnOnce(&mut Told)) {
        let mut told = self.told.lock().unwrap();
        count(&mut told);
        told.longest = told.longest.max(took);
    }

    /// How it has gone so far.
    pub fn told(&self) -> Told {
        self.told.lock().unwrap().clone()
    }

    /// Waits until so many more were set, which shows that it goes on.
    pub fn goes_on_for(&self, sets: u64) {
        let before = self.told().sets;
        super::support::wait_until("sets go on", || self.told().sets >= before + sets);
    }

    /// Ends it, and compares with what is stored. How it went.
    pub fn end(self, store: &Store) -> Told {
        self.ends.store(true, SeqCst);
        for thread in self.threads {
            thread.join().unwrap();
        }
        for (number, counts) in self.numbers.iter().enumerate() {
            let found = read(store, number).unwrap();
            let (least, most) = (counts.acknowledged.load(SeqCst), counts.tried.load(SeqCst));
            assert!(
                (least..=most).contains(&found),
                "owner {number} has {found}, and {least} was acknowledged of {most}"
            );
        }
        let told = self.told.lock().unwrap().clone();
        assert!(told.longest < Duration::from_secs(30), "{told:?}");
        told
    }
}

/// The number that an owner has, 0 if none; both elements bear the same.
fn read(store: &Store, number: usize) -> Result<u64, ReadError> {
    let mut text = String::new();
    store.read(&owner(&address(number)), "n", None, &mut text)?;
    let (a, b) = text.split_at(text.len() / 2);
    assert_eq!(a, b, "torn");
    Ok(a.parse().unwrap_or(0))
}
