//! The log: an administrator reads the story of the service in it, and nobody reads what users
//! keep.

use std::process::Command;

use serde_json::Value;

use super::health::delegate;
use super::stage::{Stage, get, request, set};
use crate::support::component::Component;
use crate::support::router::{PATIENCE, Session};
use crate::support::{ports, server, web};

/// Words that nothing else would say.
const STORED: &str = "planted-text";
const NAMESPACE: &str = "urn:planted-namespace";
const USER: &str = "planted-user";
const PLANTED_SECRET: &str = "planted-secret";

/// A component in whose life everything happens that a log may tell of.
fn lived(log: &str) -> Component {
    let address = ports::address(ports::free());
    let mut stage = Stage::configured(|options| {
        options.secret = PLANTED_SECRET.to_owned();
        options.extra = format!(
            "[log]\n{log}\n[http]\nlisten = \"{address}\"\n[limits]\nmax_stanza_bytes = 10000\n\
             max_namespace_bytes = 2000\nmax_user_bytes = 3000\n"
        );
    });
    delegate(&mut stage, server::HOST);
    delegate(&mut stage, server::OTHER_HOST);
    let from = format!("{USER}@localhost/phone");
    let element = |text: &str| format!("<a xmlns='{NAMESPACE}'>{STORED}{text}</a>");
    let long = |bytes| "x".repeat(bytes);
    let mut asked = 0;
    for (kind, elements) in [
        ("set", element("")),
        ("get", format!("<a xmlns='{NAMESPACE}'/>")),
        ("set", element(&long(2_500))),
        ("set", element(&long(20_000))),
        ("set", element(&format!("<b {STORED}:c='d'/>"))),
        ("get", String::new()),
        ("walk", element("")),
    ] {
        stage.send(request(kind, "id", &from, &elements));
        asked += 1;
    }
    for to in ["private.localhost", "else@private.localhost"] {
        stage.send(format!(
            "<iq type='set' id='{STORED}' from='{from}' to='{to}'><q xmlns='{NAMESPACE}'>{STORED}</q></iq>\
             <message from='{from}' to='{to}'><body>{STORED}</body></message>\
             <presence type='subscribe' from='{from}' to='{to}'><status>{STORED}</status></presence>"
        ));
        asked += 2;
    }
    stage.send(format!(
        "<iq type='get' id='{STORED}'><q xmlns='{NAMESPACE}'/></iq>\
         <iq type='set' id='{STORED}' from='localhost' to='private.localhost'>\
         <delegation xmlns='urn:xmpp:delegation:2'>{STORED}</delegation></iq>"
    ));
    asked += 1;
    for _ in 0..asked {
        stage.next();
    }
    stage.expect_nothing();
    assert_eq!(web::get(address, "/metrics").status, 200);
    stage.lose_link();
    stage.let_in_again();
    settle(&mut stage);
    // What is no XML at all.
    stage.send(format!("<iq from='{from}'>{STORED}</message>"));
    stage.let_in_again();
    settle(&mut stage);
    assert!(stage.component.stop().success());
    stage.component.wait_for_log("stopped", PATIENCE);
    stage.component
}

/// Waits until all that was sent is done with, past answers that come again on a new link.
fn settle(session: &mut Session) {
    session.send(
        "<iq type='get' id='settled' from='localhost' to='private.localhost'>\
         <ping xmlns='urn:xmpp:ping'/></iq>",
    );
    session.next_with("id='settled'");
}

#[track_caller]
fn assert_absent(log: &[String], words: &[&str]) {
    for line in log {
        for word in words {
            assert!(!line.contains(word), "{word} in {line}");
        }
    }
}

#[test]
fn it_tells_the_story_in_a_few_lines() {
    let component = lived("level = \"info\"");
    let (log, folder) = (component.log(), component.folder().display());
    // Paths that say the same to whoever is in another folder.
    let first = format!(
        "xmpp-private-storage 0.1.0 keeps private storage for localhost, test2.localhost in \
         {folder}/data ({folder}/component.toml)"
    );
    let story = [
        first.as_str(),
        "status page at http://127.0.0.1:",
        "logged in to 127.0.0.1:",
        "delegation is active for localhost",
        "delegation is active for test2.localhost",
        "lost the link: ",
        " again, after ",
        "lost the link: what the server sent is not XML",
        " again, after ",
        "stopping: SIGTERM",
        "stopped",
    ];
    assert_eq!(log.len(), story.len(), "{log:#?}");
    for (line, part) in log.iter().zip(story) {
        assert!(line.contains(part), "{part:?} is not in {line}");
    }
    assert_absent(&log, &[STORED, NAMESPACE, USER, PLANTED_SECRET]);
}

/// What to wait for stood inside the macro that logs it, which evaluates nothing at a level that is
/// not logged: at `warn` the service stopped as soon as it had started.
#[test]
fn it_serves_until_it_is_asked_to_stop_whatever_it_logs() {
    for level in ["error", "warn", "info", "debug", "trace"] {
        let mut stage = Stage::with(&format!("[log]\nlevel = \"{level}\"\n"));
        stage.store("<a xmlns='urn:x'>1</a>");
        stage.send(get("kept", "<a xmlns='urn:x'/>"));
        assert!(stage.next().contains(">1</a>"), "{level}");
        assert!(stage.component.stop().success(), "{level}");
    }
}

#[test]
fn at_debug_it_names_no_data_and_no_secret() {
    let log = lived("level = \"debug\"").log();
    assert!(log.iter().any(|line| line.contains("DEBUG")), "{log:#?}");
    assert_absent(&log, &[STORED, PLANTED_SECRET]);
}

#[test]
fn as_json_each_line_is_an_object_with_time_level_and_message() {
    let log = lived("level = \"debug\"\nformat = \"json\"").log();
    assert_absent(&log, &[STORED, PLANTED_SECRET]);
    for line in log {
        let value: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
        let text = |field: &str| value[field].as_str().unwrap_or_default().to_owned();
        assert!(text("timestamp").starts_with("20"), "{line}");
        assert!(
            ["INFO", "WARN", "DEBUG"].contains(&&*text("level")),
            "{line}"
        );
        assert!(!text("message").is_empty(), "{line}");
    }
}

/// What is damaged is named at debug only: the owner, and never the data.
#[test]
fn a_failing_disk_is_told_without_what_is_on_it() {
    let disk = crate::store::faulty::FaultyDisk::new();
    let mut stage = Stage::configured(|options| {
        options.under = disk.under();
        options.extra = "[log]\nlevel = \"debug\"\n".to_owned();
    });
    disk.fail(&["fsync"], crate::store::faulty::EIO);
    stage.send(set("1", &format!("<a xmlns='{NAMESPACE}'>{STORED}</a>")));
    assert!(stage.next().contains("internal-server-error"));
    stage.send(get("2", &format!("<a xmlns='{NAMESPACE}'/>")));
    assert!(stage.next().contains("internal-server-error"));
    let told = "the store has failed";
    stage.component.wait_for_log(told, PATIENCE);
    disk.heal();
    stage
        .component
        .wait_for_log("the store works again", 3 * PATIENCE);
    assert!(stage.component.stop().success());
    stage.component.wait_for_log("stopped", PATIENCE);
    assert_absent(&stage.component.log(), &[STORED]);
}

/// Has the service's standard error taken for the journal, as systemd does it: by device and inode.
const AS_THE_JOURNAL: &str =
    "JOURNAL_STREAM=$(stat --dereference --format %d:%i /proc/self/fd/2) exec \"$0\" \"$@\"";

fn in_the_journal(shell: &str) -> Vec<String> {
    ["sh", "-c", shell].map(str::to_owned).to_vec()
}

/// In the journal each line had two times and no priority.
#[test]
fn the_journal_is_told_the_priority_and_not_the_time() {
    let priorities = ["<3>ERROR ", "<4>WARN ", "<6>INFO "];
    let is_for_it = |line: &String| priorities.iter().any(|begin| line.starts_with(begin));
    let has_time = |line: &String| line.starts_with("20");
    for (shell, format, expected) in [
        (AS_THE_JOURNAL, "", true),
        // Inherited from a service that is in the journal, by what is not.
        ("JOURNAL_STREAM=1:2 exec \"$0\" \"$@\"", "", false),
        (AS_THE_JOURNAL, "[log]\nformat = \"text\"\n", false),
        ("exec \"$0\" \"$@\"", "[log]\nformat = \"journal\"\n", true),
    ] {
        let mut stage = Stage::configured(|options| {
            options.under = in_the_journal(shell);
            options.extra = format.to_owned();
        });
        stage.component.reload("nonsense");
        stage.component.wait_for_log("not reloaded", PATIENCE);
        stage.lose_link();
        stage.component.wait_for_log("lost the link", PATIENCE);
        let log = stage.component.log();
        match expected {
            true => assert!(log.iter().all(is_for_it), "{log:#?}"),
            false => assert!(log.iter().all(has_time), "{log:#?}"),
        }
        for (begin, what) in priorities
            .iter()
            .zip(["not reloaded", "lost the link", "logged in"])
        {
            let line = log.iter().find(|line| line.contains(what)).expect(what);
            assert_eq!(line.starts_with(begin), expected, "{line}");
        }
    }
}

/// What goes wrong before there is a log is an error too, in each of its lines.
#[test]
fn the_journal_is_told_of_early_errors() {
    let folder = tempfile::tempdir().expect("a folder");
    let said = |arguments: &[&str]| {
        std::fs::write(
            folder.path().join("component.toml"),
            "[nonsense]\n[worse]\n",
        )
        .expect("a file");
        // A command's report goes to standard output, which is in the journal as well then.
        let shell = format!("exec 2>&1; {AS_THE_JOURNAL}");
        let output = Command::new("sh")
            .args(["-c", &shell, env!("CARGO_BIN_EXE_xmpp-private-storage")])
            .args(arguments)
            .env("LC_ALL", "C")
            .current_dir(folder.path())
            .output()
            .expect("a shell");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    for arguments in [&["run"][..], &["--nonsense"], &["check", "--settings"]] {
        let said = said(arguments);
        let lines: Vec<&str> = said.lines().collect();
        assert!(lines.len() > 1, "{said}");
        assert!(lines.iter().all(|line| line.starts_with("<3>")), "{said}");
        assert!(said.contains("onsense"), "{said}");
    }
}
