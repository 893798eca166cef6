//! Who may grant, and what is enough: only what a served host advertises on this link is used.

use super::super::stage::{Stage, get, request};
use super::pep::*;

/// Alice's bookmarks come from the store, and nobody is asked.
#[track_caller]
fn expect_store_alone(stage: &mut Stage) {
    stage.send(get("1", BOOKMARKS));
    answered(stage, "1");
}

/// Alice's bookmarks are asked for where she has her account.
#[track_caller]
fn expect_asked(stage: &mut Stage) {
    stage.send(get("2", BOOKMARKS));
    let fetch = asked(stage);
    assert_eq!((&*fetch.owner, &fetch.step), (ALICE, &Step::Fetch));
    stage.send(fetch.items(&item("a@muc.localhost", "A")));
    let answer = answered(stage, "2");
    assert_eq!(rooms(&answer), named(&[("a@muc.localhost", "A")]));
}

#[test]
fn without_a_grant_the_store_answers_alone() {
    let mut stage = Stage::new();
    expect_store_alone(&mut stage);
}

#[test]
fn with_a_grant_the_users_own_server_is_asked() {
    let mut stage = Stage::new();
    stage.send(grant("localhost"));
    expect_asked(&mut stage);
}

/// The same for requests that a server hands over.
#[test]
fn what_is_delegated_is_answered_from_the_node_too() {
    let mut stage = Stage::new();
    stage.send(grant("localhost"));
    stage.send(format!(
        "<iq type='set' id='outer' from='localhost' to='private.localhost'>\
         <delegation xmlns='urn:xmpp:delegation:2'><forwarded xmlns='urn:xmpp:forward:0'>\
         <iq xmlns='jabber:client' type='get' id='inner' from='alice@localhost/phone'>\
         <query xmlns='jabber:iq:private'>{BOOKMARKS}</query></iq></forwarded></delegation></iq>"
    ));
    let fetch = asked(&mut stage);
    stage.send(fetch.items(&item("a@muc.localhost", "A")));
    let answer = answered(&mut stage, "outer");
    assert!(answer.contains("<delegation"), "{answer}");
    assert!(answer.contains("jid='a@muc.localhost'"), "{answer}");
}

#[test]
fn pubsub_alone_is_enough() {
    let mut stage = Stage::new();
    let both = permission(&[(PUBSUB, "both")]);
    stage.send(advertisement("localhost", &both));
    expect_asked(&mut stage);
}

/// Prosody's modules of 2023 put the second namespace inside the first.
#[test]
fn the_nested_form_grants_as_well() {
    for (first, second) in [(OWNER, PUBSUB), (PUBSUB, OWNER)] {
        let mut stage = Stage::new();
        let nested = format!(
            "<perm access='iq'><namespace ns='{first}' type='both'>\
             <namespace ns='{second}' type='both'/></namespace></perm>"
        );
        stage.send(advertisement("localhost", &nested));
        expect_asked(&mut stage);
    }
}

/// As ejabberd writes it, with what it does not grant.
#[test]
fn other_permissions_beside_it_do_not_matter() {
    let mut stage = Stage::new();
    let none = |access: &str| format!("<perm access='{access}' type='none'/>");
    let permissions = [
        none("message"),
        none("roster"),
        permission(&[(PUBSUB, "both")]),
        none("presence"),
    ];
    stage.send(advertisement("localhost", &permissions.concat()));
    expect_asked(&mut stage);
}

#[test]
fn a_forged_advertisement_is_ignored() {
    let mut stage = Stage::new();
    for from in [
        "mallory@localhost",
        "mallory@localhost/x",
        "alice@localhost/phone",
        "localhost/x",
        "elsewhere.example",
        "private.localhost",
    ] {
        stage.send(grant(from));
    }
    let bounced = "<message type='error' ";
    stage.send(grant("localhost").replace("<message ", bounced));
    expect_store_alone(&mut stage);
    // Nor does one take a grant away.
    stage.send(grant("localhost"));
    for from in ["mallory@localhost/x", "elsewhere.example"] {
        stage.send(advertisement(from, ""));
    }
    stage.send(advertisement("localhost", "").replace("<message ", bounced));
    expect_asked(&mut stage);
}

#[test]
fn half_a_grant_is_not_enough() {
    let mut stage = Stage::new();
    let mut refused = vec![
        permission(&[(PUBSUB, "get")]),
        permission(&[(PUBSUB, "set")]),
        permission(&[(PUBSUB, "none")]),
        permission(&[(PUBSUB, "")]),
        permission(&[(OWNER, "both")]),
        permission(&[("jabber:iq:roster", "both")]),
        permission(&[]),
        String::new(),
    ];
    let both = permission(&[(PUBSUB, "both")]);
    refused.push(both.replace("access='iq'", "access='message'"));
    refused.push(both.replace(" type='both'", ""));
    for permissions in refused {
        stage.send(advertisement("localhost", &permissions));
        expect_store_alone(&mut stage);
    }
    let older = advertisement("localhost", &both).replace("privilege:2", "privilege:1");
    stage.send(older);
    expect_store_alone(&mut stage);
}

#[test]
fn a_later_advertisement_without_the_namespace_withdraws_the_grant() {
    let mut stage = Stage::new();
    for withdrawn in [
        String::new(),
        "<perm access='iq' type='none'/>".to_owned(),
        permission(&[(OWNER, "both")]),
        permission(&[(PUBSUB, "get"), (OWNER, "both")]),
    ] {
        stage.send(grant("localhost"));
        expect_asked(&mut stage);
        stage.send(advertisement("localhost", &withdrawn));
        expect_store_alone(&mut stage);
    }
}

#[test]
fn each_host_grants_for_its_own_users() {
    let mut stage = Stage::new();
    stage.send(grant("test2.localhost"));
    expect_store_alone(&mut stage);
    let namesake = "alice@test2.localhost/phone";
    stage.send(request("get", "1", namesake, BOOKMARKS));
    assert_eq!(asked(&mut stage).owner, "alice@test2.localhost");
}

/// A server may have been configured again meanwhile.
#[test]
fn a_grant_ends_with_its_link() {
    let mut stage = Stage::new();
    stage.send(grant("localhost"));
    expect_asked(&mut stage);
    stage.lose_link();
    stage.let_in_again();
    stage.send(get("3", BOOKMARKS));
    answered_again(&mut stage, "3");
    stage.send(grant("localhost"));
    expect_asked(&mut stage);
}

#[test]
fn with_mode_off_nobody_is_asked() {
    let mut stage = Stage::with("[bookmarks]\nmode = \"off\"\n");
    stage.send(grant("localhost"));
    expect_store_alone(&mut stage);
}

/// Nothing else ever waits for PEP.
#[test]
fn other_elements_are_not_asked_for() {
    let mut stage = Stage::new();
    stage.send(grant("localhost"));
    stage.store("<storage xmlns='storage:rosternotes'>1</storage><a xmlns='urn:x'>2</a>");
    stage.fetch("<a xmlns='urn:x'/>", "<a xmlns='urn:x'>2</a>");
}
