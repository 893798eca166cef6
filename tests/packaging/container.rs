//! What the image and the compose files give the program.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use xmpp_private_storage::config::{Config, Engine};

use super::{folder, read, set_private};

/// Environment and a file with the secret are all that a container gets.
#[test]
fn the_containers_variables_are_the_programs() {
    let config = in_container("compose.yaml");
    assert_eq!(config.component.jid.as_str(), "private.example.org");
    assert_eq!(config.component.server.to_string(), "prosody:5347");
    assert_eq!(config.access.domains, ["example.org"]);
    assert_eq!(config.storage.path, Path::new("/data"));
    assert!(matches!(config.storage.engine, Engine::Sled));
}

#[test]
fn so_are_those_beside_two_databases() {
    let config = in_container("compose.ha.yaml");
    assert_eq!(config.component.jid.as_str(), "private.example.org");
    let Engine::Postgres(postgres) = config.storage.engine else {
        panic!("sled");
    };
    let hosts: Vec<&str> = postgres.hosts.iter().map(|it| it.host.as_str()).collect();
    assert_eq!(hosts, ["database1", "database2"]);
    assert!(matches!(postgres.password, Ok(Some(_))));
    // What makes the database makes it under the names that count without a word.
    let made = read("packaging/container/postgres/pair");
    let names = format!(
        "create database {} owner {};",
        postgres.database, postgres.user
    );
    assert!(made.contains(&names), "{names}");
}

/// What the image and a compose file give the component.
fn in_container(compose: &str) -> Config {
    let folder = folder();
    let secret = folder.path().join("secret");
    fs::write(&secret, "s3cret\n").expect("written");
    set_private(&secret);
    let nothing = folder.path().join("nothing.toml");
    fs::write(&nothing, "").expect("written");

    let image = read("Dockerfile").replace('=', ": ");
    let mut variables: Vec<(String, OsString)> = Vec::new();
    for line in image.lines().chain(read(compose).lines()) {
        let line = line.trim_start().trim_start_matches("ENV ");
        if let Some((name, value)) = line.split_once(": ")
            && name.starts_with("PRIVATE_STORAGE_")
        {
            let value = match name.ends_with("_FILE") {
                true => secret.clone().into_os_string(),
                false => value
                    .replace("${DOMAIN:?say it in .env}", "example.org")
                    .into(),
            };
            variables.push((name.to_owned(), value));
        }
    }
    let config = Config::load(Some(&nothing), variables).expect("a configuration");
    assert_eq!(config.warnings, [""; 0]);
    config
}

#[test]
fn the_image_is_built_with_the_rust_that_the_program_asks_for() {
    let line = format!(
        "FROM docker.io/library/rust:{}-",
        env!("CARGO_PKG_RUST_VERSION")
    );
    assert!(read("Dockerfile").contains(&line), "{line}");
}
