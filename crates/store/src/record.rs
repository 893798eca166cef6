//! How a stored sequence lies in the database: its keys, and its versioned, checksummed records.
//!
//! A sequence is the text stored under one (owner, namespace, name). It is cut into chunks, one
//! record each, because sled never syncs what outgrows its segments (docs/internals/storage.md).
//!
//! ```text
//! key     owner 00 namespace 00 name 00 chunk number (u32, big endian)
//! first   version 01 | crc32 | elements (u32) | text length (u64) | text
//! others  version 01 | crc32 | text
//! ```
//!
//! An owner's note is such a sequence too, without elements and under `00 "note" 00 owner 00`.
//!
//! Numbers in records are little endian. The checksum covers the key too, so that a record that
//! turns up under another key counts as damaged.
//!
//! Invariants: owners, namespaces and names hold no NUL, so no key is a prefix of another's, and
//! names sort as their bytes do. Every chunk but the last is full, so the text length tells how
//! many there are.

use super::change::{Owner, Value};

/// How much text one record holds.
pub(super) const CHUNK_BYTES: usize = 64 * 1024;

/// The longest prefix (owner, namespace, name) that becomes a key. Callers refuse names long
/// before; 17 records of this size still fit a quarter of sled's segment.
const MAX_PREFIX_BYTES: usize = 16 * 1024;

const VERSION: u8 = 1;
const CHUNK_NUMBER_BYTES: usize = 4;
const HEAD_BYTES: usize = 1 + 4;
const FIRST_HEAD_BYTES: usize = HEAD_BYTES + 4 + 8;

/// What a stored sequence takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) bytes: u64,
    pub(super) elements: u64,
    pub(super) chunks: u32,
}

/// About the bytes that a sequence with this prefix takes in the database, with its keys.
pub(super) fn weight(prefix: &[u8], stored: &Stored) -> i64 {
    let each = prefix.len() + CHUNK_NUMBER_BYTES + FIRST_HEAD_BYTES;
    let all = stored.bytes + u64::from(stored.chunks) * each as u64;
    i64::try_from(all).unwrap_or(i64::MAX)
}

/// A key and its value.
pub(super) type Record = (Vec<u8>, Vec<u8>);

/// What is wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damage(pub(super) &'static str);

/// What the keys of one owner, one namespace of theirs or one sequence in it begin with.
pub(super) fn prefix(owner: &Owner, namespace: Option<&str>, name: Option<&str>) -> Vec<u8> {
    let mut prefix = Vec::with_capacity(256);
    for part in [Some(owner.as_str()), namespace, name]
        .into_iter()
        .flatten()
    {
        prefix.extend_from_slice(part.as_bytes());
        prefix.push(0);
    }
    prefix
}

/// What the keys of an owner's note begin with: a NUL, so that they are no owner's, and nothing that
/// looks at owners meets them.
pub(super) fn note_prefix(owner: &Owner) -> Vec<u8> {
    [b"\0note\0", owner.as_str().as_bytes(), b"\0"].concat()
}

/// Whether keys can be made of these.
pub(super) fn storable(owner: &Owner, namespace: &str, name: &str) -> bool {
    let parts = [owner.as_str(), namespace, name];
    parts.iter().map(|part| part.len() + 1).sum::<usize>() <= MAX_PREFIX_BYTES
        && !parts.iter().any(|part| part.contains('\0'))
}

/// The key of one chunk of the sequence with this prefix.
pub(super) fn key(prefix: &[u8], chunk: u32) -> Vec<u8> {
    let mut key = Vec::with_capacity(prefix.len() + CHUNK_NUMBER_BYTES);
    key.extend_from_slice(prefix);
    key.extend_from_slice(&chunk.to_be_bytes());
    key
}

/// A key's prefix and chunk number.
pub(super) fn split_key(key: &[u8]) -> Option<(&[u8], u32)> {
    let (prefix, chunk) = key.split_last_chunk::<CHUNK_NUMBER_BYTES>()?;
    Some((prefix, u32::from_be_bytes(*chunk)))
}

/// The namespace in a key, given how long its owner's prefix is.
pub(super) fn namespace_in(key: &[u8], owner_prefix: usize) -> Option<&str> {
    let namespace = key.get(owner_prefix..)?.split(|byte| *byte == 0).next()?;
    std::str::from_utf8(namespace).ok()
}

/// The namespace and the name in a key, given how long its owner's prefix is.
pub(super) fn names_in(key: &[u8], owner_prefix: usize) -> Option<(&str, &str)> {
    let mut parts = key.get(owner_prefix..)?.split(|byte| *byte == 0);
    let (namespace, name) = (parts.next()?, parts.next()?);
    Some((
        std::str::from_utf8(namespace).ok()?,
        std::str::from_utf8(name).ok()?,
    ))
}

/// The records of a value, to be stored under the chunk numbers from 0.
///
/// `None` if it has more chunks than can be numbered.
pub(super) fn encode(prefix: &[u8], value: &Value) -> Option<(Stored, Vec<Record>)> {
    let text = value.text.as_bytes();
    let (first, rest) = text.split_at(text.len().min(CHUNK_BYTES));
    let mut head = value.elements.to_le_bytes().to_vec();
    head.extend_from_slice(&(text.len() as u64).to_le_bytes());
    let bodies = std::iter::once((head.as_slice(), first))
        .chain(rest.chunks(CHUNK_BYTES).map(|chunk| ([].as_slice(), chunk)));
    let mut records = Vec::with_capacity(1 + rest.len() / CHUNK_BYTES);
    for (number, (head, text)) in (0_u32..).zip(bodies) {
        let key = key(prefix, number);
        let record = seal(&key, head, text);
        records.push((key, record));
    }
    let stored = Stored {
        bytes: text.len() as u64,
        elements: value.elements.into(),
        chunks: u32::try_from(records.len()).ok()?,
    };
    Some((stored, records))
}

fn seal(key: &[u8], head: &[u8], text: &[u8]) -> Vec<u8> {
    let mut record = Vec::with_capacity(HEAD_BYTES + head.len() + text.len());
    record.push(VERSION);
    record.extend_from_slice(&[0; 4]);
    record.extend_from_slice(head);
    record.extend_from_slice(text);
    let sum = checksum(key, record.get(HEAD_BYTES..).unwrap_or_default());
    if let Some(place) = record.get_mut(1..HEAD_BYTES) {
        place.copy_from_slice(&sum.to_le_bytes());
    }
    record
}

fn checksum(key: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[VERSION]);
    hasher.update(key);
    hasher.update(body);
    hasher.finalize()
}

fn open<'a>(key: &[u8], record: &'a [u8]) -> Result<&'a [u8], Damage> {
    let (version, rest) = record.split_first().ok_or(Damage("an empty record"))?;
    if *version != VERSION {
        return Err(Damage("a record of unknown version"));
    }
    let (sum, body) = rest.split_first_chunk().ok_or(Damage("a cut record"))?;
    if u32::from_le_bytes(*sum) != checksum(key, body) {
        return Err(Damage("a wrong checksum"));
    }
    Ok(body)
}

/// Reads the first record of a sequence: what the whole takes, and the first of its text.
pub(super) fn decode_first<'a>(key: &[u8], record: &'a [u8]) -> Result<(Stored, &'a [u8]), Damage> {
    let short = Damage("a cut first record");
    let (elements, body) = open(key, record)?.split_first_chunk().ok_or(short)?;
    let (bytes, text) = body.split_first_chunk().ok_or(short)?;
    let bytes = u64::from_le_bytes(*bytes);
    let chunks = bytes.div_ceil(CHUNK_BYTES as u64).max(1);
    let stored = Stored {
        bytes,
        elements: u32::from_le_bytes(*elements).into(),
        chunks: u32::try_from(chunks).map_err(|_| Damage("an impossible length"))?,
    };
    Ok((stored, text))
}

/// Reads a later record of a sequence: more of its text.
pub(super) fn decode_next<'a>(key: &[u8], record: &'a [u8]) -> Result<&'a [u8], Damage> {
    open(key, record)
}

/// Counts records that come in the order of their keys, without insisting that they are whole:
/// what is damaged must be possible to replace or delete, so it needs a size, too.
#[derive(Debug, Default)]
pub(super) struct Scale {
    /// The current sequence's first record already told the size of the whole.
    told: bool,
}

impl Scale {
    pub(super) fn weigh(&mut self, key: &[u8], record: &[u8]) -> Stored {
        let first = matches!(split_key(key), Some((_, 0)));
        if first {
            let decoded = decode_first(key, record);
            self.told = decoded.is_ok();
            if let Ok((stored, _)) = decoded {
                return stored;
            }
        } else if self.told {
            return Stored::default();
        }
        let head = if first { FIRST_HEAD_BYTES } else { HEAD_BYTES };
        Stored {
            bytes: record.len().saturating_sub(head) as u64,
            elements: 0,
            chunks: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(text: String) -> Value {
        Value { text, elements: 1 }
    }

    #[test]
    fn up_to_64_kib_is_one_record() {
        for (bytes, chunks) in [
            (0, 1),
            (1, 1),
            (65_535, 1),
            (65_536, 1),
            (65_537, 2),
            (131_073, 3),
        ] {
            let (stored, records) = encode(b"p\0", &value("x".repeat(bytes))).unwrap();
            assert_eq!(
                (stored.chunks, records.len()),
                (chunks, chunks as usize),
                "{bytes}"
            );
            let (key, record) = &records[0];
            assert_eq!(decode_first(key, record).unwrap().0, stored, "{bytes}");
        }
    }

    #[test]
    fn the_format_on_disk_stays_what_it_is() {
        let owner = Owner::new("a@b").unwrap();
        let (_, records) =
            encode(&prefix(&owner, Some("n"), Some("e")), &value("<e/>".into())).unwrap();
        assert_eq!(records[0].0, b"a@b\0n\0e\0\0\0\0\0");
        assert_eq!(
            hex::encode(&records[0].1),
            "0108df50f70100000004000000000000003c652f3e"
        );
    }

    proptest! {
        #[test]
        fn any_flipped_bit_is_noticed(text in ".{0,64}", at in any::<prop::sample::Index>(), bit in 0_u8..8) {
            let (_, mut records) = encode(b"p\0", &value(text)).unwrap();
            let (key, mut record) = records.remove(0);
            let at = at.index(record.len());
            record[at] ^= 1 << bit;
            prop_assert!(decode_first(&key, &record).is_err());
        }

        #[test]
        fn nothing_in_the_database_makes_decoding_panic(key: Vec<u8>, record: Vec<u8>) {
            let _ = decode_first(&key, &record);
            let _ = decode_next(&key, &record);
            let _ = split_key(&key);
            let _ = namespace_in(&key, 3);
            let _ = Scale::default().weigh(&key, &record);
        }
    }
}
