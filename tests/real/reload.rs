//! Reloading beside a real Prosody.

use super::stage::wait_until_served;
use crate::support::answers::{refusal, succeeded, text};
use crate::support::client::{PATIENCE, RawClient};
use crate::support::component::{self, Component};
use crate::support::prosody;
use crate::support::server::{HOST, Options};

/// Prosody has said that the other host delegates before anybody served it, and is not asked again.
#[test]
fn a_host_that_prosody_delegates_already_is_served_at_once() {
    let [alice, bob] = ["alice@localhost", "bob@test2.localhost"];
    let server = prosody::start(Options::delegating(&[alice, bob]));
    let with = |domains: &[&str]| {
        let mut options = component::Options::at(server.component_address());
        options.domains = domains.iter().map(|&it| it.to_owned()).collect();
        options
    };
    let mut component = Component::start(with(&[HOST]));
    wait_until_served(&server, alice, &[""]);
    let mut bob = RawClient::login(&server, bob);
    let answer = bob.get("", "<a xmlns='urn:x'/>");
    assert_eq!(refusal(&answer), "cancel service-unavailable");
    assert!(
        text(&answer).contains("access.domains"),
        "{}",
        text(&answer)
    );

    component.reload(&with(&[HOST, "test2.localhost"]).toml());
    component.wait_for_log("delegation is active for test2.localhost", PATIENCE);
    succeeded(&bob.set("", "<a xmlns='urn:x'>1</a>"));
    succeeded(&RawClient::login(&server, alice).set("", "<a xmlns='urn:x'>1</a>"));
    let log = component.log();
    let logins = log.iter().filter(|line| line.contains("logged in"));
    assert_eq!(logins.count(), 1, "{log:?}");
}
