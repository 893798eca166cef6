//! A folder that cannot be the store's: taken, read-only, no folder at all, somebody else's. A
//! slip in a configuration file, and whoever made it must read what it was.

use std::fs;
use std::path::Path;

use super::small_disk::SmallDisk;
use super::{keeping, numbered, refused, stage};
use crate::scripted::stage::Stage;

#[test]
fn a_folder_in_use_is_refused_with_the_number_of_the_process_that_has_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let mut first = stage(keeping(&data));
    let said = refused(keeping(&data));
    let pid = fs::read_to_string(data.join("lock")).expect("a lock");
    assert!(said.contains(&format!("(pid {})", pid.trim())), "{said}");
    assert!(said.contains(&data.display().to_string()), "{said}");
    first.store(&numbered(1, "undisturbed"));
    assert!(first.component.stop().success());
    stage(keeping(&data)).fetch(&numbered(1, ""), &numbered(1, "undisturbed"));
}

#[test]
fn a_file_in_place_of_the_folder_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    fs::write(&data, "a file").expect("a file");
    let said = refused(keeping(&data));
    assert!(said.contains("cannot make the folder"), "{said}");
    assert!(said.contains(&data.display().to_string()), "{said}");
    assert_eq!(fs::read(&data).expect("a file"), b"a file");
}

#[test]
fn a_folder_that_cannot_be_made_is_refused() {
    let said = refused(keeping("/proc/no/such/place".as_ref()));
    assert!(
        said.contains("cannot make the folder /proc/no/such/place"),
        "{said}"
    );
}

#[test]
fn a_folder_that_cannot_be_written_is_refused_and_good_when_it_can() {
    let mut disk = SmallDisk::new(200);
    let under = [disk.inside(), keeping(&disk.store())].concat();
    let mut first = stage(under.clone());
    first.store(&numbered(1, "kept"));
    assert!(first.component.stop().success());
    disk.make_read_only();
    let said = refused(under);
    assert!(said.contains("Read-only file system"), "{said}");
    assert!(said.contains(&disk.store().display().to_string()), "{said}");
}

#[test]
fn a_folder_with_another_programs_files_is_left_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path();
    fs::write(data.join("db"), "another program's database".repeat(1000)).expect("a file");
    let said = refused(keeping(data));
    assert!(said.contains(&data.display().to_string()), "{said}");
    let left = fs::read_to_string(data.join("db")).expect("a file");
    assert_eq!(left, "another program's database".repeat(1000));
    assert_eq!(names(data), ["db"]);
}

#[test]
fn files_of_other_names_do_no_harm() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let mut first = stage(keeping(&data));
    first.store(&numbered(1, "kept"));
    assert!(first.component.stop().success());
    for name in ["lost+found", "db.bak", "snap.bak", ".nfs0001", "notes"] {
        fs::write(data.join(name), "nothing of ours").expect("a file");
    }
    stage(keeping(&data)).fetch(&numbered(1, ""), &numbered(1, "kept"));
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
    let mut names: Vec<String> = entries
        .map(|entry| name(entry).to_string_lossy().into_owned())
        .collect();
    names.sort_unstable();
    names
}

/// Whatever the program has left in a folder, also when it was killed, does not keep it from beginning a
/// store there; what somebody else has put there does.
#[test]
fn what_a_kill_leaves_is_ours_and_notes_are_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let mut first = stage(keeping(&data));
    first.store(&numbered(1, "stored"));
    let take_the_database_away = |stage: &mut Stage| {
        stage.component.kill();
        for name in ["db", "conf"] {
            fs::remove_file(data.join(name)).expect("a file");
        }
    };
    take_the_database_away(&mut first);
    fs::create_dir(data.join("lost+found")).expect("a folder");
    fs::write(data.join(".nfs0001"), "").expect("a file");
    fs::write(data.join("old"), "xmpp-private-storage backup 2\n").expect("a file");
    assert!(names(&data).len() > 7, "{:?}", names(&data));
    let mut second = stage(keeping(&data));
    second.store(&numbered(1, "stored"));
    take_the_database_away(&mut second);
    fs::write(data.join("notes"), "").expect("a file");
    let before = names(&data);
    let said = refused(keeping(&data));
    assert!(
        said.contains(" holds \"notes\", which this program did not put there"),
        "{said}"
    );
    assert_eq!(names(&data), before);
}
