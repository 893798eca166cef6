//! Who asks, whom they ask, and by what id: whose data it is, and where the answer goes.

use super::stage::{Stage, error, error_with, get, request, set};

#[test]
fn the_data_of_another_is_forbidden() {
    let mut stage = Stage::new();
    stage.store("<a xmlns='urn:x'>secret</a>");
    let query = "<query xmlns='jabber:iq:private'><a xmlns='urn:x'/></query>";
    for (from, to, answering) in [
        ("bob@localhost/x", "alice@localhost", "private.localhost"),
        (
            "bob@localhost/x",
            "alice@private.localhost",
            "alice@private.localhost",
        ),
        (
            "bob@localhost/x",
            "private.localhost/alice",
            "private.localhost/alice",
        ),
        ("localhost", "private.localhost", "private.localhost"),
        (
            "test2.localhost/x",
            "private.localhost",
            "private.localhost",
        ),
        ("alice@localhost/x", "bob@localhost", "private.localhost"),
    ] {
        for kind in ["get", "set"] {
            stage.send(format!(
                "<iq type='{kind}' id='1' from='{from}' to='{to}'>{query}</iq>"
            ));
            stage.expect_error(&format!(
                "<iq type='error' id='1' from='{answering}' to='{from}'>{query}\
                 <error type='auth' code='403'>\
                 <forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
            ));
        }
    }
    stage.fetch("<a xmlns='urn:x'/>", "<a xmlns='urn:x'>secret</a>");
}

#[test]
fn users_never_meet_each_others_data() {
    let mut stage = Stage::new();
    stage.store("<a xmlns='urn:x'>alice's</a>");
    for other in [
        "bob@localhost/x",
        "alice@test2.localhost/x",
        "alic@localhost",
        "alicee@localhost",
    ] {
        stage.send(request("get", "1", other, "<a xmlns='urn:x'/>"));
        stage.expect(&format!(
            "<iq type='result' id='1' from='private.localhost' to='{other}'>\
             <query xmlns='jabber:iq:private'><a xmlns='urn:x'/></query></iq>"
        ));
    }
}

#[test]
fn a_domain_that_is_not_served_is_told_so_and_nothing_is_stored() {
    let mut stage = Stage::new();
    let query = "<query xmlns='jabber:iq:private'><a xmlns='urn:x'>1</a></query>";
    for from in ["alice@elsewhere.example/x", "elsewhere.example"] {
        stage.send(request("set", "1", from, "<a xmlns='urn:x'>1</a>"));
        stage.expect_error(&format!(
            "<iq type='error' id='1' from='private.localhost' to='{from}'>{query}\
             <error type='cancel' code='503'>\
             <service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
        ));
    }
}

#[test]
fn variants_of_one_address_are_one_owner() {
    let mut stage = Stage::new();
    stage.store("<a xmlns='urn:x'>1</a>");
    for from in [
        "ALICE@localhost/x",
        "alice@LocalHost",
        "\u{ff41}lice@localhost/\u{1f600} /x",
    ] {
        stage.send(request("get", "1", from, "<a xmlns='urn:x'/>"));
        stage.expect(&format!(
            "<iq type='result' id='1' from='private.localhost' to='{from}'>\
             <query xmlns='jabber:iq:private'><a xmlns='urn:x'>1</a></query></iq>"
        ));
    }
}

/// Accounts that Prosody lets log in and the `jid` crate refuses.
#[test]
fn accounts_that_jid_refuses_are_owners_byte_for_byte() {
    let mut stage = Stage::new();
    for (number, from) in [
        "\u{1f600}@localhost",
        "\u{1e9e}@localhost/x",
        "\u{221}@localhost",
    ]
    .into_iter()
    .enumerate()
    {
        let value = format!("<a xmlns='urn:x'>{number}</a>");
        stage.send(request("set", "1", from, &value));
        stage.expect(&format!(
            "<iq type='result' id='1' from='private.localhost' to='{from}'/>"
        ));
        stage.send(request("get", "2", from, "<a xmlns='urn:x'/>"));
        stage.expect(&format!(
            "<iq type='result' id='2' from='private.localhost' to='{from}'>\
             <query xmlns='jabber:iq:private'>{value}</query></iq>"
        ));
    }
}

#[test]
fn what_is_no_address_is_jid_malformed() {
    let mut stage = Stage::new();
    let query = "<query xmlns='jabber:iq:private'><a xmlns='urn:x'/></query>";
    for from in [
        "@localhost",
        "alice@",
        "al ice@localhost",
        "al:ice@localhost",
        "a@b@localhost",
    ] {
        stage.send(request("get", "1", from, "<a xmlns='urn:x'/>"));
        stage.expect_error(&format!(
            "<iq type='error' id='1' from='private.localhost' to='{from}'>{query}\
             <error type='modify' code='400'>\
             <jid-malformed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
        ));
    }
}

#[test]
fn what_is_no_iq_is_a_bad_request() {
    let mut stage = Stage::new();
    let query = "<query xmlns='jabber:iq:private'><a xmlns='urn:x'/></query>";
    let ping = "<ping xmlns='urn:xmpp:ping'/>";
    let from_to = "from='alice@localhost/phone' to='private.localhost'";
    for iq in [
        format!("<iq type='get' id='1' {from_to}>{query}{ping}</iq>"),
        format!("<iq type='get' id='1' {from_to}/>"),
        format!("<iq type='bogus' id='1' {from_to}>{query}</iq>"),
        format!("<iq id='1' {from_to}>{query}</iq>"),
    ] {
        stage.send(&iq);
        stage.expect_error(&error_with("1", "", "modify", 400, "bad-request"));
    }
    stage.send(format!("<iq type='get' {from_to}>{query}</iq>"));
    let without_id = error_with("1", "", "modify", 400, "bad-request").replace(" id='1'", "");
    stage.expect_error(&without_id);
}

#[test]
fn what_cannot_be_answered_is_dropped() {
    let mut stage = Stage::new();
    let query = "<query xmlns='jabber:iq:private'><a xmlns='urn:x'/></query>";
    for iq in [
        format!("<iq type='get' id='1' to='private.localhost'>{query}</iq>"),
        format!("<iq type='get' id='1' from='' to='private.localhost'>{query}</iq>"),
        format!("<iq type='result' id='1' from='a@localhost' to='private.localhost'>{query}</iq>"),
        format!("<iq type='error' id='1' from='a@localhost' to='private.localhost'>{query}</iq>"),
    ] {
        stage.send(iq);
        stage.expect_nothing();
    }
}

/// Hazard 9: ids are whatever a user likes.
#[test]
fn ids_are_echoed_exactly() {
    let mut stage = Stage::new();
    let long = "x".repeat(10_000);
    for id in [
        "",
        "&apos;&quot;&lt;&gt;&amp;",
        "\u{1f600}",
        "&#xA;&#x9;",
        " a ",
        &long,
    ] {
        stage.send(get(id, "<a xmlns='urn:x'/>"));
        stage.expect(&format!(
            "<iq type='result' id='{id}' from='private.localhost' to='alice@localhost/phone'>\
             <query xmlns='jabber:iq:private'><a xmlns='urn:x'/></query></iq>"
        ));
        stage.send(get(id, ""));
        stage.expect_error(&error(id, "", "modify", 406, "bad-format"));
    }
}

/// Equal ids of two users at once: each gets the answer to their own.
#[test]
fn two_users_may_use_one_id() {
    let mut stage = Stage::new();
    stage.store("<a xmlns='urn:x'>alice's</a>");
    let asked = "<a xmlns='urn:x'/>";
    let both = get("1", asked) + &request("get", "1", "bob@localhost/x", asked);
    stage.send(both);
    let mut answers = [stage.next(), stage.next()];
    answers.sort_by_key(|answer| answer.contains("to='bob@localhost/x'"));
    assert!(answers[0].contains("alice's"), "{answers:?}");
    assert!(!answers[1].contains("alice's"), "{answers:?}");
}

#[test]
fn an_error_repeats_nothing_over_64_kib() {
    let mut stage = Stage::new();
    let large = format!("<a>{}</a>", "x".repeat(65_536));
    stage.send(set("1", &large));
    stage.expect_error(&error_with("1", "", "modify", 406, "not-acceptable"));
}
