//! Private storage asked for directly: the rows of the table in `docs/SEMANTICS.md`, in its order.

use super::stage::{Stage, error, error_with, get, request, set};

#[test]
fn a_set_replaces_what_has_its_name_and_leaves_the_rest_of_the_namespace() {
    let mut stage = Stage::new();
    stage.store("<a xmlns='urn:x'>1</a><a xmlns='urn:x'>2</a><b xmlns='urn:x'>3</b>");
    stage.store("<a xmlns='urn:x'>4</a>");
    stage.fetch("<a xmlns='urn:x'/>", "<a xmlns='urn:x'>4</a>");
    stage.fetch("<b xmlns='urn:x'/>", "<b xmlns='urn:x'>3</b>");
}

#[test]
fn a_set_may_carry_several_namespaces_and_keeps_the_order_of_one_name() {
    let mut stage = Stage::new();
    stage.store(
        "<a xmlns='urn:x'>1</a><a xmlns='urn:y'>2</a><b xmlns='urn:x'/><a xmlns='urn:x'>3</a>",
    );
    stage.fetch(
        "<a xmlns='urn:x'/>",
        "<a xmlns='urn:x'>1</a><a xmlns='urn:x'>3</a>",
    );
    stage.fetch("<a xmlns='urn:y'/>", "<a xmlns='urn:y'>2</a>");
}

#[test]
fn a_lone_empty_element_deletes() {
    let mut stage = Stage::new();
    stage.store("<a xmlns='urn:x'>1</a><b xmlns='urn:x'>2</b>");
    stage.store("<a xmlns='urn:x'/>");
    stage.fetch("<a xmlns='urn:x'/>", "<b xmlns='urn:x'>2</b>");
    stage.store("<b xmlns='urn:x'></b>");
    stage.fetch("<b xmlns='urn:x'/>", "<b xmlns='urn:x'/>");
}

#[test]
fn what_looks_empty_and_is_a_value() {
    let mut stage = Stage::new();
    for value in [
        "<a xmlns='urn:x'> </a>",
        "<a xmlns='urn:x' xml:lang='fr'/>",
        "<a xmlns='urn:x' k=''/>",
        "<a xmlns='urn:x'/><a xmlns='urn:x'/>",
        "<a xmlns='urn:x'/><a xmlns='urn:x'>1</a><a xmlns='urn:x'/>",
        "<a xmlns='urn:x'><b/></a>",
    ] {
        stage.store(value);
        stage.fetch("<a xmlns='urn:x'/>", value);
    }
}

#[test]
fn a_declaration_is_no_attribute() {
    let mut stage = Stage::new();
    stage.store("<a xmlns='urn:x'>1</a>");
    stage.store("<a xmlns='urn:x' xmlns:p='urn:p'/>");
    stage.fetch("<a xmlns='urn:x'/>", "<a xmlns='urn:x'/>");
}

#[test]
fn a_get_of_one_name_falls_back_to_its_namespace_ordered_by_name() {
    let mut stage = Stage::new();
    stage.store("<roster xmlns='roster:delimiter'>::</roster><a xmlns='roster:delimiter'>1</a>");
    stage.fetch(
        "<storage xmlns='roster:delimiter'/>",
        "<a xmlns='roster:delimiter'>1</a><roster xmlns='roster:delimiter'>::</roster>",
    );
}

#[test]
fn a_get_of_nothing_returns_the_element_empty_without_its_attributes() {
    let mut stage = Stage::new();
    stage.fetch("<a xmlns='urn:x' k='v'>text<b/></a>", "<a xmlns='urn:x'/>");
}

#[test]
fn a_get_of_several_names_answers_each_once_in_the_order_asked() {
    let mut stage = Stage::new();
    stage.store("<a xmlns='urn:x'>1</a><b xmlns='urn:x'>2</b>");
    stage.fetch(
        "<b xmlns='urn:x'/><none xmlns='urn:x'/><a xmlns='urn:x'/><b xmlns='urn:x'/>",
        "<b xmlns='urn:x'>2</b><none xmlns='urn:x'/><a xmlns='urn:x'>1</a>",
    );
    stage.fetch(
        "<none xmlns='urn:x'/><other xmlns='urn:x'/>",
        "<none xmlns='urn:x'/><other xmlns='urn:x'/>",
    );
}

#[test]
fn queries_of_a_wrong_shape() {
    let mut stage = Stage::new();
    let two = "<a xmlns='urn:x'/><a xmlns='urn:y'/>";
    for (kind, elements, condition) in [
        ("get", two, "not-acceptable"),
        ("get", "", "bad-format"),
        ("set", "", "not-acceptable"),
        ("get", "<a/>", "not-acceptable"),
        ("set", "<a/>", "not-acceptable"),
        ("get", "<a xmlns=''/>", "not-acceptable"),
        ("set", "<a xmlns='urn:x'/><a xmlns=''/>", "not-acceptable"),
    ] {
        stage.send(request(kind, "1", "alice@localhost/phone", elements));
        stage.expect_error(&error("1", elements, "modify", 406, condition));
    }
}

#[test]
fn white_space_beside_the_children_of_query_is_ignored() {
    let mut stage = Stage::new();
    stage.store("\n <a xmlns='urn:x'>1</a> text ");
    stage.send(
        "<iq type='get' id='1' from='alice@localhost/phone' to='private.localhost'> \
         <query xmlns='jabber:iq:private' k='v'> <a xmlns='urn:x'/> </query> </iq>",
    );
    stage.expect(
        "<iq type='result' id='1' from='private.localhost' to='alice@localhost/phone'>\
         <query xmlns='jabber:iq:private'><a xmlns='urn:x'>1</a></query></iq>",
    );
}

#[test]
fn reserved_namespaces_are_refused() {
    let mut stage = Stage::new();
    for namespace in [
        "jabber:iq:roster",
        "jabber:x",
        "http://jabber.org/protocol/x",
        "vcard-temp",
    ] {
        for kind in ["get", "set"] {
            let element = format!("<a xmlns='{namespace}'>1</a>");
            stage.send(request(kind, "1", "alice@localhost/phone", &element));
            stage.expect_error(&error("1", &element, "modify", 406, "not-acceptable"));
        }
    }
    stage.store("<a xmlns='vcard-temp:x'>1</a><a xmlns='http://jabber.orgy'>2</a>");
}

#[test]
fn reserved_namespaces_can_be_accepted() {
    let mut stage = Stage::with_access("reserved_namespaces = \"accept\"");
    stage.store("<a xmlns='jabber:x'>1</a>");
    stage.fetch("<a xmlns='jabber:x'/>", "<a xmlns='jabber:x'>1</a>");
    stage.send(get("1", "<a/>"));
    stage.expect_error(&error("1", "<a/>", "modify", 406, "not-acceptable"));
}

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

/// A set is seen by every later request of its sender, however fast they follow.
#[test]
fn requests_of_one_user_take_effect_in_order() {
    let mut stage = Stage::new();
    let mut all = String::new();
    for round in 0..200 {
        all += &set(
            &format!("s{round}"),
            &format!("<a xmlns='urn:x'>{round}</a>"),
        );
        all += &get(&format!("g{round}"), "<a xmlns='urn:x'/>");
    }
    stage.send(all);
    let mut seen = 0;
    while seen < 200 {
        let answer = stage.next();
        if let Some(rest) = answer.strip_prefix("<iq type='result' id='g") {
            let round = rest.split('\'').next().unwrap();
            assert!(answer.contains(&format!(">{round}</a>")), "{answer}");
            assert_eq!(round, seen.to_string());
            seen += 1;
        }
    }
}
