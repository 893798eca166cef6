//! The owners through the control socket of the running service, and in this process: whatever is
//! asked, the answer is the same.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread;

use xmpp_private_storage::archive::{self, Document};
use xmpp_private_storage::config::Config;
use xmpp_private_storage::exit;
use xmpp_private_storage::owners::sound::Sound;
use xmpp_private_storage::owners::wire::RemoteStore;
use xmpp_private_storage::owners::{LocalStore, Owners, for_each_document};
use xmpp_private_storage::store::{Entry, Existing, Owner, OwnerData, Value};

use super::{data, open, place, post, put_past_everything, refused, send};
use crate::fidelity::writing;
use crate::scripted::stage::Stage;

/// More than a page.
const MANY: usize = 503;

/// Addresses that a URI, a line or a shell would make something else of.
const ODD: [&str; 6] = [
    "jürgen@bücher.example",
    "per%20cent%@localhost",
    "😀@localhost",
    "a=c?d#e\\f;g@localhost",
    "+@localhost",
    "$(a)`b`*@localhost",
];

/// More of them, which no account can have, and an older store may.
const ODDER: [&str; 7] = [
    "with a blank@localhost",
    " @localhost",
    "a&b=c?d#e/f\\g@localhost",
    "line\nline\r\n@localhost",
    "\u{1}\u{7f}\u{ff}@localhost",
    "localhost",
    "\"'<>@localhost",
];

fn owner(address: &str) -> Owner {
    Owner::new(address).expect("an owner")
}

fn document(address: &str, entries: &[(&str, &str)]) -> Document {
    let entries = entries.iter().map(|(namespace, text)| Entry {
        namespace: (*namespace).to_owned(),
        name: "e".to_owned(),
        value: Value {
            text: format!("<e xmlns='{}'>{text}</e>", writing::attribute(namespace)),
            elements: 1,
        },
    });
    Document {
        owner: owner(address),
        owner_data: OwnerData {
            entries: entries.collect(),
            damaged: Vec::new(),
        },
        note: None,
    }
}

fn sound(address: &str, entries: &[(&str, &str)]) -> Sound {
    Sound::whole(document(address, entries)).expect("it may be stored")
}

/// Does all that can be done, and writes down what came of it.
fn exercise(owners: &dyn Owners) -> Vec<String> {
    let mut story = Vec::new();
    let mut told = |what: &str, result: &dyn std::fmt::Debug| {
        story.push(format!("{what}: {result:?}"));
    };
    told("nobody", &owners.page(None));
    told("nothing", &owners.documents(None));
    told("of nobody", &owners.document(&owner("nobody@localhost")));
    told("removed", &owners.remove(&owner("nobody@localhost")));
    for address in ODD {
        let old = sound(address, &[("urn:a", "old"), ("urn:ü&%", "text\n")]);
        told("put", &owners.put(old, Existing::Replace));
        let newer = sound(address, &[("urn:a", "new"), ("urn:c", "more")]);
        told("kept", &owners.put(newer.clone(), Existing::Keep));
        told("has", &owners.document(&owner(address)));
        told("replaced", &owners.put(newer, Existing::Replace));
        told("has", &owners.document(&owner(address)));
        told("behind", &owners.page(Some(&owner(address))));
        told("documents", &owners.documents(Some(&owner(address))));
    }
    for address in ODDER.iter().copied().chain([&*longest()]) {
        told("has", &owners.document(&owner(address)));
        told("behind", &owners.page(Some(&owner(address))));
        told("documents", &owners.documents(Some(&owner(address))));
    }
    let large = "x".repeat(1_000_000);
    told(
        "too much",
        &owners.put(sound("x@y", &[("urn:a", &large)]), Existing::Replace),
    );
    told("empty", &owners.put(sound("x@y", &[]), Existing::Replace));
    told("all", &owners.page(None));
    for address in ODD[..3].iter().chain(&ODDER[..3]) {
        told("removed", &owners.remove(&owner(address)));
        told("has", &owners.document(&owner(address)));
    }
    for number in 0..MANY {
        let sound = sound(&format!("many{number}@localhost"), &[("urn:a", "")]);
        owners.put(sound, Existing::Replace).expect("stored");
    }
    let mut all = Vec::new();
    let each = owners.for_each(&mut |owner, amount| all.push((owner, amount)));
    told("each", &each);
    assert_eq!(all.len(), MANY + ODD.len() + ODDER.len() + 1 - 6);
    let each: Result<(), xmpp_private_storage::owners::OwnersError> =
        for_each_document(owners, |document| {
            told("document", &document);
            Ok(())
        });
    told("each document", &each);
    told("each", &all);
    told("compacted", &owners.compact().map(drop));
    told("all", &owners.page(None));
    story
}

/// The longest owner that a store takes.
fn longest() -> String {
    "ü".repeat(Owner::MAX_BYTES / 2)
}

/// Puts those into a store that may be there, but could not be put.
fn put_odder(folder: &Path) {
    let longest = longest();
    let all = ODDER.iter().copied().chain([&*longest]);
    let all: Vec<_> = all
        .map(|owner| (owner, ("urn:a", "e"), "<e xmlns='urn:a'/>"))
        .collect();
    put_past_everything(folder, &all);
}

fn config(folder: &Path) -> Config {
    let path = folder.join("component.toml");
    Config::load_without_secret(Some(&path), [("", "")]).expect("a configuration")
}

#[test]
fn both_ways_tell_and_do_the_same() {
    let mut stage = Stage::new();
    assert!(stage.component.stop().success());
    put_odder(&data(&stage));
    stage.component.restart();
    stage.let_in_again();
    let there = RemoteStore::find(&data(&stage)).expect("an answer");
    let told_there = exercise(&there.expect("a running service"));

    let folder = tempfile::tempdir().expect("a folder");
    put_odder(folder.path());
    let here = LocalStore::new(open(folder.path()), &config(stage.component.folder()));
    let told_here = exercise(&here);
    for (there, here) in told_there.iter().zip(&told_here) {
        assert_eq!(there, here);
    }
    assert_eq!(told_there.len(), told_here.len());
}

/// What is put through the socket is what users get, and what users set is found.
#[test]
fn users_and_administrators_see_the_same() {
    let mut stage = Stage::new();
    let there = RemoteStore::find(&data(&stage)).expect("an answer");
    let there = there.expect("a running service");
    let put = sound("alice@localhost", &[("urn:a", "put")]);
    there.put(put, Existing::Replace).expect("stored");
    stage.fetch("<e xmlns='urn:a'/>", "<e xmlns='urn:a'>put</e>");
    stage.store("<e xmlns='urn:b'>set</e>");
    let found = there.document(&owner("alice@localhost"));
    let names = found.expect("an answer").owner_data.entries;
    let names: Vec<_> = names.iter().map(|entry| &*entry.namespace).collect();
    assert_eq!(names, ["urn:a", "urn:b"]);
    there.remove(&owner("alice@localhost")).expect("removed");
    stage.fetch("<e xmlns='urn:a'/>", "<e xmlns='urn:a'/>");
}

#[test]
fn where_no_service_runs_none_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    assert!(
        RemoteStore::find(folder.path())
            .expect("an answer")
            .is_none()
    );
    let missing = folder.path().join("missing");
    assert!(RemoteStore::find(&missing).expect("an answer").is_none());
}

#[test]
fn what_is_no_document_is_refused_and_changes_nothing() {
    let mut stage = Stage::new();
    let folder = data(&stage);
    stage.store("<a xmlns='urn:a'>stays</a>");
    let mut good = Vec::new();
    assert!(archive::write(
        &document("a@localhost", &[("urn:a", "x")]),
        &mut good
    ));
    let mut huge = good.clone();
    huge[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    let mut flipped = good.clone();
    *flipped.last_mut().expect("bytes") ^= 1;
    let mut without_owner = Vec::new();
    without_owner.extend_from_slice(&4_u32.to_le_bytes());
    without_owner.extend_from_slice(&crc32fast::hash(&[0; 4]).to_le_bytes());
    without_owner.extend_from_slice(&[0; 4]);
    let cut = &good[..good.len() - 1];
    for path in ["/1/keep", "/1/replace"] {
        for body in [
            b"",
            &b"garbage, and more of it"[..],
            cut,
            &huge,
            &flipped,
            &without_owner,
        ] {
            let (status, why) = post(&folder, path, body);
            assert_eq!(status, 422, "{path} {body:?}: {why}");
            let known = ["cut off", "damaged", "is not a user"];
            assert!(known.iter().any(|it| why.contains(it)), "{why}");
        }
    }
    for path in [
        "/1/remove",
        "/1/remove?",
        "/1/remove?ff",
        "/1/remove?00",
        "/nonsense",
        "/1/owners",
    ] {
        let (status, _) = post(&folder, path, b"");
        assert_eq!(status, 405, "{path}");
    }
    for path in [
        "/1/owners?ff",
        "/1/documents?610062",
        "/1/document",
        "/1/compact",
    ] {
        let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(send(&folder, head.as_bytes()).0, 404, "{path}");
    }
    assert_eq!(send(&folder, b"nonsense\r\n\r\n").0, 400);
    stage.fetch("<a xmlns='urn:a'/>", "<a xmlns='urn:a'>stays</a>");
    let there = RemoteStore::find(&folder).expect("an answer");
    let owners = there.expect("a running service").page(None);
    assert_eq!(owners.expect("an answer").len(), 1);
}

/// After an upgrade the service runs on as it was until it is restarted, and a command of the new release
/// must not take what that one says for something else.
#[test]
fn a_command_beside_a_service_of_another_release_says_so_and_changes_nothing() {
    let place = place();
    let folder = place.path().join("data");
    fs::create_dir(&folder).expect("a folder");
    let older = UnixListener::bind(folder.join("control.sock")).expect("a socket");
    // It is asked how it is, and then for something that it does not know.
    let service = thread::spawn(move || {
        for answer in [
            "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nhere",
            "HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 8\r\n\r\nonly GET",
        ] {
            let (mut connection, _) = older.accept().expect("a connection");
            let _ = connection.read(&mut [0; 4096]).expect("a request");
            connection.write_all(answer.as_bytes()).expect("written");
        }
    });
    let told = refused(place.path(), &["compact"], exit::STORE.into());
    assert!(told.contains("restart the service"), "{told}");
    service.join().expect("both were asked");
}
