//! Each refusal, word for word: the message is the feature.

use super::*;

mod database;

fn refused(text: &str) -> String {
    apply(&mut Draft::default(), Path::new("component.toml"), text).join("\n")
}

#[test]
fn what_is_not_toml_is_told_without_its_line() {
    assert_eq!(
        refused("[component]\nsecret = s3cret\n"),
        "component.toml:2:10: not TOML: string values must be quoted, expected literal string"
    );
    assert_eq!(
        refused("[component]\nsecret = \"s3cret\n"),
        "component.toml:2:17: not TOML: invalid basic string, expected `\"`"
    );
    assert_eq!(
        refused("[component]\nsecret = \"s3cret\"\nsecret = \"s3cret\"\n"),
        "component.toml:3:1: not TOML: duplicate key"
    );
}

#[test]
fn what_is_unknown_is_told_with_what_may_be_meant() {
    for (text, message) in [
        (
            "[component]\nsercet = \"s3cret\"",
            "2:1: unknown key sercet in [component], did you mean secret?",
        ),
        (
            "[component]\npassword = \"s3cret\"",
            "2:1: unknown key password in [component], did you mean secret?",
        ),
        (
            "[component]\nretries = 3",
            "2:1: unknown key retries in [component], \
                 expected one of jid, server, tls, tls_ca_file, tls_pin_sha256, tls_name, \
                 secret, secret_file, ping_seconds, standby_retry_seconds",
        ),
        (
            "[component]\ndomains = [\"example.org\"]",
            "2:1: domains belongs under [access], not [component]",
        ),
        (
            "jid = \"private.example.org\"",
            "1:1: jid belongs under [component]",
        ),
        (
            "verbose = 1",
            "1:1: unknown key verbose outside any section",
        ),
        (
            "\n[limit]\nmax_depth = 7",
            "2:2: unknown section [limit], did you mean [limits]?",
        ),
        (
            "[cluster]\nsize = 3",
            "1:2: unknown section [cluster], expected one of \
                 [component], [access], [limits], [bookmarks], [storage], [storage.postgres], [log], \
                 [http], [disco]",
        ),
        (
            "component = \"private.example.org\"",
            "1:1: found a string named component, expected a section, [component]",
        ),
        (
            "[[component]]\njid = \"private.example.org\"",
            "1:3: found a list named component, expected a section, [component]",
        ),
    ] {
        assert_eq!(refused(text), format!("component.toml:{message}"));
    }
}

#[test]
fn values_are_refused_with_what_was_found_and_what_was_expected() {
    for (text, message) in [
        (
            "component.jid = \"user@private.example.org\"",
            "1:17: component.jid: found \"user@private.example.org\", \
                 expected the component's domain alone, such as \"private.example.org\"",
        ),
        (
            "component.jid = \"private.example.org/res\"",
            "1:17: component.jid: found \"private.example.org/res\", \
                 expected the component's domain alone, such as \"private.example.org\"",
        ),
        (
            "component.server = \"localhost\"",
            "1:20: component.server: found \"localhost\", \
                 expected host:port, such as \"127.0.0.1:5347\" or \"[::1]:5347\", \
                 or a socket's path, such as \"unix:/run/ejabberd/component.sock\"",
        ),
        (
            "component.server = 5347",
            "1:20: component.server: found 5347, \
                 expected host:port, such as \"127.0.0.1:5347\" or \"[::1]:5347\", \
                 or a socket's path, such as \"unix:/run/ejabberd/component.sock\"",
        ),
        (
            "component.tls = true",
            "1:17: component.tls: found true, expected \"off\" or \"on\"",
        ),
        (
            "component.tls_pin_sha256 = \"AB:CD\"",
            "1:28: component.tls_pin_sha256: found \"AB:CD\", \
                 expected the SHA-256 fingerprint of a certificate: 64 hexadecimal digits, \
                 with or without colons",
        ),
        (
            "component.tls_name = \"example.org:5347\"",
            "1:22: component.tls_name: found \"example.org:5347\", \
                 expected the name that the server's certificate has, such as \"example.org\"",
        ),
        (
            "component.secret = 123456",
            "1:20: component.secret: found a number, expected the secret as a string in quotes",
        ),
        (
            "component.secret = [\"s3cret\"]",
            "1:20: component.secret: found a list, expected the secret as a string in quotes",
        ),
        (
            "component.secret_file = \"\"",
            "1:25: component.secret_file: found \"\", expected the path of a file",
        ),
        (
            "access.domains = \"example.org\"",
            "1:18: access.domains: found \"example.org\", \
                 expected a list of domains, such as [\"example.org\"]",
        ),
        (
            "access.domains = [\"example.org\", \"a b\"]",
            "1:18: access.domains: found \"a b\", expected a domain, such as \"example.org\"",
        ),
        (
            "access.domains = []",
            "1:18: access.domains: found an empty list, expected a list of domains, \
                 such as [\"example.org\"], or this setting left out: then it is the parent \
                 domain of component.jid",
        ),
        (
            "access.admins = [\"admin@example.org\", \"admin@example.org/phone\"]",
            "1:17: access.admins: found \"admin@example.org/phone\", expected an account's address \
                 without a resource, such as \"admin@example.org\"",
        ),
        (
            "access.admins = [\"example.org\"]",
            "1:17: access.admins: found \"example.org\", expected an account's address \
                 without a resource, such as \"admin@example.org\"",
        ),
        (
            "access.admins = \"admin@example.org\"",
            "1:17: access.admins: found \"admin@example.org\", \
                 expected a list of addresses, such as [\"admin@example.org\"]",
        ),
        (
            "access.delegation = true",
            "1:21: access.delegation: found true, expected \"none\" or \"optional\" or \"required\"",
        ),
        (
            "access.reserved_namespaces = \"allow\"",
            "1:30: access.reserved_namespaces: found \"allow\", \
                 expected \"refuse\" or \"accept\"",
        ),
        (
            "limits.max_stanza_bytes = 9_999",
            "1:27: limits.max_stanza_bytes: found 9999, \
                 expected a number of bytes from 10000 to 67108864",
        ),
        (
            "limits.max_stanza_bytes = \"262144\"",
            "1:27: limits.max_stanza_bytes: found \"262144\", \
                 expected a number of bytes from 10000 to 67108864, without quotes",
        ),
        (
            "limits.max_namespace_bytes = 67108865",
            "1:30: limits.max_namespace_bytes: found 67108865, \
                 expected a number of bytes from 1024 to 67108864",
        ),
        (
            "limits.max_user_bytes = 1e7",
            "1:25: limits.max_user_bytes: found 1e7, \
                 expected a number of bytes from 1024 to 1099511627776",
        ),
        (
            "limits.max_user_elements = 0",
            "1:28: limits.max_user_elements: found 0, \
                 expected a number of elements from 1 to 1000000",
        ),
        (
            "limits.max_depth = -1",
            "1:20: limits.max_depth: found -1, expected a number of levels from 16 to 1024",
        ),
        (
            "bookmarks.mode = \"private\"",
            "1:18: bookmarks.mode: found \"private\", expected \"pep\" or \"off\"",
        ),
        (
            "bookmarks.max_rooms = 0",
            "1:23: bookmarks.max_rooms: found 0, expected a number of rooms from 1 to 10000",
        ),
        (
            "storage.path = false",
            "1:16: storage.path: found false, expected the path of a folder",
        ),
        (
            "storage.cache_bytes = 99999999999999999999999",
            "1:23: storage.cache_bytes: found 99999999999999999999999, \
                 expected a number of bytes from 1048576 to 68719476736",
        ),
        (
            "log.level = \"inof\"",
            "1:13: log.level: found \"inof\", expected a level (\"error\", \"warn\", \"info\", \
                 \"debug\", \"trace\", \"off\") or target=level, several separated by commas",
        ),
        (
            "log.format = 1979-05-27",
            "1:14: log.format: found a date, expected \"auto\" or \"text\" or \"journal\" or \"json\"",
        ),
        (
            "http.listen = \"localhost:9547\"",
            "1:15: http.listen: found \"localhost:9547\", \
                 expected address:port, such as \"127.0.0.1:9547\" or \"[::1]:9547\"",
        ),
        (
            "disco.contact = [\"admin@example.org\"]",
            "1:17: disco.contact: found \"admin@example.org\", \
                 expected an address with mailto:, xmpp: or https: before it",
        ),
        (
            "disco.contact = \"mailto:admin@example.org\"",
            "1:17: disco.contact: found \"mailto:admin@example.org\", \
                 expected a list of addresses, such as [\"mailto:admin@example.org\"]",
        ),
        (
            "disco.os = \"two\\nlines\"",
            "1:12: disco.os: found \"two\\nlines\", \
                 expected one line of text, such as \"Debian 13\"",
        ),
    ] {
        assert_eq!(refused(text), format!("component.toml:{message}"));
    }
}

#[test]
fn all_mistakes_are_told_from_the_top() {
    let text = "[limits]\nmax_depth = 1\n[component]\njid = \"a b\"\nserver = \"here\"\n";
    let refused = refused(text);
    let places: Vec<&str> = refused
        .lines()
        .filter_map(|line| line.split(": ").next())
        .collect();
    assert_eq!(
        places,
        [
            "component.toml:2:13",
            "component.toml:4:7",
            "component.toml:5:10"
        ]
    );
}

#[test]
fn columns_count_characters_and_long_values_are_shortened() {
    let text = format!(
        "disco = {{ os = \"Dëbian\", contact = [\"{}\"] }}",
        "ä".repeat(99)
    );
    assert_eq!(
        refused(&text),
        format!(
            "component.toml:1:36: disco.contact: found \"{}…\", \
                 expected an address with mailto:, xmpp: or https: before it",
            "ä".repeat(80)
        )
    );
}
