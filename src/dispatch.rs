//! The open requests, from the moment they were read to the moment their reply is queued.
//!
//! Invariants held here:
//! - requests of one owner take effect in the order they came, and a get starts only when no
//!   write of its owner is on its way to the disk: it shows nothing that a crash could take back;
//! - every request that was accepted is answered, whatever link is up by then;
//! - what is held is bounded in bytes: see [`Dispatch::has_room`].
//!
//! Gets run in batches on threads of their own, since a read may wait for the disk; sets go to
//! the store's writer thread. Both come back as [`Done`].

use std::collections::{HashMap, VecDeque};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::spawn_blocking;

use crate::link::Outbox;
use crate::service::{Answer, Fetch, Plan, Request, Service, Settings, Work};
use crate::stanza::{Received, Reply};
use crate::store::{Owner, SetError, Store};

/// How many bytes of requests may be open before reading from the router stops.
const MAX_OPEN: usize = 32 * 1024 * 1024;

/// How many bytes of replies may wait for the router before reading from it stops.
const MAX_UNSENT: usize = 8 * 1024 * 1024;

/// How many batches of gets run at once.
const BATCHES: usize = 4;

/// How many gets are in one batch.
const BATCH: usize = 64;

/// A batch stops early when its replies have this many bytes.
const BATCH_BYTES: usize = 1024 * 1024;

/// Work that came back.
#[derive(Debug)]
pub struct Done(Outcome);

#[derive(Debug)]
enum Outcome {
    Set(u64, Result<(), SetError>),
    Gets {
        done: Vec<(Owner, usize, Reply)>,
        left: Vec<Get>,
    },
}

/// A get that may start.
#[derive(Debug)]
struct Get {
    owner: Owner,
    size: usize,
    fetch: Fetch,
    answer: Answer,
}

/// A set on its way to the disk.
#[derive(Debug)]
struct OpenSet {
    owner: Owner,
    size: usize,
    answer: Answer,
}

/// The requests of one owner.
#[derive(Debug, Default)]
struct Lane {
    waiting: VecDeque<Request>,
    reading: usize,
    writing: usize,
}

/// The open requests.
#[derive(Debug)]
pub struct Dispatch {
    service: Service,
    store: Store,
    lanes: HashMap<Owner, Lane>,
    sets: HashMap<u64, OpenSet>,
    next_set: u64,
    gets: VecDeque<Get>,
    batches: usize,
    open: usize,
    open_bytes: usize,
    done: UnboundedSender<Done>,
}

impl Dispatch {
    /// A dispatch for this service and this store, and where its work comes back.
    pub fn new(settings: Settings, store: Store) -> (Self, UnboundedReceiver<Done>) {
        // Unbounded, since what can be in it is bounded by what is open.
        let (done, receiver) = unbounded_channel();
        let dispatch = Self {
            service: Service::new(settings),
            store,
            lanes: HashMap::new(),
            sets: HashMap::new(),
            next_set: 0,
            gets: VecDeque::new(),
            batches: 0,
            open: 0,
            open_bytes: 0,
            done,
        };
        (dispatch, receiver)
    }

    /// Takes a stanza: its reply goes to the outbox, now or once its work is done. Returns the
    /// domain that has just told us that it delegates, if that is what the stanza says.
    pub fn accept(&mut self, received: Received, outbox: &mut Outbox) -> Option<String> {
        match self.service.plan(&received) {
            Plan::Nothing => {}
            Plan::Reply(reply) => outbox.push(reply),
            Plan::Delegated { domain } => return Some(domain),
            Plan::Store(request) => {
                self.open += 1;
                self.open_bytes += request.size;
                let owner = request.owner.clone();
                let lane = self.lanes.entry(owner.clone()).or_default();
                lane.waiting.push_back(request);
                self.advance(&owner);
            }
        }
        None
    }

    /// Takes back work that is done.
    pub fn finish(&mut self, Done(outcome): Done, outbox: &mut Outbox) {
        match outcome {
            Outcome::Set(number, result) => {
                let Some(set) = self.sets.remove(&number) else {
                    return;
                };
                outbox.push(set.answer.set(&result));
                self.close(&set.owner, set.size, |lane| lane.writing -= 1);
            }
            Outcome::Gets { done, left } => {
                self.batches -= 1;
                for get in left.into_iter().rev() {
                    self.gets.push_front(get);
                }
                for (owner, size, reply) in done {
                    outbox.push(reply);
                    self.close(&owner, size, |lane| lane.reading -= 1);
                }
            }
        }
    }

    /// Starts the gets that may start, as long as their replies have somewhere to go.
    pub fn start_gets(&mut self, outbox: &Outbox) {
        while self.batches < BATCHES && !self.gets.is_empty() && outbox.bytes() < MAX_UNSENT {
            let count = self.gets.len().min(BATCH);
            let batch: Vec<Get> = self.gets.drain(..count).collect();
            let store = self.store.clone();
            let back = self.done.clone();
            self.batches += 1;
            spawn_blocking(move || {
                // The receiver is gone only when nobody waits for an answer any more.
                let _ = back.send(Done(run(batch, &store)));
            });
        }
    }

    /// Whether there is room for more requests. Where there is none, nothing more is read from
    /// the router, and TCP makes it wait.
    pub fn has_room(&self, outbox: &Outbox) -> bool {
        self.open_bytes < MAX_OPEN && outbox.bytes() < MAX_UNSENT
    }

    /// How many requests have no reply yet.
    pub fn open(&self) -> usize {
        self.open
    }

    fn close(&mut self, owner: &Owner, size: usize, note: impl FnOnce(&mut Lane)) {
        self.open -= 1;
        self.open_bytes -= size;
        if let Some(lane) = self.lanes.get_mut(owner) {
            note(lane);
        }
        self.advance(owner);
    }

    /// Starts what may start of one owner's requests, in order.
    fn advance(&mut self, owner: &Owner) {
        let Some(lane) = self.lanes.get_mut(owner) else {
            return;
        };
        while let Some(request) = lane.waiting.pop_front_if(|next| match next.work {
            Work::Get(_) => lane.writing == 0,
            Work::Set(_) => lane.reading == 0,
        }) {
            let Request {
                owner,
                size,
                work,
                answer,
            } = request;
            match work {
                Work::Get(fetch) => {
                    lane.reading += 1;
                    self.gets.push_back(Get {
                        owner,
                        size,
                        fetch,
                        answer,
                    });
                }
                Work::Set(changes) => {
                    lane.writing += 1;
                    let number = self.next_set;
                    self.next_set += 1;
                    let set = OpenSet {
                        owner,
                        size,
                        answer,
                    };
                    self.sets.insert(number, set);
                    let back = self.done.clone();
                    self.store.submit(changes, move |result| {
                        let _ = back.send(Done(Outcome::Set(number, result)));
                    });
                }
            }
        }
        if lane.waiting.is_empty() && lane.reading == 0 && lane.writing == 0 {
            self.lanes.remove(owner);
        }
    }
}

/// Reads, on a thread that may wait for the disk.
fn run(batch: Vec<Get>, store: &Store) -> Outcome {
    let mut done = Vec::with_capacity(batch.len());
    let mut bytes = 0;
    let mut batch = batch.into_iter();
    for get in batch.by_ref() {
        let reply = get.fetch.carry_out(store, &get.answer);
        bytes += reply.len();
        done.push((get.owner, get.size, reply));
        if bytes >= BATCH_BYTES {
            break;
        }
    }
    Outcome::Gets {
        done,
        left: batch.collect(),
    }
}
