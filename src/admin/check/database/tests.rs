//! Each line, word for word.

use super::*;

fn config() -> Postgres {
    Postgres {
        hosts: Vec::new(),
        database: "private_storage".to_owned(),
        user: "private_storage".to_owned(),
        password: Ok(None),
        tls: None,
        connections: 4,
        require_synchronous: false,
    }
}

fn facts() -> Facts {
    Facts {
        version: "PostgreSQL 17.6".to_owned(),
        host: "db1:5432".to_owned(),
        standbys: vec!["db2:5432".to_owned()],
        unreachable: Vec::new(),
        synchronous: Some("db2".to_owned()),
        replicas: Some(1),
        data_checksums: Some(true),
        fsync: Some(true),
        format: Some(1),
        may_create: true,
        instances: Vec::new(),
    }
}

fn told(facts: &Facts) -> Vec<(Sign, String)> {
    let (lines, code) = judged(&config(), facts);
    assert_eq!(code, Ok(()));
    lines
}

fn warnings(facts: &Facts) -> Vec<String> {
    let lines = told(facts).into_iter();
    let warnings = lines.filter(|(sign, _)| *sign == Sign::Warning);
    warnings.map(|(_, line)| line).collect()
}

#[test]
fn a_sound_database_is_told_in_good_lines_alone() {
    let lines = told(&facts());
    assert!(lines.iter().all(|(sign, _)| *sign == Sign::Good));
    let lines: Vec<String> = lines.into_iter().map(|(_, line)| line).collect();
    assert_eq!(
        lines,
        [
            "db1:5432 is the primary: PostgreSQL 17.6",
            "db2:5432 is a standby",
            "private_storage has the store (format 1)",
            "sets wait for a synchronous standby (db2)",
        ]
    );
}

#[test]
fn what_is_not_safe_is_a_warning_and_no_more() {
    let unsafe_facts = Facts {
        standbys: Vec::new(),
        unreachable: vec![("db2:5432".to_owned(), "nothing listens there".to_owned())],
        synchronous: None,
        data_checksums: Some(false),
        fsync: Some(false),
        ..facts()
    };
    assert_eq!(
        warnings(&unsafe_facts),
        [
            "cannot reach db2:5432: nothing listens there; it could not take over now",
            "there is no synchronous standby (synchronous_standby_names is empty): if the primary is \
             lost, so is what it acknowledged last",
            "fsync is off: what was acknowledged is lost with the power; turn it on in postgresql.conf",
            "data checksums are off: damage on its disk goes unnoticed; stop it, and turn them on with \
             pg_checksums --enable",
        ]
    );
    // A database that is none of PostgreSQL's own has no such thing.
    let silent = Facts {
        data_checksums: None,
        fsync: None,
        ..facts()
    };
    assert_eq!(warnings(&silent), [""; 0]);
}

#[test]
fn an_empty_database_and_connected_instances_are_only_said() {
    let empty = Facts {
        format: None,
        instances: vec!["node1 (pid 12)".to_owned(), "node2 (pid 34)".to_owned()],
        ..facts()
    };
    let lines = told(&empty);
    let line = "private_storage is empty, and the first start makes the tables";
    assert!(lines.contains(&(Sign::Good, line.to_owned())));
    let line = "connected instances: node1 (pid 12), node2 (pid 34)";
    assert_eq!(lines.last(), Some(&(Sign::Neutral, line.to_owned())));
}

#[test]
fn a_standby_that_is_required_and_missing_is_bad() {
    let required = Postgres {
        require_synchronous: true,
        ..config()
    };
    let alone = Facts {
        synchronous: None,
        ..facts()
    };
    let (lines, code) = judged(&required, &alone);
    assert_eq!(code, Err(exit::UNAVAILABLE), "a standby may be back soon");
    let line = "there is no synchronous standby (synchronous_standby_names is empty), and \
                storage.postgres.require_synchronous is true: users are served when there is one";
    assert!(lines.contains(&(Sign::Bad, line.to_owned())), "{lines:?}");
    assert_eq!(judged(&required, &facts()).1, Ok(()));
}

/// A check said that all was well while every set waited.
#[test]
fn a_standby_that_is_waited_for_and_is_not_there_is_bad() {
    let waiting = Facts {
        replicas: Some(0),
        ..facts()
    };
    let (lines, code) = judged(&config(), &waiting);
    assert_eq!(code, Err(exit::UNAVAILABLE));
    let line = "sets wait for a synchronous standby (db2), and none is connected: users are served when one \
                is, or when the primary waits for none any more";
    assert!(lines.contains(&(Sign::Bad, line.to_owned())), "{lines:?}");
    let silent = Facts {
        replicas: None,
        ..facts()
    };
    assert_eq!(judged(&config(), &silent).1, Ok(()));
}

#[test]
fn a_database_in_which_nothing_may_be_made_is_bad() {
    let closed = Facts {
        format: None,
        may_create: false,
        ..facts()
    };
    let (lines, code) = judged(&config(), &closed);
    assert_eq!(code, Err(exit::STORE));
    let line = "private_storage is empty, and the user private_storage has no right to make tables there; \
                make that user its owner: alter database private_storage owner to private_storage";
    assert!(lines.contains(&(Sign::Bad, line.to_owned())), "{lines:?}");
    let in_use = Facts {
        may_create: false,
        ..facts()
    };
    assert_eq!(
        judged(&config(), &in_use).1,
        Ok(()),
        "nothing has to be made any more"
    );
}

/// Each with a code: what passes by itself is no reason to change anything.
#[test]
fn what_cannot_be_used_is_told_with_what_to_do() {
    let unreachable = OpenError::Unreachable {
        hosts: vec![
            ("db1:5432".to_owned(), "nothing listens there".to_owned()),
            ("db2:5432".to_owned(), "no answer within 2 s".to_owned()),
        ],
    };
    let lines: Vec<String> = refused(&unreachable)
        .into_iter()
        .map(|(_, line)| line)
        .collect();
    assert_eq!(
        lines,
        [
            "cannot reach db1:5432: nothing listens there",
            "cannot reach db2:5432: no answer within 2 s"
        ]
    );
    let (host, user) = ("db1:5432".to_owned(), "private_storage".to_owned());
    let database = user.clone();
    for (error, code, words) in [
        (unreachable, exit::UNAVAILABLE, "cannot reach db1:5432"),
        (
            OpenError::OnlyStandbys {
                standbys: vec![host.clone()],
                hosts: Vec::new(),
            },
            exit::UNAVAILABLE,
            "db1:5432 is a standby",
        ),
        (
            OpenError::NotSynchronous { host: host.clone() },
            exit::UNAVAILABLE,
            "has no synchronous standby",
        ),
        (
            OpenError::Password {
                host: host.clone(),
                user: user.clone(),
            },
            exit::STORE,
            "refuses the password of the user private_storage",
        ),
        (
            OpenError::NoDatabase {
                host,
                database: database.clone(),
            },
            exit::STORE,
            "there is no database private_storage",
        ),
        (
            OpenError::NoRight {
                user,
                database: database.clone(),
                reason: "permission denied for schema public".to_owned(),
            },
            exit::STORE,
            "make the user its owner",
        ),
        (
            OpenError::Foreign {
                database: database.clone(),
                found: "the tables a, b".to_owned(),
            },
            exit::CONFIG,
            "holds the tables a, b",
        ),
        (
            OpenError::Half {
                database: database.clone(),
                reason: "the table xps_note is missing".to_owned(),
            },
            exit::STORE,
            "is not whole: the table xps_note is missing",
        ),
        (
            OpenError::Newer {
                database,
                found: "2".to_owned(),
                known: 1,
            },
            exit::STORE,
            "was written by a newer release",
        ),
    ] {
        let lines = refused(&error);
        assert!(
            lines.iter().all(|(sign, _)| *sign == Sign::Bad) && lines[0].1.contains(words),
            "{lines:?}"
        );
        let report = Report::from_environment();
        assert_eq!(check(&report, &config(), Err(error)), Err(code));
    }
}
