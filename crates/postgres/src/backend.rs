//! The store's door: what anybody asks goes to the thread of the database.

use std::fmt;
use std::rc::Rc;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedSender, channel, unbounded_channel};

use super::error::OpenError;
use super::reader;
use super::run::{Message, Open, run};
use super::settings::Settings;
use super::shared::Shared;
use super::state::State;
use super::turns;
use super::whole;
use xps_base::clock::Instant;
use xps_base::{panics, threads};
use xps_store::{
    Amount, Asked, Backend, CompactError, Compacted, Done, Elements, NamespaceUsage, Observer,
    Owner, OwnerData, ReadError, Store, Take, Told, Totals, Work,
};

/// How many pieces of what is read may wait for whoever takes them.
const STREAMED: usize = 4;

struct Postgres {
    shared: Arc<Shared>,
    messages: UnboundedSender<Message>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Opens the store, and waits for the first look at all hosts.
pub(crate) fn open(settings: Settings, how: Open) -> Result<Store, OpenError> {
    let shared = Arc::new(Shared::default());
    let (messages, received) = unbounded_channel();
    let (tell, opened) = sync_channel(1);
    let known = Arc::clone(&shared);
    let work = move || {
        let shared = Arc::clone(&known);
        let running = || run(Arc::new(settings), shared, received, how, &tell);
        if panics::caught(running).is_none() {
            known.set_failed(true);
            known.lose(
                "the thread that serves the database has ended because of a bug; please report it",
            );
        }
    };
    let no_thread = |error: std::io::Error| OpenError::NoThread(error.to_string());
    let thread = threads::start("postgres", work).map_err(no_thread)?;
    // Nothing is told where it has panicked.
    let ended = OpenError::NoThread("it ended because of a bug; please report it".to_owned());
    opened.recv().unwrap_or(Err(ended))?;
    Ok(Store::on(Arc::new(Postgres {
        shared,
        messages,
        thread: Mutex::new(Some(thread)),
    })))
}

impl Postgres {
    /// Whoever is asked after the end is dropped, which answers.
    fn send(&self, message: Message) {
        drop(self.messages.send(message));
    }

    /// Has this done on the thread, and waits for it. It is told when that was.
    fn ask<T, F>(
        &self,
        work: impl FnOnce(Rc<State>, Instant) -> F + Send + 'static,
    ) -> Result<T, ReadError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, ReadError>> + 'static,
    {
        let asked = Instant::now();
        let (tell, told) = sync_channel(1);
        self.send(Message::Ask(Box::new(move |state| {
            let working = work(state, asked);
            Box::pin(async move {
                // They may be gone.
                let _ = tell.send(working.await);
            })
        })));
        told.recv().unwrap_or(Err(ReadError::Failed))
    }
}

impl Backend for Postgres {
    fn is_quick(&self) -> bool {
        false
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn find(&self, asked: &[Asked]) -> Vec<Result<Vec<Elements>, ReadError>> {
        let all = asked.to_vec();
        let none = all.is_empty();
        let found = self.ask(move |state, _| async move { Ok(reader::find(&state, &all).await) });
        match found {
            Ok(found) => found,
            Err(_) if none => Vec::new(),
            Err(error) => vec![Err(error)],
        }
    }

    fn find_later(&self, asked: Vec<Asked>, found: Told<Vec<Result<Vec<Elements>, ReadError>>>) {
        self.send(Message::Ask(Box::new(move |state| {
            Box::pin(async move { found.tell(reader::find(&state, &asked).await) })
        })));
    }

    fn read(
        &self,
        owner: &Owner,
        namespace: &str,
        name: Option<&str>,
        out: &mut String,
    ) -> Result<u64, ReadError> {
        let owner = owner.clone();
        let (namespace, name) = (namespace.to_owned(), name.map(str::to_owned));
        let (text, elements) = self.ask(move |state, asked| async move {
            reader::read(&state, &owner, (&namespace, name.as_deref()), asked).await
        })?;
        out.push_str(&text);
        Ok(elements)
    }

    fn note(&self, owner: &Owner) -> Result<Option<String>, ReadError> {
        let owner = owner.clone();
        self.ask(move |state, asked| async move { whole::note(&state, &owner, asked).await })
    }

    fn owners(
        &self,
        after: Option<&Owner>,
        most: usize,
    ) -> Result<Vec<(Owner, Amount)>, ReadError> {
        let after = after.cloned();
        self.ask(move |state, asked| async move {
            whole::owners(&state, after.as_ref(), most, asked).await
        })
    }

    fn amounts(&self, each: &mut dyn FnMut(Vec<(Owner, Amount)>)) -> Result<(), ReadError> {
        let asked = Instant::now();
        let (tell, mut told) = channel(STREAMED);
        self.send(Message::Ask(Box::new(move |state| {
            Box::pin(async move {
                let ended = whole::amounts(&state, &tell, asked).await;
                // None are the end. They may be gone.
                let _ = tell.send(ended.map(|()| Vec::new())).await;
            })
        })));
        loop {
            let some = told.blocking_recv().unwrap_or(Err(ReadError::Failed))?;
            if some.is_empty() {
                return Ok(());
            }
            each(some);
        }
    }

    fn owner_data(&self, owner: &Owner) -> Result<OwnerData, ReadError> {
        let owner = owner.clone();
        self.ask(move |state, asked| async move { whole::owner_data(&state, &owner, asked).await })
    }

    fn amount(&self, owner: &Owner) -> Result<Amount, ReadError> {
        let owner = owner.clone();
        self.ask(move |state, asked| async move { whole::amount(&state, &owner, asked).await })
    }

    fn namespace_usage(&self, owner: &Owner) -> Result<Vec<NamespaceUsage>, ReadError> {
        let owner = owner.clone();
        self.ask(
            move |state, asked| async move { whole::namespace_usage(&state, &owner, asked).await },
        )
    }

    fn totals(&self, patience: Duration) -> Result<Totals, ReadError> {
        self.ask(move |state, asked| async move { whole::totals(&state, patience, asked).await })
    }

    fn take_turn(&self, owner: &Owner, take: Take) {
        let (owner, asked) = (owner.clone(), Instant::now());
        self.send(Message::Ask(Box::new(move |state| {
            Box::pin(async move { turns::serve(&state, &owner, asked, take).await })
        })));
    }

    fn submit(&self, work: Work, since: Instant, done: Done) {
        self.send(Message::Work(work, done, since));
    }

    fn compact(&self, done: Told<Result<Compacted, CompactError>>) {
        done.tell(Err(CompactError::NothingToDo));
    }

    fn failed(&self) -> bool {
        self.shared.failed()
    }

    fn measure(&self, observer: Arc<dyn Observer>) {
        self.shared.measure(observer);
    }

    fn count(&self) {
        self.send(Message::Count);
    }

    fn when_reached(&self, tell: Box<dyn FnOnce() + Send>) {
        self.send(Message::Reached(tell));
    }

    fn when_lost(&self, callback: Box<dyn FnOnce() + Send>) {
        self.shared.when_lost(callback);
    }

    fn close(&self) {
        self.send(Message::Close);
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // The last clone may be dropped by an answer, on the thread itself.
        if let Some(thread) = thread
            && thread.thread().id() != thread::current().id()
        {
            // Its panic was caught and logged.
            let _ = thread.join();
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres")
            .field("failed", &self.failed())
            .finish_non_exhaustive()
    }
}
