//! The IQs of ours that are under way, and whether an answer is one to them.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use crate::address::{self, Sender};
use crate::stanza::Received;
use crate::store::Owner;

/// How long an IQ may take. ejabberd drops those that it does not allow, without a word.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// How many are under way at once, and how many of those change something: whatever else is asked of
/// Prosody waits while it carries one of these out.
const AT_ONCE: usize = 8;
const CHANGES_AT_ONCE: usize = 2;

/// The IQs under way.
#[derive(Debug)]
pub struct Asked {
    /// Begins the ids of all. Nobody can guess it.
    prefix: String,
    next: u64,
    under_way: HashMap<u64, Iq>,
    changes: usize,
}

/// One of them.
#[derive(Debug)]
pub struct Iq {
    /// In whose name it is.
    pub owner: Owner,
    /// For which of the owner's requests.
    pub request: u64,
    /// When it was sent.
    pub since: Instant,
    /// Whether it changes something, or is read for a change that follows at once.
    pub is_change: bool,
}

impl Asked {
    /// None.
    pub fn new() -> Self {
        let secret = RandomState::new().hash_one("bookmarks");
        Self {
            prefix: format!("bookmarks-{secret:016x}-"),
            next: 0,
            under_way: HashMap::new(),
            changes: 0,
        }
    }

    /// Whether another may be sent, beside so many answers that are being compared: they are in memory
    /// for as long.
    pub fn has_room(&self, compared: usize) -> bool {
        self.under_way.len() + compared < AT_ONCE
    }

    /// Whether it may be one of a change, if another may be sent, beside so many of changes whose
    /// answers are being compared.
    pub fn has_room_for_a_change(&self, compared: usize) -> bool {
        self.changes + compared < CHANGES_AT_ONCE
    }

    /// One is sent, in the name of this owner and for this request; returns its id.
    pub fn begin(&mut self, owner: Owner, request: u64, is_change: bool, now: Instant) -> String {
        let number = self.next;
        self.next += 1;
        self.changes += usize::from(is_change);
        let iq = Iq {
            owner,
            request,
            since: now,
            is_change,
        };
        self.under_way.insert(number, iq);
        format!("{}{number}", self.prefix)
    }

    /// Whether a stanza is an answer to one of these; and to which, if it is the one that is
    /// expected: it comes from the very address that was asked.
    pub fn answered(&mut self, received: &Received) -> Option<Option<Iq>> {
        let iq = &received.stanza;
        let is_answer = matches!(iq.attribute("type"), Some("result" | "error"));
        let id = iq
            .attribute("id")
            .filter(|_| is_answer && *iq.name == *"iq");
        let number = id?.strip_prefix(&*self.prefix)?;
        let from = iq.attribute("from").filter(|from| !from.contains('/'));
        let user = match address::sender(from.unwrap_or_default()) {
            Sender::User(user, _) => user,
            Sender::Host(_) | Sender::Malformed => return Some(None),
        };
        let is_one_of_ours = |it: &u64| {
            let iq = self.under_way.get(it);
            // `00` is a number, and no id of ours.
            iq.is_some_and(|iq| iq.owner.as_str() == user) && it.to_string() == number
        };
        let number = number.parse().ok().filter(is_one_of_ours);
        Some(number.and_then(|number| self.forget(number)))
    }

    /// Those that have had no answer in time. None is expected any more.
    pub fn late(&mut self, now: Instant) -> Vec<Iq> {
        let late = self.under_way.iter().filter(|(_, iq)| iq.until() <= now);
        let late: Vec<u64> = late.map(|(number, _)| *number).collect();
        let late = late.into_iter();
        late.filter_map(|number| self.forget(number)).collect()
    }

    /// By when the first is to be answered.
    pub fn due(&self) -> Option<Instant> {
        self.under_way.values().map(Iq::until).min()
    }

    /// No answer is expected any more.
    pub fn clear(&mut self) {
        self.under_way.clear();
        self.changes = 0;
    }

    fn forget(&mut self, number: u64) -> Option<Iq> {
        let iq = self.under_way.remove(&number)?;
        self.changes -= usize::from(iq.is_change);
        Some(iq)
    }
}

impl Iq {
    /// By when it is to be answered.
    fn until(&self) -> Instant {
        self.since + PATIENCE
    }
}
