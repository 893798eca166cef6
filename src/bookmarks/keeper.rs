//! Who is being brought into step, and who waits for it.
//!
//! Invariants held here:
//! - requests about the bookmarks of one owner are dealt with in the order they came, and one IQ of
//!   an owner's is under way at a time: so a change is seen by what comes after it;
//! - every request is answered at most [`PATIENCE`] after it came here, from the store if need be;
//! - only few IQs are under way at once, and fewer that change something: whatever
//!   else is asked of Prosody waits while it carries one of those out;
//! - an answer counts only if it comes from the very address that was asked, with the very id.
//!
//! Nothing here waits, reads the store or writes to the router: what is to be done comes out as
//! [`Effect`]s.

mod comparison;
mod course;

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use super::asked::{Asked, Iq, PATIENCE};
use super::base::Base;
use super::hosts::{Hosts, LeftAlone};
use super::legacy::Legacy;
use super::line::{Content, Known, Line, Request};
use super::shown::Shown;
use crate::address;
use crate::metrics::{Pep, PepOutcome};
use crate::service::{Answer, Answered, Bookmarks, Grant};
use crate::stanza::{Received, Reply};
use crate::store::Owner;

pub use comparison::{Compared, Comparison};

/// How many bytes of stored text wait here, for one owner.
const HELD_OF_OWNER: usize = 2 * 1024 * 1024;

/// What a keeper is told at the start, and by a reload.
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

/// A request about bookmarks.
#[derive(Debug)]
pub struct Ask {
    /// Whose they are.
    pub owner: Owner,
    /// The full address of who asks, as received.
    pub asker: String,
    /// What it costs to hold the request, in bytes.
    pub size: usize,
    /// How to answer it.
    pub answer: Answer,
}

/// What is to be done.
#[derive(Debug)]
pub enum Effect {
    /// This IQ is to be sent: once, and on this link only.
    Send(Reply),
    /// This is the answer to a request.
    Answer(Answered),
    /// A request of this owner, of this size, is over.
    Close(Owner, usize),
    /// What is noted about this owner is to be read, and told with this number.
    ReadNote(Owner, u64),
    /// This is to be noted about this owner, or nothing; and it is to be told when that is done.
    Note(Owner, Option<String>),
    /// This is to be carried out where it holds up nobody, and told.
    Compare(Box<Comparison>),
}

/// Keeps bookmarks in step.
#[derive(Debug)]
pub struct Keeper {
    settings: Settings,
    metrics: Pep,
    hosts: Hosts,
    shown: Shown,
    lines: HashMap<Owner, Line>,
    /// The owners whose next IQ may be sent: those that read, and those that change something.
    readers: VecDeque<Owner>,
    writers: VecDeque<Owner>,
    /// The owners whose nodes are large and have to wait for their turn until then.
    waiting: Vec<(Instant, Owner)>,
    asked: Asked,
    /// How many answers are being compared, and how many of these are part of a change.
    comparing: usize,
    comparing_changes: usize,
    /// By when requests are to be answered, in order.
    deadlines: VecDeque<(Instant, Owner, u64)>,
    held: usize,
    next: u64,
    effects: Vec<Effect>,
}

impl Keeper {
    /// A keeper whom nobody has granted anything.
    pub fn new(settings: Settings, metrics: Pep) -> Self {
        Self {
            settings,
            metrics,
            hosts: Hosts::default(),
            shown: Shown::default(),
            lines: HashMap::new(),
            readers: VecDeque::new(),
            writers: VecDeque::new(),
            waiting: Vec::new(),
            asked: Asked::new(),
            comparing: 0,
            comparing_changes: 0,
            deadlines: VecDeque::new(),
            held: 0,
            next: 1,
            effects: Vec::new(),
        }
    }

    /// What clients have been shown before this moment, as text for [`Keeper::recall`]; `None` if
    /// nothing.
    pub fn memory(&self, before: Option<Instant>) -> Option<String> {
        self.shown.write(before)
    }

    /// Answers were lost: nobody knows any more what clients have been shown.
    pub fn forget(&mut self) {
        self.shown.clear();
    }

    /// Goes on from where another keeper was.
    pub fn recall(&mut self, memory: &str) {
        self.shown.read(memory);
    }

    /// Sets it up anew, for the requests to come.
    pub fn set_up_anew(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// This domain, served or not, has said what it grants.
    pub fn granted(&mut self, domain: String, grant: Grant) {
        self.hosts.granted(domain, grant);
    }

    /// Whether the bookmarks of this owner are kept in step.
    pub fn keeps(&self, owner: &Owner) -> bool {
        self.keeps_on(domain_of(owner))
    }

    /// Whether the bookmarks of this host's users are.
    pub fn keeps_on(&self, host: &str) -> bool {
        self.settings.active && self.hosts.grant(host).is_some()
    }

    /// Whether they would be, if the host granted it.
    pub fn would_keep_on(&self, host: &str) -> bool {
        self.settings.active && self.hosts.grant(host).is_none()
    }

    /// This client is served without us: it is not known what it has been shown.
    pub fn pass_over(&mut self, asker: &str) {
        self.shown.forget(asker);
    }

    /// How many rooms there may be.
    pub fn max_rooms(&self) -> usize {
        self.settings.max_rooms
    }

    /// Whether these are more than there may be.
    pub fn are_many(&self, stored: &Legacy) -> bool {
        stored.rooms.len() > self.settings.max_rooms
    }

    /// Whether this client may not store these, because they are more than there may be: `Some` with how
    /// many that is. As many as there were already always may be: so deleting always works.
    pub fn too_many(&self, stored: &Legacy, before: usize, asker: &str) -> Option<usize> {
        let shown = self.shown.to(asker).map_or(0, |sight| sight.rooms.count());
        let are_too_many = self.are_many(stored) && stored.rooms.len() > before.max(shown);
        are_too_many.then_some(self.settings.max_rooms)
    }

    /// Somebody wants to see them; this is what the store has.
    pub fn get(&mut self, ask: Ask, found: Bookmarks) {
        self.enter(ask, Content::Get(found));
    }

    /// Somebody has stored them, and it is durable. With `at_once` the answer waits for nothing.
    pub fn set(&mut self, ask: Ask, stored: Legacy, at_once: bool) {
        let (owner, number) = (ask.owner.clone(), self.next);
        let content = Content::Set {
            rooms: stored.base(),
            stored: Some(stored),
            shown: self.shown.to(&ask.asker).cloned(),
        };
        self.enter(ask, content);
        let line = self.lines.get_mut(&owner).filter(|_| at_once);
        if let Some(request) = line.and_then(|line| line.request(number)) {
            let answered = request.answered(&mut self.shown);
            self.effects.extend(answered.map(Effect::Answer));
        }
    }

    fn enter(&mut self, ask: Ask, content: Content) {
        let Ask {
            owner,
            asker,
            size,
            answer,
        } = ask;
        let number = self.next;
        self.next += 1;
        if let Content::Set { rooms, .. } = &content {
            self.shown.put(&asker, rooms.clone(), number);
        }
        let request = Request {
            number,
            asker,
            size,
            answer: Some(answer),
            content,
            is_in_step: false,
        };
        let line = self.lines.entry(owner.clone()).or_default();
        let held = request.held();
        let all = self.held + held + request.size;
        let room = line.held + held <= HELD_OF_OWNER && all <= self.settings.held;
        line.held += held;
        self.held = all;
        line.requests.push_back(request);
        let first = line.requests.len() == 1;
        if !(room && self.keeps(&owner)) {
            return self.end(&owner, number);
        }
        self.deadlines
            .push_back((Instant::now() + PATIENCE, owner.clone(), number));
        if first {
            self.readers.push_back(owner);
        }
    }

    /// This is noted about an owner; it was to be read with this number.
    pub fn note_is(&mut self, owner: Owner, number: u64, note: Option<Base>, now: Instant) {
        if let Some(line) = self.lines.get_mut(&owner)
            && matches!(line.base, Known::Asked(asked) if asked == number)
        {
            line.base = Known::Is(note);
            self.readers.push_front(owner);
            self.look(now);
        }
    }

    /// A note about this owner has reached the disk, or failed to.
    pub fn noted(&mut self, owner: &Owner) {
        if let Some(line) = self.lines.get_mut(owner) {
            line.noting -= 1;
            if line.is_over() {
                self.lines.remove(owner);
            }
        }
    }

    /// Takes the answer to an IQ of ours; says whether it was one.
    pub fn answered(&mut self, received: &mut Received) -> bool {
        let asked = self.asked.answered(received);
        if let Some(Some(iq)) = &asked {
            self.hosts.heard(&iq.owner);
            self.compare(iq, received.unread.take());
        }
        asked.is_some()
    }

    /// Sends what may be sent, and gives up what has taken too long.
    pub fn look(&mut self, now: Instant) {
        for iq in self.asked.late(now) {
            let Iq {
                owner,
                request,
                since,
                ..
            } = iq;
            self.metrics.asked(PepOutcome::Late, now - since);
            match self.hosts.missed(&owner, now) {
                LeftAlone::Nobody => {}
                LeftAlone::Owner => tracing::debug!(
                    "{} is left alone for a minute: its bookmarks come from the store alone",
                    owner.as_str()
                ),
                LeftAlone::Host => tracing::warn!(
                    "{} does not answer requests for its users' PEP nodes, which it has granted us: \
                     for a minute bookmarks there come from the store alone",
                    domain_of(&owner)
                ),
            }
            tracing::debug!("no answer about the bookmarks of {}", owner.as_str());
            self.end(&owner, request);
        }
        while let Some((_, owner, number)) = self.deadlines.pop_front_if(|it| it.0 <= now) {
            self.is_late(&owner, number);
        }
        for (_, owner) in self.waiting.extract_if(.., |(until, _)| *until <= now) {
            self.readers.push_back(owner);
        }
        while self.asked.has_room(self.comparing) {
            let writer = match self.asked.has_room_for_a_change(self.comparing_changes) {
                true => self.writers.pop_front(),
                false => None,
            };
            let Some(owner) = writer.or_else(|| self.readers.pop_front()) else {
                break;
            };
            self.advance(owner, now);
        }
    }

    /// What is to be done since this was last called.
    pub fn effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// When it has to be looked at again, if nothing happens.
    pub fn due(&self) -> Option<Instant> {
        let request = self.deadlines.front().map(|it| it.0);
        let turn = self.waiting.iter().map(|(until, _)| *until).min();
        self.asked
            .due()
            .into_iter()
            .chain(request)
            .chain(turn)
            .min()
    }

    /// The link is gone, or nothing more is read from it: who waits is answered from the store.
    pub fn give_up(&mut self) {
        self.hosts.forget();
        self.asked.clear();
        self.readers.clear();
        self.writers.clear();
        self.waiting.clear();
        let owners: Vec<Owner> = self.lines.keys().cloned().collect();
        for owner in owners {
            while self.has_requests(&owner) {
                self.end_first(&owner);
            }
        }
        self.readers.clear();
        self.waiting.clear();
        self.deadlines.clear();
    }

    /// All that this owner has is about to be removed: whoever waits is answered from the store, and
    /// nothing is noted afterwards.
    pub fn let_go(&mut self, owner: &Owner) {
        while self.has_requests(owner) {
            self.end_first(owner);
        }
        if let Some(line) = self.lines.get_mut(owner) {
            line.base = Known::Is(None);
        }
        // It stands in a queue again with the next request.
        self.readers.retain(|queued| queued != owner);
        self.writers.retain(|queued| queued != owner);
    }

    fn has_requests(&self, owner: &Owner) -> bool {
        let line = self.lines.get(owner);
        line.is_some_and(|line| !line.requests.is_empty())
    }
}

fn domain_of(owner: &Owner) -> &str {
    address::domain_of(owner.as_str())
}
