//! What has to be done so that old and modern clients see the same rooms.
//!
//! The node is the truth. Private storage is compared with it over what both were when they were
//! last in step (the base), and over what the client that stores had been shown: only what that
//! client has changed is carried over, and only what it had seen can be missing on purpose. So what
//! another client did in between is not undone.
//!
//! The base holds the rooms that were stored, with what was stored of them, and those that only
//! the node had.

use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

use super::baseline::{Baseline, Digest};
use super::change::Change;
use super::legacy::{Kept, Legacy, Seen};
use super::node::{Item, Node};
use super::room::Room;
use super::views::LastView;

#[derive(Debug, Clone, Copy)]
pub struct Before<'a> {
    /// The rooms when both sides were last in step; `None` if they never were.
    pub base: Option<&'a Baseline>,
    /// What the client had been shown that stores these; `None` if that is not known.
    pub shown: Option<&'a LastView>,
    /// Whether they are being stored just now, and not read.
    pub is_set: bool,
    /// How many items the node may be given.
    pub max_rooms: usize,
    pub now: SystemTime,
}

/// What is to be done.
#[derive(Debug)]
pub struct Decision<'a> {
    /// The changes of the node, in order.
    pub changes: Vec<Change>,
    /// Those that are not to be made: the node would have more items than it may, so none is added.
    pub too_many: Vec<Change>,
    /// The rooms that a client is to see, in the order in which they are stored, as far as they are.
    pub rooms: Vec<Seen<'a>>,
    /// Those of them that the node does not have yet, or not as a client is to see them.
    pub ahead: Vec<&'a str>,
    /// The base from then on, once the changes are made.
    pub base: Baseline,
}

/// Decides, for what is stored and what the node holds.
pub fn decide<'a>(stored: &'a Legacy, node: &'a Node, before: Before<'_>) -> Decision<'a> {
    // Of several items for one room the first counts.
    let mut items: HashMap<&str, &Item> = HashMap::with_capacity(node.items.len());
    for item in &node.items {
        items.entry(&item.key).or_insert(item);
    }
    let kept: HashSet<&str> = stored.rooms.iter().map(|kept| &*kept.key).collect();
    let shown = before.shown.filter(|_| before.is_set);
    let was_shown = |item: &Item| shown.is_some_and(|sight| sight.rooms.get(&item.key).is_some());
    let gone =
        |item: &Item| !kept.contains(&*item.key) && (was_shown(item) || before.has_dropped(item));

    let retracted = node.items.iter().filter(|item| gone(item));
    let mut changes: Vec<Change> = retracted.map(Change::remove).collect();
    let (mut rooms, mut ahead, mut lost) = (Vec::new(), Vec::new(), Vec::new());
    for kept in &stored.rooms {
        let fate = before.fate(kept);
        let room = match items.get(&*kept.key) {
            // Deleted elsewhere.
            None if fate == (Fate::Untouched { was_in_step: true }) => {
                lost.push(&*kept.key);
                continue;
            }
            None => {
                changes.push(Change::add(&kept.key, &kept.room));
                ahead.push(&*kept.key);
                &kept.room
            }
            Some(item) => match &item.room {
                Some(room) if *room != kept.room && before.wins(fate, kept, room) => {
                    changes.push(Change::edit(item, room, &kept.room));
                    ahead.push(&*kept.key);
                    &kept.room
                }
                Some(room) => room,
                // Nobody knows what it says, so it is left alone.
                None => &kept.room,
            },
        };
        rooms.push(Seen {
            key: &kept.key,
            room,
            kept: Some(kept),
        });
    }
    for item in &node.items {
        let first = items
            .get(&*item.key)
            .is_some_and(|it| std::ptr::eq(*it, item));
        if let Some(room) = &item.room
            && first
            && !kept.contains(&*item.key)
            && !gone(item)
        {
            rooms.push(Seen {
                key: &item.key,
                room,
                kept: None,
            });
        }
    }
    let of_kept = stored.rooms.iter().filter_map(|kept| {
        let item = items.get(&*kept.key);
        let content = match item.is_some_and(|item| item.room.is_none()) {
            // It is not in step, and was before only if it was then.
            true => before.base?.get(&kept.key)?,
            false => kept.room.digest(),
        };
        Some((&*kept.key, content))
    });
    let of_node = rooms.iter().filter(|seen| seen.kept.is_none());
    let base = of_kept.chain(of_node.map(|seen| (seen.key, seen.room.digest())));
    let base = Baseline::of(base).without(lost.into_iter(), before.now);
    let too_many = match before.are_too_many(node, &changes) {
        true => changes.extract_if(.., |it| it.is_addition()).collect(),
        false => Vec::new(),
    };
    Decision {
        changes,
        too_many,
        rooms,
        ahead,
        base,
    }
}

/// What is left of the base where these were stored and not brought into step. What the client has
/// deleted, and what it has added or changed to what it was then, would look by the base alone as if
/// it had been left alone here, and deleted elsewhere. What it has left alone was in step as it was shown.
pub fn left_of(base: &Baseline, stored: &Baseline, shown: Option<&LastView>) -> Baseline {
    let left = base.only(|key, content| {
        let now = stored.by_digest(key);
        let is_touched = shown.is_some_and(|sight| sight.rooms.by_digest(key) != now);
        now.is_some() && !(is_touched && now == Some(content))
    });
    let left = left.keeping(stored);
    let Some(view) = shown else { return left };
    // What the client has deleted, and the node had, is to be retracted as it was in step, or as the client saw it.
    let is_deleted =
        |key| view.rooms.knows(key) && !stored.knows(key) && base.knows(key) && !base.has_lost(key);
    let before = base.there().chain(view.rooms.there());
    let deleted = before.filter(|(key, _)| is_deleted(*key));
    left.overlaid(&left_alone(stored, view)).dropping(deleted)
}

/// Of these the rooms that a client has stored as it had been shown them, and that the node had then.
fn left_alone(stored: &Baseline, shown: &LastView) -> Baseline {
    stored.only(|key, content| shown.rooms.had(key, content))
}

/// The same where it is not known what the client had been shown: of what it has not changed nobody
/// knows whether it was added again.
pub fn left_unseen(base: &Baseline, stored: &Baseline) -> Baseline {
    base.only(|key, content| stored.by_digest(key).is_some_and(|now| now != content))
        .keeping(stored)
}

/// What both sides have in common once these are stored, for whoever compares them and does not know what the client
/// had been shown: what it has left alone was in step with what it had seen, and what it has added, or changed to what it
/// was then, is new. Until they are stored, it is to be as true of what is stored yet.
pub fn in_common(
    base: &Baseline,
    stored: &Baseline,
    shown: &LastView,
    are_stored: bool,
) -> Baseline {
    let before = |key| shown.rooms.by_digest(key);
    let not_new = base.only(|key, content| {
        let now = stored.by_digest(key);
        now != Some(content) || before(key) == now
    });
    let left_alone = left_alone(stored, shown);
    match are_stored {
        true => not_new.overlaid(&left_alone).keeping(stored),
        false => not_new.or(&left_alone),
    }
}

/// What has become of a stored room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It says what it said before.
    Untouched {
        /// Whether the node had it, saying that.
        was_in_step: bool,
    },
    /// It says something else, or is new.
    Changed,
}

impl Before<'_> {
    /// Whether these changes give the node more items than it may have, and more than it had.
    fn are_too_many(&self, node: &Node, changes: &[Change]) -> bool {
        let removed = changes.iter().filter(|change| change.is_removal()).count();
        let added = changes.iter().filter(|change| change.is_addition()).count();
        added > 0 && node.total - removed + added > self.max_rooms.max(node.total)
    }

    /// Whether a client has deleted this, and it was not retracted yet. If it says something else by now, somebody else has
    /// changed it since.
    fn has_dropped(&self, item: &Item) -> bool {
        let said = item.room.as_ref().map(Room::digest);
        let key = || Digest::of(&[&item.key]);
        self.base
            .zip(said)
            .is_some_and(|(base, said)| base.has_dropped(key(), said))
    }

    fn fate(&self, kept: &Kept) -> Fate {
        let (key, content) = (Digest::of(&[&kept.key]), kept.room.digest());
        let was_in_base = self.base.is_some_and(|base| base.says(key, content));
        // What a client was not shown it has added, even if it is just as it was once.
        let is_untouched = match self.shown {
            Some(view) => view.rooms.says(key, content),
            None => was_in_base,
        };
        if is_untouched {
            let had = |view: &LastView| view.rooms.had(key, content);
            let was_in_step = was_in_base || self.shown.is_some_and(had);
            Fate::Untouched { was_in_step }
        } else {
            Fate::Changed
        }
    }

    /// Whether what is stored of a room counts, and not what the node says.
    fn wins(&self, fate: Fate, kept: &Kept, there: &Room) -> bool {
        if fate != Fate::Changed {
            return false;
        }
        if self.is_set {
            // On first contact nobody knows which of the two is newer.
            self.base.is_some() || self.shown_of(kept).is_some()
        } else {
            // It was stored while PEP was out of reach, and nobody else has changed it since.
            let base = self.base.and_then(|base| base.get(&kept.key));
            base == Some(there.digest())
        }
    }

    fn shown_of(&self, kept: &Kept) -> Option<Digest> {
        self.shown.and_then(|sight| sight.rooms.get(&kept.key))
    }
}

#[cfg(test)]
mod tests;
