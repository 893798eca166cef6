//! The command line: what it prints, and the exit codes that service managers and scripts know.

use std::process::{Command, Output};

use tempfile::TempDir;

use super::stage::Stage;
use crate::support::component::{Component, Options};
use crate::support::router::{PATIENCE, Router};

/// Runs the program in a folder with this configuration file, and nothing else configured.
fn run(folder: &TempDir, toml: &str, arguments: &[&str]) -> Output {
    std::fs::write(folder.path().join("component.toml"), toml).expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_xmpp-private-storage"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PRIVATE_STORAGE_") {
            command.env_remove(name);
        }
    }
    command
        .current_dir(folder.path())
        .args(arguments)
        .output()
        .expect("the program runs")
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const GOOD: &str = "[component]\njid = \"private.localhost\"\nsecret = \"s3cret\"\n\
     server = \"127.0.0.1:1\"\n";

#[test]
fn wrong_arguments_are_64() {
    let folder = folder();
    for arguments in [
        &["--nonsense"][..],
        &["walk"],
        &["print-config"],
        &["print-config", "x"],
        &["print-config", "ejabberd", "--server-version", "latest"],
    ] {
        let output = run(&folder, GOOD, arguments);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        assert!(text(&output.stderr).contains("--help"), "{arguments:?}");
    }
    for arguments in [&["--help"], &["--version"]] {
        assert_eq!(run(&folder, GOOD, arguments).status.code(), Some(0));
    }
}

#[test]
fn a_wrong_configuration_is_78_and_names_the_place() {
    let folder = folder();
    let typo = format!("{GOOD}\n[limit]\nmax_depth = 7\n");
    for command in [&["run"][..], &[], &["check"], &["print-config", "prosody"]] {
        let output = run(&folder, &typo, command);
        assert_eq!(output.status.code(), Some(78), "{command:?}");
        let told = text(&output.stdout) + &text(&output.stderr);
        assert!(told.contains("component.toml:6:"), "{told}");
        assert!(told.contains("limits"), "{told}");
    }
}

#[test]
fn a_store_that_cannot_be_used_is_74() {
    let folder = folder();
    let file = format!("{GOOD}\n[storage]\npath = \"component.toml\"\n");
    for command in [&["run"][..], &["check"]] {
        let output = run(&folder, &file, command);
        assert_eq!(output.status.code(), Some(74), "{command:?}");
        let told = text(&output.stdout) + &text(&output.stderr);
        assert!(told.contains("component.toml"), "{told}");
    }
}

#[test]
fn a_second_process_on_one_folder_is_74_and_check_knows_the_first() {
    let stage = Stage::new();
    let data = stage.component.folder().join("data");
    let folder = folder();
    let toml = format!("{GOOD}\n[storage]\npath = {data:?}\n");
    let output = run(&folder, &toml, &["run"]);
    assert_eq!(output.status.code(), Some(74));
    assert!(text(&output.stderr).contains("in use by another process (pid "));
    let output = run(&folder, &toml, &["check"]);
    assert_eq!(output.status.code(), Some(0));
    // A second connection would harm the first one: the service is asked instead.
    let output = run(&folder, &toml, &["check", "--connect"]);
    assert_eq!(output.status.code(), Some(69));
    let said = text(&output.stdout);
    for part in [
        " as private.localhost since ",
        "delegation: none from localhost: to find out why, stop the service",
        "not ready: not delegated by localhost, test2.localhost",
    ] {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
}

/// At info, an administrator reads the story of the service in a few lines.
#[test]
fn the_log_tells_the_story() {
    let mut stage = Stage::new();
    stage.store("<a xmlns='urn:x'>stored</a>");
    stage.component.wait_for_log("logged in", PATIENCE);
    stage.component.stop();
    stage.component.wait_for_log("stopped", PATIENCE);
    let log = stage.component.log();
    assert_eq!(log.len(), 4, "{log:#?}");
    assert!(log[0].contains("keeps private storage for localhost, test2.localhost in data"));
    let all = log.concat();
    assert!(
        !all.contains("alice") && !all.contains("stored</a>"),
        "{all}"
    );
}

#[test]
fn logs_can_be_json() {
    let router = Router::new();
    let mut options = Options::at(router.address());
    options.extra = "[log]\nformat = \"json\"\n".to_owned();
    let component = Component::start(options);
    let _session = router.let_in();
    let line = component.wait_for_log("logged in", PATIENCE);
    assert!(line.starts_with('{') && line.ends_with('}'), "{line}");
    assert!(line.contains("\"level\":\"INFO\""), "{line}");
}

/// Whoever forgot to configure the server learns of it from the log.
#[test]
fn a_domain_that_does_not_delegate_is_told_once() {
    let mut stage = Stage::new();
    let patience = 2 * PATIENCE;
    let line = stage.component.wait_for_log("no delegation from", patience);
    assert!(line.contains("localhost, test2.localhost"), "{line}");
    stage.expect_nothing();
}
