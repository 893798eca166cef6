//! What is done when a request has its turn: both sides are brought into step, and what they have then is noted.
//!
//! Where several instances do that, each does it in the owner's turn among them all, from before it reads or stores what it
//! is about. An administrator may put something else there all the same, and a turn may be lost: so what is noted is
//! noted only over what was read, and otherwise left to the next request.

use std::cell::Cell;

use super::super::baseline::Baseline;
use super::super::change::Change;
use super::super::decide::{in_common, left_of, left_unseen};
use super::super::legacy::{Legacy, List};
use super::super::pep::{Account, Failure};
use super::super::queue::{Load, Passed, Place};
use super::super::request::{Content, Request};
use super::super::steps::{Made, Stored};
use super::super::views::LastView;
use super::{BookmarkSync, domain_of, unread};
use crate::address;
use crate::panics;
use crate::service::Answer;
use crate::store::{Owner, ReadError, SetError, Turn, unless_damaged};
use crate::threads::Workers;

/// How often a note is read again because another request has noted something meanwhile.
const TRIES: usize = 5;

/// What is noted about an owner.
#[derive(Debug, Default)]
pub(super) struct Noted {
    text: Option<String>,
    /// What both sides had in common.
    pub(super) baseline: Option<Baseline>,
}

/// Why both sides are not in step.
struct NotInStep {
    failure: Failure,
    /// Whether it is noted all the same what they have in common.
    is_noted: bool,
}

impl From<Failure> for NotInStep {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            is_noted: false,
        }
    }
}

impl BookmarkSync {
    /// These were stored by a client that had been shown this, and PEP does not learn of it: what both sides had in common
    /// is less now.
    pub async fn stored_alone(
        &self,
        owner: &Owner,
        stored: List,
        shown: Option<LastView>,
        of_all: &Turn,
    ) {
        let place = self.queues.enter(owner, Load::none());
        let _turn = place.turn().await;
        let Ok(Noted { text, baseline }) = self.noted(owner, Some(of_all)).await else {
            return;
        };
        let Some(baseline) = baseline else { return };
        let bytes = stored.bytes() + baseline.bytes();
        let left = move || {
            let rooms = stored.read().base();
            let left = match &shown {
                Some(_) => left_of(&baseline, &rooms, shown.as_ref()),
                None => left_unseen(&baseline, &rooms),
            };
            left.write()
        };
        // Where that panics, nobody knows what is left.
        let left = self.workers().compute(bytes, || panics::caught(left)).await;
        self.note(owner, &place, text, left).await;
    }

    /// A client of an owner's is about to store these where, if this instance ends before it is their turn, another brings
    /// them into step: what it has to know for that is noted. Whoever has lost the turn, and compares an older list, does
    /// not note that then.
    ///
    /// # Errors
    ///
    /// When nothing can be noted: then nothing should be stored either. Unless the disk is nearly full: then a client can
    /// still delete.
    pub async fn will_store(
        &self,
        owner: &Owner,
        asker: &str,
        stored: &Legacy,
        of_all: &Turn,
    ) -> Result<(), SetError> {
        match self.shown.of(asker) {
            Some(shown) => {
                let rooms = stored.base();
                // It has the owner's turn, in which nothing is removed.
                let is_gone = &Cell::new(false);
                let noted = self.note_common(owner, &rooms, &shown, of_all, false, is_gone);
                match noted.await {
                    Err(SetError::Full) if !self.storage.is_shared() => Ok(()),
                    noted => noted.map(drop),
                }
            }
            None => Ok(()),
        }
    }

    /// Notes what whoever compares these, which a client stores or has stored, has to know without knowing what that client
    /// had been shown: another instance; or the next request, where the process ends before what comes of this one is noted.
    /// Returns what is noted then.
    async fn note_common(
        &self,
        owner: &Owner,
        rooms: &Baseline,
        shown: &LastView,
        of_all: &Turn,
        are_stored: bool,
        is_gone: &Cell<bool>,
    ) -> Result<Noted, SetError> {
        for _ in 0..TRIES {
            let noted = self.noted(owner, Some(of_all)).await.map_err(unread)?;
            let baseline = noted.baseline.as_ref();
            let nothing = Baseline::default();
            let common = in_common(baseline.unwrap_or(&nothing), rooms, shown, are_stored);
            // Perhaps this is first contact still, or it is noted already.
            let is_noted = match baseline {
                Some(baseline) => common == *baseline,
                None => common.count() == 0,
            };
            // Written over all the same, it cannot be written any more by another instance that has read it.
            let is_fenced = noted.text.is_none() || are_stored || !self.storage.is_shared();
            if is_noted && is_fenced || is_gone.get() {
                return Ok(noted);
            }
            if are_stored && !of_all.is_held() {
                // Another instance may have stored something else since, and notes what is true of that.
                return Ok(noted);
            }
            let note = common.write_anew();
            let put = self
                .storage
                .put_note_if(owner, noted.text, Some(note.clone()));
            match put.await {
                // A request before this one has noted what it came to.
                Err(SetError::Outdated) => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    return Ok(Noted {
                        text: Some(note),
                        baseline: Some(common),
                    });
                }
            }
        }
        // Others note something again and again: it is to be tried later.
        Err(SetError::Unreachable)
    }

    /// Serves a request when it is its turn.
    pub(super) async fn serve_in_turn(&self, request: &Request, place: &Place<'_>) {
        let owner = &request.owner;
        let _turn = place.turn().await;
        request.has_begun.set(true);
        let mut noted = None;
        if let Content::Set {
            rooms,
            shown: Some(shown),
            ..
        } = &request.content
            && let Some(turn) = &request.turn
        {
            // Changing the node may take long, and whoever has compared the list before may have noted what is true of that.
            // Where this fails, the next request compares over less.
            let is_gone = place.is_gone();
            let common = self.note_common(owner, rooms, shown, turn, true, is_gone);
            noted = common.await.ok();
        }
        if let Err(NotInStep { failure, is_noted }) =
            self.bring_into_step(request, place, noted).await
        {
            self.tell(owner, &failure);
            if failure == Failure::Broken {
                let is_told = request.reply.borrow_mut().send(Answer::broken);
                if is_told && request.is_set() {
                    // It may go on from what it had before. Where that is not noted, its answer never counts.
                    self.shown.views().borrow_mut().forget(&request.asker);
                    let _ = self.shown.save(request.whose(place)).await;
                }
            }
            self.reply_alone(request, place).await;
            if let Content::Set { rooms, shown, .. } = &request.content
                && !is_noted
            {
                let (rooms, shown) = (rooms.clone(), shown.clone());
                self.note_left(request, place, rooms, shown).await;
            }
        }
        self.note_passed(request, place).await;
    }

    /// Notes what is left of what both sides had in common, after sets that did not wait for their turn.
    pub(super) async fn note_passed(&self, request: &Request, place: &Place<'_>) {
        while let Some(Passed { rooms, shown }) = place.passed() {
            self.note_left(request, place, rooms, shown).await;
        }
    }

    /// Brings both sides into step, answers, and notes what both have then. This is noted, if that is known already.
    async fn bring_into_step(
        &self,
        request: &Request,
        place: &Place<'_>,
        noted: Option<Noted>,
    ) -> Result<(), NotInStep> {
        let owner = &request.owner;
        let turn = request.turn.as_ref().ok_or(Failure::OutOfTurn)?;
        let Noted { text, baseline } = match noted {
            Some(noted) => noted,
            None => {
                let noted = self.noted(owner, Some(turn)).await;
                noted.map_err(|_| Failure::Store)?
            }
        };
        let account = Account {
            owner,
            address: address::bare(&request.asker),
            is_gone: place.is_gone(),
            turn,
            link: self.steps.pep().link(),
        };
        let grant = self.grant(domain_of(owner));
        let grant = grant.ok_or(Failure::Ungranted)?;
        let stored = self.stored(request, baseline)?;
        let compared = self.steps.compare(account, stored).await?;
        if let Some(view) = compared.view {
            self.show(request, place, view).await;
        }
        let making = self.steps.make(account, compared.changes, grant.owner);
        let Made { left, result } = making.await;
        match result {
            Ok(()) => {
                self.reply_in_step(request, place).await;
                // Where it is lost, what a set behind this one has stored and noted is left to the next request.
                let is_newest = turn.is_held() || place.is_last();
                if compared.note.is_some() && is_newest {
                    self.note(owner, place, text, compared.note).await;
                }
                Ok(())
            }
            Err(failure) => {
                let is_noted = turn.is_held()
                    && self
                        .note_without(left, compared.base, request, place, text)
                        .await;
                Err(NotInStep { failure, is_noted })
            }
        }
    }

    /// Both sides are in step but for these changes: notes what they have in common, if it is something else than that.
    /// Whether it is noted.
    async fn note_without(
        &self,
        left: Vec<Change>,
        base: Baseline,
        request: &Request,
        place: &Place<'_>,
        text: Option<String>,
    ) -> bool {
        let bytes = base.bytes() + text.as_ref().map_or(0, String::len);
        let work = move || {
            let base = base.but(left.iter().map(Change::undone));
            let base = base.dropping(left.iter().filter_map(Change::undropped));
            let before = text.as_deref().and_then(Baseline::read);
            ((before.as_ref() != Some(&base)).then(|| base.write()), text)
        };
        match self.workers().compute(bytes, work).await {
            (None, _) => true,
            (note, text) => self.note(&request.owner, place, text, note).await,
        }
    }

    /// What is compared with the node, over what is noted.
    fn stored(&self, request: &Request, baseline: Option<Baseline>) -> Result<Stored, Failure> {
        let (list, shown, is_set) = match &request.content {
            Content::Get(found) => (List::Text(found.stored().to_owned()), None, false),
            Content::Set { stored, shown, .. } => {
                let stored = stored.take().ok_or(Failure::Gone)?;
                (List::Read(stored), shown.clone(), true)
            }
        };
        Ok(Stored {
            list,
            baseline,
            shown,
            is_set,
            max_rooms: self.settings.borrow().max_rooms,
        })
    }

    /// These were stored and not brought into step: less is left of what both sides had in common.
    async fn note_left(
        &self,
        request: &Request,
        place: &Place<'_>,
        rooms: Baseline,
        shown: Option<LastView>,
    ) {
        let owner = &request.owner;
        // Where it was lost, others may have stored something else; what they need is noted before these were stored.
        let Some(turn) = request.turn.as_ref().filter(|it| it.is_held()) else {
            return;
        };
        let Ok(Noted { text, baseline }) = self.noted(owner, Some(turn)).await else {
            return;
        };
        let Some(baseline) = baseline else { return };
        let bytes = rooms.bytes() + baseline.bytes();
        let left = move || {
            let left = left_of(&baseline, &rooms, shown.as_ref());
            (left != baseline).then(|| left.write())
        };
        let left = self.workers().compute(bytes, left).await;
        if left.is_some() {
            self.note(owner, place, text, left).await;
        }
    }

    /// What is noted about an owner.
    pub(super) async fn noted(
        &self,
        owner: &Owner,
        turn: Option<&Turn>,
    ) -> Result<Noted, ReadError> {
        let noted = match turn.and_then(Turn::first_note) {
            Some(noted) => noted,
            None => self.storage.note(owner).await,
        };
        // One that is damaged takes nothing away.
        let Some(text) = unless_damaged(noted)? else {
            return Ok(Noted::default());
        };
        let bytes = text.len();
        let read = move || Noted {
            baseline: Baseline::read(&text),
            text: Some(text),
        };
        Ok(self.workers().compute(bytes, read).await)
    }

    /// Notes this in place of that. Where something else was noted meanwhile, or the store is broken, which it says itself,
    /// the next request compares over less. Whether it is noted.
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
        let put = self.storage.put_note_if(owner, was, note);
        put.await.is_ok()
    }

    pub(super) fn workers(&self) -> &Workers {
        self.steps.pep().workers()
    }
}
