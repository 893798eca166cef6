use super::*;

fn document(owner: &str, entries: &[(&str, &str, u32, &str)]) -> Document {
    let entries = entries
        .iter()
        .map(|(namespace, name, elements, text)| Entry {
            namespace: (*namespace).into(),
            name: (*name).into(),
            value: Value {
                text: (*text).into(),
                elements: *elements,
            },
        });
    Document {
        owner: Owner::new(owner).unwrap(),
        owner_data: OwnerData {
            entries: entries.collect(),
            damaged: Vec::new(),
        },
        note: Some("bookmarks-2 0".into()),
    }
}

fn documents() -> Vec<Document> {
    vec![
        document(
            "a@x",
            &[
                ("n", "a", 1, "<a xmlns='n'/>"),
                ("n", "b", 2, "<b xmlns='n'>ü</b>"),
            ],
        ),
        Document {
            owner: Owner::new("b@x").unwrap(),
            owner_data: OwnerData {
                entries: Vec::new(),
                damaged: vec![("n".into(), "lost".into())],
            },
            note: None,
        },
    ]
}

fn backup() -> Vec<u8> {
    let mut bytes = HEADER.as_bytes().to_vec();
    for document in documents() {
        assert!(write(&document, &mut bytes));
    }
    write_end(2, &mut bytes);
    bytes
}

fn read(bytes: &[u8]) -> Result<Vec<Document>, BadArchive> {
    let mut reader = Reader::of_backup(bytes)?;
    let mut all = Vec::new();
    while let Some(document) = reader.next_document()? {
        all.push(document);
    }
    Ok(all)
}

#[test]
fn what_was_written_is_read() {
    assert_eq!(read(&backup()).unwrap(), documents());
}

#[test]
fn the_format_is_what_it_was() {
    let mut bytes = Vec::new();
    write(&document("a@x", &[("n", "a", 1, "<a/>")]), &mut bytes);
    write_end(1, &mut bytes);
    assert_eq!(
        hex::encode(bytes),
        "3a0000000480b51c0300000061407801000000010000006e010000006101000000\
         040000003c612f3e00000000010000000d000000626f6f6b6d61726b732d322030\
         00000000f7df88a90100000000000000"
    );
    let first = hex::decode(
        "25000000460a7a960300000061407801000000010000006e010000006101000000\
         040000003c612f3e0000000000000000f7df88a90100000000000000",
    );
    let first = [HEADER_1.as_bytes(), &first.unwrap()].concat();
    let mut expected = document("a@x", &[("n", "a", 1, "<a/>")]);
    expected.note = None;
    assert_eq!(read(&first).unwrap(), [expected]);
}

#[test]
fn every_cut_is_noticed() {
    let whole = backup();
    for length in 0..whole.len() {
        let said = read(&whole[..length]).unwrap_err();
        assert!(
            matches!(said, BadArchive::Foreign | BadArchive::Cut(_)),
            "{length}: {said}"
        );
    }
}

#[test]
fn every_changed_byte_is_noticed() {
    let whole = backup();
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 0x11;
        assert!(read(&changed).is_err(), "{at}");
    }
}

#[test]
fn a_missing_owner_is_noticed() {
    let mut bytes = HEADER.as_bytes().to_vec();
    write(&documents()[0], &mut bytes);
    write_end(2, &mut bytes);
    assert!(matches!(read(&bytes), Err(BadArchive::Damaged(_))));
}

#[test]
fn other_files_are_told_from_other_formats() {
    assert!(matches!(
        read(b"<?xml version='1.0'?><server-data/>"),
        Err(BadArchive::Foreign)
    ));
    let newer = backup()
        .iter()
        .map(|byte| if *byte == b'2' { b'3' } else { *byte })
        .collect::<Vec<u8>>();
    assert!(matches!(read(&newer), Err(BadArchive::Newer)));
}

#[test]
fn a_length_that_lies_takes_no_memory() {
    let mut bytes = HEADER.as_bytes().to_vec();
    bytes.extend_from_slice(&u32::MAX.to_le_bytes());
    bytes.extend_from_slice(&[0; 100]);
    assert!(matches!(read(&bytes), Err(BadArchive::Cut(_))));
}
