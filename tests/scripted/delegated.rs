//! Requests that a server hands over (XEP-0355), and those who only pretend to be one.

use super::stage::Stage;

const V1: &str = "urn:xmpp:delegation:1";
const V2: &str = "urn:xmpp:delegation:2";
const GET: &str = "<query xmlns='jabber:iq:private'><a xmlns='urn:x'/></query>";

/// What stands in `<forwarded/>`, wrapped as the host `from` sends it.
fn wrapped(version: &str, from: &str, inner: &str) -> String {
    format!(
        "<iq type='set' id='outer' from='{from}' to='private.localhost'>\
         <delegation xmlns='{version}'><forwarded xmlns='urn:xmpp:forward:0'>{inner}</forwarded>\
         </delegation></iq>"
    )
}

/// An inner IQ of Alice's, with further attributes.
fn inner(kind: &str, attributes: &str, payload: &str) -> String {
    format!(
        "<iq xmlns='jabber:client' type='{kind}' id='inner' from='alice@localhost/phone' \
         {attributes}>{payload}</iq>"
    )
}

/// The answer that both servers accept, byte for byte but for the inner payload.
fn answer(version: &str, kind: &str, from: &str, payload: &str) -> String {
    format!(
        "<iq type='result' id='outer' from='private.localhost' to='localhost'>\
         <delegation xmlns='{version}'><forwarded xmlns='urn:xmpp:forward:0'>\
         <iq xmlns='jabber:client' type='{kind}' id='inner' from='{from}' \
         to='alice@localhost/phone'>{payload}</iq></forwarded></delegation></iq>"
    )
}

fn refusal(repeated: &str, kind: &str, code: u16, condition: &str) -> String {
    let error = format!(
        "{repeated}<error type='{kind}' code='{code}'>\
         <{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
    );
    answer(V2, "error", "alice@localhost", &error)
}

/// An error to the one who sent the outer IQ.
fn outer(to: &str, kind: &str, code: u16, condition: &str, repeated: &str) -> String {
    format!(
        "<iq type='error' id='outer' from='private.localhost' to='{to}'>{repeated}\
         <error type='{kind}' code='{code}'>\
         <{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
    )
}

/// The payload of the outer IQ, as an error repeats it.
fn payload_of(iq: &str) -> &str {
    let begin = iq.find("<delegation").unwrap();
    &iq[begin..iq.len() - "</iq>".len()]
}

#[test]
fn both_versions_are_answered_in_their_own_form() {
    let mut stage = Stage::new();
    let set = "<query xmlns='jabber:iq:private'><a xmlns='urn:x'>1</a></query>";
    for version in [V1, V2] {
        stage.send(wrapped(version, "localhost", &inner("set", "", set)));
        // Compared in bytes: white space or another order of namespaces would be dropped.
        let received = stage.next();
        assert_eq!(received, answer(version, "result", "alice@localhost", ""));
        stage.send(wrapped(version, "localhost", &inner("get", "", GET)));
        assert_eq!(
            stage.next(),
            answer(version, "result", "alice@localhost", set)
        );
    }
}

#[test]
fn the_data_is_the_same_whichever_way_it_is_asked_for() {
    let mut stage = Stage::new();
    stage.store("<a xmlns='urn:x'>1</a>");
    stage.send(wrapped(V2, "localhost", &inner("get", "", GET)));
    let value = "<query xmlns='jabber:iq:private'><a xmlns='urn:x'>1</a></query>";
    stage.expect(&answer(V2, "result", "alice@localhost", value));
}

#[test]
fn the_inner_addresses_are_echoed_as_received() {
    let mut stage = Stage::new();
    for to in [
        "alice@localhost",
        "ALICE@LocalHost",
        "alice@localhost/other",
    ] {
        stage.send(wrapped(
            V2,
            "localhost",
            &inner("get", &format!("to='{to}'"), GET),
        ));
        stage.expect(&answer(V2, "result", to, GET));
    }
}

#[test]
fn the_letter_case_of_the_host_does_not_matter() {
    let mut stage = Stage::new();
    stage.send(wrapped(V2, "LOCALHOST", &inner("get", "", GET)));
    let expected = answer(V2, "result", "alice@localhost", GET);
    stage.expect(&expected.replace("to='localhost'", "to='LOCALHOST'"));
}

#[test]
fn the_data_of_another_is_forbidden() {
    let mut stage = Stage::new();
    for to in [
        "bob@localhost",
        "localhost",
        "alice@test2.localhost",
        "private.localhost",
    ] {
        stage.send(wrapped(
            V2,
            "localhost",
            &inner("get", &format!("to='{to}'"), GET),
        ));
        let expected = refusal(GET, "auth", 403, "forbidden");
        stage.expect_error(&expected.replace(" from='alice@localhost'", &format!(" from='{to}'")));
    }
}

/// Hazard 8: a host speaks for its own users only.
#[test]
fn the_users_of_another_domain_are_forbidden() {
    let mut stage = Stage::new();
    let iq = inner("get", "", GET).replace("alice@localhost/phone", "alice@test2.localhost/phone");
    stage.send(wrapped(V2, "localhost", &iq));
    let expected = refusal(GET, "auth", 403, "forbidden");
    stage.expect_error(
        &expected
            .replace("alice@localhost/phone", "alice@test2.localhost/phone")
            .replace("from='alice@localhost'", "from='alice@test2.localhost'"),
    );
}

#[test]
fn a_domain_that_is_not_served_cannot_delegate() {
    let mut stage = Stage::new();
    let iq = inner("get", "", GET).replace("alice@localhost", "alice@elsewhere.example");
    stage.send(wrapped(V2, "elsewhere.example", &iq));
    let expected = refusal(GET, "cancel", 503, "service-unavailable");
    stage.expect_error(
        &expected
            .replace("to='localhost'", "to='elsewhere.example'")
            .replace("alice@localhost", "alice@elsewhere.example"),
    );
}

/// Hazard 8: anyone can send us what looks like a delegation; it comes with their true address.
#[test]
fn a_forged_delegation_is_forbidden_to_whoever_sent_it() {
    let mut stage = Stage::new();
    stage.store("<a xmlns='urn:x'>secret</a>");
    for from in ["mallory@localhost/x", "mallory@localhost", "localhost/x"] {
        let iq = wrapped(V2, from, &inner("get", "", GET));
        stage.send(&iq);
        stage.expect_error(&outer(from, "auth", 403, "forbidden", payload_of(&iq)));
    }
}

#[test]
fn what_is_not_private_storage_is_not_served() {
    let mut stage = Stage::new();
    let other = "<query xmlns='jabber:iq:roster'/>";
    stage.send(wrapped(V2, "localhost", &inner("get", "", other)));
    stage.expect_error(&refusal(other, "cancel", 503, "service-unavailable"));
}

#[test]
fn the_rules_of_private_storage_hold_inside() {
    let mut stage = Stage::new();
    let query = |content: &str| format!("<query xmlns='jabber:iq:private'>{content}</query>");
    for (kind, content, condition) in [
        ("get", "", "bad-format"),
        ("set", "", "not-acceptable"),
        (
            "get",
            "<a xmlns='urn:x'/><a xmlns='urn:y'/>",
            "not-acceptable",
        ),
        ("set", "<a xmlns='jabber:x'/>", "not-acceptable"),
    ] {
        stage.send(wrapped(V2, "localhost", &inner(kind, "", &query(content))));
        stage.expect_error(&refusal(&query(content), "modify", 406, condition));
    }
}

#[test]
fn an_inner_iq_with_two_payloads_or_none_is_a_bad_request_inside() {
    let mut stage = Stage::new();
    for payload in ["", &format!("{GET}{GET}")] {
        stage.send(wrapped(V2, "localhost", &inner("get", "", payload)));
        stage.expect_error(&refusal("", "modify", 400, "bad-request"));
    }
}

#[test]
fn where_no_inner_iq_can_be_read_the_server_is_told() {
    let mut stage = Stage::new();
    let good = inner("get", "", GET);
    for bad in [
        String::new(),
        format!("{good}{good}"),
        good.replace(" id='inner'", ""),
        good.replace(" from='alice@localhost/phone'", ""),
        good.replace("type='get'", "type='result'"),
        good.replace("type='get'", "type='error'"),
        good.replace("xmlns='jabber:client'", "xmlns='urn:x'"),
        "<message xmlns='jabber:client' id='inner' from='alice@localhost/phone'/>".into(),
    ] {
        let iq = wrapped(V2, "localhost", &bad);
        stage.send(&iq);
        let repeated = payload_of(&iq);
        stage.expect_error(&outer("localhost", "modify", 400, "bad-request", repeated));
    }
    let get = wrapped(V2, "localhost", &good).replacen("type='set'", "type='get'", 1);
    stage.send(&get);
    let repeated = payload_of(&get);
    stage.expect_error(&outer("localhost", "modify", 400, "bad-request", repeated));
}

/// Hazard 1, inside a delegation: the header before the fault says whom to answer.
#[test]
fn a_fault_inside_is_answered_inside() {
    let mut stage = Stage::new();
    let faulty = "<query xmlns='jabber:iq:private'><z:a/></query>";
    stage.send(wrapped(V2, "localhost", &inner("get", "", faulty)));
    stage.expect_error(&refusal("", "modify", 400, "bad-request"));
    // Even in the inner header itself, before what says whom to answer.
    let xml = "xmlns:n='http://www.w3.org/XML/1998/namespace' n:foo='1'";
    let iq = inner("get", "", GET).replace("<iq ", &format!("<iq {xml} "));
    stage.send(wrapped(V2, "localhost", &iq));
    stage.expect_error(&refusal("", "modify", 400, "bad-request"));
}

#[test]
fn white_space_between_the_wrappings_is_ignored() {
    let mut stage = Stage::new();
    let iq = wrapped(V2, "localhost", &inner("get", "", GET));
    stage.send(iq.replace("><", ">\n <"));
    stage.expect(&answer(V2, "result", "alice@localhost", GET));
}

#[test]
fn the_nested_discovery_is_answered_with_the_node_echoed() {
    let mut stage = Stage::new();
    for node in [
        "urn:xmpp:delegation:1::jabber:iq:private",
        "urn:xmpp:delegation:1:bare:jabber:iq:private",
        "urn:xmpp:delegation:2::jabber:iq:private",
        "urn:xmpp:delegation:2:bare:jabber:iq:private",
    ] {
        stage.send(format!(
            "<iq type='get' id='1' from='localhost' to='private.localhost'>\
             <query xmlns='http://jabber.org/protocol/disco#info' node='{node}'/></iq>"
        ));
        // What the host shows of it tells for how long it delegates.
        let mark = match node.contains("::") {
            true => "<feature var='urn:xmpp-private-storage:0#delegated-to-private.localhost'/>",
            false => "",
        };
        stage.expect(&format!(
            "<iq type='result' id='1' from='private.localhost' to='localhost'>\
             <query xmlns='http://jabber.org/protocol/disco#info' node='{node}'>\
             <feature var='jabber:iq:private'/>{mark}</query></iq>"
        ));
    }
}
