//! A socket on this machine instead of a port.

use super::stage::wait_until_served;
use crate::support::client::PATIENCE;
use crate::support::component::{self, Component};
use crate::support::ejabberd;
use crate::support::place::Folder;
use crate::support::server::{COMPONENT, Options, Server, place};

const ALICE: &str = "alice@localhost";

fn at(folder: &Folder) -> component::Options {
    let mut options = component::Options::at(([127, 0, 0, 1], 1).into());
    let path = folder.outside().join("component.sock");
    options.server = format!("unix:{}", path.display());
    options
}

fn start(folder: &Folder) -> Server {
    let mut options = Options::delegating(&[ALICE]);
    let path = folder.inside("component.sock");
    options.besides = ejabberd::listener(&format!("port: \"unix:{path}\""));
    ejabberd::start(options)
}

#[test]
fn ejabberd_serves_over_a_socket_and_again_after_a_restart() {
    let folder = place().folder("socket");
    let component = Component::start(at(&folder));
    let told = component.wait_for_log("next attempt in", PATIENCE);
    assert!(told.contains("cannot connect to unix:/"), "{told}");
    assert!(told.contains("No such file"), "{told}");

    let mut server = start(&folder);
    wait_until_served(&server, ALICE, &["", COMPONENT]);
    let told = component.wait_for_log("logged in to", PATIENCE);
    assert!(told.contains("logged in to unix:/"), "{told}");

    server.restart();
    wait_until_served(&server, ALICE, &["", COMPONENT]);
}
