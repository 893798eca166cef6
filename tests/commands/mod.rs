//! An administrator's commands, beside the running service and without it: they tell the same and
//! do the same, and nobody need know which it was.

mod as_root;
mod backup;
mod database;
mod forged;
mod formats;
mod hostile;
mod import;
mod kept;
mod migrate;
mod reach;
mod returning;
mod stats;
mod wire;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;
use xmpp_private_storage::store::{
    Change, ChangeSet, Options, Owner, OwnerData, Quota, Store, Value,
};

use crate::scripted::stage::{Stage, request};
use crate::support::database::Database;

/// The program in this folder, where its configuration file is. It needs no secret.
fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xmpp-private-storage"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PRIVATE_STORAGE_") {
            command.env_remove(name);
        }
    }
    command
        .current_dir(folder)
        .args(["--config", "component.toml"]);
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    let output = program(folder).args(arguments).output();
    output.expect("the program runs")
}

/// What it says where it does what it should.
#[track_caller]
pub fn done(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    let told = text(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {told}");
    text(&output.stdout) + &told
}

/// What it says where it ends with this code.
#[track_caller]
fn refused(folder: &Path, arguments: &[&str], code: i32) -> String {
    let output = run(folder, arguments);
    let told = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
    told
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A folder with a configuration, as an administrator's shell sees it: without the secret. There is
/// no store yet.
fn place() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    configure(folder.path(), "path = \"data\"\n");
    folder
}

/// Has what the program does in this folder be about the data that is there: lines of the section `[storage]`, and
/// sections below it.
fn configure(folder: &Path, storage: &str) {
    let toml = format!(
        "[component]\njid = \"private.localhost\"\nserver = \"127.0.0.1:1\"\n\
         secret_file = \"nowhere\"\n[storage]\n{storage}"
    );
    fs::write(folder.join("component.toml"), toml).expect("a file");
}

/// As [`configure`] takes it: this folder, and that database.
fn with_database(path: &str, database: &Database) -> String {
    format!("path = \"{path}\"\n{}", database.storage())
}

/// This user stores these elements, which succeeds.
#[track_caller]
fn store(stage: &mut Stage, user: &str, elements: &str) {
    stage.send(request("set", "stored", user, elements));
    let answer = stage.next();
    assert!(answer.contains("type='result'"), "{answer}");
}

/// Users with elements of two namespaces, behind a service that was stopped.
fn stopped() -> Stage {
    let mut stage = Stage::new();
    for user in [
        "anna@localhost/a",
        "jürgen@localhost/b",
        "otto@test2.localhost/c",
    ] {
        let elements = format!("<a xmlns='urn:a'>{user}</a><b xmlns='urn:b'>ü</b>");
        store(&mut stage, user, &elements);
    }
    assert!(stage.component.stop().success());
    stage
}

/// A store that nobody has open.
fn open(folder: &Path) -> Store {
    let options = Options {
        cache_bytes: 1 << 20,
        compact_above_bytes: u64::MAX,
    };
    Store::open(folder, &options).expect("a store")
}

/// Stores these texts of these owners, as they are, which no command does.
fn put_past_everything(folder: &Path, all: &[(&str, (&str, &str), &str)]) {
    let store = open(folder);
    for (owner, (namespace, name), text) in all {
        let value = Value {
            text: (*text).to_owned(),
            elements: 1,
        };
        let set = ChangeSet {
            owner: Owner::new(owner).expect("an owner"),
            quota: Quota::NONE,
            changes: vec![Change {
                namespace: (*namespace).to_owned(),
                name: (*name).to_owned(),
                value: Some(value),
            }],
        };
        let (done, answer) = std::sync::mpsc::channel();
        store.submit(set, move |result| drop(done.send(result)));
        answer.recv().expect("an answer").expect("stored");
    }
    store.close();
}

/// What there is in a store that nobody has open.
fn all_in(folder: &Path) -> Vec<(String, OwnerData)> {
    let store = open(folder);
    let owners = store.owners(None, usize::MAX).expect("owners");
    let all = |owner: Owner| {
        let owner_data = store.owner_data(&owner).expect("owner_data");
        (owner.as_str().to_owned(), owner_data)
    };
    let all = owners.into_iter().map(all).collect();
    store.close();
    all
}

fn data(stage: &Stage) -> PathBuf {
    stage.component.folder().join("data")
}

/// The database itself, opened behind the program's back, which would notice.
fn database(folder: &Path) -> sled::Db {
    let _ = fs::remove_file(folder.join("closed"));
    let config = sled::Config::new().path(folder).segment_size(8 << 20);
    config.open().expect("a database")
}

/// Sends these bytes to the control socket; the status, and what is said.
fn send(folder: &Path, request: &[u8]) -> (u16, String) {
    let mut stream = UnixStream::connect(folder.join("control.sock")).expect("a socket");
    stream.write_all(request).expect("it reads");
    let mut answer = Vec::new();
    stream
        .read_to_end(&mut answer)
        .expect("it answers and ends");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    (status.unwrap_or_default(), body.to_owned())
}

fn post(folder: &Path, path: &str, body: &[u8]) -> (u16, String) {
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
    send(folder, &[head.as_bytes(), body].concat())
}

fn mode(file: &Path) -> u32 {
    let metadata = fs::metadata(file).expect("a file");
    metadata.permissions().mode() & 0o777
}
