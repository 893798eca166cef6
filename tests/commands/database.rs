//! The commands where a database has the data: they go to it beside all instances, from whichever machine.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use super::{
    all_in, configure, data, done, place, program, refused, stopped, store, with_database,
};
use crate::scripted::stage::Stage;
use crate::support::clock::eventually;
use crate::support::database::Database;

/// An instance that serves users of this database, with what they have stored.
fn serving(database: &Database) -> Stage {
    let mut stage = Stage::configured(|options| options.storage = database.storage());
    for user in ["anna@localhost/a", "otto@test2.localhost/c"] {
        let elements = format!("<a xmlns='urn:a'>{user}</a><b xmlns='urn:b'>ü</b>");
        store(&mut stage, user, &elements);
    }
    stage.store("<a xmlns='urn:a'>alice</a>");
    stage
}

/// Has the program make its tables, and end.
pub fn begin(database: &Database) {
    let mut stage = Stage::configured(|options| options.storage = database.storage());
    assert!(stage.component.stop().success());
}

/// Whoever puts this owner there waits, until they are [ended](end_all).
pub fn stop_at(database: &Database, owner: &str) {
    database.sql(&format!(
        "create function wait() returns trigger language plpgsql as $$ begin \
         if new.owner = '{owner}' then perform pg_sleep(600); end if; return new; end $$; \
         create trigger wait before insert on xps_owner for each row execute function wait()"
    ));
}

/// Whoever is connected is so no more, and nobody waits.
pub fn end_all(database: &Database) {
    database.sql(
        "select pg_terminate_backend(pid) from pg_stat_activity \
         where datname = current_database() and pid <> pg_backend_pid()",
    );
    database.sql("drop function wait() cascade");
}

/// Begins this, and kills it when there is this much.
pub fn cut_short(folder: &Path, arguments: &[&str], is_enough: impl FnMut() -> bool) {
    let mut child = program(folder)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program runs");
    eventually("it is under way", is_enough);
    child.kill().expect("a child");
    child.wait().expect("its end");
}

#[test]
fn they_work_beside_an_instance_that_runs_elsewhere() {
    let database = Database::start();
    let mut stage = serving(&database);
    let place = place();
    let folder = place.path();
    configure(folder, &with_database("data", &database));

    let told = done(folder, &["stats"]);
    let words = |line: &str| {
        line.split_whitespace()
            .take(3)
            .collect::<Vec<_>>()
            .join(" ")
    };
    let lines: Vec<String> = told.lines().map(words).collect();
    for line in ["localhost 2 3", "test2.localhost 1 2", "altogether 3 5"] {
        assert!(lines.iter().any(|it| it == line), "{line} in {told}");
    }
    assert!(!told.contains("on the disk"), "{told}");

    let export = |file: &str| {
        done(folder, &["export", "anna@localhost", "--output", file]);
        fs::read_to_string(folder.join(file)).expect("a file")
    };
    let exported = export("anna.xml");
    assert!(exported.contains("anna@localhost/a"), "{exported}");
    let said = done(folder, &["delete", "anna@localhost", "--yes"]);
    assert!(said.contains("removed 1 user, 2 elements"), "{said}");
    assert!(said.contains("(autovacuum)"), "{said}");
    refused(folder, &["delete", "anna@localhost", "--yes"], 67);
    fs::write(folder.join("accounts"), "nobody\n").expect("a file");
    let prune = [
        "prune",
        "--domain",
        "test2.localhost",
        "--registered",
        "accounts",
        "--yes",
    ];
    let said = done(folder, &[&prune[..], &["--force"]].concat());
    assert!(said.contains("removed 1 user"), "{said}");
    let said = done(folder, &["compact"]);
    assert!(said.contains("nothing to compact"), "{said}");
    let said = done(folder, &["backup", "all.backup"]);
    assert!(said.starts_with("backed up 1 user, 1 element, "), "{said}");
    stage.fetch("<a xmlns='urn:a'/>", "<a xmlns='urn:a'>alice</a>");
    done(folder, &["import", "anna.xml"]);
    assert_eq!(export("again.xml"), exported);
}

#[test]
fn a_backup_of_one_engine_is_restored_into_the_other() {
    let stage = stopped();
    let sled = stage.component.folder();
    done(sled, &["backup", "all.backup"]);
    let backup = sled.join("all.backup");
    let bytes = fs::read(&backup).expect("a backup");
    let backup = backup.to_str().expect("UTF-8");

    let (place, database) = (place(), Database::start());
    let folder = place.path();
    configure(folder, &with_database("data", &database));
    let said = done(folder, &["restore", backup]);
    assert!(said.contains("restored 3 users, 6 elements, "), "{said}");
    done(folder, &["backup", "all.backup"]);
    let of_database = fs::read(folder.join("all.backup")).expect("a backup");
    assert!(of_database == bytes, "the backups differ");

    let said = refused(folder, &["restore", backup], 74);
    let words = "is not empty: make another database, and name it in storage.postgres.database";
    assert!(said.contains(words), "{said}");
    assert_eq!(database.sql("select count(*) from xps_owner"), "3");

    let other = super::place();
    let backup = folder.join("all.backup");
    done(other.path(), &["restore", backup.to_str().expect("UTF-8")]);
    assert_eq!(all_in(&other.path().join("data")), all_in(&data(&stage)));
}

#[test]
fn nothing_is_restored_while_an_instance_is_connected() {
    let stage = stopped();
    let sled = stage.component.folder();
    done(sled, &["backup", "all.backup"]);
    let backup = sled.join("all.backup");

    let database = Database::start();
    let mut serving = Stage::configured(|options| options.storage = database.storage());
    let pid = serving.component.id();
    let place = place();
    configure(place.path(), &with_database("data", &database));
    let backup = backup.to_str().expect("UTF-8");
    let said = refused(place.path(), &["restore", backup], 69);
    let words = format!("(pid {pid}): stop them first");
    assert!(said.contains(&words), "{said}");
    assert_eq!(database.sql("select count(*) from xps_owner"), "0");
    assert!(serving.component.stop().success());
    done(place.path(), &["restore", backup]);
    assert_eq!(database.sql("select count(*) from xps_owner"), "3");
}

#[test]
fn what_a_restore_has_left_that_was_killed_is_used_by_nobody() {
    let stage = stopped();
    let sled = stage.component.folder();
    done(sled, &["backup", "all.backup"]);
    let backup = sled.join("all.backup");
    let backup = backup.to_str().expect("UTF-8");
    let (place, database) = (place(), Database::start());
    let folder = place.path();
    begin(&database);
    stop_at(&database, "otto@test2.localhost");
    configure(folder, &with_database("data", &database));
    cut_short(folder, &["restore", backup], || {
        let waiting = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'";
        database.sql(waiting) == "1"
    });
    end_all(&database);
    for command in [
        &["stats"][..],
        &["restore", backup],
        &["migrate", "--to", "sled"],
    ] {
        let said = refused(folder, command, 74);
        assert!(
            said.contains("a backup is being restored into this store"),
            "{said}"
        );
    }
}

#[test]
fn whoever_only_looks_makes_no_tables() {
    let (place, database) = (place(), Database::start());
    let folder = place.path();
    configure(folder, &with_database("data", &database));
    for command in [
        &["stats"][..],
        &["export"],
        &["backup", "all.backup"],
        &["compact"],
    ] {
        let said = refused(folder, command, 74);
        assert!(
            said.contains("there is no store in the database "),
            "{said}"
        );
    }
    let tables = "select count(*) from pg_tables where schemaname = 'public'";
    assert_eq!(database.sql(tables), "0");
}
