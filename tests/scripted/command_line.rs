//! The command line: what it prints, and the exit codes that service managers and scripts know.

use std::process::{Command, Output};

use tempfile::TempDir;

use super::stage::{Stage, get};
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
        let told = text(&output.stderr);
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
    // A second connection would harm the first one.
    let output = run(&folder, &toml, &["check", "--connect"]);
    assert_eq!(output.status.code(), Some(69));
    assert!(text(&output.stdout).contains("not tried while the service runs"));
}

#[test]
fn check_connect_says_what_is_wrong_with_the_router() {
    let folder = folder();
    let output = run(&folder, GOOD, &["check", "--connect"]);
    assert_eq!(output.status.code(), Some(69));
    let told = text(&output.stdout);
    assert!(told.contains("✓ configuration: "), "{told}");
    assert!(told.contains("✓ store: data"), "{told}");
    assert!(
        told.contains("✗ router: cannot connect to 127.0.0.1:1"),
        "{told}"
    );
}

#[test]
fn check_connect_serves_while_it_looks_and_names_the_domains_that_delegate() {
    let router = Router::new();
    let toml = GOOD.replace("127.0.0.1:1", &router.address().to_string())
        + "\n[access]\ndomains = [\"localhost\", \"other.localhost\"]\ndelegation = \"required\"\n";
    let folder = folder();
    let checked = std::thread::spawn(move || run(&folder, &toml, &["check", "--connect"]));
    let mut session = router.let_in();
    session.send(
        "<message to='private.localhost' from='localhost'>\
         <delegation xmlns='urn:xmpp:delegation:2'>\
         <delegated namespace='jabber:iq:private'/></delegation></message>",
    );
    session.send(get("1", "<a xmlns='urn:x'/>"));
    assert!(session.next().contains("type='result' id='1'"));
    let output = checked.join().expect("no panic");
    let told = text(&output.stdout);
    assert!(told.contains("✓ delegation: localhost"), "{told}");
    assert!(
        told.contains("✗ delegation: none from other.localhost"),
        "{told}"
    );
    assert_eq!(output.status.code(), Some(69));
}

/// A port that something else listens on is told as well, though nothing is ever said there.
#[test]
fn check_connect_does_not_end_without_a_word() {
    let router = Router::new();
    let folder = folder();
    let toml = GOOD.replace("127.0.0.1:1", &router.address().to_string());
    let output = run(&folder, &toml, &["check", "--connect"]);
    assert_eq!(output.status.code(), Some(69));
    let told = text(&output.stdout);
    assert!(told.contains("did not let us in within 5 s"), "{told}");
}

/// Whoever forgot to configure the router learns of it from the log.
#[test]
fn a_domain_that_does_not_delegate_is_told_once() {
    let mut stage = Stage::new();
    let patience = 2 * PATIENCE;
    let line = stage.component.wait_for_log("no delegation from", patience);
    assert!(line.contains("localhost, test2.localhost"), "{line}");
    stage.expect_nothing();
}
