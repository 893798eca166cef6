//! How rooms are published and retracted, byte for byte what the servers were measured with; and
//! nodes whose options are wrong.

use minidom::Element;

use super::super::stage::{get, set};
use super::pep::*;
use crate::support::answers::fragment;
use crate::support::router::PATIENCE;

const A: &str = "a@muc.localhost";
const B: &str = "b@muc.localhost";

/// The options of XEP-0402, as a form with this purpose.
fn options(purpose: &str) -> String {
    format!(
        "<x xmlns='jabber:x:data' type='submit'>\
         <field var='FORM_TYPE' type='hidden'><value>{purpose}</value></field>\
         <field var='pubsub#persist_items'><value>true</value></field>\
         <field var='pubsub#max_items'><value>max</value></field>\
         <field var='pubsub#send_last_published_item'><value>never</value></field>\
         <field var='pubsub#access_model'><value>whitelist</value></field></x>"
    )
}

/// Alice sets these rooms and other things; what was published of it, by id.
fn published(content: &str) -> Vec<Element> {
    let mut host = Host::new();
    host.set(content);
    let publishes = host.asked.iter();
    publishes
        .filter(|asked| matches!(asked.step, Step::Publish(_)))
        .map(|asked| asked.payload.clone())
        .collect()
}

#[test]
fn a_room_is_published_with_all_it_has_and_the_options_of_the_node() {
    let room = "<conference jid='a@muc.localhost' name='Tea &amp; &lt;cakes>' autojoin='1'>\
         <nick>al</nick><password>pw</password></conference>";
    let expected = fragment(&format!(
        "<pubsub xmlns='{PUBSUB}'><publish node='{NODE}'><item id='{A}'>\
         <conference xmlns='{NODE}' name='Tea &amp; &lt;cakes>' autojoin='true'>\
         <nick>al</nick><password>pw</password></conference></item></publish>\
         <publish-options>{}</publish-options></pubsub>",
        options("http://jabber.org/protocol/pubsub#publish-options")
    ));
    assert_eq!(published(room), [expected]);
}

#[test]
fn autojoin_is_published_as_a_boolean() {
    for (written, meant) in [
        ("autojoin='true'", true),
        ("autojoin='1'", true),
        ("autojoin='false'", false),
        ("autojoin='0'", false),
        ("", false),
    ] {
        let payloads = published(&format!("<conference jid='{A}' {written}/>"));
        let room = payloads[0]
            .children()
            .find_map(|publish| publish.children().next()?.children().next())
            .expect("a room");
        match meant {
            true => assert_eq!(room.attr("autojoin"), Some("true"), "{written}"),
            false => assert!(
                matches!(room.attr("autojoin"), None | Some("false")),
                "{written}"
            ),
        }
        // An absent name is not an empty one.
        assert_eq!(room.attr("name"), None);
    }
}

/// Two in one: Prosody keeps the first only, ejabberd refuses both.
#[test]
fn only_what_differs_is_published_one_item_each() {
    let mut host = Host::new();
    let steps = host.set(&(conference(A, "A") + &conference(B, "B")));
    let publish = |id: &str| Step::Publish(id.to_owned());
    assert_eq!(steps, [Step::Fetch, publish(A), publish(B)]);
    let steps = host.set(&(conference(A, "A") + &conference(B, "Renamed")));
    assert_eq!(steps, [Step::Fetch, publish(B)]);
    let steps = host.set(&(conference(B, "Renamed") + &conference(A, "A")));
    assert_eq!(steps, [Step::Fetch]);
}

#[test]
fn a_room_that_is_gone_is_retracted_with_a_notification() {
    let mut host = Host::new();
    host.set(&(conference(A, "A") + &conference(B, "B")));
    let steps = host.set(&conference(A, "A"));
    assert_eq!(steps, [Step::Fetch, Step::Retract(B.to_owned())]);
    let expected = format!(
        "<pubsub xmlns='{PUBSUB}'><retract node='{NODE}' notify='true'><item id='{B}'/></retract>\
         </pubsub>"
    );
    let retract = host.asked.last().expect("asked");
    assert_eq!(retract.payload, fragment(&expected));
    // That somebody else was quicker is no fault.
    host.set(&(conference(A, "A") + &conference(B, "B")));
    host.nodes.insert(ALICE.to_owned(), Vec::new());
    host.set("");
}

#[test]
fn the_extensions_of_an_item_are_kept() {
    let extensions = "<extensions><x xmlns='urn:x' y='1'>kept<z/></x></extensions>";
    let mut host = Host::new();
    host.keep(
        A,
        item(A, "A").replace("</nick>", &format!("</nick>{extensions}")),
    );
    host.get();
    host.set(&conference(A, "Renamed"));
    let expected = item(A, "Renamed").replace("</nick>", &format!("</nick>{extensions}"));
    let (_, kept) = &host.nodes[ALICE][0];
    // Written from within `<pubsub/>`.
    let in_pubsub =
        |xml: &str| fragment(&xml.replacen("<item ", &format!("<item xmlns='{PUBSUB}' "), 1));
    let kept = kept.replacen(&format!(" xmlns='{PUBSUB}'"), "", 1);
    let kept = kept.replacen(&format!(" xmlns=\"{PUBSUB}\""), "", 1);
    assert_eq!(in_pubsub(&kept), in_pubsub(&expected));
}

/// A node that shows passwords to everybody, or keeps three rooms, is mended, and then used.
#[test]
fn wrong_options_are_mended_where_that_is_granted() {
    let mut host = Host::new();
    host.send(set("1", &storage(&conference(A, "A"))));
    let fetch = asked(&mut host);
    host.answer(fetch);
    let refused = asked_to_add(&mut host);
    host.send(refused.wrong_options());
    let mut configure = asked(&mut host);
    if configure.step == Step::ReadOptions {
        host.answer(configure);
        configure = asked(&mut host);
    }
    let expected = format!(
        "<pubsub xmlns='{OWNER}'><configure node='{NODE}'>{}</configure></pubsub>",
        options("http://jabber.org/protocol/pubsub#node_config")
    );
    assert_eq!(configure.payload, fragment(&expected));
    host.answer(configure);
    let again = asked_to_add(&mut host);
    assert_eq!(again.payload, refused.payload);
    assert_ne!(
        (&again.outer, &again.inner),
        (&refused.outer, &refused.inner)
    );
    host.answer(again);
    let check = asked(&mut host);
    host.answer(check);
    assert!(answered(&mut host, "1").contains("type='result'"));
    assert_eq!(host.kept(), [A]);
}

#[test]
fn wrong_options_that_stay_wrong_are_not_mended_for_ever() {
    let mut host = Host::new();
    let content = storage(&conference(A, "A"));
    host.send(set("1", &content));
    let fetch = asked(&mut host);
    host.answer(fetch);
    let mut asked_for = 0;
    loop {
        let xml = host.next();
        let Some(asked) = Asked::read(&xml) else {
            assert!(xml.contains("type='result'"), "{xml}");
            break;
        };
        asked_for += 1;
        assert!(asked_for < 10, "again and again: {xml}");
        match asked.step {
            Step::Publish(_) => host.send(asked.wrong_options()),
            _ => host.answer(asked),
        }
    }
    host.send(advertisement("localhost", ""));
    host.fetch(BOOKMARKS, &content);
}

/// Nothing is published into an open node, and the administrator learns why in one line.
#[test]
fn wrong_options_without_the_right_to_mend_them_leave_the_store_alone() {
    let mut host = Host::new();
    host.keep("old@muc.localhost", item("old@muc.localhost", "Old"));
    host.send(advertisement("localhost", &permission(&[(PUBSUB, "both")])));
    for round in ["1", "2"] {
        let both = conference("old@muc.localhost", "Old") + &conference(A, round);
        host.send(set(round, &storage(&both)));
        loop {
            let xml = host.next();
            let Some(asked) = Asked::read(&xml) else {
                assert!(xml.contains("type='result'"), "{xml}");
                break;
            };
            match asked.step {
                Step::Fetch | Step::Reread(_) => host.answer(asked),
                Step::Publish(_) => host.send(asked.wrong_options()),
                step => panic!("{step:?} is not granted"),
            }
        }
        host.send(get("shown", BOOKMARKS));
        let fetch = asked(&mut host);
        host.answer(fetch);
        let shown = rooms(&answered(&mut host, "shown"));
        let again = asked_to_add(&mut host);
        assert_eq!(again.step, Step::Publish(A.to_owned()));
        host.send(again.wrong_options());
        assert!(
            shown.contains(&(A.to_owned(), round.to_owned())),
            "{shown:?}"
        );
        let old = ("old@muc.localhost".to_owned(), "Old".to_owned());
        assert!(shown.contains(&old), "{shown:?}");
    }
    host.component.wait_for_log("pubsub#owner", PATIENCE);
    let log = host.component.log();
    let told = log.iter().filter(|line| line.contains("pubsub#owner"));
    assert_eq!(told.count(), 1, "{log:#?}");
    assert!(!log.concat().contains("alice"), "{log:#?}");
}
