//! Hazard 10: peers that are there and do not do their part.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use super::stage::{Stage, get, set};
use crate::support::clock::Ticks;
use crate::support::component::{Component, Options};
use crate::support::router::{HEADER, PATIENCE, Router, Session};

/// The component gives each step of a login 30 s.
const GIVES_UP: Duration = Duration::from_secs(30).saturating_add(PATIENCE);

/// A component that is to end does so within 5 s.
const PROMISED: Duration = Duration::from_secs(7);

#[test]
fn a_router_that_says_nothing_is_given_up_and_tried_again() {
    let router = Router::new();
    let component = Component::start(Options::at(router.address()));
    let _session = router.accept();
    let line = component.wait_for_log("did not open a stream within 30 s", GIVES_UP);
    assert!(line.contains("next attempt in"), "{line}");
    router.let_in();
}

#[test]
fn a_router_that_does_not_answer_the_handshake_is_given_up_and_tried_again() {
    let router = Router::new();
    let component = Component::start(Options::at(router.address()));
    let mut session = router.accept();
    session.next();
    session.send(HEADER);
    let line = component.wait_for_log("did not complete the login within 30 s", GIVES_UP);
    assert!(line.contains("next attempt in"), "{line}");
    router.let_in();
}

#[test]
fn the_component_can_be_stopped_while_a_router_says_nothing() {
    let router = Router::new();
    let mut component = Component::start(Options::at(router.address()));
    let mut session = router.accept();
    session.next();
    let ticks = Ticks::start();
    assert_eq!(component.stop().code(), Some(0));
    assert!(ticks.passed() < PROMISED, "{:?}", ticks.passed());
}

#[test]
fn a_router_that_closes_at_once_is_not_besieged() {
    is_not_besieged(Router::accept);
}

#[test]
fn a_router_that_closes_after_every_login_is_not_besieged() {
    is_not_besieged(Router::let_in);
}

/// No busy loop: pauses of 1, 2 and 4 s, each of them shortened by half at most, are told and made.
#[track_caller]
fn is_not_besieged(takes: fn(&Router) -> Session) {
    let router = Router::new();
    let component = Component::start(Options::at(router.address()));
    let mut lost = Instant::now();
    drop(takes(&router));
    for attempt in 0..3 {
        let session = takes(&router);
        let paused = lost.elapsed();
        let told = component.pauses(attempt + 1)[attempt];
        let longest = Duration::from_secs(1 << attempt);
        assert!(told >= longest / 2 && told <= longest, "{told:?}");
        // A tenth of a second is what the log is exact to.
        let made = paused + Duration::from_millis(100);
        assert!(made >= told, "{paused:?} instead of {told:?}");
        lost = Instant::now();
        drop(session);
    }
}

/// It asks and asks and never reads an answer: the component stops reading in its turn, can be
/// stopped all the same, and says what it could not deliver.
#[test]
fn the_component_can_be_stopped_while_a_router_never_reads() {
    let mut stage = Stage::new();
    stage.store(&format!("<a xmlns='urn:x'>{}</a>", "x".repeat(300_000)));
    let mut writer = stage.handle();
    writer
        .set_write_timeout(Some(Duration::from_secs(2)))
        .expect("a socket");
    let asking = thread::spawn(move || {
        let stanzas = get("1", "<a xmlns='urn:x'/>").repeat(1000);
        (0..1000).all(|_| writer.write_all(stanzas.as_bytes()).is_ok())
    });
    let took_everything = asking.join().expect("no panic there");
    assert!(!took_everything, "it read 150 MB of requests and kept them");
    let ticks = Ticks::start();
    assert_eq!(stage.component.stop().code(), Some(0));
    assert!(ticks.passed() < PROMISED, "{:?}", ticks.passed());
    stage
        .component
        .wait_for_log("left without an answer", PATIENCE);
}

/// Whatever is still on its way to the component when it is stopped, the answers to what it has
/// read arrive.
#[test]
fn the_answers_of_a_component_that_stops_arrive_while_requests_keep_coming() {
    let mut stage = Stage::new();
    // A thousand answers or more, which a busy machine, too, takes within the time to stop.
    let value = format!("<a xmlns='urn:x'>{}</a>", "x".repeat(20_000));
    stage.send(set("set", &value));
    stage.next();
    let mut writer = stage.handle();
    let asking = thread::spawn(move || {
        let mut sent = 0;
        while writer
            .write_all(get(&sent.to_string(), "<a xmlns='urn:x'/>").as_bytes())
            .is_ok()
        {
            sent += 1;
        }
    });
    for _ in 0..10 {
        stage.next();
    }
    stage.component.terminate();
    // Nobody reads meanwhile, and all on the way fills up.
    stage.component.wait_for_log("stopping: SIGTERM", PATIENCE);
    stage.component.wait_until_idle();
    let begin = Instant::now();
    let mut last = String::new();
    let mut answers = 0;
    while let Some(piece) = stage.next_within(PATIENCE) {
        last = piece;
        answers += 1;
    }
    let log = stage.component.log().join("\n");
    assert!(
        last == "</stream:stream>",
        "the link ended {:?} later, after {answers} answers, the last of them {}\n{log}",
        begin.elapsed(),
        &last[..last.len().min(100)]
    );
    asking.join().expect("no panic there");
}

/// A component that stopped gave the server 0.4 s to read its last answers, however early it was done with
/// them. One that was slower, on a busy machine, never got them: the system takes back what a closed
/// connection has not delivered yet as soon as anything more comes on it.
#[test]
fn the_answers_of_a_component_that_stops_arrive_at_a_server_that_is_slow() {
    let mut stage = Stage::new();
    let value = format!("<a xmlns='urn:x'>{}</a>", "x".repeat(20_000));
    stage.send(set("set", &value));
    stage.next();
    let asked: Vec<String> = (0..50).map(|id| id.to_string()).collect();
    let gets: String = asked
        .iter()
        .map(|id| get(id, "<a xmlns='urn:x'/>"))
        .collect();
    stage.send(gets);
    stage.component.wait_until_idle();
    stage.component.terminate();
    stage.component.wait_for_log("stopping: SIGTERM", PATIENCE);
    thread::sleep(Duration::from_secs(1));
    stage.send(get("late", "<a xmlns='urn:x'/>"));
    for id in &asked {
        let answer = stage.next();
        assert!(answer.contains(&format!("id='{id}'")), "{answer:.100}");
    }
    assert_eq!(stage.next(), "</stream:stream>");
}
