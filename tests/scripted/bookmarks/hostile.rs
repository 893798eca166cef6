//! A node that its user, or a broken server, filled with anything: nobody else is harmed, and its
//! user is answered.

use super::super::stage::{Stage, get, request};
use super::pep::*;
use crate::support::router::parse;

const A: &str = "a@muc.localhost";
/// As much as Prosody takes in one stanza; over it, the link is closed.
const LIMIT: usize = 512 * 1024;

/// Alice asks, and gets something, whatever stands in her node; then all is as ever.
#[track_caller]
fn survive(stage: &mut Stage, answer: impl FnOnce(&Asked) -> String) -> String {
    stage.send(get("1", BOOKMARKS));
    let fetch = asked(stage);
    stage.send(answer(&fetch));
    let answer = loop {
        // What has to be repaired may be asked for.
        let xml = stage.next();
        match Asked::read(&xml) {
            Some(asked) => stage.send(asked.error("error", "service-unavailable")),
            None => break xml,
        }
    };
    assert_eq!(parse(&answer).attr("id"), Some("1"));
    assert_eq!(parse(&answer).attr("type"), Some("result"), "{answer}");
    assert!(answer.len() < LIMIT, "{} bytes", answer.len());

    stage.store("<a xmlns='urn:x'>1</a>");
    stage.fetch("<a xmlns='urn:x'/>", "<a xmlns='urn:x'>1</a>");
    stage.send(request("get", "2", "bob@localhost/x", BOOKMARKS));
    let fetch = asked(stage);
    assert_eq!(fetch.owner, "bob@localhost");
    stage.send(fetch.items(&item("b@muc.localhost", "B")));
    let bobs = answered(stage, "2");
    assert_eq!(rooms(&bobs), named(&[("b@muc.localhost", "B")]));
    answer
}

/// With one room in the store.
fn granted() -> Stage {
    let mut stage = Stage::new();
    stage.store(&storage(&conference(A, "A")));
    stage.send(grant("localhost"));
    stage
}

/// Through the memory bound: at most the room that is stored is shown.
#[test]
fn an_answer_of_2_mb_harms_nobody() {
    let mut stage = granted();
    let huge = item(A, &"x".repeat(2 << 20));
    let answer = survive(&mut stage, |fetch| fetch.items(&huge));
    assert_eq!(rooms(&answer), named(&[(A, "A")]));
}

/// What fits into a stanza of ours may not fit into one of the server's.
#[test]
fn an_answer_that_would_not_fit_into_one_of_ours_harms_nobody() {
    let mut stage = granted();
    let items: String = (0..90)
        .map(|n| item(&format!("r{n}@muc.localhost"), &"x".repeat(10_000)))
        .collect();
    survive(&mut stage, |fetch| fetch.items(&(items + &item(A, "A"))));
}

#[test]
fn thousands_of_items_harm_nobody() {
    let mut stage = granted();
    let items: String = (0..5_000)
        .map(|n| item(&format!("r{n}@muc.localhost"), "R"))
        .collect();
    let answer = survive(&mut stage, |fetch| fetch.items(&items));
    assert!(!rooms(&answer).is_empty());
}

#[test]
fn deep_nesting_harms_nobody() {
    let mut stage = granted();
    for levels in [300, 20_000, 100_000] {
        let deep = "<x>".repeat(levels) + &"</x>".repeat(levels);
        let extensions = format!("</nick><extensions>{deep}</extensions>");
        let deep = item("deep@muc.localhost", "Deep").replace("</nick>", &extensions);
        let answer = survive(&mut stage, |fetch| fetch.items(&(deep + &item(A, "B"))));
        let shown = rooms(&answer);
        assert!(
            shown.contains(&named(&[(A, "B")])[0]),
            "{levels} levels: {shown:?}"
        );
    }
}

/// What is not quite an item of a room is none, and does not hide those beside it.
#[test]
fn odd_items_are_left_out() {
    let mut stage = granted();
    let conference = |attributes: &str| format!("<conference xmlns='{NODE}' {attributes}/>");
    let odd = [
        format!("<item>{}</item>", conference("name='no id'")),
        format!("<item id=''>{}</item>", conference("")),
        format!("<item id='a b@@c'>{}</item>", conference("")),
        "<item id='empty@muc.localhost'/>".to_owned(),
        format!("<other id='other@muc.localhost'>{}</other>", conference("")),
        "<item id='ns0@muc.localhost'><conference name='pubsub'/></item>".to_owned(),
        "<item id='ns1@muc.localhost'><conference xmlns='urn:xmpp:bookmarks:0'/></item>".to_owned(),
        format!(
            "<item xmlns='urn:x' id='ns2@muc.localhost'>{}</item>",
            conference("")
        ),
        format!("<item id='name@muc.localhost'><room xmlns='{NODE}'/></item>"),
        "text".to_owned(),
    ];
    let items = odd.concat() + &item("good@muc.localhost", "Good") + &item(A, "Of the node");
    let answer = survive(&mut stage, |fetch| fetch.items(&items));
    let mut shown = rooms(&answer);
    shown.sort();
    let expected = named(&[(A, "Of the node"), ("good@muc.localhost", "Good")]);
    assert_eq!(shown, expected);
}

/// No answer to what was asked: the store's.
#[test]
fn an_answer_in_another_form_is_none() {
    let mut stage = granted();
    let whole = item("forged@muc.localhost", "Forged");
    for (from, to) in [
        (PRIVILEGE, "urn:xmpp:privilege:1"),
        ("urn:xmpp:forward:0", "urn:xmpp:forward:1"),
        ("jabber:client", "jabber:server"),
        (PUBSUB, OWNER),
        ("<items ", "<entries "),
        ("client' type='result'", "client' type='set'"),
    ] {
        let answer = survive(&mut stage, |fetch| {
            let mut answer = fetch.items(&whole);
            answer = answer.replace(from, to);
            match to {
                "<entries " => answer.replace("</items>", "</entries>"),
                _ => answer,
            }
        });
        assert_eq!(rooms(&answer), named(&[(A, "A")]), "{to}");
    }
}

/// ejabberd passes on what breaks the rules of namespaces. One such item, and its user saw no room at
/// all any more.
#[test]
fn an_answer_with_a_fault_in_it_harms_nobody() {
    let mut stage = granted();
    for fault in ["<z:a/>", "<xml:foo/>", "<a xmlns:b=''/>"] {
        let items =
            item("faulty@muc.localhost", "F").replace("</nick>", &format!("</nick>{fault}"));
        let items = items + &item(A, "Of the node");
        let answer = survive(&mut stage, |fetch| fetch.items(&items));
        assert_eq!(rooms(&answer), named(&[(A, "Of the node")]), "{fault}");
    }
}

/// The element outside may say more than it should, too.
#[test]
fn several_payloads_harm_nobody() {
    let mut stage = granted();
    survive(&mut stage, |fetch| {
        let one = fetch.items(&item(A, "One"));
        let begin = one.find("<privilege").expect("wrapped");
        let end = one.rfind("</iq>").expect("an end");
        fetch.outer("result", &one[begin..end].repeat(3))
    });
    survive(&mut stage, |fetch| fetch.outer("result", ""));
    survive(&mut stage, |fetch| fetch.outer("error", ""));
}
