//! The same of `[storage.postgres]`: a section within a section.

use super::refused;

#[test]
fn what_is_unknown_there_is_told_with_what_may_be_meant() {
    for (text, message) in [
        (
            "[storage]\nhosts = [\"db1\"]",
            "2:1: hosts belongs under [storage.postgres], not [storage]",
        ),
        (
            "storage.tls = \"on\"",
            "1:9: tls belongs under [component] or [storage.postgres], not [storage]",
        ),
        (
            "[storage.postgres]\nhots = [\"db1\"]",
            "2:1: unknown key hots in [storage.postgres], did you mean hosts?",
        ),
        (
            "[storage.postgre]\nhosts = [\"db1\"]",
            "1:10: unknown section [storage.postgre], did you mean [storage.postgres]?",
        ),
        (
            "[postgres]\nhosts = [\"db1\"]",
            "1:2: unknown section [postgres], did you mean [storage.postgres]?",
        ),
        (
            "[storage]\npostgres = \"db1\"",
            "2:1: found a string named storage.postgres, expected a section, [storage.postgres]",
        ),
        (
            "[component.extra]\nsize = 3",
            "1:12: unknown key extra in [component], \
                 expected one of jid, server, tls, tls_ca_file, tls_pin_sha256, tls_name, \
                 secret, secret_file, ping_seconds, standby_retry_seconds",
        ),
    ] {
        assert_eq!(refused(text), format!("component.toml:{message}"));
    }
}

#[test]
fn values_there_are_refused_with_what_was_found_and_what_was_expected() {
    for (text, message) in [
        (
            "storage.engine = \"postgresql\"",
            "1:18: storage.engine: found \"postgresql\", expected \"sled\" or \"postgres\"",
        ),
        (
            "storage.postgres.hosts = \"db1\"",
            "1:26: storage.postgres.hosts: found \"db1\", \
                 expected a list of hosts, such as [\"db1.example.org\", \"db2.example.org\"]",
        ),
        (
            "storage.postgres.hosts = [\"db1\", \"postgres://db2\"]",
            "1:26: storage.postgres.hosts: found \"postgres://db2\", \
                 expected host or host:port, such as \"db1.example.org\" or \"[::1]:5433\", or the \
                 folder of a socket, such as \"/run/postgresql\"",
        ),
        (
            "storage.postgres.hosts = []",
            "1:26: storage.postgres.hosts: found an empty list, expected a list of hosts, such as \
                 [\"db1.example.org\", \"db2.example.org\"], with at most 16",
        ),
        (
            "storage.postgres.database = \"\"",
            "1:29: storage.postgres.database: found \"\", expected the name of a database",
        ),
        (
            "storage.postgres.password = 123456",
            "1:29: storage.postgres.password: found a number, \
                 expected the password as a string in quotes",
        ),
        (
            "storage.postgres.tls = true",
            "1:24: storage.postgres.tls: found true, expected \"off\" or \"on\"",
        ),
        (
            "storage.postgres.connections = 1",
            "1:32: storage.postgres.connections: found 1, \
                 expected a number of connections from 2 to 16",
        ),
        (
            "storage.postgres.require_synchronous = \"true\"",
            "1:40: storage.postgres.require_synchronous: found \"true\", \
                 expected true or false, without quotes",
        ),
        (
            "storage.postgres.require_synchronous = 1",
            "1:40: storage.postgres.require_synchronous: found 1, expected true or false",
        ),
        (
            "component.standby_retry_seconds = 0",
            "1:35: component.standby_retry_seconds: found 0, \
                 expected a number of seconds from 1 to 60",
        ),
    ] {
        assert_eq!(refused(text), format!("component.toml:{message}"));
    }
}
