//! What clients have been shown, by their full addresses; those of long ago are forgotten.

use std::collections::{HashMap, VecDeque};

use super::base::Base;

/// How many rooms are remembered, over all clients: some 16 MiB.
const ROOMS: usize = 1 << 20;

/// What a client costs beside its rooms, in rooms.
const CLIENT: usize = 16;

/// What clients have been shown.
#[derive(Debug, Default)]
pub struct Shown {
    clients: HashMap<String, (u64, Base)>,
    /// In the order in which they were shown something; with a number that only the last has.
    order: VecDeque<(u64, String)>,
    next: u64,
    rooms: usize,
}

impl Shown {
    /// What a client was shown last.
    pub fn to(&self, client: &str) -> Option<&Base> {
        self.clients.get(client).map(|(_, base)| base)
    }

    /// A client has been shown this.
    pub fn put(&mut self, client: &str, base: Base) {
        self.next += 1;
        self.rooms += base.len() + CLIENT;
        let before = self.clients.insert(client.to_owned(), (self.next, base));
        self.rooms -= before.map_or(0, |(_, base)| base.len() + CLIENT);
        self.order.push_back((self.next, client.to_owned()));
        if self.order.len() > 2 * self.clients.len() + 16 {
            let clients = &self.clients;
            self.order.retain(|entry| is_last(clients, entry));
        }
        while self.rooms > ROOMS
            && let Some(oldest) = self.order.pop_front()
        {
            if is_last(&self.clients, &oldest)
                && let Some((_, base)) = self.clients.remove(&oldest.1)
            {
                self.rooms -= base.len() + CLIENT;
            }
        }
    }
}

fn is_last(clients: &HashMap<String, (u64, Base)>, (number, client): &(u64, String)) -> bool {
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

    #[test]
    fn the_last_counts_and_what_is_kept_is_bounded() {
        let mut shown = Shown::default();
        shown.put("a@b/c", base(1));
        shown.put("a@b/c", base(2));
        assert_eq!(shown.to("a@b/c"), Some(&base(2)));
        for _ in 0..1000 {
            shown.put("a@b/c", base(3));
        }
        assert!(shown.order.len() < 100);
        assert_eq!(shown.to("a@b/c"), Some(&base(3)));
        for client in 0..3 {
            shown.put(&format!("x@y/{client}"), base(ROOMS / 2));
        }
        assert!(shown.rooms <= ROOMS);
        assert_eq!(shown.to("a@b/c"), None, "the oldest goes first");
        assert!(shown.to("x@y/2").is_some());
    }
}
