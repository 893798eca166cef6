//! `import` tells the truth about what it was given, and `import` and `restore` take it from a pipe.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::{all_in, done, place, program, put_past_everything, refused, run, text};

fn document(hosts: &[(&str, &str)]) -> String {
    let host = |(host, users): &(&str, &str)| format!("<host jid='{host}'>{users}</host>");
    let hosts: String = hosts.iter().map(host).collect();
    format!("<server-data xmlns='urn:xmpp:pie:0'>{hosts}</server-data>")
}

fn user(name: &str, data: &str) -> String {
    format!("<user name='{name}'><query xmlns='jabber:iq:private'>{data}</query></user>")
}

/// All that is stored, a line for each element.
fn stored(folder: &Path) -> Vec<String> {
    let all = all_in(&folder.join("data")).into_iter();
    let of = |(owner, data): (String, xmpp_private_storage::store::OwnerData)| {
        let entries = data.entries.into_iter();
        entries.map(move |entry| format!("{owner} {}", entry.value.text))
    };
    all.flat_map(of).collect()
}

/// What it says with this on standard input, which it gets through a pipe.
fn fed(folder: &Path, arguments: &[&str], input: &[u8]) -> Output {
    let mut command = program(folder);
    command.args(arguments);
    feed(command, input)
}

fn feed(mut command: Command, input: &[u8]) -> Output {
    command.stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program runs");
    let mut pipe = child.stdin.take().expect("a pipe");
    // It may end before it has read all.
    let _ = pipe.write_all(input);
    drop(pipe);
    child.wait_with_output().expect("its end")
}

#[track_caller]
fn says(output: &Output, code: i32, parts: &[&str]) {
    let said = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for part in parts {
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
}

/// Such users were passed over without a word, and it ended with 0.
#[test]
fn what_is_in_no_place_of_the_format_is_named_and_counted() {
    let folder = place();
    let users = user("anna", "<a xmlns='urn:a'>1</a>")
        + "<User><Username>bert</Username></User>"
        + &user("carl", "<a xmlns='urn:a'>ü</a>");
    let nobodys = user("dora", "<a xmlns='urn:a'>1</a>");
    let file =
        document(&[("localhost", &users)]).replace("</server-data>", &(nobodys + "</server-data>"));
    // Of an encoding that was refused, and of which the rest is as above.
    let declared = format!("<?xml version='1.0' encoding='ISO-8859-1'?>{file}");
    let latin: Vec<u8> = declared
        .chars()
        .map(|c| u8::try_from(c).expect("a byte"))
        .collect();
    fs::write(folder.path().join("in.xml"), latin).expect("a file");
    says(
        &run(folder.path(), &["import", "in.xml"]),
        1,
        &[
            "in.xml:1:",
            "left out \"User\" with everything in it: XEP-0227 has <user name='…'>",
            "left out \"user\" with everything in it: XEP-0227 has <host jid='…'>",
            "imported private data of 2 users; elements: 2 new",
            "2 problems; each is named above",
        ],
    );
    assert_eq!(
        stored(folder.path()),
        [
            "anna@localhost <a xmlns='urn:a'>1</a>",
            "carl@localhost <a xmlns='urn:a'>ü</a>"
        ]
    );
}

/// A database was "neither … nor", and old files beside it were taken as if they were what Prosody uses.
#[test]
fn a_database_of_prosodys_is_answered_with_the_way_to_its_data() {
    let folder = place();
    let data = folder.path().join("prosody");
    fs::create_dir_all(data.join("localhost/private")).expect("a folder");
    fs::write(data.join("prosody.sqlite"), "SQLite format 3\0…").expect("a file");
    let table =
        "return { [\"a:urn:a\"] = { name = \"a\"; attr = { xmlns = \"urn:a\" }; \"old\" } };\n";
    fs::write(data.join("localhost/private/anna.dat"), table).expect("a file");
    let database = data.join("prosody.sqlite");
    says(
        &run(folder.path(), &["import", "prosody"]),
        1,
        &[
            "prosody.sqlite: this is an SQL database, which is not read; the files beside it may be older",
            "imported private data of 0 users",
            "hosts = { [\"localhost\"] = { \"private\" } };",
            &format!("database = \"{}\";", database.display()),
            "prosody-migrator --config ",
            "If Prosody does not use the database but the files beside it, add --ignore-database.",
        ],
    );
    assert_eq!(stored(folder.path()), [""; 0]);
    says(
        &run(folder.path(), &["import", "--ignore-database", "prosody"]),
        0,
        &["imported private data of 1 user; elements: 1 new"],
    );
    says(
        &run(
            folder.path(),
            &[
                "import",
                "prosody/localhost/private",
                "prosody/prosody.sqlite",
            ],
        ),
        1,
        &["2 problems"],
    );
    assert_eq!(
        stored(folder.path()),
        ["anna@localhost <a xmlns='urn:a'>old</a>"]
    );
}

/// Two users who become one are as one who comes twice: what came first stays, or makes way.
#[test]
fn a_domain_is_renamed_and_who_becomes_one_user_is_one() {
    let folder = place();
    let anna = user("anna", "<a xmlns='urn:a'>old</a><b xmlns='urn:b'>old</b>")
        + &user("ü", "<a xmlns='urn:a'>ü</a>");
    let file = document(&[
        ("localhost", &user("anna", "<a xmlns='urn:a'>new</a>")),
        ("Old.example", &anna),
        ("other.example", &user("otto", "<a xmlns='urn:a'>1</a>")),
    ]);
    fs::write(folder.path().join("in.xml"), file).expect("a file");
    let rename = [
        "--rename",
        "OLD.example=localhost",
        "--rename",
        "none.example=localhost",
    ];
    let import = |more: &[&str]| {
        run(
            folder.path(),
            &[&["import"], &rename[..], more, &["in.xml"]].concat(),
        )
    };
    // A dry run counted her second time as if it were the first.
    says(
        &import(&["--dry-run"]),
        1,
        &["would import private data of 3 users; elements: 3 new, 0 replaced, 1 kept as stored"],
    );
    // And it began a store; as root, before the service ever ran, one that the service could not open.
    assert!(!folder.path().join("data").exists());
    says(
        &import(&[]),
        1,
        &[
            "imported private data of 3 users; elements: 3 new, 0 replaced, 1 kept as stored",
            "left out 1 user of other.example",
            "--rename: there was no user of none.example",
        ],
    );
    let with = |value: &str| {
        [
            format!("anna@localhost <a xmlns='urn:a'>{value}</a>"),
            "anna@localhost <b xmlns='urn:b'>old</b>".to_owned(),
            "ü@localhost <a xmlns='urn:a'>ü</a>".to_owned(),
        ]
    };
    assert_eq!(stored(folder.path()), with("new"));
    says(
        &import(&["--replace"]),
        1,
        &["0 new, 1 replaced, 0 kept as stored, 3 the same"],
    );
    assert_eq!(stored(folder.path()), with("old"));
    for wrong in [
        &["--rename", "old.example"][..],
        &["--rename", "a=b", "--rename", "a=c"],
    ] {
        refused(
            folder.path(),
            &[&["import"], wrong, &["in.xml"]].concat(),
            64,
        );
    }
}

/// Between two stores there need be no file.
#[test]
fn an_export_and_a_backup_go_through_pipes() {
    let (from, to) = (place(), place());
    let users = user("anna", "<a xmlns='urn:a'>ü</a>") + &user("otto", "<a xmlns='urn:a'>1</a>");
    let file = document(&[("localhost", &users)]);
    says(
        &fed(from.path(), &["import", "-"], file.as_bytes()),
        0,
        &["2 users; elements: 2 new"],
    );
    let export = run(from.path(), &["export"]);
    says(
        &fed(to.path(), &["import", "-", "-"], &export.stdout),
        0,
        &["2 users; elements: 2 new"],
    );
    assert_eq!(stored(to.path()), stored(from.path()));
    let cut = &export.stdout[..export.stdout.len() - 9];
    says(
        &fed(to.path(), &["import", "-"], cut),
        1,
        &["standard input:", "the file ends too early"],
    );
    let table = b"return { };";
    let must_be = "standard input must be an XEP-0227 document";
    says(
        &fed(to.path(), &["import", "-"], table),
        1,
        &[must_be, "name that"],
    );

    let backup = run(from.path(), &["backup", "-"]).stdout;
    let empty = place();
    let path = empty.path();
    says(
        &fed(path, &["restore", "-"], &backup[..backup.len() - 1]),
        65,
        &["cannot restore standard input: it is cut off"],
    );
    assert!(!path.join("data").exists());
    let mut without_room = program(path);
    without_room
        .args(["restore", "/dev/stdin"])
        .env("TMPDIR", "/nowhere");
    says(
        &feed(without_room, &backup),
        65,
        &[
            "it cannot be kept in /nowhere",
            "TMPDIR names another folder",
        ],
    );
    says(
        &fed(path, &["restore", "-"], &backup),
        0,
        &["restored 2 users, 2 elements"],
    );
    assert_eq!(stored(path), stored(from.path()));

    // From a file that somebody has read the beginning of.
    fs::remove_dir_all(path.join("data")).expect("ours");
    fs::write(path.join("all.backup"), [b"# anna's\n", &*backup].concat()).expect("a file");
    let script = "read -r first; exec \"$0\" --config component.toml restore -";
    let output = Command::new("bash")
        .args(["-c", script, env!("CARGO_BIN_EXE_xmpp-private-storage")])
        .current_dir(path)
        .stdin(fs::File::open(path.join("all.backup")).expect("a file"))
        .output()
        .expect("bash");
    says(&output, 0, &["restored 2 users, 2 elements"]);
    assert_eq!(stored(path), stored(from.path()));
    done(path, &["stats"]);
}

/// It waited for ever, without a word, for somebody to type a backup.
#[test]
fn a_terminal_is_not_waited_for() {
    let folder = place();
    for (command, code, said) in [
        (
            "import -",
            64,
            "standard input is a terminal: pipe an XEP-0227 document",
        ),
        (
            "restore -",
            65,
            "cannot restore standard input: it is a terminal: pipe a backup",
        ),
    ] {
        let program = env!("CARGO_BIN_EXE_xmpp-private-storage");
        let command = format!("{program} --config component.toml {command}");
        let output = Command::new("script")
            .args(["-qec", &command, "/dev/null"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .output()
            .expect("script, of bsdutils");
        says(&output, code, &[said]);
    }
    assert!(!folder.path().join("data").exists());
}

/// They panicked, after the import was done; of a configuration that went nowhere nothing was said.
#[test]
fn nothing_panics_where_its_words_go_nowhere() {
    let folder = place();
    let file = document(&[("localhost", &user("anna", "<a xmlns='urn:a'>1</a>"))]);
    fs::write(folder.path().join("in.xml"), file).expect("a file");
    let into_the_void = |arguments: &[&str]| {
        let full = || fs::File::create("/dev/full").expect("Linux has it");
        let mut command = program(folder.path());
        command.args(arguments).stdout(full()).stderr(full());
        command.status().expect("the program runs").code()
    };
    assert_eq!(into_the_void(&["import", "in.xml"]), Some(0));
    assert_eq!(
        stored(folder.path()),
        ["anna@localhost <a xmlns='urn:a'>1</a>"]
    );
    assert_eq!(into_the_void(&["import", "none.xml"]), Some(1));
    let configuration = folder.path().join("component.toml");
    let toml = fs::read_to_string(&configuration).expect("it is ours");
    let toml = toml.replace("secret_file = \"nowhere\"", "secret = \"s3cret\"");
    fs::write(&configuration, toml).expect("it is ours");
    assert_eq!(into_the_void(&["print-config", "prosody"]), Some(73));
}

/// A name can be longer than that of a file may be: the export ended there, and nobody behind it could leave.
#[test]
fn a_name_that_is_too_long_for_a_file_costs_that_user_its_file_and_nobody_else() {
    let folder = place();
    let long = format!("{}@localhost", "l".repeat(245));
    let users = ["anna@localhost", &long, "otto@localhost"];
    let all = users.map(|user| (user, ("urn:a", "a"), "<a xmlns='urn:a'>1</a>"));
    put_past_everything(&folder.path().join("data"), &all);
    let said = refused(folder.path(), &["export", "--folder", "each"], 1);
    assert!(
        said.contains(&format!(
            "{long}: left out: the name is too long for a file"
        )),
        "{said}"
    );
    let files = fs::read_dir(folder.path().join("each")).expect("a folder");
    assert_eq!(files.count(), 2);
    let said = done(folder.path(), &["export"]);
    assert!(said.contains(&"l".repeat(245)), "{said}");
}
