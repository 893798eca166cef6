//! The node is the truth for rooms; what has no room form stays in the store. The table of edges,
//! with a node that the test can look into at each step.

use super::super::stage::{error, request, set};
use super::pep::*;
use crate::support::answers::fragment;
use crate::support::router::parse;

const A: &str = "a@muc.localhost";
const B: &str = "b@muc.localhost";
const URL: &str = "<url name='Home' url='https://example.org/'/>";

/// The children of an answer's `<storage/>`.
fn shown(answer: &str) -> Vec<minidom::Element> {
    let answer = parse(answer);
    let query = answer.get_child("query", "jabber:iq:private");
    let storage = query.and_then(|query| query.get_child("storage", "storage:bookmarks"));
    storage.expect("bookmarks").children().cloned().collect()
}

fn own(content: &str) -> Vec<minidom::Element> {
    fragment(&storage(content)).children().cloned().collect()
}

#[test]
fn a_room_of_the_node_is_shown_with_all_it_has() {
    let mut host = Host::new();
    host.keep(
        A,
        format!(
            "<item id='{A}'><conference xmlns='{NODE}' name='A &amp; B' autojoin='1'>\
             <nick>al</nick><password>pw</password><extensions><x xmlns='urn:x'/></extensions>\
             </conference></item>"
        ),
    );
    let expected = format!(
        "<conference jid='{A}' name='A &amp; B' autojoin='true'><nick>al</nick>\
         <password>pw</password></conference>"
    );
    assert_eq!(shown(&host.get()), own(&expected));
}

#[test]
fn what_has_no_room_form_stays_where_it_is_and_is_never_published() {
    let mut host = Host::new();
    let odd = "<conference name='no jid'/><conference jid='a b@@c' name='no JID'/>\
               <other xmlns='urn:x'>1</other>";
    let steps = host.set(&format!("{URL}{}{odd}", conference(A, "A")));
    assert_eq!(steps, [Step::Fetch, Step::Publish(A.to_owned())]);
    host.keep(B, item(B, "B"));
    let expected = [
        URL.to_owned(),
        conference(A, "A"),
        odd.to_owned(),
        conference(B, "B"),
    ];
    assert_eq!(shown(&host.get()), own(&expected.concat()));
}

/// A room has one id, however an old client writes it; an id that is there already is kept.
#[test]
fn a_rooms_id_is_its_bare_address_in_normal_form() {
    let mut host = Host::new();
    let steps = host.set(&conference("Tea@MUC.localhost/nick", "Tea"));
    let id = Step::Publish("tea@muc.localhost".to_owned());
    assert_eq!(steps, [Step::Fetch, id]);

    let mut host = Host::new();
    host.keep("Tea@muc.localhost", item("Tea@muc.localhost", "Tea"));
    host.get();
    let steps = host.set(&conference("tea@muc.localhost", "Green tea"));
    let id = Step::Publish("Tea@muc.localhost".to_owned());
    assert_eq!(steps, [Step::Fetch, id]);
}

#[test]
fn of_a_room_that_is_named_twice_the_first_counts() {
    let mut host = Host::new();
    let twice = conference(A, "first") + &conference("A@muc.localhost", "second");
    let steps = host.set(&twice);
    assert_eq!(steps, [Step::Fetch, Step::Publish(A.to_owned())]);
    assert!(host.nodes[ALICE][0].1.contains("first"));
}

#[test]
fn items_that_are_no_rooms_are_not_shown_and_not_touched() {
    let mut host = Host::new();
    host.keep("current", item("current", "no JID?"));
    host.keep("a b@@c", item("a b@@c", "no JID"));
    host.keep(A, item(A, "A"));
    let answer = host.get();
    assert!(
        rooms(&answer).contains(&(A.to_owned(), "A".to_owned())),
        "{answer}"
    );
    assert!(!answer.contains("a b@@c"), "{answer}");
    let steps = host.set("");
    assert!(
        !steps.contains(&Step::Retract("a b@@c".to_owned())),
        "{steps:?}"
    );
}

#[test]
fn an_empty_storage_retracts_what_had_been_shown_and_only_that() {
    let mut host = Host::new();
    host.keep(A, item(A, "A"));
    host.get();
    host.keep(B, item(B, "B"));
    let steps = host.set("");
    assert_eq!(steps, [Step::Fetch, Step::Retract(A.to_owned())]);
    assert_eq!(host.kept(), [B]);
}

/// Another of Alice's clients has never seen the room; it cannot have deleted it.
#[test]
fn what_was_shown_is_remembered_by_full_address() {
    let mut host = Host::new();
    host.keep(A, item(A, "A"));
    host.get();
    let tablet = "alice@localhost/tablet";
    let iq = request("set", "t", tablet, &storage(&conference(B, "B")));
    host.request("t", iq);
    let mut kept = host.kept();
    kept.sort();
    assert_eq!(kept, [A, B]);
}

#[test]
fn a_room_that_somebody_else_deleted_stays_deleted() {
    let mut host = Host::new();
    let both = conference(A, "A") + &conference(B, "B");
    host.set(&both);
    host.nodes.get_mut(ALICE).expect("a node").remove(0);
    // The client has not heard of it, and changes the other.
    let steps = host.set(&(conference(A, "A") + &conference(B, "Renamed")));
    assert_eq!(steps, [Step::Fetch, Step::Publish(B.to_owned())]);
    assert_eq!(rooms(&host.get()), named(&[(B, "Renamed")]));
}

/// At once, before a disk can have taken what is noted of the set.
#[test]
fn a_room_that_somebody_else_deletes_right_after_a_set_stays_deleted() {
    let mut host = Host::new();
    for n in 0..20 {
        let room = format!("r{n}@muc.localhost");
        host.set(&conference(&room, "R"));
        host.nodes.insert(ALICE.to_owned(), Vec::new());
        assert_eq!(rooms(&host.get()), [], "{n}");
        host.settle();
        assert_eq!(host.kept(), [""; 0], "{n}");
    }
}

/// The process ended while a node was changed for a set, and nothing of that was noted: a room that the client had left
/// alone looked as if it had changed it, and lost the name that another client had given it before.
#[test]
fn a_name_that_somebody_else_gave_stays_when_the_process_ends_in_a_set() {
    let mut host = Host::new();
    host.keep(A, item(A, "A"));
    host.get();
    host.keep(A, item(A, "Renamed"));
    // Another of Alice's clients is shown that, so it is noted; this one is not.
    let tablet = request("get", "t", "alice@localhost/tablet", BOOKMARKS);
    host.request("t", tablet);
    host.settle();
    let both = conference(A, "A") + &conference(B, "B");
    host.send(set("1", &storage(&both)));
    asked(&mut host);
    host.component.kill();
    host.component.restart();
    host.let_in_again();
    host.send(grant("localhost"));
    let before = host.asked.len();
    assert_eq!(rooms(&host.get()), named(&[(A, "Renamed"), (B, "B")]));
    host.settle();
    assert_eq!(
        host.steps_since(before),
        [Step::Fetch, Step::Publish(B.to_owned())]
    );
}

/// What a client set between a login and the grant, or while that was taken back, was noted as if nobody could know
/// what it had been shown: a room that it had left alone, and a modern client had deleted before, came back. (Seed
/// 443480171002620 of the simulator.)
#[test]
fn what_is_deleted_in_the_node_stays_so_when_a_list_is_set_without_a_grant() {
    for is_logged_in_anew in [false, true] {
        let mut host = Host::new();
        host.keep(A, item(A, "A"));
        host.keep(B, item(B, "B"));
        host.get();
        host.confirm();
        if is_logged_in_anew {
            host.component.stop();
            host.component.restart();
            host.let_in_again();
        } else {
            host.send(advertisement("localhost", ""));
        }
        host.nodes
            .get_mut(ALICE)
            .expect("a node")
            .retain(|(id, _)| id != A);
        let new = "new@muc.localhost";
        let list = conference(A, "A") + &conference(B, "B") + &conference(new, "new");
        assert_eq!(host.set(&list), []);
        host.send(grant("localhost"));
        let before = host.asked.len();
        assert_eq!(rooms(&host.get()), named(&[(B, "B"), (new, "new")]));
        host.settle();
        assert_eq!(
            host.steps_since(before),
            [Step::Fetch, Step::Publish(new.to_owned())]
        );
    }
}

#[test]
fn at_first_contact_both_sides_come_together_and_nothing_is_retracted() {
    let mut stage = super::super::stage::Stage::new();
    stage.store(&storage(&(conference(A, "stored") + &conference(B, "B"))));
    let mut host = Host::on(stage);
    host.keep(A, item(A, "of the node"));
    host.keep("c@muc.localhost", item("c@muc.localhost", "C"));
    let answer = host.get();
    host.settle();
    assert_eq!(
        host.steps_since(0),
        [Step::Fetch, Step::Publish(B.to_owned())]
    );
    let mut both = rooms(&answer);
    both.sort();
    let expected = [(A, "of the node"), (B, "B"), ("c@muc.localhost", "C")];
    assert_eq!(both, named(&expected));
    // Once only.
    let before = host.asked.len();
    host.get();
    assert_eq!(host.steps_since(before), [Step::Fetch]);
}

/// The node would drop the oldest without a word.
#[test]
fn a_set_of_more_rooms_than_a_node_keeps_is_refused() {
    let mut host = Host::new();
    host.set(&conference(A, "A"));
    let before = host.asked.len();
    let room = |n| conference(&format!("r{n}@muc.localhost"), "R");
    let content = storage(&(0..251).map(room).collect::<String>());
    host.send(set("1", &content));
    host.expect_error(&error("1", &content, "wait", 500, "resource-constraint"));
    assert_eq!(host.asked.len(), before);
    assert_eq!(rooms(&host.get()), named(&[(A, "A")]));
}

#[test]
fn where_both_sides_together_would_be_too_many_nothing_is_published_and_both_are_shown() {
    let mut stage = super::super::stage::Stage::with("[bookmarks]\nmax_rooms = 5\n");
    let room = |n| conference(&format!("p{n}@muc.localhost"), "P");
    stage.store(&storage(&(0..4).map(room).collect::<String>()));
    let mut host = Host::on(stage);
    for n in 0..4 {
        let id = format!("n{n}@muc.localhost");
        host.keep(&id, item(&id, "N"));
    }
    assert_eq!(rooms(&host.get()).len(), 8);
    assert_eq!(host.steps_since(0), [Step::Fetch]);
}

/// It showed the stored list, and not what is in step.
#[test]
fn a_get_by_another_name_shows_what_is_in_step_unless_that_name_is_stored() {
    const OTHER: &str = "<x xmlns='storage:bookmarks'>1</x>";
    let asks = |host: &mut Host, name: &str| {
        let asked = format!("<{name} xmlns='storage:bookmarks'/>");
        let answer = parse(&host.request("get", super::super::stage::get("get", &asked)));
        let query = answer.children().next().expect("a query");
        let elements: Vec<minidom::Element> = query.children().cloned().collect();
        elements
    };
    let mut host = Host::new();
    let empty = fragment("<y xmlns='storage:bookmarks'/>");
    assert_eq!(asks(&mut host, "y"), [empty], "neither side has anything");
    host.keep(A, item(A, "A"));
    let seen = fragment(&storage(&conference(A, "A")));
    assert_eq!(
        asks(&mut host, "y"),
        std::slice::from_ref(&seen),
        "the node alone has rooms"
    );
    host.set(&(conference(A, "A") + &conference(B, "B")));
    host.nodes
        .get_mut(ALICE)
        .expect("a node")
        .retain(|(id, _)| id == A);
    assert_eq!(
        asks(&mut host, "y"),
        std::slice::from_ref(&seen),
        "one is gone"
    );
    host.request("x", set("x", OTHER));
    let both = [seen, fragment(OTHER)];
    assert_eq!(asks(&mut host, "y"), both, "beside what else is there");
    assert_eq!(asks(&mut host, "x"), [fragment(OTHER)], "as it is stored");
    // What it was shown so, a client can delete.
    assert_eq!(host.set(""), [Step::Fetch, Step::Retract(A.to_owned())]);
}

/// Whoever had more rooms than they may have was refused every change, and so could not delete any.
#[test]
fn whoever_has_too_many_rooms_can_delete_some() {
    let stage = super::super::stage::Stage::with("[bookmarks]\nmax_rooms = 3\n");
    let mut host = Host::on(stage);
    let all = ["a", "b", "c", "d", "e"].map(|name| format!("{name}@muc.localhost"));
    for jid in &all {
        host.keep(jid, item(jid, "R"));
    }
    assert_eq!(rooms(&host.get()).len(), 5);
    let of = |jids: &[String]| -> String { jids.iter().map(|jid| conference(jid, "R")).collect() };
    let more = storage(&(of(&all) + &conference("f@muc.localhost", "R")));
    host.send(set("1", &more));
    host.expect_error(&error("1", &more, "wait", 500, "resource-constraint"));
    // As many, with another in the place of one.
    let steps = host.set(&(of(&all[1..]) + &conference("f@muc.localhost", "R")));
    let added = Step::Publish("f@muc.localhost".to_owned());
    assert_eq!(steps, [Step::Fetch, Step::Retract(all[0].clone()), added]);
    // A client of which it is not known what it was shown.
    let set_by_tablet = |host: &mut Host, content: &str| {
        let tablet = "alice@localhost/tablet";
        host.request("t", request("set", "t", tablet, &storage(content)))
    };
    let answer = set_by_tablet(&mut host, &of(&all[1..]));
    assert!(answer.contains("type='result'"), "{answer}");
    let steps = host.set(&of(&all[1..2]));
    assert_eq!(steps.len(), 1 + 4, "{steps:?}");
    // What is noted of a set is written behind its answer: until then more rooms are known to have been
    // there, and whoever asks waits for it.
    assert_eq!(rooms(&host.get()).len(), 1);
    host.send(set("1", &storage(&of(&all))));
    host.expect_error(&error(
        "1",
        &storage(&of(&all)),
        "wait",
        500,
        "resource-constraint",
    ));
}
