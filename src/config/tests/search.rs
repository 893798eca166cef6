//! Where a configuration is looked for.

use std::path::Path;

use super::*;

fn text(jid: &str) -> String {
    format!("[component]\njid = \"{jid}\"\nsecret = \"s3cret\"\n")
}

#[test]
fn the_first_place_counts() {
    let folder = Folder::new();
    let explicit = folder.file("explicit.toml", text("explicit.example.org"));
    let variable = folder.file("variable.toml", text("variable.example.org"));
    let first = folder.file("first.toml", text("first.example.org"));
    let second = folder.file("second.toml", text("second.example.org"));
    let missing = folder.path("missing.toml");

    let named = [("PRIVATE_STORAGE_CONFIG", variable.as_os_str())];
    let nothing = [("PRIVATE_STORAGE_CONFIG", "")];
    let found = |explicit: Option<&Path>, environment: Environment, places: &[&PathBuf]| {
        let places: Vec<&Path> = places.iter().map(|place| place.as_path()).collect();
        let config = load::load(explicit, &environment, &places, load::Needs::Secret)
            .expect("a configuration");
        (config.component.jid.to_string(), config.source)
    };
    assert_eq!(
        found(Some(&explicit), Environment::new(named), &[&first, &second]),
        ("explicit.example.org".to_owned(), Source::File(explicit))
    );
    assert_eq!(
        found(None, Environment::new(named), &[&first, &second]),
        ("variable.example.org".to_owned(), Source::File(variable))
    );
    assert_eq!(
        found(None, Environment::new(nothing), &[&first, &second]),
        ("first.example.org".to_owned(), Source::File(first))
    );
    assert_eq!(
        found(None, Environment::new(nothing), &[&missing, &second]),
        ("second.example.org".to_owned(), Source::File(second))
    );
    assert_eq!(
        found(None, Environment::new(LEAST), &[&missing]),
        ("private.example.org".to_owned(), Source::Environment)
    );
}

#[test]
fn a_file_that_is_named_must_be_there() {
    let folder = Folder::new();
    let missing = folder.path("missing.toml");
    assert_eq!(
        folder.told(Config::load(Some(&missing), LEAST)),
        "missing.toml: cannot read the configuration that --config names: \
         No such file or directory (os error 2)"
    );
    let named = [("PRIVATE_STORAGE_CONFIG", missing.as_os_str())];
    assert_eq!(
        folder.told(Config::load(None, named)),
        "missing.toml: cannot read the configuration that PRIVATE_STORAGE_CONFIG names: \
         No such file or directory (os error 2)"
    );
}

#[test]
fn what_is_there_and_cannot_be_read_is_not_passed_over() {
    let folder = Folder::new();
    let place = folder.0.path();
    let refused = load::load(
        None,
        &Environment::new(LEAST),
        &[place],
        load::Needs::Secret,
    );
    let message = refused.expect_err("a refusal").to_string();
    assert_eq!(
        message.replace(&place.display().to_string(), "component.toml"),
        "component.toml: cannot read the configuration: it is a folder (Docker makes one where the \
         file to be mounted is missing); expected a file"
    );
}

#[test]
fn where_nothing_is_configured_one_message_says_what_to_do() {
    let folder = Folder::new();
    let (first, second) = (folder.path("component.toml"), folder.path("etc.toml"));
    let refused = load::load(
        None,
        &Environment::new([("PRIVATE_STORAGE_LOG_LEVEL", "debug")]),
        &[&first, &second],
        load::Needs::Secret,
    );
    assert_eq!(
        folder.told(refused),
        "nothing is configured: found no component.toml and no etc.toml, and neither \
         PRIVATE_STORAGE_CONFIG nor PRIVATE_STORAGE_COMPONENT_JID is set; copy \
         component.example.toml to component.toml and edit it, or name your file with --config"
    );
}

#[test]
fn a_file_that_says_too_little_is_told_all_that_it_lacks() {
    let folder = Folder::new();
    assert_eq!(
        folder.told(folder.load("", &[])),
        "component.toml: component.jid is not set: expected the component's domain as jid under \
         [component], or as PRIVATE_STORAGE_COMPONENT_JID\n\
         component.secret is not set: expected the secret that the server has for this component, \
         as secret or secret_file under [component], or as PRIVATE_STORAGE_COMPONENT_SECRET or \
         PRIVATE_STORAGE_COMPONENT_SECRET_FILE"
    );
}
