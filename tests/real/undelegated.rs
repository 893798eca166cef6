//! Delegation that ends while the link lives: the server's module is loaded again or taken away, or an old
//! connection ends late. Clients got errors, and nothing said so, until somebody restarted the component.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::Duration;

use super::stage::wait_until_served;
use crate::support::client::{PATIENCE, RawClient, private};
use crate::support::clock::eventually;
use crate::support::component::{self, Component};
use crate::support::relay::Relay;
use crate::support::server::{COMPONENT, HOST, OTHER_HOST, Options, SECRET, Server};
use crate::support::{ejabberd, prosody, web};

const ALICE: &str = "alice@localhost";
const BOB: &str = "bob@test2.localhost";

/// Has Prosody load, unload or reload a module of the host that it is sent this to, as `prosodyctl shell
/// module reload` does.
pub const ORDERS: &str = r#"
local found, manager = pcall(require, "prosody.core.modulemanager");
if not found then manager = require "core.modulemanager"; end
module:hook("message/host", function (event)
  local order = event.stanza:get_child("order", "urn:test");
  if order then
    manager[order.attr.what](module.host, order:get_text());
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

/// A component that connects there and serves both hosts.
fn beside(server: &Server, address: SocketAddr) -> Component {
    let mut options = component::Options::at(address);
    options.component = "ping_seconds = 1".to_owned();
    let component = Component::start(options);
    wait_until_served(server, ALICE, &[""]);
    wait_until_served(server, BOB, &[""]);
    component
}

/// It has gone for good, and a login at once does not bring it back; the next does, once it is given again.
fn comes_back_when_given(
    server: &Server,
    component: &Component,
    withdraw: impl FnOnce(),
    give: impl FnOnce(),
) {
    // It has been seen that it delegates.
    std::thread::sleep(Duration::from_secs(3));
    withdraw();
    component.wait_for_log("no longer delegates private storage", PATIENCE);
    component.wait_for_log(" again, after ", PATIENCE);
    let data = component.folder().join("data");
    let delegated = format!("private_storage_delegated{{domain=\"{HOST}\"}} 0");
    // Prosody says once more that it delegates.
    eventually("it does not delegate", || {
        let metrics = web::control(&data, "/metrics").body;
        metrics.lines().any(|line| line == delegated)
    });
    wait_until_served(server, BOB, &[""]);
    give();
    wait_until_served(server, ALICE, &[""]);
    wait_until_served(server, BOB, &[""]);
}

/// A Prosody whose hosts have our module, and whose first takes orders from Alice.
fn prosody_with_our_module() -> (Server, impl FnMut(&str, &str)) {
    let mut options = Options::delegating(&[ALICE, BOB]);
    options.modules = &[("mod_orders.lua", ORDERS)];
    options.host_blocks = Some(format!(
        "VirtualHost \"{HOST}\"\n  modules_enabled = {{ \"orders\" }}\nVirtualHost \"{OTHER_HOST}\"\n\
         Component \"{COMPONENT}\"\n  component_secret = \"{SECRET}\"\n  \
         modules_enabled = {{ \"private_storage\" }}\n  \
         private_storage_hosts = {{ \"{HOST}\", \"{OTHER_HOST}\" }}\n"
    ));
    let server = prosody::start(options);
    let orders = orders(&server);
    (server, orders)
}

fn orders(server: &Server) -> impl FnMut(&str, &str) + use<> {
    let mut alice = RawClient::login(server, ALICE);
    move |what: &str, module: &str| {
        alice.send(&format!(
            "<message to='{HOST}'><order xmlns='urn:test' what='{what}'>{module}</order></message>"
        ));
    }
}

/// Our module says again what it delegates, so that nothing ends, and tells those who wait for a reply, which
/// it will not know any more.
#[test]
fn where_prosody_loads_our_module_anew_nothing_ends() {
    let (server, mut order) = prosody_with_our_module();
    let mut component = beside(&server, server.component_address());
    let mut client = RawClient::login(&server, ALICE);
    let data = component.folder().join("data");
    std::thread::sleep(Duration::from_secs(3));
    let pid = component.id().to_string();
    let signal = |name: &str| {
        let kill = std::process::Command::new("kill")
            .args([name, &pid])
            .status();
        assert!(kill.expect("kill").success());
    };
    signal("-STOP");
    client.send(&private("get", "", "<a xmlns='urn:x'/>"));
    client.send("<iq type='get' id='ping' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>");
    assert!(client.next(PATIENCE).expect("a pong").contains("id='ping'"));
    order("reload", "private_storage");
    let answer = client.next(PATIENCE).expect("an answer");
    assert!(answer.contains("service-unavailable"), "{answer}");
    signal("-CONT");
    for user in [ALICE, BOB] {
        wait_until_served(&server, user, &[""]);
    }
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(web::control(&data, "/readyz").status, 200);
    let log = component.log();
    assert!(!log.iter().any(|line| line.contains(" WARN ")), "{log:#?}");
}

#[test]
fn where_prosody_has_unloaded_our_module_and_loads_it_again() {
    let (server, order) = prosody_with_our_module();
    let component = beside(&server, server.component_address());
    let order = RefCell::new(order);
    let order = |what| order.borrow_mut()(what, "private_storage");
    comes_back_when_given(&server, &component, || order("unload"), || order("load"));
}

/// A Prosody whose first host takes orders from Alice.
fn prosody() -> (Server, Component, impl FnMut(&str, &str)) {
    let mut options = Options::delegating(&[ALICE, BOB]);
    options.modules = &[("mod_orders.lua", ORDERS)];
    let host = |name: &str, more: &str| {
        format!(
            "VirtualHost \"{name}\"\n  modules_enabled = {{ \"delegation\"{more} }}\n  \
             delegations = {{ [\"jabber:iq:private\"] = {{ jid = \"{COMPONENT}\" }} }}\n"
        )
    };
    options.host_blocks = Some(format!(
        "{}{}Component \"{COMPONENT}\"\n  component_secret = \"{SECRET}\"\n  \
         modules_enabled = {{ \"delegation\" }}\n",
        host(HOST, ", \"orders\""),
        host(OTHER_HOST, "")
    ));
    let server = prosody::start(options);
    let component = beside(&server, server.component_address());
    let orders = orders(&server);
    (server, component, orders)
}

#[test]
fn where_prosody_loads_its_module_anew() {
    let (server, component, mut order) = prosody();
    comes_back(&server, &component, || order("reload", "delegation"));
}

#[test]
fn where_prosody_has_unloaded_it_and_loads_it_again() {
    let (server, component, order) = prosody();
    let order = RefCell::new(order);
    let order = |what| order.borrow_mut()(what, "delegation");
    comes_back_when_given(&server, &component, || order("unload"), || order("load"));
}

/// An ejabberd with this besides, which evaluates what it is told.
fn ejabberd(besides: &str) -> Server {
    let mut options = Options::delegating(&[ALICE, BOB]);
    options.besides = besides.to_owned();
    ejabberd::start_and(options, |folder| {
        let task = folder.inside("task");
        format!(
            "spawn(fun Wait() -> case file:eval(\"{task}\") of \
             ok -> file:delete(\"{task}\"); _ -> ok end, timer:sleep(100), Wait() end),"
        )
    })
}

/// Has it do something with a module of a host.
fn tell(server: &Server, host: &str, module: &str, what: &str) {
    let task = format!("{what}(<<\"{host}\">>, {module}).\n");
    server.folder().write("task", &task);
}

const RELOAD: &str = "(fun(Host, Module) -> gen_mod:stop_module(Host, Module), \
                      gen_mod:start_module(Host, Module) end)";

#[test]
fn where_ejabberd_loads_its_module_anew() {
    let server = ejabberd("");
    let component = beside(&server, server.component_address());
    comes_back(&server, &component, || {
        tell(&server, HOST, "mod_delegation", RELOAD);
    });
}

#[test]
fn where_ejabberd_has_unloaded_it_and_loads_it_again() {
    let server = ejabberd("");
    let component = beside(&server, server.component_address());
    let order = |what: &str| tell(&server, HOST, "mod_delegation", what);
    comes_back_when_given(
        &server,
        &component,
        || order("gen_mod:stop_module"),
        || order("gen_mod:start_module"),
    );
}

/// ejabberd keeps delegating to a connection that was given up, if it does not know that, and takes its end
/// for the end of the one that is there. So no host delegates, and none has on this link.
fn comes_back_when_an_old_connection_ends(server: &Server) {
    let relay = Relay::new(server.component_address());
    let component = beside(server, relay.address());
    relay.freeze();
    component.wait_for_log("lost the link", PATIENCE);
    component.wait_for_log(" again, after ", PATIENCE);
    // ejabberd shares out what it has for us among the two.
    std::thread::sleep(Duration::from_secs(3));
    relay.end_frozen();
    wait_until_served(server, ALICE, &[""]);
    wait_until_served(server, BOB, &[""]);
    println!("{}", component.log().join("\n"));
}

#[test]
fn where_an_old_connection_ends_late() {
    comes_back_when_an_old_connection_ends(&ejabberd(""));
}

#[cfg(feature = "newer-servers")]
mod with_a_grant {
    use super::*;

    fn granting() -> Server {
        let privilege = ejabberd::privilege(&["http://jabber.org/protocol/pubsub"]);
        ejabberd(&format!("{}{privilege}", ejabberd::PEP))
    }

    #[test]
    fn where_an_old_connection_ends_late() {
        comes_back_when_an_old_connection_ends(&granting());
    }

    /// ejabberd drops all that we send to such a host from then on, and says nothing.
    #[test]
    fn where_ejabberd_loads_its_privileges_anew() {
        let server = granting();
        let component = beside(&server, server.component_address());
        std::thread::sleep(Duration::from_secs(3));
        // The one that is pinged, and the other.
        for (host, jid) in [(HOST, ALICE), (OTHER_HOST, BOB)] {
            let before = component.log().len();
            tell(&server, host, "mod_privilege", RELOAD);
            eventually("it is noticed", || component.log().len() > before);
            println!("{}", component.log()[before..].join("\n"));
            for jid in [jid, ALICE, BOB] {
                wait_until_served(&server, jid, &[""]);
            }
            std::thread::sleep(Duration::from_secs(3));
        }
    }
}
