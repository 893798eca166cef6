//! What rooms somebody knew of at some time, and what those said: enough to tell what has changed
//! since, and no more.

use sha1::{Digest as _, Sha1};

/// Stands for a text. Two that differ have the same one by an accident of 1 in 2^64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(u64);

impl Digest {
    /// In hexadecimal digits.
    pub fn write(self) -> String {
        format!("{:016x}", self.0)
    }

    /// Reads such digits.
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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Base(Box<[(Digest, Digest)]>);

/// What a written base begins with: its format.
const FORMAT: &str = "bookmarks-1";

impl Base {
    /// That of rooms with these addresses, normalised, and this content.
    pub fn of<'a>(rooms: impl Iterator<Item = (&'a str, Digest)>) -> Self {
        let mut all: Vec<_> = rooms
            .map(|(key, content)| (Digest::of(&[key]), content))
            .collect();
        all.sort_unstable();
        Self(all.into())
    }

    /// What this room said; `None` if it was not among them.
    pub fn get(&self, key: &str) -> Option<Digest> {
        self.by_digest(Digest::of(&[key]))
    }

    /// The same, by the digest of its address.
    pub fn by_digest(&self, key: Digest) -> Option<Digest> {
        let at = self.0.binary_search_by_key(&key, |(key, _)| *key).ok()?;
        Some(self.0.get(at)?.1)
    }

    /// Those of which this is true, by the digests of their addresses and by what they said.
    pub fn only(&self, keep: impl Fn(Digest, Digest) -> bool) -> Self {
        let kept = self.0.iter().filter(|(key, content)| keep(*key, *content));
        Self(kept.copied().collect())
    }

    /// How many rooms they are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// As text.
    pub fn write(&self) -> String {
        let mut text = FORMAT.to_owned();
        for (key, content) in &self.0 {
            text.push(' ');
            text.push_str(&key.write());
            text.push_str(&content.write());
        }
        text
    }

    /// Reads such a text; `None` if it is none.
    pub fn read(text: &str) -> Option<Self> {
        let rooms = text.strip_prefix(FORMAT)?.split_ascii_whitespace();
        let rooms = rooms.map(|room| {
            let (key, content) = room.split_at_checked(16)?;
            Some((Digest::read(key)?, Digest::read(content)?))
        });
        Some(Self(rooms.collect::<Option<_>>()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let (a, b) = (Digest::of(&["a", ""]), Digest::of(&["", "a"]));
        assert_ne!(a, b, "it counts which text it is");
        let base = Base::of([("tea@muc", a), ("chess@muc", b)].into_iter());
        let again = Base::read(&base.write()).unwrap();
        assert_eq!(again, base);
        assert_eq!(
            (again.get("tea@muc"), again.get("chess@muc")),
            (Some(a), Some(b))
        );
        assert_eq!(again.get("go@muc"), None);
        assert_eq!(Base::read(&Base::default().write()), Some(Base::default()));
    }

    #[test]
    fn what_is_no_base_is_not_taken_for_one() {
        for text in ["", "bookmarks-2", "bookmarks-1 12", "bookmarks-1 xyz"] {
            assert_eq!(Base::read(text), None, "{text:?}");
        }
    }
}
