//! A store over the disk, and what its threads do: as tasks, each step after some time.

use std::fmt;
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::{sleep, sleep_until};
use xps_base::clock::Instant;
use xps_base::{random, simulation};

use super::disk::Disk;
use crate::backend::{Asked, Backend, Work};
use crate::commit::Writer;
use crate::engine::{Engine, Source as _};
use crate::local::Local;
use crate::request::Request;
use crate::revive::Broken;
use crate::shared::{Done, Told};
use crate::{
    Amount, CompactError, Compacted, Elements, NamespaceUsage, Observer, Owner, OwnerData,
    ReadError, Store, Totals,
};

/// How long a sync takes, in milliseconds: as often as it stands here.
const SYNC: [u64; 8] = [1, 1, 2, 2, 4, 8, 25, 400];

/// How often it is looked after what needs nobody's asking.
const LOOK: Duration = Duration::from_secs(1);

/// Answers that wait for a sync.
type Answers = Arc<Mutex<Vec<Box<dyn FnOnce() + Send>>>>;

/// A store over the engine that was opened on this disk.
pub(super) fn store(disk: Disk, engine: Arc<dyn Engine>) -> Store {
    let (near, writer, requests, broken) = Local::beside(engine);
    let played = Played {
        near,
        disk: disk.clone(),
        come: Arc::default(),
        answers: Arc::default(),
    };
    let thread = Thread {
        writer,
        disk,
        come: Arc::clone(&played.come),
        answers: Arc::clone(&played.answers),
        revival: Revival {
            broken,
            requests,
            due: None,
        },
    };
    drop(spawn_local(thread.run()));
    Store::on(Arc::new(played))
}

/// The thread that writes, and the one that opens a broken store again.
struct Thread {
    writer: Writer,
    disk: Disk,
    come: Arc<Notify>,
    answers: Answers,
    revival: Revival,
}

struct Revival {
    broken: Receiver<Broken>,
    requests: Sender<Request>,
    /// When it is tried next.
    due: Option<Instant>,
}

impl Thread {
    async fn run(mut self) {
        self.writer.opened();
        loop {
            let next = self.revival.due.unwrap_or_else(|| Instant::now() + LOOK);
            let come = Arc::clone(&self.come);
            let waited = async move {
                come.notified().await;
                // What comes meanwhile is of the same group.
                sleep(Duration::from_millis(random::number() % 3)).await;
            };
            tokio::select! {
                biased;
                () = waited => {}
                () = sleep_until(next) => self.revival.attempt(&self.disk),
            }
            loop {
                let goes_on = self.writer.do_some();
                self.sync().await;
                self.revival.look();
                match goes_on {
                    Some(true) => {}
                    Some(false) => return self.writer.end(),
                    None => break,
                }
            }
        }
    }

    /// Waits for the sync that was asked for, and has all be answered that waits for it.
    async fn sync(&mut self) {
        let asked = self.disk.asked();
        if asked > 0 {
            simulation::wait_for_one_of(&SYNC).await;
            self.disk.synced(asked);
        }
        let answers =
            std::mem::take(&mut *self.answers.lock().unwrap_or_else(PoisonError::into_inner));
        for answer in answers {
            answer();
        }
    }
}

impl Revival {
    /// Takes note of an engine that broke.
    fn look(&mut self) {
        if let Ok(broken) = self.broken.try_recv() {
            self.due = Some(Instant::now() + broken.pause);
        }
    }

    fn attempt(&mut self, disk: &Disk) {
        if self.due.is_none_or(|due| due > Instant::now()) {
            return;
        }
        self.due = match disk.reopen() {
            Ok(engine) => {
                // Whoever receives it is called right after this.
                let _ = self.requests.send(Request::Revived(engine));
                None
            }
            Err(_) => Some(Instant::now() + crate::revive::SHORTEST_PAUSE),
        };
    }
}

/// What is handed over is done by the thread, in time.
struct Played {
    near: Local,
    disk: Disk,
    come: Arc<Notify>,
    answers: Answers,
}

impl Played {
    /// The program has its answers told once it has asked for a sync: that takes time here, and whoever is told waits
    /// for it. Where it is told before it has asked, it waits for nothing.
    fn once_synced(&self, done: Done) -> Done {
        let (disk, answers) = (self.disk.clone(), Arc::clone(&self.answers));
        Done::new(move |result| {
            let tell: Box<dyn FnOnce() + Send> = Box::new(move || done.tell(result));
            match disk.is_asked_for_all() {
                true => answers
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(tell),
                false => tell(),
            }
        })
    }

    fn handed_over(&self) {
        self.come.notify_one();
    }
}

impl Backend for Played {
    fn is_quick(&self) -> bool {
        self.near.is_quick()
    }

    fn is_shared(&self) -> bool {
        self.near.is_shared()
    }

    fn find(&self, asked: &[Asked]) -> Vec<Result<Vec<Elements>, ReadError>> {
        self.near.find(asked)
    }

    fn read(
        &self,
        owner: &Owner,
        namespace: &str,
        name: Option<&str>,
        out: &mut String,
    ) -> Result<u64, ReadError> {
        self.near.read(owner, namespace, name, out)
    }

    fn note(&self, owner: &Owner) -> Result<Option<String>, ReadError> {
        self.near.note(owner)
    }

    fn owners(
        &self,
        after: Option<&Owner>,
        most: usize,
    ) -> Result<Vec<(Owner, Amount)>, ReadError> {
        self.near.owners(after, most)
    }

    fn owner_data(&self, owner: &Owner) -> Result<OwnerData, ReadError> {
        self.near.owner_data(owner)
    }

    fn amount(&self, owner: &Owner) -> Result<Amount, ReadError> {
        self.near.amount(owner)
    }

    fn namespace_usage(&self, owner: &Owner) -> Result<Vec<NamespaceUsage>, ReadError> {
        self.near.namespace_usage(owner)
    }

    fn totals(&self, patience: Duration) -> Result<Totals, ReadError> {
        self.near.totals(patience)
    }

    fn submit(&self, work: Work, since: Instant, done: Done) {
        self.near.submit(work, since, self.once_synced(done));
        self.handed_over();
    }

    fn compact(&self, done: Told<Result<Compacted, CompactError>>) {
        self.near.compact(done);
        self.handed_over();
    }

    fn failed(&self) -> bool {
        self.near.failed()
    }

    fn measure(&self, observer: Arc<dyn Observer>) {
        self.near.measure(observer);
        self.handed_over();
    }

    fn count(&self) {
        self.near.count();
        self.handed_over();
    }

    fn when_reached(&self, tell: Box<dyn FnOnce() + Send>) {
        self.near.when_reached(tell);
        self.handed_over();
    }

    fn when_lost(&self, callback: Box<dyn FnOnce() + Send>) {
        self.near.when_lost(callback);
    }

    fn close(&self) {
        self.near.close();
        self.handed_over();
    }
}

impl fmt::Debug for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.near.fmt(f)
    }
}
