//! Bookmarks that are kept in step with PEP.

use super::*;
use crate::support::router::parse;

const BOOKMARKS: &str = "<storage xmlns='storage:bookmarks'/>";

const GRANT: &str = "<message from='localhost' to='private.localhost'>\
     <privilege xmlns='urn:xmpp:privilege:2'><perm access='iq'>\
     <namespace ns='http://jabber.org/protocol/pubsub' type='both'/></perm></privilege></message>";

/// The next request to PEP, and its id.
#[track_caller]
fn asked(stage: &mut Stage) -> (String, String) {
    let iq = stage.next_with("urn:xmpp:privilege:2");
    let id = parse(&iq).attr("id").expect("an id").to_owned();
    (iq, id)
}

/// Alice asks for her bookmarks; PEP, or the host itself, answers with `outer`, around whose `ID`
/// stands the id.
#[track_caller]
fn ask_and_answer(stage: &mut Stage, id: &str, outer: &str) {
    stage.send(get(id, BOOKMARKS));
    let (_, asked) = asked(stage);
    stage.send(outer.replace("ID", &asked));
    stage.next_with(&format!("id='{id}'"));
}

/// What PEP itself answers.
fn inner(kind: &str, payload: &str) -> String {
    format!(
        "<iq type='result' id='ID' from='alice@localhost' to='private.localhost'>\
         <privilege xmlns='urn:xmpp:privilege:2'><forwarded xmlns='urn:xmpp:forward:0'>\
         <iq xmlns='jabber:client' type='{kind}' id='ID' from='alice@localhost'>{payload}</iq>\
         </forwarded></privilege></iq>"
    )
}

fn error(condition: &str) -> String {
    format!(
        "<error type='cancel'><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
    )
}

fn requests(outcome: &str) -> String {
    format!("pep_requests_total{{outcome=\"{outcome}\"}}")
}

#[test]
fn what_came_of_requests_to_pep_is_counted() {
    let mut stage = Stage::new();
    stage.send(GRANT);
    let items = "<pubsub xmlns='http://jabber.org/protocol/pubsub'>\
                 <items node='urn:xmpp:bookmarks:1'/></pubsub>";
    ask_and_answer(&mut stage, "1", &inner("result", items));
    // No node is an empty one: nothing is amiss.
    ask_and_answer(&mut stage, "2", &inner("error", &error("item-not-found")));
    Scrape::of(&stage).assert(&[
        (&requests("done"), 1.0),
        (&requests("refused"), 1.0),
        ("bookmarks_from_store_total", 0.0),
    ]);

    let denied = "<iq type='error' id='ID' from='alice@localhost' to='private.localhost'>";
    let denied = format!("{denied}{}</iq>", error("forbidden"));
    ask_and_answer(&mut stage, "3", &denied);
    let empty = "<iq type='result' id='ID' from='alice@localhost' to='private.localhost'/>";
    ask_and_answer(&mut stage, "4", empty);
    Scrape::of(&stage).assert(&[
        (&requests("denied"), 1.0),
        (&requests("unreadable"), 1.0),
        (&requests("late"), 0.0),
        ("bookmarks_from_store_total", 2.0),
    ]);

    // A set that comes too late for PEP; and one beside other data, which does not wait for it.
    stage.send(set("5", BOOKMARKS));
    asked(&mut stage);
    stage.next_with("id='5'");
    stage.send(set("6", &format!("{BOOKMARKS}<a xmlns='urn:x'/>")));
    stage.next_with("id='6'");
    let scrape = Scrape::of(&stage);
    scrape.assert(&[
        (&requests("late"), 1.0),
        ("bookmarks_from_store_total", 3.0),
        ("pep_request_duration_seconds_count", 5.0),
    ]);
    let took = scrape.value("pep_request_duration_seconds_sum");
    assert!(took.is_some_and(|took| took > 5.0), "{took:?}");
    promtool(&["check", "metrics"], &(scrape.0 + "\n"));
}

#[test]
fn without_the_privilege_nothing_is_counted() {
    let mut stage = Stage::new();
    stage.send(get("1", BOOKMARKS));
    stage.next();
    Scrape::of(&stage).assert(&[
        (&requests("done"), 0.0),
        ("bookmarks_from_store_total", 0.0),
        ("pep_request_duration_seconds_count", 0.0),
    ]);
}

#[test]
fn sets_with_too_many_rooms_are_counted_by_their_limit() {
    let mut stage = Stage::with("[bookmarks]\nmax_rooms = 1\n");
    stage.send(GRANT);
    let rooms = "<conference jid='a@muc'/><conference jid='b@muc'/>";
    let bookmarks = format!("<storage xmlns='storage:bookmarks'>{rooms}</storage>");
    stage.send(set("1", &bookmarks));
    assert!(stage.next().contains("resource-constraint"));
    Scrape::of(&stage).assert(&[
        ("refused_total{limit=\"max_rooms\"}", 1.0),
        (&outcome("set", "direct", "resource-constraint"), 1.0),
        (&requests("done"), 0.0),
    ]);
}
