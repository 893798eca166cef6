//! Files that the program is told to read: one that is none, or lies on a disk that hangs, stops
//! nobody.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::stage::{Stage, get};
use crate::store::faulty::FaultyDisk;
use crate::support::router::PATIENCE;

const PROGRAM: &str = env!("CARGO_BIN_EXE_xmpp-private-storage");

/// Makes something under this path.
type Make = fn(&Path);

/// What a file is not to be: made under this path, and what the message calls it.
const NO_FILES: [(Make, &str); 5] = [
    (pipe, "a pipe"),
    (folder, "a folder"),
    (socket, "a socket"),
    (|path| link("/dev/zero", path), "a device"),
    (|path| link("/dev/tty", path), "a "),
];

fn pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().expect("mkfifo");
    assert!(made.success());
}

fn folder(path: &Path) {
    fs::create_dir(path).expect("a folder");
}

fn socket(path: &Path) {
    drop(UnixListener::bind(path).expect("a socket"));
}

fn link(to: &str, path: &Path) {
    std::os::unix::fs::symlink(to, path).expect("a link");
}

/// The program in this folder, with nothing configured but what the test says.
fn program(folder: &TempDir) -> Command {
    let mut command = Command::new(PROGRAM);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PRIVATE_STORAGE_") {
            command.env_remove(name);
        }
    }
    command.current_dir(folder.path());
    command
}

/// Its exit code and what it says; it must end by itself.
#[track_caller]
fn end(mut command: Command) -> (Option<i32>, String) {
    let streams = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = streams.spawn().expect("the program");
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().expect("a child").is_none() {
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            panic!("it hangs: {command:?}");
        }
        sleep(Duration::from_millis(10));
    }
    let output = child.wait_with_output().expect("its end");
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

fn toml(lines: &str) -> String {
    format!("[component]\njid = \"private.localhost\"\nserver = \"127.0.0.1:1\"\n{lines}\n")
}

/// A configuration in place of which there was a pipe: every command waited for ever for somebody
/// to write into it.
#[test]
fn a_configuration_that_is_no_file_is_refused_by_every_command() {
    for (make, what) in NO_FILES {
        let folder = tempfile::tempdir().expect("a folder");
        make(&folder.path().join("component.toml"));
        for arguments in [
            &["run"][..],
            &["check"],
            &["print-config", "prosody"],
            &["healthcheck"],
            &["stats"],
            &["--config", "component.toml", "backup", "-"],
            &["import", "nothing.xml"],
        ] {
            let mut command = program(&folder);
            command.args(arguments);
            let (code, said) = end(command);
            assert_eq!(code, Some(78), "{arguments:?}: {said}");
            assert!(
                said.contains("component.toml: cannot read the configuration"),
                "{said}"
            );
            assert!(
                said.contains(&format!("it is {what}")) || what == "a ",
                "{said}"
            );
        }
        let mut command = program(&folder);
        command.env("PRIVATE_STORAGE_CONFIG", "component.toml");
        let (code, said) = end(command);
        assert_eq!(code, Some(78), "{said}");
        assert!(said.contains("that PRIVATE_STORAGE_CONFIG names"), "{said}");
    }
}

#[test]
fn a_secret_or_an_authority_that_is_no_file_is_refused() {
    for (make, what) in NO_FILES {
        let folder = tempfile::tempdir().expect("a folder");
        make(&folder.path().join("secret"));
        let component = folder.path().join("component.toml");
        for (lines, variable) in [
            ("secret_file = \"secret\"", None),
            (
                "",
                Some(("PRIVATE_STORAGE_COMPONENT_SECRET_FILE", "secret")),
            ),
            ("", Some(("CREDENTIALS_DIRECTORY", "."))),
            (
                "tls = \"on\"\ntls_ca_file = \"secret\"\nsecret = \"s3cret\"",
                None,
            ),
        ] {
            fs::write(&component, toml(lines)).expect("a file");
            for arguments in [&["run"][..], &["check"]] {
                let mut command = program(&folder);
                command.args(arguments).envs(variable);
                let (code, said) = end(command);
                assert_eq!(code, Some(78), "{lines} {variable:?}: {said}");
                assert!(
                    said.contains(&format!("it is {what}")) || what == "a ",
                    "{said}"
                );
            }
        }
    }
}

#[test]
fn what_is_too_long_is_refused_with_the_bound() {
    let folder = tempfile::tempdir().expect("a folder");
    let long = fs::File::create(folder.path().join("long")).expect("a file");
    long.set_len(1 << 40).expect("a length");
    fs::write(
        folder.path().join("component.toml"),
        toml("secret_file = \"long\""),
    )
    .expect("a file");
    for arguments in [&["check"][..], &["--config", "long", "check"]] {
        let mut command = program(&folder);
        command.args(arguments);
        let (code, said) = end(command);
        assert_eq!(code, Some(78), "{said}");
        assert!(said.contains("it is longer than 1048576 bytes"), "{said}");
    }
}

/// As Kubernetes mounts them, and systemd hands them over.
#[test]
fn links_to_files_are_taken() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("..data")).expect("a folder");
    fs::write(
        path("..data/component.toml"),
        toml("secret_file = \"secret\""),
    )
    .expect("a file");
    fs::write(path("..data/secret"), "s3cret\n").expect("a file");
    for name in ["..data/component.toml", "..data/secret"] {
        fs::set_permissions(path(name), fs::Permissions::from_mode(0o400)).expect("a mode");
    }
    link("..data/component.toml", &path("component.toml"));
    link("..data/secret", &path("secret"));
    let mut command = program(&folder);
    command.arg("check");
    let (code, said) = end(command);
    assert_eq!(code, Some(0), "{said}");
}

/// The authorities that the environment names are read at each attempt to connect.
#[test]
fn authorities_of_the_environment_stop_nobody() {
    for make in [pipe, |path: &Path| link("/dev/zero", path)] {
        let folder = tempfile::tempdir().expect("a folder");
        make(&folder.path().join("authorities"));
        let variable = folder.path().join("authorities");
        let mut stage = Stage::configured(|options| {
            options.under = vec![
                "env".to_owned(),
                format!("SSL_CERT_FILE={}", variable.display()),
            ];
        });
        stage.store("<a xmlns='urn:x'>without TLS they are nothing to it</a>");
        stage.component.stop();
        let toml = fs::read_to_string(stage.component.folder().join("component.toml"));
        let toml = toml
            .expect("a file")
            .replace("[access]", "tls = \"on\"\n[access]");
        fs::write(stage.component.folder().join("component.toml"), toml).expect("a file");
        stage.component.restart();
        let _silent = stage.router.accept();
        let line = stage.component.wait_for_log("SSL_CERT_FILE", PATIENCE);
        assert!(
            line.contains("expected a file") && line.contains("next attempt in"),
            "{line}"
        );
        assert!(stage.component.stop().success());
    }
}

fn hanging(disk: &FaultyDisk) -> Stage {
    let mut stage = Stage::configured(|options| options.under = disk.under());
    stage.store("<a xmlns='urn:x'>1</a>");
    stage
}

/// Serves while it is asked, again and again, to read what cannot be read.
#[track_caller]
fn serves_meanwhile(stage: &mut Stage) {
    for number in 0..20 {
        stage.component.read_again();
        stage.send(get(&number.to_string(), "<a xmlns='urn:x'/>"));
        assert!(stage.next().contains(">1</a>"));
        sleep(Duration::from_millis(20));
    }
}

/// With the configuration on a disk that hung, SIGHUP stopped the service, and SIGTERM did not end it.
#[test]
fn a_reload_that_hangs_stops_nobody() {
    let disk = FaultyDisk::new();
    let mut stage = hanging(&disk);
    disk.hang("configuration");
    serves_meanwhile(&mut stage);
    let line = stage
        .component
        .wait_for_log("has taken more than", 2 * PATIENCE);
    assert!(
        line.contains("WARN") && line.contains("is the disk stuck?"),
        "{line}"
    );
    stage.store("<a xmlns='urn:x'>1</a>");
    disk.heal();
    stage.component.wait_for_log(" INFO reloaded /", PATIENCE);
    // The signals that came meanwhile are one.
    stage.component.read_again();
    stage.store("<a xmlns='urn:x'>2</a>");
    let reloaded = |line: &&String| line.contains(" INFO reloaded /");
    assert!(stage.component.log().iter().filter(reloaded).count() <= 3);
}

#[test]
fn sigterm_ends_it_while_a_reload_hangs() {
    let disk = FaultyDisk::new();
    let mut stage = hanging(&disk);
    disk.hang("configuration");
    serves_meanwhile(&mut stage);
    assert!(stage.component.stop().success());
    stage.component.wait_for_log("INFO stopped", PATIENCE);
}

/// The pipe itself, where the configuration was.
#[test]
fn a_reload_from_what_is_no_file_is_refused() {
    let mut stage = Stage::new();
    stage.store("<a xmlns='urn:x'>1</a>");
    let path = stage.component.folder().join("component.toml");
    for (make, what) in NO_FILES {
        fs::rename(&path, path.with_extension("before")).expect("a file");
        make(&path);
        stage.component.read_again();
        if what != "a " {
            let line = stage
                .component
                .wait_for_log(&format!("it is {what}"), PATIENCE);
            assert!(line.contains("ERROR"), "{line}");
        }
        stage.store("<a xmlns='urn:x'>1</a>");
        let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir(&path));
        fs::rename(path.with_extension("before"), &path).expect("a file");
    }
    stage
        .component
        .wait_for_log("not reloaded: all settings stay", PATIENCE);
    stage.component.read_again();
    stage.component.wait_for_log(" INFO reloaded /", PATIENCE);
}
