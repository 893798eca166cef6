//! TLS to real servers: who is let in by which certificate, and what is said of those that are not.

use std::thread;

use super::stage::wait_until_served;
use crate::support::answers::{fragment, stored, succeeded};
use crate::support::certificates::{Authority, Identity};
use crate::support::client::{PATIENCE, RawClient};
use crate::support::component::{self, Component};
use crate::support::place::Folder;
use crate::support::server::{COMPONENT, Options, Server, place};
use crate::support::{ejabberd, ports, prosody};

const ALICE: &str = "alice@localhost";

/// An ejabberd with listeners for the component, each with a certificate of its own.
struct Encrypted {
    server: Server,
    listeners: Vec<(&'static str, u16)>,
    folder: Folder,
}

impl Encrypted {
    fn new(users: &[&str], identities: &[(&'static str, Identity)]) -> Encrypted {
        let folder = place().folder("certificates");
        let mut options = Options::delegating(users);
        let mut listeners = Vec::new();
        for (name, identity) in identities {
            let port = ports::free();
            let file = format!("{name}.pem");
            folder.write(&file, &format!("{}{}", identity.pem(), identity.key_pem()));
            let file = folder.inside(&file);
            options.besides += &ejabberd::listener(&format!(
                "port: {port}\n    ip: \"127.0.0.1\"\n    tls: true\n    certfile: \"{file}\""
            ));
            listeners.push((*name, port));
        }
        let server = ejabberd::start(options);
        Encrypted {
            server,
            listeners,
            folder,
        }
    }

    /// The component's configuration, at this listener and with these lines.
    fn at(&self, listener: &str, lines: &str) -> component::Options {
        let (_, port) = self
            .listeners
            .iter()
            .find(|(name, _)| *name == listener)
            .expect(listener);
        let mut options = component::Options::at(ports::address(*port));
        options.component = lines.to_owned();
        options
    }

    /// A line that names the authority's certificate.
    fn trusting(&self, authority: &Authority) -> String {
        self.folder.write("ca.pem", &authority.pem());
        format!("tls_ca_file = {:?}", self.folder.outside().join("ca.pem"))
    }
}

/// A certificate is a good one by its authority and name, or because it is the very one.
#[test]
fn ejabberd_serves_over_tls() {
    let authority = Authority::new("ours");
    let stage = Encrypted::new(
        &[ALICE],
        &[
            ("named", authority.sign("router.test")),
            ("address", authority.sign("127.0.0.1")),
            ("debian", Identity::as_debian_makes_it()),
        ],
    );
    let ca_file = stage.trusting(&authority);

    let named = format!("tls = \"on\"\ntls_name = \"router.test\"\n{ca_file}");
    served(&stage, stage.at("named", &named));
    let address = format!("tls = \"on\"\n{ca_file}");
    served(&stage, stage.at("address", &address));

    // The system's authorities, in the way that systems without a file of their own have it.
    let mut system = stage.at("address", "tls = \"on\"");
    let file = stage.folder.outside().join("ca.pem");
    system.under = vec![
        "env".to_owned(),
        format!("SSL_CERT_FILE={}", file.display()),
    ];
    served(&stage, system);

    // What is told of a certificate that nobody signed is what it takes to pin it.
    let component = Component::start(stage.at("debian", &address));
    let told = component.wait_for_log("not trusted", PATIENCE);
    drop(component);
    let (_, pin) = told.split_once("SHA-256 fingerprint is ").expect(&told);
    let pin = &pin[..95];
    let pinned = format!("tls = \"on\"\ntls_pin_sha256 = \"{pin}\"");
    served(&stage, stage.at("debian", &pinned));
}

fn served(stage: &Encrypted, options: component::Options) {
    let mut component = Component::start(options);
    component.wait_for_log("logged in to", PATIENCE);
    wait_until_served(&stage.server, ALICE, &["", COMPONENT]);
    let mut alice = RawClient::login(&stage.server, ALICE);
    let xml = "<a xmlns='urn:test:encrypted'>kept</a>";
    succeeded(&alice.set("", xml));
    let answer = alice.get(COMPONENT, "<a xmlns='urn:test:encrypted'/>");
    assert_eq!(stored(&answer), [fragment(xml)]);
    assert_eq!(component.stop().code(), Some(0));
}

#[test]
fn what_is_wrong_with_a_certificate_is_said_and_what_to_do_about_it() {
    let authority = Authority::new("ours");
    let stage = Encrypted::new(
        &[],
        &[
            ("good", authority.sign("good.test")),
            ("expired", authority.sign_expired("expired.test")),
            ("early", authority.sign_early("early.test")),
            ("self-signed", Identity::self_signed("self.test")),
            ("debian", Identity::as_debian_makes_it()),
            ("foreign", Authority::new("theirs").sign("foreign.test")),
            ("former", Authority::new("ours").sign("former.test")),
        ],
    );
    let file = stage.trusting(&authority);
    let ca = |name: &str| format!("tls_name = {name:?}\n{file}");
    let pin = format!("tls_pin_sha256 = \"{}\"", "00".repeat(32));
    let to_pin = "set component.tls_pin_sha256";
    for (listener, lines, told) in [
        (
            "foreign",
            ca("foreign.test"),
            &["not among the CA certificates in /", "tls_ca_file", to_pin][..],
        ),
        (
            "former",
            ca("former.test"),
            &["not among the CA certificates in /", "tls_ca_file", to_pin][..],
        ),
        (
            "good",
            file.clone(),
            &["it is not for 127.0.0.1 but for good.test;", "tls_name"],
        ),
        (
            "expired",
            ca("expired.test"),
            &["it expired on 2020-01-01", "clock"],
        ),
        (
            "early",
            ca("early.test"),
            &["it is not valid before 2200-01-01", "clock"],
        ),
        (
            "self-signed",
            ca("self.test"),
            &["it is self-signed;", to_pin],
        ),
        ("debian", ca("ejabberd"), &["openssl req -x509", to_pin]),
        (
            "good",
            pin,
            &["not the one in component.tls_pin_sha256", to_pin],
        ),
    ] {
        let options = stage.at(listener, &format!("tls = \"on\"\n{lines}"));
        let (code, checked) = component::check_connect(&options);
        assert_eq!(code, Some(69), "{listener}: {checked}");

        let component = Component::start(options);
        let not_trusted = "showed a certificate that is not trusted";
        let logged = component.wait_for_log(not_trusted, PATIENCE);
        let always = [not_trusted, "SHA-256 fingerprint is "];
        for part in told.iter().chain(&always) {
            assert!(logged.contains(part), "{listener}: no {part:?} in {logged}");
            assert!(
                checked.contains(part),
                "{listener}: no {part:?} in {checked}"
            );
        }
        assert!(!component.log().concat().contains("logged in"));
    }
}

/// Whichever side has TLS and the other has not, it is said, and no secret goes into the open.
#[test]
fn a_side_without_tls_is_told() {
    let stage = Encrypted::new(&[], &[("good", Authority::new("ours").sign("good.test"))]);
    let plain = component::Options::at(stage.server.component_address());
    only_one_side_has_tls(plain, stage.at("good", ""));
}

/// Of a listener that has none, and of one that has.
fn only_one_side_has_tls(mut plain: component::Options, encrypted: component::Options) {
    plain.component = "tls = \"on\"".to_owned();
    let component = Component::start(plain);
    component.wait_for_log("does not speak TLS, and component.tls is \"on\"", PATIENCE);
    let component = Component::start(encrypted);
    let told = component.wait_for_log("component.tls ", PATIENCE);
    let told_plainly = told.contains("component.tls must be \"on\"")
        || told.contains("it answered with TLS, and component.tls is \"off\"");
    assert!(told_plainly, "{told}");
}

#[test]
fn a_listener_without_a_certificate_is_told() {
    let mut options = Options::delegating(&[]);
    let port = ports::free();
    options.besides = ejabberd::listener(&format!(
        "port: {port}\n    ip: \"127.0.0.1\"\n    tls: true"
    ));
    let _server = ejabberd::start(options);
    let mut options = component::Options::at(ports::address(port));
    options.component = "tls = \"on\"".to_owned();
    let component = Component::start(options);
    let told = component.wait_for_log("closed the connection during the TLS handshake", PATIENCE);
    assert!(told.contains("certfile"), "{told}");
}

/// Long stanzas both ways at once, from several users; then the same after the server was away.
#[test]
fn ejabberd_and_component_exchange_long_stanzas_over_tls_before_and_after_a_restart() {
    let users = ["a@localhost", "b@localhost", "c@localhost", "d@localhost"];
    let authority = Authority::new("ours");
    let mut stage = Encrypted::new(&users, &[("good", authority.sign("127.0.0.1"))]);
    let mut options = stage.at(
        "good",
        &format!("tls = \"on\"\n{}", stage.trusting(&authority)),
    );
    options.extra = "[limits]\nmax_stanza_bytes = 4194304\nmax_namespace_bytes = 2097152\n\
                     max_user_open_bytes = 16777216\n"
        .to_owned();
    let _component = Component::start(options);
    exchange_long_stanzas(&stage.server, &users, 'a');
    stage.server.restart();
    exchange_long_stanzas(&stage.server, &users, 'b');
}

fn exchange_long_stanzas(server: &Server, users: &[&str], fill: char) {
    for user in users {
        wait_until_served(server, user, &["", COMPONENT]);
    }
    let xml = format!(
        "<a xmlns='urn:test:mib'>{}</a>",
        fill.to_string().repeat(1 << 20)
    );
    let xml = xml.as_str();
    thread::scope(|scope| {
        for user in users {
            scope.spawn(move || {
                let mut client = RawClient::login(server, user);
                for to in ["", COMPONENT, ""] {
                    succeeded(&client.set(to, xml));
                    let answer = client.get(to, "<a xmlns='urn:test:mib'/>");
                    assert!(
                        stored(&answer) == [fragment(xml)],
                        "{user} got something else"
                    );
                }
            });
        }
    });
}

/// Prosody's own component ports have no TLS; mod_net_multiplex, which is part of it, has.
#[test]
fn prosody_serves_over_tls_by_net_multiplex() {
    let authority = Authority::new("ours");
    let identity = authority.sign("127.0.0.1");
    let folder = place().folder("certificates");
    folder.write("router.crt", &identity.pem());
    folder.write("router.key", &identity.key_pem());
    folder.write("ca.pem", &authority.pem());
    let port = ports::free();
    let mut configuration = component::Options::at(ports::address(port));
    let ca_file = folder.outside().join("ca.pem");
    configuration.component = format!("tls = \"on\"\ntls_ca_file = {ca_file:?}");

    let mut options = Options::delegating(&[ALICE]);
    let printed = component::print_config(&configuration, "prosody");
    let certificates = printed
        .replace(
            "/etc/prosody/certs/localhost.crt",
            &folder.inside("router.crt"),
        )
        .replace(
            "/etc/prosody/certs/localhost.key",
            &folder.inside("router.key"),
        );
    assert_ne!(certificates, printed);
    options.host_blocks = Some(prosody::including(&folder, &certificates));
    let server = prosody::start(options);
    let component = Component::start(configuration);
    component.wait_for_log("logged in to", PATIENCE);
    wait_until_served(&server, ALICE, &["", COMPONENT]);
    drop(component);

    let plain = component::Options::at(server.component_address());
    only_one_side_has_tls(plain, component::Options::at(ports::address(port)));
}
