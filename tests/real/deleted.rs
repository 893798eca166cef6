//! Accounts that are deleted on Prosody: whoever registers such a name next finds nothing. The first host
//! has our module; the second has it by the name that this part of it had, beside mod_delegation.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::prosody_module::RawComponent;
use super::stage::wait_until_served;
use crate::support::answers::{element, refusal};
use crate::support::client::{PATIENCE, RawClient, private};
use crate::support::component::{self, Component};
use crate::support::prosody;
use crate::support::server::{COMPONENT, HOST, OTHER_HOST, Options, PASSWORD, SECRET, Server};

const REMOVE: &str =
    "<iq type='set' id='gone'><query xmlns='jabber:iq:register'><remove/></query></iq>";
const EMPTY: &str = "<note xmlns='urn:test:deleted'/>";
const SECRET_NOTE: &str = "<note xmlns='urn:test:deleted'>the old owner's</note>";

struct Stage {
    server: Server,
    component: Component,
    host: &'static str,
}

/// A Prosody with Alice and Bob on this host.
fn prosody(host: &str) -> Server {
    let accounts = ["alice", "bob"].map(|user| format!("{user}@{host}"));
    let mut options = Options::delegating(&accounts.each_ref().map(String::as_str));
    let modules = "\"register_ibr\", \"user_account_management\"";
    options.host_blocks = Some(format!(
        "VirtualHost \"{HOST}\"\n  allow_registration = true\n  \
         modules_enabled = {{ {modules}, \"private_storage\" }}\n  \
         private_storage_component = \"{COMPONENT}\"\n\
         VirtualHost \"{OTHER_HOST}\"\n  allow_registration = true\n  \
         modules_enabled = {{ {modules}, \"delegation\", \"private_storage_forget\" }}\n  \
         delegations = {{ [\"jabber:iq:private\"] = {{ jid = \"{COMPONENT}\" }} }}\n\
         Component \"{COMPONENT}\"\n  component_secret = \"{SECRET}\"\n  \
         modules_enabled = {{ \"delegation\" }}\n"
    ));
    prosody::start(options)
}

impl Stage {
    fn new(host: &'static str) -> Stage {
        let server = prosody(host);
        let component = Component::start(component::Options::at(server.component_address()));
        let stage = Stage {
            server,
            component,
            host,
        };
        wait_until_served(&stage.server, &stage.jid("bob"), &[""]);
        stage
    }

    fn jid(&self, user: &str) -> String {
        format!("{user}@{}", self.host)
    }

    fn login(&self, user: &str) -> RawClient {
        RawClient::login(&self.server, &self.jid(user))
    }

    /// Somebody stores a note, and deletes the account.
    fn store_and_leave(&self, user: &str) {
        let mut client = self.login(user);
        let stored = client.set("", SECRET_NOTE);
        assert_eq!(stored.attr("type"), Some("result"));
        client.send(REMOVE);
        // The answer, or the end of the stream.
        client.next(PATIENCE);
    }

    /// Tries to make an account until that works.
    fn register(&self, user: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.try_register(user) {
            assert!(Instant::now() < deadline, "{}", self.server.log());
            sleep(Duration::from_millis(50));
        }
    }

    fn try_register(&self, user: &str) -> bool {
        let answer = RawClient::register(&self.server, &self.jid(user));
        answer.attr("type") == Some("result")
    }

    fn assert_nothing_is_left(&self, user: &str) {
        wait_until_served(&self.server, &self.jid("bob"), &[""]);
        let mut client = self.login(user);
        let answer = client.get("", EMPTY);
        let query = answer.children().next().expect("a query");
        let note = query.children().next().expect("a note");
        assert_eq!(note.text(), "", "the old owner's data");
    }
}

#[test]
fn who_registers_a_deleted_name_finds_nothing() {
    nothing_is_left(HOST);
}

#[test]
fn who_registers_a_deleted_name_finds_nothing_beside_mod_delegation() {
    nothing_is_left(OTHER_HOST);
}

fn nothing_is_left(host: &'static str) {
    let stage = Stage::new(host);
    stage.store_and_leave("alice");
    stage.register("alice");
    stage.assert_nothing_is_left("alice");
    stage
        .component
        .wait_for_log(&format!("an account of {host} was deleted"), PATIENCE);
}

/// It is told when it comes back, before anything else, and until then the name is not free; also
/// when the server has been restarted meanwhile.
#[test]
fn a_component_that_is_away_is_told_when_it_is_back() {
    it_is_told_when_it_is_back(HOST);
}

#[test]
fn a_component_that_is_away_is_told_when_it_is_back_beside_mod_delegation() {
    it_is_told_when_it_is_back(OTHER_HOST);
}

fn it_is_told_when_it_is_back(host: &'static str) {
    let mut stage = Stage::new(host);
    let mut alice = stage.login("alice");
    let stored = alice.set("", SECRET_NOTE);
    assert_eq!(stored.attr("type"), Some("result"));
    stage.component.stop();
    alice.send(REMOVE);
    alice.next(PATIENCE);
    assert!(!stage.try_register("alice"), "the name is free already");

    stage.server.restart();
    assert!(!stage.try_register("alice"), "the name is free already");

    stage.component.restart();
    stage.register("alice");
    stage.assert_nothing_is_left("alice");
}

/// A component that had refused to forget was told again five minutes later. An account that an administrator had
/// made again meanwhile read what its old owner had stored, and lost what it had stored itself.
#[test]
fn a_name_whose_old_data_is_still_there_is_not_served() {
    let server = prosody(HOST);
    let mut component = RawComponent::login(&server, COMPONENT);
    let mut alice = RawClient::login(&server, "alice@localhost");
    alice.send(REMOVE);
    alice.next(PATIENCE);
    let reply = |told: &str, kind: &str, payload: &str| {
        let told = element(&told.replace("xmlns='jabber:component:accept'", "")).expect("XML");
        let id = told.attr("id").expect("an id");
        format!("<iq type='{kind}' id='{id}' from='{COMPONENT}' to='{HOST}'>{payload}</iq>")
    };
    let told = component.next_with(FORGET);
    component.send(&reply(&told, "error", FULL));

    let account = format!("return {{ [\"password\"] = \"{PASSWORD}\" }};\n");
    server
        .folder()
        .write("data/localhost/accounts/alice.dat", &account);
    let mut alice = RawClient::login(&server, "alice@localhost");
    for to in ["", "alice@localhost", COMPONENT] {
        let answer = alice.get(to, EMPTY);
        assert_eq!(refusal(&answer), "wait resource-constraint", "{to}");
    }

    // Nobody else waits.
    let mut bob = RawClient::login(&server, "bob@localhost");
    bob.send(&private("get", "", EMPTY));
    component.next_with("urn:xmpp:forward:0");

    drop(component);
    let mut component = log_in_again(&server);
    let told = component.next_with(FORGET);
    component.send(&reply(&told, "result", ""));
    component.send(&format!(
        "<iq type='get' id='ping' from='{COMPONENT}' to='{HOST}'><ping xmlns='urn:xmpp:ping'/></iq>"
    ));
    component.next_with("id='ping'");
    alice.send(&private("get", "", EMPTY));
    component.next_with("urn:xmpp:forward:0");
}

const FORGET: &str = "urn:xmpp-private-storage:0";
const FULL: &str = "<error type='wait'><resource-constraint \
                    xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";

/// Once Prosody has noticed that the earlier connection has ended.
fn log_in_again(server: &Server) -> RawComponent {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (component, answer) = RawComponent::try_login(server, COMPONENT, SECRET);
        if answer.starts_with("<handshake") {
            return component;
        }
        assert!(Instant::now() < deadline, "{answer}");
        sleep(Duration::from_millis(50));
    }
}
