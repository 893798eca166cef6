//! What befalls files: damage, a second process, cut logs, a disk that fails.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::suite::{OPTIONS, ROOMY, change, get, open, owner, set, set_within};
use crate::{OpenError, ReadError, Store};

/// A folder with a store that holds something, closed. `name` keeps the default of the tempdir.
fn filled() -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("data");
    let store = open(&folder);
    for number in 0..50 {
        let text = "x".repeat(1000);
        set(
            &store,
            "j@c",
            vec![change("n", &number.to_string(), Some(&text))],
        );
    }
    store.close();
    // sled writes a snapshot when it opens a log that went on after the last one.
    open(&folder).close();
    (dir, folder)
}

fn snapshots(folder: &Path, prefix: &str) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with(prefix)
        })
        .collect()
}

/// Writes behind the store's back, while it is closed.
fn tamper(folder: &Path, key: &[u8], tamper: impl FnOnce(&mut Vec<u8>)) {
    let (disk, _) = super::open(folder, OPTIONS.cache_bytes).unwrap();
    let mut value = disk
        .db
        .get(key)
        .unwrap()
        .map(|value| value.to_vec())
        .unwrap_or_default();
    tamper(&mut value);
    disk.db.insert(key, value).unwrap();
    disk.db.flush().unwrap();
}

#[test]
fn the_folder_is_made_for_its_user_alone() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("a/b");
    open(&folder).close();
    assert_eq!(
        fs::metadata(&folder).unwrap().permissions().mode() & 0o777,
        0o700
    );
}

#[test]
fn a_second_open_is_refused_while_the_first_lives() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    let clone = first.clone();
    drop(first);
    let error = Store::open(dir.path(), &OPTIONS).unwrap_err();
    assert!(
        matches!(&error, OpenError::InUse { pid: Some(_), .. }),
        "{error}"
    );
    drop(clone);
    open(dir.path());
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let (_dir, folder) = filled();
    tamper(&folder, b"\0format", |value| *value = b"7".to_vec());
    for _ in 0..2 {
        let error = Store::open(&folder, &OPTIONS).unwrap_err();
        assert!(
            matches!(&error, OpenError::Newer { found, .. } if found == "7"),
            "{error}"
        );
    }
}

#[test]
fn a_damaged_value_is_an_error_until_it_is_replaced() {
    let (_dir, folder) = filled();
    tamper(&folder, b"j@c\x00n\x007\x00\0\0\0\0", |value| {
        value[500] ^= 1
    });
    let store = open(&folder);
    let mut text = String::from("kept");
    for name in [Some("7"), None] {
        let read = store.read(&owner("j@c"), "n", name, &mut text);
        assert_eq!((read, text.as_str()), (Err(ReadError::Damaged), "kept"));
    }
    assert_eq!(get(&store, "j@c", "n", Some("8")).len(), 1000);
    set(&store, "j@c", vec![change("n", "7", Some("anew"))]);
    assert_eq!(get(&store, "j@c", "n", None).len(), 49 * 1000 + 4);
    assert!(!store.failed());
}

#[test]
fn damage_in_a_long_value_is_noticed_and_all_its_chunks_go_with_it() {
    let (_dir, folder) = filled();
    let store = open(&folder);
    set(
        &store,
        "j@c",
        vec![change("m", "long", Some(&"x".repeat(200_000)))],
    );
    store.close();
    for chunk in [2_u8, 0] {
        tamper(
            &folder,
            &[b"j@c\0m\0long\0\0\0\0", [chunk].as_slice()].concat(),
            |value| {
                value[30] ^= 1;
            },
        );
        let store = open(&folder);
        let read = store.read(&owner("j@c"), "m", None, &mut String::new());
        assert_eq!(read, Err(ReadError::Damaged), "{chunk}");
        store.close();
    }
    let store = open(&folder);
    set(&store, "j@c", vec![change("m", "long", None)]);
    assert_eq!(get(&store, "j@c", "m", None), "");
    let quota = crate::Quota {
        max_user_bytes: 50_000,
        ..ROOMY
    };
    assert_eq!(
        set_within(&store, quota, "j@c", vec![change("n", "0", Some("x"))]),
        Ok(())
    );
}

/// A kill in the middle of opening leaves such a file, and sled alone refuses to open then.
#[test]
fn half_a_snapshot_is_removed() {
    let (_dir, folder) = filled();
    fs::write(folder.join("snap.0000000000800000.generating"), "").unwrap();
    assert_eq!(get(&open(&folder), "j@c", "n", None).len(), 50_000);
}

#[test]
fn a_damaged_snapshot_is_set_aside_and_nothing_is_lost() {
    let (_dir, folder) = filled();
    let snapshot = snapshots(&folder, "snap.").remove(0);
    let mut content = fs::read(&snapshot).unwrap();
    content[5] ^= 1;
    fs::write(&snapshot, content).unwrap();
    assert_eq!(get(&open(&folder), "j@c", "n", None).len(), 50_000);
    assert_eq!(snapshots(&folder, "damaged-snap.").len(), 1);
}

/// With its snapshot away, sled would open a log cut short as if nothing had ever been behind the
/// cut. So the snapshot, which is whole, stays where it is.
#[test]
fn a_log_cut_short_is_refused_and_never_opened_as_if_it_were_whole() {
    let (_dir, folder) = filled();
    // As after a kill: our own mark would notice it, too.
    fs::remove_file(folder.join("closed")).unwrap();
    let log = fs::OpenOptions::new()
        .write(true)
        .open(folder.join("db"))
        .unwrap();
    log.set_len(20_000).unwrap();
    for _ in 0..2 {
        let error = Store::open(&folder, &OPTIONS).unwrap_err();
        assert!(matches!(&error, OpenError::Damaged { .. }), "{error}");
        assert!(
            error.to_string().contains(&folder.display().to_string()),
            "{error}"
        );
    }
    assert_eq!(
        snapshots(&folder, "damaged-snap."),
        Vec::<std::path::PathBuf>::new()
    );
}

#[test]
fn a_log_that_was_changed_while_closed_is_refused_until_somebody_decides() {
    let (_dir, folder) = filled();
    let mut log = fs::read(folder.join("db")).unwrap();
    *log.last_mut().unwrap() ^= 1;
    fs::write(folder.join("db"), log).unwrap();
    for _ in 0..2 {
        let error = Store::open(&folder, &OPTIONS).unwrap_err();
        assert!(matches!(&error, OpenError::Changed { .. }), "{error}");
    }
    fs::remove_file(folder.join("closed")).unwrap();
    open(&folder);
}

/// Its snapshot cannot tell: it was cut behind that, or there is none yet.
#[test]
fn a_log_that_is_gone_is_not_begun_anew() {
    let (_dir, folder) = filled();
    for file in snapshots(&folder, "snap.") {
        fs::remove_file(file).unwrap();
    }
    fs::remove_file(folder.join("closed")).unwrap();
    fs::write(folder.join("db"), "").unwrap();
    let error = Store::open(&folder, &OPTIONS).unwrap_err();
    assert!(matches!(&error, OpenError::Damaged { .. }), "{error}");
    fs::remove_file(folder.join("db")).unwrap();
    Store::open(&folder, &OPTIONS).unwrap_err();
    assert!(!folder.join("db").exists());
}

/// Each set made the log longer, so that with each sync the file system wrote that down, too: a quarter of a lone set's
/// time. What is reserved ahead must be no part of what an open finds, also after a kill.
#[cfg(target_os = "linux")]
#[test]
fn the_log_is_reserved_ahead_of_what_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("data");
    let store = open(&folder);
    let text = "x".repeat(1000);
    let log_length = || fs::metadata(folder.join("db")).unwrap().len();
    let put = |number: u32| {
        let change = change("n", &number.to_string(), Some(&text));
        set(&store, "j@c", vec![change]);
        log_length()
    };
    let lengths: std::collections::BTreeSet<u64> = (0..200).map(put).collect();
    assert_eq!(lengths.len(), 1, "{lengths:?}");
    assert!(lengths.iter().all(|it| it.is_multiple_of(1024 * 1024)));
    for round in 0..3 {
        let copy = dir.path().join(format!("killed-{round}"));
        fs::create_dir(&copy).unwrap();
        for name in ["conf", "db"] {
            fs::copy(folder.join(name), copy.join(name)).unwrap();
        }
        for number in 200 * (round + 1)..200 * (round + 2) {
            put(number);
        }
        let killed = open(&copy);
        let length = get(&killed, "j@c", "n", None).len();
        assert_eq!(length, 200 * (round as usize + 1) * text.len());
        set(&killed, "j@c", vec![change("n", "more", Some("y"))]);
        killed.close();
        let again = open(&copy);
        assert_eq!(get(&again, "j@c", "n", None).len(), length + 1);
    }
}
