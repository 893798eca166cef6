//! The configuration as a whole: what counts, where it is looked for, and what the example says.

mod example;
mod postgres;
mod search;
mod secret;
mod tls;
mod twins;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use tempfile::TempDir;

use super::environment::Environment;
use super::*;
use crate::limits::Limits;
use std::fmt;

/// What has to be said, in variables.
const LEAST: [(&str, &str); 2] = [
    ("PRIVATE_STORAGE_COMPONENT_JID", "private.example.org"),
    ("PRIVATE_STORAGE_COMPONENT_SECRET", "s3cret"),
];

/// From the environment alone, whatever lies in the folder that the tests run in.
fn from(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    load::load(
        None,
        &Environment::new(variables.iter().copied()),
        &[],
        load::Needs::Secret,
    )
}

/// As `from`, with `LEAST` before the variables.
fn with(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    from(&[&LEAST, variables].concat())
}

/// A folder of files that only we can read.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().expect("a temporary folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("a written file");
        self.mode(name, 0o600);
        path
    }

    fn mode(&self, name: &str, mode: u32) {
        let mode = fs::Permissions::from_mode(mode);
        fs::set_permissions(self.path(name), mode).expect("a changed mode");
    }

    /// Loads this text as the file that was named explicitly.
    fn load(&self, text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let path = self.file("component.toml", text);
        Config::load(Some(&path), variables.iter().copied())
    }

    /// A message, without the name of this folder.
    fn told<T: fmt::Debug>(&self, result: Result<T, ConfigError>) -> String {
        let folder = format!("{}/", self.0.path().display());
        result
            .expect_err("a refusal")
            .to_string()
            .replace(&folder, "")
    }
}

#[test]
fn defaults() {
    let config = from(&LEAST).expect("a configuration");
    assert_eq!(config.component.jid.as_str(), "private.example.org");
    assert_eq!(config.component.server.to_string(), "127.0.0.1:5347");
    assert!(config.component.tls.is_none());
    assert_eq!(
        config.access,
        Access {
            domains: vec!["example.org".to_owned()],
            admins: vec![],
            delegation: Delegation::Optional,
            reserved_namespaces: ReservedNamespaces::Refuse,
        }
    );
    assert_eq!(
        config.limits,
        Limits {
            max_stanza_bytes: 1_048_576,
            max_namespace_bytes: 393_216,
            max_user_bytes: 10_485_760,
            max_user_elements: 1_000,
            max_depth: 256,
            max_open_bytes: 33_554_432,
            max_user_open_bytes: 4_194_304,
            max_unsent_bytes: 8_388_608,
        }
    );
    assert_eq!(
        config.bookmarks,
        Bookmarks {
            mode: BookmarksMode::Pep,
            max_rooms: 250,
        }
    );
    let storage = config.storage;
    assert!(matches!(storage.engine, Engine::Sled));
    let here = std::env::current_dir().expect("a folder");
    assert_eq!(storage.path, here.join("data"));
    assert_eq!(storage.cache_bytes, 67_108_864);
    assert_eq!(storage.compact_above_bytes, 134_217_728);
    assert_eq!(config.component.standby_retry, None);
    assert_eq!(config.log.level, "info");
    assert_eq!(config.log.format, LogFormat::Auto);
    assert_eq!(config.http, Http { listen: None });
    assert_eq!(
        config.disco,
        Disco {
            contact: vec![],
            os: None
        }
    );
    assert_eq!(config.source, Source::Environment);
    assert_eq!(config.warnings, Vec::<String>::new());
}

#[test]
fn domains_are_normalised_and_none_is_served_twice() {
    let config = from(&[
        ("PRIVATE_STORAGE_COMPONENT_JID", "Private.Example.ORG"),
        ("PRIVATE_STORAGE_COMPONENT_SECRET", "s3cret"),
        (
            "PRIVATE_STORAGE_ACCESS_DOMAINS",
            "BÜCHER.example, Example.org ,,example.org",
        ),
    ])
    .expect("a configuration");
    assert_eq!(config.component.jid.as_str(), "private.example.org");
    assert_eq!(config.access.domains, ["bücher.example", "example.org"]);
}

/// A trailing dot was taken off here, while nobody else took it off everywhere.
#[test]
fn a_domain_that_ends_with_a_dot_is_refused() {
    for (variable, value) in [
        ("PRIVATE_STORAGE_COMPONENT_JID", "private.example.org."),
        (
            "PRIVATE_STORAGE_ACCESS_DOMAINS",
            "example.net, example.org.",
        ),
        ("PRIVATE_STORAGE_ACCESS_ADMINS", "admin@example.org."),
    ] {
        let told = with(&[(variable, value)])
            .expect_err("a refusal")
            .to_string();
        assert!(
            told.starts_with(variable) && told.contains("example.org.\","),
            "{told}"
        );
    }
    let server = with(&[("PRIVATE_STORAGE_COMPONENT_SERVER", "xmpp.example.org.:5347")]);
    assert!(server.is_ok(), "names in the DNS may have one");
}

#[test]
fn a_component_without_a_parent_domain_must_say_whom_it_serves() {
    let folder = Folder::new();
    let text = "[component]\njid = \"localhost\"\nsecret = \"s3cret\"\n";
    assert_eq!(
        folder.told(folder.load(text, &[])),
        "component.toml:2:7: component.jid: found \"localhost\", which has no parent domain, \
         expected access.domains to say whose users are served"
    );
    let served = [("PRIVATE_STORAGE_ACCESS_DOMAINS", "example.org")];
    let config = folder.load(text, &served).expect("a configuration");
    assert_eq!(config.access.domains, ["example.org"]);
}

#[test]
fn the_component_itself_is_no_domain_of_users() {
    let folder = Folder::new();
    let refused = with(&[(
        "PRIVATE_STORAGE_ACCESS_DOMAINS",
        "example.org,Private.example.org",
    )]);
    assert_eq!(
        folder.told(refused),
        "PRIVATE_STORAGE_ACCESS_DOMAINS: found \"private.example.org\", which is component.jid, \
         expected the domains of its users"
    );
}

#[test]
fn a_namespace_never_holds_more_than_its_user() {
    let folder = Folder::new();
    let lowered = with(&[("PRIVATE_STORAGE_LIMITS_MAX_USER_BYTES", "2048")]);
    let limits = lowered.expect("a configuration").limits;
    assert_eq!(limits.max_namespace_bytes, 2048, "a default gives way");

    let text = "[component]\njid = \"private.example.org\"\nsecret = \"s3cret\"\n\
                [limits]\nmax_namespace_bytes = 4096\nmax_user_bytes = 2048\n";
    assert_eq!(
        folder.told(folder.load(text, &[])),
        "component.toml:5:23: limits.max_namespace_bytes: found 4096, \
         expected at most limits.max_user_bytes, which is 2048"
    );
}

#[test]
fn log_levels() {
    for (given, taken) in [
        ("info", "info"),
        ("DEBUG", "DEBUG"),
        ("off", "off"),
        ("warn, sled=off", "warn,sled=off"),
        ("info,private::link=trace", "info,private::link=trace"),
    ] {
        let config = with(&[("PRIVATE_STORAGE_LOG_LEVEL", given)]).expect(given);
        assert_eq!(config.log.level, taken);
    }
    for level in [
        "verbose",
        "info,",
        ",",
        "link=loud",
        "link=",
        "=info",
        "info,sled",
    ] {
        let refused = with(&[("PRIVATE_STORAGE_LOG_LEVEL", level)]);
        assert!(refused.is_err(), "{level}");
    }
}

#[test]
fn mistakes_of_the_file_and_of_the_environment_are_told_together() {
    let folder = Folder::new();
    let refused = folder.load(
        "[component]\njid = \"private.example.org\"\n[log]\nformat = \"xml\"\n",
        &[("PRIVATE_STORAGE_LIMITS_MAX_DEPTH", "deep")],
    );
    assert_eq!(
        folder.told(refused),
        "component.toml:4:10: log.format: found \"xml\", expected \"auto\" or \"text\" or \"journal\" or \"json\"\n\
         PRIVATE_STORAGE_LIMITS_MAX_DEPTH: found \"deep\", \
         expected a number of levels from 16 to 1024"
    );
}

#[test]
fn what_is_unknown_in_the_environment_is_a_warning() {
    let config = with(&[("PRIVATE_STORAGE_PORT_80_TCP", "tcp://10.0.0.1:80")]);
    assert_eq!(
        config.expect("a configuration").warnings,
        ["environment variables that mean nothing here: PRIVATE_STORAGE_PORT_80_TCP"]
    );
}
