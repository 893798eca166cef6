//! The requests, from the moment they were read to the moment their reply is queued: each is a task of
//! its own, which is told here from top to bottom.
//!
//! Invariants held here:
//! - every request that was taken is answered, whatever link is up by then; a panic costs the request
//!   that met it;
//! - the order, and what may be open at once, see [`owners`].

mod announcements;
mod owners;

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::thread::available_parallelism;
use std::time::Instant;

use tokio::task::spawn_local;

use crate::address;
use crate::bookmarks::{self, Ask, Base, BookmarkSync, Legacy, List, SHORT};
use crate::metrics::{self, Metrics};
use crate::panics;
use crate::replies::{Pending, Replies};
use crate::service::{
    self, Announcement, Fetch, Grant, Plan, Request, Service, Settings, Work, Write,
    bookmarks_in,
};
use crate::stanza::{Fault, Received};
use crate::store::{ChangeSet, Owner, Storage, Store};
use crate::workers::Workers;
use announcements::Announcements;
use owners::{Access, Open, Owners, Turn};

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
pub enum Notice {
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

/// The requests that are open, and what serves them. Clones share it.
#[derive(Debug, Clone)]
pub struct Requests(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    service: RefCell<Service>,
    storage: Storage,
    bookmarks: BookmarkSync,
    owners: Rc<Owners>,
    announcements: RefCell<Announcements>,
    replies: Replies,
    workers: Rc<Workers>,
    /// Under whose name it is noted what clients were shown while we are not running: our own domain,
    /// which is nobody's who has anything.
    notes: Option<Owner>,
    metrics: metrics::Requests,
}

impl Requests {
    /// None is open yet.
    ///
    /// # Errors
    ///
    /// When the system refuses threads.
    pub fn new(
        settings: Settings,
        bookmarks: bookmarks::Settings,
        bounds: Bounds,
        store: Store,
        metrics: &Metrics,
        replies: Replies,
    ) -> io::Result<Self> {
        let notes = Owner::new(&bookmarks.from);
        let memory = notes.as_ref().and_then(|it| store.note(it).ok().flatten());
        if let Some(notes) = &notes {
            // After a crash it must not be found: clients have been shown other things since.
            store.put_note(notes.clone(), None, |_| {});
        }
        let storage = Storage::new(store)?;
        // Half of the processors, so that they hold up neither us nor the router.
        let processors = available_parallelism().map_or(1, usize::from);
        let workers = Rc::new(Workers::start("worker", processors / 2)?);
        let sync = BookmarkSync::new(
            bookmarks,
            metrics.pep.clone(),
            storage.clone(),
            Rc::clone(&workers),
            replies.clone(),
        );
        if let Some(memory) = memory {
            sync.recall(&memory);
        }
        Ok(Self(Rc::new(Inner {
            service: RefCell::new(Service::new(settings)),
            storage,
            bookmarks: sync,
            owners: Owners::new(bounds),
            announcements: RefCell::default(),
            replies,
            workers,
            notes,
            metrics: metrics.requests.clone(),
        })))
    }

    /// Takes these settings over, for the stanzas to come. What is open is answered as it would have
    /// been.
    pub fn reconfigure(&self, settings: Settings, bookmarks: bookmarks::Settings, bounds: Bounds) {
        self.0.service.borrow_mut().set_up_anew(settings);
        self.0.bookmarks.reconfigure(bookmarks);
        self.0.owners.set_bounds(bounds);
        self.0.replies.set_max_unsent(bounds.unsent);
    }

    /// The router has let us in.
    pub fn logged_in(&self) {
        self.0.service.borrow_mut().logged_in();
        *self.0.announcements.borrow_mut() = Announcements::default();
    }

    /// Nothing more will be read from the router on this link.
    pub fn link_ended(&self) {
        self.0.bookmarks.give_up();
    }

    /// Replies that were queued will not get to whoever waits for them.
    pub fn replies_were_lost(&self) {
        self.0.bookmarks.forget_shown();
    }

    /// Nothing will come any more: what it takes to go on from here is noted. Of the replies that were
    /// queued since this moment it is not known whether they got through.
    pub fn end(&self, unconfirmed_since: Option<Instant>) {
        if let Some(notes) = &self.0.notes {
            let memory = self.0.bookmarks.memory(unconfirmed_since);
            drop(self.0.storage.put_note(notes, memory));
        }
    }

    /// When it has to be [looked at](Self::look) again, if nothing happens.
    pub fn due(&self) -> Option<Instant> {
        self.0.announcements.borrow().due()
    }

    /// Does what it is time for.
    pub fn look(&self) {
        let late = self.0.announcements.borrow_mut().late(Instant::now());
        for announcement in late {
            self.0.announce(announcement);
        }
        let Inner {
            metrics,
            owners,
            replies,
            ..
        } = &*self.0;
        let unsent = replies.with(|outbox| outbox.bytes());
        metrics.under_way(owners.count(), owners.bytes(), unsent);
    }

    /// Whether there is room for more.
    pub fn has_room(&self) -> bool {
        self.0.owners.bytes() < self.0.owners.bounds().open && self.0.replies.has_room()
    }

    /// How many have no reply yet.
    pub fn count(&self) -> usize {
        self.0.owners.count()
    }

    /// Waits for one to be over, or for what was since the last call.
    pub async fn over(&self) {
        self.0.owners.over.notified().await;
    }

    /// Takes a stanza that was read at this moment: its reply is queued now, or once its work is done.
    /// Returns what it tells us, if anything.
    pub fn accept(&self, mut received: Received, at: Instant) -> Option<Notice> {
        if let Some(notice) = panics::caught(|| self.accept_one(&mut received, at)) {
            return notice;
        }
        received.fault = Some(Fault::Broken);
        let plan = self.0.service.borrow().plan(&received, at);
        if let Plan::Reply(refusal) = plan {
            self.0.replies.send(refusal);
        }
        None
    }

    fn accept_one(&self, received: &mut Received, at: Instant) -> Option<Notice> {
        if self.0.bookmarks.answered(received) {
            return None;
        }
        let plan = self.0.service.borrow().plan(received, at);
        match plan {
            Plan::Nothing => None,
            Plan::Reply(reply) => {
                self.0.replies.send(reply);
                None
            }
            Plan::Delegated { domain } => Some(Notice::Delegated(domain)),
            Plan::Granted { domain, grant } => {
                self.0.bookmarks.granted(domain.clone(), grant);
                self.0.announce_again(&domain);
                Some(Notice::Granted { domain, grant })
            }
            Plan::Announce(announcement) => {
                self.0.announce_in_time(announcement);
                None
            }
            Plan::Answered { id, from } => {
                let answered = self.0.announcements.borrow_mut().answered(&id, &from);
                for announcement in answered {
                    self.0.announce(announcement);
                }
                Some(Notice::Answered { id, from })
            }
            Plan::Store(request) => {
                self.open(request);
                None
            }
        }
    }

    /// Serves a request that needs the store.
    fn open(&self, mut request: Request) {
        let inner = &self.0;
        let owner = &request.owner;
        if let Some(asker) = request.asker.take_if(|_| !inner.bookmarks.keeps(owner)) {
            inner.bookmarks.pass_over(&asker);
        }
        let Some(open) = inner.owners.open(owner, request.size) else {
            let most = inner.owners.bounds().open_of_owner;
            return inner.replies.send(request.answer.too_much_at_once(most));
        };
        inner.storage.set_alone(inner.owners.count() == 1);
        let serving = Rc::clone(inner);
        begin(async move {
            let open = open;
            serving.serve(request, &open).await;
            drop(open);
            serving.storage.set_alone(serving.owners.count() == 1);
        });
    }
}

/// Goes on with this request as far as it comes at once: so requests are begun in the order they came,
/// and what is done at once costs no task.
fn begin(request: impl Future<Output = ()> + 'static) {
    let mut request = Box::pin(request);
    let mut context = Context::from_waker(Waker::noop());
    let polled = panics::caught(|| request.as_mut().poll(&mut context));
    if let Some(Poll::Pending) = polled {
        // Its panic costs this task.
        drop(spawn_local(request));
    }
}

impl Inner {
    async fn serve(&self, request: Request, open: &Open) {
        let Request {
            owner,
            asker,
            size,
            work,
            answer,
        } = request;
        let reply = self.replies.pending(answer);
        match work {
            Work::Get(fetch) => {
                let turn = open.turn(Access::Get).await;
                self.replies.room().await;
                self.get(&owner, asker, size, fetch, reply, turn).await;
            }
            Work::Write(Write::Set(set)) => {
                let turn = open.turn(Access::Change).await;
                match bookmarks_of(&set) {
                    None => self.set(set, reply, turn).await,
                    Some(list) => {
                        self.set_bookmarks(owner, asker, size, set, list, reply, turn)
                            .await;
                    }
                }
            }
            Work::Write(Write::Remove(namespace)) => {
                let turn = open.turn(Access::Change).await;
                self.remove(&owner, namespace, reply, turn).await;
            }
            Work::Write(Write::Forget) => {
                let turn = open.turn(Access::Change).await;
                if self.remove(&owner, None, reply, turn).await {
                    tell_of_removal(&owner);
                }
            }
        }
    }

    /// Shows what is stored.
    async fn get(
        &self,
        owner: &Owner,
        asker: Option<String>,
        size: usize,
        fetch: Fetch,
        mut reply: Pending,
        turn: Turn,
    ) {
        let found = match fetch.bookmarks(&self.storage).await {
            Ok(Some(found)) => self.without_gone(owner, found).await,
            Ok(None) => {
                let found = fetch.carry_out(&self.storage).await;
                reply.send(|answer| answer.payload(found));
                return;
            }
            Err(error) => {
                reply.send(|answer| answer.error(&error));
                return;
            }
        };
        drop(turn);
        match asker {
            Some(asker) => {
                let ask = Ask {
                    owner: owner.clone(),
                    asker,
                    size,
                    reply,
                };
                self.bookmarks.get(ask, found).await;
            }
            None => {
                reply.send(|answer| {
                    let answered = answer.bookmarks(&found, None);
                    answered.unwrap_or_else(|| answer.broken())
                });
            }
        }
    }

    /// Wherever the store answers alone, no room comes back that is known to be gone.
    async fn without_gone(
        &self,
        owner: &Owner,
        mut found: service::Bookmarks,
    ) -> service::Bookmarks {
        let Ok(Some(note)) = self.storage.note(owner).await else {
            return found;
        };
        let list = found.stored().to_owned();
        let left = match list.len() <= SHORT {
            true => bookmarks::without_gone(&note, &list),
            false => {
                let work = move || bookmarks::without_gone(&note, &list);
                self.workers.run(work).await
            }
        };
        if let Some(left) = left {
            found.leave(left.text);
        }
        found
    }

    /// Stores this.
    async fn set(&self, set: ChangeSet, mut reply: Pending, mut turn: Turn) {
        let stored = self.storage.set(set);
        turn.submitted();
        let result = stored.await;
        reply.send(|answer| answer.set(&result));
    }

    /// Stores this, with room bookmarks in it.
    #[expect(clippy::too_many_arguments, reason = "it is told once")]
    async fn set_bookmarks(
        &self,
        owner: Owner,
        asker: Option<String>,
        size: usize,
        set: ChangeSet,
        list: String,
        mut reply: Pending,
        mut turn: Turn,
    ) {
        let is_beside = set.changes.len() > 1;
        let Some(asker) = asker else {
            // PEP does not learn of it.
            let stored = self.storage.set(set);
            turn.submitted();
            let result = stored.await;
            if result.is_ok() {
                self.bookmarks.stored_alone(&owner, List::Text(list)).await;
            }
            reply.send(|answer| answer.set(&result));
            return;
        };
        let list = match list.len() <= SHORT {
            true => Legacy::read(list),
            false => self.workers.run(move || Legacy::read(list)).await,
        };
        if self.bookmarks.are_many(&list) {
            let before = self.rooms_before(&owner).await;
            if let Some(most) = self.bookmarks.too_many(&list, before, &asker) {
                reply.send(|answer| answer.too_many_rooms(most));
                return;
            }
        }
        let stored = self.storage.set(set);
        turn.submitted();
        let result = stored.await;
        if result.is_err() {
            reply.send(|answer| answer.set(&result));
            return;
        }
        drop(turn);
        let ask = Ask {
            owner,
            asker,
            size,
            reply,
        };
        self.bookmarks.set(ask, list, is_beside).await;
    }

    /// Deletes what is in this namespace, or everything; says whether that was done.
    async fn remove(
        &self,
        owner: &Owner,
        namespace: Option<String>,
        mut reply: Pending,
        mut turn: Turn,
    ) -> bool {
        if namespace.is_none() {
            self.bookmarks.release(owner);
        }
        let removed = self.storage.remove(owner, namespace);
        turn.submitted();
        let result = removed.await;
        reply.send(|answer| answer.set(&result));
        result.is_ok()
    }

    /// How many rooms somebody has, as far as the store knows: in the list, or when both sides were last
    /// in step.
    async fn rooms_before(&self, owner: &Owner) -> usize {
        let (namespace, name) = service::BOOKMARKS;
        let listed = self.storage.get(owner, namespace, Some(name)).await;
        let noted = self.storage.note(owner).await;
        let work = move || {
            let listed = listed.map_or(0, |list| Legacy::read(list.text).rooms.len());
            let noted = noted.ok().flatten();
            let noted = noted.and_then(|note| Base::read(&note));
            listed.max(noted.map_or(0, |base| base.count()))
        };
        self.workers.run(work).await
    }

    /// Answers what a host is to announce for us, or has it wait for what that depends on.
    fn announce_in_time(&self, announcement: Announcement) {
        let is_open = self.bookmarks.would_keep_on(&announcement.host);
        let mut announcements = self.announcements.borrow_mut();
        if announcement.depends_on_step() && is_open && announcements.has_room_for(&announcement) {
            let now = Instant::now();
            return self
                .replies
                .with(|outbox| announcements.hold(announcement, now, outbox));
        }
        drop(announcements);
        self.announce(announcement);
    }

    fn announce(&self, announcement: Announcement) {
        let in_step = self.bookmarks.keeps_on(&announcement.host);
        self.replies.send(announcement.answer(in_step));
        self.announcements.borrow_mut().keep(announcement);
    }

    /// A host has granted something: what it has asked is answered, or answered once more.
    fn announce_again(&self, host: &str) {
        let in_step = self.bookmarks.keeps_on(host);
        let asked = self.announcements.borrow_mut().granted(host);
        for (announcement, was_answered) in asked {
            let answered = announcement.answer(in_step);
            match was_answered {
                true => self.replies.with(|outbox| outbox.push(answered.reply)),
                false => self.replies.send(answered),
            }
        }
    }
}

/// The bookmarks in a change, as text; `None` if it leaves them alone.
fn bookmarks_of(set: &ChangeSet) -> Option<String> {
    let value = bookmarks_in(set)?.value.as_ref();
    Some(value.map_or_else(String::new, |value| value.text.clone()))
}

fn tell_of_removal(owner: &Owner) {
    let domain = address::domain_of(owner.as_str());
    tracing::info!("an account of {domain} was deleted: what it had stored is removed");
    tracing::debug!("removed what {} had stored", owner.as_str());
}
