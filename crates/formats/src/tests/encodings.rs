//! Encodings. Only UTF-8 was read, and the advice for all others, to convert the file with iconv, led back
//! to the same error: iconv leaves the XML declaration as it is.

use super::{lines, private};

/// A document with this in it, and an element that cannot be taken behind, so that its place is told.
fn document(encoding: &str, text: &str) -> String {
    let elements = format!("<a xmlns='x'>{text}</a>\n<b>{text}</b>");
    format!(
        "<?xml version='1.0' encoding='{encoding}'?>\n{}",
        private(&elements)
    )
}

/// What comes of it, and which byte the element is that is left out.
#[track_caller]
fn is_read_as(file: &[u8], text: &str) {
    let lines = lines(file);
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!(lines[1], format!("  1 <a xmlns='x'>{text}</a>"));
    let elements =
        lines[2].contains("f:3:1 (byte ") && lines[2].contains("no namespace of its own");
    assert!(elements, "{}", lines[2]);
    let at = lines[2]
        .split("(byte ")
        .nth(1)
        .and_then(|at| at.split(')').next()?.parse().ok());
    let at: usize = at.expect("a number");
    let found = file[at..].iter().filter(|byte| **byte != 0).take(2);
    assert_eq!(found.copied().collect::<Vec<u8>>(), b"<b", "byte {at}");
}

/// Every character a byte, which is the same as the character here, or else given.
fn single_bytes(text: &str, but: &[(char, u8)]) -> Vec<u8> {
    let byte = |c: char| {
        let given = but.iter().find(|(given, _)| *given == c);
        given.map_or_else(|| u8::try_from(c).expect("a byte"), |(_, byte)| *byte)
    };
    text.chars().map(byte).collect()
}

fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes).collect()
}

#[test]
fn one_byte_a_character() {
    let western = "f\u{fc}r \u{df}\u{ff}\u{a3}\u{a0}";
    for name in [
        "ISO-8859-1",
        "iso_8859-1",
        "Latin1",
        "windows-1252",
        "CP1252",
    ] {
        is_read_as(&single_bytes(&document(name, western), &[]), western);
    }
    let euro = [
        ('€', 0x80),
        ('Œ', 0x8c),
        ('ž', 0x9e),
        ('Ÿ', 0x9f),
        ('\u{81}', 0x81),
    ];
    let text = "€ŒžŸ\u{81}\u{e9}";
    is_read_as(&single_bytes(&document("Windows-1252", text), &euro), text);
    let euro = [('€', 0xa4), ('Š', 0xa6), ('Œ', 0xbc), ('Ÿ', 0xbe)];
    let text = "\u{e9}€ŠŒŸ";
    is_read_as(&single_bytes(&document("ISO-8859-15", text), &euro), text);
}

#[test]
fn two_bytes_a_character_or_four() {
    let text = "für €\u{1f600}\u{10ffff}\u{e000}";
    for bytes in [u16::to_le_bytes, u16::to_be_bytes] {
        for mark in ["\u{feff}", ""] {
            let document = format!("{mark}{}", document("utf-16", text));
            is_read_as(&utf16(&document, bytes), text);
        }
    }
}

/// In pieces that end anywhere, and longer than anything that is read at once.
#[test]
fn long_texts() {
    let text = "abc\u{fc}\u{20ac}\u{1f600}".repeat(9_000);
    let in_utf16 = utf16(&document("UTF-16", &text), u16::to_be_bytes);
    let text_in_latin = "abc\u{fc}\u{e9}".repeat(15_000);
    let in_latin = single_bytes(&document("latin1", &text_in_latin), &[]);
    for (file, text) in [(in_utf16, text), (in_latin, text_in_latin)] {
        let limits = crate::Limits {
            bytes: 1 << 20,
            ..super::LIMITS
        };
        let lines = super::lines_within(limits, file);
        assert!(
            lines[1] == format!("  1 <a xmlns='x'>{text}</a>"),
            "{}",
            lines[0]
        );
    }
}

#[test]
fn what_was_converted_may_declare_what_it_was() {
    for name in [
        "ISO-8859-1",
        "windows-1252",
        "KOI8-R",
        "Shift_JIS",
        "UTF-16",
        "UTF-16LE",
        "UTF-32",
        "US-ASCII",
        "utf8",
        "a; rm -rf .",
    ] {
        for text in ["plain", "für", "€", "\u{1f600}"] {
            is_read_as(document(name, text).as_bytes(), text);
            let marked = format!("\u{feff}{}", document(name, text));
            is_read_as(marked.as_bytes(), text);
        }
    }
    // Hand-made.
    is_read_as(
        document("x", "ü")
            .replace("='x'?", " = \"latin1\" standalone='no' ?")
            .as_bytes(),
        "ü",
    );
    let late = format!("\n \n{}", document("latin1", "ü"));
    assert_eq!(lines(single_bytes(&late, &[]))[1], "  1 <a xmlns='x'>ü</a>");
}

/// What begins as UTF-8 by chance, as a quotation in French may: an a, a blank that does not break, a dash.
#[test]
fn a_few_characters_do_not_make_it_utf_8() {
    let but = [('–', 0x96), ('…', 0x85), ('”', 0x94)];
    for text in ["\u{e0}\u{a0}– plus \u{e9}t\u{e9}", "\u{e9}…” \u{e9}"] {
        let document = document("windows-1252", text);
        is_read_as(&single_bytes(&document, &but), text);
    }
    // And much, with what is none only behind it.
    let long = "\u{c3}\u{bc}".repeat(20_000);
    let late = document("latin1", "#").replacen('#', &format!("{long}\u{fc}"), 1);
    assert!(
        super::lines_within(
            crate::Limits {
                bytes: 1 << 20,
                ..super::LIMITS
            },
            single_bytes(&late, &[])
        )[1]
        .starts_with("  1 <a xmlns='x'>\u{c3}\u{bc}\u{c3}")
    );
    let far = document("latin1", "#").replacen('#', &format!("{}\u{fc}", long.repeat(2)), 1);
    let lines = lines(single_bytes(&far, &[]));
    assert!(lines[0].contains("a byte that is not UTF-8"), "{lines:?}");
}

#[test]
fn what_is_not_read_is_named_with_what_to_do() {
    let declaring = |name: &str, bytes: &[u8]| {
        let document = document(name, "#");
        let (before, after) = document.split_once('#').expect("there");
        [before.as_bytes(), bytes, after.as_bytes()].concat()
    };
    let units = |units: &[u16]| {
        units
            .iter()
            .flat_map(|unit| unit.to_le_bytes())
            .collect::<Vec<u8>>()
    };
    let utf32 = |text: &str| {
        text.chars()
            .flat_map(|c| u32::from(c).to_be_bytes())
            .collect::<Vec<u8>>()
    };
    let iconv = |name: &str| format!("iconv -f {name} -t UTF-8; its XML declaration may stay");
    for (file, why) in [
        (declaring("KOI8-R", b"\xc1\xc2\xd7"), iconv("KOI8-R")),
        (declaring("Shift_JIS", b"\x83\x65"), iconv("Shift_JIS")),
        (declaring("ISO-2022-JP", b"\x1b$B%F"), iconv("ISO-2022-JP")),
        (utf32("<server-data/>"), iconv("UTF-32BE")),
        (utf32("\u{feff}<server-data/>"), iconv("UTF-32BE")),
        (b"\xff\xfe\0\0<\0\0\0".to_vec(), iconv("UTF-32LE")),
        (b"<\0\0\0".to_vec(), iconv("UTF-32LE")),
        (
            declaring("utf-8", b"\xfc"),
            "a byte that is not UTF-8".to_owned(),
        ),
        (
            declaring("us-ascii", b"\xfc"),
            "a byte that is not UTF-8".to_owned(),
        ),
        (
            declaring("a; rm", b"\xfc"),
            "a byte that is not UTF-8".to_owned(),
        ),
        (
            declaring("latin1", b"\x1b"),
            "a control character".to_owned(),
        ),
        (
            b"<server-data n='\xe2\x82".to_vec(),
            "a byte that is not UTF-8".to_owned(),
        ),
        (
            units(&[0xfeff, 0x3c, 0xd800, 0x3c]),
            "half of a character of UTF-16".to_owned(),
        ),
        (
            units(&[0xfeff, 0x3c, 0xdc00]),
            "half of a character of UTF-16".to_owned(),
        ),
        (
            units(&[0xfeff, 0x3c, 0xd800]),
            "the file ends too early".to_owned(),
        ),
        (
            b"\xff\xfe<\0a".to_vec(),
            "the file ends too early".to_owned(),
        ),
        (
            b"SQLite format 3\0\x10\0".to_vec(),
            "this is an SQL database, which is not read".to_owned(),
        ),
    ] {
        let lines = lines(file);
        let last = lines.last().expect("a problem");
        assert!(
            last.starts_with("! f:") && last.contains(&why),
            "{why}: {last}"
        );
        assert_eq!(lines.len(), 1, "{lines:?}");
    }
    let lines = lines(b"<server-data n='\xfc'/>");
    assert!(
        lines[0].starts_with("! f:1:17 (byte 16): not well-formed XML: a byte"),
        "{lines:?}"
    );
}
