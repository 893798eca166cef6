//! A store with an engine of its own: sled in a folder, or a map in memory.

use std::fmt;
use std::io;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::backend::{Asked, Backend, Work};
use super::change::Owner;
use super::commit::Writer;
use super::compact::Compacted;
use super::engine::{Engine, Source};
use super::error::{CompactError, EngineError, ReadError};
use super::memory::Memory;
use super::observer::Observer;
use super::read::{self, ReadFault};
use super::request::{Request, Update};
#[cfg(feature = "simulation")]
use super::revive::{Broken, Reviver};
use super::shared::{Breakdown, Done, Shared, Told};
use super::storage::{Elements, Query, Under};
use super::totals::{self, Totals};
use super::whole::{self, Amount, NamespaceUsage, OwnerData};
use xps_base::clock::Instant;
use xps_base::panics;
use xps_base::threads;

/// What is read at once is over when so many bytes have been read, or for so long.
pub(super) const BATCH_BYTES: usize = 512 * 1024;
const BATCH_TIME: Duration = Duration::from_millis(2);

pub(super) struct Local {
    shared: Arc<Shared>,
    requests: Sender<Request>,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// Where there is no thread that writes, whoever hands something over does it.
    by_caller: Option<Mutex<Writer>>,
}

impl Local {
    /// One with a thread that writes.
    pub(super) fn start(
        engine: Arc<dyn Engine>,
        source: Arc<dyn Source>,
        compact_above: u64,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (requests, receiver) = mpsc::channel();
        let to_self = (requests.clone(), receiver);
        let writer = Writer::new(Arc::clone(&shared), engine, source, to_self, compact_above)?;
        let known = Arc::clone(&shared);
        let work = move || {
            if panics::caught(|| writer.run()).is_none() {
                known.fail(&Breakdown::panic());
                known.lose(
                    "the thread that writes the store has ended because of a bug; please report it",
                );
            }
        };
        let writer = threads::start("store", work)?;
        Ok(Self {
            shared,
            requests,
            writer: Mutex::new(Some(writer)),
            by_caller: None,
        })
    }

    /// One without.
    pub(super) fn by_caller(memory: Arc<Memory>) -> Self {
        let shared = Arc::new(Shared::default());
        let (requests, receiver) = mpsc::channel();
        let writer = Writer::alone(Arc::clone(&shared), memory, receiver);
        Self {
            shared,
            requests,
            writer: Mutex::new(None),
            by_caller: Some(Mutex::new(writer)),
        }
    }

    /// One whose writer is run by the caller, as a thread would; with where a request is handed to it, and where it
    /// hands over what has broken.
    #[cfg(feature = "simulation")]
    pub(super) fn beside(
        engine: Arc<dyn Engine>,
    ) -> (Self, Writer, Sender<Request>, mpsc::Receiver<Broken>) {
        let shared = Arc::new(Shared::default());
        let (requests, receiver) = mpsc::channel();
        let (reviver, broken) = Reviver::elsewhere();
        let writer = Writer::beside(Arc::clone(&shared), engine, reviver, receiver);
        let local = Self {
            shared,
            requests: requests.clone(),
            writer: Mutex::new(None),
            by_caller: None,
        };
        (local, writer, requests, broken)
    }

    fn find_one(&self, query: &Query) -> Result<Vec<Elements>, ReadError> {
        let Query {
            owner,
            namespace,
            names,
            or_all,
        } = query;
        let find = |name: &String| {
            let mut text = String::new();
            let under = if self.read(owner, namespace, Some(name), &mut text)? > 0 {
                Under::Name
            } else if *or_all && self.read(owner, namespace, None, &mut text)? > 0 {
                Under::Namespace
            } else {
                Under::Nothing
            };
            Ok(Elements { text, under })
        };
        names.iter().map(find).collect()
    }

    fn reading_whole<T>(
        &self,
        work: impl FnOnce(&dyn Engine) -> Result<T, EngineError>,
    ) -> Result<T, ReadError> {
        self.reading(work)?.map_err(|error| {
            self.shared.damaged(format_args!("{error}"));
            ReadError::Failed
        })
    }

    /// Works on the engine while nobody applies a set.
    fn reading<T>(&self, work: impl FnOnce(&dyn Engine) -> T) -> Result<T, ReadError> {
        let shared = &self.shared;
        let engine = shared.engine.read().unwrap_or_else(PoisonError::into_inner);
        let engine = engine
            .as_deref()
            .filter(|_| !shared.failed())
            .ok_or(ReadError::Failed)?;
        Ok(work(engine))
    }

    fn damaged(&self, what: fmt::Arguments<'_>, trouble: &ReadFault) -> ReadError {
        self.shared.damaged(what);
        match trouble {
            ReadFault::Damage(_) => ReadError::Damaged,
            ReadFault::Engine(_) => ReadError::Failed,
        }
    }

    fn hand_over(&self, request: Request) {
        // After closing nobody receives, and dropping a request answers it.
        drop(self.requests.send(request));
        if let Some(writer) = &self.by_caller {
            let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
            writer.do_all();
        }
    }
}

impl Backend for Local {
    /// Most of what is read is in memory.
    fn is_quick(&self) -> bool {
        true
    }

    /// It is locked, or in this process alone.
    fn is_shared(&self) -> bool {
        false
    }

    fn find(&self, asked: &[Asked]) -> Vec<Result<Vec<Elements>, ReadError>> {
        let begun = Instant::now();
        let mut bytes = 0;
        let mut found = Vec::with_capacity(asked.len());
        for it in asked {
            let elements = self.find_one(&it.query);
            let texts = elements.iter().flatten();
            bytes += texts.map(|it| it.text.len()).sum::<usize>();
            found.push(elements);
            if bytes >= BATCH_BYTES || begun.elapsed() >= BATCH_TIME {
                break;
            }
        }
        found
    }

    fn read(
        &self,
        owner: &Owner,
        namespace: &str,
        name: Option<&str>,
        out: &mut String,
    ) -> Result<u64, ReadError> {
        let reading = |engine: &dyn Engine| read::read(engine, owner, namespace, name, out);
        self.reading(reading)?.map_err(|trouble| {
            let what = format_args!("{owner:?} {namespace:?} {name:?}: {trouble}");
            self.damaged(what, &trouble)
        })
    }

    fn note(&self, owner: &Owner) -> Result<Option<String>, ReadError> {
        self.reading(|engine| read::note(engine, owner))?
            .map_err(|trouble| {
                let what = format_args!("the note about {owner:?}: {trouble}");
                self.damaged(what, &trouble)
            })
    }

    fn owners(
        &self,
        after: Option<&Owner>,
        most: usize,
    ) -> Result<Vec<(Owner, Amount)>, ReadError> {
        let with_amount = |owner: Owner| {
            let amount = self.amount(&owner).unwrap_or_default();
            (owner, amount)
        };
        let owners = self.addresses(after, most)?;
        Ok(owners.into_iter().map(with_amount).collect())
    }

    fn addresses(&self, after: Option<&Owner>, most: usize) -> Result<Vec<Owner>, ReadError> {
        self.reading_whole(|engine| whole::owners(engine, after, most))
    }

    fn owner_data(&self, owner: &Owner) -> Result<OwnerData, ReadError> {
        self.reading_whole(|engine| whole::owner_data(engine, owner))
    }

    fn amount(&self, owner: &Owner) -> Result<Amount, ReadError> {
        self.reading_whole(|engine| whole::amount(engine, owner))
    }

    fn namespace_usage(&self, owner: &Owner) -> Result<Vec<NamespaceUsage>, ReadError> {
        self.reading_whole(|engine| whole::namespace_usage(engine, owner))
    }

    fn totals(&self, patience: Duration) -> Result<Totals, ReadError> {
        let until = Instant::now() + patience;
        let mut count = totals::Count::default();
        while !count.is_done() && Instant::now() < until {
            // A set may have to wait for each slice.
            self.reading_whole(|engine| count.go_on(engine))?;
        }
        Ok(count.totals())
    }

    fn submit(&self, work: Work, _: Instant, done: Done) {
        let update = match work {
            Work::Set(set, existing) => Update::Set(set, existing),
            Work::Note(owner, text) => Update::Note {
                owner,
                was: None,
                text,
            },
            Work::NoteIf { owner, was, text } => Update::Note {
                owner,
                was: Some(was),
                text,
            },
            Work::Remove(owner, namespace) => {
                return self.hand_over(Request::Remove(owner, namespace, done));
            }
        };
        self.hand_over(Request::Update(update, done));
    }

    fn compact(&self, done: Told<Result<Compacted, CompactError>>) {
        self.hand_over(Request::Compact(done));
    }

    fn failed(&self) -> bool {
        self.shared.failed()
    }

    fn measure(&self, observer: Arc<dyn Observer>) {
        self.hand_over(Request::Measure(observer));
    }

    fn count(&self) {
        self.hand_over(Request::Count);
    }

    fn when_reached(&self, tell: Box<dyn FnOnce() + Send>) {
        self.hand_over(Request::Reached(tell));
    }

    fn when_lost(&self, callback: Box<dyn FnOnce() + Send>) {
        self.shared.when_lost(callback);
    }

    fn close(&self) {
        self.hand_over(Request::Close);
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = writer.take() {
            // The last clone may be dropped by an answer, on the writer thread itself.
            if writer.thread().id() != thread::current().id() {
                // Its panic was caught and logged.
                let _ = writer.join();
            }
        }
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local")
            .field("failed", &self.failed())
            .finish_non_exhaustive()
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.close();
    }
}
