//! What other clients do while a list is being brought into step. It is read once, and then worked off
//! for seconds; what came meanwhile was undone.

use super::super::stage::set;
use super::pep::*;
use crate::support::router::parse;

const A: &str = "a@muc.localhost";
const B: &str = "b@muc.localhost";
const C: &str = "c@muc.localhost";
const NEW: &str = "new@muc.localhost";

/// Alice has three rooms, and an old client that knows them sets this. Whenever an item is read again,
/// this happens before it is answered.
fn set_while(content: &str, mut happens: impl FnMut(&str, &mut Host)) -> Host {
    let mut host = Host::new();
    for (jid, name) in [(A, "A"), (B, "B"), (C, "C")] {
        host.keep(jid, item(jid, name));
    }
    host.get();
    host.settle();
    host.asked.clear();
    host.send(set("set", &storage(content)));
    loop {
        let xml = host.next();
        let Some(asked) = Asked::read(&xml) else {
            assert_eq!(parse(&xml).attr("type"), Some("result"), "{xml}");
            host.settle();
            return host;
        };
        if let Step::Reread(id) = &asked.step {
            happens(id, &mut host);
        }
        host.answer(asked);
    }
}

fn renamed() -> String {
    let rooms = [(A, "mine A"), (B, "mine B"), (C, "mine C"), (NEW, "mine")];
    rooms.map(|(jid, name)| conference(jid, name)).concat()
}

fn kept<'h>(host: &'h Host, jid: &str) -> &'h str {
    let found = host.nodes[ALICE].iter().find(|(id, _)| id == jid);
    found.map_or("", |(_, xml)| xml)
}

/// Each is read again directly before it is changed.
#[test]
fn each_item_is_read_again_and_then_changed_with_nothing_in_between() {
    let host = set_while(
        &(conference(B, "mine B") + &conference(NEW, "mine")),
        |_, _| {},
    );
    let steps: Vec<&Step> = host.asked.iter().map(|asked| &asked.step).collect();
    assert_eq!(steps[0], &Step::Fetch);
    for pair in steps[1..].chunks(2) {
        let [Step::Reread(read), Step::Publish(id) | Step::Retract(id)] = pair else {
            panic!("{steps:?}");
        };
        assert_eq!(read, id);
    }
    assert_eq!(steps.len(), 1 + 2 * 4, "A and C go, B changes, one is new");
}

#[test]
fn what_another_client_retracts_meanwhile_stays_retracted() {
    let mut host = set_while(&renamed(), |id, host| {
        if id == B {
            let node = host.nodes.get_mut(ALICE).expect("a node");
            node.retain(|(id, _)| id != B);
        }
    });
    assert_eq!(host.kept().len(), 3, "{:?}", host.kept());
    assert_eq!(kept(&host, B), "");
    let seen = rooms(&host.get());
    assert!(seen.iter().all(|(jid, _)| jid != B), "{seen:?}");
    host.settle();
    assert_eq!(kept(&host, B), "");
}

#[test]
fn what_another_client_edits_meanwhile_stands_beside_what_was_set() {
    let extensions = "<extensions><pin xmlns='urn:x'/></extensions>";
    let edited = |id: &str, name: &str| {
        format!(
            "<item id='{id}'><conference xmlns='{NODE}' name='{name}'><nick>other</nick>\
             {extensions}</conference></item>"
        )
    };
    let mut host = set_while(&renamed(), |id, host| match id {
        A => host.keep(A, edited(A, "A")),
        B => host.keep(B, edited(B, "theirs")),
        NEW => host.keep(NEW, edited(NEW, "theirs")),
        _ => {}
    });
    for (jid, name) in [(A, "mine A"), (B, "theirs"), (NEW, "theirs")] {
        let xml = kept(&host, jid);
        for part in [name, "<nick>other</nick>", "urn:x", "pin"] {
            assert!(xml.contains(part), "{jid}: {part} is not in {xml}");
        }
        assert!(!xml.contains("autojoin='true'"), "they took it away: {xml}");
    }
    assert_eq!(host.get().matches("<conference").count(), 4);
}

/// It was shown, and it was in the list no more; but what is in it now nobody has seen here.
#[test]
fn what_another_client_edits_meanwhile_is_not_retracted() {
    let mut host = set_while(&conference(A, "A"), |id, host| {
        if id == B {
            host.keep(B, item(B, "edited"));
        }
    });
    let mut left = host.kept();
    left.sort();
    assert_eq!(left, [A, B]);
    assert!(rooms(&host.get()).contains(&(B.to_owned(), "edited".to_owned())));
}

/// The node goes as a whole; nothing is published over what is not there any more.
#[test]
fn what_was_there_is_not_published_again_where_the_node_is_deleted_meanwhile() {
    let host = set_while(&renamed(), |id, host| {
        if id == A {
            host.nodes.remove(ALICE);
        }
    });
    assert_eq!(host.kept(), [NEW]);
}
