//! Requests about room bookmarks, each brought into step with the PEP node of its owner.
//!
//! Invariants held here:
//! - requests about the bookmarks of one owner are dealt with in the order they came, and one IQ of an
//!   owner's is under way at a time: so a change is seen by what comes after it;
//! - every request is answered at most [`PATIENCE`] after it came here, from the store if need be;
//! - only few IQs are under way at once, and fewer that change something: whatever else is asked of
//!   Prosody waits while it carries one of those out.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{Mutex, Notify, Semaphore};
use tokio::time::{sleep_until, timeout};

use super::answer::Answer;
use super::base::Base;
use super::change::Change;
use super::decide::{Before, decide, left_of, left_unseen};
use super::hosts::{Hosts, LeftAlone};
use super::legacy::Legacy;
use super::node::{Node, Payload};
use super::pep::Pep;
use super::shown::{Shown, Sight};
use super::{List, SHORT};
use crate::address;
use crate::metrics::{self, PepOutcome};
use crate::panics;
use crate::replies::{Pending, Replies};
use crate::service::privilege::{self, Outcome};
use crate::service::{Bookmarks, Grant};
use crate::stanza::{Received, Refusal};
use crate::store::{Owner, Storage};
use crate::workers::Workers;

/// How long an IQ may take, and a request. ejabberd drops IQs that it does not allow, without a word.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many IQs are under way at once, with the answers that are being compared, and how many of those
/// are part of a change.
const MAX_IQS: usize = 8;
const MAX_CHANGES: usize = 2;

/// How many bytes of stored text wait here, for one owner.
const MAX_HELD_OF_OWNER: usize = 2 * 1024 * 1024;

/// How it is set up.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Our own domain.
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
    /// Whose bookmarks.
    pub owner: Owner,
    /// The full address of who asks, as received.
    pub asker: String,
    /// What it costs to hold the request, in bytes.
    pub size: usize,
    /// Where the reply goes.
    pub reply: Pending,
}

/// Keeps bookmarks in step.
#[derive(Debug)]
pub struct BookmarkSync {
    settings: RefCell<Settings>,
    metrics: metrics::Pep,
    storage: Storage,
    workers: Rc<Workers>,
    replies: Replies,
    hosts: RefCell<Hosts>,
    shown: RefCell<Shown>,
    lines: RefCell<HashMap<Owner, Rc<Line>>>,
    pep: Pep,
    iqs: Semaphore,
    changes: Semaphore,
    /// Nothing more is read from the link.
    given_up: Notify,
    held: Cell<usize>,
    next: Cell<u64>,
}

/// The requests about one owner's bookmarks.
#[derive(Debug, Default)]
struct Line {
    /// They have turns, in the order they came.
    turn: Mutex<()>,
    /// All that the owner has is being removed: nothing is to be noted any more.
    is_gone: Cell<bool>,
    held: Cell<usize>,
}

/// A place in a line.
struct Place<'s> {
    sync: &'s BookmarkSync,
    owner: Owner,
    line: Rc<Line>,
    held: usize,
    size: usize,
}

/// A request.
struct Request {
    owner: Owner,
    asker: String,
    /// Those that came later have higher ones.
    number: u64,
    reply: RefCell<Pending>,
    content: Content,
    /// Whether its turn has come.
    has_begun: Cell<bool>,
}

/// What a request is about.
enum Content {
    /// They are read: this was found in the store.
    Get(Bookmarks),
    /// They were stored, durably.
    Set {
        /// This; none once it is being brought into step.
        stored: RefCell<Option<Legacy>>,
        /// The rooms in it.
        rooms: Base,
        /// What the client had been shown when it stored them. It may be shown other things before
        /// their turn comes.
        shown: Option<Sight>,
    },
}

/// What a client is to see.
struct View {
    /// What is shown in place of what is stored; `None` if nothing is stored, and there is nothing
    /// to show.
    text: Option<String>,
    /// The rooms in it.
    rooms: Base,
}

/// What is stored, compared with the node.
struct Compared {
    /// What is to be shown, if they are read.
    view: Option<View>,
    changes: Vec<Change>,
    /// Whether the node would get more items than it may.
    is_over: bool,
    /// Whether the node has held nothing yet: for some users PEP takes what is published, and keeps
    /// nothing of it (Prosody: anonymous ones).
    was_empty: bool,
    /// What is to be noted, if it is something else than was.
    note: Option<String>,
}

/// What PEP has said.
enum Said {
    /// It is done; for a fetch, with what it has found.
    Done(Node),
    /// It is refused.
    Refused(Refusal),
}

/// Why both sides are not in step. They are tried again with the next request.
#[derive(Debug, PartialEq, Eq)]
enum Failure {
    /// The host does not let us, or is left alone for a while.
    Ungranted,
    /// There is too much of such requests.
    NoRoom,
    /// The node is large, and it is not its turn.
    TooSoon,
    /// There was no answer in time.
    Late,
    /// The link is gone, or the account is.
    Gone,
    /// The host does not let us, or has no such user: with what it says.
    Denied(String),
    /// PEP refuses: with what it says.
    Refused(String),
    /// The node's options are wrong, and we may not correct them.
    Options,
    /// The node would get more items than it may.
    TooMany,
    /// PEP keeps nothing of what is published there.
    Forgotten,
    /// What the node holds cannot be read.
    Unreadable,
}

impl BookmarkSync {
    /// Nobody has granted anything yet.
    pub fn new(
        settings: Settings,
        metrics: metrics::Pep,
        storage: Storage,
        workers: Rc<Workers>,
        replies: Replies,
    ) -> Self {
        Self {
            settings: RefCell::new(settings),
            metrics,
            storage,
            workers,
            replies,
            hosts: RefCell::default(),
            shown: RefCell::default(),
            lines: RefCell::default(),
            pep: Pep::new(),
            iqs: Semaphore::new(MAX_IQS),
            changes: Semaphore::new(MAX_CHANGES),
            given_up: Notify::new(),
            held: Cell::new(0),
            next: Cell::new(1),
        }
    }

    /// What clients have been shown before this moment, as text for [`BookmarkSync::recall`]; `None` if
    /// nothing.
    pub fn memory(&self, before: Option<Instant>) -> Option<String> {
        self.shown.borrow().write(before)
    }

    /// Goes on from what another had remembered.
    pub fn recall(&self, memory: &str) {
        self.shown.borrow_mut().read(memory);
    }

    /// Replies were lost: nobody knows any more what clients have been shown.
    pub fn forget_shown(&self) {
        self.shown.borrow_mut().clear();
    }

    /// Takes these settings over, for the requests to come.
    pub fn reconfigure(&self, settings: Settings) {
        *self.settings.borrow_mut() = settings;
    }

    /// This domain, served or not, has said what it grants.
    pub fn granted(&self, domain: String, grant: Grant) {
        self.hosts.borrow_mut().granted(domain, grant);
    }

    /// Whether the bookmarks of this owner are kept in step.
    pub fn keeps(&self, owner: &Owner) -> bool {
        self.keeps_on(domain_of(owner))
    }

    /// Whether the bookmarks of this host's users are.
    pub fn keeps_on(&self, host: &str) -> bool {
        self.settings.borrow().active && self.hosts.borrow().grant(host).is_some()
    }

    /// Whether they would be, if the host granted it.
    pub fn would_keep_on(&self, host: &str) -> bool {
        self.settings.borrow().active && self.hosts.borrow().grant(host).is_none()
    }

    /// This client is served without us: it is not known what it has been shown.
    pub fn pass_over(&self, asker: &str) {
        self.shown.borrow_mut().forget(asker);
    }

    /// Whether these are more than there may be.
    pub fn are_many(&self, stored: &Legacy) -> bool {
        stored.rooms.len() > self.settings.borrow().max_rooms
    }

    /// Whether this client may not store these, because they are more than there may be, and more than
    /// there were: `Some` with how many may be. So deleting always works.
    pub fn too_many(&self, stored: &Legacy, before: usize, asker: &str) -> Option<usize> {
        let shown = self.shown.borrow();
        let shown = shown.to(asker).map_or(0, |sight| sight.rooms.count());
        let are_too_many = self.are_many(stored) && stored.rooms.len() > before.max(shown);
        are_too_many.then_some(self.settings.borrow().max_rooms)
    }

    /// Takes an answer to an IQ of ours; says whether the stanza was one.
    pub fn answered(&self, received: &mut Received) -> bool {
        let answered = self.pep.answered(received);
        if let Some(Some(owner)) = &answered {
            self.hosts.borrow_mut().heard(owner);
        }
        answered.is_some()
    }

    /// The link is gone, or nothing more is read from it: who waits is answered from the store.
    pub fn give_up(&self) {
        self.hosts.borrow_mut().forget();
        self.pep.clear();
        self.given_up.notify_waiters();
    }

    /// All that this owner has is about to be removed: whoever waits is answered from the store, and
    /// nothing is noted afterwards.
    pub fn release(&self, owner: &Owner) {
        if let Some(line) = self.lines.borrow_mut().remove(owner) {
            line.is_gone.set(true);
            self.pep.forget_all_of(owner);
        }
    }

    /// Answers a get; this is what the store has.
    pub async fn get(&self, ask: Ask, found: Bookmarks) {
        let number = self.number();
        self.serve(ask, number, Content::Get(found)).await;
    }

    /// These were stored, durably. With `at_once` the reply waits for nothing.
    pub async fn set(&self, ask: Ask, stored: Legacy, at_once: bool) {
        let number = self.number();
        let rooms = stored.base();
        let shown = self.shown.borrow().to(&ask.asker).cloned();
        self.shown.borrow_mut().put(&ask.asker, rooms.clone(), number);
        let mut ask = ask;
        if at_once {
            ask.reply.send(|answer| answer.set(&Ok(())));
        }
        let stored = RefCell::new(Some(stored));
        let content = Content::Set {
            stored,
            rooms,
            shown,
        };
        self.serve(ask, number, content).await;
    }

    /// These were stored, and PEP does not learn of it: what both sides had in common is less now.
    pub async fn stored_alone(&self, owner: &Owner, stored: List) {
        let place = self.enter(owner, 0, 0);
        let _turn = place.line.turn.lock().await;
        let Some(base) = self.noted(owner).await else {
            return;
        };
        // Where that panics, nobody knows what is left.
        let work = move || left_unseen(&base, &stored.read().base()).write();
        let left = self.compute(0, move || panics::caught(work)).await;
        if !place.line.is_gone.get() {
            let _ = self.storage.put_note(owner, left).await;
        }
    }

    async fn serve(&self, ask: Ask, number: u64, content: Content) {
        let Ask {
            owner,
            asker,
            size,
            reply,
        } = ask;
        let place = self.enter(&owner, content.held(), size);
        let line = &place.line;
        let request = Request {
            owner,
            asker,
            number,
            reply: RefCell::new(reply),
            content,
            has_begun: Cell::new(false),
        };
        if self.has_room_in(line) && self.keeps(&request.owner) {
            let mut course = std::pin::pin!(self.course(&request, line));
            tokio::select! {
                biased;
                () = &mut course => {}
                () = sleep_until((Instant::now() + PATIENCE).into()) => {
                    self.reply_from_store(&request);
                    // What it has begun goes on; what it has not is left to the next request.
                    if request.has_begun.get() || request.is_set() {
                        course.await;
                    }
                }
            }
        } else {
            self.reply_from_store(&request);
            if request.is_set() {
                let _turn = line.turn.lock().await;
                let base = self.noted(&request.owner).await;
                self.is_left(&request, line, base.as_ref()).await;
            }
        }
    }

    /// Brings both sides into step when it is the turn of this request, and notes what both have then.
    async fn course(&self, request: &Request, line: &Line) {
        let _turn = line.turn.lock().await;
        request.has_begun.set(true);
        let base = self.noted(&request.owner).await;
        match self.bring_into_step(request, line, base.as_ref()).await {
            Ok(note) => {
                self.reply_in_step(request);
                if note.is_some() && !line.is_gone.get() {
                    let _ = self.storage.put_note(&request.owner, note).await;
                }
            }
            Err(failure) => {
                self.tell(&request.owner, &failure);
                self.reply_from_store(request);
                if request.is_set() {
                    self.is_left(request, line, base.as_ref()).await;
                }
            }
        }
    }

    /// These were stored and not brought into step: less is left of what both sides had in common.
    async fn is_left(&self, request: &Request, line: &Line, base: Option<&Base>) {
        let (Content::Set { rooms, shown, .. }, Some(base)) = (&request.content, base) else {
            return;
        };
        let left = left_of(base, rooms, shown.as_ref());
        if left != *base && !line.is_gone.get() {
            let _ = self.storage.put_note(&request.owner, Some(left.write())).await;
        }
    }

    /// Fetches the node, shows what is in it, and changes what is to be changed. What is to be noted
    /// then, if it is something else than was.
    async fn bring_into_step(
        &self,
        request: &Request,
        line: &Line,
        base: Option<&Base>,
    ) -> Result<Option<String>, Failure> {
        let owner = &request.owner;
        let alone = self.hosts.borrow().is_left_alone(owner, Instant::now());
        let grant = self.hosts.borrow().grant(domain_of(owner));
        let grant = grant.filter(|_| !alone).ok_or(Failure::Ungranted)?;
        let compared = {
            let _iq = self.iqs.acquire().await;
            self.turn_of_large(owner).await?;
            let bytes = request.content.bytes();
            let compare = self.comparison(request, base)?;
            let said = self.ask(request, line, Payload::Fetch, bytes, compare);
            said.await??
        };
        if let Some(view) = compared.view {
            self.show(request, view);
        }
        let (mut may_configure, mut may_forget) = (grant.owner, compared.was_empty);
        for change in compared.changes {
            // Nothing is to come between the reading of an item and its change.
            let _change = self.changes.acquire().await;
            let _iq = self.iqs.acquire().await;
            self.make(request, line, change, &mut may_configure, &mut may_forget)
                .await?;
        }
        match compared.is_over {
            true => Err(Failure::TooMany),
            false => Ok(compared.note),
        }
    }

    /// What is done with what the node holds.
    fn comparison(
        &self,
        request: &Request,
        base: Option<&Base>,
    ) -> Result<impl FnOnce(Said) -> Result<Compared, Failure> + Send + use<>, Failure> {
        let (list, shown, is_set) = match &request.content {
            Content::Get(found) => (List::Text(found.stored().to_owned()), None, false),
            Content::Set { stored, shown, .. } => {
                let stored = stored.borrow_mut().take().ok_or(Failure::Gone)?;
                (List::Read(stored), shown.clone(), true)
            }
        };
        let max_rooms = self.settings.borrow().max_rooms;
        let base = base.cloned();
        Ok(move |said| {
            let (node, base, shown) = match said {
                Said::Done(node) => (node, base, shown),
                // There is no node. Who deletes rooms leaves it empty, so none was deleted: this is
                // a first contact, if only with a new server.
                Said::Refused(refusal) if is_absent(&refusal) => (Node::default(), None, None),
                Said::Refused(refusal) => return Err(Failure::Refused(refusal.condition)),
            };
            let stored = list.read();
            panics::test_at("decide", stored.text().as_bytes());
            let before = Before {
                base: base.as_ref(),
                shown: shown.as_ref(),
                is_set,
                max_rooms,
                now: SystemTime::now(),
            };
            let decision = decide(&stored, &node, before);
            let rooms = decision.rooms.iter();
            Ok(Compared {
                view: (!is_set).then(|| View {
                    text: stored.with(&decision.rooms),
                    rooms: Base::of(rooms.map(|seen| (seen.key, seen.room.digest()))),
                }),
                changes: decision.changes,
                is_over: decision.is_over,
                was_empty: node.total == 0,
                note: (base.as_ref() != Some(&decision.base)).then(|| decision.base.write()),
            })
        })
    }

    /// Makes a change over what its item is directly before.
    async fn make(
        &self,
        request: &Request,
        line: &Line,
        change: Change,
        may_configure: &mut bool,
        may_forget: &mut bool,
    ) -> Result<(), Failure> {
        loop {
            let made = change.clone();
            let over = move |said| match said {
                Said::Done(node) => Ok(made.over(&node.items)),
                Said::Refused(refusal) if is_absent(&refusal) => Ok(made.over(&[])),
                Said::Refused(refusal) => Err(Failure::Refused(refusal.condition)),
            };
            let payload = self.ask(request, line, change.fetch(), 0, over).await??;
            let Some(payload) = payload else {
                return Ok(());
            };
            match self.ask(request, line, payload, 0, |said| said).await? {
                Said::Done(_) if change.is_removal() || !std::mem::take(may_forget) => {
                    return Ok(());
                }
                Said::Done(_) => return self.was_kept(request, line, &change).await,
                Said::Refused(refusal) => {
                    let wrong = refusal.pubsub.as_deref() == Some("precondition-not-met");
                    match refusal.condition.as_str() {
                        NOT_FOUND if change.is_removal() => return Ok(()),
                        _ if wrong && std::mem::take(may_configure) => {
                            self.configure(request, line).await?;
                        }
                        _ if wrong => return Err(Failure::Options),
                        condition => return Err(Failure::Refused(condition.to_owned())),
                    }
                }
            }
        }
    }

    /// Looks whether PEP has kept the first item of a node.
    async fn was_kept(
        &self,
        request: &Request,
        line: &Line,
        change: &Change,
    ) -> Result<(), Failure> {
        match self.ask(request, line, change.fetch(), 0, |said| said).await? {
            Said::Done(node) if node.total > 0 => Ok(()),
            Said::Done(_) => Err(Failure::Forgotten),
            Said::Refused(refusal) => Err(Failure::Refused(refusal.condition)),
        }
    }

    /// Makes the node what it must be.
    async fn configure(&self, request: &Request, line: &Line) -> Result<(), Failure> {
        match self
            .ask(request, line, Payload::Configure, 0, |said| said)
            .await?
        {
            Said::Done(_) => Ok(()),
            Said::Refused(_) => Err(Failure::Options),
        }
    }

    /// Sends an IQ, and does this with what is said to it; that is about so many bytes more.
    async fn ask<T: Send + 'static>(
        &self,
        request: &Request,
        line: &Line,
        payload: Payload,
        bytes: usize,
        then: impl FnOnce(Said) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let owner = &request.owner;
        if line.is_gone.get() {
            return Err(Failure::Gone);
        }
        let since = Instant::now();
        let (number, id, said) = self.pep.begin(owner);
        let from = self.settings.borrow().from.clone();
        let user = address::bare(&request.asker);
        let iq = privilege::request(&id, &from, user, payload.is_set(), &payload.xml());
        self.replies.request(iq);
        let unread = match timeout(PATIENCE, said).await {
            Ok(Ok(unread)) => unread,
            Ok(Err(_)) => return Err(Failure::Gone),
            Err(_) => {
                self.pep.forget(number);
                self.metrics.asked(PepOutcome::Late, since.elapsed());
                self.missed(owner);
                return Err(Failure::Late);
            }
        };
        let took = since.elapsed();
        let length = unread.as_ref().map_or(0, |unread| unread.bytes.len());
        if payload == Payload::Fetch {
            let mut hosts = self.hosts.borrow_mut();
            hosts.fetched(owner, length, Instant::now());
        }
        let is_fetch = !payload.is_set();
        let work = move || {
            let content = unread.as_ref().map_or(&[][..], |unread| &unread.bytes);
            panics::test_at("pep", content);
            let answer = unread.and_then(Answer::read);
            let outcome = answer
                .as_ref()
                .map_or(Outcome::Unreadable, |it| privilege::outcome(&it.received));
            match outcome {
                Outcome::Unreadable => (PepOutcome::Unreadable, Err(Failure::Unreadable)),
                Outcome::Denied(refusal) => {
                    let denied = Failure::Denied(refusal.condition);
                    (PepOutcome::Denied, Err(denied))
                }
                Outcome::Refused(refusal) => {
                    (PepOutcome::Refused, Ok(then(Said::Refused(refusal))))
                }
                Outcome::Done(pubsub) => {
                    let items = answer.as_ref().map(|it| &it.items);
                    let node = match is_fetch {
                        true => pubsub.zip(items).and_then(|(it, items)| Node::read(it, items)),
                        false => Some(Node::default()),
                    };
                    let done = node.map(|node| then(Said::Done(node)));
                    (PepOutcome::Done, done.ok_or(Failure::Unreadable))
                }
            }
        };
        let (counted, result) = self.compute(bytes + length, work).await;
        self.metrics.asked(counted, took);
        result
    }

    /// Does what goes through so many bytes where it holds up nobody.
    async fn compute<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        match bytes <= SHORT {
            true => work(),
            false => self.workers.run(work).await,
        }
    }

    /// Waits for the turn of a large node, but not for so long that the store would have to answer
    /// anyway.
    async fn turn_of_large(&self, owner: &Owner) -> Result<(), Failure> {
        loop {
            let now = Instant::now();
            let wait = self.hosts.borrow_mut().wait_to_fetch(owner, now);
            match wait {
                None => return Ok(()),
                Some(until) if until > now + PATIENCE / 2 => return Err(Failure::TooSoon),
                Some(until) => tokio::select! {
                    () = sleep_until(until.into()) => {}
                    () = self.given_up.notified() => return Err(Failure::Gone),
                },
            }
        }
    }

    /// An IQ had no answer in time.
    fn missed(&self, owner: &Owner) {
        let left_alone = self.hosts.borrow_mut().missed(owner, Instant::now());
        match left_alone {
            LeftAlone::Nobody => {}
            LeftAlone::Owner => tracing::debug!(
                "{} is left alone for a minute: its bookmarks come from the store alone",
                owner.as_str()
            ),
            LeftAlone::Host => tracing::warn!(
                "{} does not answer requests for its users' PEP nodes, which it has granted us: \
                 for a minute bookmarks there come from the store alone",
                domain_of(owner)
            ),
        }
    }

    fn tell(&self, owner: &Owner, failure: &Failure) {
        tracing::debug!(
            "the bookmarks of {} are not in step: {failure:?}",
            owner.as_str()
        );
        if *failure == Failure::Options && self.hosts.borrow_mut().tell_once(domain_of(owner)) {
            tracing::warn!(
                "a node for bookmarks at {} is open to others, or forgets some, and we may not \
                 correct that: what is set there stays in the store alone. If it is not yet, grant \
                 us http://jabber.org/protocol/pubsub#owner, as `print-config` has it",
                domain_of(owner)
            );
        }
    }

    /// Shows this.
    fn show(&self, request: &Request, view: View) {
        let Content::Get(found) = &request.content else {
            return;
        };
        let mut reply = request.reply.borrow_mut();
        let Some(answer) = reply.answer() else {
            return;
        };
        match answer.bookmarks(found, view.text.as_deref()) {
            Some(answered) => {
                reply.send(|_| answered);
                let mut shown = self.shown.borrow_mut();
                shown.put(&request.asker, view.rooms, request.number);
            }
            None => {
                drop(reply);
                self.reply_from_store(request);
            }
        }
    }

    /// Both sides are in step.
    fn reply_in_step(&self, request: &Request) {
        let mut shown = self.shown.borrow_mut();
        shown.is_in_step(&request.asker, request.number);
        if request.is_set() {
            request
                .reply
                .borrow_mut()
                .send(|answer| answer.set(&Ok(())));
        }
    }

    /// Answers from the store, unless it is answered.
    fn reply_from_store(&self, request: &Request) {
        let mut reply = request.reply.borrow_mut();
        let Content::Get(found) = &request.content else {
            if reply.send(|answer| answer.set(&Ok(()))) {
                self.metrics.did_without();
            }
            return;
        };
        if reply.answer().is_none() {
            return;
        }
        let mut shown = self.shown.borrow_mut();
        // Where it takes long to see what the client is shown, nobody knows.
        match found.shown() {
            shown_alone if shown_alone.len() <= SHORT => {
                let rooms = Legacy::read(shown_alone).base();
                shown.put(&request.asker, rooms, request.number);
            }
            _ => shown.forget(&request.asker),
        }
        reply.send(|answer| {
            let answered = answer.bookmarks(found, None);
            answered.unwrap_or_else(|| answer.broken())
        });
        self.metrics.did_without();
    }

    async fn noted(&self, owner: &Owner) -> Option<Base> {
        // What cannot be read is as good as not noted: then nothing is taken away.
        let note = self.storage.note(owner).await.ok()??;
        Base::read(&note)
    }

    /// Takes a place in an owner's line, and so many bytes of what is held beside the request, and for it.
    fn enter(&self, owner: &Owner, held: usize, size: usize) -> Place<'_> {
        let line = Rc::clone(self.lines.borrow_mut().entry(owner.clone()).or_default());
        line.held.set(line.held.get() + held);
        self.held.set(self.held.get() + held + size);
        Place {
            sync: self,
            owner: owner.clone(),
            line,
            held,
            size,
        }
    }

    /// Whether no more is held than may be.
    fn has_room_in(&self, line: &Line) -> bool {
        line.held.get() <= MAX_HELD_OF_OWNER && self.held.get() <= self.settings.borrow().held
    }

    fn number(&self) -> u64 {
        let number = self.next.get();
        self.next.set(number + 1);
        number
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let Self {
            sync,
            owner,
            line,
            held,
            size,
        } = self;
        line.held.set(line.held.get() - *held);
        sync.held.set(sync.held.get() - *held - *size);
        let mut lines = sync.lines.borrow_mut();
        // The map's and ours: nobody else stands in it.
        let is_last = Rc::strong_count(line) == 2;
        if is_last && lines.get(owner).is_some_and(|it| Rc::ptr_eq(it, line)) {
            lines.remove(owner);
        }
    }
}

impl Request {
    fn is_set(&self) -> bool {
        matches!(self.content, Content::Set { .. })
    }
}

impl Content {
    /// Bytes that are held beside what the request itself costs.
    fn held(&self) -> usize {
        match self {
            Self::Get(found) => found.bytes(),
            Self::Set { .. } => 0,
        }
    }

    /// How many bytes are to be compared with the node.
    fn bytes(&self) -> usize {
        match self {
            Self::Get(found) => found.stored().len(),
            Self::Set { stored, .. } => stored.borrow().as_ref().map_or(0, Legacy::bytes),
        }
    }
}

const NOT_FOUND: &str = "item-not-found";

/// Whether this says that there is no node, or none that keeps anything: so Prosody puts it.
fn is_absent(refusal: &Refusal) -> bool {
    let is_without_items = refusal.condition == "feature-not-implemented"
        && matches!(
            refusal.pubsub.as_deref(),
            Some("persistent-items" | "unsupported")
        );
    refusal.condition == NOT_FOUND || is_without_items
}

fn domain_of(owner: &Owner) -> &str {
    address::domain_of(owner.as_str())
}
