//! What is done when a request has its turn: both sides are brought into step, and what they have then is noted.
//!
//! Another instance may do that for the same owner at the same time, and an administrator may put something else
//! there. So what is noted is read before anything else, and noted only over that: otherwise both sides are brought
//! into step once more, now as by a get, since what the client has changed is in the node already.

use super::super::baseline::Baseline;
use super::super::decide::{in_common, left_of, left_unseen};
use super::super::legacy::{Legacy, List};
use super::super::pep::{Account, Failure};
use super::super::queue::{Passed, Place};
use super::super::request::{Content, Request};
use super::super::steps::{Common, Stored};
use super::super::views::LastView;
use super::{BookmarkSync, domain_of};
use crate::address;
use crate::panics;
use crate::service::{Answer, BOOKMARKS};
use crate::store::{Owner, Query, ReadError, SetError, unless_damaged};
use crate::threads::Workers;

/// How often it is tried at most. What is left to be noted then is found out with the next request.
const TRIES: usize = 5;

/// What is noted about an owner.
#[derive(Debug, Default)]
struct Noted {
    text: Option<String>,
    /// What both sides had in common.
    baseline: Option<Baseline>,
}

/// What a step came to.
enum Step {
    /// Both sides are in step. This is to be noted, if it is something else than was.
    Taken(Option<Common>),
    /// Nothing was changed or shown: something else was noted meanwhile, and what was compared may be older than that.
    Outdated,
}

/// What is noted of it from now on, if that is something else.
type Left = Option<Option<String>>;

impl BookmarkSync {
    /// These were stored, and PEP does not learn of it: what both sides had in common is less now.
    pub async fn stored_alone(&self, owner: &Owner, stored: List) {
        let place = self.queues.enter(owner, 0, 0);
        let _turn = place.turn().await;
        let Ok(noted) = self.noted(owner).await else {
            return;
        };
        if noted.baseline.is_none() {
            return;
        }
        let bytes = stored.bytes();
        let read = move || panics::caught(|| stored.read().base());
        let rooms = self.workers().compute(bytes, read).await;
        let stored = rooms.clone();
        // Where that panics, nobody knows what is left.
        let left = move |baseline: &Baseline| {
            let left = |rooms| panics::caught(|| left_unseen(baseline, rooms).write());
            Some(rooms.as_ref().and_then(left))
        };
        let stored = stored.as_ref();
        self.note_less(owner, &place, noted, bytes, stored, left)
            .await;
    }

    /// A client of an owner's is about to store these where another instance may compare them with the node before it
    /// is their turn here: what it has to know for that is noted.
    ///
    /// # Errors
    ///
    /// When nothing can be noted: then nothing should be stored either.
    pub async fn will_store(
        &self,
        owner: &Owner,
        asker: &str,
        stored: &Legacy,
    ) -> Result<(), SetError> {
        match self.shown.of(asker) {
            Some(shown) if self.storage.is_shared() => {
                self.note_common(owner, &stored.base(), &shown, false).await
            }
            _ => Ok(()),
        }
    }

    /// Notes what whoever compares these, which a client stores or has stored, has to know without knowing what that client
    /// had been shown: another instance; or the next request, where the process ends before what comes of this one is noted.
    async fn note_common(
        &self,
        owner: &Owner,
        rooms: &Baseline,
        shown: &LastView,
        are_stored: bool,
    ) -> Result<(), SetError> {
        for _ in 0..TRIES {
            let noted = self.noted(owner).await;
            let Noted { text, baseline } = noted.map_err(unread)?;
            let baseline = baseline.unwrap_or_default();
            let common = in_common(&baseline, rooms, shown);
            if common == baseline && (text.is_none() || are_stored) {
                // This is first contact still, or it is noted already.
                return Ok(());
            }
            if are_stored && self.is_still_stored(owner, rooms).await != Ok(true) {
                return Ok(());
            }
            // It is another note in any case: whoever has read the last, and compares an older list, is not to note that.
            let note = Some(common.write_anew());
            match self.storage.put_note_if(owner, text, note).await {
                Err(SetError::Outdated) => {}
                put => return put,
            }
        }
        Ok(())
    }

    /// Serves a request when it is its turn.
    pub(super) async fn serve_in_turn(&self, request: &Request, place: &Place<'_>) {
        let owner = &request.owner;
        let _turn = place.turn().await;
        request.has_begun.set(true);
        if let Content::Set {
            rooms,
            shown: Some(shown),
            ..
        } = &request.content
        {
            // Changing the node may take long, and whoever has compared the list before may have noted what is true of that.
            // Where this fails, the next request compares over less.
            let _ = self.note_common(owner, rooms, shown, true).await;
        }
        if let Err(failure) = self.bring_into_step(request, place).await {
            self.tell(owner, &failure);
            if failure == Failure::Broken {
                let is_told = request.reply.borrow_mut().send(Answer::broken);
                if is_told && request.is_set() {
                    // It may go on from what it had before. Where that is not noted, its answer never counts.
                    let _ = self.pass_over(owner, &request.asker).await;
                }
            }
            self.reply_from_store(request, place).await;
            if let Content::Set { rooms, shown, .. } = &request.content {
                let (rooms, shown) = (rooms.clone(), shown.clone());
                self.note_left(owner, place, rooms, shown).await;
            }
        }
        self.note_passed(owner, place).await;
    }

    /// Notes what is left of what both sides had in common, after sets that did not wait for their turn.
    pub(super) async fn note_passed(&self, owner: &Owner, place: &Place<'_>) {
        while let Some(Passed { rooms, shown }) = place.passed() {
            self.note_left(owner, place, rooms, shown).await;
        }
    }

    /// Brings both sides into step, answers, and notes what both have then.
    async fn bring_into_step(&self, request: &Request, place: &Place<'_>) -> Result<(), Failure> {
        let owner = &request.owner;
        // What both sides had in common a moment ago. What is missing in the node now was deleted since.
        let mut seen: Option<Baseline> = None;
        for tries_left in (0..TRIES).rev() {
            let noted = self.noted(owner).await.map_err(|_| Failure::Store)?;
            let is_first = seen.is_none();
            let stored = self.stored(request, noted.baseline, seen.clone()).await?;
            let over = (tries_left > 0 && self.storage.is_shared()).then_some(&noted.text);
            let common = match self.take_step(request, place, stored, over).await? {
                Step::Taken(common) => common,
                Step::Outdated => continue,
            };
            self.reply_in_step(request, place).await;
            let Some(Common { baseline, note }) = common else {
                return Ok(());
            };
            seen = Some(baseline);
            if is_first
                && let Content::Set { rooms, .. } = &request.content
                && !self.is_still_stored(owner, rooms).await?
            {
                continue;
            }
            if !self.note(owner, place, noted.text, Some(note)).await {
                return Ok(());
            }
        }
        tracing::debug!(
            "what is noted about the bookmarks of {} was changed by others {TRIES} times",
            owner.as_str()
        );
        Ok(())
    }

    /// Fetches the node, shows what is in it, and changes what is to be changed; but only while what is noted is `over`,
    /// if that is given. Otherwise another instance has brought both sides into step since, and what is missing in the
    /// node may have been added and deleted.
    async fn take_step(
        &self,
        request: &Request,
        place: &Place<'_>,
        stored: Stored,
        over: Option<&Option<String>>,
    ) -> Result<Step, Failure> {
        let owner = &request.owner;
        let account = Account {
            owner,
            address: address::bare(&request.asker),
            is_gone: place.is_gone(),
            link: self.steps.pep().link(),
        };
        let grant = self.grant(domain_of(owner));
        let grant = grant.ok_or(Failure::Ungranted)?;
        let compared = self.steps.compare(account, stored).await?;
        let changes = compared.changes;
        if let Some(over) = over
            && !changes.are_none()
        {
            let now = unless_damaged(self.storage.note(owner).await);
            if now.map_err(|_| Failure::Store)? != *over {
                return Ok(Step::Outdated);
            }
        }
        if let Some(view) = compared.view {
            self.show(request, place, view).await;
        }
        self.steps.make(account, changes, grant.owner).await?;
        Ok(Step::Taken(compared.common))
    }

    /// What is compared with the node, over what is noted, and over what was seen if it is compared again. What is
    /// noted was read before: so it is never about a later list.
    async fn stored(
        &self,
        request: &Request,
        baseline: Option<Baseline>,
        seen: Option<Baseline>,
    ) -> Result<Stored, Failure> {
        let is_again = seen.is_some();
        let baseline = match (baseline, seen) {
            (Some(baseline), Some(seen)) => Some(baseline.with(&seen)),
            (baseline, seen) => baseline.or(seen),
        };
        let as_of_now = is_again || self.storage.is_shared();
        let (list, shown, is_set) = match &request.content {
            Content::Set { stored, shown, .. } if !is_again => {
                let stored = match self.storage.is_shared() {
                    true => stored.borrow().clone(),
                    false => stored.borrow_mut().take(),
                };
                let stored = stored.ok_or(Failure::Gone)?;
                (List::Read(stored), shown.clone(), true)
            }
            Content::Get(found) if !as_of_now => {
                (List::Text(found.stored().to_owned()), None, false)
            }
            Content::Get(_) | Content::Set { .. } => {
                let list = self.list_now(&request.owner).await;
                (List::Text(list.map_err(|_| Failure::Store)?), None, false)
            }
        };
        Ok(Stored {
            list,
            baseline,
            is_noted: !is_again,
            shown,
            is_set,
            max_rooms: self.settings.borrow().max_rooms,
        })
    }

    /// Whether these, which a set has stored, are still there. Where another instance has stored something else since,
    /// what is noted has to be about that.
    async fn is_still_stored(&self, owner: &Owner, rooms: &Baseline) -> Result<bool, Failure> {
        if !self.storage.is_shared() {
            return Ok(true);
        }
        let list = self.list_now(owner).await;
        let list = List::Text(list.map_err(|_| Failure::Store)?);
        let (bytes, rooms) = (list.bytes(), rooms.clone());
        let compare = move || list.read().base() == rooms;
        Ok(self.workers().compute(bytes, compare).await)
    }

    /// The bookmarks that are stored; empty if there are none.
    async fn list_now(&self, owner: &Owner) -> Result<String, ReadError> {
        let found = self.storage.look_up(Query {
            owner: owner.clone(),
            namespace: BOOKMARKS.0.to_owned(),
            names: vec![BOOKMARKS.1.to_owned()],
            or_all: false,
        });
        let found = found.await?.pop();
        Ok(found.map(|elements| elements.text).unwrap_or_default())
    }

    /// These were stored and not brought into step: less is left of what both sides had in common.
    async fn note_left(
        &self,
        owner: &Owner,
        place: &Place<'_>,
        rooms: Baseline,
        shown: Option<LastView>,
    ) {
        let Ok(noted) = self.noted(owner).await else {
            return;
        };
        let (bytes, stored) = (rooms.bytes(), rooms.clone());
        let left = move |baseline: &Baseline| {
            let left = left_of(baseline, &rooms, shown.as_ref());
            (left != *baseline).then(|| Some(left.write()))
        };
        self.note_less(owner, place, noted, bytes, Some(&stored), left)
            .await;
    }

    /// Notes what is left of what both sides had in common once these were stored; working that out goes through so many
    /// bytes beside. Whoever has stored something else since notes what is true of that.
    async fn note_less(
        &self,
        owner: &Owner,
        place: &Place<'_>,
        mut noted: Noted,
        bytes: usize,
        stored: Option<&Baseline>,
        left: impl Fn(&Baseline) -> Left + Clone + Send + 'static,
    ) {
        for _ in 0..TRIES {
            let Some(baseline) = noted.baseline else {
                return;
            };
            if let Some(stored) = stored
                && self.is_still_stored(owner, stored).await != Ok(true)
            {
                return;
            }
            let (left, bytes) = (left.clone(), bytes + baseline.bytes());
            let work = move || left(&baseline);
            let Some(note) = self.workers().compute(bytes, work).await else {
                return;
            };
            if !self.note(owner, place, noted.text, note).await {
                return;
            }
            match self.noted(owner).await {
                Ok(now) => noted = now,
                Err(_) => return,
            }
        }
    }

    /// What is noted about an owner.
    async fn noted(&self, owner: &Owner) -> Result<Noted, ReadError> {
        // One that is damaged takes nothing away.
        let Some(text) = unless_damaged(self.storage.note(owner).await)? else {
            return Ok(Noted::default());
        };
        let bytes = text.len();
        let read = move || Noted {
            baseline: Baseline::read(&text),
            text: Some(text),
        };
        Ok(self.workers().compute(bytes, read).await)
    }

    /// Notes this in place of that. Whether something else was noted meanwhile, and so nothing is now.
    async fn note(
        &self,
        owner: &Owner,
        place: &Place<'_>,
        was: Option<String>,
        note: Option<String>,
    ) -> bool {
        if place.is_gone().get() {
            return false;
        }
        // Where it fails the store is broken, and says so; the next request compares over less.
        let put = self.storage.put_note_if(owner, was, note).await;
        put == Err(SetError::Outdated)
    }

    fn workers(&self) -> &Workers {
        self.steps.pep().workers()
    }
}

/// What a set comes to where it cannot be read what it depends on.
fn unread(error: ReadError) -> SetError {
    match error {
        ReadError::Unreachable => SetError::Unreachable,
        ReadError::Damaged | ReadError::Failed => SetError::Failed,
    }
}
