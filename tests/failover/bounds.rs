//! What is held while the database is away is bounded, and whoever comes then is told to wait at once.

use std::time::Duration;

use super::tally::LONGEST_WAIT;
use crate::scripted::stage::{Stage, request};
use crate::support::clock::Ticks;
use crate::support::database::{hosts, storage_on};
use crate::support::router::PATIENCE;
use xps_postgres_testing::Pair;

/// Twice as much as all open requests may take.
const SETS: usize = 700;
const BYTES: usize = 100_000;

/// So that it is not what is told after the longest wait.
const AT_ONCE: Duration = Duration::from_secs(15);

#[test]
fn more_than_can_be_held_is_told_to_wait_at_once_and_pings_are_answered() {
    let pair = Pair::start();
    let mut stage = Stage::configured(|options| options.storage = storage_on(&hosts(&pair)));
    stage.store("<a xmlns='urn:x'>1</a>");
    pair.a.freeze();

    let ticks = Ticks::start();
    let value = format!("<a xmlns='urn:x'>{}</a>", "x".repeat(BYTES));
    // A component that stops reading is found out here.
    let handle = stage.handle();
    handle.set_write_timeout(Some(PATIENCE)).expect("a socket");
    for number in 0..SETS {
        let from = format!("u{number}@localhost/it");
        stage.send(request("set", &format!("s{number}"), &from, &value));
    }
    stage.send(
        "<iq type='get' id='ping' from='localhost' to='private.localhost'>\
         <ping xmlns='urn:xmpp:ping'/></iq>",
    );
    let mut told_to_wait = 0;
    let mut is_pinged = false;
    while !is_pinged || told_to_wait == 0 {
        let answer = stage.next();
        is_pinged |= answer.contains("id='ping'");
        told_to_wait += usize::from(is_told_to_wait(&answer));
    }
    assert!(ticks.passed() <= AT_ONCE, "{:?}", ticks.passed());

    pair.a.thaw();
    let mut stored = 0;
    while stored + told_to_wait < SETS {
        let answer = stage.next();
        assert!(ticks.passed() <= LONGEST_WAIT, "{:?}", ticks.passed());
        if is_told_to_wait(&answer) {
            told_to_wait += 1;
        } else {
            assert!(answer.contains("type='result'"), "{answer}");
            stored += usize::from(answer.contains("id='s"));
        }
    }
    assert!(stored > 0, "nothing was held");
}

fn is_told_to_wait(answer: &str) -> bool {
    answer.contains("<error type='wait'") && answer.contains("<resource-constraint ")
}
