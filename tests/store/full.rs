//! The disk is full. Disks fill up at night, with somebody else's files: the service must still
//! serve what it has, say what is wrong, and go on by itself as soon as there is space.

use std::fs;
use std::process::Command;
use std::time::Duration;

use super::small_disk::SmallDisk;
use super::{assert_failed, assert_full, is_result, keeping, numbered};
use super::{stage, try_get, try_set};
use crate::scripted::bookmarks::pep::{Host, conference};
use crate::scripted::stage::Stage;
use crate::support::clock::eventually;
use crate::support::router::PATIENCE;

const MIB: u64 = 300;

/// 2,000 bytes that no element holds by default.
fn text() -> String {
    "x".repeat(2000)
}

#[test]
fn a_nearly_full_disk_takes_deletes_and_shrinking_and_nothing_else() {
    let mut disk = SmallDisk::new(MIB);
    let under = [disk.inside(), keeping(&disk.store())].concat();
    let mut stage = stage(under);
    stage.store(&numbered(1, &text()));
    stage.store(&numbered(2, &text()));
    disk.fill_up_to(60);
    // How much space there is is looked at once a second.
    std::thread::sleep(Duration::from_millis(1100));
    for grows in [
        numbered(3, "y"),
        numbered(1, &(text() + "y")),
        numbered(1, &text()),
    ] {
        assert_full(&try_set(&mut stage, &grows));
    }
    assert!(is_result(&try_set(&mut stage, &numbered(1, "less"))));
    assert!(is_result(&try_set(&mut stage, &numbered(2, ""))));
    stage.fetch(&numbered(1, ""), &numbered(1, "less"));
    stage.fetch(&numbered(2, ""), &numbered(1, "less"));
    stage.component.wait_for_log(
        "the disk of the store is nearly full: until there is space again, users can only delete",
        PATIENCE,
    );
    let (code, said) = check(&mut disk, "data");
    assert_eq!(code, Some(74), "{said}");
    assert!(
        said.contains("[ok] store: ") && said.contains(", in use by the service"),
        "{said}"
    );
    assert!(said.contains(" MiB free, and 64.0 MiB is needed"), "{said}");
    disk.empty();
    eventually("sets work again", || {
        is_result(&try_set(&mut stage, &numbered(3, "y")))
    });
    stage.component.wait_for_log("has space again", PATIENCE);
    assert!(stage.component.stop().success());
    let warnings = stage.component.log();
    let warnings = warnings.iter().filter(|line| line.contains("nearly full"));
    assert_eq!(warnings.count(), 1);
}

/// What a client leaves alone is noted before its set is stored, for which such a disk has no room: nobody could delete a room.
#[test]
fn a_nearly_full_disk_takes_shorter_lists_of_rooms() {
    let mut disk = SmallDisk::new(MIB);
    let under = [disk.inside(), keeping(&disk.store())].concat();
    let mut host = Host::on(stage(under));
    let [a, b, c] = ["a", "b", "c"].map(|it| format!("{it}@muc.localhost"));
    host.set(&(conference(&a, &text()) + &conference(&b, "B") + &conference(&c, "C")));
    host.get();
    disk.fill_up_to(60);
    // How much space there is is looked at once a second.
    std::thread::sleep(Duration::from_millis(1100));
    host.set(&(conference(&a, "less") + &conference(&b, "B") + &conference(&c, "C")));
    host.set(&conference(&a, "less"));
    host.settle();
    assert_eq!(host.kept(), [&a]);
}

/// Runs `check` for a store in this folder of the disk; its exit code, and what it says.
fn check(disk: &mut SmallDisk, folder: &str) -> (Option<i32>, String) {
    told(disk, folder, &["check"])
}

/// The same of any command.
fn told(disk: &mut SmallDisk, folder: &str, command: &[&str]) -> (Option<i32>, String) {
    let path = disk.store().with_file_name(folder);
    let under = [disk.inside(), keeping(&path)].concat();
    let output = Command::new(&under[0])
        .args(&under[1..])
        .arg("PRIVATE_STORAGE_COMPONENT_JID=private.localhost")
        .arg("PRIVATE_STORAGE_COMPONENT_SECRET=s3cret")
        .arg(env!("CARGO_BIN_EXE_xmpp-private-storage"))
        .args(command)
        .env("LC_ALL", "C")
        .output()
        .expect("the program runs");
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

/// The first user that did not fit was the only one that was named, as if all others had been imported.
#[test]
fn an_import_that_stops_in_the_middle_says_so() {
    let mut disk = SmallDisk::new(MIB);
    assert_eq!(check(&mut disk, "data").0, Some(0));
    let user = |name| {
        let data = format!("<e xmlns='urn:e'>{}</e>", text());
        format!("<user name='{name}'><query xmlns='jabber:iq:private'>{data}</query></user>")
    };
    let users = user("anna") + &user("otto");
    let file = tempfile::NamedTempFile::new().expect("a file");
    let document = format!("<host jid='localhost'>{users}</host>");
    let document = format!("<server-data xmlns='urn:xmpp:pie:0'>{document}</server-data>");
    fs::write(file.path(), document).expect("a file");
    disk.fill_up_to(60);
    let file = file.path().to_str().expect("UTF-8").to_owned();
    let (code, said) = told(&mut disk, "data", &["import", &file]);
    assert_eq!(code, Some(74), "{said}");
    assert!(said.contains("anna@localhost: left out: "), "{said}");
    assert!(
        said.contains("not a complete import: with the user named last it stopped"),
        "{said}"
    );
}

/// It said ✓ of a disk with not a byte free.
#[test]
fn a_check_of_a_full_disk_says_how_much_is_needed() {
    let mut disk = SmallDisk::new(MIB);
    assert_eq!(check(&mut disk, "data").0, Some(0));
    disk.fill_up_to(0);
    let (code, said) = check(&mut disk, "data");
    assert_eq!(code, Some(74), "{said}");
    assert!(said.contains("[x] space: the disk of "), "{said}");
    assert!(said.contains(" free, and 64.0 MiB is needed"), "{said}");
    disk.fill_up_to(0);
    let (code, said) = check(&mut disk, "new");
    assert_eq!(code, Some(74), "{said}");
    assert!(said.contains("[x] store: no space left to open"), "{said}");
    assert!(said.contains("free at least 64 MiB"), "{said}");
}

/// Has somebody else's file take the last page after it was looked whether there is space, and sets
/// until one is not carried out: whether that is because a write failed.
fn fills_up_in_time(
    disk: &mut SmallDisk,
    stage: &mut Stage,
    acknowledged: &mut Vec<usize>,
) -> bool {
    disk.fill_up_to(70);
    eventually("there is space", || {
        is_result(&try_set(stage, &numbered(0, "first")))
    });
    disk.fill_up();
    let begin = acknowledged.last().map_or(1, |last| last + 1);
    for number in begin.. {
        let answer = try_set(stage, &numbered(number, &text()));
        if !is_result(&answer) {
            let failed = !answer.contains("resource-constraint");
            if failed {
                assert_failed(&answer);
            }
            return failed;
        }
        acknowledged.push(number);
    }
    unreachable!("the numbers have no end")
}

/// Somebody else's file takes the last page faster than we look.
#[test]
fn a_disk_that_fills_up_under_our_hands_costs_nothing_that_was_acknowledged() {
    let mut disk = SmallDisk::new(MIB);
    let under = [disk.inside(), keeping(&disk.store())].concat();
    let mut stage = stage(under.clone());
    let ballast = disk.outside().join("data/ballast");
    assert_eq!(fs::metadata(&ballast).expect("ballast").len(), 24 << 20);

    let mut acknowledged = Vec::new();
    // Where the machine is so busy that there is another look before the last page is taken, growth is
    // refused and nothing happens: once more.
    let mut attempts = 0..20;
    while !fills_up_in_time(&mut disk, &mut stage, &mut acknowledged) {
        attempts.next().expect("time to fill the disk");
    }
    let line = stage
        .component
        .wait_for_log("the store has failed", PATIENCE);
    assert!(line.contains("No space left on device"), "{line}");

    // The reserved space is given up, and what was acknowledged is served again.
    eventually("gets work again", || {
        is_result(&try_get(&mut stage, &numbered(0, "")))
    });
    assert!(!ballast.exists());
    for number in &acknowledged {
        stage.fetch(&numbered(*number, ""), &numbered(*number, &text()));
    }
    assert_full(&try_set(&mut stage, "<late xmlns='urn:x'>more</late>"));
    assert!(is_result(&try_set(&mut stage, &numbered(0, ""))));

    disk.empty();
    eventually("sets work again", || {
        is_result(&try_set(&mut stage, "<late xmlns='urn:x'>more</late>"))
    });
    eventually("ballast is put by again", || ballast.exists());
    let log = stage.component.log();
    let count = |part: &str| log.iter().filter(|line| line.contains(part)).count();
    assert_eq!(count("the store has failed"), 1, "{log:#?}");
    assert_eq!(count("the store works again"), 1, "{log:#?}");

    assert!(stage.component.stop().success());
    let mut stage = super::stage(under);
    for number in &acknowledged {
        stage.fetch(&numbered(*number, ""), &numbered(*number, &text()));
    }
}

#[test]
fn a_full_disk_without_ballast_refuses_the_start_and_names_the_folder() {
    let mut disk = SmallDisk::new(MIB);
    let under = [disk.inside(), keeping(&disk.store())].concat();
    let mut first = stage(under.clone());
    first.store(&numbered(1, &text()));
    first.component.kill();
    fs::remove_file(disk.outside().join("data/ballast")).expect("ballast");
    disk.fill_up_to(0);
    let said = super::refused(under.clone());
    assert!(
        said.contains("no space left to open the store in"),
        "{said}"
    );
    assert!(said.contains(&disk.store().display().to_string()), "{said}");
    assert!(said.contains("free at least 64 MiB"), "{said}");
    disk.empty();
    let mut second = stage(under);
    second.fetch(&numbered(1, ""), &numbered(1, &text()));
}
