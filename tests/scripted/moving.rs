//! Moving in and out: `import` and `export`, beside the running service and without it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use super::stage::{Stage, get, set};

/// What ejabberd's `export_piefxis` and Prosody's storage write, in small.
const PIE: &str = "<?xml version='1.0' encoding='UTF-8'?>
<server-data xmlns='urn:xmpp:pie:0'><host jid='localhost'>
<user name='alice' password='x'><query xmlns='jabber:iq:private'>
<storage xmlns='storage:bookmarks'><conference jid='room@muc.localhost'/></storage>
<notes xmlns='urn:notes'>from the file</notes>
</query></user>
<user name='Bob'><query xmlns='jabber:iq:private'><roster xmlns='jabber:iq:roster'>x</roster></query></user>
</host><host jid='elsewhere.example'><user name='carol'><query xmlns='jabber:iq:private'>
<a xmlns='urn:a'>1</a></query></user></host></server-data>";

/// Runs a command in the component's folder.
fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xmpp-private-storage"));
    command
        .current_dir(folder)
        .args(["--config", "component.toml"])
        .args(arguments);
    command.output().expect("the program runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), output.stderr.as_slice()].concat())
        .into_owned()
}

#[track_caller]
fn lines_with(output: &Output, parts: &[&str], code: i32) {
    let said = said(output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for part in parts {
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
}

/// What alice has under these names.
fn stored(stage: &mut Stage, element: &str) -> String {
    stage.send(get("look", element));
    stage.next()
}

#[test]
fn an_import_beside_the_service_keeps_what_is_there_and_says_what_it_left_out() {
    let mut stage = Stage::new();
    stage.send(set("1", "<notes xmlns='urn:notes'>of today</notes>"));
    assert!(stage.next().contains("type='result'"));
    let folder = stage.component.folder().to_owned();
    fs::write(folder.join("in.xml"), PIE).expect("a file");

    let planned = run(&folder, &["import", "--dry-run", "in.xml"]);
    lines_with(
        &planned,
        &["would import private data of 2 users; elements: 2 new, 0 replaced, 1 kept"],
        1,
    );
    let bookmarks = "<storage xmlns='storage:bookmarks'/>";
    assert!(!stored(&mut stage, bookmarks).contains("room@muc"));

    let done = run(&folder, &["import", "in.xml"]);
    lines_with(
        &done,
        &[
            "imported private data of 2 users; elements: 2 new, 0 replaced, 1 kept as stored, 0 the same",
            "left out 1 user of elsewhere.example: access.domains does not name it",
            "1 element in the reserved namespace \"jabber:iq:roster\"",
            "access.reserved_namespaces = \"accept\"",
        ],
        1,
    );
    assert!(stored(&mut stage, bookmarks).contains("room@muc.localhost"));
    assert!(stored(&mut stage, "<notes xmlns='urn:notes'/>").contains("of today"));

    // Once more: nothing changes.
    let again = run(&folder, &["import", "in.xml"]);
    lines_with(
        &again,
        &["0 new, 0 replaced, 1 kept as stored, 2 the same"],
        1,
    );
    let replaced = run(&folder, &["import", "--replace", "in.xml"]);
    lines_with(
        &replaced,
        &["0 new, 1 replaced, 0 kept as stored, 2 the same"],
        1,
    );
    assert!(stored(&mut stage, "<notes xmlns='urn:notes'/>").contains("from the file"));
}

#[test]
fn what_is_exported_by_the_service_is_imported_without_it() {
    let mut stage = Stage::new();
    stage.send(set(
        "1",
        "<notes xmlns='urn:notes'>für &lt;alle&gt;</notes>",
    ));
    assert!(stage.next().contains("type='result'"));
    let folder = stage.component.folder().to_owned();
    let by_service = run(&folder, &["export"]);
    lines_with(
        &by_service,
        &["exported 1 user, 1 element", "name='alice'"],
        0,
    );
    assert!(
        run(&folder, &["export", "--output", "all.xml"])
            .status
            .success()
    );
    assert!(
        run(&folder, &["export", "--folder", "each"])
            .status
            .success()
    );
    lines_with(
        &run(&folder, &["export", "--output", "all.xml"]),
        &["all.xml", "exists"],
        73,
    );
    // A typo has no export that looks like one, and `delete` says the same.
    for command in [
        &["export", "bob@localhost", "--output", "bob.xml"][..],
        &["delete", "bob@localhost", "--yes"],
    ] {
        let nobody = run(&folder, command);
        lines_with(&nobody, &["bob@localhost has nothing stored"], 67);
        assert_eq!(nobody.stdout, b"");
    }
    assert!(!folder.join("bob.xml").exists());
    lines_with(
        &run(&folder, &["export", "bob@localhost", "alice@localhost"]),
        &["bob@localhost has nothing stored", "exported 1 user, "],
        1,
    );

    stage.component.stop();
    let without = run(&folder, &["export"]);
    assert_eq!(without.stdout, by_service.stdout);

    for (from, number) in [("all.xml", 1), ("each", 2)] {
        let other = folder.join(format!("other-{number}"));
        fs::create_dir(&other).expect("a folder");
        fs::copy(folder.join("component.toml"), other.join("component.toml")).expect("copied");
        lines_with(
            &run(&other, &["import", &format!("../{from}")]),
            &["imported private data of 1 user; elements: 1 new"],
            0,
        );
        assert_eq!(run(&other, &["export"]).stdout, by_service.stdout);
    }
}

/// Whoever left ejabberd's own copy behind and came back met there what they had deleted since: an import there
/// only adds. And bookmarks in a file take the place of those in PEP (ejabberd 23.10 and later).
#[test]
fn an_export_over_the_server_s_own_copy_empties_what_was_deleted_since() {
    let mut stage = Stage::new();
    let folder = stage.component.folder().to_owned();
    let ban = "<banned xmlns='jabber:ejabberd:banned'><reason>Spam</reason></banned>";
    let old = PIE.replace(
        "<notes",
        &format!("{ban}<other xmlns='urn:o&amp;'>1</other><notes"),
    );
    fs::write(folder.join("old.xml"), &old).expect("a file");
    let imported = run(&folder, &["import", "old.xml"]);
    lines_with(
        &imported,
        &[
            "elements: 4 new",
            "left out 1 ban: ejabberd keeps enforcing",
        ],
        1,
    );
    for element in [
        "<notes xmlns='urn:notes'/>",
        "<other xmlns='urn:o&amp;'/>",
        "<another xmlns='urn:o&amp;'>2</another>",
        "<storage xmlns='storage:bookmarks'/>",
    ] {
        stage.send(set("1", element));
        assert!(stage.next().contains("type='result'"));
    }

    let over = run(&folder, &["export", "--over", "old.xml"]);
    lines_with(
        &over,
        &[
            "exported 2 users, 2 elements",
            "<another xmlns='urn:o&amp;'>2</another>",
            "<user name='alice'><query xmlns='jabber:iq:private'>\
             <storage xmlns='storage:bookmarks'/><notes xmlns='urn:notes'/></query></user>",
            "wrote 2 elements of the server's own without content",
        ],
        0,
    );
    // What is not served here is not emptied, nor are bans.
    for part in ["carol", "banned", "<other"] {
        assert!(!said(&over).contains(part), "{}", said(&over));
    }
    let without = [
        "export",
        "--over",
        "old.xml",
        "--without",
        "storage:bookmarks",
        "--without",
        "urn:o&",
    ];
    let without = run(&folder, &without);
    lines_with(
        &without,
        &["exported 1 user, 1 element", "<notes xmlns='urn:notes'/>"],
        0,
    );
    for part in ["storage:bookmarks", "another"] {
        assert!(!said(&without).contains(part), "{}", said(&without));
    }
}

#[test]
fn a_broken_file_is_named_with_its_place_and_costs_nobody_else() {
    let stage = Stage::new();
    let folder = stage.component.folder().to_owned();
    let cut = PIE.find("<user name='Bob'").expect("Bob");
    fs::write(folder.join("cut.xml"), &PIE[..cut + 40]).expect("a file");
    let done = run(&folder, &["import", "cut.xml"]);
    lines_with(
        &done,
        &[
            "cut.xml:",
            "imported private data of 1 user; elements: 2 new",
        ],
        1,
    );
    lines_with(
        &run(&folder, &["import", "nothing.xml"]),
        &["nothing.xml"],
        1,
    );
    lines_with(&run(&folder, &["import"]), &["<PATH>"], 64);
}

#[test]
fn a_user_over_the_limits_is_left_out_whole() {
    let mut stage = Stage::with("[limits]\nmax_user_elements = 1\n");
    let folder = stage.component.folder().to_owned();
    fs::write(folder.join("in.xml"), PIE).expect("a file");
    let done = run(&folder, &["import", "in.xml"]);
    lines_with(
        &done,
        &[
            "alice@localhost",
            "left out",
            "imported private data of 1 user;",
        ],
        1,
    );
    assert!(!stored(&mut stage, "<notes xmlns='urn:notes'/>").contains("from the file"));
}

#[test]
fn a_reading_command_makes_no_store() {
    let stage = Stage::new();
    let folder = stage.component.folder().join("empty");
    fs::create_dir(&folder).expect("a folder");
    fs::copy(
        stage.component.folder().join("component.toml"),
        folder.join("component.toml"),
    )
    .expect("copied");
    lines_with(&run(&folder, &["export"]), &["there is no store in"], 74);
    assert!(!folder.join("data").exists());
}
