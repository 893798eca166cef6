//! Owners as bytes: backups, and what comes over the control socket.

use xmpp_private_storage::archive::{self, Document, Reader};
use xmpp_private_storage::owners::sound::Sound;
use xmpp_private_storage::store::{Entry, Owner, OwnerData, Value};

use super::{infoset, is_xml};

/// What a value by hand is stored under.
const KEY: (&str, &str) = ("urn:a", "a");

/// The header of a record: its length and its checksum.
const HEAD: usize = 8;

/// No panic; whatever is taken is so many whole elements of its name and namespace to two other
/// parsers, none too deep, and taken again as it is. The input is what stands in a record, behind a
/// checksum that is right.
pub fn archive(input: &[u8]) {
    let records = if is_xml(input) {
        let Ok(text) = std::str::from_utf8(input) else {
            return;
        };
        let elements = u32::try_from(text.matches("<a ").count()).unwrap_or(u32::MAX);
        written(&[("a@x", KEY, elements.max(1), text)])
    } else {
        behind_its_checksum(input)
    };
    let mut reader = Reader::of_records(&*records);
    while let Ok(Some(document)) = reader.next_document() {
        check(document);
    }
}

/// What an import brings is taken as it is.
pub fn is_taken(entries: &[(&str, &str, u32, &str)]) {
    let entries: Vec<_> = entries
        .iter()
        .map(|(namespace, name, elements, text)| ("a@x", (*namespace, *name), *elements, *text))
        .collect();
    if entries.is_empty() {
        return;
    }
    let records = written(&entries);
    let document = Reader::of_records(&*records).next_document();
    let document = document.expect("a record").expect("an owner");
    assert_eq!(
        Sound::whole(document.clone()).map(Sound::into_document),
        Ok(document)
    );
}

fn check(document: Document) {
    let (Some(sound), _) = Sound::of(document) else {
        return;
    };
    for entry in &sound.document().owner_data.entries {
        let Entry {
            namespace,
            name,
            value,
        } = entry;
        assert!(!namespace.is_empty() && namespace != "jabber:iq:private");
        let all = format!("<all>{}</all>", value.text);
        let tokens = infoset::of(all.as_bytes());
        assert!(infoset::depth(&tokens) <= 1 + 1024);
        let elements = infoset::children(&tokens);
        assert_eq!(elements.len(), value.elements as usize);
        let inside: usize = elements.iter().map(|element| element.len()).sum();
        assert_eq!(inside + 2, tokens.len(), "something beside: {}", value.text);
        for element in elements {
            assert!(element[0].opens(namespace, name));
        }
    }
    assert_eq!(Sound::whole(sound.document().clone()), Ok(sound));
}

/// The records of one owner's values.
fn written(values: &[(&str, (&str, &str), u32, &str)]) -> Vec<u8> {
    let entries = values
        .iter()
        .map(|(_, (namespace, name), elements, text)| Entry {
            namespace: (*namespace).to_owned(),
            name: (*name).to_owned(),
            value: Value {
                text: (*text).to_owned(),
                elements: *elements,
            },
        });
    let document = Document {
        owner: Owner::new(values[0].0).expect("an owner"),
        owner_data: OwnerData {
            entries: entries.collect(),
            damaged: Vec::new(),
        },
        note: None,
    };
    let mut records = Vec::new();
    assert!(archive::write(&document, &mut records));
    archive::write_end(1, &mut records);
    records
}

/// A record's body behind its length and checksum.
fn behind_its_checksum(body: &[u8]) -> Vec<u8> {
    let mut records = Vec::with_capacity(HEAD + body.len());
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    records.extend_from_slice(&length.to_le_bytes());
    records.extend_from_slice(&crc32(body).to_le_bytes());
    records.extend_from_slice(body);
    archive::write_end(1, &mut records);
    records
}

/// CRC-32 as zip has it, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg());
        }
    }
    !sum
}
