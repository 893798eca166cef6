//! Replays what the fuzzers keep (`fuzz/corpus`), without a fuzzer: each file tells of a hazard,
//! or of a bug that was found.

#[path = "../fuzz/src/lib.rs"]
mod targets;

use std::panic::catch_unwind;
use std::path::Path;

#[test]
fn archive() {
    replay("archive", targets::archive);
}

#[test]
fn bookmarks() {
    replay("bookmarks", targets::bookmarks);
}

#[test]
fn frames() {
    replay("frames", targets::frames);
}

#[test]
fn reader() {
    replay("reader", targets::reader);
}

#[test]
fn service() {
    replay("service", targets::service);
}

#[test]
fn tokens() {
    replay("tokens", targets::tokens);
}

#[test]
fn xep0227() {
    replay("xep0227", targets::xep0227);
}

#[test]
fn prosody() {
    replay("prosody", targets::prosody);
}

#[track_caller]
fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let files = std::fs::read_dir(&folder).expect("a corpus");
    let mut failed = Vec::new();
    let mut count = 0;
    for file in files {
        let path = file.expect("a file").path();
        let input = std::fs::read(&path).expect("its content");
        count += 1;
        if catch_unwind(|| check(&input)).is_err() {
            failed.push(path);
        }
    }
    assert!(count > 0, "an empty corpus: {}", folder.display());
    assert!(failed.is_empty(), "what failed is above: {failed:#?}");
}
