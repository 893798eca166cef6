//! The writer against an engine that counts, lies in wait and breaks.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use crate::engine::{Engine, Source, Successor, Visit, Write};
use crate::error::{Displaced, EngineError};
use crate::memory::Memory;
use crate::suite::{ROOMY, change, get, owner, set, set_within};
use crate::{ChangeSet, CompactError, OpenError, ReadError, SetError, Store};

#[derive(Default)]
struct Trap {
    memory: Memory,
    calls: Mutex<Vec<&'static str>>,
    /// While a test holds it, flushes wait.
    gate: Mutex<()>,
    flushes_left: Option<AtomicUsize>,
    check_fails: AtomicBool,
    full: AtomicBool,
    panics: AtomicBool,
    /// What broke stays so.
    beyond_repair: AtomicBool,
    no_space: AtomicBool,
    /// What broke does not let go.
    never_ends: AtomicBool,
    /// It lies there no more.
    displaced: AtomicBool,
    /// The system is short of threads, say.
    short: AtomicBool,
}

impl Trap {
    fn note(&self, call: &'static str) {
        self.calls.lock().unwrap().push(call);
    }

    fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }

    fn store(self: &Arc<Self>) -> Store {
        let opened = Arc::new(Opened(Arc::clone(self)));
        Store::over(opened, Arc::new(Home(Arc::clone(self))), u64::MAX).unwrap()
    }
}

/// A trap that breaks with its first sync, and the store over it.
fn breaking(trap: Trap) -> (Arc<Trap>, Store) {
    let trap = Arc::new(Trap {
        flushes_left: Some(AtomicUsize::new(0)),
        ..trap
    });
    let store = trap.store();
    (trap, store)
}

/// Where it is told that this process cannot open the store again.
fn loss_of(store: &Store) -> mpsc::Receiver<()> {
    let (lost, told) = mpsc::channel();
    store.when_lost(move || lost.send(()).unwrap());
    told
}

fn set_one(store: &Store) -> Result<(), SetError> {
    set_within(store, ROOMY, "k@c", vec![change("n", "a", Some("x"))])
}

/// What is open of a trap, and where it can be opened again.
struct Opened(Arc<Trap>);
struct Home(Arc<Trap>);

impl std::ops::Deref for Opened {
    type Target = Trap;

    fn deref(&self) -> &Trap {
        &self.0
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        while self.never_ends.load(SeqCst) {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.note("gone");
    }
}

impl Source for Home {
    fn reopen(&self) -> Result<Arc<dyn Engine>, OpenError> {
        if self.0.beyond_repair.load(SeqCst) {
            return Err(OpenError::Foreign {
                folder: "trap".into(),
            });
        }
        if self.0.short.load(SeqCst) {
            return Err(OpenError::Short {
                action: "open the store in",
                path: "trap".into(),
                reason: "the test says so".into(),
            });
        }
        if self.0.displaced.load(SeqCst) {
            return Err(OpenError::Displaced("trap is gone".into()));
        }
        self.0.note("reopened");
        Ok(Arc::new(Opened(Arc::clone(&self.0))))
    }

    fn has_space(&self) -> bool {
        !self.0.no_space.load(SeqCst)
    }

    fn no_space(&self) -> OpenError {
        OpenError::NoSpace {
            folder: "trap".into(),
        }
    }
}

impl Engine for Opened {
    fn get(&self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<(), EngineError> {
        assert!(!self.panics.load(SeqCst), "a panic that the test asked for");
        self.memory.get(key, visit)
    }

    fn scan(&self, prefix: &[u8], visit: Visit<'_>) -> Result<(), EngineError> {
        self.memory.scan(prefix, visit)
    }

    fn scan_from(&self, key: &[u8], visit: Visit<'_>) -> Result<(), EngineError> {
        self.memory.scan_from(key, visit)
    }

    fn write_one(&self, write: Write) -> Result<(), EngineError> {
        self.note("one");
        self.memory.write_one(write)
    }

    fn write_all(&self, writes: Vec<Write>) -> Result<(), EngineError> {
        self.note("all");
        self.memory.write_all(writes)
    }

    fn flush(&self) -> Result<(), EngineError> {
        let _gate = self.gate.lock().unwrap();
        self.note("flush");
        let Some(left) = &self.flushes_left else {
            return Ok(());
        };
        let spent = left
            .fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1))
            .is_err();
        if spent {
            Err(EngineError("no flush left".into()))
        } else {
            Ok(())
        }
    }

    fn in_place(&self) -> Result<(), Displaced> {
        if self.displaced.load(SeqCst) {
            return Err(Displaced::Gone("trap".into()));
        }
        Ok(())
    }

    fn check(&self) -> Result<(), EngineError> {
        let fails = self.check_fails.load(SeqCst);
        if fails {
            Err(EngineError("the check failed".into()))
        } else {
            Ok(())
        }
    }

    fn has_room(&self) -> bool {
        !self.full.load(SeqCst)
    }

    fn size(&self) -> u64 {
        self.memory.size()
    }

    fn begin_successor(&self, bytes: u64) -> Result<Box<dyn Successor>, CompactError> {
        self.memory.begin_successor(bytes)
    }

    fn seal(&self) {
        self.note("sealed");
    }
}

type Answers = mpsc::Receiver<Result<(), SetError>>;

/// Submits a first set, and the others while its flush waits, so that they become one group.
fn in_one_group(trap: &Arc<Trap>, store: &Store, sets: Vec<ChangeSet>) -> Answers {
    let (done, answers) = mpsc::channel();
    let submit = |set| {
        let done = done.clone();
        store.submit(set, move |result| done.send(result).unwrap());
    };
    let gate = trap.gate.lock().unwrap();
    submit(one("first", "first"));
    while trap.calls.lock().unwrap().last() != Some(&"one") {
        std::thread::sleep(Duration::from_millis(1));
    }
    sets.into_iter().for_each(submit);
    drop(gate);
    answers
}

fn one(name: &str, text: &str) -> ChangeSet {
    let changes = vec![change("n", name, Some(text))];
    ChangeSet {
        owner: owner("j@c"),
        quota: ROOMY,
        changes,
    }
}

#[test]
fn a_lone_set_of_one_record_is_one_write_and_one_flush() {
    let trap = Arc::new(Trap::default());
    let store = trap.store();
    set(
        &store,
        "j@c",
        vec![change("n", "a", Some(&"x".repeat(64 * 1024)))],
    );
    assert_eq!(trap.calls(), ["one", "flush"]);
    set(&store, "j@c", vec![change("n", "a", None)]);
    assert_eq!(trap.calls(), ["one", "flush"]);
    set(
        &store,
        "j@c",
        vec![change("n", "a", Some(&"x".repeat(64 * 1024 + 1)))],
    );
    assert_eq!(trap.calls(), ["all", "flush"]);
    set(&store, "j@c", vec![change("n", "never there", None)]);
    assert_eq!(trap.calls(), [""; 0]);
}

#[test]
fn what_waits_becomes_one_group_with_one_flush() {
    let trap = Arc::new(Trap::default());
    let store = trap.store();
    let sets = (0..5).map(|number| one(&number.to_string(), "x")).collect();
    let answers = in_one_group(&trap, &store, sets);
    assert!((0..6).all(|_| answers.recv().unwrap() == Ok(())));
    assert_eq!(
        trap.calls(),
        ["one", "flush", "one", "one", "one", "one", "one", "flush"]
    );
}

#[test]
fn sets_in_one_group_see_each_other() {
    let trap = Arc::new(Trap::default());
    let store = trap.store();
    let long = "x".repeat(70_000);
    let mut sets = vec![
        one("a", &long),
        one("a", "short"),
        one("b", &long),
        one("c", "1"),
    ];
    sets[1].quota.max_user_bytes = 10; // "first" and "short" fit, and "a" shrinks anyway
    sets[3].quota.max_user_elements = 3; // "first", "a" and "b" are there already
    let answers = in_one_group(&trap, &store, sets);
    let answers: Vec<_> = (0..5).map(|_| answers.recv().unwrap()).collect();
    let refused = SetError::UserElements {
        limit: 3,
        would_be: 4,
    };
    assert_eq!(answers, [Ok(()), Ok(()), Ok(()), Ok(()), Err(refused)]);
    assert_eq!(trap.calls(), ["one", "flush", "all", "flush"]);
    assert_eq!(get(&store, "j@c", "n", None), format!("short{long}first"));
}

fn becomes(what: impl Fn() -> bool) -> bool {
    (0..6000).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        what()
    })
}

#[test]
fn a_failed_flush_fails_its_whole_group_and_the_store_until_it_is_opened_anew() {
    let trap = Trap {
        flushes_left: Some(AtomicUsize::new(1)),
        beyond_repair: true.into(),
        ..Trap::default()
    };
    let trap = Arc::new(trap);
    let store = trap.store();
    let answers = in_one_group(&trap, &store, vec![one("a", "x"), one("b", "x")]);
    let answers: Vec<_> = (0..3).map(|_| answers.recv().unwrap()).collect();
    assert_eq!(
        answers,
        [Ok(()), Err(SetError::Failed), Err(SetError::Failed)]
    );
    assert!(becomes(|| trap.calls().last() == Some(&"gone")));
    assert!(store.failed());
    let set = || set_one(&store);
    assert_eq!((set(), trap.calls().len()), (Err(SetError::Failed), 0));
    // What is not durable is shown to nobody.
    let read = || store.read(&owner("j@c"), "n", Some("first"), &mut String::new());
    assert_eq!(read(), Err(ReadError::Failed));

    trap.beyond_repair.store(false, SeqCst);
    trap.flushes_left.as_ref().unwrap().store(1, SeqCst);
    assert!(becomes(|| !store.failed()));
    assert_eq!((read(), set()), (Ok(1), Ok(())));
    store.close();
    let calls = trap.calls();
    assert_eq!(calls, ["reopened", "one", "flush", "sealed", "gone"]);
}

#[test]
fn a_broken_store_waits_for_space_and_says_so() {
    let (trap, store) = breaking(Trap {
        no_space: true.into(),
        ..Trap::default()
    });
    let set = || set_one(&store);
    assert_eq!(set(), Err(SetError::Failed));
    assert!(becomes(|| set() == Err(SetError::Full)));
    assert_eq!(trap.calls(), ["one", "flush", "gone"]);
    trap.flushes_left.as_ref().unwrap().store(9, SeqCst);
    trap.no_space.store(false, SeqCst);
    assert!(becomes(|| set() == Ok(())));
}

#[test]
fn a_broken_store_that_never_ends_is_lost_and_says_so_to_who_can_restart_it() {
    let (trap, store) = breaking(Trap {
        never_ends: true.into(),
        ..Trap::default()
    });
    let told = loss_of(&store);
    let set = || set_one(&store);
    assert_eq!(set(), Err(SetError::Failed));
    told.recv_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!(set(), Err(SetError::Failed));
    trap.never_ends.store(false, SeqCst);
}

#[test]
fn a_broken_store_can_be_closed_and_is_not_marked_as_whole() {
    let (trap, store) = breaking(Trap {
        beyond_repair: true.into(),
        ..Trap::default()
    });
    let set = || set_one(&store);
    assert_eq!(set(), Err(SetError::Failed));
    store.close();
    assert_eq!(set(), Err(SetError::Failed));
    assert_eq!(trap.calls(), ["one", "flush", "gone"]);
}

#[test]
fn trouble_that_a_flush_swallowed_is_found_within_seconds() {
    let trap = Arc::new(Trap::default());
    let store = trap.store();
    trap.check_fails.store(true, SeqCst);
    trap.beyond_repair.store(true, SeqCst);
    set(&store, "j@c", vec![change("n", "a", Some("x"))]);
    assert!(becomes(|| store.failed()));
}

#[test]
fn a_full_disk_refuses_growth_but_lets_go() {
    let trap = Arc::new(Trap::default());
    let store = trap.store();
    set(
        &store,
        "j@c",
        vec![change("n", "a", Some("1234")), change("n", "b", Some(""))],
    );
    trap.full.store(true, SeqCst);
    store.close();
    let store = trap.store();
    let set = |name, text| set_within(&store, ROOMY, "j@c", vec![change("n", name, text)]);
    assert_eq!(set("c", Some("")), Err(SetError::Full));
    assert_eq!(set("a", Some("12345")), Err(SetError::Full));
    assert_eq!(set("a", Some("5678")), Err(SetError::Full));
    assert_eq!(set("a", Some("123")), Ok(()));
    assert_eq!(set("b", None), Ok(()));
    assert_eq!(get(&store, "j@c", "n", None), "123");
    assert!(!store.failed());
}

#[test]
fn a_panic_is_a_failure_and_every_set_is_still_answered() {
    let trap = Arc::new(Trap::default());
    let store = trap.store();
    trap.panics.store(true, SeqCst);
    let set = || set_within(&store, ROOMY, "j@c", vec![change("n", "a", Some("x"))]);
    // It costs the set alone, or the store where it is met by what all sets need.
    for _ in 0..2 {
        assert!(matches!(set(), Err(SetError::Failed | SetError::Broken)));
    }
    trap.panics.store(false, SeqCst);
    assert!(becomes(|| set() == Ok(())));
}

#[test]
fn a_listener_may_panic_or_hold_the_last_clone() {
    let trap = Arc::new(Trap::default());
    let store = trap.store();
    store.submit(one("a", "x"), |_| panic!("asked for by the test"));
    set(&store, "j@c", vec![change("n", "b", Some("x"))]);
    let (done, answer) = mpsc::channel();
    let last = store.clone();
    store.submit(one("c", "x"), move |result| {
        drop(last);
        done.send(result).unwrap();
    });
    drop(store);
    assert_eq!(answer.recv().unwrap(), Ok(()));
}

/// What is asked of the writer thread, and how it was answered.
fn answered<T: Send + 'static>(
    ask: impl FnOnce(Box<dyn FnOnce(T) + Send>),
) -> Result<T, mpsc::RecvTimeoutError> {
    let (done, answer) = mpsc::channel();
    ask(Box::new(move |result| {
        let _ = done.send(result);
    }));
    answer.recv_timeout(Duration::from_secs(5))
}

/// Sets, notes and removals were acknowledged after the store's folder had been deleted.
#[test]
fn nothing_is_acknowledged_in_a_place_that_is_not_the_stores_any_more() {
    type Asked = fn(&Store, Box<dyn FnOnce(Result<(), SetError>) + Send>);
    let asked: [Asked; 6] = [
        |store, done| store.submit(one("a", "x"), done),
        // Nothing is written for this one.
        |store, done| {
            store.submit(
                ChangeSet {
                    changes: vec![],
                    ..one("a", "")
                },
                done,
            )
        },
        |store, done| store.put_note(owner("j@c"), Some("note".into()), done),
        |store, done| store.put_note(owner("j@c"), None, done),
        |store, done| store.remove(owner("j@c"), done),
        |store, done| store.remove_some(owner("j@c"), Some("n".into()), done),
    ];
    for ask in asked {
        let trap = Arc::new(Trap::default());
        let store = trap.store();
        set(&store, "j@c", vec![change("n", "before", Some("x"))]);
        trap.displaced.store(true, SeqCst);
        assert_eq!(
            answered(|done| ask(&store, done)),
            Ok(Err(SetError::Failed))
        );
        assert!(store.failed());
        let read = store.read(&owner("j@c"), "n", Some("before"), &mut String::new());
        assert_eq!(read, Err(ReadError::Failed));
        trap.displaced.store(false, SeqCst);
        assert!(becomes(|| !store.failed()));
        assert_eq!(get(&store, "j@c", "n", Some("before")), "x");
    }
}

/// It may go between the look before a group and the one behind its sync.
#[test]
fn a_place_that_is_lost_during_the_sync_fails_the_group() {
    let trap = Arc::new(Trap::default());
    let store = trap.store();
    let gate = trap.gate.lock().unwrap();
    let (done, answer) = mpsc::channel();
    store.submit(one("a", "x"), move |result| done.send(result).unwrap());
    assert!(becomes(|| trap.calls.lock().unwrap().last() == Some(&"one")));
    trap.displaced.store(true, SeqCst);
    drop(gate);
    assert_eq!(answer.recv().unwrap(), Err(SetError::Failed));
}

#[test]
fn a_compaction_in_a_lost_place_is_refused_and_the_store_fails() {
    let trap = Arc::new(Trap::default());
    let store = trap.store();
    trap.displaced.store(true, SeqCst);
    let compacted = answered(|done| store.compact(done));
    assert_eq!(compacted, Ok(Err(CompactError::Failed)));
    assert!(store.failed());
}

#[test]
fn a_lost_place_is_noticed_by_the_sign_of_life_alone() {
    let trap = Arc::new(Trap::default());
    let store = trap.store();
    trap.displaced.store(true, SeqCst);
    assert!(!store.failed());
    answered(|done| store.when_reached(move || done(()))).unwrap();
    assert!(store.failed());
}

/// It gave up for good where a thread could not be started, once.
#[test]
fn a_shortage_that_passes_is_waited_for() {
    let (trap, store) = breaking(Trap {
        short: true.into(),
        ..Trap::default()
    });
    let told = loss_of(&store);
    let set = || set_one(&store);
    assert_eq!(set(), Err(SetError::Failed));
    assert!(told.recv_timeout(Duration::from_millis(200)).is_err());
    trap.flushes_left.as_ref().unwrap().store(9, SeqCst);
    trap.short.store(false, SeqCst);
    assert!(becomes(|| set() == Ok(())));
    assert!(told.try_recv().is_err());
}

#[test]
fn a_shortage_that_lasts_has_the_process_started_anew() {
    let (_, store) = breaking(Trap {
        short: true.into(),
        ..Trap::default()
    });
    let told = loss_of(&store);
    let set = || set_one(&store);
    assert_eq!(set(), Err(SetError::Failed));
    told.recv_timeout(Duration::from_secs(30)).unwrap();
    assert_eq!(set(), Err(SetError::Failed));
    store.close();
}

/// That somebody deleted it is no reason to begin again: the next start would be empty.
#[test]
fn a_store_that_is_gone_is_looked_for_as_long_as_it_takes() {
    let trap = Arc::new(Trap::default());
    let store = trap.store();
    let told = loss_of(&store);
    trap.displaced.store(true, SeqCst);
    let set = || set_one(&store);
    assert_eq!(set(), Err(SetError::Failed));
    // Twice as long as a shortage may last in tests.
    assert!(told.recv_timeout(Duration::from_secs(2)).is_err());
    trap.displaced.store(false, SeqCst);
    assert!(becomes(|| set() == Ok(())));
}
