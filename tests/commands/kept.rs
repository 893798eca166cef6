//! Whatever users have stored comes back from a backup, to the byte: no check that a restore makes
//! may ever be in its way.

use std::fs;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, TestRunner};

use super::{all_in, data, done, place};
use crate::fidelity::{infoset, writing};
use crate::scripted::stage::{Stage, request};

/// How many sets, each of any elements, written in any way.
const SETS: usize = 1_000;

/// Who stores them, as their servers say it; the resource is not looked at.
const USERS: [&str; 8] = [
    "alice@localhost/phone",
    "ALICE@Localhost/x",
    "j\u{fc}rgen@localhost/b/c",
    "\u{1f600}@localhost/d",
    "\u{1d43}lice@localhost/e",
    "stra\u{df}e@localhost/f",
    "per%20cent+$%@test2.localhost/g",
    "\u{627}\u{301}@localhost/h",
];

#[test]
fn whatever_was_stored_comes_back_to_the_byte() {
    let mut stage = Stage::with(
        "[limits]\nmax_depth = 1024\nmax_user_elements = 1000000\nmax_user_bytes = 1000000000",
    );
    let config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new(config);
    let sets = (infoset::stored(), writing::styles());
    for number in 0..SETS {
        let (elements, styles) = sets.new_tree(&mut runner).expect("a set").current();
        let elements: String = elements
            .iter()
            .map(|element| writing::write(element, &styles))
            .collect();
        let user = USERS[number % USERS.len()];
        stage.send(request("set", "1", user, &elements));
        let answer = stage.next();
        assert!(answer.contains("type='result'"), "{elements}\n{answer}");
    }
    let deep = format!(
        "<a xmlns='urn:deep'>{}{}</a>",
        "<b>".repeat(1023),
        "</b>".repeat(1023)
    );
    stage.send(request("set", "2", USERS[0], &deep));
    let answer = stage.next();
    assert!(answer.contains("type='result'"), "{answer}");

    let folder = stage.component.folder().to_owned();
    let said = done(&folder, &["backup", "all.backup"]);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(stage.component.stop().success());
    let stored = all_in(&data(&stage));
    assert_eq!(stored.len(), USERS.len() - 1, "Alice is one");
    assert!(
        stored
            .iter()
            .map(|(_, all)| all.entries.len())
            .sum::<usize>()
            > SETS / 3
    );

    let other = place();
    let backup = folder.join("all.backup");
    let said = done(other.path(), &["restore", backup.to_str().expect("UTF-8")]);
    assert!(!said.contains("bad"), "{said}");
    assert_eq!(all_in(&other.path().join("data")), stored);
    done(other.path(), &["backup", "again.backup"]);
    let again = fs::read(other.path().join("again.backup")).expect("a backup");
    assert!(fs::read(backup).expect("a backup") == again, "other bytes");
}
