//! A server says that an account is gone: what it had stored is deleted, and only that.

use super::stage::{Stage, request};
use crate::support::router::PATIENCE;

const NS: &str = "urn:xmpp-private-storage:0";

fn forget(from: &str, to: &str, jid: &str) -> String {
    format!(
        "<iq type='set' id='f' from='{from}' to='{to}'>{}</iq>",
        payload(jid)
    )
}

fn payload(jid: &str) -> String {
    format!("<forget xmlns='{NS}' jid='{jid}'/>")
}

fn done(to: &str) -> String {
    format!("<iq type='result' id='f' from='private.localhost' to='{to}'/>")
}

#[test]
fn what_a_deleted_account_had_stored_is_gone() {
    let mut stage = Stage::new();
    stage.store("<a xmlns='urn:x'>1</a><b xmlns='urn:y'>2</b>");
    stage.send(request(
        "set",
        "1",
        "bob@localhost",
        "<a xmlns='urn:x'>bob's</a>",
    ));
    stage.expect("<iq type='result' id='1' from='private.localhost' to='bob@localhost'/>");

    stage.send(forget("localhost", "private.localhost", "alice@localhost"));
    stage.expect(&done("localhost"));

    stage.fetch("<a xmlns='urn:x'/>", "<a xmlns='urn:x'/>");
    stage.fetch("<b xmlns='urn:y'/>", "<b xmlns='urn:y'/>");
    stage.send(request("get", "1", "bob@localhost", "<a xmlns='urn:x'/>"));
    stage.expect(
        "<iq type='result' id='1' from='private.localhost' to='bob@localhost'>\
         <query xmlns='jabber:iq:private'><a xmlns='urn:x'>bob's</a></query></iq>",
    );

    stage.component.restart();
    stage.let_in_again();
    stage.fetch("<a xmlns='urn:x'/>", "<a xmlns='urn:x'/>");
}

#[test]
fn however_its_address_is_written() {
    let mut stage = Stage::new();
    stage.store("<a xmlns='urn:x'>1</a>");
    stage.send(forget("LocalHost", "Private.localhost", "ALICE@LOCALHOST"));
    stage.expect("<iq type='result' id='f' from='Private.localhost' to='LocalHost'/>");
    stage.fetch("<a xmlns='urn:x'/>", "<a xmlns='urn:x'/>");
}

#[test]
fn who_has_nothing_is_forgotten_as_well() {
    let mut stage = Stage::new();
    for _ in 0..2 {
        stage.send(forget("localhost", "private.localhost", "nobody@localhost"));
        stage.expect(&done("localhost"));
    }
}

/// What the old owner had asked before comes before, and what the new one asks comes behind.
#[test]
fn it_takes_its_place_among_the_requests_of_its_user() {
    let mut stage = Stage::new();
    stage.store("<a xmlns='urn:x'>old</a>");
    let alice = "alice@localhost/phone";
    let get = |id: &str| request("get", id, alice, "<a xmlns='urn:x'/>");
    stage.send(
        [
            get("1"),
            request("set", "2", alice, "<b xmlns='urn:y'>old</b>"),
            forget("localhost", "private.localhost", "alice@localhost"),
            get("3"),
            request("get", "4", alice, "<b xmlns='urn:y'/>"),
            request("set", "5", alice, "<a xmlns='urn:x'>new</a>"),
            get("6"),
        ]
        .concat(),
    );
    let answer = |id: &str, payload: &str| {
        format!("<iq type='result' id='{id}' from='private.localhost' to='{alice}'>{payload}</iq>")
    };
    let query = |elements: &str| format!("<query xmlns='jabber:iq:private'>{elements}</query>");
    stage.expect(&answer("1", &query("<a xmlns='urn:x'>old</a>")));
    stage.expect(&answer("2", ""));
    stage.expect(&done("localhost"));
    stage.expect(&answer("3", &query("<a xmlns='urn:x'/>")));
    stage.expect(&answer("4", &query("<b xmlns='urn:y'/>")));
    stage.expect(&answer("5", ""));
    stage.expect(&answer("6", &query("<a xmlns='urn:x'>new</a>")));
}

#[test]
fn only_a_served_host_may_say_it_and_only_of_its_own_users() {
    let mut stage = Stage::new();
    stage.store("<a xmlns='urn:x'>kept</a>");
    let alice = "alice@localhost";
    for (from, jid, condition, kind, code) in [
        // Users: of themselves, of each other; and what only looks like a host.
        (alice, alice, "forbidden", "auth", 403),
        ("alice@localhost/phone", alice, "forbidden", "auth", 403),
        ("bob@localhost/x", alice, "forbidden", "auth", 403),
        ("localhost/x", alice, "forbidden", "auth", 403),
        // Another host, served or not.
        ("test2.localhost", alice, "forbidden", "auth", 403),
        (
            "localhost",
            "alice@test2.localhost",
            "forbidden",
            "auth",
            403,
        ),
        (
            "elsewhere.example",
            alice,
            "service-unavailable",
            "cancel",
            503,
        ),
        (
            "elsewhere.example",
            "alice@elsewhere.example",
            "service-unavailable",
            "cancel",
            503,
        ),
        (
            "private.localhost",
            alice,
            "service-unavailable",
            "cancel",
            503,
        ),
        // No account.
        ("localhost", "localhost", "jid-malformed", "modify", 400),
        (
            "localhost",
            "alice@localhost/phone",
            "jid-malformed",
            "modify",
            400,
        ),
        ("localhost", "", "jid-malformed", "modify", 400),
        ("localhost", "a b@localhost", "jid-malformed", "modify", 400),
    ] {
        stage.send(forget(from, "private.localhost", jid));
        stage.expect_error(&format!(
            "<iq type='error' id='f' from='private.localhost' to='{from}'>{}\
             <error type='{kind}' code='{code}'>\
             <{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
            payload(jid)
        ));
    }
    stage.fetch("<a xmlns='urn:x'/>", "<a xmlns='urn:x'>kept</a>");
}

#[test]
fn what_is_not_quite_that_request_deletes_nothing() {
    let mut stage = Stage::new();
    stage.store("<a xmlns='urn:x'>kept</a>");
    let whole = payload("alice@localhost");
    for (kind, to, payload, condition, of, code) in [
        (
            "get",
            "private.localhost",
            &*whole,
            "service-unavailable",
            "cancel",
            503,
        ),
        (
            "set",
            "private.localhost/x",
            &*whole,
            "service-unavailable",
            "cancel",
            503,
        ),
        (
            "set",
            "alice@private.localhost",
            &*whole,
            "service-unavailable",
            "cancel",
            503,
        ),
        (
            "set",
            "private.localhost",
            &*format!("<forget xmlns='{NS}'/>"),
            "bad-request",
            "modify",
            400,
        ),
        (
            "set",
            "private.localhost",
            "<forget xmlns='urn:xmpp-private-storage:1' jid='alice@localhost'/>",
            "service-unavailable",
            "cancel",
            503,
        ),
    ] {
        stage.send(format!(
            "<iq type='{kind}' id='f' from='localhost' to='{to}'>{payload}</iq>"
        ));
        stage.expect_error(&format!(
            "<iq type='error' id='f' from='{to}' to='localhost'>{payload}\
             <error type='{of}' code='{code}'>\
             <{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
        ));
    }
    // Nobody's server hands it over.
    let inner = format!(
        "<iq xmlns='jabber:client' type='set' id='i' from='alice@localhost/x'>{whole}</iq>"
    );
    stage.send(format!(
        "<iq type='set' id='f' from='localhost' to='private.localhost'>\
         <delegation xmlns='urn:xmpp:delegation:2'><forwarded xmlns='urn:xmpp:forward:0'>{inner}\
         </forwarded></delegation></iq>"
    ));
    let answer = stage.next();
    assert!(answer.contains("<service-unavailable"), "{answer}");
    stage.fetch("<a xmlns='urn:x'/>", "<a xmlns='urn:x'>kept</a>");
}

#[test]
fn the_log_tells_it_and_names_nobody() {
    let mut stage = Stage::new();
    stage.store("<a xmlns='urn:x'>1</a>");
    stage.send(forget("localhost", "private.localhost", "alice@localhost"));
    stage.expect(&done("localhost"));
    stage.component.wait_for_log(
        "an account of localhost was deleted: what it had stored is removed",
        PATIENCE,
    );
    let log = stage.component.log().join("\n");
    assert!(!log.contains("alice"), "{log}");
}
