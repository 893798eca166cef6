//! Restarts of either side: nothing stored is lost, and service comes back by itself.

use super::stage::{Stage, Start};
use crate::support::answers::{fragment, stored, succeeded};
use crate::support::client::RawClient;
use crate::support::server::COMPONENT;
use crate::support::{ejabberd, prosody};

const KEPT: &str = "<a xmlns='urn:test:kept'>kept</a>";

#[test]
fn prosody_and_component_restart() {
    nothing_is_lost_and_service_comes_back(prosody::start);
}

#[test]
fn ejabberd_and_component_restart() {
    nothing_is_lost_and_service_comes_back(ejabberd::start);
}

fn nothing_is_lost_and_service_comes_back(start: Start) {
    let mut stage = Stage::new(start);
    let alice = stage.newcomer();
    succeeded(&RawClient::login(&stage.server, &alice).set("", KEPT));

    let status = stage.component.stop();
    assert!(status.success(), "after SIGTERM: {status}");
    stage.component.restart();
    is_kept(&stage, &alice);

    let mut client = RawClient::login(&stage.server, &alice);
    succeeded(&client.set("", "<b xmlns='urn:test:kept'>answered just before</b>"));
    stage.component.kill();
    stage.component.restart();
    is_kept(&stage, &alice);
    let answer = client.get("", "<b xmlns='urn:test:kept'/>");
    let b = fragment("<b xmlns='urn:test:kept'>answered just before</b>");
    assert_eq!(stored(&answer), [b]);

    stage.server.restart();
    is_kept(&stage, &alice);

    stage.server.kill();
    stage.server.restart();
    is_kept(&stage, &alice);
    assert_eq!(stage.component.exited(), None);
}

fn is_kept(stage: &Stage, jid: &str) {
    stage.wait_until_served();
    let mut client = RawClient::login(&stage.server, jid);
    for to in ["", COMPONENT] {
        let answer = client.get(to, "<a xmlns='urn:test:kept'/>");
        assert_eq!(stored(&answer), [fragment(KEPT)]);
    }
}
