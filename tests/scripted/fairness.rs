//! Hazards 12 and 13: one user who asks for a lot waits, and nobody else does.

use super::stage::{Stage, get, request, set};
use crate::store::faulty::FaultyDisk;

/// Values of 100 KB, asked for again and again.
fn flood(stage: &mut Stage, gets: usize) {
    let large = format!("<a xmlns='urn:x'>{}</a>", "x".repeat(100_000));
    stage.store(&large);
    let asked: String = (0..gets)
        .map(|number| get(&format!("flood-{number}"), "<a xmlns='urn:x'/>"))
        .collect();
    stage.send(asked);
}

#[test]
fn a_flood_of_gets_does_not_hold_up_another_user() {
    let mut stage = Stage::new();
    flood(&mut stage, 1000);
    stage.send(request(
        "get",
        "bob",
        "bob@localhost/x",
        "<b xmlns='urn:x'/>",
    ));
    let mut before = 0;
    while !stage.next().contains("id='bob'") {
        before += 1;
    }
    // Some of the flood was answered while it was still being read.
    assert!(before < 500, "{before} answers came first");
    for _ in before..1000 {
        assert!(stage.next().contains("id='flood-"));
    }
}

#[test]
fn a_flood_of_sets_does_not_hold_up_another_user() {
    // On a disk so slow that all is read before anything is stored.
    let disk = FaultyDisk::new();
    let mut stage = Stage::configured(|options| {
        options.extra = "[limits]\nmax_user_open_bytes = 33554432\n".to_owned();
        options.under = disk.under();
    });
    disk.hang("fsync");
    let large = "x".repeat(20_000);
    let mut flood = String::new();
    for number in 0..500 {
        let value = format!("<a xmlns='urn:x' n='{number}'>{large}</a>");
        flood += &set(&format!("flood-{number}"), &value);
    }
    flood += &request("set", "bob", "bob@localhost/x", "<b xmlns='urn:x'>1</b>");
    stage.send(flood);
    stage.expect_nothing();
    disk.heal();
    let mut before = 0;
    while !stage.next().contains("id='bob'") {
        before += 1;
    }
    assert!(before < 400, "{before} answers came first");
    for number in before..500 {
        assert!(stage.next().contains(&format!("id='flood-{number}'")));
    }
}

#[test]
fn what_is_over_a_users_share_is_refused_by_name_and_the_rest_carried_out() {
    let disk = FaultyDisk::new();
    let mut stage = Stage::configured(|options| {
        options.extra = "[limits]\nmax_user_open_bytes = 50000\n".to_owned();
        options.under = disk.under();
    });
    let large = "x".repeat(20_000);
    let mut flood = String::new();
    for number in 0..50 {
        let value = format!("<a xmlns='urn:x' n='{number}'>{large}</a>");
        flood += &set(&format!("flood-{number}"), &value);
    }
    // All of it is read before the first is on the disk.
    disk.hang("fsync");
    stage.send(flood);
    let mut answers = vec![stage.next()];
    disk.heal();
    answers.extend((1..50).map(|_| stage.next()));
    let refused = |answer: &&String| answer.contains("limits.max_user_open_bytes is 50000");
    let carried_out = |answer: &&String| answer.contains("type='result'");
    let (refused, carried_out) = (
        answers.iter().filter(refused).count(),
        answers.iter().filter(carried_out).count(),
    );
    assert!(
        refused > 0 && carried_out > 0,
        "{refused} and {carried_out}"
    );
    assert_eq!(refused + carried_out, 50, "{answers:?}");
}

/// A request larger than the whole share is carried out all the same, when nothing else is open.
#[test]
fn one_request_is_always_taken() {
    let mut stage = Stage::with("[limits]\nmax_user_open_bytes = 1024\n");
    stage.store(&format!("<a xmlns='urn:x'>{}</a>", "x".repeat(20_000)));
}
