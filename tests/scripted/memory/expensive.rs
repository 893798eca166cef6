//! Stanzas as long as allowed, and as expensive as they can be made.

use std::thread;
use std::time::Duration;

use super::{BOB, PATIENCE, WORST, growth};
use crate::scripted::stage::{Stage, set};

/// How long all of it may keep a processor busy: far too short for anything quadratic.
const MOST: Duration = Duration::from_secs(20);

/// As many of these as fit into one stanza.
fn filled(begin: &str, unit: impl Fn(usize) -> String, end: &str) -> String {
    let room = (1 << 20) - set("0", begin).len() - end.len() - 10;
    let mut elements = begin.to_owned();
    for number in 0.. {
        let unit = unit(number);
        if elements.len() + unit.len() > begin.len() + room {
            break;
        }
        elements += &unit;
    }
    elements + end
}

/// Alice sets this ten times, and Bob asks for something right behind it.
#[track_caller]
fn is_digested(elements: &str, answer: &str) {
    let limits = "[limits]\nmax_namespace_bytes = 4194304\nmax_user_open_bytes = 67108864";
    let mut stage = Stage::with(limits);
    let growth = growth(&mut stage, |stage| {
        let mut writer = stage.writer();
        let stanzas: String = (0..10).map(|n| set(&n.to_string(), elements)).collect();
        let before = stage.component.busy();
        let sending = thread::spawn(move || {
            writer.write_all(stanzas.as_bytes()).expect("it reads");
            writer.write_all(BOB.0.as_bytes()).expect("it reads");
        });
        let mut from_alice = 0;
        let mut from_bob = 0;
        while from_alice < 10 || from_bob < 1 {
            let received = stage.next_within(PATIENCE).expect("an answer in time");
            if received.starts_with(BOB.1) {
                from_bob += 1;
            } else {
                assert!(received.contains(answer), "{received}");
                from_alice += 1;
            }
        }
        sending.join().expect("all was sent");
        let busy = stage.component.busy().saturating_sub(before);
        println!("{busy:?}");
        assert!(busy < MOST, "{busy:?}");
    });
    assert!(growth < WORST, "{growth} bytes");
}

#[test]
fn a_mebibyte_of_empty_children_is_digested() {
    is_digested(
        &filled("<a xmlns='urn:x'>", |_| "<a/>".into(), "</a>"),
        "type='result'",
    );
}

#[test]
fn a_mebibyte_of_elements_to_store_is_refused() {
    is_digested(
        &filled("", |_| "<a xmlns='u'/>".into(), ""),
        "max_user_elements",
    );
}

/// Names of one to three bytes are the most that fit.
#[test]
fn a_mebibyte_of_attributes_is_digested() {
    let attribute = |number| format!(" {}=''", short_name(number));
    let elements = filled("<a xmlns='urn:x'", attribute, "/>");
    assert!(elements.matches('=').count() > 130_000);
    is_digested(&elements, "type='result'");
}

#[test]
fn a_mebibyte_of_declarations_is_digested() {
    let declaration = |number| format!(" xmlns:{}='u{number}'", short_name(number));
    let elements = filled("<a xmlns='urn:x'", declaration, ">1</a>");
    assert!(elements.matches("xmlns:").count() > 10_000);
    is_digested(&elements, "type='result'");
}

/// Each level declares again what the one above it declared.
#[test]
fn declarations_at_every_level_are_digested() {
    let declarations: String = (0..400).map(|n| format!(" xmlns:p{n}='u{n}'")).collect();
    let level = format!("<b{declarations}>");
    let open = level.repeat(100);
    let close = "</b>".repeat(100);
    is_digested(
        &format!("<a xmlns='urn:x'>{open}{close}</a>"),
        "type='result'",
    );
}

#[test]
fn a_mebibyte_of_references_is_digested() {
    is_digested(
        &filled("<a xmlns='urn:x'>", |_| "&amp;".into(), "</a>"),
        "type='result'",
    );
}

#[test]
fn a_mebibyte_of_cdata_sections_is_digested() {
    is_digested(
        &filled("<a xmlns='urn:x'>", |_| "<![CDATA[]]>".into(), "x</a>"),
        "type='result'",
    );
}

/// The shortest names that are different from each other, without `xml`.
fn short_name(number: usize) -> String {
    const FIRST: &[u8] = b"abcdefghijklmnopqrstuvwyzABCDEFGHIJKLMNOPQRSTUVWYZ_";
    const NEXT: &[u8] = b"abcdefghijklmnopqrstuvwyzABCDEFGHIJKLMNOPQRSTUVWYZ_0123456789.-";
    let mut name = vec![FIRST[number % FIRST.len()]];
    let mut rest = number / FIRST.len();
    while rest > 0 {
        rest -= 1;
        name.push(NEXT[rest % NEXT.len()]);
        rest /= NEXT.len();
    }
    String::from_utf8_lossy(&name).into_owned()
}
