//! Where a command finds no owners: it says why, and what to do.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;

use rustix::fs::{FlockOperation, flock};

use super::{data, done, place, program, refused, stopped, text};
use crate::scripted::stage::Stage;

const ASKING: [&[&str]; 3] = [&["stats"], &["backup", "-"], &["compact"]];

#[test]
fn no_store_is_told_and_none_is_made() {
    let folder = place();
    let data = folder.path().join("data");
    for arguments in ASKING {
        let said = refused(folder.path(), arguments, 74);
        assert!(
            said.contains(&format!("there is no store in {}", data.display())),
            "{said}"
        );
        assert!(said.contains("component.toml"), "{said}");
        assert!(!data.exists(), "{arguments:?}");
    }
}

#[test]
fn a_folder_of_something_else_is_left_as_it_is() {
    let folder = place();
    let data = folder.path().join("data");
    fs::create_dir(&data).expect("a folder");
    fs::write(data.join("db"), "another program's database").expect("a file");
    for arguments in ASKING {
        let said = refused(folder.path(), arguments, 78);
        assert!(said.contains("did not write"), "{said}");
    }
    let left = fs::read(data.join("db")).expect("a file");
    assert_eq!(left, b"another program's database");
    assert_eq!(fs::read_dir(&data).expect("a folder").count(), 1);
}

/// Whoever may not look into the folder is told whom to be.
#[test]
fn somebody_else_is_told_to_be_the_services_user() {
    if !rustix::process::geteuid().is_root() {
        // Nobody but root can be somebody else for a moment.
        return;
    }
    let stage = Stage::new();
    let folder = stage.component.folder();
    let open = |path, mode| fs::set_permissions(path, Permissions::from_mode(mode));
    open(folder.to_owned(), 0o755).expect("a folder of ours");
    open(folder.join("component.toml"), 0o644).expect("a file of ours");
    // The program itself may lie where others may not look.
    let place = tempfile::tempdir().expect("a folder");
    open(place.path().to_owned(), 0o755).expect("a folder of ours");
    let copy = place.path().join("program");
    fs::copy(env!("CARGO_BIN_EXE_xmpp-private-storage"), &copy).expect("a copy");
    let output = std::process::Command::new(copy)
        .current_dir(folder)
        .args(["--config", "component.toml", "stats"])
        .uid(54_321)
        .gid(54_321)
        .output()
        .expect("it runs");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(said.contains("Permission denied"), "{said}");
    assert!(
        said.contains("run this as the user that runs the service"),
        "{said}"
    );
}

/// Root opens the store of a service's user as that user, and reads and writes backups as root.
#[test]
fn root_leaves_no_file_of_its_own_in_the_folder() {
    let stage = stopped();
    let folder = stage.component.folder();
    let user = if rustix::process::geteuid().is_root() {
        for entry in fs::read_dir(data(&stage)).expect("a folder").flatten() {
            chown(entry.path(), Some(54_321), Some(54_321)).expect("root may");
        }
        chown(data(&stage), Some(54_321), Some(54_321)).expect("root may");
        fs::set_permissions(folder, Permissions::from_mode(0o755)).expect("a folder of ours");
        54_321
    } else {
        rustix::process::geteuid().as_raw()
    };
    done(folder, &["stats"]);
    done(folder, &["compact"]);
    for entry in fs::read_dir(data(&stage)).expect("a folder").flatten() {
        let owner = entry.metadata().expect("a file").uid();
        assert_eq!(owner, user, "{:?}", entry.path());
    }
    assert!(
        program(folder)
            .args(["backup", "-"])
            .output()
            .is_ok_and(|it| it.status.success())
    );
}

/// A service that has the store and has not begun to answer is waited for.
#[test]
fn a_store_in_use_by_nobody_who_answers_is_told() {
    let stage = stopped();
    let lock = File::open(data(&stage).join("lock")).expect("a lock");
    flock(&lock, FlockOperation::LockExclusive).expect("ours");
    let said = refused(stage.component.folder(), &["stats"], 69);
    assert!(said.contains("in use by another process"), "{said}");
    assert!(said.contains("try again"), "{said}");
    drop(lock);
    done(stage.component.folder(), &["stats"]);
}

/// An administrator's shell has no credential of the service manager's.
#[test]
fn what_needs_no_router_needs_no_secret() {
    let folder = place();
    let said = refused(folder.path(), &["healthcheck"], 69);
    let path = folder.path().display();
    assert!(
        said.contains(&format!("no service runs on {path}/data")),
        "{said}"
    );
    for arguments in [&["check"][..], &["run"], &["print-config", "prosody"]] {
        let said = refused(folder.path(), arguments, 78);
        let none = format!("secret_file: found no {path}/nowhere");
        assert!(said.contains(&none), "{said}");
    }
}
