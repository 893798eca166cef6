//! Items that are long, odd, too deep or too many: what cannot be taken costs itself alone.

use super::super::stage::{Stage, get, request, set};
use super::pep::*;
use crate::support::router::{PATIENCE, parse};

const A: &str = "a@muc.localhost";
const B: &str = "b@muc.localhost";
const LONG: &str = "long@muc.localhost";

/// What stands in Alice's node, and rooms that she is shown of it.
#[track_caller]
fn shown(items: &[String]) -> Vec<(String, String)> {
    let mut host = Host::new();
    for (number, item) in items.iter().enumerate() {
        host.keep(&number.to_string(), item.clone());
    }
    let mut shown = rooms(&host.get());
    shown.sort();
    shown
}

/// As another client has published it.
fn of(id: &str, conference: &str) -> String {
    format!("<item id='{id}'>{conference}</item>")
}

/// A name of 8,200 bytes in one item hid all of a user's rooms from old clients, as if there were
/// none, and nothing of what they set came into PEP: a library's parser stops at 8 KiB.
#[test]
fn a_long_name_in_one_item_hides_no_room() {
    let long = "x".repeat(8_200);
    let items = [item(A, "A"), item(LONG, &long), item(B, "B")];
    assert_eq!(shown(&items), named(&[(A, "A"), (B, "B"), (LONG, &long)]));
}

/// The same, and its user's sets reach PEP.
#[test]
fn beside_a_long_name_in_one_item_others_are_changed() {
    let long = "x".repeat(8_200);
    let mut host = Host::new();
    host.keep(A, item(A, "A"));
    host.keep(LONG, item(LONG, &long));
    let of_long = conference(LONG, &long);
    host.get();
    let asked = host.set(&(conference(A, "Renamed") + &of_long + &conference(B, "B")));
    let changes = [
        Step::Fetch,
        Step::Publish(A.into()),
        Step::Publish(B.into()),
    ];
    assert_eq!(asked, changes);
    let asked = host.set(&(conference(LONG, "short") + &conference(B, "B")));
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert!(asked.contains(&Step::Publish(LONG.into())), "{asked:?}");
    assert!(asked.contains(&Step::Retract(A.into())), "{asked:?}");
}

/// The same kind: whatever else may be long in an item.
#[test]
fn long_attributes_of_extensions_hide_no_room_and_stay() {
    let long = "&lt;".repeat(15_000);
    let extensions = format!("<extensions><e xmlns='urn:e' a='{long}'>{long}</e></extensions>");
    let conference =
        |name| format!("<conference xmlns='{NODE}' name='{name}'>{extensions}</conference>");
    let mut host = Host::new();
    host.keep(A, of(A, &conference("A")));
    host.keep(B, item(B, "B"));
    assert_eq!(rooms(&host.get()), named(&[(A, "A"), (B, "B")]));
    host.set(&format!(
        "<conference jid='{A}' name='Renamed'/>{}",
        super::pep::conference(B, "B")
    ));
    let (_, kept) = &host.nodes[ALICE]
        .iter()
        .find(|(id, _)| id == A)
        .expect("it");
    let expected = of(A, &conference("Renamed"));
    assert_eq!(infoset(kept), infoset(&expected));
}

/// What stands in an item.
fn infoset(xml: &str) -> crate::fidelity::infoset::Item {
    let item = crate::support::answers::fragment(xml);
    crate::fidelity::infoset::of(item.children().next().expect("a conference"))
}

/// The servers take 60,000 characters; a room with such a name was stored and never published.
#[test]
fn a_room_with_a_name_of_60_000_characters_is_published_and_renamed() {
    let mut host = Host::new();
    for letter in ["x", "\u{e9}"] {
        let long = letter.repeat(60_000);
        host.set(&conference(LONG, &long));
        assert_eq!(rooms(&host.get()), named(&[(LONG, &long)]));
        let (_, kept) = &host.nodes[ALICE][0];
        assert_eq!(infoset(kept), infoset(&item(LONG, &long)));
    }
}

/// A room of PEP that an old client gave a name of more than 8 KiB was not known any more as the one
/// that it had been shown, and retracted.
#[test]
fn a_room_that_is_given_a_long_name_is_not_taken_for_deleted() {
    let long = "x".repeat(60_000);
    let mut host = Host::new();
    host.keep(A, item(A, "A"));
    assert_eq!(rooms(&host.get()), named(&[(A, "A")]));
    let asked = host.set(&conference(A, &long));
    assert_eq!(asked, [Step::Fetch, Step::Publish(A.to_owned())]);
    assert_eq!(rooms(&host.get()), named(&[(A, &long)]));
}

/// What is deeper than `limits.max_depth` in one item took all rooms away.
#[test]
fn an_item_that_is_too_deep_costs_itself_alone() {
    let mut host = Host::new();
    let deep = "<x>".repeat(2_000) + &"</x>".repeat(2_000);
    let extensions = format!("<extensions>{deep}</extensions>");
    let deep = format!("<conference xmlns='{NODE}' name='Deep'>{extensions}</conference>");
    host.keep(A, item(A, "A"));
    host.keep("deep@muc.localhost", of("deep@muc.localhost", &deep));
    host.keep(B, item(B, "B"));
    let rooms = rooms(&host.get());
    for room in named(&[(A, "A"), (B, "B")]) {
        assert!(rooms.contains(&room), "{rooms:?}");
    }
    // Nothing takes it away, either.
    let asked = host.set(&conference(A, "Renamed"));
    assert!(asked.contains(&Step::Publish(A.into())), "{asked:?}");
    assert!(asked.contains(&Step::Retract(B.into())), "{asked:?}");
    assert!(host.kept().contains(&"deep@muc.localhost"));
}

/// An item is what has an address and says something of a room: no more is read into it.
#[test]
fn what_is_missing_twice_or_nested_wrongly_is_read_as_it_stands() {
    let say = |name: &str| format!("<conference xmlns='{NODE}' name='{name}'/>");
    let items = [
        item(A, "A"),
        of("nothing@muc.localhost", ""),
        of("text@muc.localhost", "conference"),
        of("twice@muc.localhost", &(say("First") + &say("Second"))),
        of(
            "around@muc.localhost",
            &format!("<x xmlns='urn:x'>{}</x>", say("Inside")),
        ),
        of("item@muc.localhost", &item("inner@muc.localhost", "Inner")),
        format!("<items>{}</items>", item("items@muc.localhost", "Items")),
        of(
            "beside@muc.localhost",
            &format!("text<x xmlns='urn:x'/>{}", say("Beside")),
        ),
        item(B, "B"),
    ];
    let expected = [
        (A, "A"),
        (B, "B"),
        ("beside@muc.localhost", "Beside"),
        ("twice@muc.localhost", "First"),
    ];
    assert_eq!(shown(&items), named(&expected));
}

/// However its address is written: the id of each is named as it is.
#[test]
fn a_room_that_is_dropped_is_retracted_by_every_id_it_has() {
    let ids = [
        "Tea@MUC.localhost",
        "tea@muc.localhost",
        "tea@muc.localhost/nick",
        "O\u{b4}ne&amp;&lt;\u{1d7d9}@muc.localhost",
        "&#x421;\u{430}\u{444}\u{435}@muc.localhost",
    ];
    let mut host = Host::new();
    for id in ids {
        let plain = id.replace("&amp;", "&").replace("&lt;", "<");
        let plain = plain.replace("&#x421;", "\u{421}");
        host.keep(&plain, item(id, "Tea"));
    }
    let seen = rooms(&host.get());
    assert!(seen.contains(&("tea@muc.localhost".to_owned(), "Tea".to_owned())));
    let asked = host.set("");
    let retracted: Vec<&Step> = asked
        .iter()
        .filter(|step| matches!(step, Step::Retract(_)))
        .collect();
    for id in [
        ids[0],
        ids[1],
        ids[2],
        "\u{421}\u{430}\u{444}\u{435}@muc.localhost",
    ] {
        let named = retracted
            .iter()
            .filter(|step| ***step == Step::Retract(id.to_owned()));
        assert_eq!(named.count(), 1, "{id}: {asked:?}");
    }
    // One that is no address stays.
    assert!(
        host.kept().iter().all(|id| id.starts_with("O\u{b4}")),
        "{:?}",
        host.kept()
    );
}

/// Others of the same answer say nothing about rooms: neither what comes before the items nor what
/// comes behind, as where a service says which part of the node it has sent (XEP-0059).
#[test]
fn what_stands_beside_the_items_is_passed_over() {
    let rsm = "<set xmlns='http://jabber.org/protocol/rsm'><first index='0'>a</first><last>b</last>\
               <count>2</count></set>";
    let two = item(A, "A") + &item(B, "B");
    let items = format!("<items node='{NODE}'>{two}</items>");
    for payload in [
        format!("{items}{rsm}"),
        format!("{rsm}{items}"),
        format!("text<x xmlns='urn:x'>{items}</x><subscriptions/>{items}<default/>\n"),
        format!("<items node='{NODE}'>\n {two}<set xmlns='urn:x'/> \n</items>"),
    ] {
        let mut stage = Stage::new();
        stage.send(grant("localhost"));
        stage.send(get("1", BOOKMARKS));
        let fetch = asked(&mut stage);
        stage.send(fetch.result(&format!("<pubsub xmlns='{PUBSUB}'>{payload}</pubsub>")));
        let answer = answered(&mut stage, "1");
        assert_eq!(rooms(&answer), named(&[(A, "A"), (B, "B")]), "{payload}");
    }
}

/// A node that does not fit into a stanza: the store answers, a single line at debug tells of it, and
/// nobody else waits for anything.
#[test]
fn a_node_that_is_too_large_is_told_once_at_debug_and_harms_nobody() {
    let mut stage =
        Stage::with("[limits]\nmax_stanza_bytes = 524288\n\n[log]\nlevel = \"debug\"\n");
    stage.store(&storage(&conference(A, "Stored")));
    stage.store("<a xmlns='urn:x'>1</a>");
    stage.send(grant("localhost"));
    stage.send(get("1", BOOKMARKS));
    let fetch = asked(&mut stage);
    let before = stage.component.log().len();
    let items: String = (0..30)
        .map(|n| {
            item(
                &format!("r{n}@muc.localhost"),
                &"<a/>".repeat(7_000).replace("<a/>", "&lt;a/>"),
            )
        })
        .collect();
    let large = fetch.items(&items);
    assert!(large.len() > 524_288 * 12 / 10, "{}", large.len());
    stage.send(large);
    let answer = answered(&mut stage, "1");
    assert_eq!(rooms(&answer), named(&[(A, "Stored")]));
    stage.fetch("<a xmlns='urn:x'/>", "<a xmlns='urn:x'>1</a>");
    // It is not asked for again so soon, and what is set is kept.
    stage.send(set("2", &storage(&conference(A, "Again"))));
    assert!(answered(&mut stage, "2").contains("type='result'"));
    stage.send(get("3", BOOKMARKS));
    let answer = answered(&mut stage, "3");
    assert_eq!(rooms(&answer), named(&[(A, "Again")]));
    stage.component.wait_for_log(ALICE, PATIENCE);
    let log = stage.component.log();
    let told = log[before..].iter().filter(|line| line.contains(ALICE));
    let told: Vec<&String> = told.collect();
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(
        told[0].contains("DEBUG") && told[0].len() < 400,
        "{told:#?}"
    );
}

/// ejabberd takes a quarter of a second to write a node of a MiB, and everybody's requests wait behind
/// it: eight users who went on asking for theirs made them wait for four seconds.
#[test]
fn large_nodes_are_fetched_by_turns_and_others_at_once() {
    let mut stage = Stage::new();
    stage.send(grant("localhost"));
    let large: String = (0..20)
        .map(|n| item(&format!("r{n}@muc.localhost"), &"x".repeat(20_000)))
        .collect();
    for user in ["alice", "carol"] {
        stage.send(request(
            "get",
            user,
            &format!("{user}@localhost/x"),
            BOOKMARKS,
        ));
        let fetch = asked(&mut stage);
        stage.send(fetch.items(&large));
        answered(&mut stage, user);
    }
    // The store answers, and nothing is asked of PEP.
    for user in ["alice", "carol"] {
        stage.send(request(
            "get",
            user,
            &format!("{user}@localhost/x"),
            BOOKMARKS,
        ));
        answered(&mut stage, user);
    }
    for _ in 0..2 {
        stage.send(request("get", "bob", "bob@localhost/x", BOOKMARKS));
        let fetch = asked(&mut stage);
        assert_eq!(fetch.owner, "bob@localhost");
        stage.send(fetch.items(&item(A, "A")));
        assert_eq!(rooms(&answered(&mut stage, "bob")), named(&[(A, "A")]));
    }
}

/// By what a deletion goes is the address, not how an item is written: a set that says all that was
/// shown changes nothing, whatever stands beside in the items.
#[test]
fn a_set_of_what_was_shown_changes_nothing() {
    let conference = format!(
        "<c:conference xmlns:c='{NODE}' autojoin='1' name=''><c:nick/><c:nick>second</c:nick>\
         <c:password a='1'><x xmlns='urn:x'>in</x>p</c:password></c:conference>"
    );
    let mut host = Host::new();
    host.keep(A, of(A, &conference));
    host.keep(B, item(B, "B"));
    let answer = host.get();
    let answer = parse(&answer);
    let storage = answer
        .children()
        .next()
        .and_then(|query| query.children().next());
    let shown = storage.expect("bookmarks").children();
    let again: String = shown.map(crate::fidelity::writing::plain).collect();
    assert_eq!(host.set(&again), [Step::Fetch]);
}
