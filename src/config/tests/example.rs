//! The example: what an administrator starts from must be true.

use super::super::draft::Draft;
use super::super::value::Given;
use super::*;

const EXAMPLE: &str = include_str!("../../../component.example.toml");
const SECRET: (&str, &str) = ("PRIVATE_STORAGE_COMPONENT_SECRET", "s3cret");

#[test]
fn it_loads_and_says_the_defaults() {
    let folder = Folder::new();
    let example = folder.load(EXAMPLE, &[SECRET]).expect("a configuration");
    let defaults = from(&LEAST).expect("a configuration");
    let source = Source::Environment;
    assert_eq!(
        format!("{:#?}", Config { source, ..example }),
        format!("{defaults:#?}")
    );
}

#[test]
fn it_is_refused_until_the_secret_is_changed() {
    let folder = Folder::new();
    let refused = folder.told(folder.load(EXAMPLE, &[]));
    assert!(
        refused.contains("found the example's \"change me\""),
        "{refused}"
    );
}

/// Each line that is a key, or would be without the `# ` before it.
fn keys() -> Vec<(String, String, String)> {
    let mut section = "";
    let mut keys = Vec::new();
    for line in EXAMPLE.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
            section = name;
        }
        let line = line.strip_prefix("# ").unwrap_or(line);
        if let Some((name, value)) = line.split_once(" = ")
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        {
            keys.push((section.to_owned(), name.to_owned(), value.to_owned()));
        }
    }
    keys
}

#[test]
fn it_is_what_the_table_says() {
    assert!(
        EXAMPLE == example(),
        "it is written by `cargo run --example generate -- --here`:\n{}",
        example()
    );
}

/// The reference and the manual page show each setting under a heading of its own.
#[test]
fn every_setting_says_what_it_is_for() {
    for setting in settings() {
        assert!(!setting.about.is_empty(), "{setting}");
    }
}

#[test]
fn every_default_is_taken() {
    for setting in settings() {
        if let Value::Default(value) | Value::PostgresDefault(value) = setting.value {
            let given = Given::Variable(value.trim_matches('"'));
            let taken = (setting.set)(&mut Draft::default(), &given);
            assert!(taken.is_ok(), "{setting}");
        }
    }
}

#[test]
fn what_is_commented_out_is_right_as_well() {
    let folder = Folder::new();
    let text = |unwanted: &[&str]| -> String {
        keys()
            .iter()
            .filter(|(_, name, _)| !unwanted.contains(&name.as_str()))
            .map(|(section, name, value)| format!("{section}.{name} = {value}\n"))
            .collect()
    };
    // Of a password and its file, one makes sense, and the file is not there; of a certificate's
    // authority and its fingerprint as well.
    let text = |other: &str| {
        text(&["password", "password_file", other])
            .replace("tls = \"off\"", "tls = \"on\"")
            .replace("engine = \"sled\"", "engine = \"postgres\"")
    };
    let with_pin = text("tls_ca_file");
    let config = folder.load(&with_pin, &[SECRET]);
    let config = config.expect("a configuration");
    let listen = config.http.listen.map(|it| it.to_string());
    assert_eq!(listen.as_deref(), Some("127.0.0.1:9547"));
    assert_eq!(config.disco.contact, ["mailto:admin@example.org"]);
    assert_eq!(config.disco.os.as_deref(), Some("Debian 13"));
    assert!(config.component.tls.is_some());
    let Engine::Postgres(postgres) = config.storage.engine else {
        panic!("sled");
    };
    assert!(postgres.tls.is_some());
    let with_file = text("tls_pin_sha256");
    let told = folder.told(folder.load(&with_file, &[SECRET]));
    for setting in ["component.tls_ca_file", "storage.postgres.tls_ca_file"] {
        let told_of_it = format!("{setting}: cannot read /etc/");
        assert!(told.contains(&told_of_it), "{told}");
    }
}
