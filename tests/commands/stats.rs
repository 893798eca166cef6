//! `stats` and `compact`: the same words beside the service and without it.

use super::{done, stopped, store};
use crate::scripted::stage::Stage;

/// The lines without those on files, which grow while the service runs.
fn without_files(told: &str) -> &str {
    let (stored, files) = told.split_once("\non the disk").expect("both parts");
    assert!(files.contains("\n  db "), "{told}");
    stored
}

#[test]
fn stats_tell_domains_and_the_largest_owners() {
    let mut stage = stopped();
    let folder = stage.component.folder().to_owned();
    let told = done(&folder, &["stats"]);
    let lines: Vec<Vec<&str>> = told
        .lines()
        .map(|it| it.split_whitespace().collect())
        .collect();
    assert_eq!(lines[0], ["users", "elements", "bytes"]);
    assert_eq!(lines[1][..3], ["localhost", "2", "4"], "{told}");
    assert_eq!(lines[2][..3], ["test2.localhost", "1", "2"], "{told}");
    assert_eq!(lines[3][..3], ["altogether", "3", "6"], "{told}");
    let bytes = |line: usize| lines[line][3].parse::<u64>().expect("a number");
    assert_eq!(bytes(3), bytes(1) + bytes(2));
    assert_eq!(
        lines[5],
        ["users", "with", "the", "most", "data", "elements", "bytes"]
    );
    // With the longest address, of which one element consists.
    assert_eq!(lines[6][..2], ["otto@test2.localhost", "2"], "{told}");
    assert_eq!(lines[8][..2], ["anna@localhost", "2"], "{told}");

    stage.component.restart();
    stage.let_in_again();
    let running = done(&folder, &["stats"]);
    assert_eq!(without_files(&running), without_files(&told));
}

#[test]
fn ten_owners_are_named_at_most() {
    let mut stage = Stage::new();
    for user in 10..25 {
        let text = "x".repeat(user);
        let from = format!("u{user}@localhost/x");
        store(&mut stage, &from, &format!("<a xmlns='urn:a'>{text}</a>"));
    }
    let told = done(stage.component.folder(), &["stats"]);
    let named: Vec<&str> = told.lines().filter(|it| it.contains('@')).collect();
    assert_eq!(named.len(), 10, "{told}");
    assert!(named[0].starts_with("u24@localhost "), "{told}");
    assert!(named[9].starts_with("u15@localhost "), "{told}");
}

#[test]
fn compact_leaves_nothing_of_what_was_replaced() {
    let mut stage = Stage::new();
    let folder = stage.component.folder().to_owned();
    let database = folder.join("data/db");
    let holds = |what: &str| {
        let bytes = std::fs::read(&database).expect("the log");
        bytes
            .windows(what.len())
            .any(|part| part == what.as_bytes())
    };
    for running in [true, false] {
        let secret = format!("what nobody is to find, {running}");
        stage.store(&format!("<a xmlns='urn:a'>{secret}</a>"));
        stage.store("<a xmlns='urn:a'>nothing</a>");
        assert!(holds(&secret));
        if !running {
            assert!(stage.component.stop().success());
        }
        let said = done(&folder, &["compact"]);
        assert!(said.starts_with("compacted: the database took "), "{said}");
        assert!(!holds(&secret), "it is still there");
    }
    stage.component.restart();
    stage.let_in_again();
    stage.fetch("<a xmlns='urn:a'/>", "<a xmlns='urn:a'>nothing</a>");
}
