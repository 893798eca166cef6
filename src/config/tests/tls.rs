//! TLS: what makes sense together, and what is told where it does not.

use super::*;

const LEAST: &str = "[component]\njid = \"private.example.org\"\nsecret = \"s3cret\"\n";
const PIN: &str = "00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF";

fn authority() -> String {
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut parameters = rcgen::CertificateParams::default();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    parameters.self_signed(&key).expect("a certificate").pem()
}

fn tls(folder: &Folder, lines: &str) -> Result<Option<Tls>, ConfigError> {
    let config = folder.load(&format!("{LEAST}{lines}"), &[])?;
    Ok(config.component.tls)
}

#[test]
fn the_name_is_that_of_the_server_unless_it_is_said() {
    let folder = Folder::new();
    for (lines, name) in [
        (
            "tls = \"on\"\nserver = \"xmpp.example.org:5348\"",
            "xmpp.example.org",
        ),
        ("tls = \"on\"\nserver = \"[::1]:5348\"", "::1"),
        ("tls = \"on\"", "127.0.0.1"),
        ("tls = \"on\"\ntls_name = \"example.org\"", "example.org"),
    ] {
        let tls = tls(&folder, lines).expect("a configuration").expect("TLS");
        assert_eq!(tls.name.to_str(), name);
        assert!(matches!(tls.trust, Trust::System));
    }
    assert_eq!(
        folder.told(tls(
            &folder,
            "tls = \"on\"\nserver = \"[fe80::1%eth0]:5348\""
        )),
        "component.toml:5:10: component.server: found the host \"fe80::1%eth0\", which no \
         certificate can be for, expected component.tls_name to say which name the certificate has"
    );
}

#[test]
fn a_file_holds_authorities() {
    let folder = Folder::new();
    folder.file(
        "ca.pem",
        format!("two of them\n{}{}", authority(), authority()),
    );
    let path = folder.path("ca.pem");
    let lines = format!("tls = \"on\"\ntls_ca_file = {path:?}");
    let read = tls(&folder, &lines).expect("a configuration").expect("TLS");
    assert!(matches!(&read.trust, Trust::File { roots, .. } if roots.len() == 2));

    folder.mode("ca.pem", 0o666);
    assert_eq!(
        folder.told(tls(&folder, &lines)),
        "component.toml:5:15: component.tls_ca_file: ca.pem: everybody can write this file, and so \
         decide who is trusted; to fix this: chmod o-w ca.pem"
    );
    for (content, told) in [
        (
            "",
            "ca.pem: found no certificate, expected the CA certificates for the server's \
             certificate, in PEM (-----BEGIN CERTIFICATE-----)",
        ),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "ca.pem: found a bad certificate: ",
        ),
        ("-----BEGIN CERTIFICATE-----\nAAAA", "ca.pem: not PEM: "),
    ] {
        folder.file("ca.pem", content);
        let message = folder.told(tls(&folder, &lines));
        let start = format!("component.toml:5:15: component.tls_ca_file: {told}");
        assert!(message.starts_with(&start), "{message}");
    }
    let none = tls(&folder, "tls = \"on\"\ntls_ca_file = \"/nowhere/ca.pem\"");
    assert_eq!(
        folder.told(none),
        "component.toml:5:15: component.tls_ca_file: cannot read /nowhere/ca.pem: \
         No such file or directory (os error 2)"
    );
}

#[test]
fn a_fingerprint_is_read_as_it_is_shown_and_without_colons() {
    let folder = Folder::new();
    let lines = format!("tls = \"on\"\ntls_pin_sha256 = \"{PIN}\"");
    let read = tls(&folder, &lines).expect("a configuration").expect("TLS");
    let Trust::Pin(pin) = read.trust else {
        panic!("{read:?}");
    };
    assert!(
        pin.to_string()
            .starts_with("00:11:22:33:44:55:66:77:88:99:AA:BB:")
    );
    assert_eq!(pin.to_string().replace(':', ""), PIN);
    assert_eq!(Fingerprint::parse(&pin.to_string()), Some(pin));
    for text in [
        "",
        &PIN[1..],
        &PIN.replace('0', "x"),
        &format!("{}:", &PIN[1..]),
    ] {
        assert_eq!(Fingerprint::parse(text), None, "{text:?}");
    }
}

/// Who asked for a certificate to be judged must not get a link on which none is.
#[test]
fn contradictions_are_refused() {
    let folder = Folder::new();
    for line in [
        format!("tls_pin_sha256 = \"{PIN}\""),
        "tls_ca_file = \"/nowhere/ca.pem\"".to_owned(),
        "tls_name = \"example.org\"".to_owned(),
    ] {
        let (name, value) = line.split_once(" = ").expect("a key");
        let column = name.len() + 4;
        for tls_is_off in ["", "tls = \"off\"\n"] {
            let told = folder.told(tls(&folder, &format!("{line}\n{tls_is_off}")));
            let expected = format!(
                "component.toml:4:{column}: component.{name}: found this setting while component.tls \
                 is \"off\", expected component.tls = \"on\", or this setting left out"
            );
            assert_eq!(told, expected, "{value}");
        }
    }
    let both = format!("tls = \"on\"\ntls_ca_file = \"ca.pem\"\ntls_pin_sha256 = \"{PIN}\"");
    assert_eq!(
        folder.told(tls(&folder, &both)),
        "component.toml:5:15 and component.toml:6:18: found both component.tls_ca_file and \
         component.tls_pin_sha256, expected one of the two"
    );
    let socket = "server = \"unix:/run/ejabberd/component.sock\"\ntls = \"on\"";
    assert_eq!(
        folder.told(tls(&folder, socket)),
        "component.toml:5:7: component.tls: found \"on\" while component.server is a socket on \
         this machine, expected \"off\": nothing leaves the machine"
    );
}
