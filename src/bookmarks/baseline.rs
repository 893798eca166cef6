//! What rooms somebody knew of at some time, and what those said: enough to tell what has changed
//! since, and no more.

use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha1::{Digest as _, Sha1};

use crate::random;

/// Stands for a text. Two that differ have the same one by an accident of 1 in 2^64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(u64);

impl Digest {
    /// How many digits it has.
    const LENGTH: usize = 16;

    /// In hexadecimal digits.
    pub fn write(self) -> String {
        format!("{:016x}", self.0)
    }

    pub fn read(hex: &str) -> Option<Self> {
        u64::from_str_radix(hex, 16).ok().map(Self)
    }

    /// That of these texts, in this order.
    pub fn of(texts: &[&str]) -> Self {
        let mut sha1 = Sha1::new();
        for text in texts {
            sha1.update((text.len() as u64).to_le_bytes());
            sha1.update(text);
        }
        let hash = sha1.finalize();
        let first = hash.first_chunk().copied().unwrap_or_default();
        Self(u64::from_be_bytes(first))
    }
}

/// Rooms, and what they said.
#[derive(Debug, Clone, Default)]
pub struct Baseline {
    /// In order. Of one room there may be several things that it said: any of them was in step.
    rooms: Box<[(Digest, Digest)]>,
    /// Those of them that the node did not have, or not saying that.
    gone: Option<Box<Gone>>,
    /// Other rooms, and what they said: clients have deleted those, and the node has them still. In order, and at least
    /// one.
    dropped: Option<Box<[(Digest, Digest)]>>,
}

#[derive(Debug, Clone)]
struct Gone {
    /// In order, and at least one.
    rooms: Box<[Digest]>,
    /// When that was, in seconds since 1970.
    at: u64,
}

/// How a written base begins: its format. The first had nothing of what is gone.
const FORMATS: [&str; 2] = ["bookmarks-1", "bookmarks-2"];

/// What stands before a room that is gone.
const GONE: char = '-';

/// What stands before what only tells a text from others.
const ANEW: char = '=';

/// What stands before a room that was deleted, and is in the node still. Releases that do not know of it pass over
/// whatever begins like that.
const DROPPED: &str = "=-";

/// How many of those are remembered.
const MAX_DROPPED: usize = 1024;

impl Baseline {
    /// That of rooms with these addresses, normalised, and this content.
    pub fn of<'a>(rooms: impl Iterator<Item = (&'a str, Digest)>) -> Self {
        let mut all: Vec<_> = rooms
            .map(|(key, content)| (Digest::of(&[key]), content))
            .collect();
        all.sort_unstable();
        Self {
            rooms: all.into(),
            ..Self::default()
        }
    }

    /// The same, of which those with these addresses were not in the node at this time.
    pub fn without<'a>(self, gone: impl Iterator<Item = &'a str>, at: SystemTime) -> Self {
        let mut gone: Vec<Digest> = gone.map(|key| Digest::of(&[key])).collect();
        gone.sort_unstable();
        let at = at.duration_since(UNIX_EPOCH);
        Self {
            gone: Gone::of(gone, at.map_or(0, |since| since.as_secs())),
            ..self
        }
    }

    /// The same, of which those were not in the node of which this is true, by the digests of their addresses and by
    /// what they said. It is not known when.
    pub fn apart(self, is_absent: impl Fn(Digest, Digest) -> bool) -> Self {
        let absent = self
            .rooms
            .iter()
            .filter(|(key, said)| is_absent(*key, *said));
        let absent = absent.map(|(key, _)| *key).collect();
        Self {
            gone: Gone::of(absent, 0),
            ..self
        }
    }

    /// The node has all of them now. Whether it did not.
    pub fn are_there(&mut self) -> bool {
        self.gone.take().is_some()
    }

    /// Whether this room was among them, saying this, and in the node.
    pub fn had(&self, key: Digest, content: Digest) -> bool {
        self.says(key, content) && !self.has_lost(key)
    }

    /// Whether this room was among them, saying this.
    pub fn says(&self, key: Digest, content: Digest) -> bool {
        self.rooms.binary_search(&(key, content)).is_ok()
    }

    /// What this room said; `None` if it was not among them, or said several things.
    pub fn get(&self, key: &str) -> Option<Digest> {
        self.by_digest(Digest::of(&[key]))
    }

    /// The same, by the digest of its address.
    pub fn by_digest(&self, key: Digest) -> Option<Digest> {
        match self.all_of(key) {
            [(_, content)] => Some(*content),
            _ => None,
        }
    }

    /// What is known of a room.
    fn all_of(&self, key: Digest) -> &[(Digest, Digest)] {
        let begin = self.rooms.partition_point(|(room, _)| *room < key);
        let rest = self.rooms.get(begin..).unwrap_or_default();
        let end = rest.partition_point(|(room, _)| *room == key);
        rest.get(..end).unwrap_or_default()
    }

    /// Whether a stored room that says this was gone from the node.
    pub fn is_gone(&self, key: Digest, content: Digest) -> bool {
        self.has_lost(key) && self.says(key, content)
    }

    /// Whether this room was gone from the node, whatever it said.
    pub fn has_lost(&self, key: Digest) -> bool {
        let gone = self.gone.as_ref();
        gone.is_some_and(|gone| gone.rooms.binary_search(&key).is_ok())
    }

    /// When rooms were last found to be gone; `None` if none is.
    pub fn gone_at(&self) -> Option<SystemTime> {
        let gone = self.gone.as_ref()?;
        UNIX_EPOCH.checked_add(Duration::from_secs(gone.at))
    }

    /// Those of which this is true, by the digests of their addresses and by what they said.
    pub fn only(&self, keep: impl Fn(Digest, Digest) -> bool) -> Self {
        let rooms = self.rooms.iter().filter(|(key, said)| keep(*key, *said));
        let mut left = Self {
            rooms: rooms.copied().collect(),
            gone: None,
            dropped: self.dropped.clone(),
        };
        if let Some(Gone { rooms, at }) = self.gone.as_deref() {
            let there = rooms.iter().filter(|key| !left.all_of(**key).is_empty());
            left.gone = Gone::of(there.copied().collect(), *at);
        }
        left
    }

    /// With those of the other that are not among these.
    fn with(mut self, other: &Self) -> Self {
        let others = other.rooms.iter();
        let others = others.filter(|(key, _)| self.all_of(*key).is_empty());
        let mut rooms = [&*self.rooms, &others.copied().collect::<Vec<_>>()].concat();
        rooms.sort_unstable();
        self.rooms = rooms.into();
        self
    }

    /// With those of the other, which count where both say something.
    pub fn overlaid(self, other: &Self) -> Self {
        let (gone, dropped) = (self.gone.clone(), self.dropped.clone());
        Self {
            gone,
            dropped,
            ..other.clone().with(&self)
        }
    }

    /// With those of the other: where both say something of a room, it may be either.
    pub fn or(self, other: &Self) -> Self {
        let mut rooms = [&*self.rooms, &*other.rooms].concat();
        rooms.sort_unstable();
        rooms.dedup();
        Self {
            rooms: rooms.into(),
            ..self
        }
    }

    /// The same, but that of these rooms it says this, or that there is none.
    pub fn but<'a>(&self, others: impl Iterator<Item = (&'a str, Option<Digest>)> + Clone) -> Self {
        let keys: HashSet<Digest> = others.clone().map(|(key, _)| Digest::of(&[key])).collect();
        let others = Self::of(others.filter_map(|(key, said)| Some((key, said?))));
        let rest = self.only(|key, _| !keys.contains(&key));
        rest.overlaid(&others)
    }

    /// With these beside, by the digests of their addresses and by what they said, that are to be retracted still.
    pub fn dropping(self, rooms: impl Iterator<Item = (Digest, Digest)>) -> Self {
        let before = self.dropped.iter().flatten().copied();
        let mut dropped: Vec<_> = before.chain(rooms).collect();
        dropped.sort_unstable();
        dropped.dedup();
        dropped.truncate(MAX_DROPPED);
        Self {
            dropped: (!dropped.is_empty()).then(|| dropped.into()),
            ..self
        }
    }

    /// The same, but that those of these are not to be retracted any more.
    pub fn keeping(mut self, stored: &Self) -> Self {
        let dropped = self.dropped.take();
        let dropped = dropped.iter().flatten().copied();
        self.dropping(dropped.filter(|(key, _)| !stored.knows(*key)))
    }

    /// Whether this room is to be retracted if it says this.
    pub fn has_dropped(&self, key: Digest, content: Digest) -> bool {
        let dropped = self.dropped.as_ref();
        dropped.is_some_and(|rooms| rooms.binary_search(&(key, content)).is_ok())
    }

    /// Whether this room is among them.
    pub fn knows(&self, key: Digest) -> bool {
        !self.all_of(key).is_empty()
    }

    /// Those that were in the node, by the digests of their addresses, with what they said.
    pub fn there(&self) -> impl Iterator<Item = (Digest, Digest)> {
        let rooms = self.rooms.iter().copied();
        rooms.filter(|(key, _)| !self.has_lost(*key))
    }

    /// How many rooms they are.
    pub fn count(&self) -> usize {
        self.rooms
            .chunk_by(|(room, _), (next, _)| room == next)
            .count()
    }

    /// How many bytes it takes.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.rooms) + self.dropped.as_deref().map_or(0, size_of_val)
    }

    pub fn write(&self) -> String {
        let at = self.gone.as_ref().map_or(0, |gone| gone.at);
        let mut text = format!("{} {at}", FORMATS[1]);
        for (key, content) in &self.rooms {
            text.push(' ');
            if self.has_lost(*key) {
                text.push(GONE);
            }
            text.push_str(&key.write());
            text.push_str(&content.write());
        }
        for (key, content) in self.dropped.iter().flatten() {
            text.push(' ');
            text.push_str(DROPPED);
            text.push_str(&key.write());
            text.push_str(&content.write());
        }
        text
    }

    /// The same, and no other text that was ever written.
    pub fn write_anew(&self) -> String {
        format!("{} {ANEW}{:x}", self.write(), random::number())
    }

    /// Reads such a text; `None` if it is none.
    pub fn read(text: &str) -> Option<Self> {
        let all = text.split_ascii_whitespace();
        let dropped = all.clone().filter_map(|word| word.strip_prefix(DROPPED));
        let dropped: Vec<_> = dropped.filter_map(read_room).collect();
        let mut words = all.filter(|word| !word.starts_with(ANEW));
        let at = match words.next()? {
            format if format == FORMATS[0] => 0,
            format if format == FORMATS[1] => words.next()?.parse().ok()?,
            _ => return None,
        };
        let (mut rooms, mut gone) = (Vec::new(), Vec::new());
        for word in words {
            let written = word.strip_prefix(GONE).unwrap_or(word);
            let room = read_room(written)?;
            rooms.push(room);
            gone.extend((written.len() < word.len()).then_some(room.0));
        }
        // They are looked up by halves.
        if !rooms.is_sorted_by(|before, room| before < room) {
            return None;
        }
        let base = Self {
            rooms: rooms.into(),
            gone: Gone::of(gone, at),
            dropped: None,
        };
        Some(base.dropping(dropped.into_iter()))
    }
}

/// A room as it is written, and what it said.
fn read_room(written: &str) -> Option<(Digest, Digest)> {
    let (key, content) = written.split_at_checked(Digest::LENGTH)?;
    Some((Digest::read(key)?, Digest::read(content)?))
}

impl Gone {
    /// These, in order; a room may be among them for each thing that it said.
    fn of(mut rooms: Vec<Digest>, at: u64) -> Option<Box<Self>> {
        rooms.dedup();
        let rooms: Box<[Digest]> = rooms.into();
        (!rooms.is_empty()).then(|| Box::new(Self { rooms, at }))
    }
}

/// When it was does not count: what is the same is not noted again.
impl PartialEq for Baseline {
    fn eq(&self, other: &Self) -> bool {
        let [gone, others] = [self, other].map(|it| it.gone.as_ref().map(|gone| &gone.rooms));
        self.rooms == other.rooms && gone == others && self.dropped == other.dropped
    }
}

impl Eq for Baseline {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let (a, b) = (Digest::of(&["a", ""]), Digest::of(&["", "a"]));
        let is_gone = |base: &Baseline, room, said| base.is_gone(Digest::of(&[room]), said);
        assert_ne!(a, b, "it counts which text it is");
        let base = Baseline::of([("tea@muc", a), ("chess@muc", b)].into_iter());
        let again = Baseline::read(&base.write()).unwrap();
        assert_eq!(again, base);
        assert_eq!(Baseline::read(&base.write_anew()), Some(base.clone()));
        assert_ne!(base.write_anew(), base.write_anew());
        assert_eq!(
            (again.get("tea@muc"), again.get("chess@muc")),
            (Some(a), Some(b))
        );
        assert_eq!(again.get("go@muc"), None);
        assert_eq!(
            Baseline::read(&Baseline::default().write()),
            Some(Baseline::default())
        );
        assert_eq!(
            (base.gone_at(), is_gone(&again, "tea@muc", a)),
            (None, false)
        );

        let at = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let base = base.without(["tea@muc"].into_iter(), at);
        let again = Baseline::read(&base.write()).unwrap();
        assert_eq!((&again, again.gone_at()), (&base, Some(at)));
        assert!(is_gone(&again, "tea@muc", a) && !is_gone(&again, "chess@muc", b));
        assert!(!is_gone(&again, "tea@muc", b), "it says something else now");
        let more = Baseline::of([("chess@muc", a), ("go@muc", a)].into_iter());
        let more = again.clone().with(&more);
        let found = ["tea@muc", "chess@muc", "go@muc"].map(|room| more.get(room));
        assert_eq!(
            (found, more.gone_at()),
            ([Some(a), Some(b), Some(a)], Some(at))
        );
        let other = Baseline::of([("chess@muc", a)].into_iter());
        let over = again.clone().overlaid(&other);
        assert_eq!(
            (over.get("chess@muc"), over.get("tea@muc")),
            (Some(a), Some(a))
        );
        assert_eq!(over.gone_at(), Some(at));
        let mut view = more.clone().apart(|_, content| content == b);
        let has = |view: &Baseline, room| view.had(Digest::of(&[room]), a);
        assert!(has(&view, "tea@muc") && !has(&view, "chess@muc"));
        assert_eq!(Baseline::read(&view.write()).as_ref(), Some(&view));
        assert!(view.are_there() && !view.are_there());
        let others = [("tea@muc", None), ("go@muc", None), ("chess@muc", Some(a))];
        let but = more.but(others.into_iter());
        assert_eq!(
            (but.count(), but.get("chess@muc"), but.gone_at()),
            (1, Some(a), None)
        );
        let none = again.only(|_, content| content == b);
        assert_eq!((none.count(), none.gone_at()), (1, None));
    }

    /// What is to be retracted still. A release that knows nothing of it reads the rest.
    #[test]
    fn what_is_dropped_is_written_as_what_an_older_release_passes_over() {
        let (a, b) = (Digest::of(&["a"]), Digest::of(&["b"]));
        let [tea, chess] = ["tea@muc", "chess@muc"].map(|room| Digest::of(&[room]));
        let base = Baseline::of([("go@muc", a)].into_iter());
        let note = base.clone().dropping([(tea, a), (chess, b)].into_iter());
        let again = Baseline::read(&note.write_anew()).unwrap();
        assert_eq!(again, note);
        assert!(again.has_dropped(tea, a) && again.has_dropped(chess, b));
        assert!(!again.has_dropped(tea, b), "it says something else");
        assert_ne!(note, base);
        let words = note.write();
        let known = words.split(' ').filter(|word| !word.starts_with('='));
        let known: Vec<&str> = known.collect();
        assert_eq!(Baseline::read(&known.join(" ")), Some(base));

        let kept = Baseline::of([("tea@muc", b)].into_iter());
        let left = note.keeping(&kept);
        assert!(!left.has_dropped(tea, a) && left.has_dropped(chess, b));
        let left = left.only(|_, _| false).overlaid(&kept);
        assert!(left.has_dropped(chess, b));
    }

    #[test]
    fn the_first_format_is_read() {
        let text = "bookmarks-1 97e6d008e7eed59b81afd14ea4d1ac61";
        let base = Baseline::read(text).unwrap();
        assert_eq!((base.count(), base.gone_at()), (1, None));
    }

    #[test]
    fn what_is_no_base_is_not_taken_for_one() {
        let twice = format!("bookmarks-2 1 {0} {0}", "0123456789abcdef".repeat(2));
        let strange = [
            "",
            "bookmarks-2",
            "bookmarks-3 1",
            "bookmarks-1 12",
            "bookmarks-1 xyz",
        ];
        for text in strange.into_iter().chain([&*twice]) {
            assert_eq!(Baseline::read(text), None, "{text:?}");
        }
    }
}
