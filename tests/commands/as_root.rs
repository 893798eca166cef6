//! Commands that root types beside a folder of the service's, with the service stopped. Under the systemd unit
//! the folder is a link to one below a folder that only root may enter; every command failed there with
//! "cannot make the folder …: File exists", and with a service user of one's own, files that only root may
//! write were "Permission denied".

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;

use super::{done, place, program, refused, text};

/// A user without an account here.
const SERVICE: u32 = 54_321;

/// As systemd makes it for a unit with DynamicUser and StateDirectory.
fn state_directory(folder: &Path) {
    let private = folder.join("private");
    fs::create_dir(&private).expect("a folder");
    fs::set_permissions(&private, Permissions::from_mode(0o700)).expect("ours");
    let state = private.join("state");
    fs::create_dir(&state).expect("a folder");
    fs::set_permissions(&state, Permissions::from_mode(0o700)).expect("ours");
    // Nobody else can give a folder away, and then all of it is about one user.
    if rustix::process::geteuid().is_root() {
        chown(&state, Some(SERVICE), Some(SERVICE)).expect("root may");
    }
}

/// All of it belongs to whom its folder does, or to us.
#[track_caller]
fn belong_to_the(owner_of: &Path, folder: &Path) -> usize {
    let owner = fs::metadata(owner_of).expect("there").uid();
    let mut files = 0;
    for entry in fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry").path();
        let found = fs::metadata(&entry).expect("a file");
        assert_eq!(found.uid(), owner, "{}", entry.display());
        files += 1;
        if found.is_dir() {
            files += belong_to_the(owner_of, &entry);
        }
    }
    files
}

/// The same command with this file, which only root may read, as its standard input.
#[track_caller]
fn done_with(folder: &Path, arguments: &[&str], input: &str) {
    let input = fs::File::open(folder.join(input)).expect("a file");
    let output = program(folder).args(arguments).stdin(input).output();
    let output = output.expect("the program runs");
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        text(&output.stderr)
    );
}

#[test]
fn every_command_works_where_only_root_gets_to() {
    let place = place();
    let folder = place.path();
    fs::set_permissions(folder, Permissions::from_mode(0o755)).expect("ours");
    state_directory(folder);
    symlink(folder.join("private/state"), folder.join("data")).expect("a link");
    let own = folder.join("own");
    fs::create_dir(&own).expect("a folder");
    fs::set_permissions(&own, Permissions::from_mode(0o700)).expect("ours");
    let document = "<server-data xmlns='urn:xmpp:pie:0'><host jid='localhost'><user name='anna'>\
                    <query xmlns='jabber:iq:private'><a xmlns='urn:a'>kept</a></query></user>\
                    <user name='otto'><query xmlns='jabber:iq:private'><a xmlns='urn:a'>too</a></query>\
                    </user></host></server-data>";
    for (name, text) in [("in.xml", document), ("accounts", "anna\n")] {
        fs::write(own.join(name), text).expect("a file");
        fs::set_permissions(own.join(name), Permissions::from_mode(0o600)).expect("ours");
    }

    done(folder, &["import", "own/in.xml"]);
    done_with(folder, &["import", "--replace", "-"], "own/in.xml");
    for commands in [
        &["stats"][..],
        &["backup", "own/all.backup"],
        &["backup", "--force", "own/all.backup"],
        &["export", "--output", "own/all.xml"],
        &["export", "--folder", "own/each"],
        &["compact"],
        &[
            "prune",
            "--domain",
            "localhost",
            "--registered",
            "own/accounts",
            "--yes",
            "--force",
        ],
        &["delete", "anna@localhost", "--yes"],
    ] {
        done(folder, commands);
    }
    assert!(belong_to_the(&folder.join("private/state"), &folder.join("private/state")) > 3);
    assert!(belong_to_the(folder, &own) > 5);
    let said = refused(folder, &["status"], 69);
    assert!(said.contains("no service runs on"), "{said}");
    refused(folder, &["backup", "own/all.backup"], 73);

    fs::remove_dir_all(folder.join("private")).expect("ours");
    state_directory(folder);
    done(folder, &["restore", "own/all.backup"]);
    fs::remove_dir_all(folder.join("private")).expect("ours");
    state_directory(folder);
    done_with(folder, &["restore", "-"], "own/all.backup");
    let said = done(folder, &["stats"]);
    assert!(said.contains("localhost"), "{said}");
    assert!(belong_to_the(&folder.join("private/state"), &folder.join("private/state")) > 3);
}
