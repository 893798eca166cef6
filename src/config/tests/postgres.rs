//! A database: what has to be said of it, and what is told where it makes no sense.

use std::path::Path;
use std::time::Duration;

use secrecy::ExposeSecret;

use super::*;

const LEAST: &str = "[component]\njid = \"private.example.org\"\nsecret = \"s3cret\"\n\
                     [storage]\nengine = \"postgres\"\n[storage.postgres]\n";
const HOSTS: &str = "hosts = [\"db1\", \"db2\"]\n";

fn config(folder: &Folder, lines: &str) -> Result<Config, ConfigError> {
    folder.load(&format!("{LEAST}{lines}"), &[])
}

fn database(config: Result<Config, ConfigError>) -> Postgres {
    match config.expect("a configuration").storage.engine {
        Engine::Postgres(postgres) => *postgres,
        Engine::Sled => panic!("sled"),
    }
}

fn password(config: Result<Config, ConfigError>) -> Option<String> {
    let password = database(config).password.expect("no trouble");
    password.map(|it| it.expose_secret().to_owned())
}

#[test]
fn hosts_are_all_that_has_to_be_said() {
    let folder = Folder::new();
    let config = config(&folder, HOSTS).expect("a configuration");
    assert_eq!(config.storage.path, Path::new("/run/xmpp-private-storage"));
    let retry = config.component.standby_retry;
    assert_eq!(retry, Some(Duration::from_secs(5)));
    assert_eq!(config.warnings, [""; 0]);
    let postgres = database(Ok(config));
    let hosts = postgres.hosts.iter().map(ToString::to_string);
    assert_eq!(hosts.collect::<Vec<_>>(), ["db1:5432", "db2:5432"]);
    assert_eq!(postgres.database, "private_storage");
    assert_eq!(postgres.user, "private_storage");
    assert!(matches!(postgres.password, Ok(None)));
    assert!(postgres.tls.is_none());
    assert_eq!(postgres.connections, 4);
    assert!(!postgres.require_synchronous);
}

#[test]
fn a_host_is_a_name_an_address_or_the_folder_of_a_socket() {
    for (text, host, port, shown) in [
        ("db1", "db1", 5432, "db1:5432"),
        ("db1:5433", "db1", 5433, "db1:5433"),
        ("192.0.2.1", "192.0.2.1", 5432, "192.0.2.1:5432"),
        ("[::1]", "::1", 5432, "[::1]:5432"),
        ("[::1]:5433", "::1", 5433, "[::1]:5433"),
        (
            "/run/postgresql",
            "/run/postgresql",
            5432,
            "/run/postgresql:5432",
        ),
        (
            "/run/postgresql:5433",
            "/run/postgresql",
            5433,
            "/run/postgresql:5433",
        ),
    ] {
        let read = DatabaseHost::parse(text).expect(text);
        assert_eq!((read.host.as_str(), read.port), (host, port), "{text}");
        assert_eq!(read.to_string(), shown);
        assert_eq!(DatabaseHost::parse(shown), Some(read), "{shown}");
    }
    let long = format!("/{}", "x".repeat(91));
    assert!(DatabaseHost::parse(&long).is_some());
    for text in [
        "",
        ":5432",
        "db1:",
        "db1:0",
        "db1:+5432",
        "db1:65536",
        "::1",
        "db 1",
        "postgres://db1",
        "unix:/run/postgresql",
        "/run/postgresql:",
        "/run/postgresql:0",
        "/run/postgresql:+5432",
        "/run/postgresql:x",
        "/run/\npostgresql",
        &format!("{long}x"),
    ] {
        assert_eq!(DatabaseHost::parse(text), None, "{text:?}");
    }
}

#[test]
fn no_host_is_tried_twice_and_no_list_is_endless() {
    let folder = Folder::new();
    let twice = database(config(
        &folder,
        "hosts = [\"db1\", \"db2\", \"db1:5432\"]\n",
    ));
    assert_eq!(twice.hosts.len(), 2);
    let many = |count: usize| {
        let hosts: Vec<String> = (0..count).map(|at| format!("db{at}")).collect();
        config(&folder, &format!("hosts = {hosts:?}\n"))
    };
    assert_eq!(database(many(16)).hosts.len(), 16);
    assert_eq!(
        folder.told(many(17)),
        "component.toml:7:9: storage.postgres.hosts: found 17 hosts, expected a list of hosts, such as \
         [\"db1.example.org\", \"db2.example.org\"], with at most 16"
    );
}

#[test]
fn a_database_without_hosts_is_refused_with_all_else_that_is_wrong() {
    let folder = Folder::new();
    let no_hosts = "component.toml:5:10: storage.engine: found \"postgres\" without \
                    storage.postgres.hosts, expected them to say where the database is, such as \
                    [\"db1.example.org\", \"db2.example.org\"]";
    assert_eq!(folder.told(config(&folder, "")), no_hosts);
    let both = "password = \"s3cret\"\npassword_file = \"password\"\n";
    let both_told = "component.toml:7:12 and component.toml:8:17: found both storage.postgres.password \
                     and storage.postgres.password_file, expected one of the two";
    assert_eq!(
        folder.told(config(&folder, both)),
        format!("{no_hosts}\n{both_told}")
    );
}

/// Who describes a database and forgets to say that it is to be used would find out when a disk dies.
#[test]
fn what_is_said_of_a_database_is_refused_with_sled() {
    let folder = Folder::new();
    let why = "found this setting while storage.engine is \"sled\", expected storage.engine = \
               \"postgres\", or this setting left out";
    let sled = LEAST.replace("engine = \"postgres\"\n", "");
    assert_eq!(
        folder.told(folder.load(&format!("{sled}{HOSTS}"), &[])),
        format!("component.toml:6:9: storage.postgres.hosts: {why}")
    );
    assert_eq!(
        folder.told(with(&[(
            "PRIVATE_STORAGE_STORAGE_POSTGRES_PASSWORD",
            "other"
        )])),
        format!("PRIVATE_STORAGE_STORAGE_POSTGRES_PASSWORD: {why}")
    );
    let retry = [("PRIVATE_STORAGE_COMPONENT_STANDBY_RETRY_SECONDS", "7")];
    assert_eq!(
        folder.told(with(&retry)),
        format!("PRIVATE_STORAGE_COMPONENT_STANDBY_RETRY_SECONDS: {why}")
    );
    assert!(
        folder.load(&sled, &[]).is_ok(),
        "an empty section says nothing"
    );
}

#[test]
fn what_means_nothing_to_a_database_is_a_warning() {
    let folder = Folder::new();
    let variables = [
        ("PRIVATE_STORAGE_STORAGE_CACHE_BYTES", "1048576"),
        ("PRIVATE_STORAGE_STORAGE_COMPACT_ABOVE_BYTES", "1048576"),
        ("PRIVATE_STORAGE_STORAGE_PATH", "/var/lib/x"),
    ];
    let config = folder.load(&format!("{LEAST}{HOSTS}"), &variables);
    let config = config.expect("a configuration");
    assert_eq!(config.storage.path, Path::new("/var/lib/x"));
    let why = "this has no meaning with storage.engine = \"postgres\"";
    assert_eq!(
        config.warnings,
        [
            format!("PRIVATE_STORAGE_STORAGE_CACHE_BYTES: {why}"),
            format!("PRIVATE_STORAGE_STORAGE_COMPACT_ABOVE_BYTES: {why}")
        ]
    );
}

#[test]
fn the_password_comes_from_a_setting_or_a_file() {
    let folder = Folder::new();
    let file = folder.file("password", "from a file\n");
    let inline = format!("{HOSTS}password = \"inline\"\n");
    let by_file = format!("{HOSTS}password_file = {file:?}\n");
    assert_eq!(
        password(config(&folder, &inline)).as_deref(),
        Some("inline")
    );
    assert_eq!(
        password(config(&folder, &by_file)).as_deref(),
        Some("from a file")
    );

    let given = [("PRIVATE_STORAGE_STORAGE_POSTGRES_PASSWORD", " as it is ")];
    let config = folder.load(&format!("{LEAST}{by_file}"), &given);
    assert_eq!(password(config).as_deref(), Some(" as it is "));

    let credentials = folder.0.path().display().to_string();
    let handed = [("CREDENTIALS_DIRECTORY", credentials.as_str())];
    let named = format!("{LEAST}{HOSTS}password_file = \"password\"\n");
    let config = folder.load(&named, &handed);
    assert_eq!(password(config).as_deref(), Some("from a file"));
}

/// Whoever makes backups at night, with systemd's timer, is in no folder in particular and has no credentials.
#[test]
fn a_relative_file_is_found_beside_the_configuration() {
    let folder = Folder::new();
    folder.file("password-beside", "from a file\n");
    let named = format!("{HOSTS}password_file = \"password-beside\"\n");
    assert_eq!(
        password(config(&folder, &named)).as_deref(),
        Some("from a file")
    );
}

#[test]
fn a_password_that_will_not_do_is_refused() {
    let folder = Folder::new();
    let at = "component.toml:8:12: storage.postgres.password: found";
    for (value, what) in [
        ("", "an empty password"),
        ("change me", "the example's \"change me\""),
    ] {
        let config = config(&folder, &format!("{HOSTS}password = {value:?}\n"));
        assert_eq!(
            folder.told(config),
            format!("{at} {what}, expected the one that the database has for this user")
        );
    }
    let file = folder.file("password", "s3cret\n");
    folder.mode("password", 0o602);
    let by_file = format!("{HOSTS}password_file = {file:?}\n");
    assert_eq!(
        folder.told(config(&folder, &by_file)),
        "component.toml:8:17: storage.postgres.password_file: password holds the password and everybody \
         can write it (mode 0602); to fix this: chmod o= password"
    );
    folder.mode("password", 0o604);
    let readable = config(&folder, &by_file).expect("a configuration");
    assert_eq!(
        readable.warnings,
        [format!(
            "{0} holds the password and everybody can read it (mode 0604); to fix this: chmod o= {0}",
            file.display()
        )]
    );
}

/// Most commands ask the service, which has the password. What cannot be read hinders only who connects.
#[test]
fn commands_do_without_a_password_that_only_the_service_has() {
    let folder = Folder::new();
    let text = format!("{LEAST}{HOSTS}password_file = \"credential\"\n");
    let path = folder.file("component.toml", &text);
    let why = "expected a file that holds the password";
    let refused = folder.told(Config::load(Some(&path), [("", "")]));
    assert!(refused.ends_with(why), "{refused}");
    for config in [
        Config::load_without_secret(Some(&path), [("", "")]),
        Config::load_beside_service(Some(&path), [("", "")]),
    ] {
        let unknown = database(config).password.err();
        assert!(unknown.is_some_and(|it| it.ends_with(why)));
    }
    // What is at hand is looked at before a reload.
    let text = format!("{LEAST}{HOSTS}password_file = \"/nowhere/password\"\n");
    let path = folder.file("component.toml", &text);
    assert!(
        database(Config::load_without_secret(Some(&path), [("", "")]))
            .password
            .is_err()
    );
    assert!(Config::load_beside_service(Some(&path), [("", "")]).is_err());
}

#[test]
fn neither_output_nor_messages_show_the_password() {
    let folder = Folder::new();
    let inline = format!("{HOSTS}password = \"s3cr3t-pw\"\n");
    let shown = format!("{:?}", config(&folder, &inline).expect("a configuration"));
    assert!(!shown.contains("s3cr3t-pw"));
    for lines in [
        "password = [\"s3cr3t-pw\"]",
        "password = s3cr3t-pw",
        "password = \"s3cr3t-pw\"",
        "pasword = \"s3cr3t-pw\"",
        "hosts = [\"db\"]\npassword = \"s3cr3t-pw\"\npassword_file = \"x\"",
    ] {
        let refused = config(&folder, lines).expect_err(lines);
        assert!(
            !format!("{refused} {refused:?}").contains("s3cr3t-pw"),
            "{refused}"
        );
    }
}

#[test]
fn tls_is_judged_as_the_links_is() {
    let folder = Folder::new();
    let on = format!("{HOSTS}tls = \"on\"\n");
    let tls = database(config(&folder, &on)).tls.expect("TLS");
    assert!(tls.name.is_none() && matches!(tls.trust, Trust::System));
    let named = format!("{on}tls_name = \"db.example.org\"\n");
    let tls = database(config(&folder, &named)).tls.expect("TLS");
    let name = tls.name.map(|name| name.to_str().into_owned());
    assert_eq!(name.as_deref(), Some("db.example.org"));

    let hosts = "hosts = [\"/run/postgresql\", \"db2\"]\ntls = \"on\"\n";
    assert!(
        database(config(&folder, hosts)).tls.is_some(),
        "one is elsewhere"
    );
    for (lines, told) in [
        (
            format!("{HOSTS}tls_name = \"db.example.org\"\n"),
            "8:12: storage.postgres.tls_name: found this setting while storage.postgres.tls is \"off\", \
             expected storage.postgres.tls = \"on\", or this setting left out",
        ),
        (
            "hosts = [\"/run/postgresql\"]\ntls = \"on\"\n".to_owned(),
            "8:7: storage.postgres.tls: found \"on\" while storage.postgres.hosts has only sockets on \
             this machine, expected \"off\": nothing leaves the machine",
        ),
        (
            "hosts = [\"db1\", \"[fe80::1%eth0]\"]\ntls = \"on\"\n".to_owned(),
            "7:9: storage.postgres.hosts: found the host \"fe80::1%eth0\", which no certificate can be \
             for, expected storage.postgres.tls_name to say which name the certificate has",
        ),
    ] {
        assert_eq!(
            folder.told(config(&folder, &lines)),
            format!("component.toml:{told}")
        );
    }
}
