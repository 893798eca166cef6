//! Compaction against an engine whose successors fail when a test says so.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use proptest::prelude::*;

use super::{Compacted, Compactor};
use crate::engine::{Engine, Source, Successor, Visit, Write};
use crate::error::EngineError;
use crate::memory::Memory;
use crate::plan::Writes;
use crate::suite::{ROOMY, change, get, set, set_within};
use crate::{CompactError, OpenError, Store};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum At {
    Nowhere,
    Begin,
    Write,
    Flush,
    Prepare,
    TakeOver,
}

/// An engine in memory that counts how often it was copied.
#[derive(Clone)]
struct Faulty {
    memory: Memory,
    at: At,
    size: u64,
    begun: Arc<AtomicUsize>,
    /// While a test holds it, no successor begins.
    gate: Arc<Mutex<()>>,
}

impl Faulty {
    fn at(at: At) -> Self {
        Self {
            memory: Memory::default(),
            at,
            size: 0,
            begun: Arc::default(),
            gate: Arc::default(),
        }
    }

    fn store(&self) -> Store {
        Store::over(Arc::new(self.clone()), Arc::new(self.clone()), 1000).unwrap()
    }
}

fn fails(at: At, here: At) -> Result<(), EngineError> {
    if at == here {
        return Err(EngineError(format!("asked for at {at:?}")));
    }
    Ok(())
}

impl Engine for Faulty {
    fn get(&self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<(), EngineError> {
        self.memory.get(key, visit)
    }

    fn scan(&self, prefix: &[u8], visit: Visit<'_>) -> Result<(), EngineError> {
        self.memory.scan(prefix, visit)
    }

    fn scan_from(&self, key: &[u8], visit: Visit<'_>) -> Result<(), EngineError> {
        self.memory.scan_from(key, visit)
    }

    fn write_one(&self, write: Write) -> Result<(), EngineError> {
        self.memory.write_one(write)
    }

    fn write_all(&self, writes: Vec<Write>) -> Result<(), EngineError> {
        self.memory.write_all(writes)
    }

    fn flush(&self) -> Result<(), EngineError> {
        Ok(())
    }

    fn check(&self) -> Result<(), EngineError> {
        Ok(())
    }

    fn has_room(&self) -> bool {
        true
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn begin_successor(&self, bytes: u64) -> Result<Box<dyn Successor>, CompactError> {
        self.begun.fetch_add(1, SeqCst);
        let _gate = self.gate.lock().unwrap();
        fails(self.at, At::Begin)?;
        let heir = self.memory.begin_successor(bytes)?;
        Ok(Box::new(FaultyHeir {
            heir,
            of: self.clone(),
        }))
    }

    fn seal(&self) {}
}

impl Source for Faulty {
    fn reopen(&self) -> Result<Arc<dyn Engine>, OpenError> {
        Ok(Arc::new(self.clone()))
    }

    fn has_space(&self) -> bool {
        true
    }

    fn no_space(&self) -> OpenError {
        self.memory.no_space()
    }
}

struct FaultyHeir {
    heir: Box<dyn Successor>,
    of: Faulty,
}

impl Successor for FaultyHeir {
    fn write(&self, write: Write) -> Result<(), EngineError> {
        fails(self.of.at, At::Write)?;
        self.heir.write(write)
    }

    fn flush(&self) -> Result<(), EngineError> {
        fails(self.of.at, At::Flush)?;
        self.heir.flush()
    }

    fn prepare(&self) -> Result<(), EngineError> {
        fails(self.of.at, At::Prepare)?;
        self.heir.prepare()
    }

    fn take_over(self: Box<Self>) -> Result<Arc<dyn Engine>, EngineError> {
        fails(self.of.at, At::TakeOver)?;
        self.heir.take_over()?;
        Ok(Arc::new(self.of))
    }

    fn give_up(self: Box<Self>) {
        self.heir.give_up();
    }
}

fn ask(store: &Store) -> mpsc::Receiver<Result<Compacted, CompactError>> {
    let (done, answer) = mpsc::channel();
    store.compact(move |result| done.send(result).unwrap());
    answer
}

#[test]
fn where_a_copy_fails_the_store_goes_on_as_it_was() {
    for at in [At::Begin, At::Write, At::Flush, At::Prepare] {
        let store = Faulty::at(at).store();
        set(&store, "j@c", vec![change("n", "a", Some("1"))]);
        let error = ask(&store).recv().unwrap().unwrap_err();
        let reason = format!("asked for at {at:?}");
        assert_eq!(error, CompactError::Stopped(reason));
        set(&store, "j@c", vec![change("n", "b", Some("2"))]);
        assert_eq!(get(&store, "j@c", "n", None), "12");
        assert!(!store.failed());
    }
}

/// Which of both an open would find is for an open to say.
#[test]
fn where_the_switch_fails_the_store_is_opened_anew() {
    let store = Faulty::at(At::TakeOver).store();
    set(&store, "j@c", vec![change("n", "a", Some("1"))]);
    assert_eq!(ask(&store).recv().unwrap(), Err(CompactError::Failed));
    let set = || set_within(&store, ROOMY, "j@c", vec![change("n", "b", Some("2"))]);
    while set().is_err() {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(get(&store, "j@c", "n", None), "12");
}

/// What they deleted may have been copied before they asked.
#[test]
fn who_asks_during_a_compaction_gets_another() {
    let engine = Faulty::at(At::Nowhere);
    let store = engine.store();
    let gate = engine.gate.lock().unwrap();
    let first = ask(&store);
    while engine.begun.load(SeqCst) == 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let others = [ask(&store), ask(&store)];
    drop(gate);
    first.recv().unwrap().unwrap();
    for other in others {
        other.recv().unwrap().unwrap();
    }
    assert_eq!(engine.begun.load(SeqCst), 2);
}

#[test]
fn after_closing_nothing_is_compacted() {
    let store = Faulty::at(At::Nowhere).store();
    store.close();
    assert_eq!(ask(&store).recv().unwrap(), Err(CompactError::Failed));
}

#[test]
fn what_lives_is_counted_and_much_more_than_that_is_garbage() {
    let mut engine = Faulty::at(At::Nowhere);
    let mut compactor = Compactor::new(1000);
    compactor.opened(&engine).unwrap();
    compactor.grew(&engine, 5_000_000).unwrap();
    compactor.grew(&engine, -2_000_000).unwrap();
    for (size, garbage) in [(9_001_000, false), (9_001_001, true)] {
        engine.size = size;
        let mut compactor = Compactor::new(1000);
        compactor.opened(&engine).unwrap();
        assert_eq!(compactor.is_busy(), garbage, "{size}");
    }
}

/// With very small values what lives takes several times its size.
#[test]
fn a_log_that_stays_large_is_not_compacted_again_before_it_has_grown() {
    let mut engine = Faulty::at(At::Nowhere);
    engine.size = 90_000;
    let record = (b"key".to_vec(), Some(vec![0; 29_997]));
    engine.write_one(record).unwrap();
    let mut compactor = Compactor::new(1000);
    compactor.opened(&engine).unwrap();
    assert!(compactor.is_busy());
    while compactor.report.is_none() {
        compactor.work(&engine, Duration::ZERO).unwrap();
    }
    compactor.switched(Arc::new(Memory::default()), &engine);
    for (size, again) in [(136_000, false), (136_001, true)] {
        engine.size = size;
        compactor.grew(&engine, 0).unwrap();
        assert_eq!(compactor.is_busy(), again, "{size}");
    }
}

/// A write, or a turn of copying.
#[derive(Clone, Debug)]
enum Event {
    Writes(Vec<(u8, Option<u16>)>),
    Turn,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let write = (any::<u8>(), proptest::option::of(0_u16..40_000));
    let event = prop_oneof![
        proptest::collection::vec(write, 1..8).prop_map(Event::Writes),
        Just(Event::Turn),
    ];
    proptest::collection::vec(event, 0..60)
}

fn content(engine: &dyn Engine) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut content = Vec::new();
    let mut visit = |key: &[u8], value: &[u8]| {
        content.push((key.to_vec(), value.to_vec()));
        std::ops::ControlFlow::Continue(())
    };
    engine.scan_from(&[], &mut visit).unwrap();
    content.retain(|(key, _)| key != super::LIVE);
    content
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_written_meanwhile_the_copy_is_exact(events in events()) {
        let engine = Memory::default();
        for key in 0..=255_u8 {
            engine.write_one((vec![key, key], Some(vec![key; 5000]))).unwrap();
        }
        let mut copy = super::Copy::new(engine.begin_successor(0).unwrap(), 0, Vec::new());
        for event in events {
            match event {
                // No time at all is one batch at most.
                Event::Turn => drop(copy.turn(&engine, Duration::from_nanos(1)).unwrap()),
                Event::Writes(writes) => {
                    let writes: Vec<Write> = writes
                        .into_iter()
                        .map(|(key, length)| {
                            let value = length.map(|length| vec![key; length.into()]);
                            (vec![key, key / 2], value)
                        })
                        .collect();
                    let writes = Writes::Together(writes);
                    copy.follow(writes.all()).unwrap();
                    engine.write_all(writes.all().to_vec()).unwrap();
                }
            }
        }
        while !copy.turn(&engine, Duration::from_secs(1)).unwrap() {}
        let before = content(&engine);
        copy.prepare().unwrap();
        let (engine, _) = copy.take_over().unwrap();
        prop_assert_eq!(content(&*engine), before);
    }
}
