//! `localhost.` is not a domain, wherever it comes from: nobody meets the data of `localhost` by it, and
//! none of that domain's users gets a second owner.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::bookmarks::pep::{
    ALICE, BOOKMARKS, Host, Step, asked, conference, grant, item, named, rooms, storage,
};
use super::health::delegate;
use super::stage::{Stage, get, request};
use crate::support::web;

const ASKED: &str = "<a xmlns='urn:x'/>";
const KEPT: &str = "<a xmlns='urn:x'>alice's</a>";

/// Runs a command in the component's folder; its exit code and what it says.
fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_xmpp-private-storage"))
        .current_dir(folder)
        .args(["--config", "component.toml"])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the program runs");
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

fn stage() -> Stage {
    let mut stage = Stage::new();
    stage.store(KEPT);
    stage
}

/// `localhost.` counted as `localhost`, while ejabberd takes it for another server's domain: whoever
/// speaks for that had the data of `alice@localhost`.
#[test]
fn who_asks_from_there_is_nobody() {
    let mut stage = stage();
    for from in [
        "alice@localhost.",
        "alice@localhost./phone",
        "ALICE@LOCALHOST.",
        "alice@localhost..",
        "\u{1f600}@localhost.",
        "localhost.",
        "@localhost.",
    ] {
        for (kind, element) in [
            ("get", ASKED),
            ("set", "<a xmlns='urn:x'>theirs</a>"),
            ("set", ASKED),
        ] {
            stage.send(request(kind, "1", from, element));
            stage.expect_error(&format!(
                "<iq type='error' id='1' from='private.localhost' to='{from}'>\
                 <query xmlns='jabber:iq:private'>{element}</query>\
                 <error type='modify' code='400'>\
                 <jid-malformed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
            ));
        }
    }
    stage.fetch(ASKED, KEPT);
}

#[test]
fn what_is_asked_there_is_anothers() {
    let mut stage = stage();
    let query = format!("<query xmlns='jabber:iq:private'>{ASKED}</query>");
    for to in [
        "alice@localhost.",
        "private.localhost.",
        "alice@private.localhost.",
    ] {
        stage.send(format!(
            "<iq type='get' id='1' from='alice@localhost/phone' to='{to}'>{query}</iq>"
        ));
        stage.expect_error(&format!(
            "<iq type='error' id='1' from='private.localhost' to='alice@localhost/phone'>{query}\
             <error type='auth' code='403'>\
             <forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
        ));
    }
}

#[test]
fn no_such_host_delegates_and_none_hands_over_such_a_user() {
    let mut stage = stage();
    for (host, from, to, condition) in [
        (
            "localhost.",
            "alice@localhost",
            "alice@localhost",
            "service-unavailable",
        ),
        (
            "localhost.",
            "alice@localhost.",
            "alice@localhost.",
            "jid-malformed",
        ),
        (
            "localhost",
            "alice@localhost.",
            "alice@localhost",
            "jid-malformed",
        ),
        (
            "localhost",
            "alice@localhost",
            "alice@localhost.",
            "forbidden",
        ),
    ] {
        for inside in [ASKED, "<a xmlns='urn:x'>theirs</a>"] {
            stage.send(format!(
                "<iq type='set' id='d' from='{host}' to='private.localhost'>\
                 <delegation xmlns='urn:xmpp:delegation:2'><forwarded xmlns='urn:xmpp:forward:0'>\
                 <iq xmlns='jabber:client' type='set' id='1' from='{from}/x' to='{to}'>\
                 <query xmlns='jabber:iq:private'>{inside}</query></iq></forwarded></delegation></iq>"
            ));
            let answer = stage.next();
            assert!(
                answer.contains(condition) && !answer.contains("alice's"),
                "{answer}"
            );
        }
    }
    stage.fetch(ASKED, KEPT);
}

#[test]
fn no_such_host_is_believed_that_it_delegates() {
    let mut stage = Stage::with_access("delegation = \"required\"");
    delegate(&mut stage, "localhost.");
    delegate(&mut stage, "test2.localhost");
    stage.expect_nothing();
    let data = stage.component.folder().join("data");
    let told = web::control(&data, "/readyz");
    assert_eq!(
        (told.status, &*told.body),
        (503, "not delegated by localhost")
    );
}

#[test]
fn no_such_host_grants_anything_or_says_who_is_gone() {
    let mut stage = stage();
    stage.send(grant("localhost."));
    stage.store(&storage(&conference("tea@muc.localhost", "Tea")));
    stage.fetch(BOOKMARKS, &storage(&conference("tea@muc.localhost", "Tea")));
    for (from, jid) in [
        ("localhost.", "alice@localhost"),
        ("localhost", "alice@localhost."),
        ("localhost.", "alice@localhost."),
    ] {
        stage.send(format!(
            "<iq type='set' id='f' from='{from}' to='private.localhost'>\
             <forget xmlns='urn:xmpp-private-storage:0' jid='{jid}'/></iq>"
        ));
        let answer = stage.next();
        assert!(answer.contains("jid-malformed"), "{answer}");
    }
    stage.fetch(ASKED, KEPT);
}

/// Only the very address that was asked answers.
#[test]
fn no_such_account_answers_for_pep() {
    let mut stage = Stage::new();
    stage.send(grant("localhost"));
    stage.send(get("1", BOOKMARKS));
    let fetch = asked(&mut stage);
    assert_eq!(fetch.step, Step::Fetch);
    let forged = fetch.items(&item("forged@muc.localhost", "Forged"));
    stage.send(forged.replace("from='alice@localhost'", "from='alice@localhost.'"));
    stage.send(fetch.items(&item("tea@muc.localhost", "Tea")));
    let answer = stage.next_with("id='1'");
    let expected = vec![("tea@muc.localhost".to_owned(), "Tea".to_owned())];
    assert_eq!(rooms(&answer), expected);
}

/// Whether it is the same room is the server's to say: neither is lost to the other, here or there.
#[test]
fn a_room_there_is_another_or_none() {
    let (tea, dot) = ("tea@muc.localhost", "tea@muc.localhost.");
    let mut host = Host::new();
    host.keep(dot, item(dot, "Other"));
    host.set(&(conference(tea, "Tea") + &conference(dot, "Dot")));
    host.settle();
    assert_eq!(host.kept(), [dot, tea]);
    let other = &host.nodes[ALICE][0].1;
    assert!(other.contains("Other"), "{other}");
    let mut shown = rooms(&host.get());
    shown.sort();
    assert_eq!(shown, named(&[(tea, "Tea"), (dot, "Dot")]));
}

#[test]
fn no_administrator_is_there() {
    let mut stage = Stage::with_access("admins = [\"root@localhost\"]");
    let command = |node: &str| {
        format!(
            "<command xmlns='http://jabber.org/protocol/commands' node='{node}' action='execute'/>"
        )
    };
    for (from, is_one) in [("root@localhost/x", true), ("root@localhost./x", false)] {
        let command = command("statistics");
        stage.send(format!(
            "<iq type='set' id='c' from='{from}' to='private.localhost'>{command}</iq>"
        ));
        let answer = stage.next();
        assert_eq!(answer.contains("type='result'"), is_one, "{answer}");
    }
}

#[test]
fn commands_refuse_it() {
    let stage = stage();
    let folder = stage.component.folder();
    fs::write(folder.join("list"), "alice@localhost.\n").expect("a file");
    for (arguments, code, said) in [
        (
            &["delete", "--yes", "alice@localhost."][..],
            64,
            "is not a user's address",
        ),
        (
            &["delete", "--yes", "--domain", "localhost."],
            64,
            "is not a domain",
        ),
        (
            &[
                "prune",
                "--yes",
                "--force",
                "--domain",
                "localhost.",
                "--registered",
                "list",
            ],
            64,
            "is not a domain",
        ),
        (
            &[
                "prune",
                "--yes",
                "--force",
                "--domain",
                "localhost",
                "--registered",
                "list",
            ],
            65,
            "is neither a user name",
        ),
        (
            &["export", "alice@localhost."],
            64,
            "is not a user's address",
        ),
    ] {
        let (found, told) = run(folder, arguments);
        assert_eq!(found, Some(code), "{arguments:?}: {told}");
        assert!(told.contains(said), "{told}");
    }
    let (_, exported) = run(folder, &["export"]);
    assert!(exported.contains("alice's"), "{exported}");
}

#[test]
fn imports_leave_it_out() {
    let mut stage = stage();
    let folder = stage.component.folder().to_owned();
    let query = "<query xmlns='jabber:iq:private'><a xmlns='urn:x'>imported</a></query>";
    let pie = format!(
        "<server-data xmlns='urn:xmpp:pie:0'><host jid='localhost.'><user name='alice'>{query}</user>\
         </host></server-data>"
    );
    fs::write(folder.join("in.xml"), pie).expect("a file");
    let private = folder.join("prosody/localhost%2e/private");
    fs::create_dir_all(&private).expect("a folder");
    let table = "return {\n\t[\"a:urn:x\"] = {\n\t\t[\"name\"] = \"a\";\n\t\t[\"attr\"] = {\n\t\t\t[\"xmlns\"] = \"urn:x\";\n\t\t};\n\t\t[1] = \"imported\";\n\t};\n};\n";
    fs::write(private.join("alice.dat"), table).expect("a file");
    for input in ["in.xml", "prosody"] {
        let (code, said) = run(&folder, &["import", "--replace", input]);
        assert_eq!(code, Some(1), "{said}");
        assert!(
            said.contains("localhost.") && said.contains("private data of 0 users"),
            "{said}"
        );
    }
    stage.fetch(ASKED, KEPT);
}

/// An import of `😀` of `LocalHost` was an owner whom no request ever names, and whom deleting all of
/// the domain passed over.
#[test]
fn an_account_that_jid_refuses_has_one_owner_however_its_domain_is_written() {
    let mut stage = Stage::new();
    let folder = stage.component.folder().to_owned();
    let pie = "<server-data xmlns='urn:xmpp:pie:0'><host jid='LocalHost'><user name='\u{1f600}'>\
         <query xmlns='jabber:iq:private'><a xmlns='urn:x'>imported</a></query></user>\
         </host></server-data>";
    fs::write(folder.join("in.xml"), pie).expect("a file");
    let (code, said) = run(&folder, &["import", "in.xml"]);
    assert_eq!(code, Some(0), "{said}");
    let got = |value: &str, from: &str| {
        format!(
            "<iq type='result' id='1' from='private.localhost' to='{from}'>\
             <query xmlns='jabber:iq:private'>{value}</query></iq>"
        )
    };
    for from in ["\u{1f600}@localhost", "\u{1f600}@LOCALHOST"] {
        stage.send(request("get", "1", from, ASKED));
        stage.expect(&got("<a xmlns='urn:x'>imported</a>", from));
    }
    let (code, said) = run(&folder, &["delete", "--yes", "--domain", "localhost"]);
    assert_eq!(code, Some(0), "{said}");
    stage.send(request("get", "1", "\u{1f600}@localhost", ASKED));
    stage.expect(&got(ASKED, "\u{1f600}@localhost"));
}
