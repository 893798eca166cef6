//! What counts as the store that was open, and what as another.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::*;

/// A folder with a log and settings, as it is open.
struct Rig {
    dir: tempfile::TempDir,
    known: Known,
    place: Option<(Place, File)>,
}

impl Rig {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("conf"), "settings").unwrap();
        fs::write(path.join("db"), "log").unwrap();
        let log = File::open(path.join("db")).unwrap();
        let known = Known::by(&path);
        known.mark(&path).unwrap();
        let place = Place::of(&path, &log).unwrap();
        place.settle(&known);
        Self {
            dir,
            known,
            place: Some((place, log)),
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn aside(&self) -> PathBuf {
        self.dir.path().join("aside")
    }

    fn check_place(&self) -> Result<(), Displaced> {
        self.place.as_ref().unwrap().0.check_place()
    }

    fn recognise(&self) -> Result<(), Displaced> {
        self.known.recognise(&self.path())
    }

    /// Nothing is held open any more, as when a store has failed.
    fn release(&mut self) {
        self.place = None;
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn what_was_moved_away_and_back_is_the_same() {
    let mut rig = Rig::new();
    assert_eq!((rig.check_place(), rig.recognise()), (Ok(()), Ok(())));
    fs::rename(rig.path(), rig.aside()).unwrap();
    assert_eq!(rig.check_place(), Err(Displaced::Gone(rig.path())));
    rig.release();
    assert_eq!(rig.recognise(), Err(Displaced::Gone(rig.path())));
    // Of its own inode, so with or without its mark.
    fs::remove_file(rig.aside().join("id")).unwrap();
    fs::rename(rig.aside(), rig.path()).unwrap();
    assert_eq!(rig.recognise(), Ok(()));
}

#[test]
fn an_empty_folder_or_another_stores_is_another() {
    for other in [false, true] {
        let mut rig = Rig::new();
        fs::rename(rig.path(), rig.aside()).unwrap();
        if other {
            fs::rename(Rig::new().path(), rig.path()).unwrap();
        } else {
            fs::create_dir(rig.path()).unwrap();
        }
        assert_eq!(rig.check_place(), Err(Displaced::Replaced(rig.path())));
        rig.release();
        let strange = if other {
            Displaced::Strange(rig.path())
        } else {
            Displaced::Gone(rig.path().join("db"))
        };
        assert_eq!(rig.recognise(), Err(strange));
    }
}

/// Deleted, its inode's number is free, and given to who comes next on many file systems.
#[test]
fn what_was_made_anew_is_not_known_by_its_number() {
    let mut rig = Rig::new();
    rig.release();
    fs::remove_dir_all(rig.path()).unwrap();
    fs::create_dir(rig.path()).unwrap();
    fs::write(rig.path().join("db"), "log").unwrap();
    assert!(rig.recognise().is_err());
}

#[test]
fn a_copy_that_bears_our_mark_counts_as_back() {
    let mut rig = Rig::new();
    copy(&rig.path(), &rig.aside());
    fs::remove_dir_all(rig.path()).unwrap();
    rig.release();
    fs::rename(rig.aside(), rig.path()).unwrap();
    assert_eq!(rig.recognise(), Ok(()));
    fs::write(rig.path().join("id"), "another").unwrap();
    assert_eq!(rig.recognise(), Err(Displaced::Strange(rig.path())));
}

#[test]
fn another_log_in_the_same_folder_is_another_whatever_the_folder_says() {
    let mut rig = Rig::new();
    let log = rig.path().join("db");
    fs::rename(&log, rig.aside()).unwrap();
    assert_eq!(rig.check_place(), Err(Displaced::Gone(log.clone())));
    fs::write(&log, "log").unwrap();
    assert_eq!(rig.check_place(), Err(Displaced::Replaced(log.clone())));
    rig.release();
    assert_eq!(rig.recognise(), Err(Displaced::Replaced(log.clone())));
    fs::rename(rig.aside(), &log).unwrap();
    assert_eq!(rig.recognise(), Ok(()));
}

/// Where the switch at a compaction's end fails, nobody knows on which side of it.
#[test]
fn the_log_that_is_about_to_take_the_place_is_known_with_the_one_before() {
    let mut rig = Rig::new();
    fs::write(rig.aside(), "compacted").unwrap();
    let next = File::open(rig.aside()).unwrap();
    let next = Place::of(&rig.path(), &next).unwrap();
    next.may_settle(&rig.known);
    assert_eq!((rig.check_place(), rig.recognise()), (Ok(()), Ok(())));
    fs::rename(rig.aside(), rig.path().join("db")).unwrap();
    assert_eq!((next.check_place(), rig.recognise()), (Ok(()), Ok(())));
    rig.release();
}

#[test]
fn what_is_missing_of_the_small_files_is_put_back() {
    let rig = Rig::new();
    let files = ["conf", "id"].map(|name| rig.path().join(name));
    let before = files.clone().map(|file| fs::read(file).unwrap());
    for file in &files {
        fs::remove_file(file).unwrap();
    }
    rig.place.as_ref().unwrap().0.mend(&rig.known);
    assert_eq!(files.map(|file| fs::read(file).unwrap()), before);
}

#[test]
fn each_store_has_a_mark_of_its_own_and_keeps_it() {
    let (one, other) = (Rig::new(), Rig::new());
    assert_ne!(one.known.mark, other.known.mark);
    assert_eq!(one.known.mark.len(), 32);
    assert_eq!(Known::by(&one.path()).mark, one.known.mark);
}
