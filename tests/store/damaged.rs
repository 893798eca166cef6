//! Files that are damaged: by the disk, by a copy that was cut off, by a person. Nothing may be
//! missing in silence: it is all there, or an answer or the start is refused, in words.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::scripted::stage::{Stage, request};

use super::{Start, assert_failed, is_result, keeping, numbered, refused, stage, start, try_get};

const VALUES: usize = 60;

/// Lengths of one record and of two, so that the tree has several leaves.
fn value(number: usize) -> String {
    let length = if number % 10 == 9 { 90_000 } else { 12_000 };
    let text = format!("value {number} ").repeat(length / 8);
    numbered(number, &text[..length])
}

/// A store that was closed in good order, with a snapshot and, behind it, a part of the log that
/// no snapshot knows.
fn closed() -> &'static Path {
    static STORE: OnceLock<TempDir> = OnceLock::new();
    let folder = STORE.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        for half in [0..VALUES / 2, VALUES / 2..VALUES] {
            let mut stage = stage(keeping(&folder.path().join("data")));
            for number in half {
                stage.store(&value(number));
            }
            assert!(stage.component.stop().success());
        }
        folder
    });
    folder.path()
}

/// A copy of it, to be damaged.
fn copy() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let copied = Command::new("cp")
        .arg("-a")
        .arg(closed().join("data"))
        .arg(folder.path())
        .status();
    assert!(copied.expect("cp").success());
    let data = folder.path().join("data");
    (folder, data)
}

/// As after a kill, when nothing says what the log was like.
fn forget_the_close(data: &Path) {
    fs::remove_file(data.join("closed")).expect("the mark");
}

fn flip(file: &Path, at: u64) {
    let mut content = fs::read(file).expect("a file");
    content[at as usize] ^= 0x10;
    fs::write(file, content).expect("a file");
}

fn snapshot(data: &Path) -> PathBuf {
    let entries = fs::read_dir(data).expect("the folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut snapshots: Vec<_> = paths
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("snap."))
        })
        .collect();
    snapshots.sort();
    snapshots.pop().expect("a snapshot")
}

#[track_caller]
fn all_is_there(data: &Path) {
    let mut stage = stage(keeping(data));
    for number in 0..VALUES {
        stage.fetch(&numbered(number, ""), &value(number));
    }
}

#[test]
fn a_log_that_changed_while_closed_is_refused_and_left_as_it_is() {
    let length = fs::metadata(closed().join("data/db"))
        .expect("the log")
        .len();
    for at in [20, 50_000, length / 2, length - 2] {
        let (_folder, data) = copy();
        flip(&data.join("db"), at);
        let before = fs::read(data.join("db")).expect("the log");
        for _ in 0..2 {
            let said = refused(keeping(&data));
            assert!(said.contains(&data.display().to_string()), "{said}");
            assert!(said.contains("put a backup in its place"), "{said}");
            assert!(said.contains("delete the file `closed` in it"), "{said}");
        }
        assert!(fs::read(data.join("db")).expect("the log") == before);
    }
}

/// Behind its last snapshot sled takes such a log for one whose last words were cut by a power
/// loss, and says nothing.
#[test]
fn a_log_cut_short_while_closed_is_refused_wherever_it_was_cut() {
    let length = fs::metadata(closed().join("data/db"))
        .expect("the log")
        .len();
    for cut in [0, 4096, length / 2, length - 100_000, length - 1] {
        let (_folder, data) = copy();
        let log = fs::OpenOptions::new().write(true).open(data.join("db"));
        log.expect("the log").set_len(cut).expect("cut");
        let said = refused(keeping(&data));
        assert!(said.contains(&data.display().to_string()), "{said}");
        assert!(said.contains(&format!("and has {cut} bytes")), "{said}");
    }
}

#[test]
fn a_log_cut_into_its_snapshot_is_refused_even_after_a_kill() {
    for cut in [0, 4096, 100_000] {
        let (_folder, data) = copy();
        forget_the_close(&data);
        let log = fs::OpenOptions::new().write(true).open(data.join("db"));
        log.expect("the log").set_len(cut).expect("cut");
        for _ in 0..2 {
            let said = refused(keeping(&data));
            assert!(said.contains(&data.display().to_string()), "{said}");
            assert!(said.contains("put a backup in its place"), "{cut}: {said}");
        }
    }
}

/// Up to where its last snapshot reaches, a byte that is wrong is never taken for the log's end.
#[test]
fn a_wrong_byte_is_never_taken_for_nothing_stored_even_after_a_kill() {
    let (mut refusals, mut errors) = (0, 0);
    for number in 0..12 {
        let (_folder, data) = copy();
        forget_the_close(&data);
        let name = snapshot(&data)
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let reach = u64::from_str_radix(name.trim_start_matches("snap."), 16).expect("hex");
        flip(&data.join("db"), 100 + (reach - 200) * number / 12);
        let mut stage = match start(keeping(&data)) {
            Start::Serves(stage) => *stage,
            Start::Refused(said) => {
                assert!(said.contains("put a backup in its place"), "{said}");
                refusals += 1;
                continue;
            }
        };
        for number in 0..VALUES {
            let answer = try_get(&mut stage, &numbered(number, ""));
            if is_result(&answer) {
                assert!(
                    answer.contains(&format!("value {number} ")),
                    "missing: {number}"
                );
            } else {
                assert_failed(&answer);
                errors += 1;
            }
        }
    }
    assert!(refusals + errors > 0, "nothing was damaged");
}

#[test]
fn a_damaged_or_missing_snapshot_costs_nothing() {
    let flipped = |snapshot: &Path| flip(snapshot, 7);
    let cut = |snapshot: &Path| fs::write(snapshot, "").expect("a file");
    let removed = |snapshot: &Path| fs::remove_file(snapshot).expect("a file");
    for damage in [&flipped as &dyn Fn(&Path), &cut, &removed] {
        let (_folder, data) = copy();
        damage(&snapshot(&data));
        all_is_there(&data);
    }
}

/// What a kill in the middle of an open leaves; sled alone would refuse to open.
#[test]
fn half_a_snapshot_costs_nothing() {
    let (_folder, data) = copy();
    fs::write(data.join("snap.00000000FFFFFFFF.generating"), "").expect("a file");
    all_is_there(&data);
}

#[test]
fn damaged_settings_are_refused_and_cost_nothing_once_they_are_back() {
    let flipped = |conf: &Path| flip(conf, 3);
    let cut = |conf: &Path| fs::write(conf, "").expect("a file");
    let removed = |conf: &Path| fs::remove_file(conf).expect("a file");
    for damage in [&flipped as &dyn Fn(&Path), &cut, &removed] {
        let (_folder, data) = copy();
        damage(&data.join("conf"));
        // Or sled does without them.
        if let Start::Refused(said) = start(keeping(&data)) {
            assert!(said.contains(&data.display().to_string()), "{said}");
        }
        // They are the same in every store.
        fs::copy(closed().join("data/conf"), data.join("conf")).expect("the settings");
        all_is_there(&data);
    }
}

/// The disk changes a byte while the service runs. Only what it belongs to is refused, with its
/// neighbours; the service goes on.
#[test]
fn a_value_damaged_while_the_service_runs_is_an_error_and_not_nothing() {
    let (_folder, data) = copy();
    let mut stage = stage(keeping(&data));
    damage(&data, b"value 33 value 33 value 33");
    assert_failed(&try_get(&mut stage, &numbered(33, "")));
    let mut others = 0;
    for number in (0..VALUES).filter(|number| *number != 33) {
        let answer = try_get(&mut stage, &numbered(number, ""));
        if is_result(&answer) {
            assert!(
                answer.contains(&format!("value {number} ")),
                "missing: {number}"
            );
            others += 1;
        }
    }
    assert!(others > VALUES / 2, "only {others} others are left");
    for number in 0..5 {
        stage.send(request(
            "set",
            "other",
            "bob@localhost/desk",
            &value(number),
        ));
        let answer = stage.next();
        assert!(is_result(&answer), "{answer:.300}");
    }
    let line = stage
        .component
        .wait_for_log("damaged", crate::support::router::PATIENCE);
    assert!(line.contains("check the disk"), "{line}");
}

/// A leaf of the tree of which much is deleted is merged with the one before it, by whoever comes past next. Where that
/// one could not be read nobody came past any more, and nothing of the whole tree was to be had, for good.
#[test]
fn deleting_beside_what_is_damaged_takes_nothing_else_away() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let ask = |stage: &mut Stage, kind: &str, user: usize, elements: &str| {
        let from = format!("user{user:02}@localhost/desk");
        stage.send(request(kind, "1", &from, elements));
        stage.next()
    };
    let mut first = stage(keeping(&data));
    for user in 0..VALUES {
        assert!(is_result(&ask(&mut first, "set", user, &value(user))));
    }
    assert!(first.component.stop().success());
    let mut stage = stage(keeping(&data));
    damage(&data, b"value 33 value 33 value 33");
    let readable = |stage: &mut Stage| -> Vec<usize> {
        let shown = |user: &usize| {
            let answer = ask(stage, "get", *user, &numbered(*user, ""));
            answer.contains(&format!("value {user} "))
        };
        (0..VALUES).filter(shown).collect()
    };
    let before = readable(&mut stage);
    assert!(before.len() > VALUES / 2, "{before:?}");
    let delete = |user: &&usize| is_result(&ask(&mut stage, "set", **user, &numbered(**user, "")));
    let some = before.iter().filter(|user| **user % 8 != 0);
    let deleted: Vec<&usize> = some.filter(delete).collect();
    let after = readable(&mut stage);
    let left = before.iter().filter(|user| !deleted.contains(user));
    let lost: Vec<&usize> = left.filter(|user| !after.contains(user)).collect();
    assert!(
        lost.is_empty(),
        "{lost:?} of {before:?}, {deleted:?} deleted"
    );
    assert!(deleted.len() > VALUES / 4, "{deleted:?}");
}

/// Changes a byte of each place in the log where this stands.
fn damage(data: &Path, needle: &[u8]) {
    let content = fs::read(data.join("db")).expect("the log");
    let places = content.windows(needle.len()).enumerate();
    let mut damaged = content.clone();
    for (at, _) in places.filter(|(_, window)| *window == needle) {
        damaged[at] ^= 1;
    }
    assert!(damaged != content);
    fs::write(data.join("db"), damaged).expect("the log");
}
