//! `[component]`: who we are, and to which server we connect. All of it takes effect at a start.

use secrecy::ExposeSecret;

use super::super::types::Config;
use super::{Setting, Value, domain, path};
use crate::link::{self, Endpoint, Fingerprint, Tls, Trust};

pub(super) const SETTINGS: &[Setting] = &[
    setting!(
        component.jid,
        Value::Required("\"private.example.org\""),
        by | config | &config.component.jid,
        "The name that the server knows this component by.",
        |given| {
            let expected = "the component's domain alone, such as \"private.example.org\"";
            Some(given.text(expected, domain)?.into())
        }
    ),
    setting!(
        component.server,
        Value::Default("\"127.0.0.1:5347\""),
        by | config | &config.component.server,
        "Where the server listens for components: host:port, or a socket on this machine, such as \
         \"unix:/run/ejabberd/component.sock\".",
        |given| {
            let expected = "host:port, such as \"127.0.0.1:5347\" or \"[::1]:5347\", \
                            or a socket's path, such as \"unix:/run/ejabberd/component.sock\"";
            given.text(expected, Endpoint::parse)?
        }
    ),
    setting!(
        component.tls,
        Value::Default("\"off\""),
        by | config | config.component.tls.is_some(),
        "\"on\": the link is encrypted with TLS, which the server's port must expect; the server's \
         certificate must be signed by a CA that the system trusts, or be as component.tls_ca_file \
         or component.tls_pin_sha256 says. \"off\": the link is not encrypted: keep it on one \
         machine or one private network.",
        |given| given.choice(&[("off", false), ("on", true)])?
    ),
    setting!(
        component.tls_ca_file,
        Value::Sample("\"/etc/xmpp-private-storage/ca.pem\""),
        by | config | trust(config).and_then(Trust::ca_file),
        "A file with CA certificates in PEM: with TLS, one of them must have signed the server's \
         certificate, instead of one that the system trusts.",
        |given| Some(given.text("the path of a file", path)?)
    ),
    setting!(
        component.tls_pin_sha256,
        Value::Sample(
            "\"00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\""
        ),
        by | config | trust(config).and_then(Trust::pin),
        "The SHA-256 fingerprint of the one certificate that the server may have with TLS, \
         whatever its name, dates and signer. This prints it: openssl x509 -noout -fingerprint \
         -sha256 -in FILE",
        |given| {
            let expected = "the SHA-256 fingerprint of a certificate: 64 hexadecimal digits, \
                            with or without colons";
            Some(given.text(expected, Fingerprint::parse)?)
        }
    ),
    setting!(
        component.tls_name,
        Value::Sample("\"example.org\""),
        by | config | tls(config).map(|tls| &tls.name),
        "The name that the server's certificate must have with TLS, if that is not the host in \
         component.server.",
        |given| {
            let expected = "the name that the server's certificate has, such as \"example.org\"";
            Some(given.text(expected, link::certificate_name)?)
        }
    ),
    setting!(
        component.secret,
        Value::Required("\"change me\""),
        by | config | config.component.secret.expose_secret(),
        "The secret that the server's configuration has for this component. Keep the file that it \
         is in to yourself: chmod 600.",
        |given| {
            // Whether it will do is for `secret` to say, once it is known which one counts.
            let expected = "the secret as a string in quotes";
            Some(given.text(expected, |text| Some(text.into()))?)
        }
    ),
    setting!(
        component.secret_file,
        Value::Sample("\"secret\""),
        by | _config | "what counts is the secret, wherever it comes from",
        "A file that holds the secret, in place of component.secret. One without a slash before it \
         is looked for among systemd's credentials, then in the working directory, then beside the \
         configuration file. It must not be a pipe.",
        |given| Some(given.text("the path of a file", path)?)
    ),
    setting!(
        component.ping_seconds,
        Value::Default("60"),
        by | config | config.component.ping,
        "After this many seconds without a word from the server, it is asked whether it is still \
         there; after twice as many, the connection is given up and a new one is made.",
        |given| given.whole(1..=3_600, "a number of seconds")?
    ),
    setting!(
        component.standby_retry_seconds,
        Value::PostgresDefault("5"),
        by | config | config.component.standby_retry,
        "Only with storage.engine = \"postgres\", and on a server that lets one instance alone log \
         in, as Prosody does: after so many seconds an instance that stands by tries again. So it \
         takes over at most this long after the active one has gone. Refused with \"sled\".",
        |given| given.whole(1..=60, "a number of seconds")?
    ),
];

fn tls(config: &Config) -> Option<&Tls> {
    config.component.tls.as_ref()
}

fn trust(config: &Config) -> Option<&Trust> {
    tls(config).map(|tls| &tls.trust)
}
