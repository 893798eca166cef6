//! Two independent clients of one account, in another language, an old one and a modern one.

use std::path::Path;
use std::process::Command;

use super::stage::{On, on_each_server};
use crate::real::slixmpp::python;
use crate::support::server::PASSWORD;

on_each_server! {
    each_sees_the_rooms_of_the_other
}

fn each_sees_the_rooms_of_the_other(on: On) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/slixmpp_bookmarks.py");
    let stage = on.shared();
    let address = stage.server.client_address();
    let output = Command::new(python())
        .arg(&script)
        .args([&address.ip().to_string(), &address.port().to_string()])
        .args([&stage.newcomer(), PASSWORD])
        .output()
        .expect("the interpreter runs");
    assert!(
        output.status.success(),
        "{on:?}: {}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
