//! What was once wrong although every row of the table had its test, each with the story of how.

use std::time::Duration;

use super::stage::{Stage, error_with, get, request, set};
use crate::support::clock::Ticks;
use crate::support::router;

/// Servers normalise addresses by Unicode 3.2 and let through what is newer; the `jid` crate
/// normalises by today's Unicode and looks for what is newer only afterwards, when U+1D43 has
/// become an `a`. So whoever registered `ᵃlice` beside `alice` read and wrote what was Alice's.
#[test]
fn an_account_that_a_newer_unicode_would_call_alice_is_not_alice() {
    let mut stage = Stage::new();
    stage.store("<diary xmlns='urn:x'>Alice's own</diary>");
    for (id, namesake) in [
        "\u{1d43}lice@localhost/x",
        "alic\u{1d49}@localhost",
        "alice@loc\u{1d43}lhost",
    ]
    .into_iter()
    .enumerate()
    {
        stage.send(request(
            "get",
            &id.to_string(),
            namesake,
            "<diary xmlns='urn:x'/>",
        ));
        let answer = stage.next();
        assert!(!answer.contains("Alice's own"), "{namesake} reads {answer}");
        stage.send(request(
            "set",
            "set",
            namesake,
            "<diary xmlns='urn:x'>not hers</diary>",
        ));
        stage.next();
    }
    stage.fetch(
        "<diary xmlns='urn:x'/>",
        "<diary xmlns='urn:x'>Alice's own</diary>",
    );
}

/// The end of the process waited for the answers twice: once on the link, for a server that no
/// longer read them, and then once more for gets that could not even start, since their answers
/// had nowhere to go. That made 9 seconds of the 5 that are promised.
#[test]
fn a_router_that_stopped_reading_delays_the_end_by_5_seconds_at_most() {
    let mut stage = Stage::new();
    let value = format!("<a xmlns='urn:x'>{}</a>", "x".repeat(300_000));
    stage.store(&value);
    for id in 0..200 {
        stage.send(get(&id.to_string(), "<a xmlns='urn:x'/>"));
    }
    stage.component.wait_until_idle(); // all is full
    let ticks = Ticks::start();
    let status = stage.component.stop();
    let took = ticks.passed();
    assert!(
        status.success() && took < Duration::from_secs(6),
        "{status} after {took:?}"
    );
    stage
        .component
        .wait_for_log("left without an answer", router::PATIENCE);
}

/// How long one stanza of a megabyte may keep a processor busy before anybody else is answered. A
/// debug build is slow.
const MOST: Duration = Duration::from_millis(if cfg!(debug_assertions) { 1500 } else { 300 });

/// How long the program works before it answers the next one behind such a stanza of somebody's.
fn costs(payload: &str) -> Duration {
    let stanza =
        format!("<message from='alice@localhost' to='private.localhost'>{payload}</message>");
    assert!(
        (900_000..1_048_576).contains(&stanza.len()),
        "{}",
        stanza.len()
    );
    let mut stage = Stage::new();
    stage.expect_nothing();
    let before = stage.component.busy();
    stage.send(stanza);
    stage.expect_nothing();
    let took = stage.component.busy().saturating_sub(before);
    println!("{took:?} of {MOST:?}");
    took
}

/// Names are looked up by their hash, which is of no use where the names are long: a namespace of
/// half a megabyte was hashed again for each of its 40,000 attributes, and one user's stanza held
/// up all others for five seconds.
#[test]
fn long_namespaces_cost_nobody_else_anything() {
    let attributes = |prefixes: [&str; 2]| -> String {
        let each = |at: usize| format!(" {}:a{at}=''", prefixes[at % 2]);
        (0..40_000).map(each).collect()
    };
    let one = format!(" xmlns:p='{}'", "p".repeat(500_000));
    let two = format!(" xmlns:p='{0}' xmlns:q='{0}'", "p".repeat(230_000));
    for payload in [
        format!("<a{one}{}/>", attributes(["p", "p"])),
        format!("<a{two}{}/>", attributes(["p", "q"])),
        format!("<p:a{two}>{}</p:a>", "<q:x/>".repeat(80_000)),
    ] {
        let took = costs(&payload);
        assert!(
            took < MOST,
            "{took:?} for …{}",
            &payload[payload.len() - 50..]
        );
    }
}

/// The parser looks for the end of a text in all that it was handed, once for each kilobyte that
/// it cuts from it: plain text cost its length squared.
#[test]
fn long_text_costs_nobody_else_anything() {
    for text in ["x", "\r", "é"] {
        let took = costs(&format!(
            "<body>{}</body>",
            text.repeat(1_000_000 / text.len())
        ));
        assert!(took < MOST, "{took:?} for {text:?}");
    }
}

/// A request was held for as many bytes as it had on the wire, when what is kept for its answer
/// takes a kilobyte at least: 32 MiB of small ones took 180, for a server that did not read.
#[test]
fn small_requests_are_held_for_what_they_cost() {
    let mut stage = Stage::new();
    let one = request("get", "1", "a@localhost", "<a xmlns='u'/>");
    let taken = stage.send_until_stuck(&one.repeat(500));
    let requests = taken / one.len();
    // With what is in the buffers of two sockets, and answered already.
    assert!(requests < 220_000, "{requests} requests were taken");
}

/// Where an empty element comes twice it is a value after all, and the first was looked for among
/// all children once more: with a large limits.max_user_elements that is work squared.
#[test]
fn many_empty_elements_cost_nobody_else_anything() {
    let mut stage = Stage::with("[limits]\nmax_user_elements = 1000000\n");
    let once: String = (0..25_000).map(|n| format!("<a{n} xmlns='u'/>")).collect();
    let before = stage.component.busy();
    stage.send(set("1", &once.repeat(2)));
    stage.send(get("2", ""));
    assert!(stage.next().contains("id='2'"), "that needs no store");
    let took = stage.component.busy().saturating_sub(before);
    println!("{took:?} of {:?}", MOST / 2);
    assert!(took < MOST / 2, "{took:?}");
}

/// The children of any element were counted up to limits.max_user_elements: where that was 1, the
/// second payload of an iq was never seen, and the first was answered as if it were alone.
#[test]
fn two_payloads_are_two_however_few_elements_a_user_may_have() {
    let mut stage = Stage::with("[limits]\nmax_user_elements = 1\n");
    stage.send(
        "<iq type='get' id='1' from='alice@localhost/phone' to='private.localhost'>\
         <ping xmlns='urn:xmpp:ping'/><x xmlns='urn:x'/></iq>",
    );
    stage.expect_error(&error_with("1", "", "modify", 400, "bad-request"));
}
