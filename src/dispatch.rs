//! The open requests, from the moment they were read to the moment their reply is queued.
//!
//! Invariants held here:
//! - requests of one owner take effect in the order they came, and a get starts only when no
//!   write of its owner is on its way to the disk: it shows nothing that a crash could take back;
//! - every request that was accepted is answered, whatever link is up by then;
//! - owners take turns: one who asks for a lot waits, and not those who ask for little;
//! - what is held is bounded in bytes, for each owner and for all (see [`Bounds`]).
//!
//! Gets run in batches on threads of their own, since a read may wait for the disk; sets go to
//! the store's writer thread. Both come back through [`Returns`]. A short get beside which nothing
//! else is open is read at once: there is nobody whom the disk could keep waiting, and changing threads
//! would take longer than most reads.

mod lane;

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::spawn_blocking;

use crate::link::Outbox;
use crate::metrics;
use crate::service::{Answer, Answered, Grant, Plan, Request, Service, Settings};
use crate::stanza::Received;
use crate::store::{Owner, SetError, Store};
use lane::{Get, Lane, Next};

/// How many batches of gets run at once.
const BATCHES: usize = 4;

/// How many gets make a batch; those of one owner's turn are not parted.
const BATCH: usize = 64;

/// A batch stops early when its replies have this many bytes.
const BATCH_BYTES: usize = 1024 * 1024;

/// What may be under way at once, in bytes; as configured.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Requests that have no reply yet. Where there are more, nothing is read from the router,
    /// and TCP makes it wait.
    pub open: usize,
    /// Those of one owner. What comes beyond is refused; one request is always taken.
    pub open_of_owner: usize,
    /// Replies that the router has not taken. Where there are more, nothing is read from it.
    pub unsent: usize,
}

/// What a stanza tells us, beside what it asks.
#[derive(Debug)]
pub enum Told {
    /// This domain, served or not, says that it delegates private storage to us.
    Delegated(String),
    /// This domain, served or not, says what it lets us do with its users' PEP nodes.
    Granted {
        /// The domain, normalised.
        domain: String,
        /// What it grants.
        grant: Grant,
    },
    /// An IQ of ours was answered, with this id from this address.
    Answered {
        /// The id that we gave it.
        id: String,
        /// Who answered.
        from: String,
    },
}

/// How much of what came back is taken at once.
const MANY: usize = 256;

/// Where work comes back to.
#[derive(Debug)]
pub struct Returns {
    receiver: UnboundedReceiver<Outcome>,
    come: Vec<Outcome>,
}

impl Returns {
    /// Waits for work to come back. Cancel safe.
    pub async fn wait(&mut self) {
        if self.come.is_empty() {
            // The dispatch has a sender, so this comes to no end.
            self.receiver.recv_many(&mut self.come, MANY).await;
        }
    }
}

/// Work that came back.
#[derive(Debug)]
enum Outcome {
    Set(u64, Result<(), SetError>),
    Gets {
        done: Vec<(Owner, usize, Answered)>,
        left: Vec<Turn>,
    },
}

/// The gets of one owner that have their turn, in order.
#[derive(Debug)]
struct Turn {
    owner: Owner,
    gets: VecDeque<Get>,
}

impl Turn {
    /// Whether it is over so soon that others can wait for it.
    fn is_short(&self) -> bool {
        self.gets.iter().all(|get| get.fetch.is_short())
    }
}

/// A set, or a removal, on its way to the disk.
#[derive(Debug)]
struct OpenSet {
    owner: Owner,
    size: usize,
    answer: Answer,
}

/// The open requests.
#[derive(Debug)]
pub struct Dispatch {
    service: Service,
    store: Store,
    bounds: Bounds,
    lanes: HashMap<Owner, Lane>,
    /// The owners whose next request may start; each stands here at most once.
    turns: VecDeque<Owner>,
    /// The gets that have had their turn and wait for a batch.
    ready: VecDeque<Turn>,
    sets: HashMap<u64, OpenSet>,
    next_set: u64,
    batches: usize,
    open: usize,
    open_bytes: usize,
    done: UnboundedSender<Outcome>,
    metrics: metrics::Requests,
}

impl Dispatch {
    /// A dispatch for this service and this store, and where its work comes back.
    pub fn new(
        settings: Settings,
        bounds: Bounds,
        store: Store,
        metrics: metrics::Requests,
    ) -> (Self, Returns) {
        // Unbounded, since what can be in it is bounded by what is open.
        let (done, receiver) = unbounded_channel();
        let dispatch = Self {
            service: Service::new(settings),
            store,
            bounds,
            lanes: HashMap::new(),
            turns: VecDeque::new(),
            ready: VecDeque::new(),
            sets: HashMap::new(),
            next_set: 0,
            batches: 0,
            open: 0,
            open_bytes: 0,
            done,
            metrics,
        };
        let come = Vec::new();
        (dispatch, Returns { receiver, come })
    }

    /// Sets up the service and the bounds anew, for the stanzas to come. What is open is answered
    /// as it would have been.
    pub fn set_up_anew(&mut self, settings: Settings, bounds: Bounds) {
        self.service.set_up_anew(settings);
        self.bounds = bounds;
    }

    /// The router has let us in.
    pub fn logged_in(&mut self) {
        self.service.logged_in();
    }

    /// Takes a stanza that was read at this moment: its reply goes to the outbox, now or once its
    /// work is done. Returns what
    /// it tells us, if anything.
    pub fn accept(&mut self, received: Received, at: Instant, outbox: &mut Outbox) -> Option<Told> {
        match self.service.plan(&received, at) {
            Plan::Nothing => None,
            Plan::Reply(reply) => {
                self.answer(reply, Instant::now(), outbox);
                None
            }
            Plan::Delegated { domain } => Some(Told::Delegated(domain)),
            Plan::Granted { domain, grant } => Some(Told::Granted { domain, grant }),
            Plan::Answered { id, from } => Some(Told::Answered { id, from }),
            Plan::Store(request) => {
                self.open(request, outbox);
                None
            }
        }
    }

    /// Takes back all that has come back, so that its replies share a write.
    pub fn finish(&mut self, returns: &mut Returns, outbox: &mut Outbox) {
        for outcome in returns.come.drain(..) {
            self.finish_one(outcome, outbox);
        }
    }

    fn finish_one(&mut self, outcome: Outcome, outbox: &mut Outbox) {
        let now = Instant::now();
        match outcome {
            Outcome::Set(number, result) => {
                if let Some(set) = self.sets.remove(&number) {
                    self.answer(set.answer.set(&result), now, outbox);
                    self.close(&set.owner, set.size, Lane::set_is_done);
                }
            }
            Outcome::Gets { done, left } => {
                self.batches -= 1;
                for turn in left.into_iter().rev() {
                    self.ready.push_front(turn);
                }
                for (owner, size, reply) in done {
                    self.answer(reply, now, outbox);
                    self.close(&owner, size, Lane::get_is_done);
                }
            }
        }
    }

    /// Starts what may start: one request of each owner in turn; gets as long as their replies
    /// have somewhere to go.
    pub fn start(&mut self, outbox: &mut Outbox) {
        while let Some(owner) = self.turns.pop_front() {
            self.start_next_of(owner);
        }
        if self.open == 1
            && outbox.bytes() < self.bounds.unsent
            && let Some(turn) = self.ready.pop_front_if(|turn| turn.is_short())
        {
            self.batches += 1;
            let outcome = read(vec![turn], &self.store);
            self.finish_one(outcome, outbox);
        }
        while self.batches < BATCHES
            && !self.ready.is_empty()
            && outbox.bytes() < self.bounds.unsent
        {
            let mut gets = 0;
            let mut batch = Vec::new();
            while gets < BATCH
                && let Some(turn) = self.ready.pop_front()
            {
                gets += turn.gets.len();
                batch.push(turn);
            }
            self.run(batch);
        }
        self.metrics
            .under_way(self.open, self.open_bytes, outbox.bytes());
    }

    /// Whether there is room for more requests.
    pub fn has_room(&self, outbox: &Outbox) -> bool {
        self.open_bytes < self.bounds.open && outbox.bytes() < self.bounds.unsent
    }

    /// How many requests have no reply yet.
    pub fn count(&self) -> usize {
        self.open
    }

    fn open(&mut self, request: Request, outbox: &mut Outbox) {
        let owner = request.owner.clone();
        let lane = self.lanes.entry(owner.clone()).or_default();
        if lane.bytes() > 0 && lane.bytes() + request.size > self.bounds.open_of_owner {
            let refusal = request.answer.too_much_at_once(self.bounds.open_of_owner);
            self.answer(refusal, Instant::now(), outbox);
            return;
        }
        self.open += 1;
        self.open_bytes += request.size;
        if lane.enter(request) {
            self.turns.push_back(owner);
        }
    }

    /// Queues an answer, and counts it.
    fn answer(&self, answered: Answered, now: Instant, outbox: &mut Outbox) {
        let took = now.saturating_duration_since(answered.asked);
        self.metrics.answered(&answered.tally, took);
        outbox.push(answered.reply);
    }

    fn close(&mut self, owner: &Owner, size: usize, note: fn(&mut Lane, usize) -> bool) {
        self.open -= 1;
        self.open_bytes -= size;
        let Some(lane) = self.lanes.get_mut(owner) else {
            return;
        };
        if note(lane, size) {
            self.turns.push_back(owner.clone());
        } else if lane.is_empty() {
            self.lanes.remove(owner);
        }
    }

    fn start_next_of(&mut self, owner: Owner) {
        let Some(lane) = self.lanes.get_mut(&owner) else {
            return;
        };
        let next = lane.start_next();
        if lane.may_start() {
            self.turns.push_back(owner.clone());
        }
        match next {
            Some(Next::Gets(gets)) => self.ready.push_back(Turn {
                owner,
                gets: gets.into(),
            }),
            Some(Next::Set(changes, size, answer)) => {
                let done = self.begin(owner, size, answer);
                self.store.submit(changes, done);
            }
            Some(Next::Remove(namespace, size, answer)) => {
                let done = self.begin(owner.clone(), size, answer);
                self.store.remove_some(owner, namespace, done);
            }
            Some(Next::Forget(size, answer)) => {
                let done = self.begin(owner.clone(), size, answer);
                self.store.remove(owner.clone(), move |result| {
                    if result.is_ok() {
                        tell_of_removal(&owner);
                    }
                    done(result);
                });
            }
            None => {}
        }
    }

    /// Notes what goes to the store, and returns what the store is to call when it is done.
    fn begin(
        &mut self,
        owner: Owner,
        size: usize,
        answer: Answer,
    ) -> impl FnOnce(Result<(), SetError>) + Send + use<> {
        let number = self.next_set;
        self.next_set += 1;
        let set = OpenSet {
            owner,
            size,
            answer,
        };
        self.sets.insert(number, set);
        let back = self.done.clone();
        move |result| {
            // The receiver is gone only when nobody waits for an answer any more.
            let _ = back.send(Outcome::Set(number, result));
        }
    }

    fn run(&mut self, batch: Vec<Turn>) {
        let store = self.store.clone();
        let back = self.done.clone();
        self.batches += 1;
        spawn_blocking(move || {
            let _ = back.send(read(batch, &store));
        });
    }
}

fn tell_of_removal(owner: &Owner) {
    let domain = owner.as_str().rsplit('@').next().unwrap_or_default();
    tracing::info!("an account of {domain} was deleted: what it had stored is removed");
    tracing::debug!("removed what {} had stored", owner.as_str());
}

/// Reads. This may wait for the disk.
fn read(mut batch: Vec<Turn>, store: &Store) -> Outcome {
    let mut done = Vec::new();
    let mut bytes = 0;
    for turn in &mut batch {
        while bytes < BATCH_BYTES
            && let Some(get) = turn.gets.pop_front()
        {
            // A panic would take the whole batch with it, and all its answers.
            let reply = catch_unwind(AssertUnwindSafe(|| get.fetch.carry_out(store, &get.answer)));
            let reply = reply.unwrap_or_else(|_| get.answer.broken());
            bytes += reply.reply.len();
            done.push((turn.owner.clone(), get.size, reply));
        }
    }
    batch.retain(|turn| !turn.gets.is_empty());
    Outcome::Gets { done, left: batch }
}
