//! What users can do, and what they cannot, on both servers and on both ways in.
//!
//! A scenario is told where to send its requests: to the component, or, with an empty address, to
//! the user's own account, from where the server delegates them.

use std::time::Duration;

use minidom::Element;
use tokio_xmpp::IqRequest;
use xmpp_parsers::bookmarks::{Conference, Storage};
use xmpp_parsers::private::Query;

use super::stage::{self, Stage};
use crate::support::answers::{fragment, refusal, stored, succeeded};
use crate::support::library::LibraryClient;
use crate::support::server::COMPONENT;

macro_rules! on_both_servers {
    ($($scenario:ident)*) => {
        mod prosody_delegated {
            $(#[test] fn $scenario() { super::$scenario(super::stage::prosody(), ""); })*
        }
        mod prosody_direct {
            $(#[test] fn $scenario() {
                super::$scenario(super::stage::prosody(), super::COMPONENT);
            })*
        }
        mod ejabberd_delegated {
            $(#[test] fn $scenario() { super::$scenario(super::stage::ejabberd(), ""); })*
        }
        mod ejabberd_direct {
            $(#[test] fn $scenario() {
                super::$scenario(super::stage::ejabberd(), super::COMPONENT);
            })*
        }
    };
}

on_both_servers! {
    what_is_stored_is_fetched
    what_was_never_stored_comes_back_empty
    a_set_replaces_what_had_its_name
    an_empty_element_deletes
    one_set_stores_several_elements
    a_get_of_two_namespaces_is_refused
    a_reserved_namespace_is_refused
    a_long_attribute_survives
    other_users_data_is_refused
    users_of_the_other_host_are_served_apart
    both_ways_in_lead_to_the_same_data
    an_unmodified_library_keeps_its_bookmarks
    a_poisonous_message_costs_nobody_else_anything
}

fn what_is_stored_is_fetched(stage: &Stage, to: &str) {
    let xml = "<notes xmlns='urn:test:notes' xmlns:p='urn:test:other' p:mood='&lt;fine&gt;'>\
               one <b xml:lang='fr'>deux</b> <p:three/>\u{1F600}</notes>";
    let mut alice = stage.login();
    succeeded(&alice.set(to, xml));
    let answer = alice.get(to, "<notes xmlns='urn:test:notes'/>");
    assert_eq!(stored(&answer), [fragment(xml)]);
}

fn what_was_never_stored_comes_back_empty(stage: &Stage, to: &str) {
    let mut alice = stage.login();
    let answer = alice.get(to, "<never xmlns='urn:test:never'/>");
    assert_eq!(
        stored(&answer),
        [fragment("<never xmlns='urn:test:never'/>")]
    );
}

fn a_set_replaces_what_had_its_name(stage: &Stage, to: &str) {
    let mut alice = stage.login();
    succeeded(&alice.set(
        to,
        "<a xmlns='urn:test:r'>old</a><b xmlns='urn:test:r'>kept</b>",
    ));
    succeeded(&alice.set(to, "<a xmlns='urn:test:r'>new</a>"));
    let answer = alice.get(to, "<a xmlns='urn:test:r'/>");
    assert_eq!(stored(&answer), [fragment("<a xmlns='urn:test:r'>new</a>")]);
    let answer = alice.get(to, "<b xmlns='urn:test:r'/>");
    assert_eq!(
        stored(&answer),
        [fragment("<b xmlns='urn:test:r'>kept</b>")]
    );
}

fn an_empty_element_deletes(stage: &Stage, to: &str) {
    let mut alice = stage.login();
    succeeded(&alice.set(to, "<a xmlns='urn:test:d'>here</a>"));
    succeeded(&alice.set(to, "<a xmlns='urn:test:d'/>"));
    let answer = alice.get(to, "<a xmlns='urn:test:d'/>");
    assert_eq!(stored(&answer), [fragment("<a xmlns='urn:test:d'/>")]);
}

fn one_set_stores_several_elements(stage: &Stage, to: &str) {
    let first = "<item xmlns='urn:test:s1' n='1'/><item xmlns='urn:test:s1' n='2'/>";
    let second = "<other xmlns='urn:test:s2'>x</other>";
    let mut alice = stage.login();
    succeeded(&alice.set(to, &format!("{first}{second}")));
    let answer = alice.get(to, "<item xmlns='urn:test:s1'/>");
    let items = ["1", "2"].map(|n| fragment(&format!("<item xmlns='urn:test:s1' n='{n}'/>")));
    assert_eq!(stored(&answer), items);
    let answer = alice.get(to, "<other xmlns='urn:test:s2'/>");
    assert_eq!(stored(&answer), [fragment(second)]);
}

fn a_get_of_two_namespaces_is_refused(stage: &Stage, to: &str) {
    let mut alice = stage.login();
    let answer = alice.get(to, "<a xmlns='urn:test:one'/><a xmlns='urn:test:two'/>");
    assert_eq!(refusal(&answer), "modify not-acceptable");
}

fn a_reserved_namespace_is_refused(stage: &Stage, to: &str) {
    let mut alice = stage.login();
    let answer = alice.set(to, "<query xmlns='jabber:iq:roster'>mine</query>");
    assert_eq!(refusal(&answer), "modify not-acceptable");
}

/// Longer than what an XML parser takes by default (8 KiB), and than what a server reads at once:
/// where the answer's end is held back by a reader, nothing else comes to push it out.
fn a_long_attribute_survives(stage: &Stage, to: &str) {
    let mut alice = stage.login();
    for length in [9_000, 100_000] {
        let xml = format!("<a xmlns='urn:test:long' k='{}'/>", "v".repeat(length));
        succeeded(&alice.set(to, &xml));
        let answer = alice.get(to, "<a xmlns='urn:test:long'/>");
        assert!(
            stored(&answer) == [fragment(&xml)],
            "{length} came back changed"
        );
    }
}

fn other_users_data_is_refused(stage: &Stage, to: &str) {
    let mut alice = stage.login();
    let alice_jid = bare(alice.jid());
    succeeded(&alice.set(to, "<a xmlns='urn:test:mine'>mine</a>"));

    let hers = match to {
        "" => alice_jid,
        component => format!("{}@{component}", local(&alice_jid)),
    };
    let [neighbour, stranger] = stage.login_namesakes();
    for mut thief in [neighbour, stranger] {
        let answer = thief.get(&hers, "<a xmlns='urn:test:mine'/>");
        assert_eq!(refusal(&answer), "auth forbidden");
        let answer = thief.set(&hers, "<a xmlns='urn:test:mine'>stolen</a>");
        assert_eq!(refusal(&answer), "auth forbidden");
    }

    let answer = alice.get(to, "<a xmlns='urn:test:mine'/>");
    assert_eq!(
        stored(&answer),
        [fragment("<a xmlns='urn:test:mine'>mine</a>")]
    );
}

fn users_of_the_other_host_are_served_apart(stage: &Stage, to: &str) {
    let payload = |whose| format!("<a xmlns='urn:test:apart'>{whose}</a>");
    let [mut alice, mut namesake] = stage.login_namesakes();
    succeeded(&alice.set(to, &payload("Alice's")));
    succeeded(&namesake.set(to, &payload("another's")));
    let answer = alice.get(to, "<a xmlns='urn:test:apart'/>");
    assert_eq!(stored(&answer), [fragment(&payload("Alice's"))]);
    let answer = namesake.get(to, "<a xmlns='urn:test:apart'/>");
    assert_eq!(stored(&answer), [fragment(&payload("another's"))]);
}

fn both_ways_in_lead_to_the_same_data(stage: &Stage, to: &str) {
    let other_way = match to {
        "" => COMPONENT,
        _ => "",
    };
    let mut alice = stage.login();
    succeeded(&alice.set(to, "<a xmlns='urn:test:ways'>same</a>"));
    let answer = alice.get(other_way, "<a xmlns='urn:test:ways'/>");
    assert_eq!(
        stored(&answer),
        [fragment("<a xmlns='urn:test:ways'>same</a>")]
    );
}

fn an_unmodified_library_keeps_its_bookmarks(stage: &Stage, to: &str) {
    let to = Some(to).filter(|to| !to.is_empty());
    let bookmarks = Query {
        storage: Storage {
            conferences: vec![Conference {
                autojoin: true,
                jid: "room@rooms.example".parse().expect("a JID"),
                name: Some("A room".to_owned()),
                nick: None,
                password: None,
            }],
            urls: Vec::new(),
        },
    };
    let mut alice = LibraryClient::connect(&stage.newcomer(), stage.server.client_address());
    let answer = alice.request(to, IqRequest::Set(Element::from(bookmarks.clone())));
    assert_eq!(answer, None);
    let question = Query {
        storage: Storage::new(),
    };
    let answer = alice.request(to, IqRequest::Get(Element::from(question)));
    let answer = answer.expect("a query");
    assert_eq!(Query::try_from(answer).expect("bookmarks"), bookmarks);
}

/// Both servers pass `xml:foo` on in a form that ends an XML parser for good.
fn a_poisonous_message_costs_nobody_else_anything(stage: &Stage, to: &str) {
    let mut alice = stage.login();
    let mut mallory = stage.login();
    for round in 0..20 {
        mallory.send(&format!("<message to='{COMPONENT}'><xml:foo/></message>"));
        let xml = format!("<a xmlns='urn:test:calm'>{round}</a>");
        succeeded(&alice.set(to, &xml));
        let answer = alice.get(to, "<a xmlns='urn:test:calm'/>");
        assert_eq!(stored(&answer), [fragment(&xml)]);
    }
    while let Some(stanza) = mallory.next(Duration::from_millis(10)) {
        assert!(!stanza.contains("stream:error"), "{stanza}");
    }
}

fn bare(jid: &str) -> String {
    jid.split('/').next().unwrap_or(jid).to_owned()
}

fn local(jid: &str) -> &str {
    jid.split('@').next().unwrap_or(jid)
}
