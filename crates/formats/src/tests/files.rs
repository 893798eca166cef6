//! Files and folders, and what they may lead to.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{LIMITS, private, shown};
use crate::{Import, Stale};

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.path(file);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    /// What an import brings, with names of files as seen from the folder; sorted, since the
    /// order of a folder is nobody's.
    fn import(&self, path: &str) -> Vec<String> {
        self.import_with(path, Stale::LeaveOut)
    }

    fn import_with(&self, path: &str, stale: Stale) -> Vec<String> {
        let import = Import::of([self.path(path)], LIMITS, stale);
        let progress = import.progress();
        let mut lines: Vec<String> = shown(import)
            .into_iter()
            .map(|line| line.replace(&format!("{}/", self.0.path().display()), ""))
            .collect();
        assert_eq!(progress.done(), progress.total(), "{lines:#?}");
        lines.sort();
        lines
    }
}

fn main_file(includes: &[&str]) -> String {
    let includes: String = includes
        .iter()
        .map(|href| format!("<xi:include href='{href}'/>"))
        .collect();
    format!(
        "<?xml version='1.0' encoding='UTF-8'?><server-data xmlns='urn:xmpp:pie:0' \
         xmlns:xi='http://www.w3.org/2001/XInclude'>{includes}</server-data>"
    )
}

fn host_file(host: &str, users: &str) -> String {
    format!("<host xmlns='urn:xmpp:pie:0' jid='{host}'>{users}</host>")
}

const PRIVATE: &str = "return { [\"a:x\"] = { name = \"a\"; attr = { xmlns = \"x\" }; \"1\" } };\n";

#[test]
fn a_server_file_pulls_in_its_hosts_and_a_host_its_users() {
    let folder = Folder::new();
    folder.write("main.xml", &main_file(&["one.xml", "sub/two.xml"]));
    folder.write(
        "one.xml",
        &host_file("one", "<user name='a'/><user name='b'/>"),
    );
    let include = "<i:include xmlns:i='http://www.w3.org/2001/XInclude' href='c.xml'/>";
    folder.write(
        "sub/two.xml",
        &host_file("two", &format!("{include}<user name='d'/>")),
    );
    folder.write("sub/c.xml", "<user xmlns='urn:xmpp:pie:0' name='c'/>");
    assert_eq!(
        folder.import("main.xml"),
        ["a@one", "b@one", "c@two", "d@two"]
    );
    assert_eq!(folder.import("one.xml"), ["a@one", "b@one"]);
}

#[test]
fn in_a_folder_every_file_is_read_once_whether_included_or_not() {
    let folder = Folder::new();
    folder.write("20261120.xml", &main_file(&["20261120_one.xml"]));
    folder.write("20261120_one.xml", &host_file("one", "<user name='a'/>"));
    folder.write("bob@h.xml", &private(""));
    folder.write("notes.txt", "no XML");
    folder.write("hosts.xml", &host_file("two", INCLUDE_USER));
    folder.write("a-user.xml", "<user xmlns='urn:xmpp:pie:0' name='c'/>");
    folder.write("z-user.xml", "<user xmlns='urn:xmpp:pie:0' name='d'/>");
    folder.write("orphan.xml", "<user xmlns='urn:xmpp:pie:0' name='e'/>");
    let lines = folder.import("");
    assert!(lines[0].starts_with("! orphan.xml:1:1 (byte 0): this file describes a user"));
    assert_eq!(lines[1..], ["a@one", "c@two", "d@two", "u@h"]);
}

const INCLUDE_USER: &str = "<i:include xmlns:i='http://www.w3.org/2001/XInclude' \
    href='a-user.xml'/><i:include xmlns:i='http://www.w3.org/2001/XInclude' href='z-user.xml'/>";

#[test]
fn nothing_outside_of_the_folder_is_included() {
    let folder = Folder::new();
    folder.write("secret.xml", &host_file("secret", "<user name='a'/>"));
    let absolute = "/secret.xml";
    symlink(folder.path("secret.xml"), {
        folder.write("in/x", "");
        folder.path("in/link.xml")
    })
    .expect("a link");
    symlink(folder.path(""), folder.path("in/up")).expect("a link");
    for (href, why) in [
        ("../secret.xml", "it leads out of the folder through .."),
        (
            "x/../../secret.xml",
            "it leads out of the folder through ..",
        ),
        (absolute, "it is an absolute path"),
        (
            "link.xml",
            "it leads out of the folder through a symbolic link",
        ),
        (
            "up/secret.xml",
            "it leads out of the folder through a symbolic link",
        ),
        ("file:secret.xml", "it is a URL"),
        ("http://example.org/x.xml", "it is a URL"),
        ("//example.org/x.xml", "it is an absolute path"),
        ("..\\secret.xml", "a character that is not allowed"),
        ("x#y", "a character that is not allowed"),
        ("", "it has no name"),
        ("missing.xml", "No such file"),
        (".", "it is not a file"),
    ] {
        folder.write("in/main.xml", &main_file(&[href]));
        let lines = folder.import("in/main.xml");
        assert_eq!(lines.len(), 1, "{lines:?}");
        let named = format!("the file {href:?} was not included: ");
        assert!(lines[0].starts_with("! in/main.xml:1:"), "{}", lines[0]);
        assert!(
            lines[0].contains(&named) && lines[0].contains(why),
            "{why}: {}",
            lines[0]
        );
    }
}

#[test]
fn circles_and_repetitions_are_read_once() {
    let folder = Folder::new();
    folder.write(
        "main.xml",
        &main_file(&["main.xml", "one.xml", "./one.xml"]),
    );
    let circle = "<i:include xmlns:i='http://www.w3.org/2001/XInclude' href='one.xml'/>";
    folder.write(
        "one.xml",
        &host_file("one", &format!("<user name='a'/>{circle}")),
    );
    let lines = folder.import("main.xml");
    assert_eq!(lines.len(), 4, "{lines:#?}");
    assert_eq!(lines[3], "a@one");
    let said = |why: &str| lines.iter().filter(|line| line.ends_with(why)).count();
    assert_eq!(
        (said("it includes itself"), said("it has been read already")),
        (2, 1)
    );
}

#[test]
fn what_is_included_must_fit_its_place() {
    let folder = Folder::new();
    folder.write(
        "main.xml",
        &main_file(&["other.xml", "user.xml", "bad.xml", "one.xml"]),
    );
    folder.write("other.xml", &main_file(&[]));
    folder.write("user.xml", "<user xmlns='urn:xmpp:pie:0' name='a'/>");
    folder.write("bad.xml", "<host");
    folder.write("one.xml", &host_file("one", "<user name='a'/>"));
    let lines = folder.import("main.xml");
    assert_eq!(lines.len(), 4, "{lines:#?}");
    assert!(
        lines[0].starts_with("! bad.xml:1:6 (byte 5): the file ends"),
        "{}",
        lines[0]
    );
    assert!(lines[1].starts_with("! other.xml:1:") && lines[1].contains("included here"));
    assert!(lines[2].starts_with("! user.xml:1:") && lines[2].contains("included here"));
    assert_eq!(lines[3], "a@one");
    for attribute in ["parse='text'", "xpointer='x'"] {
        let main = main_file(&["one.xml"]).replace("/></s", &format!(" {attribute}/></s"));
        folder.write("main.xml", &main);
        assert!(folder.import("main.xml")[0].contains("only whole XML files"));
    }
}

#[test]
fn the_folder_of_prosody_or_of_one_host_in_it() {
    let folder = Folder::new();
    folder.write("data/example%2eorg/private/a%2eb.dat", PRIVATE);
    folder.write("data/example%2eorg/private/a%2eb.dat~", "half written");
    folder.write("data/example%2eorg/private/a%2eb.list", "item({});");
    folder.write(
        "data/example%2eorg/accounts/carol.dat",
        "return { password = \"x\" };",
    );
    folder.write("data/example%2eorg/pep/carol.dat", "return {};");
    folder.write("data/other/private/%c3%bc.dat", PRIVATE);
    folder.write("data/other/roster/x.dat", "return {};");
    let one = "a.b@example.org";
    let both = [
        "  1 <a xmlns='x'>1</a>",
        "  1 <a xmlns='x'>1</a>",
        one,
        "ü@other",
    ];
    assert_eq!(folder.import("data"), both);
    assert_eq!(
        folder.import("data/example%2eorg"),
        ["  1 <a xmlns='x'>1</a>", one]
    );
    let file = "data/example%2eorg/private/a%2eb.dat";
    assert_eq!(folder.import(file), ["  1 <a xmlns='x'>1</a>", one]);
    let barren = folder.import("data/example%2eorg/accounts");
    let why = "nothing in this folder is an XEP-0227 file (*.xml) or private data of Prosody's";
    assert!(barren[0].contains(why), "{barren:?}");
}

/// It was "neither … nor".
#[test]
fn the_folder_of_one_hosts_private_data() {
    let folder = Folder::new();
    folder.write("data/example%2eorg/private/a.dat", PRIVATE);
    folder.write("data/example%2eorg/private/b.dat", PRIVATE);
    folder.write("outside", PRIVATE);
    let both = [
        "  1 <a xmlns='x'>1</a>",
        "  1 <a xmlns='x'>1</a>",
        "a@example.org",
        "b@example.org",
    ];
    assert_eq!(folder.import("data/example%2eorg/private"), both);
    assert_eq!(folder.import("data/example%2eorg/private/"), both);
    let (link, data) = (
        folder.path("link"),
        folder.path("data/example%2eorg/private"),
    );
    symlink(&data, link).expect("a link");
    assert_eq!(folder.import("link"), both);
    symlink(folder.path("outside"), data.join("c.dat")).expect("a link");
    let lines = folder.import("data/example%2eorg/private");
    assert!(
        lines[2..]
            .iter()
            .any(|line| line.contains("through a symbolic link")),
        "{lines:?}"
    );
    // Another folder of that name.
    folder.write("mine/private/all.XML", &private(""));
    assert_eq!(folder.import("mine/private"), ["u@h"]);
}

/// Two hosts with one folder, or one that was given another name: the users of the one were imported twice, and those of
/// the other not at all.
#[test]
fn a_host_is_named_as_its_folder_is_wherever_that_leads() {
    let folder = Folder::new();
    folder.write("data/old%2eexample/private/a.dat", PRIVATE);
    symlink("old%2eexample", folder.path("data/new%2eexample")).expect("a link");
    let one = "  1 <a xmlns='x'>1</a>";
    let both = [one, one, "a@new.example", "a@old.example"];
    assert_eq!(folder.import("data"), both);
    for named in ["", "/", "/private", "/private/", "/private/a.dat"] {
        let named = format!("data/new%2eexample{named}");
        assert_eq!(folder.import(&named), [one, "a@new.example"], "{named}");
    }
}

/// The folder of a host that could not be looked into was passed over without a word.
#[test]
fn a_host_whose_folder_cannot_be_entered_is_named() {
    let folder = Folder::new();
    folder.write("data/one%2eexample/private/a.dat", PRIVATE);
    folder.write("data/two%2eexample/accounts/a.dat", PRIVATE);
    symlink("private", folder.path("data/two%2eexample/private")).expect("a link");
    let lines = folder.import("data");
    assert_eq!(lines.len(), 3, "{lines:?}");
    let why = "data/two%2eexample/private: it cannot be read: ";
    assert!(lines.iter().any(|line| line.contains(why)), "{lines:?}");
}

/// Its files were imported as if Prosody had written them yesterday; a folder with the database alone was
/// "neither … nor".
#[test]
fn a_folder_with_a_database_is_left_out_unless_that_is_to_be_ignored() {
    const DATABASE: &str = "SQLite format 3\0and so on";
    let folder = Folder::new();
    folder.write("data/prosody.sqlite", DATABASE);
    let alone = "! data/prosody.sqlite: this is an SQL database, which is not read";
    assert_eq!(folder.import("data"), [alone]);
    let none = folder.import_with("data", Stale::Take);
    assert!(
        none[0].starts_with("! data: nothing in this folder"),
        "{none:?}"
    );

    folder.write("data/example%2eorg/private/a.dat", PRIVATE);
    folder.write("data/b@example.org.xml", &private(""));
    let beside =
        format!("{alone}; the files beside it may be older than what is in it, and were left out");
    for named in ["data", "data/example%2eorg", "data/example%2eorg/private"] {
        assert_eq!(folder.import(named), [beside.as_str()], "{named}");
        let taken = folder.import_with(named, Stale::Take);
        let of_folder = if named == "data" { vec!["u@h"] } else { vec![] };
        assert_eq!(
            taken,
            [vec!["  1 <a xmlns='x'>1</a>", "a@example.org"], of_folder].concat()
        );
    }
    assert_eq!(
        folder.import("data/example%2eorg/private/a.dat"),
        [beside.as_str()]
    );
    assert_eq!(folder.import("data/b@example.org.xml"), ["u@h"]);
    let itself = folder.import("data/prosody.sqlite");
    assert_eq!(
        itself,
        ["! data/prosody.sqlite:1:1 (byte 0): this is an SQL database, which is not read"]
    );

    // Nothing of the kind, and a pipe that nobody writes to.
    folder.write("data/prosody.sqlite", "SQLite format 2");
    std::os::unix::net::UnixListener::bind(folder.path("data/other.sqlite")).expect("a socket");
    assert_eq!(folder.import("data/example%2eorg").len(), 2);
}

/// A name in a reference is not always written as the file's is.
#[test]
fn included_names_are_references() {
    let folder = Folder::new();
    let names = ["a b.xml", "ü.xml", "a%2eb.xml", "100%.xml", "sub/c.xml"];
    for name in names {
        folder.write(&format!("in/{name}"), &host_file("h", "<user name='a'/>"));
    }
    folder.write("out.xml", &host_file("h", "<user name='a'/>"));
    for name in [
        "a%20b.xml",
        "%C3%bc.xml",
        "ü.xml",
        "a%2eb.xml",
        "100%.xml",
        "%73ub%2fc.xml",
    ] {
        folder.write("in/main.xml", &main_file(&[name]));
        assert_eq!(folder.import("in/main.xml"), ["a@h"], "{name}");
    }
    for (name, why) in [
        ("%2e%2e/out.xml", "it leads out of the folder through .."),
        ("%2Fetc%2Fpasswd", "it is an absolute path"),
        ("a%00b.xml", "a character that is not allowed"),
        ("file%3Aa.xml", "it is a URL"),
        ("%ff.xml", "No such file"),
    ] {
        folder.write("in/main.xml", &main_file(&[name]));
        let lines = folder.import("in/main.xml");
        assert!(
            lines.len() == 1 && lines[0].contains(why),
            "{name}: {lines:?}"
        );
    }
}

#[test]
fn names_that_are_no_addresses_and_links_that_lead_out_are_refused() {
    let folder = Folder::new();
    folder.write("data/h/private/a%40b.dat", PRIVATE);
    folder.write("data/h/private/a%2fb.dat", PRIVATE);
    folder.write("data/h/private/a%zz.dat", PRIVATE);
    folder.write("data/h/private/%ff.dat", PRIVATE);
    folder.write("secret", PRIVATE);
    symlink(
        folder.path("secret"),
        folder.path("data/h/private/link.dat"),
    )
    .expect("a link");
    let lines = folder.import("data");
    assert_eq!(lines.len(), 5, "{lines:#?}");
    let refused = |what: &str| lines.iter().filter(|line| line.contains(what)).count();
    assert_eq!(refused("is not an address"), 4);
    assert_eq!(refused("through a symbolic link"), 1);
}

#[test]
fn what_is_not_there_is_said() {
    let lines = shown(Import::of(
        [Path::new("/nowhere/at/all").into()],
        LIMITS,
        Stale::LeaveOut,
    ));
    assert_eq!(lines.len(), 1);
    assert!(lines[0].starts_with("! /nowhere/at/all: it cannot be read: No such file"));
}
