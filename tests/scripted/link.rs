//! The link: how it ends, and what becomes of requests meanwhile.

use std::time::{Duration, Instant};

use super::stage::{Stage, get, set};
use crate::store::faulty::FaultyDisk;
use crate::support::clock::Ticks;
use crate::support::clock::eventually;
use crate::support::component::{Component, Options};
use crate::support::router::{HEADER, PATIENCE, Router, ping_id};
use crate::support::web;

/// A server that is silent for 6 s is given up: seldom is a busy machine that slow to answer.
const SOON: &str = "ping_seconds = 3";

#[test]
fn bytes_may_come_one_at_a_time() {
    let mut stage = Stage::new();
    for byte in get("1", "<a xmlns='urn:x' k='&#xe9;'/>").as_bytes() {
        stage.send([*byte]);
    }
    assert!(stage.next().starts_with("<iq type='result' id='1'"));
}

/// Hazard 10: the end of the connection at any byte.
#[test]
fn the_connection_may_end_anywhere() {
    let stanza = set("1", "<a xmlns='urn:x' k='v'>1</a>");
    let whole = format!("{HEADER}<handshake/>{stanza}");
    for end in [0, 1, 30, HEADER.len() - 1, HEADER.len(), HEADER.len() + 5] {
        let router = Router::new();
        let component = Component::start(Options::at(router.address()));
        let mut session = router.accept();
        session.next();
        session.send(&whole[..end]);
        drop(session);
        component.wait_for_log("next attempt in", PATIENCE);
        router.let_in();
    }
}

#[test]
fn a_stanza_that_was_cut_by_the_end_is_not_carried_out() {
    let mut stage = Stage::new();
    let stanza = set("1", "<a xmlns='urn:x'>1</a>");
    stage.send(&stanza[..stanza.len() - 2]);
    stage.lose_link();
    stage.let_in_again();
    stage.fetch("<a xmlns='urn:x'/>", "<a xmlns='urn:x'/>");
}

#[test]
fn after_a_link_that_worked_the_next_attempt_comes_within_a_second() {
    let mut stage = Stage::new();
    stage.lose_link();
    let ticks = Ticks::start();
    stage.router.let_in();
    let took = ticks.passed();
    assert!(took < Duration::from_millis(1500), "{took:?}");
    assert!(stage.component.pauses(1)[0] <= Duration::from_secs(1));
    let line = stage
        .component
        .wait_for_log("the server closed the connection", PATIENCE);
    assert!(line.contains("next attempt in"), "{line}");
}

/// Hazard 11: what was read is answered, also on the next link, with the old id.
#[test]
fn requests_read_before_a_drop_are_answered_on_the_next_link() {
    let mut stage = Stage::new();
    stage.send(set("1", "<a xmlns='urn:x'>1</a>") + &get("2", "<a xmlns='urn:x'/>"));
    // The component must have read them; what it answered is left unread.
    let data = stage.component.folder().join("data");
    let answered =
        "private_storage_requests_total{kind=\"get\",outcome=\"result\",via=\"direct\"} 1";
    eventually("both are answered", || {
        web::control(&data, "/metrics").body.contains(answered)
    });
    stage.lose_link();
    stage.let_in_again();
    stage.send(get("3", "<a xmlns='urn:x'/>"));
    let mut answers = Vec::new();
    while !answers
        .iter()
        .any(|answer: &String| answer.contains("id='3'"))
    {
        answers.push(stage.next());
    }
    let last = answers.last().expect("an answer");
    assert!(last.contains(">1</a>"), "{answers:?}");
    for id in ["id='1'", "id='2'"] {
        assert!(answers.iter().any(|it| it.contains(id)), "{answers:?}");
    }
}

/// Hazard 11: what came in the same read as the end of the stream is answered before we close.
#[test]
fn requests_that_come_with_the_end_of_the_stream_are_answered_first() {
    for end in ["</stream:stream>", "<a>\0</a>", "<a></b>", "<!DOCTYPE a>"] {
        let mut stage = Stage::new();
        stage.send(set("1", "<a xmlns='urn:x'>1</a>") + &get("2", "<a xmlns='urn:x'/>") + end);
        let sent = stage.expect_end().concat();
        assert!(
            sent.contains("id='1'") && sent.contains("id='2'"),
            "{end}: {sent}"
        );
        assert!(sent.ends_with("</stream:stream>"), "{end}: {sent}");
        stage.let_in_again();
    }
}

/// What is not XML at all gets a stream error, and the link comes back.
#[test]
fn what_is_not_xml_ends_the_link_and_it_comes_back() {
    for bad in [
        b"<iq>\0</iq>".as_slice(),
        b"\x01",
        b"<iq>\xff\xfe</iq>",
        b"<iq>&#0;</iq>",
        b"<iq>&undeclared;</iq>",
        b"<iq></message>",
        b"<iq a=b/>",
        b"<!ENTITY a 'b'>",
        b"<iq>\xed\xa0\x80</iq>",
        b"<iq>]]></iq>",
        b"<1/>",
    ] {
        let mut stage = Stage::new();
        stage.send(bad);
        let sent = stage.expect_end();
        let error = "<stream:error><not-well-formed \
             xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>";
        let shown = String::from_utf8_lossy(bad);
        assert_eq!(sent, [error, "</stream:stream>"], "{shown}");
        stage.let_in_again();
    }
}

#[test]
fn sigterm_answers_what_was_read_and_closes_the_stream() {
    let disk = FaultyDisk::new();
    let mut stage = Stage::configured(|options| options.under = disk.under());
    stage.send(set("1", "<a xmlns='urn:x'>1</a>"));
    stage.next();
    disk.hang("fsync");
    stage.send(set("2", "<a xmlns='urn:x'>2</a>"));
    stage.expect_nothing();
    stage.component.terminate();
    stage.component.wait_for_log("stopping: SIGTERM", PATIENCE);
    disk.heal();
    let sent = stage.expect_end();
    let status = stage.component.stop();
    assert_eq!(status.code(), Some(0));
    assert_eq!(sent.len(), 2, "{sent:?}");
    assert!(sent[0].contains("id='2'"));
    assert_eq!(sent[1], "</stream:stream>");
    let log = stage.component.log().concat();
    assert!(
        log.contains("stopping: SIGTERM") && log.contains("stopped"),
        "{log}"
    );
}

/// A component that stopped ended the connection together with its stream. A busy Prosody found both at once, forgot to
/// end its own stream, and so nobody knew which answers had got through: after the restart a client that stored its
/// bookmarks as it had been shown them undid what a modern one had changed meanwhile.
#[test]
fn the_connection_of_a_component_that_stops_stays_until_the_server_has_ended_its_stream() {
    let stays = |_| {
        let mut stage = Stage::new();
        stage.component.terminate();
        assert_eq!(stage.next(), "</stream:stream>");
        assert_eq!(stage.next_within(Duration::from_millis(100)), None);
        // It waits for a moment still, as the last read did.
        let ends = stage.handle().peek(&mut [0]).is_ok();
        stage.send("</stream:stream>");
        assert_eq!(stage.expect_end(), [""; 0]);
        assert_eq!(stage.component.stop().code(), Some(0));
        !ends
    };
    // It does not wait for ever, so on a busy machine it may have given up.
    assert!((0..5).any(stays));
}

/// Hazard 14, in bytes: an answer is followed by as many blanks as its longest tag has bytes, however short it is: a busy
/// server may read it in two parts.
#[test]
fn an_answer_is_followed_by_blanks() {
    let mut stage = Stage::new();
    let element = format!("<a xmlns='urn:x' k='{}'/>", "v".repeat(9_000));
    stage.store(&element);
    let blanks = |sent: &str| sent.len() - sent.trim_end_matches(' ').len();
    stage.send(get("long", "<a xmlns='urn:x'/>"));
    stage.bytes_until(|sent| sent.contains(" id='long'") && blanks(sent) >= element.len());
    let tag = "<iq type='result' id='short' from='private.localhost' to='alice@localhost/phone'>";
    stage.send(get("short", "<none xmlns='urn:none'/>"));
    stage.bytes_until(|sent| sent.contains(tag) && blanks(sent) >= tag.len());
}

/// Hazard 10: a peer that neither reads nor writes, behind a connection that nobody closes.
#[test]
fn a_router_that_falls_silent_is_asked_and_given_up() {
    let mut stage = Stage::configured(|options| options.component = SOON.into());
    stage.expect_nothing(); // and the first ping is answered
    stage.answers_pings = false;
    let ticks = Ticks::start();
    let asked = stage.next();
    assert!(ping_id(&asked).is_some(), "{asked}");
    stage
        .component
        .wait_for_log("the server has been silent for ", PATIENCE);
    assert!(
        ticks.passed() < Duration::from_secs(10),
        "{:?}",
        ticks.passed()
    );
    stage.let_in_again();
    stage.send(get("back", "<a xmlns='urn:x'/>"));
    stage.next_with("id='back'");
}

/// A component that had stood still, because its container was paused, took the server for gone when it went on, and what had
/// come meanwhile was lost with the connection.
#[test]
fn what_has_come_while_the_component_stood_still_is_answered() {
    let mut stage = Stage::configured(|options| options.component = SOON.into());
    stage.expect_nothing(); // and the first ping is answered
    stage.send(get("meanwhile", "<a xmlns='urn:x'/>"));
    stage.next_with("id='meanwhile'");
    stage.component.freeze();
    stage.send(get("later", "<a xmlns='urn:x'/>"));
    std::thread::sleep(Duration::from_secs(8));
    stage.component.thaw();
    stage.next_with("id='later'");
}

/// ejabberd 24.10 to 24.12 with mod_privilege drops every ping of ours, and lives.
#[test]
fn a_router_that_answers_no_pings_is_not_given_up() {
    let router = Router::new();
    let mut options = Options::at(router.address());
    options.component = "ping_seconds = 1".into();
    let component = Component::start(options);
    let mut session = router.let_in();
    session.answers_pings = false;
    for _ in 0..4 {
        let asked = session.next();
        assert!(ping_id(&asked).is_some(), "{asked}");
    }
    let log = component.log();
    assert!(!log.concat().contains("silent"), "{log:?}");
}

/// What a half-dead link swallowed is sent again on the next one: a set that became durable is
/// never left unanswered because the link blinked.
#[test]
fn answers_that_a_dead_link_swallowed_are_sent_again() {
    let mut stage = Stage::configured(|options| options.component = SOON.into());
    stage.expect_nothing();
    stage.answers_pings = false;
    stage.send(set("1", "<a xmlns='urn:x'>1</a>"));
    stage.component.wait_for_log("silent", PATIENCE);
    stage.let_in_again();
    let answer = stage.next_with("id='1'");
    assert!(answer.contains("type='result'"), "{answer}");
}

/// A user's result with the id of our ping says nothing about the server.
#[test]
fn nobody_else_answers_for_the_router() {
    let mut stage = Stage::configured(|options| options.component = SOON.into());
    stage.expect_nothing();
    stage.answers_pings = false;
    stage.send(set("1", "<a xmlns='urn:x'>1</a>"));
    for number in 1..10 {
        stage.send(format!(
            "<iq type='result' id='alive-{number}' from='mallory@localhost/x' to='private.localhost'/>"
        ));
    }
    stage.next();
    stage.lose_link();
    stage.let_in_again();
    // Had it been taken for read, nothing would come.
    stage.next_with("id='1'");
}

/// Prosody writes what is long in two parts, with Nagle's algorithm: the second is sent when the
/// first is acknowledged, which systems put off for 40 ms.
#[test]
fn what_comes_in_parts_is_acknowledged_at_once() {
    let mut stage = Stage::new();
    let socket = stage.handle();
    socket.set_nodelay(false).expect("a socket");
    let value = format!("<a xmlns='urn:x'>{}</a>", "x".repeat(20_000));
    // Beside it, what comes whole, past those at the beginning of a connection that Linux
    // acknowledges at once whatever it is told.
    let [mut whole, mut in_parts] = [const { Vec::new() }; 2];
    for number in 0..100 {
        let set = set(&number.to_string(), &value);
        let is_whole = number % 2 == 0;
        let begun = Instant::now();
        if is_whole {
            stage.send(set);
        } else {
            let (first, second) = set.split_at(8192);
            stage.send(first);
            stage.send(second);
        }
        assert!(stage.next().contains("type='result'"));
        if number >= 50 {
            let times = if is_whole { &mut whole } else { &mut in_parts };
            times.push(begun.elapsed());
        }
    }
    // The faster ones: a busy machine makes others late, and a few are fast by luck.
    let [whole, in_parts] = [whole, in_parts].map(|mut times| {
        times.sort();
        times[times.len() / 4]
    });
    println!("{in_parts:?} in parts, {whole:?} whole");
    assert!(
        in_parts < whole + Duration::from_millis(30),
        "{in_parts:?} in parts, {whole:?} whole"
    );
}
