//! What a get returns equals what was set, as an infoset: whatever it is, however it was written.

pub mod infoset;
pub mod writing;

use std::cell::RefCell;

use proptest::test_runner::{Config, TestCaseError, TestRunner};

use crate::scripted::stage::{Stage, get, set};
use crate::support::database::Database;
use crate::support::router::parse;

/// Each is a set and a get through the socket.
const CASES: u32 = 2_000;

/// What a database makes of a text has nothing to do with its markup, nor with how that was written.
const CASES_ON_POSTGRES: u32 = 500;

const LIMITS: &str =
    "[limits]\nmax_depth = 1024\nmax_user_elements = 1000000\nmax_user_bytes = 1000000000";

#[test]
fn what_a_get_returns_equals_what_was_set() {
    returns_what_was_set(Stage::with(LIMITS), CASES);
}

#[test]
fn what_a_get_returns_equals_what_was_set_on_postgres() {
    let database = Database::start();
    let stage = Stage::configured(|options| {
        options.storage = database.storage();
        options.extra = LIMITS.to_owned();
    });
    returns_what_was_set(stage, CASES_ON_POSTGRES);
}

#[track_caller]
fn returns_what_was_set(stage: Stage, cases: u32) {
    let stage = RefCell::new(stage);
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let case = (infoset::stored(), writing::styles());
    let outcome = TestRunner::new(config).run(&case, |(elements, styles)| {
        let mut stage = stage.borrow_mut();
        let first = &elements[0];
        let written: String = elements
            .iter()
            .map(|e| writing::write(e, &styles))
            .collect();
        stage.send(set("1", &written));
        let answer = stage.next();
        if !answer.starts_with("<iq type='result'") {
            return Err(TestCaseError::fail(format!("{written}\n{answer}")));
        }
        let asked = format!(
            "<{} xmlns='{}'/>",
            first.name,
            writing::attribute(&first.namespace)
        );
        stage.send(get("2", &asked));
        let answer = stage.next();
        let query = parse(&answer);
        let query = query.children().next().expect("a query");
        let fetched: Vec<_> = query.children().map(infoset::of).collect();
        if fetched != elements {
            return Err(TestCaseError::fail(format!("{written}\n{answer}")));
        }
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
