//! What clients have been shown, by their full addresses; those of long ago are forgotten. And how it is written
//! down, a line for each client.

use std::collections::{HashMap, VecDeque};

use super::baseline::{Baseline, Digest};
use super::delivery::Mark;

/// How many rooms are remembered, over all clients: some 16 MiB, or 24 if none of them is in a node.
const ROOMS: usize = 1 << 20;

/// How many rooms are written down: some 2 MiB.
const WRITTEN: usize = 1 << 16;

/// What a client costs beside its rooms, in rooms.
const CLIENT: usize = 16;

/// How many lines there are about the clients of one owner, and how many rooms in them: some 128 KiB.
const OWNER_CLIENTS: usize = 16;
const OWNER_ROOMS: usize = 4096;

/// What stands before the mark of an answer.
const MARK: char = '+';

/// What a client has been shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastView {
    /// With those of them that were in the node: what is missing there later was deleted.
    pub rooms: Baseline,
    /// By which answer; `None` where a note says it, which was made when that had got through.
    pub mark: Option<Mark>,
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

    /// PEP has all of what a client was shown, if it was by this request. Whether that is new.
    pub fn is_in_step(&mut self, client: &str, number: u64) -> bool {
        match self.clients.get_mut(&Digest::of(&[client])) {
            Some((last, view)) if *last == number => view.rooms.are_there(),
            _ => false,
        }
    }

    /// A client has been shown this by the request of this number, or has stored it with that.
    /// Answers may come in another order than requests: the last request counts. Whether it is this.
    pub fn put(&mut self, client: &str, view: LastView, number: u64) -> bool {
        self.enter(Digest::of(&[client]), number, view)
    }

    /// It is not known any more what a client was shown. What was.
    pub fn forget(&mut self, client: &str) -> Option<LastView> {
        let (_, view) = self.clients.remove(&Digest::of(&[client]))?;
        self.rooms -= view.weight();
        Some(view)
    }

    /// Nothing is known any more: answers were lost, and nobody knows whose.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// As text: of the last that were shown something by an answer that has got through, as far as it is not too
    /// much. `None` if nobody was.
    pub fn write(&self, has_got_through: impl Fn(Mark) -> bool) -> Option<String> {
        let mut rooms = 0;
        let last = self.order.iter().rev();
        let last = last.filter(|entry| is_last(&self.clients, entry));
        let lines: Vec<String> = last
            .filter_map(|(_, client)| Some((client, &self.clients.get(client)?.1)))
            .filter(|(_, sight)| sight.mark.is_none_or(&has_got_through))
            .take_while(|(_, sight)| {
                rooms += sight.weight();
                rooms <= WRITTEN
            })
            .map(|(client, sight)| write(*client, &sight.rooms, None))
            .collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }

    /// Takes such a text in, as far as it is one.
    pub fn read(&mut self, text: &str) {
        for (client, view) in text.lines().rev().filter_map(read) {
            self.enter(client, 0, view);
        }
    }

    /// What is known of a client, as a line; `None` if nothing.
    pub fn line(&self, client: &str) -> Option<String> {
        let view = self.of(client)?;
        Some(line(client, &view.rooms, view.mark))
    }

    fn enter(&mut self, client: Digest, number: u64, sight: LastView) -> bool {
        let last = self.clients.get(&client).map(|(last, _)| *last);
        if last.is_some_and(|last| last > number) {
            return false;
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
        true
    }
}

impl LastView {
    pub fn new(rooms: Baseline) -> Self {
        Self { rooms, mark: None }
    }

    fn weight(&self) -> usize {
        self.rooms.count() + CLIENT
    }
}

/// The line that says that a client was shown this, by the answer of this mark.
pub fn line(client: &str, rooms: &Baseline, mark: Option<Mark>) -> String {
    write(Digest::of(&[client]), rooms, mark)
}

/// What such lines say that this client was shown.
pub fn read_of(client: &str, text: &str) -> Option<LastView> {
    let client = Digest::of(&[client]);
    let mut views = text.lines().filter_map(read);
    views.find(|(of, _)| *of == client).map(|(_, view)| view)
}

/// The lines about one owner's clients, with this one of this client, the last first; as many as may be. `None` if that
/// changes nothing to speak of.
pub fn with_line(text: &str, client: &str, line: Option<&str>) -> Option<String> {
    let name = Digest::of(&[client]).write();
    let is_of_client = |it: &&str| it.split(' ').next() == Some(&*name);
    let before = text.lines().enumerate().find(|(_, it)| is_of_client(it));
    match (before, line) {
        (None, None) => return None,
        // Those that are last would be the first to go.
        (Some((at, before)), Some(line)) if before == line && at < OWNER_CLIENTS / 2 => {
            return None;
        }
        _ => {}
    }
    let mut rooms = 0;
    let others = text.lines().filter(|it| !is_of_client(it));
    let lines = line.into_iter().chain(others).take(OWNER_CLIENTS);
    let fitting = lines.take_while(|line| {
        let is_first = rooms == 0;
        rooms += read(line).map_or(0, |(_, view)| view.weight());
        is_first || rooms <= OWNER_ROOMS
    });
    Some(fitting.collect::<Vec<_>>().join("\n"))
}

fn write(client: Digest, rooms: &Baseline, mark: Option<Mark>) -> String {
    let mark = mark.map_or(String::new(), |mark| mark.to_string());
    format!("{} {MARK}{mark} {}", client.write(), rooms.write())
}

fn read(line: &str) -> Option<(Digest, LastView)> {
    let mut parts = line.splitn(3, ' ');
    let client = parts.next().and_then(Digest::read)?;
    let mark = match parts.next()?.strip_prefix(MARK)? {
        "" => None,
        mark => Some(Mark::read(mark)?),
    };
    let rooms = Baseline::read(parts.next()?)?;
    let view = LastView::new(rooms);
    Some((client, LastView { mark, ..view }))
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

    fn put(shown: &mut Views, client: &str, rooms: Baseline, in_step: bool, number: u64) {
        let rooms = rooms.apart(|_, _| !in_step);
        shown.put(client, LastView::new(rooms), number);
    }

    fn seen(shown: &Views, client: &str) -> Option<(Baseline, bool)> {
        let sight = shown.of(client)?;
        let mut rooms = sight.rooms.clone();
        let in_step = !rooms.are_there();
        Some((rooms, in_step))
    }

    #[test]
    fn the_last_counts_and_what_is_kept_is_bounded() {
        let mut shown = Views::default();
        put(&mut shown, "a@b/c", base(1), false, 1);
        put(&mut shown, "a@b/c", base(2), false, 2);
        shown.is_in_step("a@b/c", 1);
        assert_eq!(seen(&shown, "a@b/c"), Some((base(2), false)));
        shown.is_in_step("a@b/c", 2);
        assert_eq!(seen(&shown, "a@b/c"), Some((base(2), true)));
        put(&mut shown, "a@b/c", base(1), false, 1);
        assert_eq!(seen(&shown, "a@b/c"), Some((base(2), true)), "an older one");
        for number in 3..1000 {
            put(&mut shown, "a@b/c", base(3), false, number);
        }
        assert!(shown.order.len() < 100);
        assert_eq!(seen(&shown, "a@b/c"), Some((base(3), false)));
        for client in 0..3 {
            let name = format!("x@y/{client}");
            put(&mut shown, &name, base(ROOMS / 2), false, 2000 + client);
        }
        assert!(shown.rooms <= ROOMS);
        assert_eq!(shown.of("a@b/c"), None, "the oldest goes first");
        assert!(shown.of("x@y/2").is_some());
    }

    #[test]
    fn what_is_written_down_is_known_again_and_in_the_same_order() {
        let mut shown = Views::default();
        let all = |_| true;
        assert_eq!(shown.write(all), None);
        put(&mut shown, "a@b/c", base(1), false, 1);
        put(&mut shown, "d@e/f", base(2), false, 2);
        shown.is_in_step("d@e/f", 1);
        assert_eq!(seen(&shown, "d@e/f"), Some((base(2), false)));
        shown.is_in_step("d@e/f", 2);
        let text = shown.write(all).unwrap();
        assert!(!text.contains('@'), "nobody is named: {text}");
        let mut again = Views::default();
        again.read(&text);
        again.read("nonsense\n0 0 0\n\n");
        assert_eq!(seen(&again, "a@b/c"), Some((base(1), false)));
        assert_eq!(seen(&again, "d@e/f"), Some((base(2), true)));
        assert_eq!(again.write(all), Some(text));
        let mark = Mark { run: 7, number: 3 };
        let view = shown.of("d@e/f").unwrap().clone();
        let mark_is = |mark| LastView { mark, ..view };
        shown.put("d@e/f", mark_is(Some(mark)), 2);
        let text = shown.write(|it| it != mark).unwrap();
        assert_eq!(text.lines().count(), 1, "the first alone");
        put(&mut shown, "g@h/i", base(WRITTEN - 4 * CLIENT), false, 3);
        let text = shown.write(all).unwrap();
        assert_eq!(text.lines().count(), 3, "the last first, as many as may be");
        put(&mut shown, "j@k/l", base(4 * CLIENT), false, 4);
        assert_eq!(shown.write(all).unwrap().lines().count(), 1);
    }

    #[test]
    fn the_lines_about_an_owners_clients_are_bounded_and_each_has_one() {
        let with = |text: &str, client: &str, rooms| {
            with_line(text, client, Some(&line(client, &base(rooms), None)))
        };
        let one = with("", "a@b/c", 1).unwrap();
        assert_eq!(with(&one, "a@b/c", 1), None, "it is there");
        let other = with(&one, "a@b/c", 2).unwrap();
        assert_eq!(other.lines().count(), 1);
        let two = with(&other, "a@b/d", 1).unwrap();
        assert!(two.ends_with(&other), "the last first");
        assert_eq!(with_line(&two, "a@b/d", None), Some(other.clone()));
        assert_eq!(with_line(&other, "a@b/c", None), Some(String::new()));
        assert_eq!(with_line(&other, "a@b/d", None), None);
        assert!(!two.contains('@'), "nobody is named: {two}");

        let mut text = other;
        for client in 0..2 * OWNER_CLIENTS {
            text = with(&text, &format!("a@b/{client}"), 3).unwrap();
        }
        assert_eq!(text.lines().count(), OWNER_CLIENTS);
        let last = format!("a@b/{OWNER_CLIENTS}");
        assert!(
            with(&text, &last, 3).is_some(),
            "it is not to be the next to go"
        );
        let long = with(&text, "a@b/long", OWNER_ROOMS).unwrap();
        assert_eq!(long.lines().count(), 1, "all that is too much goes");
    }

    #[test]
    fn what_is_noted_of_a_client_is_found_again_with_its_mark() {
        let mark = Mark { run: 7, number: 3 };
        let text = [("a@b/c", Some(mark)), ("d@e/f", None)]
            .map(|(client, mark)| line(client, &base(3), mark))
            .join("\n");
        let found = read_of("a@b/c", &text).unwrap();
        assert_eq!((found.rooms, found.mark), (base(3), Some(mark)));
        assert_eq!(read_of("d@e/f", &text).unwrap().mark, None);
        assert_eq!(read_of("g@h/i", &text), None);
        let damaged = text.replace(&mark.to_string(), "7");
        assert_eq!(read_of("a@b/c", &damaged), None);
    }
}
