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
    // It was passed over without a word.
    for into in [&[][..], &["--into", "component.toml"]] {
        let arguments = ["print-config", "prosody", "--server-version", "26.07"];
        let output = run(&folder, GOOD, &[&arguments, into].concat());
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{said}");
        assert!(said.contains("one file does for Prosody"), "{said}");
        assert!(output.stdout.is_empty());
    }
    for arguments in [&["--help"], &["--version"]] {
        assert_eq!(run(&folder, GOOD, arguments).status.code(), Some(0));
    }
}

/// Whoever asks for help reads what has to be said, and what takes a value.
#[test]
fn help_shows_what_is_required() {
    let folder = folder();
    for (command, usage) in [
        ("import", "import [OPTIONS] <PATH>..."),
        ("print-config", "print-config [OPTIONS] <SERVER>"),
        ("backup", "backup [OPTIONS] <FILE>"),
        ("restore", "restore [OPTIONS] <FILE>"),
        ("delete", "delete [OPTIONS] <JID|--domain <DOMAIN>>"),
        (
            "prune",
            "prune [OPTIONS] --domain <DOMAIN> --registered <FILE>",
        ),
    ] {
        let said = text(&run(&folder, GOOD, &[command, "--help"]).stdout);
        let usage = format!("Usage: xmpp-private-storage {usage}\n");
        assert!(said.contains(&usage), "{said}");
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

/// A store was begun in whatever folder the configuration named: `check` said ✓ of `/etc`, and left a
/// database and 24 MiB of ballast there.
#[test]
fn no_command_begins_a_store_among_the_files_of_others() {
    let folder = folder();
    let others = folder.path().join("etc");
    std::fs::create_dir_all(others.join("conf/d")).expect("a folder");
    for name in ["fstab", "hosts", "passwd"] {
        std::fs::write(others.join(name), name).expect("a file");
    }
    std::fs::write(folder.path().join("all.xml"), XEP_0227).expect("a file");
    let backup = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/backup-1");
    let toml = format!("{GOOD}\n[storage]\npath = \"etc\"\n");
    for command in [
        &["run"][..],
        &["check"],
        &["check", "--connect"],
        &["import", "all.xml"],
        &["restore", backup],
    ] {
        let output = run(&folder, &toml, command);
        let told = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{command:?}: {told}");
        let found = format!(
            "the folder {} holds \"conf\", \"fstab\", \"hosts\" and 1 more, which this program did not \
             put there, so no store was begun in it; give the store a folder of its own",
            others.display()
        );
        assert!(told.contains(&found), "{command:?}: {told}");
        let left = std::fs::read_dir(&others).expect("a folder").count();
        assert_eq!(left, 4, "{command:?}");
    }
}

const XEP_0227: &str = "<server-data xmlns='urn:xmpp:pie:0'><host jid='localhost'><user name='a'>\
     <query xmlns='jabber:iq:private'><a xmlns='urn:x'/></query></user></host></server-data>";

/// `systemctl reload` with a broken file returned 0. What it checks first must not want what only the
/// service is given, nor the store.
#[test]
fn the_settings_can_be_checked_alone() {
    let folder = folder();
    let check = |toml: &str| {
        let output = run(&folder, toml, &["check", "--settings"]);
        let told = text(&output.stdout) + &text(&output.stderr);
        assert!(!told.contains("store"), "{told}");
        (output.status.code(), told)
    };
    let component = |secret: &str| format!("[component]\njid = \"private.localhost\"\n{secret}\n");
    for secret in ["secret_file = \"secret\"", "", "secret = \"s3cret\""] {
        let (code, told) = check(&component(secret));
        assert_eq!(code, Some(0), "{told}");
        let file = folder.path().join("component.toml");
        assert!(
            told.contains(&format!("configuration: {}", file.display())),
            "{told}"
        );
    }
    for (wrong, what) in [
        ("nonsense", "component.toml:3:"),
        ("secret = \"\"", "component.secret: found an empty secret"),
        ("secret_file = \"/nowhere\"", "found no /nowhere"),
    ] {
        let (code, told) = check(&component(wrong));
        assert_eq!(code, Some(78), "{told}");
        assert!(told.contains(what), "{told}");
    }
    assert!(!folder.path().join("data").exists());
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
    let folder = stage.component.folder().display();
    let first = format!("keeps private storage for localhost, test2.localhost in {folder}/data");
    assert!(log[0].contains(&first), "{}", log[0]);
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
