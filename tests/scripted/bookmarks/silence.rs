//! A host that does not answer (ejabberd drops what it refuses): the store does, in time, and
//! nobody else waits.

use std::time::{Duration, Instant};

use super::super::metrics::Scrape;
use super::super::stage::{Stage, get, request, set};
use super::pep::*;
use crate::support::clock::Ticks;
use crate::support::router::PATIENCE;

/// That an IQ is given up is not told at info.
const DEBUG: &str = "[log]\nlevel = \"debug\"\n";

/// The store answers after 5 s: not earlier than this, by any clock, and not later than that, by one
/// that allows for a busy machine.
const EARLIEST: Duration = Duration::from_secs(4);
const LATEST: Duration = Duration::from_millis(6_500);

/// How long somebody waits for an answer.
struct Wait {
    clock: Instant,
    ticks: Ticks,
}

impl Wait {
    fn begin() -> Wait {
        Wait {
            clock: Instant::now(),
            ticks: Ticks::start(),
        }
    }

    #[track_caller]
    fn was_5_seconds(&self) {
        assert!(
            self.clock.elapsed() > EARLIEST,
            "{:?}",
            self.clock.elapsed()
        );
        self.was_at_most_5_seconds();
    }

    #[track_caller]
    fn was_at_most_5_seconds(&self) {
        assert!(self.ticks.passed() < LATEST, "{:?}", self.ticks.passed());
    }
}

fn granted() -> Stage {
    let mut stage = Stage::with(DEBUG);
    stage.send(grant("localhost"));
    stage.send(grant("test2.localhost"));
    stage
}

/// These users ask at once, and nobody is answered but by the store.
#[track_caller]
fn wait_in_vain(stage: &mut Stage, users: &[&str]) {
    let wait = Wait::begin();
    for user in users {
        stage.send(request("get", user, &format!("{user}/phone"), BOOKMARKS));
    }
    let mut left = users.len();
    while left > 0 {
        let xml = stage.next();
        match Asked::read(&xml) {
            Some(asked) => assert_eq!(asked.step, Step::Fetch),
            None => left -= 1,
        }
    }
    wait.was_5_seconds();
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
    let wait = Wait::begin();
    stage.send(get("slow", BOOKMARKS));
    let late = asked(&mut stage);

    stage.store("<a xmlns='urn:x'>1</a>");
    stage.fetch("<a xmlns='urn:x'/>", "<a xmlns='urn:x'>1</a>");
    stage.store("<storage xmlns='storage:rosternotes'>2</storage>");
    stage.send(request("get", "bob", "bob@localhost/phone", BOOKMARKS));
    let bobs = asked(&mut stage);
    stage.send(bobs.items(&item("b@muc.localhost", "B")));
    let answer = answered(&mut stage, "bob");
    assert_eq!(rooms(&answer), named(&[("b@muc.localhost", "B")]));

    let answer = answered(&mut stage, "slow");
    assert_eq!(rooms(&answer), named(&[("a@muc.localhost", "A")]));
    wait.was_5_seconds();

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
    let wait = Wait::begin();
    stage.send(set("1", &content));
    let fetch = asked(&mut stage);
    stage.send(fetch.error("error", "item-not-found"));
    asked_to_add(&mut stage);
    // Silence.
    let answer = answered(&mut stage, "1");
    assert!(answer.contains("type='result'"), "{answer}");
    wait.was_at_most_5_seconds();
    stage.send(advertisement("localhost", ""));
    stage.fetch(BOOKMARKS, &content);
}

#[test]
fn a_set_with_other_elements_beside_does_not_wait() {
    let mut stage = granted();
    let ticks = Ticks::start();
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
    assert!(ticks.passed() < EARLIEST, "{:?}", ticks.passed());
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
    let in_step = |host: &str| format!("bookmarks_in_step{{domain=\"{host}\"}}");
    let [silent, other] = ["localhost", "test2.localhost"].map(in_step);
    Scrape::of(&stage).assert(&[(&silent, 0.0), (&other, 1.0)]);
    // Another host has nothing to do with it.
    let namesake = "alice@test2.localhost/phone";
    stage.send(request("get", "3", namesake, BOOKMARKS));
    assert_eq!(asked(&mut stage).owner, "alice@test2.localhost");

    stage.lose_link();
    stage.let_in_again();
    stage.send(grant("localhost"));
    let is_new = |scrape: &Scrape| scrape.holds(&[(&silent, 1.0), (&other, 0.0)]);
    Scrape::when(&stage, is_new);
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
