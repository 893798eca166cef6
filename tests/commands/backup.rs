//! `backup` and `restore`: nothing that was acknowledged is missing, and nothing is half there.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use super::{
    all_in, data, database, done, mode, place, program, put_past_everything, refused, run, stopped,
    text,
};
use crate::scripted::stage::{Stage, request};

/// How many users store at the same time.
const USERS: usize = 20;

/// How many sets are under way at once.
const WINDOW: usize = 60;

/// How many sets are answered before the backup begins.
const BEFORE: usize = 300;

#[test]
fn a_backup_of_a_stopped_service_is_the_whole_store() {
    let stage = stopped();
    let folder = stage.component.folder();
    let said = done(folder, &["backup", "all.backup"]);
    assert!(
        said.starts_with("backed up 3 users, 6 elements, "),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
    assert_eq!(mode(&folder.join("all.backup")), 0o600);

    let other = place();
    let backup = folder.join("all.backup");
    let backup = backup.to_str().expect("UTF-8");
    let said = done(other.path(), &["restore", backup]);
    assert!(said.contains("restored 3 users, 6 elements, "), "{said}");
    let restored = all_in(&other.path().join("data"));
    assert_eq!(restored.len(), 3);
    assert_eq!(restored, all_in(&data(&stage)));
}

#[test]
fn a_backup_of_the_running_service_is_the_same_file() {
    let mut stage = stopped();
    let folder = stage.component.folder().to_owned();
    done(&folder, &["backup", "stopped"]);
    stage.component.restart();
    stage.let_in_again();
    done(&folder, &["backup", "running"]);
    let streamed = run(&folder, &["backup", "-"]);
    assert!(streamed.status.success());
    assert!(text(&streamed.stderr).starts_with("backed up 3 users"));
    let [stopped, running] = ["stopped", "running"].map(|name| fs::read(folder.join(name)));
    let running = running.expect("a backup");
    assert_eq!(stopped.expect("a backup"), running);
    assert_eq!(streamed.stdout, running);
}

/// Each set of a user replaces two elements of theirs, in two namespaces, by its number.
#[test]
fn a_backup_taken_under_load_has_all_that_was_acknowledged_before() {
    let mut stage = Stage::new();
    let folder = stage.component.folder().to_owned();
    let mut load = Load::default();
    while load.answered < BEFORE {
        load.step(&mut stage);
    }
    let before = load.acknowledged.clone();
    let mut backup = program(&folder)
        .args(["backup", "under-load"])
        .spawn()
        .expect("the program runs");
    let status = loop {
        load.step(&mut stage);
        if let Some(status) = backup.try_wait().expect("a child") {
            break status;
        }
    };
    assert!(status.success());
    assert!(load.answered > BEFORE + 10, "no sets were under way");

    let other = place();
    let backup = folder.join("under-load");
    done(other.path(), &["restore", backup.to_str().expect("UTF-8")]);
    let restored = all_in(&other.path().join("data"));
    assert_eq!(restored.len(), USERS);
    for (owner, owner_data) in restored {
        let user = owner.trim_start_matches("user").split('@').next();
        let user: usize = user.and_then(|it| it.parse().ok()).expect("a number");
        let numbers = owner_data.entries.iter().map(|entry| {
            let inner = entry.value.text.split(['>', '<']).nth(2);
            inner.and_then(|it| it.parse().ok()).expect("a number")
        });
        let numbers: Vec<usize> = numbers.collect();
        assert_eq!(numbers.len(), 2, "{owner}");
        assert_eq!(numbers[0], numbers[1], "{owner}: half of a set");
        assert!(
            numbers[0] >= before[&user],
            "{owner}: {numbers:?}, {before:?}"
        );
    }
}

/// With a folder nothing was noted of a restore that was cut short: the service that was started behind it took the part
/// for the whole, and clients stored over what was missing.
#[test]
fn what_a_restore_has_left_that_was_cut_short_is_used_by_nobody() {
    let text = format!("<e xmlns='urn:e'>{}</e>", "x".repeat(1 << 20));
    let from = place();
    let users: Vec<String> = (10..34).map(|user| format!("u{user}@localhost")).collect();
    let all: Vec<_> = users
        .iter()
        .map(|it| (&**it, ("urn:e", "e"), &*text))
        .collect();
    put_past_everything(&from.path().join("data"), &all);
    done(from.path(), &["backup", "all.backup"]);
    let backup = from.path().join("all.backup");
    let backup = backup.to_str().expect("UTF-8");

    let to = place();
    let whole = program(to.path());
    // More than what is kept free beside the database, and less than the database.
    let mut cut = Command::new("prlimit");
    cut.args(["--fsize=29360128", "--core=0"])
        .arg(whole.get_program());
    cut.args(whole.get_args()).args(["restore", backup]);
    let cut = cut
        .current_dir(to.path())
        .output()
        .expect("util-linux is there");
    assert!(!cut.status.success(), "{}", text_of(&cut));
    let config = fs::read_to_string(to.path().join("component.toml")).expect("a file");
    let config = config.replace("secret_file = \"nowhere\"", "secret = \"s3cret\"");
    fs::write(to.path().join("component.toml"), config).expect("a file");
    for command in [&["stats"][..], &["export"], &["restore", backup], &[]] {
        let said = refused(to.path(), command, 74);
        let words = "a backup is being restored into this store, or that was cut short, so it may hold only a \
                     part: move its folder away, and restore it again";
        assert!(said.contains(words), "{said}");
    }
    fs::remove_dir_all(to.path().join("data")).expect("a folder");
    done(to.path(), &["restore", backup]);
    assert_eq!(all_in(&to.path().join("data")).len(), users.len());
}

/// With `--force`, `/dev/stdout` was replaced by a file, for all programs of the machine; and that is what it was told to
/// do, as it is there already.
#[test]
fn nothing_but_a_file_is_replaced() {
    let stage = stopped();
    let folder = stage.component.folder();
    done(folder, &["backup", "all.backup"]);
    std::os::unix::fs::symlink("all.backup", folder.join("last.backup")).expect("a link");
    std::os::unix::fs::symlink("/dev/null", folder.join("null")).expect("a link");
    rustix::fs::mkfifoat(rustix::fs::CWD, folder.join("pipe"), 0o600.into()).expect("a pipe");
    for name in ["last.backup", "null", "pipe"] {
        for arguments in [&["backup", name][..], &["backup", "--force", name]] {
            let said = refused(folder, arguments, 73);
            assert!(
                said.contains("name a file, or - for standard output"),
                "{said}"
            );
        }
        let kind = fs::symlink_metadata(folder.join(name))
            .expect("it is there")
            .file_type();
        assert!(!kind.is_file(), "{name} was replaced");
    }
}

/// In a container the number of the process is the same each time: what one that was killed had left was in the way of all
/// that came after it.
#[test]
fn what_a_backup_has_left_that_was_killed_is_in_nobodys_way() {
    let stage = stopped();
    let folder = stage.component.folder();
    let script = "touch all.backup.$$.part; exec \"$@\"";
    let whole = program(folder);
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(whole.get_program());
    command
        .args(whole.get_args())
        .args(["backup", "all.backup"]);
    let output = command.current_dir(folder).output().expect("a shell");
    assert!(output.status.success(), "{}", text_of(&output));
}

fn text_of(output: &Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}

#[derive(Default)]
struct Load {
    sent: usize,
    answered: usize,
    /// Of each user, the last set that was answered.
    acknowledged: HashMap<usize, usize>,
}

impl Load {
    /// Waits for one answer, with as many sets under way as may be.
    fn step(&mut self, stage: &mut Stage) {
        while self.sent < self.answered + WINDOW {
            let number = self.sent;
            self.sent += 1;
            let from = format!("user{}@localhost/x", number % USERS);
            let elements = format!("<e xmlns='urn:a'>{number}</e><e xmlns='urn:b'>{number}</e>");
            stage.send(request("set", &format!("set-{number}"), &from, &elements));
        }
        let answer = stage.next();
        assert!(answer.contains("type='result'"), "{answer}");
        let id = answer
            .split("id='set-")
            .nth(1)
            .and_then(|rest| rest.split('\'').next());
        let number: usize = id.and_then(|id| id.parse().ok()).expect("a number");
        let last = self.acknowledged.entry(number % USERS).or_default();
        *last = number.max(*last);
        self.answered += 1;
    }
}

#[test]
fn a_file_that_is_there_is_replaced_only_when_told_so() {
    let stage = stopped();
    let folder = stage.component.folder();
    fs::write(folder.join("mine"), "precious").expect("a file");
    let said = refused(folder, &["backup", "mine"], 73);
    assert!(said.contains("mine") && said.contains("--force"), "{said}");
    assert_eq!(fs::read(folder.join("mine")).expect("a file"), b"precious");
    done(folder, &["backup", "--force", "mine"]);
    assert!(fs::read(folder.join("mine")).expect("a file").len() > 100);
    assert_eq!(mode(&folder.join("mine")), 0o600);

    let said = refused(folder, &["backup", "--force", "data"], 73);
    assert!(said.contains("it is a folder"), "{said}");
    let said = refused(folder, &["backup", "no/such/folder/file"], 73);
    assert!(said.contains("no/such/folder/file: No such file"), "{said}");
    let names = fs::read_dir(folder).expect("a folder").flatten();
    let left: Vec<_> = names.map(|entry| entry.file_name()).collect();
    assert_eq!(left.len(), 3, "something is left behind: {left:?}");
}

#[test]
fn a_restore_needs_a_stopped_service_and_an_empty_store() {
    let mut stage = stopped();
    let folder = stage.component.folder().to_owned();
    done(&folder, &["backup", "all.backup"]);
    let said = refused(&folder, &["restore", "all.backup"], 74);
    assert!(said.contains("is not empty"), "{said}");
    stage.component.restart();
    stage.let_in_again();
    let said = refused(&folder, &["restore", "all.backup"], 69);
    assert!(said.contains("stop it first"), "{said}");
}

/// Wherever it is cut and whatever is changed in it, nothing of it is put anywhere.
#[test]
fn a_cut_or_damaged_backup_is_refused_and_no_store_is_made() {
    let stage = stopped();
    let folder = stage.component.folder();
    done(folder, &["backup", "all.backup"]);
    let whole = fs::read(folder.join("all.backup")).expect("a backup");
    let other = place();
    let attempt = |bytes: &[u8], expected: &str| {
        fs::write(other.path().join("bad"), bytes).expect("a file");
        let said = refused(other.path(), &["restore", "bad"], 65);
        assert!(said.contains(expected), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(!other.path().join("data").exists(), "a store was made");
    };
    attempt(b"", "this is not a backup");
    attempt(&whole[..7], "this is not a backup");
    attempt(
        b"PK\x03\x04 and so on, for longer than any header",
        "this is not a backup",
    );
    let header = whole
        .iter()
        .position(|byte| *byte == b'\n')
        .expect("a header")
        + 1;
    for cut in [
        header,
        header + 3,
        whole.len() / 2,
        whole.len() - 16,
        whole.len() - 1,
    ] {
        attempt(&whole[..cut], "cut off");
    }
    for changed in [header + 5, header + 30, whole.len() / 2, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[changed] ^= 0x10;
        attempt(&bytes, "damaged at byte");
    }
    let said = refused(other.path(), &["restore", "missing"], 65);
    assert!(said.contains("missing: No such file"), "{said}");
}

#[test]
fn damaged_entries_are_named_and_the_rest_is_backed_up() {
    let stage = stopped();
    let folder = stage.component.folder();
    flip_record(&data(&stage), "jürgen@localhost\0urn:b\0b\0");
    let said = refused(folder, &["backup", "all.backup"], 1);
    assert!(
        said.contains("damaged, and so left out: jürgen@localhost \"urn:b\" \"b\""),
        "{said}"
    );
    assert!(said.contains("backed up 3 users, 5 elements"), "{said}");
    let other = place();
    let backup = folder.join("all.backup");
    let said = done(other.path(), &["restore", backup.to_str().expect("UTF-8")]);
    assert!(said.contains("jürgen@localhost \"urn:b\" \"b\""), "{said}");
    let restored = all_in(&other.path().join("data"));
    let entries: usize = restored.iter().map(|(_, it)| it.entries.len()).sum();
    assert_eq!((restored.len(), entries), (3, 5));
}

/// What could not be read counted as new, was kept as it was, and went on failing.
#[test]
fn an_import_replaces_what_is_damaged() {
    let stage = stopped();
    let folder = stage.component.folder();
    flip_record(&data(&stage), "jürgen@localhost\0urn:b\0b\0");
    let export = "<server-data xmlns='urn:xmpp:pie:0'><host jid='localhost'><user name='jürgen'>\
                  <query xmlns='jabber:iq:private'><b xmlns='urn:b'>anew</b></query>\
                  </user></host></server-data>";
    std::fs::write(folder.join("export.xml"), export).expect("a file");
    let said = done(folder, &["import", "export.xml"]);
    assert!(said.contains("1 replaced"), "{said}");
    let restored = all_in(&data(&stage));
    let entries = restored.iter().flat_map(|(_, it)| &it.entries);
    let texts: Vec<&str> = entries.map(|it| &*it.value.text).collect();
    assert!(texts.contains(&"<b xmlns='urn:b'>anew</b>"), "{texts:?}");
}

/// Changes one byte of a record, as a disk does.
fn flip_record(folder: &Path, key: &str) {
    let database = database(folder);
    let found = database.scan_prefix(key).next().expect("a record");
    let (key, value) = found.expect("readable");
    let mut value = value.to_vec();
    *value.last_mut().expect("not empty") ^= 1;
    database.insert(key, value).expect("written");
    database.flush().expect("flushed");
}

/// What is to be restored was within the limits of its day.
#[test]
fn limits_do_not_apply_to_a_restore() {
    let stage = stopped();
    done(stage.component.folder(), &["backup", "all.backup"]);
    let backup = stage.component.folder().join("all.backup");
    let other = place();
    let narrow = program(other.path())
        .env("PRIVATE_STORAGE_LIMITS_MAX_USER_ELEMENTS", "1")
        .arg("restore")
        .arg(&backup)
        .output();
    let narrow = narrow.expect("the program runs");
    assert!(narrow.status.success(), "{}", text(&narrow.stderr));
    assert_eq!(all_in(&other.path().join("data")).len(), 3);
}
