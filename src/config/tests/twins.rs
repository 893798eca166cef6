//! Each key, by the file and by its variable.

use super::super::table::settings;
use super::*;

const PIN: &str = "00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF";
const PIN_IN_FILE: &str = "\"00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:\
                           00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff\"";

/// Each key's twin, a value as the file writes it, and the same as a variable.
const TWINS: [(&str, &str, &str); 44] = [
    (
        "COMPONENT_JID",
        "\"other.example.net\"",
        "other.example.net",
    ),
    ("COMPONENT_SERVER", "\"[::1]:8888\"", "[::1]:8888"),
    ("COMPONENT_TLS", "\"on\"", "on"),
    ("COMPONENT_TLS_CA_FILE", "\"/dev/null\"", "/dev/null"),
    ("COMPONENT_TLS_PIN_SHA256", PIN_IN_FILE, PIN),
    ("COMPONENT_TLS_NAME", "\"example.org\"", "example.org"),
    ("COMPONENT_SECRET", "\"other\"", "other"),
    ("COMPONENT_SECRET_FILE", "\"/dev/null\"", "/dev/null"),
    ("COMPONENT_PING_SECONDS", "7", "7"),
    ("COMPONENT_STANDBY_RETRY_SECONDS", "7", "7"),
    (
        "ACCESS_DOMAINS",
        "[\"a.example\", \"b.example\"]",
        "a.example,b.example",
    ),
    (
        "ACCESS_ADMINS",
        "[\"a@b.example\", \"c@d.example\"]",
        "a@b.example, c@d.example",
    ),
    ("ACCESS_DELEGATION", "\"required\"", "required"),
    ("ACCESS_RESERVED_NAMESPACES", "\"accept\"", "accept"),
    ("LIMITS_MAX_STANZA_BYTES", "262_144", "262144"),
    ("LIMITS_MAX_NAMESPACE_BYTES", "0x1000", "4096"),
    ("LIMITS_MAX_USER_BYTES", "1048576", " 1048576 "),
    ("LIMITS_MAX_USER_ELEMENTS", "7", "7"),
    ("LIMITS_MAX_DEPTH", "64", "64"),
    ("LIMITS_MAX_OPEN_BYTES", "2_097_152", "2097152"),
    ("LIMITS_MAX_USER_OPEN_BYTES", "2048", "2048"),
    ("LIMITS_MAX_UNSENT_BYTES", "2_097_152", "2097152"),
    ("BOOKMARKS_MODE", "\"off\"", "off"),
    ("BOOKMARKS_MAX_ROOMS", "1_000", "1000"),
    ("STORAGE_ENGINE", "\"postgres\"", "postgres"),
    ("STORAGE_PATH", "\"/var/lib/x\"", "/var/lib/x"),
    ("STORAGE_CACHE_BYTES", "1048576", "1048576"),
    ("STORAGE_COMPACT_ABOVE_BYTES", "0x100000", "1048576"),
    (
        "STORAGE_POSTGRES_HOSTS",
        "[\"db1:5433\", \"/run/postgresql\"]",
        "db1:5433, /run/postgresql",
    ),
    ("STORAGE_POSTGRES_DATABASE", "\"xmpp\"", "xmpp"),
    ("STORAGE_POSTGRES_USER", "\"xmpp\"", "xmpp"),
    ("STORAGE_POSTGRES_PASSWORD", "\"other\"", "other"),
    (
        "STORAGE_POSTGRES_PASSWORD_FILE",
        "\"/dev/null\"",
        "/dev/null",
    ),
    ("STORAGE_POSTGRES_TLS", "\"on\"", "on"),
    ("STORAGE_POSTGRES_TLS_CA_FILE", "\"/dev/null\"", "/dev/null"),
    ("STORAGE_POSTGRES_TLS_PIN_SHA256", PIN_IN_FILE, PIN),
    (
        "STORAGE_POSTGRES_TLS_NAME",
        "\"db.example.org\"",
        "db.example.org",
    ),
    ("STORAGE_POSTGRES_CONNECTIONS", "7", "7"),
    ("STORAGE_POSTGRES_REQUIRE_SYNCHRONOUS", "true", "true"),
    ("LOG_LEVEL", "\"warn,sled=info\"", "warn,sled=info"),
    ("LOG_FORMAT", "\"json\"", "json"),
    ("HTTP_LISTEN", "\"127.0.0.1:9547\"", "127.0.0.1:9547"),
    (
        "DISCO_CONTACT",
        "[\"mailto:a@b.example\", \"xmpp:c@d.example\"]",
        "mailto:a@b.example, xmpp:c@d.example",
    ),
    ("DISCO_OS", "\"Debian 13\"", "Debian 13"),
];

/// All that a configuration says, but for where it was said; the secrets in the open.
fn said(result: Result<Config, ConfigError>) -> String {
    use secrecy::ExposeSecret;
    match result {
        Ok(config) => {
            let secret = config.component.secret.expose_secret().to_owned();
            let password = match &config.storage.engine {
                Engine::Postgres(postgres) => postgres.password.as_ref().ok().cloned().flatten(),
                Engine::Sled => None,
            };
            let password = password.map(|it| it.expose_secret().to_owned());
            let source = Source::Environment;
            let config = Config { source, ..config };
            format!("{config:?} {secret} {password:?}")
        }
        // Of the keys that are refused here: a device holds no secret, and no certificate.
        Err(error) => error
            .to_string()
            .split_once("/dev/null: ")
            .map_or_else(|| panic!("{error}"), |(_, what)| what.to_owned()),
    }
}

/// As `LEAST`, but without what the key itself says; and with what it makes no sense without.
fn file(section: &str, name: &str, value: &str) -> String {
    let mut text = beside(section, name);
    for (other, least) in [("jid", "private.example.org"), ("secret", "s3cret")] {
        let replaced = other == name || (other == "secret" && name == "secret_file");
        if section != "component" || !replaced {
            text.push_str(&format!("component.{other} = {least:?}\n"));
        }
    }
    text + &format!("{section}.{name} = {value}\n")
}

/// What has to be said for the key to make sense.
fn beside(section: &str, name: &str) -> String {
    let mut text = String::new();
    if name.starts_with("tls_") {
        text.push_str(&format!("{section}.tls = \"on\"\n"));
    }
    let of_postgres = section == "storage.postgres" || name == "standby_retry_seconds";
    if of_postgres {
        text.push_str("storage.engine = \"postgres\"\n");
    }
    if (of_postgres || name == "engine") && name != "hosts" {
        text.push_str("storage.postgres.hosts = [\"db\"]\n");
    }
    text
}

#[test]
fn each_key_has_a_twin_that_says_the_same_and_wins() {
    let folder = Folder::new();
    let jid_and_secret = "component.jid = \"private.example.org\"\ncomponent.secret = \"s3cret\"\n";
    for key in settings() {
        let variable = key.variable();
        let (_, in_file, in_variable) = *TWINS
            .iter()
            .find(|(twin, ..)| variable == format!("PRIVATE_STORAGE_{twin}"))
            .unwrap_or_else(|| panic!("{variable} is missing from this test"));

        let rest = beside(key.section, key.name) + jid_and_secret;
        let without = match key.name {
            // There is nothing between a whole database and none.
            "engine" | "hosts" => from(&LEAST),
            _ => folder.load(&rest, &[]),
        };
        let by_file = said(folder.load(&file(key.section, key.name, in_file), &[]));
        assert_ne!(
            by_file,
            said(without),
            "{key} in the file changes something"
        );
        let by_variable = said(folder.load(&rest, &[(&variable, in_variable)]));
        assert_eq!(by_variable, by_file, "{variable} says the same as {key}");
    }
    assert_eq!(TWINS.len(), settings().count());
}

#[test]
fn variables_win_over_the_file() {
    let folder = Folder::new();
    let text = "[component]\njid = \"private.example.org\"\nsecret = \"s3cret\"\n\
                [access]\ndomains = [\"a.example\", \"b.example\"]\n[limits]\nmax_depth = 100\n";
    let config = folder
        .load(
            text,
            &[
                ("PRIVATE_STORAGE_LIMITS_MAX_DEPTH", "200"),
                ("PRIVATE_STORAGE_ACCESS_DOMAINS", "c.example"),
                ("PRIVATE_STORAGE_COMPONENT_JID", ""),
            ],
        )
        .expect("a configuration");
    assert_eq!(config.limits.max_depth, 200);
    assert_eq!(
        config.access.domains,
        ["c.example"],
        "a list replaces a list"
    );
    assert_eq!(
        config.component.jid.as_str(),
        "private.example.org",
        "a variable that is set to nothing is not set"
    );
}
