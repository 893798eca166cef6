//! What clients have been shown, by their full addresses; those of long ago are forgotten.

use std::collections::{HashMap, VecDeque};

use super::base::Base;

/// How many rooms are remembered, over all clients: some 16 MiB.
const ROOMS: usize = 1 << 20;

/// What a client costs beside its rooms, in rooms.
const CLIENT: usize = 16;

/// What a client has been shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// The rooms.
    pub rooms: Base,
    /// Whether PEP had them all. What is missing there later was deleted.
    pub in_step: bool,
}

/// What clients have been shown.
#[derive(Debug, Default)]
pub struct Shown {
    clients: HashMap<String, (u64, Sight)>,
    /// In the order in which they were shown something; with a number that only the last has.
    order: VecDeque<(u64, String)>,
    next: u64,
    rooms: usize,
}

impl Shown {
    /// What a client was shown last.
    pub fn to(&self, client: &str) -> Option<&Sight> {
        self.clients.get(client).map(|(_, sight)| sight)
    }

    /// PEP has all of what a client was shown last.
    pub fn is_in_step(&mut self, client: &str) {
        if let Some((_, sight)) = self.clients.get_mut(client) {
            sight.in_step = true;
        }
    }

    /// A client has been shown this.
    pub fn put(&mut self, client: &str, rooms: Base, in_step: bool) {
        self.next += 1;
        let sight = Sight { rooms, in_step };
        self.rooms += sight.weight();
        let before = self.clients.insert(client.to_owned(), (self.next, sight));
        self.rooms -= before.map_or(0, |(_, sight)| sight.weight());
        self.order.push_back((self.next, client.to_owned()));
        if self.order.len() > 2 * self.clients.len() + 16 {
            let clients = &self.clients;
            self.order.retain(|entry| is_last(clients, entry));
        }
        while self.rooms > ROOMS
            && let Some(oldest) = self.order.pop_front()
        {
            if is_last(&self.clients, &oldest)
                && let Some((_, sight)) = self.clients.remove(&oldest.1)
            {
                self.rooms -= sight.weight();
            }
        }
    }
}

impl Sight {
    fn weight(&self) -> usize {
        self.rooms.len() + CLIENT
    }
}

fn is_last(clients: &HashMap<String, (u64, Sight)>, (number, client): &(u64, String)) -> bool {
    clients.get(client).is_some_and(|(last, _)| last == number)
}

#[cfg(test)]
mod tests {
    use super::super::base::Digest;
    use super::*;

    fn base(rooms: usize) -> Base {
        let names: Vec<String> = (0..rooms).map(|room| room.to_string()).collect();
        Base::of(names.iter().map(|name| (&**name, Digest::of(&[name]))))
    }

    fn sight(rooms: usize, in_step: bool) -> Sight {
        let rooms = base(rooms);
        Sight { rooms, in_step }
    }

    #[test]
    fn the_last_counts_and_what_is_kept_is_bounded() {
        let mut shown = Shown::default();
        shown.put("a@b/c", base(1), false);
        shown.put("a@b/c", base(2), false);
        shown.is_in_step("a@b/c");
        assert_eq!(shown.to("a@b/c"), Some(&sight(2, true)));
        for _ in 0..1000 {
            shown.put("a@b/c", base(3), false);
        }
        assert!(shown.order.len() < 100);
        assert_eq!(shown.to("a@b/c"), Some(&sight(3, false)));
        for client in 0..3 {
            shown.put(&format!("x@y/{client}"), base(ROOMS / 2), true);
        }
        assert!(shown.rooms <= ROOMS);
        assert_eq!(shown.to("a@b/c"), None, "the oldest goes first");
        assert!(shown.to("x@y/2").is_some());
    }
}
