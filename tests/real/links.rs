//! How the two find each other, and what is said when they do not.

use super::stage::{Start, wait_until_served};
use crate::support::client::PATIENCE;
use crate::support::component::{self, Component};
use crate::support::ports;
use crate::support::server::{COMPONENT, Options};
use crate::support::{ejabberd, prosody};

const ALICE: &str = "alice@localhost";

macro_rules! on_both_servers {
    ($($scenario:ident)*) => {
        mod prosody_link { $(#[test] fn $scenario() { super::$scenario(super::prosody::start); })* }
        mod ejabberd_link { $(#[test] fn $scenario() { super::$scenario(super::ejabberd::start); })* }
    };
}

on_both_servers! {
    the_component_may_be_there_first
    without_delegation_it_is_reached_directly
    a_wrong_secret_is_said_plainly
    an_unknown_domain_is_said_plainly
}

fn the_component_may_be_there_first(start: Start) {
    let options = Options::delegating(&[ALICE]);
    let address = ports::address(options.ports.component);
    let component = Component::start(component::Options::at(address));
    component.pauses(1);
    let server = start(options);
    wait_until_served(&server, ALICE, &["", COMPONENT]);
}

fn without_delegation_it_is_reached_directly(start: Start) {
    let server = start(Options {
        delegation: false,
        ..Options::delegating(&[ALICE])
    });
    let _component = Component::start(component::Options::at(server.component_address()));
    wait_until_served(&server, ALICE, &[COMPONENT]);
}

fn a_wrong_secret_is_said_plainly(start: Start) {
    let server = start(Options::delegating(&[]));
    let component = Component::start(component::Options {
        secret: "not-this-one".to_owned(),
        ..component::Options::at(server.component_address())
    });
    said_plainly(component, "secret");
}

/// ejabberd says the same of an unknown domain as of a wrong secret; the component names both.
fn an_unknown_domain_is_said_plainly(start: Start) {
    let server = start(Options::delegating(&[]));
    let component = Component::start(component::Options {
        jid: "nobody.localhost".to_owned(),
        ..component::Options::at(server.component_address())
    });
    said_plainly(component, "nobody.localhost");
}

/// A warning or error names what is wrong, is repeated at most as often as it is tried again, and
/// never holds the secret itself.
fn said_plainly(mut component: Component, part: &str) {
    component.wait_for_log(part, PATIENCE);
    component.pauses(2);
    let log = component.log();
    let said = log.join("\n");
    let complains = |line: &String| line.contains("WARN") || line.contains("ERROR");
    let plain = |line: &String| complains(line) && line.contains(part);
    assert!(log.iter().any(plain), "no complaint names {part}:\n{said}");
    assert!(log.len() <= 10, "too much is said:\n{said}");
    for word in ["panic at", "not-this-one", "s3cret"] {
        assert!(!said.contains(word), "{word} is said:\n{said}");
    }
    assert_eq!(component.exited(), None, "it goes on trying");
}

/// A harness that hides why a server did not start costs its user an afternoon.
#[test]
#[should_panic(expected = "prosody.cfg.lua")]
fn prosody_shows_what_it_does_not_understand() {
    prosody::start(Options {
        host_blocks: Some("VirtualHost (".to_owned()),
        ..Options::delegating(&[])
    });
}

#[test]
#[should_panic(expected = "Failed to read YAML file")]
fn ejabberd_shows_what_it_does_not_understand() {
    ejabberd::start(Options {
        host_blocks: Some("modules: [\n".to_owned()),
        ..Options::delegating(&[])
    });
}
