//! What a compaction leaves on the disk, wherever it ends.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use crate::engine::{Engine, Successor};
use crate::error::CompactError;
use crate::suite::{OPTIONS, change, get, open, set};
use crate::{Compacted, Options, Store};

const SECRET: &str = "nobody may find this";

fn filled(folder: &Path) -> Store {
    let store = open(folder);
    for number in 0..50 {
        let text = format!("{number:04}{}", "x".repeat(996));
        set(
            &store,
            "j@c",
            vec![change("n", &number.to_string(), Some(&text))],
        );
    }
    store
}

fn assert_is_filled(folder: &Path) {
    assert_eq!(get(&open(folder), "j@c", "n", None).len(), 50_000);
}

fn compact(store: &Store) -> Result<Compacted, CompactError> {
    let (done, answer) = mpsc::channel();
    store.compact(move |result| done.send(result).unwrap());
    answer.recv().unwrap()
}

/// All files under a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

fn holders(folder: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = files(folder);
    found.retain(|path| {
        let content = fs::read(path).unwrap();
        memchr::memmem::find(&content, text.as_bytes()).is_some()
    });
    found
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_all(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn nothing_is_left_of_what_was_deleted_before() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path());
    let secret = SECRET.repeat(100);
    for number in 0..20 {
        set(
            &store,
            "gone@c",
            vec![change("n", &number.to_string(), Some(&secret))],
        );
    }
    store.close();
    // So that there is a snapshot, too.
    let store = open(dir.path());
    fs::write(dir.path().join("damaged-snap.1"), SECRET).unwrap();
    for number in 0..20 {
        set(
            &store,
            "gone@c",
            vec![change("n", &number.to_string(), None)],
        );
    }
    assert!(holders(dir.path(), SECRET).contains(&dir.path().join("db")));
    assert!(!holders(dir.path(), "gone@c").is_empty());

    let Compacted { before, after } = compact(&store).unwrap();
    assert!(after < before, "{after} {before}");
    for text in [SECRET, "gone@c"] {
        assert_eq!(holders(dir.path(), text), Vec::<PathBuf>::new(), "{text}");
    }
    store.close();
    assert_is_filled(dir.path());
    for text in [SECRET, "gone@c"] {
        assert_eq!(holders(dir.path(), text), Vec::<PathBuf>::new(), "{text}");
    }
}

/// The folder as it is when the process is killed: at each step, and between the removals.
#[test]
fn wherever_it_is_killed_an_open_finds_one_whole_database() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("data");
    filled(&folder).close();
    assert_is_filled(&folder);
    let (disk, _) = super::super::open(&folder, OPTIONS.cache_bytes).unwrap();
    let killed = |step: &str| {
        let copy = dir.path().join(step);
        copy_all(&folder, &copy);
        copy
    };
    let successor = disk.begin_successor(0).unwrap();
    let mut killed_at = vec![killed("begun")];
    let mut number = 0;
    disk.scan_from(&[], &mut |key, value| {
        successor
            .write((key.to_vec(), Some(value.to_vec())))
            .unwrap();
        number += 1;
        if number == 20 {
            successor.flush().unwrap();
            killed_at.push(killed("half"));
        }
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    successor.flush().unwrap();
    successor.prepare().unwrap();
    let prepared = killed("prepared");
    for (step, renamed) in [("removed", false), ("renamed", true)] {
        let copy = dir.path().join(step);
        copy_all(&prepared, &copy);
        super::files::remove_snapshots(&copy).unwrap();
        if renamed {
            fs::rename(copy.join("compacting/db"), copy.join("db")).unwrap();
        }
        killed_at.push(copy);
    }
    killed_at.push(prepared);
    let successor = successor.take_over().unwrap();
    killed_at.push(killed("taken over"));
    drop((disk, successor));
    killed_at.push(folder);
    for folder in killed_at {
        assert_is_filled(&folder);
        assert!(!folder.join("compacting").exists(), "{}", folder.display());
    }
}

#[test]
fn the_folder_stays_locked_through_a_compaction_and_is_released_by_closing() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path());
    for _ in 0..3 {
        compact(&store).unwrap();
        assert!(Store::open(dir.path(), &OPTIONS).is_err());
    }
    store.compact(|_| {});
    store.close();
    assert_is_filled(dir.path());
}

#[test]
fn without_space_for_it_nothing_is_begun() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path()).close();
    let (disk, _) = super::super::open(dir.path(), OPTIONS.cache_bytes).unwrap();
    let Err(error) = disk.begin_successor(1 << 60) else {
        panic!("there is no such disk");
    };
    assert!(matches!(error, CompactError::NoRoom { .. }), "{error}");
    assert!(!dir.path().join("compacting").exists());
}

/// Settings are one file, which only one of both can have.
#[test]
fn a_database_with_other_settings_is_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path());
    fs::write(dir.path().join("conf"), "of another release").unwrap();
    let error = compact(&store).unwrap_err();
    assert!(error.to_string().contains("settings"), "{error}");
    assert_eq!(get(&store, "j@c", "n", None).len(), 50_000);
    assert!(!dir.path().join("compacting").exists());
}

/// The rest alone must never take the place of the whole.
#[test]
fn a_log_with_a_part_that_cannot_be_read_is_left_as_it_is() {
    let attempts = (0..20).map(|_| tempfile::tempdir().unwrap());
    let mut opened = attempts.filter_map(|dir| {
        damage(dir.path());
        // sled notices it at once if its last snapshot is older: then there is nothing to see here.
        let store = Store::open(dir.path(), &OPTIONS).ok()?;
        Some((dir, store))
    });
    let (dir, store) = opened.next().expect("one that opens");
    let error = compact(&store).unwrap_err();
    assert!(matches!(error, CompactError::Stopped(_)), "{error}");
    assert!(!dir.path().join("compacting").exists());
    set(&store, "l@c", vec![change("n", "a", Some("goes on"))]);
    assert_eq!(get(&store, "l@c", "n", None), "goes on");
}

/// Fills a store, and damages a part of its log that it need not read to be opened.
fn damage(folder: &Path) {
    let store = filled(folder);
    // Where the log goes on, sled would take the damage for its end.
    for number in 0..300 {
        let text = "y".repeat(60_000);
        set(
            &store,
            "k@c",
            vec![change("n", &number.to_string(), Some(&text))],
        );
    }
    store.close();
    open(folder).close();
    fs::remove_file(folder.join("closed")).unwrap();
    let log = folder.join("db");
    let mut content = fs::read(&log).unwrap();
    let damaged = memchr::memmem::find_iter(&content.clone(), b"0025xxx")
        .map(|at| content[at] ^= 1)
        .count();
    assert!(damaged > 0);
    fs::write(&log, content).unwrap();
}

#[test]
fn a_log_that_is_mostly_garbage_is_compacted_at_once_when_opened_and_while_running() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path());
    let overwrite = |store: &Store, from: usize| {
        for number in from..from + 100 {
            let text = format!("{number}{}", "y".repeat(60_000));
            set(store, "k@c", vec![change("n", "a", Some(&text))]);
        }
    };
    overwrite(&store, 0);
    store.close();
    let length = || fs::metadata(dir.path().join("db")).unwrap().len();
    assert!(length() > 6_000_000);
    let options = Options {
        compact_above_bytes: 1 << 20,
        ..OPTIONS
    };
    let shrinks = || {
        (0..6000).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            length() < 3_000_000
        })
    };
    let store = Store::open(dir.path(), &options).unwrap();
    assert!(shrinks());
    for round in 1..4 {
        overwrite(&store, round * 100);
    }
    assert!(shrinks());
    store.close();
    assert_is_filled(dir.path());
}

/// The kernel tells a failed write-back to each descriptor once, and to none that is opened later: sled's own thread was told,
/// and the copy of which a part was never written took the place of the log.
#[test]
fn a_copy_of_which_a_part_could_not_be_written_never_takes_the_place_of_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("data");
    let (disk, _) = crate::disk::open::open(&folder, OPTIONS.cache_bytes).unwrap();
    let mut beside = super::Beside::begin(&disk, 0).unwrap();
    beside.flush().unwrap();
    beside.prepare().unwrap();
    // Nothing can sync it.
    let (pipe, _) = std::io::pipe().unwrap();
    beside.log = fs::File::from(std::os::fd::OwnedFd::from(pipe));
    let error = beside.prepare().unwrap_err().to_string();
    assert!(error.contains("cannot sync"), "{error}");
}
