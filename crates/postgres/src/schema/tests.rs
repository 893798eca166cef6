use std::rc::Rc;

use tokio::task::LocalSet;

use super::*;
use crate::connect::connect;
use crate::run::runtime;
use crate::server::Server;
use crate::settings::HOLD;
use xps_postgres_testing::{DATABASE, USER};

fn settings(port: u16) -> Settings {
    Settings {
        hosts: vec![("127.0.0.1".into(), port)],
        database: DATABASE.into(),
        user: USER.into(),
        password: None,
        tls: None,
        connections: 2,
        require_synchronous: false,
        hold: HOLD,
        instance: "test".into(),
    }
}

async fn log_in(settings: &Settings) -> (Rc<Wire>, Server) {
    let wire = connect(settings, 0).await.unwrap();
    let server = Server::ask(&wire).await.unwrap();
    (wire, server)
}

/// An older store is moved on by all steps that it lacks and no other, once, however many try; and what fails in a step
/// leaves everything as it was.
#[test]
fn an_older_store_is_moved_on() {
    const GOOD: &[&[&str]] = &[
        &["create table never (a int)"],
        &[
            "create table second (a int)",
            "insert into second values (2)",
        ],
        &["create table third (a int)"],
    ];
    const BAD: &[&[&str]] = &[&[], &[], &[], &["create table fourth (a int)", "nonsense"]];

    let of = xps_postgres_testing::Server::start();
    let settings = settings(of.port());
    let runtime = runtime().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let (wire, server) = log_in(&settings).await;
        let made = ensure(&wire, &server, &settings, 0).await.unwrap();
        assert_eq!(
            ensure(&wire, &server, &settings, 0).await.unwrap(),
            made,
            "the same again"
        );

        // As if this were the third format of four, and the store were of the second.
        let old = Meta {
            format: 2,
            ..made.clone()
        };
        of.sql(
            DATABASE,
            "update xps_meta set value = '2' where key = 'format'",
        );
        move_on(&wire, &old, GOOD).await.unwrap();
        move_on(&wire, &old, GOOD).await.unwrap();
        let there = "select string_agg(tablename, ',' order by tablename) from pg_tables
            where tablename in ('never', 'second', 'third', 'fourth')";
        assert_eq!(of.sql(DATABASE, there), "second,third");
        assert_eq!(of.sql(DATABASE, "select count(*) from second"), "1");
        let format = "select value from xps_meta where key = 'format'";
        assert_eq!(of.sql(DATABASE, format), "4");

        assert!(
            move_on(&wire, &Meta { format: 4, ..made }, BAD)
                .await
                .is_err()
        );
        drop(wire);
        assert_eq!(of.sql(DATABASE, there), "second,third");
        assert_eq!(of.sql(DATABASE, format), "4");
    });
}

/// Instances began on an empty database at once, and some ended for good: when one had seen that there was no store yet,
/// another made the tables, and the first took them for somebody else's.
#[test]
fn tables_that_another_instance_has_just_made_are_no_strangers() {
    let of = xps_postgres_testing::Server::start();
    let settings = settings(of.port());
    let runtime = runtime().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let (wire, server) = log_in(&settings).await;
        ensure(&wire, &server, &settings, 0).await.unwrap();
        assert_eq!(others(&wire).await.unwrap(), None);
        of.sql(DATABASE, "create table users (a int)");
        let found = others(&wire).await.unwrap();
        assert_eq!(found.as_deref(), Some("a table users"));
    });
}
