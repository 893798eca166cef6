//! The process is killed: by the kernel when memory runs out, by an impatient administrator. Each
//! set that was answered must be there; one that was not may be, wholly.

use super::{keeping, stage};
use crate::scripted::stage::set;

const ROUNDS: usize = 20;

/// Sets of two elements that always carry the same number, so that half a set shows.
fn pair(number: usize) -> String {
    let padding = "x".repeat(number % 7 * 500);
    format!("<a xmlns='urn:x'>{number}{padding}</a><b xmlns='urn:y'>{number}{padding}</b>")
}

#[test]
fn whenever_it_is_killed_each_acknowledged_set_is_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let (mut sent, mut acknowledged) = (0, 0);
    for round in 0..ROUNDS {
        let mut stage = stage(keeping(&data));
        if acknowledged > 0 {
            let found = (acknowledged..=sent).rev().find(|number| {
                let wanted = pair(*number).replace('\'', "\"");
                let (a, b) = wanted.split_at(wanted.find("<b").expect("two"));
                let [got_a, got_b] = ["<a xmlns='urn:x'/>", "<b xmlns='urn:y'/>"]
                    .map(|asked| super::try_get(&mut stage, asked).replace('\'', "\""));
                let whole = (got_a.contains(a), got_b.contains(b));
                assert_eq!(whole.0, whole.1, "half a set: {got_a} {got_b}");
                whole.0
            });
            assert!(
                found.is_some(),
                "round {round}: not one of {acknowledged} to {sent}"
            );
        }
        // Several under way at once, and a different number of answers read before the kill.
        for _ in 0..40 {
            sent += 1;
            stage.send(set(&format!("set-{sent}."), &pair(sent)));
        }
        for _ in 0..(round * 7) % 41 {
            let answer = stage.next();
            assert!(super::is_result(&answer), "{answer}");
            let id = answer
                .split("set-")
                .nth(1)
                .and_then(|rest| rest.split('.').next());
            acknowledged = id.and_then(|id| id.parse().ok()).expect("an id of ours");
        }
        stage.component.kill();
    }
}
