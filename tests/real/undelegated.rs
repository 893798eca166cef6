//! Delegation that ends while the link lives: the server's module is loaded anew. Clients got errors, and
//! nothing said so, until somebody restarted the component.

use std::time::Duration;

use super::stage::wait_until_served;
use crate::support::client::{PATIENCE, RawClient, private};
use crate::support::component::{self, Component};
use crate::support::place::Folder;
use crate::support::server::{COMPONENT, HOST, OTHER_HOST, Options, SECRET, Server, place};
use crate::support::{ejabberd, prosody, web};

const ALICE: &str = "alice@localhost";
const BOB: &str = "bob@test2.localhost";

/// Has Prosody load mod_delegation anew, as `prosodyctl shell module reload` does.
const RELOAD: &str = r#"
local found, manager = pcall(require, "prosody.core.modulemanager");
if not found then manager = require "core.modulemanager"; end
module:hook("message/host", function (event)
  if event.stanza:get_child("reload", "urn:test") then
    manager.reload(module.host, "delegation");
    return true;
  end
end, 1000);
"#;

/// It serves again by itself, after one line that names the host.
fn comes_back(server: &Server, component: &Component, reload: impl FnOnce()) {
    let mut bob = RawClient::login(server, BOB);
    bob.set("", "<a xmlns='urn:x'>1</a>");
    // It has been seen that it delegates.
    let data = component.folder().join("data");
    std::thread::sleep(Duration::from_secs(3));
    reload();
    let line = component.wait_for_log("no longer delegates private storage", PATIENCE);
    assert!(line.contains(" WARN ") && line.contains(HOST), "{line}");
    wait_until_served(server, ALICE, &[""]);
    wait_until_served(server, BOB, &[""]);
    assert_eq!(web::control(&data, "/readyz").status, 200);
    let answer = bob.request(&private("get", "", "<a xmlns='urn:x'/>"));
    assert_eq!(answer.attr("type"), Some("result"));
    let log = component.log();
    let again = log.iter().find(|line| line.contains(" again, after "));
    println!(
        "what it costs the other host: {}",
        again.expect("a new login")
    );
    let told = log.iter().filter(|line| line.contains(" WARN "));
    assert_eq!(told.count(), 1, "{log:#?}");
}

fn beside(server: &Server) -> Component {
    let mut options = component::Options::at(server.component_address());
    options.component = "ping_seconds = 1".to_owned();
    let component = Component::start(options);
    wait_until_served(server, ALICE, &[""]);
    wait_until_served(server, BOB, &[""]);
    component
}

#[test]
fn where_prosody_loads_its_module_anew() {
    let modules: Folder = place().folder("modules");
    modules.write("mod_reload_delegation.lua", RELOAD);
    let mut options = Options::delegating(&[ALICE, BOB]);
    options.besides = format!("plugin_paths = {{ \"{}\" }}\n", modules.inside(""));
    let host = |name: &str, more: &str| {
        format!(
            "VirtualHost \"{name}\"\n  modules_enabled = {{ \"delegation\"{more} }}\n  \
             delegations = {{ [\"jabber:iq:private\"] = {{ jid = \"{COMPONENT}\" }} }}\n"
        )
    };
    options.host_blocks = Some(format!(
        "{}{}Component \"{COMPONENT}\"\n  component_secret = \"{SECRET}\"\n  \
         modules_enabled = {{ \"delegation\" }}\n",
        host(HOST, ", \"reload_delegation\""),
        host(OTHER_HOST, "")
    ));
    let server = prosody::start(options);
    let component = beside(&server);
    let mut alice = RawClient::login(&server, ALICE);
    comes_back(&server, &component, || {
        alice.send(&format!(
            "<message to='{HOST}'><reload xmlns='urn:test'/></message>"
        ));
    });
}

#[test]
fn where_ejabberd_loads_its_module_anew() {
    let server = ejabberd::start_and(Options::delegating(&[ALICE, BOB]), |folder| {
        format!(
            "spawn(fun Wait() -> case filelib:is_file(\"{}\") of \
             true -> mod_admin_extra:restart_module(<<\"{HOST}\">>, <<\"mod_delegation\">>); \
             false -> timer:sleep(100), Wait() end end),",
            folder.inside("reload")
        )
    });
    let component = beside(&server);
    comes_back(&server, &component, || server.folder().write("reload", ""));
}
