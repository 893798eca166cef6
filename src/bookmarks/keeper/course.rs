//! The course of a request: its IQs, what their answers come to, and its one end.
//!
//! A request is *answered* when its client is, *over* when nothing more is done for it, and *closed*
//! when that has been told; it may be answered long before it is over. Its owner stands in one of
//! the queues at most once, and in none while an IQ is under way.

use std::time::Instant;

use super::{Compared, Comparison, Effect, Keeper, domain_of};
use crate::bookmarks::asked::{Iq, PATIENCE};
use crate::bookmarks::line::{Content, Known};
use crate::bookmarks::step::{Failure, Next, Rights, Step};
use crate::service::privilege;
use crate::stanza::Unread;
use crate::store::Owner;

impl Keeper {
    /// Begins the step of an owner's first request, or sends its next IQ.
    pub(super) fn advance(&mut self, owner: Owner, now: Instant) {
        let alone = self.hosts.is_left_alone(&owner, now);
        let grant = self.hosts.grant(domain_of(&owner)).filter(|_| !alone);
        let Some(line) = self.lines.get_mut(&owner) else {
            return;
        };
        let Some(request) = line.requests.front_mut() else {
            return;
        };
        let base = match &line.base {
            Known::Is(base) => base.as_ref(),
            Known::Asked(_) => return,
            // Not before there is a line: so nothing is on its way to the disk that it would miss.
            Known::Nothing => {
                let number = self.next;
                self.next += 1;
                line.base = Known::Asked(number);
                return self.effects.push(Effect::ReadNote(owner, number));
            }
        };
        // Only now, for a set that comes to nothing leaves less of the base.
        let Some(grant) = grant else {
            return self.end_first(&owner);
        };
        if line.payload.is_none()
            && let Some(until) = self.hosts.wait_to_fetch(&owner, now)
        {
            // Not for so long that the store would have to answer anyway.
            if until > now + PATIENCE / 2 {
                return self.end_first(&owner);
            }
            return self.waiting.push((until, owner));
        }
        let payload = match line.payload.take() {
            Some(payload) => payload,
            None => {
                let rights = Rights {
                    max_rooms: self.settings.max_rooms,
                    configure: grant.owner,
                };
                let Some(stored) = request.stored(base) else {
                    return self.end_first(&owner);
                };
                let (step, payload) = Step::begin(stored, rights);
                line.step = Some(step);
                payload
            }
        };
        let (is_set, is_of_change) = (payload.is_set(), payload.is_of_change());
        let id = self.asked.begin(owner, request.number, is_of_change, now);
        let (from, user) = (&self.settings.from, request.user());
        let iq = privilege::request(&id, from, user, is_set, &payload.xml());
        self.effects.push(Effect::Send(iq));
    }

    /// This IQ was answered with that.
    pub(super) fn compare(&mut self, iq: &Iq, unread: Option<Unread>) {
        let owner = &iq.owner;
        let Some(line) = self.lines.get_mut(owner) else {
            return;
        };
        // The request that it was for may be over.
        let request = line.requests.front().filter(|it| it.number == iq.request);
        let Some(step) = request.and_then(|_| line.step.take()) else {
            return;
        };
        if step.is_fetching() {
            let bytes = unread.as_ref().map_or(0, |unread| unread.bytes.len());
            self.hosts.fetched(owner, bytes, Instant::now());
        }
        self.comparing += 1;
        self.comparing_changes += usize::from(iq.is_change);
        let comparison = Comparison::new(iq, step, unread);
        self.effects.push(Effect::Compare(Box::new(comparison)));
    }

    /// A comparison is done.
    pub fn compared(&mut self, compared: Compared) {
        let Compared {
            owner,
            number,
            is_change,
            took,
            step,
        } = compared;
        self.comparing -= 1;
        self.comparing_changes -= usize::from(is_change);
        let owner = &owner;
        let Some(line) = self.lines.get_mut(owner) else {
            return;
        };
        // It may be over meanwhile, for the link is gone or the account is.
        let Some(request) = line.requests.front_mut().filter(|it| it.number == number) else {
            return;
        };
        let Some((step, answered)) = step else {
            self.effects.extend(request.broken().map(Effect::Answer));
            return self.end_first(owner);
        };
        self.metrics.asked(answered.counted, took);
        line.step = Some(step);
        let (view, next) = (answered.view, answered.next);
        if let (Some(view), Content::Get(found)) = (view, &request.content)
            && let Some(answer) = &request.answer
        {
            let seen = answer.bookmarks(found, view.text.as_deref());
            if seen.is_some() {
                request.answer = None;
                self.shown.put(&request.asker, view.rooms, request.number);
            }
            let answered = seen.or_else(|| {
                self.metrics.did_without();
                request.answered(&mut self.shown)
            });
            self.effects.extend(answered.map(Effect::Answer));
        }
        match next {
            Next::Ask(payload) => {
                // Nothing is to come between the reading of an item and its change.
                match payload.is_set() {
                    true => self.writers.push_front(owner.clone()),
                    false => self.writers.push_back(owner.clone()),
                }
                line.payload = Some(payload);
            }
            Next::InStep(base) => {
                request.is_in_step = true;
                if let Some((base, note)) = base {
                    line.begin_from(base);
                    self.effects.push(Effect::Note(owner.clone(), Some(note)));
                }
                self.end_first(owner);
            }
            Next::Failed(failure) => {
                self.tell(owner, &failure);
                self.end_first(owner);
            }
        }
    }

    fn tell(&mut self, owner: &Owner, failure: &Failure) {
        tracing::debug!(
            "the bookmarks of {} are not in step: {failure:?}",
            owner.as_str()
        );
        if *failure == Failure::Options && self.hosts.tell_once(domain_of(owner)) {
            tracing::warn!(
                "a node for bookmarks at {} is open to others, or forgets some, and we may not \
                 correct that: what is set there stays in the store alone. If it is not yet, grant \
                 us http://jabber.org/protocol/pubsub#owner, as `print-config` has it",
                domain_of(owner)
            );
        }
    }

    /// A request has waited for long enough: it is answered from the store. What it has begun goes
    /// on; what it has not is left to the next request.
    pub(super) fn is_late(&mut self, owner: &Owner, number: u64) {
        let Some(line) = self.lines.get_mut(owner) else {
            return;
        };
        let is_first = line.requests.front().is_some_and(|it| it.number == number);
        match line.request(number) {
            Some(request) if is_first || request.is_set() => {
                if let Some(answered) = request.answered(&mut self.shown) {
                    self.effects.push(Effect::Answer(answered));
                    self.metrics.did_without();
                }
            }
            Some(_) => self.end(owner, number),
            None => {}
        }
    }

    pub(super) fn end_first(&mut self, owner: &Owner) {
        let first = self.lines.get(owner).and_then(|line| line.requests.front());
        if let Some(number) = first.map(|request| request.number) {
            self.end(owner, number);
        }
    }

    /// A request is over; it is answered from the store if it has no answer yet.
    pub(super) fn end(&mut self, owner: &Owner, number: u64) {
        let Some(line) = self.lines.get_mut(owner) else {
            return;
        };
        let at = line.requests.iter().position(|it| it.number == number);
        let Some(at) = at else {
            return;
        };
        if let Some(mut request) = line.requests.remove(at) {
            line.held -= request.held();
            self.held -= request.held() + request.size;
            if let Some(answered) = request.answered(&mut self.shown) {
                self.effects.push(Effect::Answer(answered));
                if !request.is_in_step {
                    self.metrics.did_without();
                }
            }
            let asked = matches!(line.base, Known::Asked(_));
            if let Some(note) = line.end_of(&request) {
                self.effects.push(Effect::Note(owner.clone(), note));
            }
            if at != 0 && asked && !matches!(line.base, Known::Asked(_)) {
                // The first has waited for what was noted, and that counts no more.
                self.readers.push_back(owner.clone());
            }
            request.note(&mut self.shown);
            let over = Effect::Close(owner.clone(), request.size);
            self.effects.push(over);
        }
        if at == 0 {
            (line.step, line.payload) = (None, None);
            self.waiting.retain(|(_, waits)| waits != owner);
            if line.is_over() {
                self.lines.remove(owner);
            } else if !line.requests.is_empty() {
                self.readers.push_back(owner.clone());
            }
        }
    }
}
