//! Discovery, the small services, and what gets one reply or none.

use super::stage::{Stage, error_with};

const INFO: &str = "http://jabber.org/protocol/disco#info";

fn ask(to: &str, payload: &str) -> String {
    format!("<iq type='get' id='1' from='alice@localhost/phone' to='{to}'>{payload}</iq>")
}

fn result(payload: &str) -> String {
    format!(
        "<iq type='result' id='1' from='private.localhost' to='alice@localhost/phone'>{payload}</iq>"
    )
}

#[test]
fn discovery_names_what_is_spoken() {
    let mut stage = Stage::new();
    stage.send(ask(
        "private.localhost",
        &format!("<query xmlns='{INFO}'/>"),
    ));
    let features: String = [
        "http://jabber.org/protocol/commands",
        INFO,
        "http://jabber.org/protocol/disco#items",
        "jabber:iq:last",
        "jabber:iq:private",
        "jabber:iq:version",
        "urn:xmpp:delegation:1",
        "urn:xmpp:delegation:2",
        "urn:xmpp:ping",
        "urn:xmpp:time",
    ]
    .map(|feature| format!("<feature var='{feature}'/>"))
    .concat();
    stage.expect(&result(&format!(
        "<query xmlns='{INFO}'><identity category='store' type='generic' xml:lang='en' \
         name='Private XML Storage'/>{features}</query>"
    )));
    let items = "<query xmlns='http://jabber.org/protocol/disco#items'/>";
    stage.send(ask("private.localhost", items));
    stage.expect(&result(items));
}

#[test]
fn contact_addresses_are_told_where_configured() {
    let mut stage =
        Stage::with("[disco]\ncontact = [\"mailto:admin@example.org\"]\nos = \"Plan 9\"");
    stage.send(ask(
        "private.localhost",
        &format!("<query xmlns='{INFO}'/>"),
    ));
    let answer = stage.next();
    assert!(
        answer.contains("http://jabber.org/network/serverinfo"),
        "{answer}"
    );
    assert!(
        answer.contains("<value>mailto:admin@example.org</value>"),
        "{answer}"
    );
    stage.send(ask(
        "private.localhost",
        "<query xmlns='jabber:iq:version'/>",
    ));
    assert!(stage.next().contains("<os>Plan 9</os>"));
}

#[test]
fn unknown_nodes_are_not_found() {
    let mut stage = Stage::new();
    for payload in [
        format!("<query xmlns='{INFO}' node='x'/>"),
        format!("<query xmlns='{INFO}' node='urn:xmpp:delegation:3::jabber:iq:private'/>"),
        "<query xmlns='http://jabber.org/protocol/disco#items' node='x'/>".to_owned(),
    ] {
        stage.send(ask("private.localhost", &payload));
        stage.expect_error(&error_with("1", &payload, "cancel", 404, "item-not-found"));
    }
}

#[test]
fn the_small_services_answer_everybody() {
    let mut stage = Stage::new();
    let ping = "<ping xmlns='urn:xmpp:ping'/>";
    for from in [
        "alice@localhost/phone",
        "localhost",
        "eve@elsewhere.example",
        "private.localhost",
    ] {
        stage.send(ask("private.localhost", ping).replace("alice@localhost/phone", from));
        stage.expect(&result("").replace("alice@localhost/phone", from));
    }
    stage.send(ask(
        "private.localhost",
        "<query xmlns='jabber:iq:version'/>",
    ));
    stage.expect(&result(&format!(
        "<query xmlns='jabber:iq:version'><name>xmpp-private-storage</name>\
         <version>{}</version></query>",
        env!("CARGO_PKG_VERSION")
    )));
    stage.send(ask("private.localhost", "<query xmlns='jabber:iq:last'/>"));
    let last = stage.next();
    assert!(
        last.contains("<query xmlns='jabber:iq:last' seconds='"),
        "{last}"
    );
    stage.send(ask("private.localhost", "<time xmlns='urn:xmpp:time'/>"));
    let time = stage.next();
    assert!(
        time.contains("<tzo>+00:00</tzo>") && time.contains("Z</utc>"),
        "{time}"
    );
}

#[test]
fn at_other_addresses_of_ours_nothing_answers() {
    let mut stage = Stage::new();
    for to in ["x@private.localhost", "private.localhost/x"] {
        for payload in [
            "<ping xmlns='urn:xmpp:ping'/>".to_owned(),
            "<query xmlns='jabber:iq:version'/>".to_owned(),
            "<query xmlns='jabber:iq:last'/>".to_owned(),
            "<time xmlns='urn:xmpp:time'/>".to_owned(),
            format!("<query xmlns='{INFO}'/>"),
            "<query xmlns='http://jabber.org/protocol/disco#items'/>".to_owned(),
        ] {
            stage.send(ask(to, &payload));
            let error = error_with("1", &payload, "cancel", 503, "service-unavailable");
            stage.expect_error(&error.replace("from='private.localhost'", &format!("from='{to}'")));
        }
    }
}

#[test]
fn unknown_requests_are_unavailable() {
    let mut stage = Stage::new();
    for payload in [
        "<x xmlns='urn:unknown'>text<y a='1'/></x>",
        "<query xmlns='jabber:iq:roster'/>",
        "<storage xmlns='jabber:iq:private'/>",
        "<delegation xmlns='urn:xmpp:delegation:3'/>",
        "<x xmlns=''/>",
    ] {
        for kind in ["get", "set"] {
            let iq = ask("private.localhost", payload).replace("'get'", &format!("'{kind}'"));
            stage.send(iq);
            stage.expect_error(&error_with(
                "1",
                payload,
                "cancel",
                503,
                "service-unavailable",
            ));
        }
    }
}

#[test]
fn a_foreign_address_is_answered_from_our_own() {
    let mut stage = Stage::new();
    for to in ["elsewhere.example", "alice@localhost", "a@b@c", ""] {
        stage.send(ask(to, "<x xmlns='urn:unknown'/>"));
        stage.expect_error(&error_with(
            "1",
            "<x xmlns='urn:unknown'/>",
            "cancel",
            503,
            "service-unavailable",
        ));
    }
    stage.send(ask("PRIVATE.localhost", "<ping xmlns='urn:xmpp:ping'/>"));
    stage.expect(&result("").replace("private.localhost", "PRIVATE.localhost"));
}

/// Hazard 7: not even what no client would send ends the stream.
#[test]
fn messages_and_presences_get_no_answer() {
    let mut stage = Stage::new();
    for stanza in [
        "<message from='a@localhost/x' to='private.localhost'><body>hello</body></message>",
        "<message from='a@localhost/x' to='private.localhost' type='bogus'/>",
        "<presence from='a@localhost/x' to='private.localhost'/>",
        "<presence from='a@localhost' to='private.localhost' type='probe'/>",
        "<presence from='a@localhost' to='private.localhost' type='unsubscribe'/>",
        "<unknown/>",
        "<unknown xmlns='urn:x'/>",
    ] {
        stage.send(stanza);
        stage.expect_nothing();
    }
}

#[test]
fn a_presence_subscription_is_refused_once() {
    let mut stage = Stage::new();
    stage.send("<presence from='a@localhost/x' to='private.localhost' type='subscribe'/>");
    stage.expect("<presence from='private.localhost' to='a@localhost' type='unsubscribed'/>");
    stage.expect_nothing();
}
