//! Requests about room bookmarks, each brought into step with the PEP node of its owner.
//!
//! Invariants held here:
//! - requests about the bookmarks of one owner are dealt with in the order they came, and one IQ of an
//!   owner's is under way at a time: so a change is seen by what comes after it;
//! - every request is answered at most [`PATIENCE`] after it came here, from the store if need be, and as soon as
//!   that store takes notes where it is shared.

mod reply;
mod turn;

use std::cell::{Cell, RefCell};

use tokio::time::sleep_until;

use super::delivery::Due;
use super::legacy::Legacy;
use super::pep::{Failure, PATIENCE, Pep};
use super::queue::{Load, Passed, Place, Queues};
use super::request::{Content, Request};
use super::shown::{Shown, Whose};
use super::steps::Steps;
use super::views::LastView;
use crate::address;
use crate::clock::Instant;
use crate::metrics;
use crate::replies::Pending;
use crate::service::{Found, Grant};
use crate::stanza::Received;
use crate::store::{Held, Owner, ReadError, SetError, Storage, Turn};

/// How it is set up.
#[derive(Debug, Clone)]
pub struct Settings {
    pub from: String,
    /// Whether bookmarks are kept in step where a host lets us.
    pub active: bool,
    /// How many rooms there may be then.
    pub max_rooms: usize,
    /// How many bytes of requests and stored text wait here, for all: less than what may be open, or
    /// nothing would be read any more, and so no answer either.
    pub held: usize,
}

/// Who asks, and where the reply goes.
#[derive(Debug)]
pub struct Ask {
    pub owner: Owner,
    /// The full address of who asks, as received.
    pub asker: String,
    /// What it costs to hold the request, in bytes.
    pub size: usize,
    pub reply: Pending,
    /// When what it is about was found, or stored, or else began to be.
    pub since: Instant,
    /// The owner's turn among all instances; `None` where it was not to be had.
    pub turn: Option<Turn>,
}

/// Bookmarks that were stored, and are to be brought into step.
pub struct StoredSet {
    ask: Ask,
    number: u64,
    content: Content,
}

#[derive(Debug)]
pub struct BookmarkSync {
    settings: RefCell<Settings>,
    storage: Storage,
    steps: Steps,
    shown: Shown,
    queues: Queues,
    metrics: metrics::Pep,
    next: Cell<u64>,
}

impl BookmarkSync {
    /// Nobody has granted anything yet.
    pub fn new(settings: Settings, metrics: metrics::Pep, storage: Storage, pep: Pep) -> Self {
        Self {
            settings: RefCell::new(settings),
            shown: Shown::new(storage.clone()),
            storage,
            steps: Steps::new(pep),
            queues: Queues::default(),
            metrics,
            next: Cell::new(1),
        }
    }

    /// What clients have been shown.
    pub fn shown(&self) -> &Shown {
        &self.shown
    }

    /// Takes these settings over, for the requests to come.
    pub fn reconfigure(&self, settings: Settings) {
        *self.settings.borrow_mut() = settings;
    }

    /// This domain, served or not, has said what it grants.
    pub fn granted(&self, domain: String, grant: Grant, is_served: bool) {
        let mut hosts = self.steps.pep().hosts().borrow_mut();
        hosts.granted(domain, grant, is_served);
    }

    /// What a host grants; `None` if that is not enough to read and write items.
    fn grant(&self, host: &str) -> Option<Grant> {
        self.steps.pep().hosts().borrow().grant(host)
    }

    /// Whether the bookmarks of this owner are kept in step.
    pub fn keeps(&self, owner: &Owner) -> bool {
        self.keeps_on(domain_of(owner))
    }

    /// Whether the bookmarks of this host's users are.
    pub fn keeps_on(&self, host: &str) -> bool {
        self.settings.borrow().active && self.grant(host).is_some()
    }

    /// Whether they would be, if the host granted it.
    pub fn would_keep_on(&self, host: &str) -> bool {
        self.settings.borrow().active && self.grant(host).is_none()
    }

    /// This client of an owner's is about to be served without us: it will not be known what it has been shown. What it
    /// had been shown before, as far as that is known, which whoever stores something is asked for.
    ///
    /// # Errors
    ///
    /// When that cannot be looked up or noted: then it must not be served.
    pub async fn pass_over(
        &self,
        owner: &Owner,
        asker: &str,
        stores: bool,
    ) -> Result<Option<LastView>, SetError> {
        if stores {
            self.shown.recall(owner, asker).await.map_err(unread)?;
        }
        let before = self.shown.views().borrow_mut().forget(asker);
        // It has the owner's turn, in which nothing is removed.
        let is_gone = &Cell::new(false);
        let whose = Whose {
            owner,
            client: asker,
            is_gone,
        };
        self.shown.save(whose).await?;
        Ok(before)
    }

    /// Whether these are more than there may be.
    pub fn are_many(&self, stored: &Legacy) -> bool {
        stored.rooms.len() > self.settings.borrow().max_rooms
    }

    /// Whether this client may not store these, because they are more than there may be, and more than
    /// there were: `Some` with how many may be. So deleting always works.
    pub fn too_many(&self, stored: &Legacy, before: usize, asker: &str) -> Option<usize> {
        let views = self.shown.views().borrow();
        let shown = views.of(asker).map_or(0, |view| view.rooms.count());
        let are_too_many = self.are_many(stored) && stored.rooms.len() > before.max(shown);
        are_too_many.then_some(self.settings.borrow().max_rooms)
    }

    /// Takes an answer to an IQ of ours; says whether the stanza was one.
    pub fn answered(&self, received: &mut Received) -> bool {
        self.steps.pep().answered(received)
    }

    /// The link is gone, or nothing more is read from it: who waits is answered from the store.
    pub fn give_up(&self) {
        self.steps.give_up();
    }

    /// All that this owner has is about to be removed: whoever waits is answered from the store, and
    /// nothing is noted afterwards.
    pub fn release(&self, owner: &Owner) {
        if self.queues.release(owner) {
            self.steps.pep().forget(owner);
        }
        self.shown.remove(owner);
    }

    /// Whether a get, for which this was found, may wait for PEP now. One that may not is to be [answered
    /// alone](Self::get_alone), in its turn.
    pub fn may_wait(&self, ask: &Ask, found: &Found) -> bool {
        let most = self.settings.borrow().held;
        let load = Load::of(found.bytes(), ask.size);
        let has_room = self.queues.has_room_for(&ask.owner, load, most);
        ask.turn.is_some() && has_room && self.keeps(&ask.owner)
    }

    /// Answers a get that [may wait](Self::may_wait); this is what the store has. It takes memory of its own here.
    pub async fn get(&self, ask: Ask, mut found: Found) {
        found.hold(Held::default());
        let number = self.number();
        self.serve(ask, number, Content::Get(found)).await;
    }

    /// Answers a get from the store. What was found is held until then.
    pub async fn get_alone(&self, ask: Ask, found: Found) {
        let place = self.queues.enter(&ask.owner, Load::none());
        let request = ask.request(self.number(), Content::Get(found));
        self.reply_alone(&request, &place).await;
    }

    /// These were stored, durably, and nothing of the owner's is begun yet that comes later. What the client knows by
    /// that is noted; with `at_once` the reply waits for nothing else. What is left to be done is
    /// [brought into step](Self::set).
    pub async fn has_stored(&self, mut ask: Ask, stored: Legacy, at_once: bool) -> StoredSet {
        let number = self.number();
        let rooms = stored.base();
        let shown = self.shown.of(&ask.asker);
        let had = |key, said| shown.as_ref().is_some_and(|view| view.rooms.had(key, said));
        let known = rooms.clone().apart(|key, said| !had(key, said));
        let mut due = Some(self.shown.has_stored(&ask.asker, known, number));
        // Nothing of the owner's is removed meanwhile, either.
        let is_gone = &Cell::new(false);
        let whose = Whose {
            owner: &ask.owner,
            client: &ask.asker,
            is_gone,
        };
        let noted = self.shown.save(whose).await;
        if noted.is_err() {
            // It is told so, and may go on from what it had before.
            self.shown.views().borrow_mut().forget(&ask.asker);
            ask.reply.send(|answer| answer.set(&noted));
        } else if at_once && ask.reply.send(|answer| answer.set(&noted)) {
            due.take().map(Due::give);
        }
        let content = Content::Set {
            stored: Cell::new(Some(stored)),
            rooms,
            shown,
            due: Cell::new(due),
        };
        StoredSet {
            ask,
            number,
            content,
        }
    }

    /// Brings both sides into step, and answers.
    pub async fn set(&self, stored: StoredSet) {
        let StoredSet {
            ask,
            number,
            content,
        } = stored;
        self.serve(ask, number, content).await;
    }

    async fn serve(&self, ask: Ask, number: u64, content: Content) {
        let load = Load::of(content.held(), ask.size);
        let place = self.queues.enter(&ask.owner, load);
        let since = ask.since;
        let request = ask.request(number, content);
        let may_wait = request.turn.is_some() && place.has_room(self.settings.borrow().held);
        if !(may_wait && self.keeps(&request.owner)) {
            self.reply_alone(&request, &place).await;
            return self.pass(request, &place).await;
        }
        let mut in_turn = std::pin::pin!(self.serve_in_turn(&request, &place));
        tokio::select! {
            biased;
            () = &mut in_turn => return,
            () = sleep_until(since + PATIENCE) => {}
            () = self.steps.given_up() => {}
            () = place.gone() => {}
        }
        // It goes on until there is room for its reply: others may have to wait for theirs behind it.
        tokio::select! {
            biased;
            () = &mut in_turn => return,
            () = self.room(&request) => {}
        }
        self.reply_from_store(&request, &place).await;
        // What it has begun goes on; what it has not is left to the next request.
        if request.has_begun.get() || request.is_set() {
            in_turn.await;
        }
    }

    /// Answers from the store once there is room for that, unless it is answered.
    async fn reply_alone(&self, request: &Request, place: &Place<'_>) {
        self.room(request).await;
        self.reply_from_store(request, place).await;
    }

    /// Waits for room for a reply that may be long.
    async fn room(&self, request: &Request) {
        if !request.is_set() && !request.is_answered() {
            self.steps.pep().replies().room().await;
        }
    }

    /// A request that PEP does not learn of is over: nothing is to be held for it any more.
    async fn pass(&self, request: Request, place: &Place<'_>) {
        if let Content::Set { rooms, shown, .. } = &request.content {
            place.pass(Passed {
                rooms: rooms.clone(),
                shown: shown.clone(),
            });
            if let Some(_turn) = place.turn_at_once() {
                self.note_passed(&request, place).await;
            }
        }
    }

    /// Says why both sides are not in step, where that is news.
    fn tell(&self, owner: &Owner, failure: &Failure) {
        // The others are told where they come from, or are nothing new.
        let is_news = match failure {
            Failure::Ungranted | Failure::TooSoon | Failure::Late => false,
            Failure::Gone | Failure::OutOfTurn | Failure::Store => false,
            Failure::Denied(_) | Failure::Refused(_) | Failure::Options | Failure::TooMany => true,
            Failure::Forgotten | Failure::Unreadable | Failure::Broken => true,
        };
        if !is_news {
            return;
        }
        tracing::debug!(
            "the bookmarks of {} are not in step: {failure:?}",
            owner.as_str()
        );
        let mut hosts = self.steps.pep().hosts().borrow_mut();
        if *failure == Failure::Options && hosts.tell_once(domain_of(owner)) {
            tracing::warn!(
                "a user's PEP node for bookmarks on {} is open to others, or does not keep them \
                 all, and the component may not correct that: what is set there stays in the store \
                 alone. Unless the server does so already, have it grant \
                 http://jabber.org/protocol/pubsub#owner, as `print-config` prints it",
                domain_of(owner)
            );
        }
    }

    fn number(&self) -> u64 {
        let number = self.next.get();
        self.next.set(number + 1);
        number
    }
}

impl Ask {
    fn request(self, number: u64, content: Content) -> Request {
        Request {
            owner: self.owner,
            asker: self.asker,
            number,
            reply: RefCell::new(self.reply),
            turn: self.turn,
            content,
            has_begun: Cell::new(false),
        }
    }
}

fn domain_of(owner: &Owner) -> &str {
    address::domain_of(owner.as_str())
}

/// What a set comes to where it cannot be read what it depends on.
fn unread(error: ReadError) -> SetError {
    match error {
        ReadError::Unreachable => SetError::Unreachable,
        ReadError::Damaged | ReadError::Failed => SetError::Failed,
    }
}
