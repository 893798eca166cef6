//! What clients have been shown, by their full addresses; those of long ago are forgotten.
//!
//! It lives in memory, and is written down only in between two runs.

use std::collections::{HashMap, VecDeque};

use super::baseline::{Baseline, Digest};

use crate::clock::Instant;

/// How many rooms are remembered, over all clients: some 16 MiB.
const ROOMS: usize = 1 << 20;

/// How many rooms are written down: some 2 MiB.
const WRITTEN: usize = 1 << 16;

/// What a client costs beside its rooms, in rooms.
const CLIENT: usize = 16;

const IN_STEP: &str = "+";
const STORE_ALONE: &str = "-";

/// What a client has been shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastView {
    pub rooms: Baseline,
    /// Whether PEP had them all. What is missing there later was deleted.
    pub in_step: bool,
    pub at: Instant,
}

/// What clients have been shown.
#[derive(Debug, Default)]
pub struct Views {
    /// By the digests of their addresses; with the number of the request.
    clients: HashMap<Digest, (u64, LastView)>,
    /// In the order in which they were shown something; with the number of the request.
    order: VecDeque<(u64, Digest)>,
    rooms: usize,
}

impl Views {
    /// What a client was shown last.
    pub fn of(&self, client: &str) -> Option<&LastView> {
        let client = Digest::of(&[client]);
        self.clients.get(&client).map(|(_, sight)| sight)
    }

    /// PEP has all of what a client was shown, if it was by this request.
    pub fn is_in_step(&mut self, client: &str, number: u64) {
        if let Some((last, sight)) = self.clients.get_mut(&Digest::of(&[client]))
            && *last == number
        {
            sight.in_step = true;
        }
    }

    /// A client has been shown this by the request of this number, or has stored it with that.
    /// Answers may come in another order than requests: the last request counts.
    pub fn put(&mut self, client: &str, rooms: Baseline, number: u64) {
        let in_step = false;
        self.enter(Digest::of(&[client]), number, LastView::new(rooms, in_step));
    }

    /// It is not known any more what a client was shown.
    pub fn forget(&mut self, client: &str) {
        if let Some((_, sight)) = self.clients.remove(&Digest::of(&[client])) {
            self.rooms -= sight.weight();
        }
    }

    /// Nothing is known any more: answers were lost, and nobody knows whose.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// As text: of the last that were shown something before this moment, as far as it is not too
    /// much. `None` if nobody was.
    pub fn write(&self, before: Option<Instant>) -> Option<String> {
        let mut rooms = 0;
        let last = self.order.iter().rev();
        let last = last.filter(|entry| is_last(&self.clients, entry));
        let lines: Vec<String> = last
            .filter_map(|(_, client)| Some((client, &self.clients.get(client)?.1)))
            .filter(|(_, sight)| before.is_none_or(|before| sight.at < before))
            .take_while(|(_, sight)| {
                rooms += sight.weight();
                rooms <= WRITTEN
            })
            .map(|(client, sight)| {
                let how = if sight.in_step { IN_STEP } else { STORE_ALONE };
                format!("{} {how} {}", client.write(), sight.rooms.write())
            })
            .collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }

    /// Takes such a text in, as far as it is one.
    pub fn read(&mut self, text: &str) {
        for line in text.lines().rev() {
            let mut parts = line.splitn(3, ' ');
            let client = parts.next().and_then(Digest::read);
            let in_step = parts.next() == Some(IN_STEP);
            if let (Some(client), Some(rooms)) = (client, parts.next().and_then(Baseline::read)) {
                self.enter(client, 0, LastView::new(rooms, in_step));
            }
        }
    }

    fn enter(&mut self, client: Digest, number: u64, sight: LastView) {
        let last = self.clients.get(&client).map(|(last, _)| *last);
        if last.is_some_and(|last| last > number) {
            return;
        }
        self.rooms += sight.weight();
        let before = self.clients.insert(client, (number, sight));
        self.rooms -= before.map_or(0, |(_, sight)| sight.weight());
        self.order.push_back((number, client));
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

impl LastView {
    pub fn new(rooms: Baseline, in_step: bool) -> Self {
        let at = Instant::now();
        Self { rooms, in_step, at }
    }

    fn weight(&self) -> usize {
        self.rooms.count() + CLIENT
    }
}

fn is_last(clients: &HashMap<Digest, (u64, LastView)>, (number, client): &(u64, Digest)) -> bool {
    clients.get(client).is_some_and(|(last, _)| last == number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(rooms: usize) -> Baseline {
        let names: Vec<String> = (0..rooms).map(|room| room.to_string()).collect();
        Baseline::of(names.iter().map(|name| (&**name, Digest::of(&[name]))))
    }

    fn seen(shown: &Views, client: &str) -> Option<(Baseline, bool)> {
        let sight = shown.of(client)?;
        Some((sight.rooms.clone(), sight.in_step))
    }

    #[test]
    fn the_last_counts_and_what_is_kept_is_bounded() {
        let mut shown = Views::default();
        shown.put("a@b/c", base(1), 1);
        shown.put("a@b/c", base(2), 2);
        shown.is_in_step("a@b/c", 1);
        assert_eq!(seen(&shown, "a@b/c"), Some((base(2), false)));
        shown.is_in_step("a@b/c", 2);
        assert_eq!(seen(&shown, "a@b/c"), Some((base(2), true)));
        shown.put("a@b/c", base(1), 1);
        assert_eq!(seen(&shown, "a@b/c"), Some((base(2), true)), "an older one");
        for number in 3..1000 {
            shown.put("a@b/c", base(3), number);
        }
        assert!(shown.order.len() < 100);
        assert_eq!(seen(&shown, "a@b/c"), Some((base(3), false)));
        for client in 0..3 {
            shown.put(&format!("x@y/{client}"), base(ROOMS / 2), 2000 + client);
        }
        assert!(shown.rooms <= ROOMS);
        assert_eq!(shown.of("a@b/c"), None, "the oldest goes first");
        assert!(shown.of("x@y/2").is_some());
    }

    #[test]
    fn what_is_written_down_is_known_again_and_in_the_same_order() {
        let mut shown = Views::default();
        assert_eq!(shown.write(None), None);
        shown.put("a@b/c", base(1), 1);
        shown.put("d@e/f", base(2), 2);
        shown.is_in_step("d@e/f", 1);
        assert_eq!(seen(&shown, "d@e/f"), Some((base(2), false)));
        shown.is_in_step("d@e/f", 2);
        let text = shown.write(None).unwrap();
        assert!(!text.contains('@'), "nobody is named: {text}");
        let mut again = Views::default();
        again.read(&text);
        again.read("nonsense\n0 0 0\n\n");
        assert_eq!(seen(&again, "a@b/c"), Some((base(1), false)));
        assert_eq!(seen(&again, "d@e/f"), Some((base(2), true)));
        assert_eq!(again.write(None), Some(text));
        let before = shown.of("d@e/f").map(|sight| sight.at);
        assert_eq!(
            shown.write(before).unwrap().lines().count(),
            1,
            "the first alone"
        );
        shown.put("g@h/i", base(WRITTEN - 4 * CLIENT), 3);
        let text = shown.write(None).unwrap();
        assert_eq!(text.lines().count(), 3, "the last first, as many as may be");
        shown.put("j@k/l", base(4 * CLIENT), 4);
        assert_eq!(shown.write(None).unwrap().lines().count(), 1);
    }
}
