//! `check --connect` beside real servers: what it says of their mistakes, and ours.

use std::time::{Duration, Instant};

use super::stage::{Start, prosody as shared_prosody};
use crate::support::client::{PATIENCE, RawClient};
use crate::support::clock::Ticks;
use crate::support::component::{self, check, check_connect};
use crate::support::server::{COMPONENT, HOST, OTHER_HOST, Options, SECRET, Server, place};
use crate::support::{ejabberd, ports, prosody};

const ALICE: &str = "alice@localhost";

macro_rules! on_both_servers {
    ($($scenario:ident)*) => {
        mod prosody_check { $(#[test] fn $scenario() { super::$scenario(super::prosody::start); })* }
        mod ejabberd_check { $(#[test] fn $scenario() { super::$scenario(super::ejabberd::start); })* }
    };
}

on_both_servers! {
    all_is_well
    what_is_wrong_with_the_login
    no_host_delegates
}

fn options(server: &Server) -> component::Options {
    component::Options::at(server.component_address())
}

/// Checks until all of this is said: the check waits 5 s for each thing, and on a busy machine a
/// server may take longer.
#[track_caller]
fn connect(options: &component::Options, code: i32, parts: &[&str]) -> String {
    let deadline = Instant::now() + 3 * PATIENCE;
    while Instant::now() < deadline {
        let (exit, said) = check(options, &["--connect"]);
        assert!(!said.contains(SECRET), "{said}");
        if exit == Some(code) && parts.iter().all(|part| said.contains(part)) {
            return said;
        }
        println!("not yet {code} and {parts:?}, but {exit:?}:\n{said}");
    }
    panic!("never {code} and {parts:?}");
}

fn all_is_well(start: Start) {
    let server = start(Options::delegating(&[ALICE]));
    let delegated = [
        "✓ delegation: localhost\n",
        "✓ delegation: test2.localhost\n",
    ];
    let said = connect(&options(&server), 0, &delegated);
    let lines: Vec<&str> = said.lines().collect();
    let address = server.component_address();
    assert_eq!(
        lines[3..8],
        [
            "✓ name: 127.0.0.1 is an address",
            &format!("✓ connection: {address} accepted the connection"),
            "✓ stream: the server speaks XMPP with components",
            "✓ secret: accepted for private.localhost",
            "✓ delegation: localhost",
        ],
        "{said}"
    );
    assert_eq!(lines[8], "✓ delegation: test2.localhost");
    assert!(
        !said.contains('✗') && !said.contains("mod_private of"),
        "{said}"
    );
}

fn what_is_wrong_with_the_login(start: Start) {
    let server = start(Options::delegating(&[]));

    let mut wrong = options(&server);
    wrong.secret = "not-this-one".to_owned();
    let parts = ["✗ secret: ", "not-authorized", "component.secret"];
    let said = connect(&wrong, 69, &parts);
    assert!(said.ends_with("· delegation: not tried\n"), "{said}");

    let mut wrong = options(&server);
    wrong.jid = "nobody.localhost".to_owned();
    connect(&wrong, 69, &["nobody.localhost"]);

    let of_clients = component::Options::at(server.client_address());
    connect(&of_clients, 69, &["✗ stream: ", "for clients"]);
}

fn no_host_delegates(start: Start) {
    let server = start(Options {
        delegation: false,
        ..Options::delegating(&[])
    });
    let mut options = options(&server);
    let hint = match server.name() {
        "Prosody" => "in modules_enabled of Component \"private.localhost\"; \"localhost\" in",
        _ => "mod_delegation is not loaded there",
    };
    let parts = [
        "✗ delegation: none from localhost: ",
        "✗ delegation: none from test2.localhost: ",
        hint,
    ];
    let said = connect(&options, 69, &parts);
    assert!(!said.contains("meanwhile"), "{said}");
    options.access = "delegation = \"required\"".to_owned();
    options.domains = vec!["elsewhere.localhost".to_owned()];
    let none = "✗ delegation: none from elsewhere.localhost";
    connect(&options, 69, &[none, "has no such host"]);
}

/// What is printed for another jid: the server delegates, but not to us.
#[test]
fn ejabberd_delegates_to_somebody_else() {
    let mut server = Options::delegating(&[]);
    let options = component::Options::at(ports::address(server.ports.component));
    let printed = component::print_config(&options, "ejabberd");
    // The secret goes with the component's own name, and what is delegated with the other.
    let ours = format!("    server: \"{COMPONENT}\"");
    assert!(printed.contains(&ours), "{printed}");
    server.host_blocks = Some(printed.replace(&ours, "    server: \"other.localhost\""));
    let _server = ejabberd::start(server);
    let compare = "does not delegate to private.localhost: compare";
    connect(&options, 69, &[compare]);
}

#[test]
fn prosody_delegates_to_somebody_else() {
    let mut server = Options::delegating(&[]);
    let options = component::Options::at(ports::address(server.ports.component));
    let component = |name: &str, more: &str| {
        format!("Component \"{name}\"\n  component_secret = \"{SECRET}\"\n{more}")
    };
    let another = component(
        "other.localhost",
        "  modules_enabled = { \"private_storage\" }\n  private_storage_hosts = { \"localhost\" }\n",
    );
    let ours = component(COMPONENT, "");
    server.host_blocks = Some(format!("VirtualHost \"{HOST}\"\n{another}{ours}"));
    let _server = prosody::start(server);
    connect(
        &options,
        69,
        &["\"localhost\" in its private_storage_hosts"],
    );
}

/// Prosody, with what is printed for this configuration.
fn prosody_with(extra: &str) -> (Server, component::Options) {
    let folder = place().folder("printed");
    let mut server = Options::delegating(&[]);
    let mut configuration = component::Options::at(ports::address(server.ports.component));
    configuration.domains = vec![HOST.to_owned()];
    configuration.extra = extra.to_owned();
    let printed = component::print_config(&configuration, "prosody");
    server.host_blocks = Some(prosody::including(&folder, &printed));
    (prosody::start(server), configuration)
}

/// Prosody with mod_delegation, and mod_privilege, which grants this.
fn prosody_granting(grant: &str) -> (Server, component::Options) {
    let mut server = Options::delegating(&[]);
    let mut configuration = component::Options::at(ports::address(server.ports.component));
    configuration.domains = vec![HOST.to_owned()];
    let modules = "  modules_enabled = { \"delegation\", \"privilege\" }\n";
    server.host_blocks = Some(format!(
        "VirtualHost \"{HOST}\"\n{modules}  \
         delegations = {{ [\"jabber:iq:private\"] = {{ jid = \"{COMPONENT}\" }} }}\n{grant}\
         Component \"{COMPONENT}\"\n  component_secret = \"{SECRET}\"\n{modules}"
    ));
    (prosody::start(server), configuration)
}

#[test]
fn bookmarks_without_a_grant() {
    let (_server, options) = prosody_granting("");
    let line = "! bookmarks of localhost: not kept in step with PEP: the component has no access \
                to PEP (XEP-0356): take private_storage_bookmarks out of Component";
    let parts = [line, "`print-config prosody`"];
    connect(&options, 0, &parts);
    let ticks = Ticks::start();
    let said = connect(&options, 0, &parts);
    let limit = Duration::from_secs(5); // what it waits for a domain to delegate
    assert!(ticks.passed() < limit, "it waits for no grant: {said}");
}

#[test]
fn bookmarks_with_one_half_of_the_grant() {
    let granting = |iq: &str| {
        prosody_granting(&format!(
            "  privileged_entities = {{ [\"{COMPONENT}\"] = {{ iq = {{ {iq} }} }} }}\n"
        ))
    };
    let (_server, options) = granting("[\"http://jabber.org/protocol/pubsub\"] = \"both\"");
    let line = "! bookmarks of localhost: kept in step with PEP, except for users whose node has \
                wrong options";
    connect(&options, 0, &[line]);

    let (_server, options) = granting(
        "[\"http://jabber.org/protocol/pubsub\"] = \"get\", \
         [\"http://jabber.org/protocol/pubsub#owner\"] = \"both\"",
    );
    let line = "! bookmarks of localhost: not kept in step with PEP: of the two namespaces only";
    connect(&options, 0, &[line]);
}

#[test]
fn bookmarks_that_are_meant_to_stay_apart() {
    let off = "[bookmarks]\nmode = \"off\"\n";
    let (_server, mut options) = prosody_with("");
    options.extra = off.to_owned();
    let line = "! bookmarks of localhost: not kept in step with PEP, as bookmarks.mode says; but \
                private.localhost still has access to PEP: print";
    connect(&options, 0, &[line]);

    let (_server, options) = prosody_with(off);
    let line = "✓ bookmarks of localhost: not kept in step with PEP, as bookmarks.mode says\n";
    connect(&options, 0, &[line]);
}

/// Prosody says so by its features, ejabberd by its answer.
#[test]
fn who_serves_clients_meanwhile() {
    let mut server = Options::delegating(&[]);
    server.host_blocks = Some(format!(
        "component_ports = {{ {} }}\nVirtualHost \"{HOST}\"\n  modules_enabled = {{ \"private\" }}\n\
         VirtualHost \"{OTHER_HOST}\"\nComponent \"{COMPONENT}\"\n  component_secret = \"{SECRET}\"\n",
        server.ports.component
    ));
    let server = prosody::start(server);
    let meanwhile = "a module of its own or another component may serve its clients meanwhile";
    let said = connect(&options(&server), 69, &[meanwhile]);
    assert_eq!(said.matches(meanwhile).count(), 1, "{said}");
}

/// Until the first login, ejabberd's mod_private answered; a second check finds nothing of the kind.
#[test]
fn ejabberds_own_private_storage_is_seen_once() {
    let mut server = Options::delegating(&[ALICE]);
    let configuration = component::Options::at(ports::address(server.ports.component));
    let printed = component::print_config(&configuration, "ejabberd");
    server.host_blocks = Some(printed + "modules:\n  mod_private: {}\n");
    let server = ejabberd::start(server);
    let mut alice = RawClient::login(&server, ALICE);
    alice.set("", "<a xmlns='urn:x'>lost</a>");
    let (exit, said) = check_connect(&configuration);
    assert_eq!(exit, Some(0), "{said}");
    assert!(
        said.contains("! delegation: until this login, mod_private of localhost"),
        "{said}"
    );
    let said = connect(&configuration, 0, &["delegation: localhost"]);
    assert!(!said.contains("until this login"), "{said}");
}

/// A second connection would harm the first, so it says what the service knows.
#[test]
fn while_the_service_runs_it_is_asked() {
    let stage = shared_prosody();
    let mut options = options(&stage.server);
    options.component = String::new();
    let data = stage.component.folder().join("data");
    let data = data.to_str().expect("UTF-8");
    let path = [("PRIVATE_STORAGE_STORAGE_PATH", data)];
    stage
        .component
        .wait_for_log("delegation is active for test2.localhost", PATIENCE);
    let (exit, said) = component::check_in(&options, &["--connect"], &path);
    assert_eq!(exit, Some(0), "{said}");
    for part in [
        "in use by the service (pid ",
        "✓ service: version 0.1.0, runs since ",
        "✓ link: logged in to 127.0.0.1:",
        " as private.localhost since ",
        "✓ delegation: localhost\n",
        "✓ delegation: test2.localhost\n",
        "✓ ready: users are served\n",
    ] {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    stage.component.wait_for_log("logged in", PATIENCE);
}
