//! The requests, from the moment they were read to the moment their reply is queued. Each is a task of
//! its own, which the `handler` tells from top to bottom.
//!
//! Invariants held here:
//! - every request that was taken is answered, whatever link is up by then; a panic costs the request
//!   that met it;
//! - the order, and what may be open at once, see `owners`.

mod announcements;
mod handler;
mod owners;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::task::spawn_local;
use tokio::time::sleep_until;

use crate::bookmarks::{self, BookmarkSync, Pep};
use crate::clock::Instant;
use crate::metrics::{self, Metrics};
use crate::panics;
use crate::replies::Replies;
use crate::service::{self, Answer, Answered, Grant, Plan, Request, Service};
use crate::stanza::{Fault, Received};
use crate::store::{Owner, ReadError, SetError, Storage};
use crate::threads::Workers;
use announcements::Announcements;
use handler::Handler;
use owners::Owners;

/// How long a request may wait for a store that can be out of reach, with those of its owner that come
/// before it: longer than the store holds each of them, and shorter than servers wait for an answer.
const LONGEST_WAIT: Duration = Duration::from_secs(27);

/// How soon it is seen, when nothing is read because too much is open, that the store is out of reach.
const LOOK: Duration = Duration::from_secs(1);

/// How requests are served; as configured.
#[derive(Debug, Clone)]
pub struct Settings {
    pub service: service::Settings,
    /// How room bookmarks are kept in step.
    pub bookmarks: bookmarks::Settings,
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
        grant: Grant,
    },
    /// An IQ of ours was answered, with this id from this address.
    Answered {
        /// The id that we gave it.
        id: String,
        from: String,
    },
}

/// The requests that are open, and what serves them. Clones share it.
#[derive(Debug, Clone)]
pub struct Requests(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    service: RefCell<Service>,
    handler: Handler,
    owners: Rc<Owners>,
    announcements: RefCell<Announcements>,
    replies: Replies,
    /// Whether the stanza that is taken came without others that wait meanwhile.
    came_alone: Cell<bool>,
    /// How many tasks have been made that were not begun yet.
    unsettled: Cell<usize>,
    /// Under whose name it is noted what clients were shown while we are not running: our own domain,
    /// which is nobody's who has anything.
    notes: Option<Owner>,
    metrics: metrics::Requests,
}

impl Requests {
    /// None is open yet. The workers take apart what is long.
    pub fn new(
        settings: Settings,
        storage: Storage,
        workers: Workers,
        metrics: &Metrics,
        replies: Replies,
    ) -> Self {
        let Settings { service, bookmarks } = settings;
        let workers = Rc::new(workers);
        let notes = Owner::new(&bookmarks.from);
        let pep = Pep::new(
            bookmarks.from.clone(),
            replies.clone(),
            Rc::clone(&workers),
            metrics.pep.clone(),
        );
        let bookmarks = BookmarkSync::new(bookmarks, metrics.pep.clone(), storage.clone(), pep);
        Self(Rc::new(Inner {
            owners: Owners::new(service.limits),
            service: RefCell::new(Service::new(service)),
            handler: Handler::new(storage, bookmarks, replies.clone(), workers),
            announcements: RefCell::new(Announcements::new(replies.clone())),
            came_alone: Cell::new(true),
            unsettled: Cell::new(0),
            replies,
            notes,
            metrics: metrics.requests.clone(),
        }))
    }

    /// Goes on from what was noted at the [end](Self::end) of the last run.
    pub async fn begin(&self) {
        if let Some(notes) = &self.0.notes {
            self.0.handler.bookmarks.shown().begin(notes).await;
        }
    }

    /// Takes these settings over, for the stanzas to come. What is open is answered as it would have
    /// been.
    pub fn reconfigure(&self, settings: Settings) {
        let Settings { service, bookmarks } = settings;
        self.0.owners.set_limits(service.limits);
        self.0
            .replies
            .set_max_unsent(service.limits.max_unsent_bytes);
        self.0.service.borrow_mut().reconfigure(service);
        self.0.handler.bookmarks.reconfigure(bookmarks);
    }

    /// The server has let us in.
    pub fn logged_in(&self) {
        self.0.service.borrow_mut().logged_in();
        self.0.announcements.borrow_mut().logged_in();
    }

    /// Nothing more will be read from the server on this link.
    pub fn link_ended(&self) {
        self.0.handler.bookmarks.give_up();
    }

    /// Replies that were queued will not get to whoever waits for them.
    pub fn replies_were_lost(&self) {
        self.0.handler.bookmarks.shown().was_lost();
    }

    /// The server has read all replies, or those that were queued before this moment.
    pub fn replies_were_read(&self, unconfirmed_since: Option<Instant>) {
        let shown = self.0.handler.bookmarks.shown();
        shown.confirmed(unconfirmed_since);
    }

    /// Nothing will come any more: what it takes to go on from here is noted. Of the replies that were
    /// queued since this moment it is not known whether they got through.
    pub fn end(&self, unconfirmed_since: Option<Instant>) {
        if let Some(notes) = &self.0.notes {
            self.0
                .handler
                .bookmarks
                .shown()
                .end(notes, unconfirmed_since);
        }
    }

    /// When it has to be [polled](Self::poll) again, if nothing happens.
    pub fn due(&self) -> Option<Instant> {
        let may_change = self.0.is_full() && self.0.handler.storage.is_shared();
        let look = may_change.then(|| Instant::now() + LOOK);
        let announcements = self.0.announcements.borrow().due();
        announcements.into_iter().chain(look).min()
    }

    /// Does what it is time for.
    pub fn poll(&self) {
        let Inner {
            handler,
            announcements,
            owners,
            replies,
            metrics,
            ..
        } = &*self.0;
        let in_step = |host: &str| handler.bookmarks.keeps_on(host);
        announcements.borrow_mut().poll(Instant::now(), in_step);
        let unsent = replies.with(|outbox| outbox.bytes());
        metrics.under_way(owners.count(), owners.bytes(), unsent);
    }

    /// So many stanzas have come together, and are [taken](Self::accept) one after the other.
    pub fn have_come(&self, stanzas: usize) {
        self.0.came_alone.set(stanzas == 1);
    }

    /// Whether more is to be read: there is room, and whatever was read before goes on by itself. Otherwise
    /// new requests would be begun ahead of the end of those that are open. While the store is out of reach,
    /// reading goes on, for what does not need it.
    pub fn has_room(&self) -> bool {
        self.0.unsettled.get() == 0 && self.takes_more()
    }

    /// Whether there is room. What was read before may yet have to go on by itself, which is a matter of a moment.
    pub fn takes_more(&self) -> bool {
        (!self.0.is_full() || self.0.handler.storage.is_out_of_reach()) && self.0.replies.has_room()
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
        let bookmarks = &self.0.handler.bookmarks;
        if bookmarks.answered(received) {
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
                let is_served = self.0.service.borrow().serves(&domain);
                bookmarks.granted(domain.clone(), grant, is_served);
                let in_step = bookmarks.keeps_on(&domain);
                let mut announcements = self.0.announcements.borrow_mut();
                announcements.granted(&domain, in_step);
                Some(Notice::Granted { domain, grant })
            }
            Plan::Announce(announcement) => {
                let in_step = bookmarks.keeps_on(&announcement.host);
                let may_change = bookmarks.would_keep_on(&announcement.host);
                let mut announcements = self.0.announcements.borrow_mut();
                announcements.asked(announcement, in_step, may_change);
                None
            }
            Plan::Answered { id, from } => {
                let in_step = |host: &str| bookmarks.keeps_on(host);
                let mut announcements = self.0.announcements.borrow_mut();
                announcements.answered(&id, &from, in_step);
                Some(Notice::Answered { id, from })
            }
            Plan::Store(request) => {
                self.open(request);
                None
            }
        }
    }

    /// Serves a request that needs the store. It goes as far as it can at once: so requests begin in the
    /// order they came, and what is done at once costs no task.
    fn open(&self, request: Request) {
        let inner = &self.0;
        let is_change = request.action.is_change();
        if inner.is_full() && inner.handler.storage.is_out_of_reach() {
            return inner.replies.send(out_of_reach(&request.answer, is_change));
        }
        let Some(open) = inner.owners.open(&request.owner, request.size) else {
            let most = inner.owners.limits().max_user_open_bytes;
            return inner.replies.send(request.answer.too_much_at_once(most));
        };
        let storage = &inner.handler.storage;
        storage.set_alone(inner.came_alone.get() && inner.owners.count() == 1);
        let longest = storage.is_shared().then(|| Instant::now() + LONGEST_WAIT);
        let reply = inner.replies.pending(Arc::clone(&request.answer));
        let late = reply.shared();
        let serving = Rc::clone(inner);
        let mut serving = Box::pin(async move {
            // It is over whatever becomes of it.
            let open = open;
            serving.handler.serve(request, reply, &open).await;
            drop(open);
        });
        let mut context = Context::from_waker(Waker::noop());
        let polled = panics::caught(|| serving.as_mut().poll(&mut context));
        if let Some(Poll::Pending) = polled {
            inner.unsettled.update(|it| it + 1);
            let inner = Rc::clone(inner);
            // Its panic costs this task.
            drop(spawn_local(async move {
                inner.unsettled.update(|it| it - 1);
                if inner.unsettled.get() == 0 {
                    inner.owners.over.notify_one();
                }
                if let Some(longest) = longest {
                    tokio::select! {
                        biased;
                        () = &mut serving => return,
                        () = sleep_until(longest) => {}
                    }
                    late.finish(|answer| out_of_reach(answer, is_change));
                }
                // Its place among those of its owner stays its own until it is known what became of it.
                serving.await;
            }));
        }
    }
}

impl Inner {
    /// Whether as much is open as may be.
    fn is_full(&self) -> bool {
        self.owners.bytes() >= self.owners.limits().max_open_bytes
    }
}

/// Try again later.
fn out_of_reach(answer: &Answer, is_change: bool) -> Answered {
    match is_change {
        true => answer.set(&Err(SetError::Unreachable)),
        false => answer.unreadable(ReadError::Unreachable),
    }
}

#[cfg(test)]
pub mod tests;
