//! Rooms with any XML in them, of either form: it comes back equal by each way that leads through
//! the component, and somebody else is served all along.

mod case;
mod model;
mod play;

use std::cell::RefCell;
use std::hash::{BuildHasher, Hasher, RandomState};

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use super::pep::*;
use crate::chaos::variable;
use crate::fidelity::infoset;
use crate::support::answers::fragment;
use crate::support::router::parse;
use play::Play;

/// Each is some ten requests through the socket.
const CASES: u32 = 200;

/// `TREES_SEED` repeats a run, `TREES_CASES` is its length.
#[test]
fn any_tree_comes_back_equal_by_every_way() {
    let seed: u64 =
        variable("TREES_SEED").unwrap_or_else(|| RandomState::new().build_hasher().finish());
    let cases = variable("TREES_CASES").unwrap_or(CASES);
    println!("TREES_SEED={seed} TREES_CASES={cases}");
    let config = Config {
        cases,
        max_shrink_iters: 100,
        max_shrink_time: 30_000,
        failure_persistence: None,
        ..Config::default()
    };
    let bytes = seed.to_le_bytes().repeat(4);
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    // After a case that failed, the next has a component of its own.
    let play = RefCell::new(None);
    let outcome = TestRunner::new_with_rng(config, rng).run(&case::cases(), |case| {
        let mut whole: Play = play.take().unwrap_or_else(Play::new);
        whole.run(&case).map_err(TestCaseError::fail)?;
        play.replace(Some(whole));
        Ok(())
    });
    if let Err(failure) = outcome {
        let text = failure.to_string();
        let end = text.len().min(20_000);
        panic!("{}", String::from_utf8_lossy(&text.as_bytes()[..end]));
    }
}

const TEA: &str = "tea@muc.localhost";

/// The only room in an answer.
#[track_caller]
fn only_room(answer: &str) -> infoset::Item {
    let answer = parse(answer);
    let query = answer.children().next().expect("a query");
    let storage = query.children().next().expect("bookmarks");
    let rooms: Vec<_> = storage.children().collect();
    let [room] = rooms[..] else {
        panic!("not one room: {storage:?}");
    };
    infoset::of(room)
}

/// What Alice's node has of a room.
#[track_caller]
fn kept(host: &Host, id: &str) -> infoset::Item {
    let mut items = host.nodes[ALICE].iter();
    let (_, xml) = items.find(|(known, _)| known == id).expect("the item");
    let item = fragment(xml);
    infoset::of(item.children().next().expect("a conference"))
}

/// An element of a test's own, in this namespace.
fn own(namespace: &str, xml: &str) -> infoset::Item {
    let around = fragment(&format!("<around xmlns='{namespace}'>{xml}</around>"));
    infoset::of(around.children().next().expect("an element"))
}

/// A user ended the process, and again after each restart: what they had stored had a namespaced
/// attribute in a room and another in a child of it, and their other client had given that room
/// another name. Their next get panicked in the libraries' writer of XML, where a child declares a
/// prefix again.
#[test]
fn a_room_with_namespaced_attributes_at_two_levels_is_shown_with_its_new_name() {
    let room = |name| {
        format!(
            "<conference jid='{TEA}' name='{name}' xmlns:p='urn:p' p:a='1'>\
             <e xmlns='urn:e' xmlns:q='urn:q' q:b='1'/></conference>"
        )
    };
    let mut host = Host::new();
    host.set(&room("A"));
    host.keep(TEA, item(TEA, "B"));
    for _ in 0..2 {
        let answer = host.get();
        let mut expected = own("storage:bookmarks", &room("B"));
        expected.add("autojoin", Some("true"));
        let nick = own("storage:bookmarks", "<nick>al</nick>");
        expected.children.push(infoset::Child::Element(nick));
        assert_eq!(only_room(&answer), expected, "{answer}");
        host.settle();
    }
    // It is stored by now: whoever starts again must not fall over it either.
    host.component.restart();
    host.let_in_again();
    host.send(grant("localhost"));
    let answer = host.get();
    assert_eq!(rooms(&answer), named(&[(TEA, "B")]));
    assert_eq!(host.component.exited(), None);
}

/// The other way in: an item in PEP had namespaced attributes at two levels, and an old client gave
/// its room another name.
#[test]
fn an_item_with_namespaced_attributes_at_two_levels_is_published_with_its_new_name() {
    let conference = |name| {
        format!(
            "<conference xmlns='{NODE}' name='{name}' xmlns:p='urn:p' p:a='1'>\
             <extensions xmlns:q='urn:q' q:b='1'><p:e xmlns:r='urn:r' r:c='1' q:b='2'/></extensions>\
             </conference>"
        )
    };
    let mut host = Host::new();
    host.keep(TEA, format!("<item id='{TEA}'>{}</item>", conference("A")));
    assert_eq!(rooms(&host.get()), named(&[(TEA, "A")]));
    let asked = host.set(&format!("<conference jid='{TEA}' name='B'/>"));
    assert!(asked.contains(&Step::Publish(TEA.to_owned())), "{asked:?}");
    assert_eq!(kept(&host, TEA), own(NODE, &conference("B")));
    assert_eq!(rooms(&host.get()), named(&[(TEA, "B")]));
}

/// The same kind: prefixes that stand for something else further in, `xml:lang`, text in between.
#[test]
fn an_item_with_prefixes_bound_anew_is_published_with_its_new_name() {
    let conference = |name| {
        format!(
            "<p:conference xmlns:p='{NODE}' name='{name}' xml:lang='de' xmlns:q='urn:q' q:a='1'>\
             one<p:x xmlns:p='urn:p' p:a='1'><q:y xmlns:q='urn:r' q:a='2'>two<![CDATA[<&]]></q:y>\
             <y xmlns='' z='&#13;&#10;'/></p:x> <p:extensions/>&#13;</p:conference>"
        )
    };
    let mut host = Host::new();
    host.keep(TEA, format!("<item id='{TEA}'>{}</item>", conference("A")));
    host.get();
    host.set(&format!("<conference jid='{TEA}' name='B'/>"));
    assert_eq!(kept(&host, TEA), own(NODE, &conference("B")));
}

/// What is stored may be as deep as the limit allows, and a view is not cut there.
#[test]
fn a_room_as_deep_as_the_limit_allows_is_shown_with_its_new_name() {
    // With `<storage/>` and `<conference/>` around.
    let levels = 256 - 2;
    let deep = "<d xmlns='urn:d' xmlns:p='urn:p' p:a='1'>".repeat(levels) + &"</d>".repeat(levels);
    let room = |name| format!("<conference jid='{TEA}' name='{name}'>{deep}</conference>");
    let mut host = Host::new();
    host.set(&room("A"));
    let bare = format!("<conference xmlns='{NODE}' name='B'/>");
    host.keep(TEA, format!("<item id='{TEA}'>{bare}</item>"));
    let answer = host.get();
    assert_eq!(only_room(&answer), own("storage:bookmarks", &room("B")));
}
