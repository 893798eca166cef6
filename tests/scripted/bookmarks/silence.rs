//! A host that does not answer (ejabberd drops what it refuses): the store does, in time, and
//! nobody else waits.

use std::time::{Duration, Instant};

use super::super::stage::{Stage, get, request, set};
use super::pep::*;
use crate::support::router::PATIENCE;

/// That an IQ is given up is not told at info.
const DEBUG: &str = "[log]\nlevel = \"debug\"\n";

/// The store answers after 5 s.
const LATEST: Duration = Duration::from_millis(6_500);

fn granted() -> Stage {
    let mut stage = Stage::with(DEBUG);
    stage.send(grant("localhost"));
    stage.send(grant("test2.localhost"));
    stage
}

/// These users ask at once, and nobody is answered but by the store.
#[track_caller]
fn wait_in_vain(stage: &mut Stage, users: &[&str]) {
    for user in users {
        stage.send(request("get", user, &format!("{user}/phone"), BOOKMARKS));
    }
    let begin = Instant::now();
    let mut left = users.len();
    while left > 0 {
        let patience = LATEST.saturating_sub(begin.elapsed());
        let xml = stage.next_within(patience).expect("the store answers");
        match Asked::read(&xml) {
            Some(asked) => assert_eq!(asked.step, Step::Fetch),
            None => left -= 1,
        }
    }
    assert!(
        begin.elapsed() > Duration::from_secs(4),
        "{:?}",
        begin.elapsed()
    );
    for user in users {
        let given_up = format!("no answer about the bookmarks of {user}");
        stage.component.wait_for_log(&given_up, PATIENCE);
    }
}

#[test]
fn the_store_answers_a_get_after_5_seconds_and_other_requests_at_once() {
    let mut stage = Stage::with(DEBUG);
    let content = storage(&conference("a@muc.localhost", "A"));
    stage.store(&content);
    stage.send(grant("localhost"));
    stage.send(get("slow", BOOKMARKS));
    let begin = Instant::now();
    let late = asked(&mut stage);

    stage.store("<a xmlns='urn:x'>1</a>");
    stage.fetch("<a xmlns='urn:x'/>", "<a xmlns='urn:x'>1</a>");
    stage.store("<storage xmlns='storage:rosternotes'>2</storage>");
    stage.send(request("get", "bob", "bob@localhost/phone", BOOKMARKS));
    let bobs = asked(&mut stage);
    stage.send(bobs.items(&item("b@muc.localhost", "B")));
    let answer = answered(&mut stage, "bob");
    assert_eq!(rooms(&answer), named(&[("b@muc.localhost", "B")]));
    assert!(
        begin.elapsed() < Duration::from_secs(4),
        "{:?}",
        begin.elapsed()
    );

    let answer = answered_within(&mut stage, "slow", LATEST.saturating_sub(begin.elapsed()));
    assert_eq!(rooms(&answer), named(&[("a@muc.localhost", "A")]));
    assert!(
        begin.elapsed() > Duration::from_secs(4),
        "{:?}",
        begin.elapsed()
    );

    // Its answer comes when nobody waits for it any more.
    let given_up = "no answer about the bookmarks of alice@localhost";
    stage.component.wait_for_log(given_up, PATIENCE);
    stage.send(late.items(&item("late@muc.localhost", "Late")));
    stage.expect_nothing();
}

/// What is stored is durable long before; only the client's wait has an end.
#[test]
fn a_set_of_bookmarks_is_answered_5_seconds_later_at_the_latest() {
    let mut stage = granted();
    let room = |number| conference(&format!("r{number}@muc.localhost"), "R");
    let content = storage(&(0..5).map(room).collect::<String>());
    let begin = Instant::now();
    stage.send(set("1", &content));
    let fetch = asked(&mut stage);
    stage.send(fetch.error("error", "item-not-found"));
    assert!(matches!(asked(&mut stage).step, Step::Publish(_)));
    // Silence.
    let answer = answered_within(&mut stage, "1", LATEST.saturating_sub(begin.elapsed()));
    assert!(answer.contains("type='result'"), "{answer}");
    stage.send(advertisement("localhost", ""));
    stage.fetch(BOOKMARKS, &content);
}

#[test]
fn a_set_with_other_elements_beside_does_not_wait() {
    let mut stage = granted();
    let begin = Instant::now();
    let mixed = storage(&conference("a@muc.localhost", "A")) + "<a xmlns='urn:x'>1</a>";
    stage.send(set("1", &mixed));
    loop {
        let xml = stage.next();
        if Asked::read(&xml).is_none() {
            assert!(
                xml.contains("type='result'") && xml.contains("id='1'"),
                "{xml}"
            );
            break;
        }
    }
    assert!(
        begin.elapsed() < Duration::from_secs(3),
        "{:?}",
        begin.elapsed()
    );
}

#[test]
fn after_three_users_without_an_answer_the_store_answers_at_once_for_the_whole_host() {
    let mut stage = granted();
    wait_in_vain(
        &mut stage,
        &["u1@localhost", "u2@localhost", "u3@localhost"],
    );
    for user in [ALICE, "u1@localhost"] {
        stage.send(request("get", "1", &format!("{user}/phone"), BOOKMARKS));
        answered(&mut stage, "1");
    }
    stage.send(set("2", &storage(&conference("a@muc.localhost", "A"))));
    assert!(answered(&mut stage, "2").contains("type='result'"));
    // Another host has nothing to do with it.
    let namesake = "alice@test2.localhost/phone";
    stage.send(request("get", "3", namesake, BOOKMARKS));
    assert_eq!(asked(&mut stage).owner, "alice@test2.localhost");
}

#[test]
fn an_answer_in_between_starts_the_count_anew() {
    let mut stage = granted();
    wait_in_vain(&mut stage, &["u1@localhost", "u2@localhost"]);
    stage.send(get("1", BOOKMARKS));
    let fetch = asked(&mut stage);
    stage.send(fetch.error("error", "item-not-found"));
    answered(&mut stage, "1");
    wait_in_vain(&mut stage, &["u3@localhost", "u4@localhost"]);
    stage.send(get("2", BOOKMARKS));
    assert_eq!(asked(&mut stage).step, Step::Fetch);
}

/// One user's node at which PEP fails took bookmarks from the whole host, a minute for each three
/// requests.
#[test]
fn after_three_times_no_answer_about_one_user_the_store_answers_that_user_alone() {
    let mut stage = granted();
    for _ in 0..3 {
        wait_in_vain(&mut stage, &["u1@localhost"]);
    }
    stage.send(request("get", "1", "u1@localhost/phone", BOOKMARKS));
    answered(&mut stage, "1");
    stage.send(get("2", BOOKMARKS));
    assert_eq!(asked(&mut stage).owner, ALICE);
    let log = stage.component.log().concat();
    assert!(!log.contains("does not answer requests"), "{log}");
}
