//! Requests about room bookmarks, each brought into step with the PEP node of its owner.
//!
//! Invariants held here:
//! - requests about the bookmarks of one owner are dealt with in the order they came, and one IQ of an
//!   owner's is under way at a time: so a change is seen by what comes after it;
//! - every request is answered at most [`PATIENCE`] after it came here, from the store if need be.

use std::cell::{Cell, RefCell};

use tokio::time::sleep_until;

use super::baseline::Baseline;
use super::decide::{left_of, left_unseen};
use super::legacy::{Legacy, List};
use super::pep::{Account, Failure, PATIENCE, Pep};
use super::queue::{Passed, Place, Queues};
use super::request::{Content, Request};
use super::steps::{Steps, Stored};
use super::views::{LastView, Views};
use crate::address;
use crate::clock::Instant;
use crate::metrics;
use crate::panics;
use crate::replies::Pending;
use crate::service::{Answer, Found, Grant};
use crate::stanza::Received;
use crate::store::{Held, Owner, Storage};
use crate::threads::Workers;

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
}

#[derive(Debug)]
pub struct BookmarkSync {
    settings: RefCell<Settings>,
    storage: Storage,
    steps: Steps,
    views: RefCell<Views>,
    queues: Queues,
    metrics: metrics::Pep,
    next: Cell<u64>,
}

impl BookmarkSync {
    /// Nobody has granted anything yet.
    pub fn new(settings: Settings, metrics: metrics::Pep, storage: Storage, pep: Pep) -> Self {
        Self {
            settings: RefCell::new(settings),
            storage,
            steps: Steps::new(pep),
            views: RefCell::default(),
            queues: Queues::default(),
            metrics,
            next: Cell::new(1),
        }
    }

    /// What clients have been shown before this moment, as text for [`BookmarkSync::recall`]; `None` if
    /// nothing.
    pub fn memory(&self, before: Option<Instant>) -> Option<String> {
        self.views.borrow().write(before)
    }

    /// Goes on from what another had remembered.
    pub fn recall(&self, memory: &str) {
        self.views.borrow_mut().read(memory);
    }

    /// Replies were lost: nobody knows any more what clients have been shown.
    pub fn forget_shown(&self) {
        self.views.borrow_mut().clear();
    }

    /// Takes these settings over, for the requests to come.
    pub fn reconfigure(&self, settings: Settings) {
        *self.settings.borrow_mut() = settings;
    }

    /// This domain, served or not, has said what it grants.
    pub fn granted(&self, domain: String, grant: Grant) {
        self.steps.pep().hosts().borrow_mut().granted(domain, grant);
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

    /// This client is served without us: it is not known what it has been shown.
    pub fn pass_over(&self, asker: &str) {
        self.views.borrow_mut().forget(asker);
    }

    /// Whether these are more than there may be.
    pub fn are_many(&self, stored: &Legacy) -> bool {
        stored.rooms.len() > self.settings.borrow().max_rooms
    }

    /// Whether this client may not store these, because they are more than there may be, and more than
    /// there were: `Some` with how many may be. So deleting always works.
    pub fn too_many(&self, stored: &Legacy, before: usize, asker: &str) -> Option<usize> {
        let views = self.views.borrow();
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
    }

    /// Answers a get; this is what the store has.
    pub async fn get(&self, ask: Ask, found: Found) {
        let number = self.number();
        self.serve(ask, number, Content::Get(found)).await;
    }

    /// These were stored, durably. With `at_once` the reply waits for nothing.
    pub async fn set(&self, mut ask: Ask, stored: Legacy, at_once: bool) {
        let number = self.number();
        let rooms = stored.base();
        let shown = {
            let mut views = self.views.borrow_mut();
            let before = views.of(&ask.asker).cloned();
            views.put(&ask.asker, rooms.clone(), number);
            before
        };
        if at_once {
            ask.reply.send(|answer| answer.set(&Ok(())));
        }
        let content = Content::Set {
            stored: RefCell::new(Some(stored)),
            rooms,
            shown,
        };
        self.serve(ask, number, content).await;
    }

    /// These were stored, and PEP does not learn of it: what both sides had in common is less now.
    pub async fn stored_alone(&self, owner: &Owner, stored: List) {
        let place = self.queues.enter(owner, 0, 0);
        let _turn = place.turn().await;
        let Some(baseline) = self.baseline(owner).await else {
            return;
        };
        // Where that panics, nobody knows what is left.
        let bytes = baseline.bytes() + stored.bytes();
        let work = move || left_unseen(&baseline, &stored.read().base()).write();
        let work = move || panics::caught(work);
        let left = self.workers().compute(bytes, work).await;
        self.note(owner, &place, left).await;
    }

    async fn serve(&self, ask: Ask, number: u64, mut content: Content) {
        let Ask {
            owner,
            asker,
            size,
            reply,
        } = ask;
        let place = self.queues.enter(&owner, content.held(), size);
        if let Content::Get(found) = &mut content {
            found.hold(Held::default());
        }
        let request = Request {
            owner: owner.clone(),
            asker,
            number,
            reply: RefCell::new(reply),
            content,
            has_begun: Cell::new(false),
        };
        if !(place.has_room(self.settings.borrow().held) && self.keeps(&owner)) {
            request.reply_from_store(&self.views, &self.metrics);
            return self.pass(request, &place).await;
        }
        let mut in_turn = std::pin::pin!(self.serve_in_turn(&request, &place));
        tokio::select! {
            biased;
            () = &mut in_turn => return,
            () = sleep_until(Instant::now() + PATIENCE) => {}
            () = self.steps.given_up() => {}
            () = place.gone() => {}
        }
        request.reply_from_store(&self.views, &self.metrics);
        // What it has begun goes on; what it has not is left to the next request.
        if request.has_begun.get() || request.is_set() {
            in_turn.await;
        }
    }

    /// A request that PEP does not learn of is over: nothing is to be held for it any more.
    async fn pass(&self, request: Request, place: &Place<'_>) {
        let Request { owner, content, .. } = request;
        if let Content::Set { rooms, shown, .. } = content {
            place.pass(Passed { rooms, shown });
            if let Some(_turn) = place.turn_at_once() {
                self.note_passed(&owner, place).await;
            }
        }
    }

    /// Notes what is left of what both sides had in common, after sets that did not wait for their turn.
    async fn note_passed(&self, owner: &Owner, place: &Place<'_>) {
        while let Some(Passed { rooms, shown }) = place.passed() {
            if let Some(baseline) = self.baseline(owner).await {
                self.note_left(owner, place, baseline, rooms, shown).await;
            }
        }
    }

    /// Brings both sides into step when it is the turn of this request, and notes what both have then.
    async fn serve_in_turn(&self, request: &Request, place: &Place<'_>) {
        let owner = &request.owner;
        let _turn = place.turn().await;
        request.has_begun.set(true);
        let baseline = self.baseline(owner).await;
        match self.bring_into_step(request, place, baseline.clone()).await {
            Ok(note) => {
                request.reply_in_step(&self.views);
                if note.is_some() {
                    self.note(owner, place, note).await;
                }
            }
            Err(failure) => {
                self.tell(owner, &failure);
                if failure == Failure::Broken {
                    request.reply.borrow_mut().send(Answer::broken);
                }
                request.reply_from_store(&self.views, &self.metrics);
                if let (Content::Set { rooms, shown, .. }, Some(baseline)) =
                    (&request.content, baseline)
                {
                    let (rooms, shown) = (rooms.clone(), shown.clone());
                    self.note_left(owner, place, baseline, rooms, shown).await;
                }
            }
        }
        self.note_passed(owner, place).await;
    }

    /// Fetches the node, shows what is in it, and changes what is to be changed. What is to be noted
    /// then, if it is something else than was.
    async fn bring_into_step(
        &self,
        request: &Request,
        place: &Place<'_>,
        baseline: Option<Baseline>,
    ) -> Result<Option<String>, Failure> {
        let account = Account {
            owner: &request.owner,
            address: address::bare(&request.asker),
            is_gone: place.is_gone(),
            link: self.steps.pep().link(),
        };
        let grant = self.grant(domain_of(account.owner));
        let grant = grant.ok_or(Failure::Ungranted)?;
        let stored = self.stored(request, baseline).ok_or(Failure::Gone)?;
        let compared = self.steps.compare(account, stored).await?;
        if let Some(view) = compared.view {
            request.show(&self.views, &self.metrics, view);
        }
        let changes = compared.changes;
        self.steps.make(account, changes, grant.owner).await?;
        Ok(compared.note)
    }

    /// What is compared with the node; `None` if it has been already.
    fn stored(&self, request: &Request, baseline: Option<Baseline>) -> Option<Stored> {
        let (list, shown) = match &request.content {
            Content::Get(found) => (List::Text(found.stored().to_owned()), None),
            Content::Set { stored, shown, .. } => {
                (List::Read(stored.borrow_mut().take()?), shown.clone())
            }
        };
        Some(Stored {
            list,
            baseline,
            shown,
            is_set: request.is_set(),
            max_rooms: self.settings.borrow().max_rooms,
        })
    }

    /// These were stored and not brought into step: less is left of what both sides had in common.
    async fn note_left(
        &self,
        owner: &Owner,
        place: &Place<'_>,
        baseline: Baseline,
        rooms: Baseline,
        shown: Option<LastView>,
    ) {
        let bytes = baseline.bytes() + rooms.bytes();
        let work = move || {
            let left = left_of(&baseline, &rooms, shown.as_ref());
            (left != baseline).then(|| left.write())
        };
        let note = self.workers().compute(bytes, work).await;
        if note.is_some() {
            self.note(owner, place, note).await;
        }
    }

    fn workers(&self) -> &Workers {
        self.steps.pep().workers()
    }

    /// What both sides had in common, as it is noted.
    async fn baseline(&self, owner: &Owner) -> Option<Baseline> {
        // What cannot be read is as good as not noted: then nothing is taken away.
        let note = self.storage.note(owner).await.ok()??;
        let bytes = note.len();
        let read = move || Baseline::read(&note);
        self.workers().compute(bytes, read).await
    }

    async fn note(&self, owner: &Owner, place: &Place<'_>, note: Option<String>) {
        if !place.is_gone().get() {
            // Where it fails the store is broken, and says so; the next request compares over less.
            let _ = self.storage.put_note(owner, note).await;
        }
    }

    fn tell(&self, owner: &Owner, failure: &Failure) {
        // The others are told where they come from, or are nothing new.
        let is_news = match failure {
            Failure::Ungranted | Failure::TooSoon | Failure::Late | Failure::Gone => false,
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

fn domain_of(owner: &Owner) -> &str {
    address::domain_of(owner.as_str())
}
