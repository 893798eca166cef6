//! What an earlier build has written is read by this one; what a newer one has written is refused.
//!
//! `tests/fixtures` has a store and a backup of each format that was ever released. Whoever raises
//! the number of a format has them written for it once, and adds it below:
//!
//! ```sh
//! WRITE_FIXTURES=1 cargo test --test tests commands::formats
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{all_in, data, database, done, place, refused, stopped, store};
use crate::scripted::stage::Stage;

/// What every fixture holds: a value of several records is among it.
fn contents() -> Vec<(&'static str, String)> {
    let long = format!("<l xmlns='urn:long'>{}</l>", "0123456789".repeat(7_000));
    vec![
        (
            "anna@localhost",
            "<a xmlns='urn:a'>1</a><a xmlns='urn:a'>2</a>".to_owned(),
        ),
        (
            "anna@localhost",
            "<b xmlns='urn:b'>&lt;&amp;ü😀</b>".to_owned(),
        ),
        ("jürgen@test2.localhost", long),
    ]
}

fn fixture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    folder.join(name)
}

#[track_caller]
fn tar(arguments: &[&str], folder: &Path, file: &Path) {
    let mut tar = Command::new("tar");
    tar.args(arguments).arg(file).arg("-C").arg(folder);
    if arguments[0] == "-czf" {
        tar.args(["--exclude=ballast", "--owner=0", "--group=0", "data"]);
    }
    assert!(tar.status().expect("tar").success());
}

/// Writes today's fixtures, if that is asked for.
fn write_if_asked() {
    if std::env::var_os("WRITE_FIXTURES").is_none() {
        return;
    }
    let mut stage = Stage::new();
    for (user, elements) in contents() {
        store(&mut stage, &format!("{user}/x"), &elements);
    }
    assert!(stage.component.stop().success());
    let folder = stage.component.folder();
    let backup = fixture("backup-1");
    done(
        folder,
        &["backup", "--force", backup.to_str().expect("UTF-8")],
    );
    tar(&["-czf"], folder, &fixture("store-1.tar.gz"));
}

#[track_caller]
fn holds_the_contents(folder: &Path) {
    let mut found = Vec::new();
    for (owner, owner_data) in all_in(folder) {
        assert!(owner_data.damaged.is_empty());
        for entry in owner_data.entries {
            found.push((owner.clone(), entry.value.text));
        }
    }
    let expected: Vec<_> = contents()
        .into_iter()
        .map(|(owner, text)| (owner.to_owned(), text))
        .collect();
    assert!(found == expected, "{} entries", found.len());
}

#[test]
fn a_store_and_a_backup_of_format_1_are_read() {
    write_if_asked();
    let folder = place();
    tar(&["-xzf"], folder.path(), &fixture("store-1.tar.gz"));
    let told = done(folder.path(), &["stats"]);
    assert!(told.contains("jürgen@test2.localhost"), "{told}");
    holds_the_contents(&folder.path().join("data"));

    let other = place();
    let backup = fixture("backup-1");
    let said = done(other.path(), &["restore", backup.to_str().expect("UTF-8")]);
    assert!(said.contains("restored 2 users, 4 elements"), "{said}");
    holds_the_contents(&other.path().join("data"));
}

#[test]
fn a_store_of_a_newer_format_is_refused_and_left_as_it_is() {
    let stage = stopped();
    let folder = data(&stage);
    let mark = |value: &str| {
        let database = database(&folder);
        database.insert(b"\0format", value).expect("written");
        database.flush().expect("flushed");
    };
    mark("2");
    for arguments in [&["stats"][..], &["backup", "-"], &["compact"], &["run"]] {
        let said = refused(stage.component.folder(), arguments, 74);
        assert!(
            said.contains("has format 2, and this release knows formats up to 1"),
            "{said}"
        );
        assert!(
            said.contains("written by a newer release, so run that release"),
            "{said}"
        );
    }
    mark("1");
    assert_eq!(all_in(&folder).len(), 3);
}

#[test]
fn a_backup_of_a_newer_format_is_refused() {
    let folder = place();
    let newer = "xmpp-private-storage backup 3\nwhatever that may be";
    fs::write(folder.path().join("newer"), newer).expect("a file");
    let said = refused(folder.path(), &["restore", "newer"], 65);
    assert!(said.contains("restore it with a newer release"), "{said}");
    assert!(!folder.path().join("data").exists());
}
