//! What `print-config` prints, pasted as it is, makes a server delegate.

use super::stage::{Start, wait_until_served};
use crate::support::component::{self, Component};
use crate::support::server::{COMPONENT, Options};
use crate::support::{ejabberd, ports, prosody};

#[test]
fn prosody_delegates_with_the_printed_blocks() {
    delegates_as_printed("prosody", prosody::start);
}

#[test]
fn ejabberd_delegates_with_the_printed_blocks() {
    delegates_as_printed("ejabberd", ejabberd::start);
}

fn delegates_as_printed(router: &str, start: Start) {
    let users = ["alice@localhost", "alice@test2.localhost"];
    let mut options = Options::delegating(&users);
    let address = ports::address(options.ports.component);
    let configuration = component::Options::at(address);
    options.host_blocks = Some(component::print_config(&configuration, router));

    let server = start(options);
    let _component = Component::start(configuration);
    for user in users {
        wait_until_served(&server, user, &["", COMPONENT]);
    }
}
