//! What `print-config` prints, put where it says, makes a server delegate: to whatever port, for
//! each domain, with any secret.

use std::process::Command;

use super::prosody_module::RawComponent;
use super::stage::{Start, wait_until_served};
use crate::support::answers::{refusal, text};
use crate::support::certificates::Identity;
use crate::support::client::RawClient;
use crate::support::component::{self, Component, check_connect};
use crate::support::place::Folder;
use crate::support::server::{COMPONENT, HOST, OTHER_HOST, Options, SECRET, Server, place};
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

/// Has a file of a server's read by `--into`, puts what is printed beside it, and has `patch` change it by what
/// is said, as it is. That is returned.
fn into(
    folder: &Folder,
    (file, ours): (&str, &str),
    configuration: &component::Options,
    router: &[&str],
) -> String {
    let outside = |name: &str| folder.outside().join(name).display().to_string();
    let path = outside(file);
    let arguments = [&["print-config"], router, &["--into", &path]].concat();
    let printed = component::run(configuration, &arguments);
    let said = String::from_utf8(printed.stderr).expect("UTF-8");
    assert!(printed.status.success(), "{said}");
    folder.write(ours, &String::from_utf8_lossy(&printed.stdout));
    folder.write("changes", &said);
    let patched = Command::new("patch")
        .args([&path, "-i", &outside("changes")])
        .output();
    let patched = patched.expect("patch");
    assert!(patched.status.success(), "{said}\n{patched:?}");
    let again = component::run(configuration, &arguments);
    assert!(
        again.stderr.starts_with(b"Nothing has to be changed"),
        "{again:?}"
    );
    said
}

const SLIDGE: &str = "slidge.localhost";

/// slidge's documentation has such hosts and such a component in Prosody's file. This one has other ends of line,
/// begins with a host, so that the global part is above its first line, and ends with somebody's secret.
#[test]
fn prosody_delegates_beside_another_components_modules() {
    let folder = place().folder("gateway");
    let mut options = Options::delegating(&USERS);
    let configuration = component::Options::at(ports::address(options.ports.component));
    let host = |name: &str, modules: &str| {
        format!(
            "VirtualHost \"{name}\"\n  {modules}\n  privileged_entities = {{\n    [\"{SLIDGE}\"] = {{\n      \
             roster = \"both\";\n      message = \"outgoing\";\n      iq = {{\n        \
             [\"http://jabber.org/protocol/pubsub\"] = \"both\";\n        \
             [\"http://jabber.org/protocol/pubsub#owner\"] = \"set\";\n      }};\n    }},\n  }}\n"
        )
    };
    let hosts = host(HOST, "modules_enabled = { \"privilege\", \"pep\" }")
        + &host(
            OTHER_HOST,
            "modules_enabled = { \"privilege\" }\n  modules_disabled = { \"version\", \"private\" }",
        );
    let gateway = format!(
        "{hosts}Component \"{SLIDGE}\"\n  modules_enabled = {{ \"privilege\" }}\n  \
         component_secret = \"{SECRET}\"\n"
    );
    let file = "gateway.cfg.lua";
    folder.write(file, &gateway.replace('\n', "\r\n"));
    let said = into(
        &folder,
        (file, "private-storage.cfg.lua"),
        &configuration,
        &["prosody"],
    );
    assert!(!said.contains(SECRET), "{said}");
    assert!(!said.contains("By hand"), "{said}");
    let included = folder.inside(file);
    options.host_blocks = Some(format!(
        "-- component_ports: there.\nInclude \"{included}\"\n"
    ));
    let server = prosody::start(options);
    let mut gateway = RawComponent::login(&server, SLIDGE);
    gateway.next_with("access='roster'");
    delegates_to(server, configuration);
}

/// What slidge's documentation has in ejabberd.yml, with another namespace delegated: for every host, or with
/// mod_privilege for the second one alone.
fn gateways_modules(version: (u32, u32), is_for_all: bool) -> String {
    let message = "mod_privilege:\n  message:\n    outgoing: slidge_rule\n";
    let iq = "  iq:\n    \"http://jabber.org/protocol/pubsub\":\n      both: slidge_rule\n    \
              \"http://jabber.org/protocol/pubsub#owner\":\n      set: slidge_rule\n";
    // The option came with 24.10; until 25.03 no component is served beside a privilege of anybody's.
    let privilege = match version {
        it if it < (24, 10) => message.to_owned(),
        it if it < (25, 3) => String::new(),
        _ => format!("{message}{iq}"),
    };
    let (above, column) = match is_for_all {
        true => (String::new(), 2),
        false => (
            format!("append_host_config:\n  {OTHER_HOST}:\n    modules:\n"),
            6,
        ),
    };
    let lines = privilege.lines();
    let privilege: String = lines
        .map(|line| format!("{:column$}{line}\n", ""))
        .collect();
    format!(
        "acl:\n  slidge_acl:\n    server:\n      - {SLIDGE}\n\
         access_rules:\n  slidge_rule:\n    - allow: slidge_acl\n\
         modules:\n  mod_delegation:\n    namespaces:\n      \"urn:xmpp:example\":\n        \
         access: slidge_rule\n{above}{privilege}"
    )
}

/// ejabberd takes a module once for a host, and did not start where another component had modules that
/// ours has too ("Duplicated option").
#[test]
fn ejabberd_delegates_beside_another_components_modules() {
    delegates_beside_a_gateway(None);
    // There a host that gives the component no privilege is not delegated, as soon as another host has any
    // privileges: that was said of the host's own alone.
    if ejabberd::version() >= (25, 3) {
        delegates_beside_a_gateway(Some("[bookmarks]\nmode = \"off\""));
    }
}

/// With bookmarks, and a gateway of every host; or with these settings, and a gateway of the second host alone.
fn delegates_beside_a_gateway(settings: Option<&str>) {
    let (year, month) = ejabberd::version();
    let version = format!("{year}.{month:02}");
    let folder = place().folder("gateway");
    let (file, ours) = ("gateway.yml", "private-storage.yml");
    let gateways = gateways_modules((year, month), settings.is_none());
    let included = folder.inside(ours);
    folder.write(
        file,
        &format!("include_config_file: {included}\n{gateways}"),
    );
    let mut options = Options::delegating(&USERS);
    let mut configuration = component::Options::at(ports::address(options.ports.component));
    configuration.extra = settings.unwrap_or_default().to_owned();
    let router = ["ejabberd", "--server-version", &version];
    into(&folder, (file, ours), &configuration, &router);

    let gateway = ejabberd::listener(&format!("port: {}\n    ip: \"127.0.0.1\"", ports::free()));
    let gateway = gateway.replace(COMPONENT, SLIDGE);
    let include = format!("include_config_file: \"{}\"\n", folder.inside(file));
    options.host_blocks = Some(format!("{include}{gateway}"));
    options.besides = "modules:\n  mod_version: {}\n".to_owned();
    let server = ejabberd::start(options);
    let (exit, said) = check_connect(&configuration);
    assert_eq!(exit, Some(0), "{said}");
    if settings.is_none() && (year, month) >= (25, 3) {
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
