//! Logging in, and being refused.

use std::time::Duration;

use super::stage::{Stage, get};
use crate::support::component::{Component, Options};
use crate::support::router::{HEADER, PATIENCE, Router};

/// `hex(sha1("3BF96D32" + "s3cret"))`
const DIGEST: &str = "a984b871214a298f0f743fcd25f99b10838ba12b";

#[test]
fn the_handshake_is_the_digest_of_id_and_secret_in_lower_case() {
    let router = Router::new();
    let _component = Component::start(Options::at(router.address()));
    let mut session = router.accept();
    assert_eq!(
        session.next(),
        "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' \
         xmlns:stream='http://etherx.jabber.org/streams' to='private.localhost'>"
    );
    session.send(HEADER.replace("id='it'", "id='3BF96D32'"));
    assert_eq!(session.next(), format!("<handshake>{DIGEST}</handshake>"));
}

#[test]
fn the_handshake_and_the_first_stanzas_may_come_in_one_segment() {
    let router = Router::new();
    let _component = Component::start(Options::at(router.address()));
    let first = "<handshake/>".to_owned() + &get("1", "<a xmlns='urn:x'/>");
    let mut session = router.let_in_with(HEADER, &first);
    assert!(session.next().starts_with("<iq type='result' id='1'"));
}

/// Each refusal is told in one line that says what to change, and the next attempt follows.
#[test]
fn refusals_are_told_plainly() {
    for (condition, advice) in [
        ("not-authorized", "check that component.secret"),
        ("host-unknown", "check component.jid"),
        ("conflict", "another instance"),
        ("invalid-namespace", "component port"),
        ("undefined-condition", "see the server's own log"),
    ] {
        let router = Router::new();
        let component = Component::start(Options::at(router.address()));
        let mut session = router.accept();
        session.next();
        session.send(HEADER);
        session.next();
        session.send(format!(
            "<stream:error><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>\
             <text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>in its\nown words</text>\
             </stream:error></stream:stream>"
        ));
        let line = component.wait_for_log(condition, PATIENCE);
        assert!(line.contains(advice), "{line}");
        assert!(line.contains("in its\\nown words"), "{line}");
        assert!(line.contains("next attempt in"), "{line}");
        router.let_in();
    }
}

/// It was told as another instance that is in the way, while it is this one that had to give way.
#[test]
fn a_later_connection_in_its_place_is_told_as_what_it_is() {
    let mut stage = Stage::new();
    stage.send(
        "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>\
         <text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>Replaced by a new connection</text>\
         </stream:error></stream:stream>",
    );
    let said = "lost the link: the server says conflict (\"Replaced by a new connection\"): a later \
                connection of this name has taken the place of this one";
    let line = stage.component.wait_for_log(said, PATIENCE);
    assert!(
        line.contains("kick_old") && line.contains("next attempt in"),
        "{line}"
    );
}

/// As Prosody does it for a component it does not know: no id, no `from`, all in one write.
#[test]
fn a_refusal_may_come_with_the_header() {
    let router = Router::new();
    let component = Component::start(Options::at(router.address()));
    let mut session = router.accept();
    session.next();
    session.send(
        "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' \
         xmlns:stream='http://etherx.jabber.org/streams' version='1.0' id=''><stream:error>\
         <host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>",
    );
    component.wait_for_log("check component.jid", PATIENCE);
    let sent = session.expect_end();
    assert!(sent.is_empty(), "it proved its secret for no id: {sent:?}");
}

#[test]
fn what_does_not_speak_xmpp_is_told_plainly() {
    for (greeting, why) in [
        (
            "HTTP/1.1 400 Bad Request\r\n\r\n<html><body></html>",
            "its stream has another namespace",
        ),
        (
            "<stream xmlns='urn:x' id='1'>",
            "its stream has another namespace",
        ),
        ("\u{1}\u{2}", "does not speak XMPP"),
        ("<!DOCTYPE html>", "does not speak XMPP"),
    ] {
        let router = Router::new();
        let component = Component::start(Options::at(router.address()));
        let mut session = router.accept();
        session.next();
        session.send(greeting);
        component.wait_for_log(why, PATIENCE);
    }
}

/// Hazard 10: a server that comes up later than we do, and one that refuses at once: no busy loop.
#[test]
fn it_waits_for_a_router_that_is_not_up_yet() {
    let router = Router::new();
    let address = router.address();
    drop(router);
    let component = Component::start(Options::at(address));
    component.wait_for_log("cannot connect to 127.0.0.1:", PATIENCE);
    let pauses = component.pauses(3);
    for (pause, longest) in pauses.iter().zip([1, 2, 4]) {
        let longest = Duration::from_secs(longest);
        assert!(*pause >= longest / 2 && *pause <= longest, "{pauses:?}");
    }
    assert!(component.log().len() < 10, "{:?}", component.log());
}

/// Secrets are in no log, whatever the level.
#[test]
fn the_secret_is_never_logged() {
    let stage = Stage::with("[log]\nlevel = \"trace\"");
    let log = stage.component.log().join("\n");
    assert!(!log.contains(crate::support::server::SECRET), "{log}");
}
