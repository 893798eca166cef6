//! Instances over one database, and what each says of itself.

use std::net::SocketAddr;
use std::process::Command;

use crate::support::answers::{fragment, stored, succeeded};
use crate::support::client::{PATIENCE, RawClient};
use crate::support::clock::eventually;
use crate::support::component::{Component, Options};
use crate::support::database::Database;
use crate::support::web;

pub const ALICE: &str = "alice@localhost";
pub const BOB: &str = "bob@localhost";

/// An instance over this database, beside the server that listens there.
pub fn instance(server: SocketAddr, database: &Database) -> Component {
    Component::start(options(server, database))
}

/// How it is configured. Each attempt of an instance that stands by is logged.
pub fn options(server: SocketAddr, database: &Database) -> Options {
    let log = "[log]\nlevel = \"info,xmpp_private_storage::run=debug\"\n";
    Options {
        storage: "engine = \"postgres\"".to_owned(),
        // The servers' hosts grant no access to PEP here, of which there would be a warning.
        extra: format!("{}\n{log}[bookmarks]\nmode = \"off\"\n", database.section()),
        ..Options::at(server)
    }
}

/// How often it was refused while it stood by, but for the first time.
pub fn refusals(component: &Component) -> usize {
    lines(component, "still standing by")
}

/// How many lines of its log have this in them.
pub fn lines(component: &Component, part: &str) -> usize {
    let log = component.log();
    log.iter().filter(|line| line.contains(part)).count()
}

/// It stands by, says so wherever it is asked, and lives.
#[track_caller]
pub fn assert_stands_by(component: &Component) {
    component.wait_for_log("standing by, trying every", PATIENCE);
    let said = "standing by: another instance is connected to ";
    eventually("it stands by", || {
        ask(component, "/readyz").1.starts_with(said)
    });
    assert_eq!(ask(component, "/readyz").0, 503);
    assert_eq!(ask(component, "/livez").0, 200);
    let metrics = ask(component, "/metrics").1;
    for line in [
        "private_storage_standby 1",
        "private_storage_ready 0",
        "private_storage_link_up 0",
        "private_storage_login_failures_total 0",
    ] {
        assert!(metrics.lines().any(|it| it == line), "{line} in {metrics}");
    }
    let (code, told) = run(component, &["status"]);
    assert_eq!(code, Some(69), "{told}");
    for part in [
        "· link: standing by, not logged in since 20",
        "· not ready: this instance stands by",
        "✓ store: the database ",
    ] {
        assert!(told.contains(part), "{part} in {told}");
    }
    assert_eq!(run(component, &["healthcheck"]).0, Some(0));
    assert_eq!(run(component, &["healthcheck", "--ready"]).0, Some(69));
    let (code, told) = run(component, &["check", "--connect"]);
    assert_eq!(code, Some(0), "that is no mistake: {told}");
}

/// It serves, and says so.
#[track_caller]
pub fn assert_serves(component: &Component) {
    eventually("it is ready", || ask(component, "/readyz").0 == 200);
    let metrics = ask(component, "/metrics").1;
    for line in ["private_storage_standby 0", "private_storage_ready 1"] {
        assert!(metrics.lines().any(|it| it == line), "{line} in {metrics}");
    }
}

/// What it answers on its control socket.
#[track_caller]
pub fn ask(component: &Component, path: &str) -> (u16, String) {
    let answer = web::control(&component.folder().join("data"), path);
    (answer.status, answer.body)
}

/// Runs a command beside it, as a terminal that knows UTF-8 shows it; how it ends, and what it says.
fn run(component: &Component, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_xmpp-private-storage"))
        .current_dir(component.folder())
        .env("LC_ALL", "C.UTF-8")
        .args(["--config", "component.toml"])
        .args(arguments)
        .output()
        .expect("the program runs");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), told)
}

/// The client keeps this under that name, which succeeds.
#[track_caller]
pub fn keep(client: &mut RawClient, name: &str, content: &str) {
    succeeded(&client.set("", &element(name, content)));
}

/// The client is shown this under that name.
#[track_caller]
pub fn assert_kept(client: &mut RawClient, name: &str, content: &str) {
    let answer = client.get("", &element(name, ""));
    assert_eq!(stored(&answer), [fragment(&element(name, content))]);
}

fn element(name: &str, content: &str) -> String {
    format!("<{name} xmlns='urn:test:instances'>{content}</{name}>")
}
