//! The writer thread: it takes all sets that wait, applies them, syncs once, then answers.
//!
//! Invariants: a set is answered `Ok` only after a sync that followed it; sets take effect in the
//! order they were submitted; every set is answered exactly once, whatever fails; after an error
//! nothing is read or written until the engine has been opened again.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::census::Census;
use super::change::{Change, ChangeSet, Existing, Owner, Quota};
use super::compact::Compactor;
use super::engine::{Engine, Source};
use super::error::SetError;
use super::observer::Observer;
use super::plan::{Group, Refusal, Writes};
use super::recent::Recent;
use super::request::{Request, Update};
use super::revive::{Broken, LONGEST_PAUSE, Reviver, SHORTEST_PAUSE};
use super::shared::{Breakdown, Done, Shared};
use super::space::FreeSpace;
use super::usage::Usage;
use super::whole;
use xps_base::clock::Instant;
use xps_base::panics;

/// Bounds of a group: past them a longer group is hardly faster, and answers come late.
const GROUP_SETS: usize = 1024;
const GROUP_BYTES: usize = 4 * 1024 * 1024;

/// How long trouble that the engine swallowed may go unnoticed.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// The room for remembered usage: that of some 50,000 owners with a few namespaces each.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// An engine that works this long has really been brought back: should it break again, the first
/// attempt comes soon.
const STEADY_AFTER: Duration = Duration::from_secs(60);

type Set = (Update, Done);

pub(super) struct Writer {
    shared: Arc<Shared>,
    /// `None` while broken.
    engine: Option<Arc<dyn Engine>>,
    requests: Receiver<Request>,
    cache: Recent<Usage>,
    space: FreeSpace,
    compactor: Compactor,
    /// `None` where nothing is measured.
    census: Option<Census>,
    /// When the oldest write was made that no check has followed yet.
    unchecked: Option<Instant>,
    reviver: Reviver,
    revived: Option<Instant>,
    pause: Duration,
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        engine: Arc<dyn Engine>,
        source: Arc<dyn Source>,
        (to_self, requests): (Sender<Request>, Receiver<Request>),
        compact_above: u64,
    ) -> io::Result<Self> {
        let reviver = Reviver::start(source, Arc::clone(&shared), to_self)?;
        Ok(Self::with(shared, engine, reviver, requests, compact_above))
    }

    /// One that never waits, and gives up where its engine breaks.
    pub(super) fn alone(
        shared: Arc<Shared>,
        engine: Arc<dyn Engine>,
        requests: Receiver<Request>,
    ) -> Self {
        Self::with(shared, engine, Reviver::none(), requests, u64::MAX)
    }

    /// One that waits for nothing either, and is run by somebody else.
    #[cfg(feature = "simulation")]
    pub(super) fn beside(
        shared: Arc<Shared>,
        engine: Arc<dyn Engine>,
        reviver: Reviver,
        requests: Receiver<Request>,
    ) -> Self {
        Self::with(shared, engine, reviver, requests, u64::MAX)
    }

    fn with(
        shared: Arc<Shared>,
        engine: Arc<dyn Engine>,
        reviver: Reviver,
        requests: Receiver<Request>,
        compact_above: u64,
    ) -> Self {
        shared.serve(Some(Arc::clone(&engine)));
        Self {
            shared,
            engine: Some(engine),
            requests,
            cache: Recent::new(CACHE_BYTES),
            space: FreeSpace::default(),
            compactor: Compactor::new(compact_above),
            census: None,
            unchecked: None,
            reviver,
            revived: None,
            pause: SHORTEST_PAUSE,
        }
    }

    /// Serves until it is told to close.
    pub(super) fn run(mut self) {
        self.opened();
        loop {
            let next = self.wait();
            if !self.turn(next) {
                break;
            }
        }
        self.end();
    }

    /// Does all that waits, and waits for nothing.
    pub(super) fn do_all(&mut self) {
        while let Ok(next) = self.requests.try_recv() {
            self.turn(Some(next));
        }
    }

    /// Does what waits first, and what can be done together with it; `None` if there is nothing to do, and else
    /// whether it goes on.
    #[cfg(feature = "simulation")]
    pub(super) fn do_some(&mut self) -> Option<bool> {
        let next = self.requests.try_recv().ok();
        let is_due = self.unchecked.is_some_and(|it| it.elapsed() >= CHECK_EVERY);
        let is_busy = is_due || self.compactor.is_busy();
        (next.is_some() || is_busy).then(|| self.turn(next))
    }

    /// Does this, and what waits behind it, as far as it can be done together. `false` if it is to close.
    fn turn(&mut self, next: Option<Request>) -> bool {
        let (sets, next) = self.gather(next);
        let begun = Instant::now();
        if !sets.is_empty() {
            self.commit(sets);
        }
        let due = self
            .unchecked
            .is_some_and(|since| since.elapsed() >= CHECK_EVERY);
        let closing = matches!(next, Some(Request::Close));
        if due || closing {
            self.check();
        }
        if let (Some(census), Some(engine)) = (&mut self.census, &self.engine) {
            census.go_on(&**engine);
        }
        match next {
            Some(Request::Close) => return false,
            Some(Request::Revived(engine)) => self.revived(engine),
            Some(Request::Reached(tell)) => {
                // It comes every few seconds, also where nobody stores anything.
                self.check_place();
                tell();
            }
            Some(Request::Remove(owner, namespace, done)) => {
                self.remove(owner, namespace.as_deref(), done);
            }
            Some(Request::Compact(asked)) => self.compactor.ask(asked),
            Some(Request::Count) => {
                if let Some(census) = &mut self.census {
                    census.begin();
                }
            }
            Some(Request::Measure(observer)) => self.census = Some(Census::new(observer)),
            Some(Request::Update(..)) | None => {}
        }
        self.compact(begun.elapsed());
        true
    }

    pub(super) fn end(mut self) {
        self.compactor.end();
        // Readers never keep it, so with our own it is gone, and its lock with it.
        self.shared.serve(None);
        if let Some(engine) = self.engine {
            engine.seal();
        }
        self.reviver.end();
    }

    /// Waits for something to do, or for the next check.
    fn wait(&self) -> Option<Request> {
        // Without an engine there is nothing to count.
        let counting = self.census.as_ref().filter(|_| self.engine.is_some());
        let due = [
            self.unchecked.map(|since| since + CHECK_EVERY),
            counting.and_then(Census::due),
        ];
        match due.into_iter().flatten().min() {
            _ if self.compactor.is_busy() => match self.requests.try_recv() {
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => Some(Request::Close),
                Ok(request) => Some(request),
            },
            Some(due) => {
                match self
                    .requests
                    .recv_timeout(due.saturating_duration_since(Instant::now()))
                {
                    Err(RecvTimeoutError::Timeout) => None,
                    Err(RecvTimeoutError::Disconnected) => Some(Request::Close),
                    Ok(request) => Some(request),
                }
            }
            None => Some(self.requests.recv().unwrap_or(Request::Close)),
        }
    }

    /// Takes what sets are there already; and what came behind them, if that is no set.
    fn gather(&self, mut next: Option<Request>) -> (Vec<Set>, Option<Request>) {
        let (mut sets, mut bytes) = (Vec::new(), 0);
        loop {
            match next {
                Some(Request::Update(update, done)) => {
                    bytes += size(&update);
                    sets.push((update, done));
                }
                other => return (sets, other),
            }
            if sets.len() >= GROUP_SETS || bytes >= GROUP_BYTES {
                return (sets, None);
            }
            next = self.requests.try_recv().ok();
        }
    }

    fn commit(&mut self, sets: Vec<Set>) {
        let Some(engine) = self.engine.clone() else {
            let refusal = self.shared.refusal();
            for (_, done) in sets {
                done.tell(Err(refusal.clone()));
            }
            return;
        };
        // Before anything is done in a folder that may be another. Whoever waits is told at the end.
        if let Err(displaced) = engine.in_place() {
            drop(engine);
            return self.fail(displaced.into());
        }
        let mut planned = Vec::with_capacity(sets.len());
        let execute = || self.execute(&*engine, sets, &mut planned);
        let breakdown = match panics::caught(execute) {
            Some(Ok(())) => None,
            Some(Err(breakdown)) => Some(breakdown.of(&*engine)),
            None => Some(Breakdown::panic()),
        };
        drop(engine);
        if let Some(breakdown) = breakdown {
            self.fail(breakdown);
        }
        // What is left in here is told that it failed: only now that nobody can see it any more.
        drop(planned);
    }

    fn execute(
        &mut self,
        engine: &dyn Engine,
        sets: Vec<Set>,
        planned: &mut Vec<(Done, Result<(), SetError>, usize)>,
    ) -> Result<(), Breakdown> {
        let has_room = self.space.has_some(engine);
        let mut group = Group::new(engine, &mut self.cache, has_room);
        let plan = |(update, done): Set| {
            let bytes = size(&update);
            let owner = match &update {
                Update::Set(set, _) => set.owner.clone(),
                Update::Note { owner, .. } => owner.clone(),
            };
            // What is refused leaves no trace in the group, and neither does a panic: all that could
            // meet one is worked out before anything is put there.
            let planned = panics::caught(|| match update {
                Update::Set(set, existing) => {
                    test_panic(&set);
                    group.add(&set, existing)
                }
                Update::Note { owner, was, text } => group.add_note(owner, was, text),
            });
            match planned {
                Some(Ok(())) => (done, Ok(()), bytes),
                Some(Err(Refusal::Set(error))) => (done, Err(error), 0),
                Some(Err(Refusal::Engine(error))) => {
                    self.shared
                        .damaged(format_args!("{}: {error}", owner.as_str()));
                    (done, Err(SetError::Failed), 0)
                }
                None => (done, Err(SetError::Broken), 0),
            }
        };
        planned.extend(sets.into_iter().map(plan));
        let writes = group.writes();
        if !writes.is_empty() {
            self.unchecked.get_or_insert_with(Instant::now);
            self.compactor.follow(&writes);
            let observer = self.census.as_ref().map(|census| &*census.observer);
            write(&self.shared, engine, writes, observer)?;
            if let Some(observer) = observer {
                observer.group(planned.len());
            }
        }
        let growth = group.succeeded(self.census.as_mut());
        self.compactor.grew(engine, growth)?;
        if let Some(census) = &self.census {
            census.report();
        }
        for (done, result, bytes) in planned.drain(..) {
            self.space.taken(bytes);
            done.tell(result);
        }
        Ok(())
    }

    /// What an owner has, or has in one namespace, is deleted like anything else; and what is left then, because damage has
    /// torn it from where it belongs.
    fn remove(&mut self, owner: Owner, namespace: Option<&str>, done: Done) {
        let Some(engine) = self.engine.clone() else {
            return done.tell(Err(self.shared.refusal()));
        };
        let changes = match whole::sequences(&*engine, &owner, namespace) {
            Ok(sequences) => sequences.into_iter().map(|(namespace, name)| Change {
                namespace,
                name,
                value: None,
            }),
            Err(error) => {
                self.shared.damaged(format_args!("{owner:?}: {error}"));
                return done.tell(Err(SetError::Failed));
            }
        };
        let set = ChangeSet {
            owner: owner.clone(),
            quota: Quota::NONE,
            changes: changes.collect(),
        };
        let result = Arc::new(Mutex::new(Err(SetError::Failed)));
        let told = Arc::clone(&result);
        let note = move |how| *told.lock().unwrap_or_else(PoisonError::into_inner) = how;
        // Whoever gives an engine up closes it, where nobody else has it.
        drop(engine);
        let mut sets = vec![(Update::Set(set, Existing::Replace), Done::new(note))];
        if namespace.is_none() {
            let note = Update::Note {
                owner: owner.clone(),
                was: None,
                text: None,
            };
            sets.push((note, Done::new(|_| {})));
        }
        self.commit(sets);
        let result = result
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let (Ok(()), Some(engine)) = (&result, self.engine.clone()) else {
            return done.tell(result);
        };
        let left = whole::keys(&*engine, &owner, namespace).unwrap_or_default();
        if !left.is_empty() {
            let writes = Writes::Together(left.into_iter().map(|key| (key, None)).collect());
            self.compactor.follow(&writes);
            if let Err(error) = write(&self.shared, &*engine, writes, None) {
                let breakdown = error.of(&*engine);
                drop(engine);
                self.fail(breakdown);
                return done.tell(Err(SetError::Failed));
            }
        }
        done.tell(result);
    }

    fn check(&mut self) {
        self.unchecked = None;
        self.check_place();
        if let Some(engine) = &self.engine
            && let Err(error) = engine.check()
        {
            let breakdown = Breakdown::from(error).of(&**engine);
            self.fail(breakdown);
        }
    }

    /// Looks whether the store is still where it was.
    fn check_place(&mut self) {
        if let Some(engine) = &self.engine
            && let Err(displaced) = engine.in_place()
        {
            self.fail(displaced.into());
        }
    }

    /// Takes note of what is in an engine that was opened.
    pub(super) fn opened(&mut self) {
        let Some(engine) = self.engine.clone() else {
            return;
        };
        let opened = || self.compactor.opened(&*engine);
        let opened = panics::caught(opened);
        drop(engine);
        match opened {
            Some(Ok(())) => {}
            Some(Err(error)) => self.fail(error.into()),
            None => self.fail(Breakdown::panic()),
        }
    }

    /// Goes on with a compaction, if there is one. This is the writer thread, so that nothing is
    /// written meanwhile.
    fn compact(&mut self, spent: Duration) {
        if self.compactor.is_busy() {
            self.check_place();
        }
        let Some(engine) = self.engine.clone() else {
            // Whoever has asked meanwhile is told that it failed.
            drop(self.compactor.abandon());
            return;
        };
        let work = || self.compactor.work(&*engine, spent);
        let successor = match panics::caught(work) {
            Some(Ok(None)) => return,
            Some(Ok(Some(successor))) => successor,
            Some(Err(error)) => {
                drop(engine);
                let reason = format!("it cannot go on in its compacted database file: {error}");
                return self.fail(Breakdown::Broken(reason));
            }
            None => {
                drop(engine);
                return self.fail(Breakdown::panic());
            }
        };
        self.engine = Some(Arc::clone(&successor));
        self.shared.serve(Some(Arc::clone(&successor)));
        self.compactor.switched(engine, &*successor);
    }

    /// Gives the engine up, and has it opened again.
    fn fail(&mut self, breakdown: Breakdown) {
        // What a failed commit left behind may be gone after a crash, so nobody gets to see it.
        self.shared.fail(&breakdown);
        self.shared.serve(None);
        self.unchecked = None;
        self.cache = Recent::new(CACHE_BYTES);
        self.space = FreeSpace::default();
        let successor = self.compactor.abandon();
        if let Some(census) = &mut self.census {
            census.observer.failed();
            census.restart();
        }
        let Some(engine) = self.engine.take() else {
            return;
        };
        // A disk that breaks again and again shall not fill the log.
        self.pause = match self.revived {
            Some(revived) if revived.elapsed() < STEADY_AFTER => {
                (self.pause * 2).min(LONGEST_PAUSE)
            }
            _ => SHORTEST_PAUSE,
        };
        self.reviver.revive(Broken {
            engine,
            successor,
            reason: breakdown.to_string(),
            pause: self.pause,
        });
    }

    fn revived(&mut self, engine: Arc<dyn Engine>) {
        tracing::info!("the store works again");
        self.engine = Some(Arc::clone(&engine));
        self.shared.serve(Some(engine));
        self.revived = Some(Instant::now());
        self.opened();
    }
}

fn write(
    shared: &Shared,
    engine: &dyn Engine,
    writes: Writes,
    observer: Option<&dyn Observer>,
) -> Result<(), Breakdown> {
    let alone = || {
        shared
            .engine
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    };
    match writes {
        Writes::Single(writes) => {
            for write in writes {
                let _alone = alone();
                engine.write_one(write)?;
            }
        }
        Writes::Together(writes) => {
            let _alone = alone();
            engine.write_all(writes)?;
        }
    }
    let begun = Instant::now();
    engine.flush()?;
    if let Some(observer) = observer {
        observer.synced(begun.elapsed());
    }
    // What was synced is worth nothing if the next open does not find it.
    Ok(engine.in_place()?)
}

fn test_panic(set: &ChangeSet) {
    let values = set
        .changes
        .iter()
        .filter_map(|change| change.value.as_ref());
    for value in values {
        panics::test_at("store", value.text.as_bytes());
    }
}

fn size(update: &Update) -> usize {
    let set = match update {
        Update::Set(set, _) => set,
        Update::Note { text, .. } => return text.as_ref().map_or(0, String::len),
    };
    set.changes
        .iter()
        .filter_map(|change| change.value.as_ref())
        .map(|value| value.text.len())
        .sum()
}

#[cfg(test)]
mod tests;
