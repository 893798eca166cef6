//! What waits to be written: for each owner in the order in which it came.
//!
//! Invariant: of one owner one job at most is under way. So its order holds over whichever connection the job goes, and
//! what comes meanwhile waits to be done together.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};

use tokio::sync::Notify;

use super::work::{self, Item, Job};
use xps_base::clock::Instant;
use xps_store::Owner;

/// Bounds of what is sent together: past them more is hardly faster, and answers come late.
const GROUP_ITEMS: usize = 1024;
const GROUP_BYTES: usize = 4 * 1024 * 1024;

#[derive(Default)]
pub(crate) struct Board {
    owners: RefCell<HashMap<Owner, Queue>>,
    /// Those with something that waits and nothing that is under way, first come, first served.
    ready: RefCell<VecDeque<Owner>>,
    items: Cell<usize>,
    bytes: Cell<usize>,
    news: Notify,
    under_way: Cell<usize>,
    less: Notify,
}

#[derive(Default)]
struct Queue {
    items: VecDeque<Item>,
    is_under_way: bool,
}

impl Board {
    /// Puts something behind all that waits for the same owner.
    pub(crate) fn add(&self, item: Item) {
        let owner = work::owner(&item.work).clone();
        self.items.set(self.items.get() + 1);
        self.bytes.set(self.bytes.get() + item.bytes);
        let mut owners = self.owners.borrow_mut();
        let queue = owners.entry(owner.clone()).or_default();
        if queue.items.is_empty() && !queue.is_under_way {
            self.ready.borrow_mut().push_back(owner);
        }
        queue.items.push_back(item);
    }

    /// Has somebody take what waits.
    pub(crate) fn announce(&self) {
        if !self.ready.borrow().is_empty() {
            self.news.notify_one();
        }
    }

    /// Takes what waits, as soon as there is something.
    pub(crate) async fn take(&self) -> Vec<Job> {
        loop {
            let jobs = self.take_now();
            if !jobs.is_empty() {
                // What did not fit is for another.
                self.announce();
                return jobs;
            }
            self.news.notified().await;
        }
    }

    fn take_now(&self) -> Vec<Job> {
        let (mut jobs, mut count, mut bytes) = (Vec::new(), 0, 0);
        let mut owners = self.owners.borrow_mut();
        let mut ready = self.ready.borrow_mut();
        while count < GROUP_ITEMS && bytes < GROUP_BYTES {
            let Some(owner) = ready.pop_front() else {
                break;
            };
            let Some(queue) = owners.get_mut(&owner).filter(|it| !it.is_under_way) else {
                continue;
            };
            let items = queue.take(GROUP_ITEMS - count, GROUP_BYTES - bytes);
            if items.is_empty() {
                // All have been told that it takes too long.
                if queue.items.is_empty() {
                    owners.remove(&owner);
                }
                continue;
            }
            queue.is_under_way = true;
            let job = Job { owner, items };
            count += job.items.len();
            bytes += job.bytes();
            jobs.push(job);
        }
        self.items.set(self.items.get().saturating_sub(count));
        self.bytes.set(self.bytes.get().saturating_sub(bytes));
        self.under_way.set(self.under_way.get() + jobs.len());
        jobs
    }

    /// A job of this owner is over.
    pub(crate) fn release(&self, owner: &Owner) {
        self.under_way.set(self.under_way.get().saturating_sub(1));
        let mut owners = self.owners.borrow_mut();
        if let Some(queue) = owners.get_mut(owner) {
            queue.is_under_way = false;
            match queue.items.is_empty() {
                true => drop(owners.remove(owner)),
                false => self.ready.borrow_mut().push_back(owner.clone()),
            }
        }
        self.less.notify_waiters();
    }

    /// Tells those whose time is up.
    pub(crate) fn expire(&self, now: Instant) {
        let mut owners = self.owners.borrow_mut();
        let (mut count, mut bytes) = (0, 0);
        owners.retain(|_, queue| {
            // They came in this order, so their time is up in this order.
            while let Some(item) = queue.items.pop_front_if(|item| item.deadline <= now) {
                item.expire(now);
                count += 1;
                bytes += item.bytes;
            }
            queue.is_under_way || !queue.items.is_empty()
        });
        self.items.set(self.items.get().saturating_sub(count));
        self.bytes.set(self.bytes.get().saturating_sub(bytes));
        self.less.notify_waiters();
    }

    /// How many wait, and how much text they have.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        (self.items.get(), self.bytes.get())
    }

    /// Waits until nothing waits and nothing is under way.
    pub(crate) async fn emptied(&self) {
        loop {
            let less = self.less.notified();
            if self.items.get() == 0 && self.under_way.get() == 0 {
                return;
            }
            less.await;
        }
    }
}

impl Queue {
    /// As many as can be done together: of what touches the note, one.
    fn take(&mut self, most: usize, most_bytes: usize) -> Vec<Item> {
        let (mut taken, mut bytes, mut notes) = (Vec::new(), 0, 0);
        while let Some(next) = self.items.front() {
            notes += usize::from(work::notes(&next.work));
            if notes > 1 || taken.len() >= most || (bytes >= most_bytes && !taken.is_empty()) {
                break;
            }
            bytes += next.bytes;
            taken.extend(self.items.pop_front());
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use xps_store::{Done, Work};

    fn item(owner: &str, text: &str) -> Item {
        let owner = Owner::new(owner).unwrap();
        let later = Instant::now() + Duration::from_secs(60);
        Item::new(Work::Note(owner, Some(text.into())), Done::new(drop), later)
    }

    fn removal(owner: &str) -> Item {
        let work = Work::Remove(Owner::new(owner).unwrap(), Some("n".into()));
        Item::new(
            work,
            Done::new(drop),
            Instant::now() + Duration::from_secs(60),
        )
    }

    fn taken(board: &Board) -> Vec<(String, usize)> {
        let jobs = board.take_now();
        jobs.iter()
            .map(|job| (job.owner.as_str().to_owned(), job.items.len()))
            .collect()
    }

    #[test]
    fn of_one_owner_one_job_is_under_way() {
        let board = Board::default();
        for owner in ["a", "b", "a", "a"] {
            board.add(removal(owner));
        }
        assert_eq!(taken(&board), [("a".to_owned(), 3), ("b".to_owned(), 1)]);
        board.add(removal("a"));
        assert_eq!(taken(&board), []);
        board.release(&Owner::new("a").unwrap());
        assert_eq!(taken(&board), [("a".to_owned(), 1)]);
        board.release(&Owner::new("a").unwrap());
        board.release(&Owner::new("b").unwrap());
        assert_eq!((board.waiting(), board.under_way.get()), ((0, 0), 0));
        assert!(
            board.owners.borrow().is_empty(),
            "nobody is remembered for ever"
        );
    }

    #[test]
    fn a_job_has_one_note_and_a_group_is_bounded() {
        let board = Board::default();
        board.add(item("a", "1"));
        board.add(removal("a"));
        board.add(item("a", "2"));
        assert_eq!(taken(&board), [("a".to_owned(), 2)]);
        for number in 0..2000 {
            board.add(removal(&format!("user{number}")));
        }
        assert_eq!(taken(&board).len(), GROUP_ITEMS);
        let long = "x".repeat(GROUP_BYTES);
        let board = Board::default();
        for owner in ["a", "b"] {
            board.add(item(owner, &long));
        }
        assert_eq!(
            taken(&board),
            [("a".to_owned(), 1)],
            "more than fits is taken alone"
        );
    }

    #[test]
    fn who_waits_for_too_long_is_told_and_forgotten() {
        let board = Board::default();
        board.add(removal("a"));
        board.expire(Instant::now());
        assert_eq!(board.waiting(), (1, 0));
        board.expire(Instant::now() + Duration::from_secs(61));
        assert_eq!(board.waiting(), (0, 0));
        board.add(removal("a"));
        assert_eq!(taken(&board), [("a".to_owned(), 1)]);
        board.add(removal("a"));
        assert_eq!(
            taken(&board),
            [],
            "one is under way, wherever the owner stands in line"
        );
    }
}
