//! The IQs by which we work on users' PEP nodes, while they are under way.
//!
//! An answer counts only if it comes from the very address that was asked, with the very id.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use tokio::sync::oneshot;

use crate::address::{self, Sender};
use crate::stanza::{Received, Unread};
use crate::store::Owner;

/// What an IQ was answered: as it came, if it was not too long to be kept.
pub type Said = Option<Unread>;

/// The IQs under way.
#[derive(Debug)]
pub struct Pep {
    /// Begins the ids of all. Nobody can guess it.
    prefix: String,
    next: Cell<u64>,
    under_way: RefCell<HashMap<u64, (Owner, oneshot::Sender<Said>)>>,
}

impl Pep {
    /// None is under way.
    pub fn new() -> Self {
        let secret = RandomState::new().hash_one("bookmarks");
        Self {
            prefix: format!("bookmarks-{secret:016x}-"),
            next: Cell::new(0),
            under_way: RefCell::default(),
        }
    }

    /// One is sent in the name of this owner: its number, its id, and where the answer comes, if one
    /// does.
    pub fn begin(&self, owner: &Owner) -> (u64, String, oneshot::Receiver<Said>) {
        let number = self.next.get();
        self.next.set(number + 1);
        let (tell, told) = oneshot::channel();
        let entry = (owner.clone(), tell);
        self.under_way.borrow_mut().insert(number, entry);
        (number, format!("{}{number}", self.prefix), told)
    }

    /// No answer is expected any more to the one with this number.
    pub fn forget(&self, number: u64) {
        self.under_way.borrow_mut().remove(&number);
    }

    /// No answer is expected any more to those in the name of this owner.
    pub fn forget_all_of(&self, owner: &Owner) {
        let mut under_way = self.under_way.borrow_mut();
        under_way.retain(|_, (of, _)| of != owner);
    }

    /// No answer is expected any more.
    pub fn clear(&self) {
        self.under_way.borrow_mut().clear();
    }

    /// Takes a stanza if it is an answer to one of these; says whose that was, if it is the one that is
    /// expected.
    pub fn answered(&self, received: &mut Received) -> Option<Option<Owner>> {
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
        let mut under_way = self.under_way.borrow_mut();
        let is_expected = |it: &u64| {
            let owner = under_way.get(it).map(|(owner, _)| owner.as_str());
            // `00` is a number, and no id of ours.
            owner == Some(&*user) && it.to_string() == number
        };
        let Some(number) = number.parse().ok().filter(is_expected) else {
            return Some(None);
        };
        let (owner, tell) = under_way.remove(&number)?;
        // Whoever has asked may have given up.
        let _ = tell.send(received.unread.take());
        Some(Some(owner))
    }
}
