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

mod announcements;
mod jobs;
mod lane;
mod pep;
mod reading;

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::spawn_blocking;

use crate::address;
use crate::bookmarks::{self, Base, Compared, Keeper, Legacy, List, SHORT};
use crate::link::Outbox;
use crate::metrics::{self, Metrics};
use crate::panics;
use crate::service::{
    self, Announcement, Answered, Grant, Plan, Request, Service, Settings, Write, bookmarks_in,
};
use crate::stanza::{Fault, Received};
use crate::store::{Owner, SetError, Store};
use announcements::Announcements;
use jobs::Jobs;
use lane::{Lane, Next, Stage, Ticket};
use pep::stored_alone;
use reading::{Found, Turn, read};

/// How many batches of gets run at once.
const BATCHES: usize = 4;

/// How many gets make a batch; those of one owner's turn are not parted.
const BATCH: usize = 64;

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
        done: Vec<(Owner, Found)>,
        left: Vec<Turn>,
    },
    /// This is noted about an owner; with the number that the keeper asked with.
    Note(Owner, u64, Option<Base>),
    /// What was to be noted about an owner is, or that has failed.
    Noted(Owner),
    /// A job came to this.
    Job(Box<Outcome>),
    /// The bookmarks in a set were read.
    Listed(Box<Listed>),
    /// Bookmarks were compared with what PEP has.
    Compared(Box<Compared>),
}

/// A set with bookmarks in it, before it goes to the store. Nothing else of the owner's is begun
/// meanwhile.
#[derive(Debug)]
struct Pending {
    owner: Owner,
    write: Write,
    ticket: Ticket,
}

/// A set of which the bookmarks were read.
#[derive(Debug)]
struct Listed {
    pending: Pending,
    /// What they are; `None` after a panic.
    stored: Option<Legacy>,
    /// How many rooms the store has known of before, if that was to be known.
    before: usize,
}

/// A set, or a removal, on its way to the disk.
#[derive(Debug)]
struct OpenSet {
    owner: Owner,
    ticket: Ticket,
    /// The bookmarks in it, where they are kept in step with PEP; and whether there is anything
    /// beside.
    bookmarks: Option<(Legacy, bool)>,
}

/// The open requests.
#[derive(Debug)]
pub struct Dispatch {
    service: Service,
    announcements: Announcements,
    bookmarks: Keeper,
    /// Under whose name the keeper's memory is noted while we are not running: our own domain,
    /// which is nobody's who has anything.
    notes: Option<Owner>,
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
    jobs: Jobs,
    open: usize,
    open_bytes: usize,
    done: UnboundedSender<Outcome>,
    metrics: metrics::Requests,
}

impl Dispatch {
    /// A dispatch for this service and this store, and where its work comes back.
    pub fn new(
        settings: Settings,
        bookmarks: bookmarks::Settings,
        bounds: Bounds,
        store: Store,
        metrics: &Metrics,
    ) -> (Self, Returns) {
        // Unbounded, since what can be in it is bounded by what is open.
        let (done, receiver) = unbounded_channel();
        let notes = Owner::new(&bookmarks.from);
        let mut bookmarks = Keeper::new(bookmarks, metrics.pep.clone());
        if let Some(notes) = &notes {
            if let Ok(Some(note)) = store.note(notes) {
                bookmarks.recall(&note);
            }
            // After a crash it must not be found: clients have been shown other things since.
            store.put_note(notes.clone(), None, |_| {});
        }
        let dispatch = Self {
            service: Service::new(settings),
            announcements: Announcements::default(),
            bookmarks,
            notes,
            store,
            bounds,
            lanes: HashMap::new(),
            turns: VecDeque::new(),
            ready: VecDeque::new(),
            sets: HashMap::new(),
            next_set: 0,
            batches: 0,
            jobs: Jobs::new(done.clone()),
            open: 0,
            open_bytes: 0,
            done,
            metrics: metrics.requests.clone(),
        };
        let come = Vec::new();
        (dispatch, Returns { receiver, come })
    }

    /// Sets up the service and the bounds anew, for the stanzas to come. What is open is answered
    /// as it would have been.
    pub fn set_up_anew(
        &mut self,
        settings: Settings,
        bookmarks: bookmarks::Settings,
        bounds: Bounds,
    ) {
        self.service.set_up_anew(settings);
        self.bookmarks.set_up_anew(bookmarks);
        self.bounds = bounds;
    }

    /// The router has let us in.
    pub fn logged_in(&mut self) {
        self.service.logged_in();
        self.announcements = Announcements::default();
    }

    /// Nothing more will be read from the router on this link.
    pub fn link_ended(&mut self, outbox: &mut Outbox) {
        self.bookmarks.give_up();
        self.carry_out(outbox);
    }

    /// Answers that were queued will not get to whoever waits for them.
    pub fn answers_were_lost(&mut self) {
        self.bookmarks.forget();
    }

    /// Nothing will come any more: what it takes to go on from here is noted. Of the answers that
    /// were queued since this moment it is not known whether they got through.
    pub fn end(&mut self, unconfirmed_since: Option<Instant>) {
        if let Some(notes) = self.notes.clone() {
            let memory = self.bookmarks.memory(unconfirmed_since);
            self.store.put_note(notes, memory, |_| {});
        }
    }

    /// When it has to be [started](Self::start) again, if nothing happens.
    pub fn due(&self) -> Option<Instant> {
        let announcements = self.announcements.due().into_iter();
        announcements.chain(self.bookmarks.due()).min()
    }

    /// Takes a stanza that was read at this moment: its reply goes to the outbox, now or once its
    /// work is done. Returns what it tells us, if anything.
    pub fn accept(
        &mut self,
        mut received: Received,
        at: Instant,
        outbox: &mut Outbox,
    ) -> Option<Told> {
        if let Some(told) = panics::caught(|| self.accept_one(&mut received, at, outbox)) {
            return told;
        }
        received.fault = Some(Fault::Broken);
        if let Plan::Reply(refusal) = self.service.plan(&received, at) {
            self.answer(refusal, Instant::now(), outbox);
        }
        None
    }

    fn accept_one(
        &mut self,
        received: &mut Received,
        at: Instant,
        outbox: &mut Outbox,
    ) -> Option<Told> {
        if self.bookmarks.answered(received) {
            self.carry_out(outbox);
            return None;
        }
        match self.service.plan(received, at) {
            Plan::Nothing => None,
            Plan::Reply(reply) => {
                self.answer(reply, Instant::now(), outbox);
                None
            }
            Plan::Delegated { domain } => Some(Told::Delegated(domain)),
            Plan::Granted { domain, grant } => {
                self.bookmarks.granted(domain.clone(), grant);
                self.announce_again(&domain, outbox);
                Some(Told::Granted { domain, grant })
            }
            Plan::Announce(announcement) => {
                self.announce_in_time(announcement, outbox);
                None
            }
            Plan::Answered { id, from } => {
                for announcement in self.announcements.answered(&id, &from) {
                    self.announce(announcement, outbox);
                }
                Some(Told::Answered { id, from })
            }
            Plan::Store(request) => {
                self.open(request, outbox);
                None
            }
        }
    }

    /// Takes back all that has come back, so that its replies share a write.
    pub fn finish(&mut self, returns: &mut Returns, outbox: &mut Outbox) {
        for outcome in returns.come.drain(..) {
            panics::caught(|| self.finish_one(outcome, outbox));
        }
    }

    fn finish_one(&mut self, outcome: Outcome, outbox: &mut Outbox) {
        let now = Instant::now();
        match outcome {
            Outcome::Set(number, result) => {
                if let Some(set) = self.sets.remove(&number) {
                    self.written(set, &result, now, outbox);
                }
            }
            Outcome::Gets { done, left } => {
                self.batches -= 1;
                for turn in left.into_iter().rev() {
                    self.ready.push_front(turn);
                }
                for (owner, found) in done {
                    self.found(owner, found, now, outbox);
                }
            }
            Outcome::Note(owner, number, note) => {
                self.bookmarks.note_is(owner, number, note, now);
                self.carry_out(outbox);
            }
            Outcome::Noted(owner) => self.bookmarks.noted(&owner),
            Outcome::Job(outcome) => {
                self.jobs.ended();
                self.finish_one(*outcome, outbox);
            }
            Outcome::Listed(listed) => {
                let owner = listed.pending.owner.clone();
                panics::caught(|| self.listed(*listed, outbox));
                self.leave(&owner, Lane::release);
            }
            Outcome::Compared(compared) => {
                self.bookmarks.compared(*compared);
                self.carry_out(outbox);
            }
        }
    }

    /// Starts what may start: one request of each owner in turn; gets as long as their replies
    /// have somewhere to go.
    pub fn start(&mut self, outbox: &mut Outbox) {
        panics::caught(|| self.look_after_bookmarks(outbox));
        for announcement in self.announcements.late(Instant::now()) {
            self.announce(announcement, outbox);
        }
        while let Some(owner) = self.turns.pop_front() {
            panics::caught(|| self.start_next_of(owner, outbox));
        }
        if self.open == 1
            && outbox.bytes() < self.bounds.unsent
            && let Some(turn) = self.ready.pop_front_if(|turn| turn.is_short())
        {
            self.batches += 1;
            let outcome = read(vec![turn], &self.store);
            self.finish_one(outcome, outbox);
            // Nothing else may happen for long that would have them looked after.
            self.look_after_bookmarks(outbox);
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

    /// Answers what a host is to announce for us, or has it wait for what that depends on.
    fn announce_in_time(&mut self, announcement: Announcement, outbox: &mut Outbox) {
        let is_open = self.bookmarks.would_keep_on(&announcement.host);
        if announcement.depends_on_step()
            && is_open
            && self.announcements.has_room_for(&announcement)
        {
            let now = Instant::now();
            return self.announcements.hold(announcement, now, outbox);
        }
        self.announce(announcement, outbox);
    }

    fn announce(&mut self, announcement: Announcement, outbox: &mut Outbox) {
        let in_step = self.bookmarks.keeps_on(&announcement.host);
        self.answer(announcement.answer(in_step), Instant::now(), outbox);
        self.announcements.keep(announcement);
    }

    /// A host has granted something: what it has asked is answered, or answered once more.
    fn announce_again(&mut self, host: &str, outbox: &mut Outbox) {
        let in_step = self.bookmarks.keeps_on(host);
        for (announcement, was_answered) in self.announcements.granted(host) {
            let answered = announcement.answer(in_step);
            match was_answered {
                true => outbox.push(answered.reply),
                false => self.answer(answered, Instant::now(), outbox),
            }
        }
    }

    fn open(&mut self, mut request: Request, outbox: &mut Outbox) {
        let owner = request.owner.clone();
        if let Some(asker) = request.asker.take_if(|_| !self.bookmarks.keeps(&owner)) {
            self.bookmarks.pass_over(&asker);
        }
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

    fn close(&mut self, owner: &Owner, stage: Stage, size: usize) {
        self.open -= 1;
        self.open_bytes -= size;
        self.leave(owner, |lane| lane.close(stage, size));
    }

    fn wait_for_pep(&mut self, owner: &Owner, stage: Stage) {
        self.leave(owner, |lane| lane.wait_for_pep(stage));
    }

    fn leave(&mut self, owner: &Owner, note: impl FnOnce(&mut Lane) -> bool) {
        let Some(lane) = self.lanes.get_mut(owner) else {
            return;
        };
        if note(lane) {
            self.turns.push_back(owner.clone());
        } else if lane.is_empty() {
            self.lanes.remove(owner);
        }
    }

    fn start_next_of(&mut self, owner: Owner, outbox: &mut Outbox) {
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
            Some(Next::Write(write, ticket)) => self.write(owner, write, ticket, outbox),
            None => {}
        }
    }

    fn write(&mut self, owner: Owner, write: Write, ticket: Ticket, outbox: &mut Outbox) {
        if matches!(write, Write::Forget | Write::Remove(None)) {
            self.bookmarks.let_go(&owner);
            self.carry_out(outbox);
        }
        let list = bookmarks_of(&write);
        let pending = Pending {
            owner,
            write,
            ticket,
        };
        match list {
            Some(list) if list.len() > SHORT => self.look_into(pending, List::Text(list)),
            Some(list) if pending.ticket.asker.is_some() => match read_list(List::Text(list)) {
                Some(stored) if self.bookmarks.are_many(&stored) => {
                    self.look_into(pending, List::Read(stored));
                }
                stored => {
                    let before = 0;
                    let listed = Listed {
                        pending,
                        stored,
                        before,
                    };
                    self.listed(listed, outbox);
                }
            },
            list => self.submit(pending, list.map(List::Text)),
        }
    }

    /// Has the bookmarks in a set read, and those counted that there were before, where that matters.
    /// Nothing else of the owner's is begun meanwhile.
    fn look_into(&mut self, pending: Pending, list: List) {
        if let Some(lane) = self.lanes.get_mut(&pending.owner) {
            lane.hold();
        }
        let (store, most) = (self.store.clone(), self.bookmarks.max_rooms());
        self.jobs.add(move || {
            let stored = read_list(list);
            let are_many = stored.as_ref().is_some_and(|it| it.rooms.len() > most);
            let before = match are_many && pending.ticket.asker.is_some() {
                true => panics::caught(|| rooms_before(&store, &pending.owner)).unwrap_or(0),
                false => 0,
            };
            Outcome::Listed(Box::new(Listed {
                pending,
                stored,
                before,
            }))
        });
    }

    /// Hands a set on, now that its bookmarks were read, or refuses it.
    fn listed(&mut self, listed: Listed, outbox: &mut Outbox) {
        let Listed {
            pending,
            stored,
            before,
        } = listed;
        let Pending { owner, ticket, .. } = &pending;
        let too_many = |stored: &Legacy| {
            let asker = ticket.asker.as_deref()?;
            self.bookmarks.too_many(stored, before, asker)
        };
        let refusal = match (&stored, stored.as_ref().and_then(too_many)) {
            (None, _) => ticket.answer.broken(),
            (Some(_), Some(most)) => ticket.answer.too_many_rooms(most),
            (Some(_), None) => return self.submit(pending, stored.map(List::Read)),
        };
        self.answer(refusal, Instant::now(), outbox);
        self.close(owner, Stage::Writing, ticket.size);
    }

    /// Hands a change to the store. If it is a set with bookmarks in it, these are the list.
    fn submit(&mut self, pending: Pending, list: Option<List>) {
        let Pending {
            owner,
            write,
            ticket,
        } = pending;
        let number = self.next_set;
        self.next_set += 1;
        let beside = matches!(&write, Write::Set(set) if set.changes.len() > 1);
        let (bookmarks, alone) = match ticket.asker {
            Some(_) => (list.map(|list| (list.read(), beside)), None),
            // PEP does not learn of it.
            None => (None, list),
        };
        let set = OpenSet {
            owner: owner.clone(),
            ticket,
            bookmarks,
        };
        self.sets.insert(number, set);
        let (back, store) = (self.done.clone(), self.store.clone());
        let about = owner.clone();
        let done = move |result: Result<(), SetError>| {
            if let (Ok(()), Some(list)) = (&result, alone) {
                stored_alone(&store, about, || list.read());
            }
            // The receiver is gone only when nobody waits for an answer any more.
            let _ = back.send(Outcome::Set(number, result));
        };
        match write {
            Write::Set(changes) => self.store.submit(changes, done),
            Write::Remove(namespace) => self.store.remove_some(owner, namespace, done),
            Write::Forget => self.store.remove(owner.clone(), move |result| {
                if result.is_ok() {
                    tell_of_removal(&owner);
                }
                done(result);
            }),
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

/// The bookmarks in a change, as text; `None` if it leaves them alone.
fn bookmarks_of(write: &Write) -> Option<String> {
    let Write::Set(set) = write else {
        return None;
    };
    let value = bookmarks_in(set)?.value.as_ref();
    Some(value.map_or_else(String::new, |value| value.text.clone()))
}

fn read_list(list: List) -> Option<Legacy> {
    panics::caught(|| list.read())
}

/// How many rooms somebody has, as far as the store knows: in the list, or when both sides were last in
/// step.
fn rooms_before(store: &Store, owner: &Owner) -> usize {
    let mut list = String::new();
    let (namespace, name) = service::BOOKMARKS;
    let listed = match store.read(owner, namespace, Some(name), &mut list) {
        Ok(_) => Legacy::read(list).rooms.len(),
        Err(_) => 0,
    };
    let note = store.note(owner).ok().flatten();
    let noted = note.and_then(|note| Base::read(&note));
    listed.max(noted.map_or(0, |base| base.count()))
}

fn tell_of_removal(owner: &Owner) {
    let domain = address::domain_of(owner.as_str());
    tracing::info!("an account of {domain} was deleted: what it had stored is removed");
    tracing::debug!("removed what {} had stored", owner.as_str());
}
