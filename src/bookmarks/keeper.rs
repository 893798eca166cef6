//! Who is being brought into step, and who waits for it.
//!
//! Invariants held here:
//! - requests about the bookmarks of one owner are dealt with in the order they came, and one IQ of
//!   an owner's is under way at a time: so a change is seen by what comes after it;
//! - every request is answered at most [`PATIENCE`] after it came here, from the store if need be;
//! - only few IQs are under way at once, and fewer that change something: Prosody stands still
//!   while it carries those out;
//! - an answer counts only if it comes from the very address that was asked, with the very id.
//!
//! Nothing here waits, reads the store or writes to the router: what is to be done comes out as
//! [`Effect`]s.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use super::base::Base;
use super::hosts::Hosts;
use super::legacy::Legacy;
use super::node::Payload;
use super::shown::Shown;
use super::step::{Failure, Next, Rights, Step, Stored};
use crate::address::{self, Sender};
use crate::service::{Answer, Answered, Bookmarks, Grant, privilege};
use crate::stanza::{Received, Reply};
use crate::store::Owner;

/// How long an IQ may take, and a request wait for its answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many IQs are under way at once, and how many of those change something.
const AT_ONCE: usize = 8;
const CHANGES_AT_ONCE: usize = 2;

/// How many bytes of stored text wait here, for one owner and for all.
const HELD_OF_OWNER: usize = 2 * 1024 * 1024;
const HELD: usize = 32 * 1024 * 1024;

/// What a keeper is told at the start, and by a reload.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Our own domain.
    pub from: String,
    /// Whether bookmarks are kept in step where a host lets us.
    pub active: bool,
    /// How many rooms there may be then.
    pub max_rooms: usize,
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
    /// What has been noted about the owner.
    pub note: Option<String>,
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
    /// This is to be noted about this owner.
    Note(Owner, String),
}

/// Keeps bookmarks in step.
#[derive(Debug)]
pub struct Keeper {
    settings: Settings,
    hosts: Hosts,
    shown: Shown,
    lines: HashMap<Owner, Line>,
    /// The owners whose next IQ may be sent: those that read, and those that change something.
    readers: VecDeque<Owner>,
    writers: VecDeque<Owner>,
    asked: HashMap<u64, Asked>,
    changes: usize,
    /// By when requests are to be answered, in order.
    deadlines: VecDeque<(Instant, Owner, u64)>,
    held: usize,
    /// Begins the ids of all IQs. Nobody can guess it.
    prefix: String,
    next: u64,
    effects: Vec<Effect>,
}

/// The requests of one owner, in order.
#[derive(Debug, Default)]
struct Line {
    requests: VecDeque<Request>,
    /// That of the first of them.
    step: Option<Step>,
    /// Its next IQ.
    payload: Option<Payload>,
    held: usize,
}

#[derive(Debug)]
struct Request {
    number: u64,
    asker: String,
    size: usize,
    /// `None` once it is answered.
    answer: Option<Answer>,
    base: Option<Base>,
    content: Content,
    /// Whether both sides are in step with it.
    is_in_step: bool,
}

#[derive(Debug)]
enum Content {
    /// They are read: this was found in the store.
    Get(Bookmarks),
    /// They were stored: this, durably.
    Set(String),
}

/// An IQ under way.
#[derive(Debug)]
struct Asked {
    owner: Owner,
    is_change: bool,
    until: Instant,
}

impl Keeper {
    /// A keeper whom nobody has granted anything.
    pub fn new(settings: Settings) -> Self {
        let secret = RandomState::new().hash_one("bookmarks");
        Self {
            settings,
            hosts: Hosts::default(),
            shown: Shown::default(),
            lines: HashMap::new(),
            readers: VecDeque::new(),
            writers: VecDeque::new(),
            asked: HashMap::new(),
            changes: 0,
            deadlines: VecDeque::new(),
            held: 0,
            prefix: format!("bookmarks-{secret:016x}-"),
            next: 0,
            effects: Vec::new(),
        }
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
        self.settings.active
            && self
                .hosts
                .grant(address::domain_of(owner.as_str()))
                .is_some()
    }

    /// Whether this is more than may be stored while they are: so many rooms may be.
    pub fn too_many(&self, stored: &str) -> Option<usize> {
        let most = self.settings.max_rooms;
        (Legacy::count(stored) > most).then_some(most)
    }

    /// Somebody wants to see them; this is what the store has.
    pub fn get(&mut self, ask: Ask, found: Bookmarks) {
        self.enter(ask, Content::Get(found));
    }

    /// Somebody has stored them, and it is durable. With `at_once` the answer waits for nothing.
    pub fn set(&mut self, ask: Ask, text: String, at_once: bool) {
        let (owner, number) = (ask.owner.clone(), self.next);
        self.enter(ask, Content::Set(text));
        let line = self.lines.get_mut(&owner).filter(|_| at_once);
        if let Some(request) = line.and_then(|line| line.request(number)) {
            self.effects.extend(request.answered(&mut self.shown));
        }
    }

    fn enter(&mut self, ask: Ask, content: Content) {
        let Ask {
            owner,
            asker,
            size,
            answer,
            note,
        } = ask;
        let number = self.number();
        let request = Request {
            number,
            asker,
            size,
            answer: Some(answer),
            base: note.as_deref().and_then(Base::read),
            content,
            is_in_step: false,
        };
        let line = self.lines.entry(owner.clone()).or_default();
        let held = request.held();
        let room = line.held + held <= HELD_OF_OWNER && self.held + held <= HELD;
        line.held += held;
        self.held += held;
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

    /// Takes the answer to an IQ of ours; says whether it was one.
    pub fn answered(&mut self, received: &Received) -> bool {
        let iq = &received.stanza;
        let is_answer = matches!(iq.attribute("type"), Some("result" | "error"));
        let id = iq
            .attribute("id")
            .filter(|_| *iq.name == *"iq" && is_answer);
        let Some(number) = id.and_then(|id| id.strip_prefix(&*self.prefix)) else {
            return false;
        };
        let from = iq.attribute("from").unwrap_or_default();
        let is_from = |owner: &Owner| {
            !from.contains('/')
                && matches!(address::sender(from), Sender::User(user, _) if user == owner.as_str())
        };
        let asked = number.parse().ok().and_then(|number: u64| {
            self.asked
                .get(&number)
                .filter(|asked| is_from(&asked.owner))?;
            self.forget(number)
        });
        if let Some(owner) = asked {
            self.hosts.heard(address::domain_of(owner.as_str()));
            self.go_on(owner, received);
        }
        true
    }

    /// Sends what may be sent, and gives up what has taken too long.
    pub fn look(&mut self, now: Instant) {
        let late = self.asked.iter().filter(|(_, asked)| asked.until <= now);
        let late: Vec<u64> = late.map(|(number, _)| *number).collect();
        for owner in late
            .into_iter()
            .filter_map(|it| self.forget(it))
            .collect::<Vec<_>>()
        {
            if self.hosts.missed(address::domain_of(owner.as_str()), now) {
                tracing::warn!(
                    "{} does not answer when it is asked for PEP nodes, which it has granted us: \
                     bookmarks there come from the store alone for a minute",
                    address::domain_of(owner.as_str())
                );
            }
            tracing::debug!("{} was asked in vain for its bookmarks", owner.as_str());
            self.end_first(&owner);
        }
        while self
            .deadlines
            .front()
            .is_some_and(|(until, ..)| *until <= now)
        {
            if let Some((_, owner, number)) = self.deadlines.pop_front() {
                self.is_late(&owner, number);
            }
        }
        while self.asked.len() < AT_ONCE {
            let change = self.changes < CHANGES_AT_ONCE;
            let writer = change.then(|| self.writers.pop_front()).flatten();
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
        let asked = self.asked.values().map(|asked| asked.until);
        asked.chain(self.deadlines.front().map(|it| it.0)).min()
    }

    /// The link is gone, or nothing more is read from it: who waits is answered from the store.
    pub fn give_up(&mut self) {
        self.hosts.forget();
        self.asked.clear();
        self.changes = 0;
        self.readers.clear();
        self.writers.clear();
        let owners: Vec<Owner> = self.lines.keys().cloned().collect();
        for owner in owners {
            while self.lines.contains_key(&owner) {
                self.end_first(&owner);
            }
        }
        self.readers.clear();
        self.deadlines.clear();
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// Nothing more is expected in answer to this IQ; returns whom it was sent to.
    fn forget(&mut self, number: u64) -> Option<Owner> {
        let asked = self.asked.remove(&number)?;
        self.changes -= usize::from(asked.is_change);
        Some(asked.owner)
    }

    /// Begins the step of an owner's first request, or sends its next IQ.
    fn advance(&mut self, owner: Owner, now: Instant) {
        let number = self.number();
        let alone = self
            .hosts
            .is_left_alone(address::domain_of(owner.as_str()), now);
        let grant = self
            .hosts
            .grant(address::domain_of(owner.as_str()))
            .filter(|_| !alone);
        let (Some(line), Some(grant)) = (self.lines.get_mut(&owner), grant) else {
            return self.end_first(&owner);
        };
        let Some(request) = line.requests.front() else {
            return;
        };
        let payload = line.payload.take().unwrap_or_else(|| {
            let rights = Rights {
                max_rooms: self.settings.max_rooms,
                configure: grant.owner,
            };
            let (step, payload) = Step::begin(&request.stored(&self.shown), rights);
            line.step = Some(step);
            payload
        });
        let is_change = payload.is_set;
        self.changes += usize::from(is_change);
        let id = format!("{}{number}", self.prefix);
        let from = &self.settings.from;
        let iq = privilege::request(&id, from, request.user(), is_change, &payload.xml);
        self.effects.push(Effect::Send(iq));
        let until = now + PATIENCE;
        let asked = Asked {
            owner,
            is_change,
            until,
        };
        self.asked.insert(number, asked);
    }

    fn go_on(&mut self, owner: Owner, received: &Received) {
        let Some(line) = self.lines.get_mut(&owner) else {
            return;
        };
        let (Some(step), Some(request)) = (&mut line.step, line.requests.front_mut()) else {
            return;
        };
        let (view, next) = step.answered(&privilege::outcome(received), received);
        if let (Some(view), Content::Get(found)) = (view, &request.content)
            && let Some(answer) = request.answer.take()
        {
            let answered = answer.bookmarks(found, view.text.as_deref());
            self.effects.push(Effect::Answer(answered));
            self.shown.put(&request.asker, view.rooms, false);
        }
        match next {
            Next::Ask(payload) => {
                let queue = match payload.is_set {
                    true => &mut self.writers,
                    false => &mut self.readers,
                };
                line.payload = Some(payload);
                queue.push_back(owner);
            }
            Next::InStep(base) => {
                if let Some(base) = base {
                    self.effects.push(Effect::Note(owner.clone(), base.write()));
                }
                request.is_in_step = true;
                self.end_first(&owner);
            }
            Next::Failed(failure) => {
                self.tell(&owner, &failure);
                self.end_first(&owner);
            }
        }
    }

    fn tell(&mut self, owner: &Owner, failure: &Failure) {
        tracing::debug!(
            "the bookmarks of {} are not in step: {failure:?}",
            owner.as_str()
        );
        if *failure == Failure::Options && self.hosts.tell_once(address::domain_of(owner.as_str()))
        {
            tracing::warn!(
                "a node for bookmarks at {} is open to others, or forgets some, and we may not \
                 correct that: what is set there stays in the store alone. Grant us \
                 http://jabber.org/protocol/pubsub#owner, as `print-config` has it",
                address::domain_of(owner.as_str())
            );
        }
    }

    /// A request has waited for long enough: it is answered from the store. What it has begun goes
    /// on; what it has not is left to the next request.
    fn is_late(&mut self, owner: &Owner, number: u64) {
        let Some(line) = self.lines.get_mut(owner) else {
            return;
        };
        let is_first = line.requests.front().is_some_and(|it| it.number == number);
        match line.request(number) {
            Some(request) if is_first || matches!(request.content, Content::Set(_)) => {
                self.effects.extend(request.answered(&mut self.shown));
            }
            Some(_) => self.end(owner, number),
            None => {}
        }
    }

    fn end_first(&mut self, owner: &Owner) {
        let first = self.lines.get(owner).and_then(|line| line.requests.front());
        if let Some(number) = first.map(|request| request.number) {
            self.end(owner, number);
        }
    }

    /// A request is over; it is answered from the store if it has no answer yet.
    fn end(&mut self, owner: &Owner, number: u64) {
        let Some(line) = self.lines.get_mut(owner) else {
            return;
        };
        let at = line.requests.iter().position(|it| it.number == number);
        let Some(at) = at else {
            return;
        };
        if let Some(mut request) = line.requests.remove(at) {
            line.held -= request.held();
            self.held -= request.held();
            self.effects.extend(request.answered(&mut self.shown));
            if let Content::Set(text) = &request.content {
                let rooms = Legacy::read(text).base();
                self.shown.put(&request.asker, rooms, false);
            }
            if request.is_in_step {
                self.shown.is_in_step(&request.asker);
            }
            let over = Effect::Close(owner.clone(), request.size);
            self.effects.push(over);
        }
        if at == 0 {
            (line.step, line.payload) = (None, None);
            if line.requests.is_empty() {
                self.lines.remove(owner);
            } else {
                self.readers.push_back(owner.clone());
            }
        }
    }
}

impl Line {
    fn request(&mut self, number: u64) -> Option<&mut Request> {
        self.requests.iter_mut().find(|it| it.number == number)
    }
}

impl Request {
    /// Its answer from the store, unless it has one.
    fn answered(&mut self, shown: &mut Shown) -> Option<Effect> {
        let answer = self.answer.take()?;
        Some(Effect::Answer(match &self.content {
            Content::Get(found) => {
                shown.put(&self.asker, Legacy::read(found.stored()).base(), false);
                answer.bookmarks(found, None)
            }
            Content::Set(_) => answer.set(&Ok(())),
        }))
    }

    /// What is stored.
    fn text(&self) -> &str {
        match &self.content {
            Content::Get(found) => found.stored(),
            Content::Set(text) => text,
        }
    }

    fn stored(&self, shown: &Shown) -> Stored {
        let is_set = matches!(self.content, Content::Set(_));
        let shown = shown.to(&self.asker).filter(|_| is_set);
        Stored {
            text: self.text().to_owned(),
            base: self.base.clone(),
            shown: shown.cloned(),
            is_set,
        }
    }

    /// The bare address of who asks.
    fn user(&self) -> &str {
        address::bare(&self.asker)
    }

    /// Bytes that are held beside what the request itself costs.
    fn held(&self) -> usize {
        match &self.content {
            Content::Get(found) => found.len(),
            Content::Set(_) => 0,
        }
    }
}
