//! `delete` and `prune`: what users had stored who are gone.

use std::io::Write;
use std::process::{Command, Stdio};

use super::stage::{Stage, request};

const GONE: &str = "<a xmlns='urn:x'/>";
const ELEMENT: &str = "<a xmlns='urn:x'>kept</a>";

/// Runs a command on the stage's data with this as its standard input: its exit code, and what it
/// says.
fn run(stage: &Stage, arguments: &[&str], input: &str) -> (i32, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_xmpp-private-storage"))
        .current_dir(stage.component.folder())
        .args(["--config", "component.toml"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program");
    // It need not read it at all.
    let _ = child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(input.as_bytes());
    let output = child.wait_with_output().expect("its end");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).expect("UTF-8");
    (output.status.code().expect("an exit code"), said)
}

/// These users have an element each.
fn stage_with(users: &[&str]) -> Stage {
    let mut stage = Stage::new();
    for user in users {
        stage.send(request("set", "1", user, ELEMENT));
        stage.expect(&format!(
            "<iq type='result' id='1' from='private.localhost' to='{user}'/>"
        ));
    }
    stage
}

/// Who of them still has it, according to the component.
fn expect(stage: &mut Stage, users: &[(&str, bool)]) {
    for (user, kept) in users {
        stage.send(request("get", "1", user, GONE));
        let element = if *kept { ELEMENT } else { GONE };
        stage.expect(&format!(
            "<iq type='result' id='1' from='private.localhost' to='{user}'>\
             <query xmlns='jabber:iq:private'>{element}</query></iq>"
        ));
    }
}

#[test]
fn a_user_is_deleted_however_the_address_is_written_and_nobody_else() {
    let mut stage = stage_with(&["alice@localhost", "bob@localhost"]);
    let (code, said) = run(&stage, &["delete", "ALICE@LocalHost", "--yes"], "");
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("removed 1 user, 1 element, 25 bytes"),
        "{said}"
    );
    assert!(said.contains("xmpp-private-storage compact"), "{said}");
    expect(
        &mut stage,
        &[("alice@localhost", false), ("bob@localhost", true)],
    );
}

#[test]
fn without_a_terminal_nothing_is_deleted_that_was_not_confirmed() {
    let mut stage = stage_with(&["alice@localhost"]);
    let (code, said) = run(&stage, &["delete", "alice@localhost"], "yes\n");
    assert_eq!(code, 64, "{said}");
    assert!(said.contains("add --yes"), "{said}");
    assert!(said.contains("1 user, 1 element, 25 bytes"), "{said}");
    expect(&mut stage, &[("alice@localhost", true)]);
}

#[test]
fn who_has_nothing_is_told_and_what_is_no_address_too() {
    let stage = stage_with(&["alice@localhost"]);
    for (arguments, expected, words) in [
        (
            &["delete", "bob@localhost", "--yes"][..],
            67,
            "bob@localhost has nothing stored",
        ),
        (
            &["delete", "--domain", "elsewhere.example", "--yes"],
            67,
            "no user of elsewhere.example",
        ),
        (
            &["delete", "localhost", "--yes"],
            64,
            "not a user's address",
        ),
        (
            &["delete", "alice@localhost/x", "--yes"],
            64,
            "not a user's address",
        ),
        (
            &["delete", "--domain", "a@b", "--yes"],
            64,
            "is not a domain",
        ),
        (&["delete", "--yes"], 64, "required"),
        (
            &["delete", "alice@localhost", "--domain", "localhost"],
            64,
            "cannot be used with",
        ),
    ] {
        let (code, said) = run(&stage, arguments, "");
        assert_eq!(code, expected, "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
}

#[test]
fn a_domain_is_deleted_and_compacted_and_no_other_domain() {
    let mut stage = stage_with(&["alice@localhost", "bob@localhost", "alice@test2.localhost"]);
    let (code, said) = run(
        &stage,
        &["delete", "--domain", "LOCALHOST", "--yes", "--compact"],
        "",
    );
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("removed 2 users, 2 elements, 50 bytes"),
        "{said}"
    );
    assert!(said.contains("compacted the store"), "{said}");
    expect(
        &mut stage,
        &[
            ("alice@localhost", false),
            ("bob@localhost", false),
            ("alice@test2.localhost", true),
        ],
    );
}

#[test]
fn it_works_without_the_service_as_well() {
    let mut stage = stage_with(&["alice@localhost", "bob@localhost"]);
    stage.component.stop();
    let (code, said) = run(
        &stage,
        &["delete", "alice@localhost", "--yes", "--compact"],
        "",
    );
    assert_eq!(code, 0, "{said}");
    stage.component.restart();
    stage.let_in_again();
    expect(
        &mut stage,
        &[("alice@localhost", false), ("bob@localhost", true)],
    );
}

const PRUNE: [&str; 5] = ["prune", "--domain", "localhost", "--registered", "-"];

fn prune(stage: &Stage, more: &[&str], list: &str) -> (i32, String) {
    run(stage, &[&PRUNE, more].concat(), list)
}

#[test]
fn who_has_no_account_is_shown_first_and_removed_with_yes() {
    let mut stage = stage_with(&[
        "alice@localhost",
        "bob@localhost",
        "carol@localhost",
        "carol@test2.localhost",
    ]);
    let list = "ALICE\nbob@localhost\ncarol@test2.localhost\ndave\nOK: Showing all 4 users\n";
    let (code, said) = prune(&stage, &[], list);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("carol@localhost: 1 element, 25 bytes\n"),
        "{said}"
    );
    assert!(
        said.contains("would remove 1 user, 1 element, 25 bytes;"),
        "{said}"
    );
    assert!(!said.contains("alice@"), "{said}");
    expect(&mut stage, &[("carol@localhost", true)]);

    let (code, said) = prune(&stage, &["--yes"], list);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("removed 1 user, 1 element, 25 bytes"),
        "{said}"
    );
    expect(
        &mut stage,
        &[
            ("alice@localhost", true),
            ("bob@localhost", true),
            ("carol@localhost", false),
            ("carol@test2.localhost", true),
        ],
    );
    let (code, said) = prune(&stage, &["--yes"], list);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("nothing to remove"), "{said}");
}

#[test]
fn a_list_that_cannot_be_right_removes_nothing() {
    let mut stage = stage_with(&["alice@localhost", "bob@localhost", "carol@localhost"]);
    for list in [
        "",
        "\n\n",
        "alice@elsewhere.example\n",
        "OK: Showing all 0 users\n",
        "alice\nError: No such host\n",
        "alice\n", // two of three would go
    ] {
        let (code, said) = prune(&stage, &["--yes"], list);
        assert_eq!(code, 65, "{list:?}: {said}");
        assert!(said.contains("nothing was removed"), "{list:?}: {said}");
    }
    let everybody = ["alice@localhost", "bob@localhost", "carol@localhost"];
    expect(&mut stage, &everybody.map(|user| (user, true)));

    let (code, said) = prune(&stage, &["--yes", "--force"], "alice\n");
    assert_eq!(code, 0, "{said}");
    expect(
        &mut stage,
        &[
            ("alice@localhost", true),
            ("bob@localhost", false),
            ("carol@localhost", false),
        ],
    );
    let (code, _) = prune(&stage, &["--yes", "--force"], "");
    assert_eq!(code, 65, "an empty list is none, whatever is forced");
}

/// As the example for systemd has it: a list whose command failed half-way is none.
#[test]
fn the_script_for_a_timer_makes_the_list_and_never_uses_half_of_one() {
    let mut stage = stage_with(&["alice@localhost", "bob@localhost"]);
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/packaging/prune/xmpp-private-storage-prune"
    );
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_xmpp-private-storage"));
    let folder = program.parent().expect("its folder").display();
    let path = format!("{folder}:{}", std::env::var("PATH").expect("a path"));
    let script_with = |stage: &Stage, list: &str| {
        let output = Command::new(script)
            .args(["localhost", "sh", "-c", list])
            .current_dir(stage.component.folder())
            .env("PATH", &path)
            .env("PRIVATE_STORAGE_CONFIG", "component.toml")
            .output()
            .expect("a shell");
        (output.status.code(), output.stderr)
    };
    let (code, said) = script_with(&stage, "echo alice; exit 3");
    let said = String::from_utf8_lossy(&said);
    assert_eq!(code, Some(65), "{said}");
    // It was advised to delete all that the domain has.
    assert!(
        said.contains("sh ended with 3, so there is no list"),
        "{said}"
    );
    assert!(
        said.contains("has probably failed") && !said.contains("delete"),
        "{said}"
    );
    expect(
        &mut stage,
        &[("alice@localhost", true), ("bob@localhost", true)],
    );
    let (code, _) = script_with(&stage, "echo alice");
    assert_eq!(code, Some(0));
    expect(
        &mut stage,
        &[("alice@localhost", true), ("bob@localhost", false)],
    );
}

/// A pipe with a name: its writer begins when it is opened, and so when all owners are known.
#[test]
fn the_list_is_opened_after_the_owners_are_read() {
    let mut stage = stage_with(&["alice@localhost", "bob@localhost"]);
    let pipe = stage.component.folder().join("list");
    let made = Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
    assert!(made.success());
    let mut child = Command::new(env!("CARGO_BIN_EXE_xmpp-private-storage"))
        .current_dir(stage.component.folder())
        .args([
            "--config",
            "component.toml",
            "prune",
            "--domain",
            "localhost",
            "--yes",
        ])
        .args(["--registered", "list"])
        .stdout(Stdio::null())
        .spawn()
        .expect("the program");
    let mut list = std::fs::File::options()
        .write(true)
        .open(&pipe)
        .expect("somebody who reads");
    // Carol registers only now, and the list was made before.
    stage.send(request("set", "1", "carol@localhost", ELEMENT));
    stage.expect("<iq type='result' id='1' from='private.localhost' to='carol@localhost'/>");
    list.write_all(b"alice\n").expect("a reader");
    drop(list);
    assert!(child.wait().expect("its end").success());
    expect(
        &mut stage,
        &[
            ("alice@localhost", true),
            ("bob@localhost", false),
            ("carol@localhost", true),
        ],
    );
}
