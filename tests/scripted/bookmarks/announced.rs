//! What accounts announce of bookmarks, where a host asks it: whether they are kept in step. The question
//! and the grant come at the same moment, in any order, and ejabberd asks only once.

use std::time::Duration;

use super::super::stage::Stage;
use super::pep::*;
use crate::support::router::parse;

const OF_EJABBERD: &str = "urn:xmpp:delegation:1:bare:urn:xmpp:bookmarks:1#compat";
const OF_PROSODY: &str = "urn:xmpp:delegation:2:bare:urn:xmpp:bookmarks:1#compat";
/// What is asked about private storage itself has nothing to do with it.
const OF_PRIVATE: &str = "urn:xmpp:delegation:1:bare:jabber:iq:private";
const IN_STEP: &str = "urn:xmpp:bookmarks:1#compat";
const PRIVATE: &str = "jabber:iq:private";

fn question(id: &str, from: &str, node: &str) -> String {
    format!(
        "<iq type='get' id='{id}' from='{from}' to='private.localhost'>\
         <query xmlns='http://jabber.org/protocol/disco#info' node='{node}'/></iq>"
    )
}

fn announcement(id: &str, to: &str, node: &str, features: &[&str]) -> String {
    let features = features
        .iter()
        .map(|var| format!("<feature var='{var}'/>"))
        .collect::<String>();
    format!(
        "<iq type='result' id='{id}' from='private.localhost' to='{to}'>\
         <query xmlns='http://jabber.org/protocol/disco#info' node='{node}'>{features}</query></iq>"
    )
}

/// A component that has just logged in, and whose pings the test answers.
fn stage() -> Stage {
    let mut stage = Stage::new();
    stage.answers_pings = false;
    stage
}

/// The id of the ping that an answer waits for.
#[track_caller]
fn waits(stage: &mut Stage) -> String {
    let ping = stage.next_with("announced-");
    ping.split('\'').nth(3).expect("an id").to_owned()
}

/// The next answer to such a question is this.
#[track_caller]
fn expect_told(stage: &mut Stage, expected: &str) {
    let told = stage.next_with("disco#info");
    assert_eq!(parse(&told), parse(expected), "{told}");
}

#[test]
fn the_answer_waits_for_the_grant() {
    let mut stage = stage();
    stage.send(question("1", "localhost", OF_EJABBERD));
    waits(&mut stage);
    stage.send(grant("localhost"));
    let announced = announcement("1", "localhost", OF_EJABBERD, &[IN_STEP]);
    expect_told(&mut stage, &announced);
}

#[test]
fn where_the_grant_came_first_nothing_is_waited_for() {
    let mut stage = stage();
    stage.send(grant("localhost"));
    for (id, node, feature) in [
        ("1", OF_EJABBERD, IN_STEP),
        ("2", OF_PROSODY, IN_STEP),
        ("3", OF_PRIVATE, PRIVATE),
    ] {
        stage.send(question(id, "localhost", node));
        let answer = stage.next_with(&format!("id='{id}'"));
        let expected = announcement(id, "localhost", node, &[feature]);
        assert_eq!(parse(&answer), parse(&expected), "{answer}");
    }
}

/// It has said then what it had to say.
#[test]
fn a_host_that_has_answered_a_ping_grants_nothing() {
    for answer in ["result", "error"] {
        let mut stage = stage();
        for (id, node) in [("1", OF_EJABBERD), ("2", OF_PROSODY)] {
            stage.send(question(id, "localhost", node));
            let ping = waits(&mut stage);
            stage.send(format!(
                "<iq type='{answer}' id='{ping}' from='localhost' to='private.localhost'/>"
            ));
            expect_told(&mut stage, &announcement(id, "localhost", node, &[]));
        }
        // ejabberd may have dropped that, and is told once more when it does grant.
        stage.send(grant("localhost"));
        let announced = announcement("1", "localhost", OF_EJABBERD, &[IN_STEP]);
        expect_told(&mut stage, &announced);
    }
}

#[test]
fn a_host_that_says_nothing_is_answered_all_the_same() {
    let mut stage = stage();
    stage.send(question("1", "localhost", OF_EJABBERD));
    let ping = waits(&mut stage);
    // Nobody else answers for it.
    stage.send(format!(
        "<iq type='result' id='{ping}' from='test2.localhost' to='private.localhost'/>"
    ));
    expect_told(
        &mut stage,
        &announcement("1", "localhost", OF_EJABBERD, &[]),
    );
}

/// The question that waited went with the link. Prosody asks once in its life, and never announced it.
#[test]
fn what_waits_when_the_link_ends_waits_for_the_grant_on_the_next() {
    let mut stage = stage();
    stage.send(question("1", "localhost", OF_PROSODY));
    waits(&mut stage);
    stage.lose_link();
    stage.let_in_again();
    stage.answers_pings = false;
    waits(&mut stage);
    stage.send(grant("localhost"));
    let announced = announcement("1", "localhost", OF_PROSODY, &[IN_STEP]);
    expect_told(&mut stage, &announced);
}

#[test]
fn whoever_else_asks_is_answered_at_once_and_told_nothing_of_it() {
    let mut stage = stage();
    for from in ["bob@localhost/x", "elsewhere.example"] {
        stage.send(grant("localhost"));
        stage.send(grant("elsewhere.example"));
        stage.send(question("1", from, OF_EJABBERD));
        expect_told(&mut stage, &announcement("1", from, OF_EJABBERD, &[]));
    }
    assert_eq!(stage.next_within(Duration::from_millis(100)), None);
}

#[test]
fn where_bookmarks_stay_apart_nothing_is_announced_or_waited_for() {
    let mut stage = Stage::with("[bookmarks]\nmode = \"off\"\n");
    stage.send(question("1", "localhost", OF_EJABBERD));
    let apart = announcement("1", "localhost", OF_EJABBERD, &[]);
    stage.expect(&apart);
    stage.send(grant("localhost"));
    stage.expect(&apart);
    stage.send(question("2", "localhost", OF_PROSODY));
    stage.expect(&announcement("2", "localhost", OF_PROSODY, &[]));
}
