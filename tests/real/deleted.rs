//! Accounts that are deleted on Prosody with our module beside delegation: whoever registers such
//! a name next finds nothing.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::stage::wait_until_served;
use crate::support::client::{PATIENCE, RawClient};
use crate::support::component::{self, Component};
use crate::support::place::Folder;
use crate::support::prosody;
use crate::support::server::{COMPONENT, HOST, OTHER_HOST, Options, SECRET, Server, place};

const MODULE: &str = include_str!("../../packaging/prosody/mod_private_storage_forget.lua");
const REMOVE: &str =
    "<iq type='set' id='gone'><query xmlns='jabber:iq:register'><remove/></query></iq>";
const EMPTY: &str = "<note xmlns='urn:test:deleted'/>";
const SECRET_NOTE: &str = "<note xmlns='urn:test:deleted'>the old owner's</note>";

struct Stage {
    server: Server,
    component: Component,
    _modules: Folder,
}

impl Stage {
    fn new() -> Stage {
        let modules = place().folder("prosody-modules");
        modules.write("mod_private_storage_forget.lua", MODULE);
        let mut options = Options::delegating(&[&jid("alice"), &jid("bob")]);
        let host = "modules_enabled = { \"delegation\", \"private_storage_forget\", \"register_ibr\", \"user_account_management\" }\n  \
                    allow_registration = true\n  \
                    delegations = { [\"jabber:iq:private\"] = { jid = \"private.localhost\" } }\n";
        options.besides = format!(
            "plugin_paths = {{ \"{}\" }}\ncomponent_interfaces = {{ \"127.0.0.1\" }}\n\
             component_ports = {{ {} }}\n",
            modules.inside(""),
            options.ports.component
        );
        options.host_blocks = Some(format!(
            "VirtualHost \"{HOST}\"\n  {host}VirtualHost \"{OTHER_HOST}\"\n  {host}\
             Component \"{COMPONENT}\"\n  component_secret = \"{SECRET}\"\n  \
             modules_enabled = {{ \"delegation\" }}\n"
        ));
        let server = prosody::start(options);
        let component = Component::start(component::Options::at(server.component_address()));
        let stage = Stage {
            server,
            component,
            _modules: modules,
        };
        wait_until_served(&stage.server, &jid("bob"), &[""]);
        stage
    }

    fn login(&self, user: &str) -> RawClient {
        RawClient::login(&self.server, &jid(user))
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
        let answer = RawClient::register(&self.server, &jid(user));
        answer.attr("type") == Some("result")
    }

    fn assert_nothing_is_left(&self, user: &str) {
        wait_until_served(&self.server, &jid("bob"), &[""]);
        let mut client = self.login(user);
        let answer = client.get("", EMPTY);
        let query = answer.children().next().expect("a query");
        let note = query.children().next().expect("a note");
        assert_eq!(note.text(), "", "the old owner's data");
    }
}

fn jid(user: &str) -> String {
    format!("{user}@{HOST}")
}

#[test]
fn who_registers_a_deleted_name_finds_nothing() {
    let stage = Stage::new();
    stage.store_and_leave("alice");
    stage.register("alice");
    stage.assert_nothing_is_left("alice");
    stage
        .component
        .wait_for_log("an account of localhost was deleted", PATIENCE);
}

/// It is told when it comes back, before anything else, and until then the name is not free; also
/// when the server has been restarted meanwhile.
#[test]
fn a_component_that_is_away_is_told_when_it_is_back() {
    let mut stage = Stage::new();
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
