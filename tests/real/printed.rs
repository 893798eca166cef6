//! What `print-config` prints, put where it says, makes a server delegate: to whatever port, for
//! each domain, with any secret.

use std::process::Command;

use super::stage::{Start, wait_until_served};
use crate::support::answers::{refusal, text};
use crate::support::certificates::Identity;
use crate::support::client::RawClient;
use crate::support::component::{self, Component, check_connect};
use crate::support::server::{COMPONENT, HOST, OTHER_HOST, Options, Server, place};
use crate::support::{ejabberd, ports, prosody};

const USERS: [&str; 2] = ["alice@localhost", "alice@test2.localhost"];

/// The file that is printed is included as it is: nothing is changed in hosts that are there already, one
/// with modules of its own.
#[test]
fn prosody_delegates_with_the_printed_file() {
    let folder = place().folder("printed");
    delegates("prosody", prosody::start, |printed| {
        prosody::including(&folder, &printed)
    });
}

/// Printed again over the first, after a change: for one host less, with another secret.
#[test]
fn prosody_takes_a_second_file_over_the_first() {
    let folder = place().folder("printed");
    let mut options = Options::delegating(&USERS);
    let mut configuration = component::Options::at(ports::address(options.ports.component));
    let printed = component::print_config(&configuration, "prosody");
    options.host_blocks = Some(prosody::including(&folder, &printed));
    let mut server = prosody::start(options);
    configuration.secret = "another".to_owned();
    configuration.domains = vec![HOST.to_owned()];
    let printed = component::print_config(&configuration, "prosody");
    prosody::including(&folder, &printed);
    server.restart();
    let _component = Component::start(configuration);
    wait_until_served(&server, USERS[0], &["", COMPONENT]);
    let answer = RawClient::login(&server, USERS[1]).get("", "<a xmlns='urn:x'/>");
    assert_eq!(refusal(&answer), "cancel service-unavailable");
}

/// Beside modules, another component and another included file of its own.
#[test]
fn ejabberd_delegates_with_the_printed_file() {
    let folder = place().folder("printed");
    let other = place().folder("other");
    delegates("ejabberd", ejabberd::start, |printed| {
        let more = "modules:\n  mod_version: {}\nacl:\n  admin:\n    user: alice@localhost\n\
                    access_rules:\n  configure:\n    allow: admin\n";
        let gateway =
            ejabberd::listener(&format!("port: {}\n    ip: \"127.0.0.1\"", ports::free()));
        let gateway = gateway.replace(COMPONENT, "gateway.localhost");
        let included = ejabberd::including(&other, "acl:\n  others:\n    user: bob@localhost\n");
        format!(
            "{included}{}{more}{gateway}",
            ejabberd::including(&folder, &printed)
        )
    });
}

/// `put` puts what was printed where it belongs.
fn delegates(router: &str, start: Start, put: impl Fn(String) -> String) {
    let mut options = Options::delegating(&USERS);
    let address = ports::address(options.ports.component);
    let mut configuration = component::Options::at(address);
    // As TOML writes it: what Lua, YAML, XML or a shell could take for its own.
    configuration.secret = r#"q\" a' b\\ n\nt\t$(x) #--]] é\u2028<&> %s {{}} : \u007f1"#.to_owned();
    options.host_blocks = Some(put(component::print_config(&configuration, router)));
    delegates_to(start(options), configuration);
}

fn delegates_to(server: Server, configuration: component::Options) {
    let component = Component::start(configuration);
    for user in USERS {
        wait_until_served(&server, user, &["", COMPONENT]);
    }
    let log = component.log();
    for host in [HOST, OTHER_HOST] {
        let line = format!("delegation is active for {host}");
        assert!(log.iter().any(|it| it.ends_with(&line)), "{log:?}");
    }
}

#[test]
fn prosody_grants_what_bookmarks_are_kept_in_step_by() {
    let mut options = Options::delegating(&[]);
    let folder = place().folder("printed");
    let configuration = component::Options::at(ports::address(options.ports.component));
    let printed = component::print_config(&configuration, "prosody");
    options.host_blocks = Some(prosody::including(&folder, &printed));
    let _server = prosody::start(options);
    let (exit, said) = check_connect(&configuration);
    assert_eq!(exit, Some(0), "{said}");
    for host in [HOST, OTHER_HOST] {
        let line = format!("✓ bookmarks of {host}: kept in step with PEP\n");
        assert!(said.contains(&line), "{said}");
    }
}

/// What an older one cannot take would stop it from starting, or from answering us.
#[test]
fn ejabberd_grants_it_if_its_version_can() {
    let (year, month) = ejabberd::version();
    let version = format!("{year}.{month:02}");
    let mut options = Options::delegating(&USERS);
    let configuration = component::Options::at(ports::address(options.ports.component));
    let arguments = ["ejabberd", "--server-version", &version];
    let folder = place().folder("printed");
    let printed = component::print_config_with(&configuration, &arguments);
    options.host_blocks = Some(ejabberd::including(&folder, &printed));
    options.besides = "modules:\n  mod_version: {}\n".to_owned();
    let server = ejabberd::start(options);
    let (exit, said) = check_connect(&configuration);
    assert_eq!(exit, Some(0), "{said}");
    for host in [HOST, OTHER_HOST] {
        let line = if (year, month) >= (25, 3) {
            format!("✓ bookmarks of {host}: kept in step with PEP\n")
        } else {
            format!("! bookmarks of {host}: not kept in step with PEP: ejabberd {version} ")
        };
        assert!(said.contains(&line), "{said}");
    }
    let _component = Component::start(configuration);
    for user in USERS {
        wait_until_served(&server, user, &["", COMPONENT]);
    }
}

/// What slidge's documentation has in ejabberd.yml, for every host, with another namespace delegated.
/// Before 23.10 there is no privilege for IQs.
fn gateways_modules((year, month): (u32, u32)) -> String {
    let iq = "    iq:\n      \"http://jabber.org/protocol/pubsub\":\n        both: slidge_rule\n      \
              \"http://jabber.org/protocol/pubsub#owner\":\n        set: slidge_rule\n";
    let iq = if (year, month) >= (23, 10) { iq } else { "" };
    // With a privilege of anybody's, these serve no component.
    let privilege = match (year, month) {
        (24, 10..) | (25, ..3) => String::new(),
        _ => format!("  mod_privilege:\n    message:\n      outgoing: slidge_rule\n{iq}"),
    };
    format!(
        "acl:\n  slidge_acl:\n    server:\n      - slidge.localhost\n\
         access_rules:\n  slidge_rule:\n    - allow: slidge_acl\n\
         modules:\n  mod_delegation:\n    namespaces:\n      \"urn:xmpp:example\":\n        \
         access: slidge_rule\n{privilege}"
    )
}

/// ejabberd takes a module once for a host, and did not start where another component had modules that
/// ours has too ("Duplicated option"). What `--into` shows is taken by `patch` as it is.
#[test]
fn ejabberd_delegates_beside_another_components_modules() {
    delegates_beside_a_gateway("");
    // There a component without a privilege of its own is not delegated to.
    if ejabberd::version() >= (25, 3) {
        delegates_beside_a_gateway("off");
    }
}

/// With this `bookmarks.mode`, or the default.
fn delegates_beside_a_gateway(bookmarks: &str) {
    let (year, month) = ejabberd::version();
    let version = format!("{year}.{month:02}");
    let folder = place().folder("gateway");
    let ours = folder.inside("private-storage.yml");
    let gateways = gateways_modules((year, month));
    folder.write(
        "gateway.yml",
        &format!("include_config_file: {ours}\n{gateways}"),
    );
    let file = folder.outside().join("gateway.yml");
    let file = file.to_str().expect("UTF-8");
    let mut options = Options::delegating(&USERS);
    let mut configuration = component::Options::at(ports::address(options.ports.component));
    if !bookmarks.is_empty() {
        configuration.extra = format!("[bookmarks]\nmode = \"{bookmarks}\"");
    }
    let arguments = [
        "print-config",
        "ejabberd",
        "--server-version",
        &version,
        "--into",
        file,
    ];
    let printed = component::run(&configuration, &arguments);
    let said = String::from_utf8(printed.stderr).expect("UTF-8");
    assert!(printed.status.success(), "{said}");
    folder.write(
        "private-storage.yml",
        &String::from_utf8_lossy(&printed.stdout),
    );
    folder.write("changes", &said);
    let patched = Command::new("patch")
        .args([file, "-i"])
        .arg(folder.outside().join("changes"))
        .output();
    let patched = patched.expect("patch");
    assert!(patched.status.success(), "{said}\n{patched:?}");
    let again = component::run(&configuration, &arguments);
    assert!(
        again.stderr.starts_with(b"Nothing has to be changed"),
        "{again:?}"
    );

    let gateway = ejabberd::listener(&format!("port: {}\n    ip: \"127.0.0.1\"", ports::free()));
    let gateway = gateway.replace(COMPONENT, "slidge.localhost");
    let include = format!(
        "include_config_file: \"{}\"\n",
        folder.inside("gateway.yml")
    );
    options.host_blocks = Some(format!("{include}{gateway}"));
    options.besides = "modules:\n  mod_version: {}\n".to_owned();
    let server = ejabberd::start(options);
    let (exit, said) = check_connect(&configuration);
    assert_eq!(exit, Some(0), "{said}");
    if bookmarks.is_empty() && (year, month) >= (25, 3) {
        for host in [HOST, OTHER_HOST] {
            let line = format!("✓ bookmarks of {host}: kept in step with PEP\n");
            assert!(said.contains(&line), "{said}");
        }
    }
    delegates_to(server, configuration);
}

/// On ejabberd, modules at the top level are every host's: what is printed must not be.
#[test]
fn ejabberd_delegates_no_host_that_is_not_served() {
    let mut options = Options::delegating(&USERS);
    let address = ports::address(options.ports.component);
    let mut configuration = component::Options::at(address);
    configuration.domains = vec![HOST.to_owned()];
    let folder = place().folder("printed");
    let printed = component::print_config(&configuration, "ejabberd");
    options.host_blocks = Some(ejabberd::including(&folder, &printed));
    let server = ejabberd::start(options);
    let _component = Component::start(configuration);
    wait_until_served(&server, USERS[0], &["", COMPONENT]);
    // Were it delegated, the answer would be ours, and speak of access.domains.
    let answer = RawClient::login(&server, USERS[1]).get("", "<a xmlns='urn:x'/>");
    assert_eq!(refusal(&answer), "cancel service-unavailable");
    assert!(
        !text(&answer).contains("access.domains"),
        "{}",
        text(&answer)
    );
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
    let printed = printed.replace("/etc/ejabberd/ejabberd.pem", &file);
    options.host_blocks = Some(ejabberd::including(&folder, &printed));
    delegates_to(ejabberd::start(options), configuration);
}

#[test]
fn ejabberd_delegates_over_a_socket_with_the_printed_blocks() {
    let folder = place().folder("socket");
    let mut options = Options::delegating(&USERS);
    let mut configuration = component::Options::at(ports::address(options.ports.component));
    configuration.server = format!("unix:{}", folder.outside().join("it.sock").display());
    let printed = component::print_config(&configuration, "ejabberd");
    let outside = folder.outside().to_str().expect("UTF-8");
    let printed = printed.replace(&format!("{outside}/it.sock"), &folder.inside("it.sock"));
    options.host_blocks = Some(ejabberd::including(&folder, &printed));
    // By its ports the harness sees that a server is up.
    let port = options.ports.component;
    options.besides = ejabberd::listener(&format!("port: {port}\n    ip: \"127.0.0.1\""));
    delegates_to(ejabberd::start(options), configuration);
}
