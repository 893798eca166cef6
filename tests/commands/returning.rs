//! Data that comes back: what a user has deleted meanwhile stays deleted, and what is not known to be
//! deleted is there.

use std::fs;

use super::{done, run, text};
use crate::scripted::bookmarks::pep::*;
use crate::scripted::stage;

const KEEP: &str = "keep@muc.localhost";
const GONE: &str = "gone@muc.localhost";
const NOTES: &str = "<notes xmlns='urn:notes'>n</notes>";

/// Alice has set two rooms with an old client, and retracted one of them with a modern one; her old
/// client has had a look since, or has not. Beside them she has notes.
fn left(has_looked: bool) -> Host {
    let mut host = Host::new();
    host.request("notes", stage::set("notes", NOTES));
    let secret = conference(GONE, "Gone").replace("</nick>", "</nick><password>planted</password>");
    host.set(&(conference(KEEP, "Keep") + &secret));
    host.settle();
    host.nodes
        .get_mut(ALICE)
        .expect("a node")
        .retain(|(id, _)| id == KEEP);
    if has_looked {
        sees(&mut host, &[KEEP]);
    }
    // What is noted of that is on the disk when a set that comes behind it is answered.
    host.request("again", stage::set("again", NOTES));
    host
}

#[track_caller]
fn sees(host: &mut Host, expected: &[&str]) {
    let answer = host.get();
    host.settle();
    let mut seen: Vec<String> = rooms(&answer).into_iter().map(|(jid, _)| jid).collect();
    seen.sort();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(seen, expected);
}

/// The store is made again from a backup, of this version.
fn come_back(host: &mut Host, version: u32) {
    let folder = host.component.folder().to_owned();
    done(&folder, &["backup", "--force", "all"]);
    host.component.stop();
    if version == 1 {
        let backup = fs::read(folder.join("all")).expect("a backup");
        fs::write(folder.join("all"), as_version_1(&backup)).expect("a file");
    }
    fs::remove_dir_all(folder.join("data")).expect("the store");
    done(&folder, &["restore", "all"]);
    host.component.restart();
    host.let_in_again();
    host.send(grant("localhost"));
}

/// As an older release has written it.
fn as_version_1(backup: &[u8]) -> Vec<u8> {
    use xmpp_private_storage::archive::{HEADER, Reader, write, write_end};
    let mut reader = Reader::of_backup(backup).expect("a backup");
    let mut old = HEADER.replace('2', "1").into_bytes();
    let mut owners = 0;
    while let Some(mut document) = reader.next_document().expect("a record") {
        document.note = None;
        let mut record = Vec::new();
        assert!(write(&document, &mut record));
        // Without the number of notes, which is none.
        let body = &record[8..record.len() - 4];
        old.extend_from_slice(&u32::try_from(body.len()).expect("short").to_le_bytes());
        old.extend_from_slice(&crc32fast::hash(body).to_le_bytes());
        old.extend_from_slice(body);
        owners += 1;
    }
    write_end(owners, &mut old);
    old
}

/// The room came back with the first get, was published, and clients joined it again.
#[test]
fn a_room_that_was_deleted_stays_so_after_a_restore() {
    for has_looked in [true, false] {
        let mut host = left(has_looked);
        come_back(&mut host, 2);
        let before = host.asked.len();
        sees(&mut host, &[KEEP]);
        assert_eq!(host.steps_since(before), [Step::Fetch]);
        // Nor after one more.
        come_back(&mut host, 2);
        sees(&mut host, &[KEEP]);
        assert_eq!(host.kept(), [KEEP]);
        host.fetch("<notes xmlns='urn:notes'/>", NOTES);
    }
}

/// What the server has lost nobody has deleted.
#[test]
fn all_rooms_are_there_after_a_restore_beside_a_server_that_was_set_up_anew() {
    let mut host = left(true);
    host.nodes.clear();
    come_back(&mut host, 2);
    host.nodes.clear();
    sees(&mut host, &[KEEP, GONE]);
    let mut kept = host.kept();
    kept.sort_unstable();
    assert_eq!(kept, [GONE, KEEP]);
}

/// It does not say what was in step, so this is a first contact.
#[test]
fn a_backup_of_the_first_version_brings_all_that_it_has() {
    let mut host = left(true);
    come_back(&mut host, 1);
    sees(&mut host, &[KEEP, GONE]);
    host.fetch("<notes xmlns='urn:notes'/>", NOTES);
}

/// The store answered with the room, and old clients joined it again.
#[test]
fn a_room_that_is_known_to_be_gone_is_not_shown_where_pep_is_out_of_reach() {
    let mut host = left(true);
    let asked = |host: &mut Host| {
        host.send(stage::get("1", BOOKMARKS));
        answered(host, "1")
    };
    host.send(advertisement("localhost", ""));
    assert_eq!(rooms(&asked(&mut host)), named(&[(KEEP, "Keep")]));
    host.send(stage::get("2", "<other xmlns='storage:bookmarks'/>"));
    let answer = answered(&mut host, "2");
    assert!(answer.contains(KEEP) && !answer.contains(GONE), "{answer}");
    host.send(grant("localhost"));
    host.send(stage::get("3", BOOKMARKS));
    let fetch = crate::scripted::bookmarks::pep::asked(&mut host);
    host.send(fetch.error("error", "service-unavailable"));
    assert_eq!(rooms(&answered(&mut host, "3")), named(&[(KEEP, "Keep")]));
    // Whoever sets it again wants it.
    host.set(&(conference(KEEP, "Keep") + &conference(GONE, "Gone")));
    sees(&mut host, &[KEEP, GONE]);
    host.send(advertisement("localhost", ""));
    assert_eq!(rooms(&asked(&mut host)).len(), 2);
}

/// It was in the file with its password, and whoever imported that joined it again.
#[test]
fn an_export_leaves_out_what_is_gone_and_says_as_of_when() {
    let mut host = left(true);
    let folder = host.component.folder().to_owned();
    let now: chrono::DateTime<chrono::Utc> = std::time::SystemTime::now().into();
    let year = now.format("as of %Y-").to_string();
    for is_running in [true, false] {
        if !is_running {
            host.component.stop();
        }
        let exported = run(&folder, &["export"]);
        let (file, told) = (text(&exported.stdout), text(&exported.stderr));
        assert!(exported.status.success(), "{told}");
        assert!(file.contains(KEEP) && file.contains("urn:notes"), "{file}");
        assert!(!file.contains(GONE) && !file.contains("planted"), "{file}");
        let expected = [
            "exported 1 user, 2 elements",
            "left out 1 room that 1 user had left",
            &year,
        ];
        for part in expected {
            assert!(told.contains(part), "{part:?} is not in {told}");
        }
    }
}

/// Who moves in brings rooms that PEP has not.
#[test]
fn what_is_imported_is_published_at_first_contact() {
    let mut host = left(true);
    let folder = host.component.folder().to_owned();
    let rooms = conference(KEEP, "other") + &conference(GONE, "Gone");
    let file = format!(
        "<server-data xmlns='urn:xmpp:pie:0'><host jid='localhost'><user name='alice'>\
         <query xmlns='jabber:iq:private'>{}</query></user></host></server-data>",
        storage(&rooms)
    );
    fs::write(folder.join("all.xml"), file).expect("a file");
    done(&folder, &["import", "all.xml"]);
    sees(&mut host, &[KEEP]);
    done(&folder, &["import", "--replace", "all.xml"]);
    sees(&mut host, &[KEEP, GONE]);
    let mut kept = host.kept();
    kept.sort_unstable();
    assert_eq!(kept, [GONE, KEEP]);
}
