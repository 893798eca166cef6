//! `migrate`: everything out of a folder into a database of a real server, and back.

use std::fs;
use std::path::Path;
use std::sync::mpsc;

use xmpp_private_storage::store::{Change, ChangeSet, Owner, Quota, Value};

use super::database::{begin, cut_short, end_all, stop_at};
use super::{configure, done, open, place, refused, with_database};
use crate::scripted::stage::Stage;
use crate::support::clock::eventually;
use crate::support::component::{Component, Options, check};
use crate::support::database::Database;
use crate::support::ports;

/// More than are put at once.
const OWNERS: usize = 2500;

/// In the order in which they are moved.
const LAST: &str = "u999@localhost";

const IN_FOLDER: &str = "path = \"data\"\n";

/// Users, about some of whom something is noted, in a folder of sled's.
fn fill(folder: &Path) {
    let store = open(&folder.join("data"));
    let (done, answers) = mpsc::channel();
    for number in 0..OWNERS {
        let owner = Owner::new(&format!("u{number}@localhost")).expect("an owner");
        let value = Value {
            text: format!("<a xmlns='urn:a'>{number}</a>"),
            elements: 1,
        };
        let change = Change {
            namespace: "urn:a".to_owned(),
            name: "a".to_owned(),
            value: Some(value),
        };
        let set = ChangeSet {
            owner: owner.clone(),
            quota: Quota::NONE,
            changes: vec![change],
        };
        let told = done.clone();
        store.submit(set, move |result| drop(told.send(result)));
        if number % 3 == 0 {
            // A room, and what it said.
            let note = format!("bookmarks-2 0 {number:016x}{number:016x}");
            let told = done.clone();
            store.put_note(owner, Some(note), move |result| drop(told.send(result)));
        }
    }
    drop(done);
    assert!(answers.into_iter().all(|answer| answer.is_ok()));
    store.close();
}

/// All that is stored and noted, as a backup has it.
fn backup(folder: &Path) -> Vec<u8> {
    done(folder, &["backup", "--force", "all.backup"]);
    fs::read(folder.join("all.backup")).expect("a backup")
}

/// How many rows a table has.
fn rows(database: &Database, table: &str) -> usize {
    let told = database.sql(&format!("select count(*) from {table}"));
    told.parse().expect("a number")
}

fn tables(database: &Database) -> String {
    database.sql("select count(*) from pg_tables where schemaname = 'public'")
}

#[test]
fn everything_moves_into_a_database_and_back() {
    let (place, database) = (place(), Database::start());
    let folder = place.path();
    fill(folder);
    let before = backup(folder);

    configure(folder, &with_database("data", &database));
    let said = done(folder, &["migrate", "--to", "postgres"]);
    assert!(said.contains("moved 2500 users, 2500 elements, "), "{said}");
    assert!(backup(folder) == before, "something else is there");
    for to in ["postgres", "sled"] {
        let said = refused(folder, &["migrate", "--to", to], 74);
        assert!(said.contains("is not empty: "), "{said}");
    }
    configure(folder, IN_FOLDER);
    assert!(backup(folder) == before, "it has not stayed where it was");

    configure(folder, &with_database("back", &database));
    let said = done(folder, &["migrate", "--to", "sled"]);
    assert!(said.contains("moved 2500 users, 2500 elements, "), "{said}");
    configure(folder, "path = \"back\"\n");
    assert!(backup(folder) == before, "something else is back");
}

/// Whoever started on a part would answer users that they have nothing.
#[test]
fn what_a_move_has_left_that_was_killed_is_used_by_nobody_and_moved_anew() {
    let (place, database) = (place(), Database::start());
    let folder = place.path();
    fill(folder);
    let before = backup(folder);
    begin(&database);
    stop_at(&database, LAST);
    configure(folder, &with_database("data", &database));
    cut_short(folder, &["migrate", "--to", "postgres"], || {
        rows(&database, "xps_owner") >= 1024
    });
    end_all(&database);
    assert!(rows(&database, "xps_owner") < OWNERS);

    let mut options = Options::at(ports::address(1));
    options.storage = database.storage();
    let (code, said) = check(&options, &[]);
    assert_eq!(code, Some(74), "{said}");
    assert!(said.contains("✗ database: data is being moved"), "{said}");
    let mut component = Component::start(options);
    eventually("its end", || component.exited().is_some());
    let code = component.exited().and_then(|status| status.code());
    assert_eq!(code, Some(74), "{:#?}", component.log());
    let said = refused(folder, &["stats"], 74);
    assert!(said.contains("it may hold only a part"), "{said}");
    configure(folder, &with_database("back", &database));
    let said = refused(folder, &["migrate", "--to", "sled"], 74);
    assert!(
        said.contains("`xmpp-private-storage migrate --to postgres` again"),
        "{said}"
    );

    configure(folder, &with_database("data", &database));
    done(folder, &["migrate", "--to", "postgres"]);
    assert!(backup(folder) == before, "something else is there");
    assert_eq!(
        database.sql("select count(*) from xps_note where owner like '/%'"),
        "0"
    );
}

#[test]
fn nothing_moves_while_somebody_serves() {
    let stage = Stage::new();
    let database = Database::start();
    let folder = stage.component.folder();
    configure(folder, &with_database("data", &database));
    let said = refused(folder, &["migrate", "--to", "postgres"], 69);
    assert!(said.contains("a service is running on "), "{said}");
    assert_eq!(tables(&database), "0");

    let _elsewhere = Stage::configured(|options| options.storage = database.storage());
    let place = place();
    let folder = place.path();
    fill(folder);
    configure(folder, &with_database("data", &database));
    for to in ["postgres", "sled"] {
        let said = refused(folder, &["migrate", "--to", to], 69);
        assert!(said.contains(": stop them first"), "{said}");
    }
    assert_eq!(rows(&database, "xps_owner"), 0);
}

#[test]
fn what_makes_no_sense_is_refused_and_nothing_is_made() {
    let (place, database) = (place(), Database::start());
    let folder = place.path();
    let refused = |storage: &str, to: &str, code: i32, words: &str| {
        configure(folder, storage);
        let said = refused(folder, &["migrate", "--to", to], code);
        assert!(said.contains(words), "{said}");
    };
    for to in ["postgres", "sled"] {
        refused(IN_FOLDER, to, 78, "storage.engine is \"sled\"");
    }
    let nowhere = "there is no store of sled in ";
    refused(&with_database("data", &database), "postgres", 74, nowhere);
    let fleeting = with_database("/run/xmpp-private-storage-test", &database);
    let words = "which is empty after the next start of this machine";
    refused(&fleeting, "sled", 78, words);
    let empty = "there is no store in the database ";
    refused(&with_database("data", &database), "sled", 74, empty);
    assert_eq!(tables(&database), "0");
    database.sql("create table roster (jid text)");
    fill(folder);
    refused(
        &with_database("data", &database),
        "postgres",
        78,
        "holds a table roster",
    );
    assert_eq!(tables(&database), "1");
}
