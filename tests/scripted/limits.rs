//! Limits: what is over one is refused by name, and what was stored stays.

use super::stage::{Stage, error, error_with, get, set};

const SMALL: &str = "[limits]\nmax_stanza_bytes = 20000\nmax_namespace_bytes = 2000\n\
     max_user_bytes = 5000\nmax_user_elements = 20\nmax_depth = 16\n";

/// A value in its stored form of exactly so many bytes.
fn of_size(name: &str, namespace: &str, bytes: usize) -> String {
    let empty = format!("<{name} xmlns='{namespace}'></{name}>").len();
    format!(
        "<{name} xmlns='{namespace}'>{}</{name}>",
        "x".repeat(bytes - empty)
    )
}

/// The text of the error that comes next.
#[track_caller]
fn text(stage: &mut Stage) -> String {
    let answer = stage.next();
    assert!(answer.contains("type='error'"), "{answer}");
    answer
}

#[test]
fn a_stanza_over_the_limit_is_answered_from_its_header() {
    let mut stage = Stage::with(SMALL);
    stage.store("<a xmlns='urn:x'>kept</a>");
    stage.send(set("1", &of_size("a", "urn:x", 50_000)));
    stage.expect_error(&error_with("1", "", "modify", 406, "not-acceptable"));
    stage.send(set("2", &of_size("a", "urn:x", 50_000)));
    assert!(text(&mut stage).contains("limits.max_stanza_bytes is 20000"));
    stage.fetch("<a xmlns='urn:x'/>", "<a xmlns='urn:x'>kept</a>");
}

#[test]
fn the_stanza_limit_is_inclusive() {
    let mut stage = Stage::with(&SMALL.replace("2000\n", "20000\n").replace("5000", "50000"));
    let around = set("1", "").len();
    stage.send(set("1", &of_size("a", "urn:x", 20_000 - around)));
    assert!(stage.next().contains("type='result'"));
    stage.send(set("2", &of_size("a", "urn:x", 20_001 - around)));
    assert!(text(&mut stage).contains("max_stanza_bytes"));
}

#[test]
fn a_stanza_whose_own_start_tag_is_over_the_limit_is_dropped() {
    let mut stage = Stage::with(SMALL);
    stage.send(get(&"x".repeat(30_000), "<a xmlns='urn:x'/>"));
    stage.expect_nothing();
}

#[test]
fn other_rules_come_before_the_limits() {
    let mut stage = Stage::with(SMALL);
    let long = of_size("a", "urn:x", 50_000);
    stage.send(set("1", &long).replace("alice@localhost", "alice@elsewhere.example"));
    assert!(text(&mut stage).contains("service-unavailable"));
    stage.send(set("1", &long).replace("to='private.localhost'", "to='bob@localhost'"));
    assert!(text(&mut stage).contains("forbidden"));
    stage.send(set("1", &of_size("a", "jabber:x", 50_000)));
    assert!(text(&mut stage).contains("is reserved"));
}

/// Hazard 3: depth is counted while reading, and a deep stanza harms nobody.
#[test]
fn depth_is_limited_inclusively() {
    let mut stage = Stage::with(SMALL);
    let nested = |levels: usize| {
        let open = "<b>".repeat(levels - 1);
        let close = "</b>".repeat(levels - 1);
        format!("<a xmlns='urn:x'>{open}{close}</a>")
    };
    stage.store(&nested(16));
    stage.fetch("<a xmlns='urn:x'/>", &nested(16));
    stage.send(set("1", &nested(17)));
    stage.expect_error(&error_with("1", "", "modify", 406, "not-acceptable"));
    stage.send(set("1", &nested(1000)));
    assert!(text(&mut stage).contains("limits.max_depth is 16"));
    stage.fetch("<a xmlns='urn:x'/>", &nested(16));
}

#[test]
fn the_bytes_of_a_namespace_are_limited_inclusively() {
    let mut stage = Stage::with(SMALL);
    stage.store(&of_size("a", "urn:x", 1000));
    let fits = of_size("b", "urn:x", 1000);
    stage.store(&fits);
    let over = of_size("b", "urn:x", 1001);
    stage.send(set("1", &over));
    stage.expect_error(&error("1", &over, "modify", 406, "not-acceptable"));
    stage.send(set("1", &over));
    assert!(text(&mut stage).contains("limits.max_namespace_bytes allows 2000"));
    stage.fetch("<b xmlns='urn:x'/>", &fits);
}

#[test]
fn the_bytes_of_an_owner_are_limited_and_freed_by_deletes() {
    let mut stage = Stage::with(SMALL);
    stage.store(&of_size("a", "urn:1", 2000));
    stage.store(&of_size("a", "urn:2", 2000));
    let over = of_size("a", "urn:3", 1001);
    stage.send(set("1", &over));
    stage.expect_error(&error("1", &over, "wait", 500, "resource-constraint"));
    stage.store(&of_size("a", "urn:3", 1000));
    stage.send(set("2", "<b xmlns='urn:4'>1</b>"));
    assert!(text(&mut stage).contains("limits.max_user_bytes allows 5000"));
    stage.store("<a xmlns='urn:1'/>");
    stage.store("<b xmlns='urn:4'>1</b>");
}

#[test]
fn the_elements_of_an_owner_are_limited() {
    let mut stage = Stage::with(SMALL);
    stage.store(&"<a xmlns='urn:x'/>".repeat(20));
    let one = "<b xmlns='urn:x'>1</b>";
    stage.send(set("1", one));
    stage.expect_error(&error("1", one, "wait", 500, "resource-constraint"));
    let many = "<c xmlns='urn:x'/>".repeat(100);
    stage.send(set("2", &many));
    stage.expect_error(&error_with("2", "", "wait", 500, "resource-constraint"));
    stage.send(set("3", one));
    assert!(text(&mut stage).contains("limits.max_user_elements allows 20"));
    stage.store("<a xmlns='urn:x'/>");
    stage.store(one);
}

#[test]
fn names_and_namespaces_have_a_limit_of_their_own() {
    let mut stage = Stage::new();
    let name = |bytes: usize| format!("<{} xmlns='urn:x'>1</{0}>", "n".repeat(bytes));
    let namespace = |bytes: usize| format!("<a xmlns='{}'>1</a>", "u".repeat(bytes));
    for longest in [name(1024), namespace(1024)] {
        stage.store(&longest);
        stage.fetch(&longest, &longest);
    }
    for too_long in [name(1025), namespace(1025)] {
        stage.send(set("1", &too_long));
        stage.expect_error(&error("1", &too_long, "modify", 406, "not-acceptable"));
        let empty = too_long.replace(">1<", "><");
        stage.fetch(&too_long, &empty);
    }
}

/// An answer over the server's own limit ends the link for everybody: what a get of a thousand
/// names asks for must stay below it too.
#[test]
fn no_answer_grows_beyond_what_a_namespace_may_hold() {
    let mut stage =
        Stage::with(&SMALL.replace("max_user_elements = 20", "max_user_elements = 500"));
    let names: String = (0..300)
        .map(|n| format!("<name-{n} xmlns='urn:x'/>"))
        .collect();
    stage.send(get("1", &names));
    assert!(text(&mut stage).contains("max_namespace_bytes"));
}

#[test]
fn everything_stored_in_a_namespace_can_be_fetched_in_one_answer() {
    let mut stage = Stage::new();
    let third = 393_216 / 3;
    let mut all = String::new();
    for name in ["a", "b", "c"] {
        let value = of_size(name, "urn:x", third);
        stage.store(&value);
        all += &value;
    }
    stage.fetch("<everything xmlns='urn:x'/>", &all);
}

#[test]
fn a_get_of_too_many_names_is_told_not_to_wait() {
    let mut stage = Stage::with(SMALL);
    let names: String = (0..100).map(|n| format!("<n{n} xmlns='urn:x'/>")).collect();
    stage.send(get("1", &names));
    stage.expect_error(&error_with("1", "", "modify", 406, "not-acceptable"));
}
