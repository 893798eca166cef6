//! How a request is answered: once. What a client comes to see by that is remembered, and noted before where another
//! instance may be the next to serve it.

use super::super::baseline::Baseline;
use super::super::left_by;
use super::super::legacy::{EMPTY, Legacy};
use super::super::queue::Place;
use super::super::request::{Content, Request};
use super::super::steps::View;
use super::super::views::LastView;
use super::BookmarkSync;
use crate::service::{Answered, Found};
use crate::store::{Owner, ReadError, Turn};

impl BookmarkSync {
    /// Answers a get with this, or from the store where that is too long, unless it is answered.
    pub(super) async fn show(&self, request: &Request, place: &Place<'_>, view: View) {
        let Content::Get(found) = &request.content else {
            return;
        };
        if request.is_answered() {
            return;
        }
        // What was found may have been deleted by another instance since.
        let is_deleted = view.text.is_none() && !found.stored().is_empty();
        let text = view.text.as_deref().or(is_deleted.then_some(EMPTY));
        let answer = request.reply.borrow().answer();
        let Some(answered) = answer.bookmarks(found, text) else {
            return self.reply_from_store(request, place).await;
        };
        let view = LastView::new(view.rooms);
        self.give(request, place, answered, view).await;
    }

    /// Answers from the store, unless it is answered.
    pub(super) async fn reply_from_store(&self, request: &Request, place: &Place<'_>) {
        if request.is_answered() {
            return;
        }
        let is_sent = match &request.content {
            Content::Get(found) => {
                let (owner, turn) = (&request.owner, request.turn.as_ref());
                let view = match self.leave_out_gone(owner, turn, found).await {
                    Ok(baseline) => self.view_of(found, baseline).await,
                    Err(error) => {
                        let mut reply = request.reply.borrow_mut();
                        reply.send(|answer| answer.unreadable(error));
                        return;
                    }
                };
                let answered = request.reply.borrow().answer().found(found);
                self.give(request, place, answered, view).await
            }
            Content::Set { .. } => request.reply_done(),
        };
        if is_sent {
            self.metrics.did_without();
        }
    }

    /// Both sides are in step.
    pub(super) async fn reply_in_step(&self, request: &Request, place: &Place<'_>) {
        let views = self.shown.views();
        let is_news = views
            .borrow_mut()
            .is_in_step(&request.asker, request.number);
        if is_news {
            // Where that fails, it is only not known that they are.
            let _ = self.shown.save(request.whose(place)).await;
        }
        request.reply_done();
    }

    /// Gives this answer to a get, by which the client is shown that. Whether it was not answered.
    async fn give(
        &self,
        request: &Request,
        place: &Place<'_>,
        answered: Answered,
        view: LastView,
    ) -> bool {
        let Request {
            asker,
            number,
            reply,
            ..
        } = request;
        let whose = request.whose(place);
        let Ok(due) = self.shown.will_be(whose, &view).await else {
            let mut reply = reply.borrow_mut();
            reply.send(|answer| answer.unreadable(ReadError::Unreachable));
            return false;
        };
        let is_sent = reply.borrow_mut().send(|_| answered);
        if !is_sent {
            self.shown.take_back(whose, due).await;
        } else if !self.shown.now(asker, view, *number, due) {
            // It has stored something since it asked.
            let _ = self.shown.save(whose).await;
        }
        is_sent
    }

    /// Leaves the rooms out of what was found that are known to be gone from the node: where the store answers alone, none
    /// of them comes back. Returns what both sides had in common when they were last in step, if that is noted.
    ///
    /// # Errors
    ///
    /// When it cannot be read which are gone. Then nothing may be shown.
    pub async fn leave_out_gone(
        &self,
        owner: &Owner,
        turn: Option<&Turn>,
        found: &Found,
    ) -> Result<Option<Baseline>, ReadError> {
        if found.stored().is_empty() {
            return Ok(None);
        }
        let baseline = match self.noted(owner, turn).await?.baseline {
            Some(baseline) if baseline.gone_at().is_some() => baseline,
            baseline => return Ok(baseline),
        };
        let list = found.stored().to_owned();
        // Few rooms may be stored beside a node of thousands, and the note is about all of them.
        let bytes = list.len() + baseline.bytes();
        let work = move || (left_by(&baseline, &Legacy::read(list)), baseline);
        let (left, baseline) = self.workers().compute(bytes, work).await;
        if let Some(left) = left {
            found.leave(left.text);
        }
        Ok(Some(baseline))
    }

    /// What is shown where the store alone answers. The node had what was in step, as far as is noted: so if it is not there
    /// any more when the client stores it again, it was deleted.
    async fn view_of(&self, found: &Found, baseline: Option<Baseline>) -> LastView {
        let list = found.shown().to_owned();
        let baseline = baseline.unwrap_or_default();
        let bytes = list.len();
        let work = move || {
            let rooms = Legacy::read(list).base();
            rooms.apart(|key, said| !baseline.had(key, said))
        };
        LastView::new(self.workers().compute(bytes, work).await)
    }
}
