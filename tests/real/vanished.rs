//! Connections whose other end has vanished without a word, as where a machine dies: Prosody believes in them for
//! as long as its system does, a quarter of an hour or more, and lets nobody else log in meanwhile.

use std::time::Duration;

use super::prosody_module::RawComponent;
use super::stage::wait_until_served;
use crate::support::answers::element;
use crate::support::client::{PATIENCE, RawClient, private};
use crate::support::clock::{Ticks, eventually};
use crate::support::component::{self, Component};
use crate::support::prosody;
use crate::support::relay::Relay;
use crate::support::server::{COMPONENT, Options, SECRET, Server};

const ALICE: &str = "alice@localhost";
const GIVEN_UP: &str = "has not answered a ping for 10 seconds";

/// How long the one that is connected has to answer.
const LIVES_WITHIN: Duration = Duration::from_secs(10);

fn prosody() -> Server {
    prosody::start(Options::delegating(&[ALICE]))
}

/// The component could not log in again for a quarter of an hour after the network had been away.
#[test]
fn the_component_follows_a_dead_connection_of_its_own() {
    let server = prosody();
    let relay = Relay::new(server.component_address());
    let mut component = Component::start(component::Options::at(relay.address()));
    wait_until_served(&server, ALICE, &["", COMPONENT]);
    relay.freeze();
    component.kill();
    component.restart();
    component.wait_for_log("the server says conflict", PATIENCE);
    wait_until_served(&server, ALICE, &["", COMPONENT]);
    eventually("it is told", || server.log().contains(GIVEN_UP));
}

#[test]
fn whoever_answers_keeps_the_place_and_newcomers_are_refused() {
    let server = prosody();
    let mut first = RawComponent::login(&server, COMPONENT);
    let conflict = |secret| {
        let (_, answer) = RawComponent::try_login(&server, COMPONENT, secret);
        answer
    };
    let refused = conflict(SECRET);
    for part in ["<conflict ", "Component already connected"] {
        assert!(refused.contains(part), "{refused}");
    }
    let ping = first.next_with("urn:xmpp:ping");
    let ping = element(&ping.replace("xmlns='jabber:component:accept'", "")).expect("XML");
    let (id, from) = (
        ping.attr("id").expect("an id"),
        ping.attr("from").expect("a sender"),
    );
    first.send(&format!(
        "<iq type='result' id='{id}' from='{COMPONENT}' to='{from}'/>"
    ));

    // A stranger is refused as ever, and makes nobody ask.
    let refused = conflict("not-this-one");
    assert!(refused.contains("<not-authorized "), "{refused}");
    Ticks::start().wait_for(LIVES_WITHIN + Duration::from_secs(2));
    RawClient::login(&server, ALICE).send(&private("get", "", "<a xmlns='urn:test:here'/>"));
    let asked = first.next_with("urn:");
    assert!(
        asked.contains("urn:test:here"),
        "it was asked again: {asked}"
    );
    let log = server.log();
    assert!(!log.contains(GIVEN_UP), "{log}");
    assert!(!log.contains("denying connection"), "{log}");
}

#[test]
fn whoever_says_nothing_is_closed_once_another_one_comes() {
    let server = prosody();
    let mut first = RawComponent::login(&server, COMPONENT);
    Ticks::start().wait_for(LIVES_WITHIN + Duration::from_secs(2));
    RawClient::login(&server, ALICE).send(&private("get", "", "<a xmlns='urn:test:here'/>"));
    first.next_with("urn:test:here"); // nobody has come
    let _second = Component::start(component::Options::at(server.component_address()));
    let end = first.next_with("stream:error");
    assert!(end.contains("<connection-timeout "), "{end}");
    wait_until_served(&server, ALICE, &["", COMPONENT]);
}
