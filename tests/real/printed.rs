//! What `print-config` prints, pasted as it is, makes a server delegate.

use super::stage::{Start, wait_until_served};
use crate::support::certificates::Identity;
use crate::support::component::{self, Component};
use crate::support::server::{COMPONENT, Options, Server, place};
use crate::support::{ejabberd, ports, prosody};

const USERS: [&str; 2] = ["alice@localhost", "alice@test2.localhost"];

#[test]
fn prosody_delegates_with_the_printed_blocks() {
    delegates_as_printed("prosody", prosody::start);
}

#[test]
fn ejabberd_delegates_with_the_printed_blocks() {
    delegates_as_printed("ejabberd", ejabberd::start);
}

fn delegates_as_printed(router: &str, start: Start) {
    let mut options = Options::delegating(&USERS);
    let address = ports::address(options.ports.component);
    let configuration = component::Options::at(address);
    options.host_blocks = Some(component::print_config(&configuration, router));
    delegates(start(options), configuration);
}

fn delegates(server: Server, configuration: component::Options) {
    let _component = Component::start(configuration);
    for user in USERS {
        wait_until_served(&server, user, &["", COMPONENT]);
    }
}

/// The file that is printed stands for the administrator's own.
#[test]
fn ejabberd_delegates_over_tls_with_the_printed_blocks() {
    let identity = Identity::as_debian_makes_it();
    let folder = place().folder("certificate");
    folder.write("router.pem", &(identity.pem() + &identity.key_pem()));

    let mut options = Options::delegating(&USERS);
    let mut configuration = component::Options::at(ports::address(options.ports.component));
    let pin = identity.fingerprint();
    configuration.component = format!("tls = \"on\"\ntls_pin_sha256 = \"{pin}\"");
    let printed = component::print_config(&configuration, "ejabberd");
    let file = folder.inside("router.pem");
    options.host_blocks = Some(printed.replace("/etc/ejabberd/ejabberd.pem", &file));
    delegates(ejabberd::start(options), configuration);
}

#[test]
fn ejabberd_delegates_over_a_socket_with_the_printed_blocks() {
    let folder = place().folder("socket");
    let mut options = Options::delegating(&USERS);
    let mut configuration = component::Options::at(ports::address(options.ports.component));
    configuration.server = format!("unix:{}", folder.outside().join("it.sock").display());
    let printed = component::print_config(&configuration, "ejabberd");
    let outside = folder.outside().to_str().expect("UTF-8");
    options.host_blocks =
        Some(printed.replace(&format!("{outside}/it.sock"), &folder.inside("it.sock")));
    // By its ports the harness sees that a server is up.
    let port = options.ports.component;
    options.besides = ejabberd::listener(&format!("port: {port}\n    ip: \"127.0.0.1\""));
    delegates(ejabberd::start(options), configuration);
}
