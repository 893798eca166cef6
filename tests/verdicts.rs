//! What a test may be decided by: never by how busy the machine is, and never by not being run.
//!
//! A search of the text, so it finds the usual forms only: a lower bound on what a clock shows is
//! no verdict on the machine, and is allowed; an upper bound is one.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Upper bounds on a clock's time that decide nothing about the program: what stands in the line,
/// and why.
const EXCEPTIONS: &[(&str, &str)] = &[
    (
        "begin.elapsed() < IN_TIME",
        "asks whether more may be demanded: on a busy machine less is",
    ),
    (
        "asked.elapsed() < PLAYED",
        "the clock is played, and stands still while anything is done",
    ),
];

#[test]
fn no_verdict_hangs_on_the_wall_clock() {
    let mut found = Vec::new();
    each_line_of_tests(|file, names, line| {
        let bounded = names
            .iter()
            .map(String::as_str)
            .chain(["elapsed()"])
            .any(|name| is_bounded(line, name));
        let excused = EXCEPTIONS.iter().any(|(known, _)| line.contains(known));
        // A loop for so long decides nothing yet.
        if bounded && !excused && !line.trim_start().starts_with("while ") {
            found.push(format!("{}: {}", file.display(), line.trim()));
        }
    });
    assert!(
        found.is_empty(),
        "on a busy machine these fail: count the program's work (`Component::busy`), or `Ticks`, or \
         compare with a control:\n{}",
        found.join("\n")
    );
}

#[test]
fn no_test_is_ignored() {
    let attribute = concat!("#[", "ignore");
    let mut found = Vec::new();
    each_line_of_tests(|file, _, line| {
        if line.contains(attribute) {
            found.push(file.display().to_string());
        }
    });
    assert!(
        found.is_empty(),
        "a test that needs what not every machine has belongs to a suite of a `prove` script, such as \
         `newer-servers`:\n{}",
        found.join("\n")
    );
}

/// It finds what it is to find.
#[test]
fn upper_bounds_are_told_from_lower_ones() {
    for line in [
        "assert!(begun.elapsed() < PATIENCE);",
        "begun.elapsed() <= Duration::from_secs(1),",
        "assert!(Duration::from_secs(1) > begun.elapsed());",
        "let soon = LIMIT >= asked.elapsed();",
    ] {
        assert!(is_bounded(line, "elapsed()"), "{line}");
    }
    for line in [
        "assert!(begun.elapsed() > PATIENCE);",
        "begun.elapsed() >= Duration::from_secs(1),",
        "let took = begun.elapsed();",
        "let times: Vec<Duration> = vec![begun.elapsed()];",
        "let time = |begun: Instant| -> Duration { begun.elapsed() };",
    ] {
        assert!(!is_bounded(line, "elapsed()"), "{line}");
    }
    assert!(is_bounded("assert!(took < LIMIT, \"{took:?}\");", "took"));
    assert!(!is_bounded("assert!(mistook < LIMIT);", "took"));
    assert_eq!(clocked("    let took = begun.elapsed();"), Some("took"));
    assert_eq!(clocked("    let took = ticks.passed();"), None);
}

/// Whether something is said to be less than this, which ends in an expression of that name.
fn is_bounded(line: &str, name: &str) -> bool {
    let part_of_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(name).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + name.len()..]);
        if before.ends_with(part_of_name) || after.starts_with(part_of_name) {
            return false;
        }
        // What the call is made on belongs to it.
        let before = before.trim_end_matches(|c: char| part_of_name(c) || c == '.');
        let is_less = after.starts_with(" < ") || after.starts_with(" <= ");
        is_less || before.ends_with(" > ") || before.ends_with(" >= ")
    })
}

/// The name that a line gives to what a clock shows.
fn clocked(line: &str) -> Option<&str> {
    let (name, value) = line.trim_start().strip_prefix("let ")?.split_once(" = ")?;
    let name = name.split(':').next()?.trim_start_matches("mut ");
    value.ends_with(".elapsed();").then_some(name)
}

/// Each line of each test, beside the names that its file has given to what a clock showed.
fn each_line_of_tests(mut look: impl FnMut(&Path, &BTreeSet<String>, &str)) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(&root.join("tests"), &mut files);
    collect(&root.join("src"), &mut files);
    assert!(files.len() > 100, "where are the tests?");
    for file in files
        .iter()
        .filter(|file| !file.ends_with("tests/verdicts.rs"))
    {
        let text = fs::read_to_string(file).expect("readable");
        let mut names = BTreeSet::new();
        for line in tests_in(file, &text).lines() {
            // A function begins, and with it other names.
            if line.trim_start().starts_with("fn ") {
                names.clear();
            }
            names.extend(clocked(line).map(str::to_owned));
            look(file, &names, line);
        }
    }
}

/// The part of a file that is tests.
fn tests_in<'a>(file: &Path, text: &'a str) -> &'a str {
    let is_test = |part: &std::ffi::OsStr| {
        ["tests", "tests.rs", "suite", "suite.rs"]
            .iter()
            .any(|name| part == *name)
    };
    let inside = file.strip_prefix(env!("CARGO_MANIFEST_DIR"));
    if inside.is_ok_and(|inside| inside.iter().any(is_test)) {
        return text;
    }
    text.find("#[cfg(test)]\nmod tests {")
        .map_or("", |at| &text[at..])
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
