//! Private storage asked for directly: the rows of the table in `docs/internals/contract.md`, in its order.

use super::stage::{Stage, error, get, request, set};

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
