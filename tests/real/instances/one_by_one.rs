//! On Prosody, which lets one instance alone log in: the others stand by, and one of them follows.

use std::time::Duration;

use super::stage::{
    ALICE, BOB, ask, assert_kept, assert_serves, assert_stands_by, instance, keep, lines, options,
    refusals,
};
use crate::real::stage::wait_until_served;
use crate::support::client::{PATIENCE, RawClient};
use crate::support::clock::{Ticks, eventually};
use crate::support::component::Component;
use crate::support::database::Database;
use crate::support::prosody;
use crate::support::relay::Relay;
use crate::support::server::{COMPONENT, Options, Server};

/// Users are without private storage no longer.
const PROMISED: Duration = Duration::from_secs(10);

/// Its hosts are served by our module alone, as it is printed.
fn prosody() -> Server {
    prosody::start(Options::delegating(&[ALICE, BOB]))
}

fn wait(server: &Server) {
    wait_until_served(server, ALICE, &["", COMPONENT]);
}

/// The second of two instances logged a warning each time, and tried again ever more rarely: users were
/// without private storage for up to a minute.
#[test]
fn one_serves_and_the_other_follows_it() {
    let (database, server) = (Database::start(), prosody());
    let address = server.component_address();
    let mut first = instance(address, &database);
    wait(&server);
    let mut second = instance(address, &database);
    assert_stands_by(&second);
    let mut alice = RawClient::login(&server, ALICE);
    keep(&mut alice, "before", "by the first");
    assert_serves(&first);
    eventually("it has tried again", || refusals(&second) >= 2);

    let before = refusals(&second);
    let ticks = Ticks::start();
    first.kill();
    second.wait_for_log("took over: logged in to ", PATIENCE);
    assert!(ticks.passed() < PROMISED, "{:?}", ticks.passed());
    // One attempt may have been under way.
    let since = refusals(&second) - before;
    assert!(since <= 1, "it was refused {since} times by nobody");
    wait(&server);
    assert_serves(&second);
    assert_kept(&mut alice, "before", "by the first");
    keep(&mut alice, "after", "by the second");

    first.restart();
    assert_stands_by(&first);
    assert_kept(&mut alice, "after", "by the second");
    assert!(second.stop().success());
    first.wait_for_log("took over: logged in to ", PATIENCE);
    wait(&server);
    assert_kept(&mut alice, "before", "by the first");
    assert_kept(&mut alice, "after", "by the second");

    for (component, stood_by) in [(&first, 1), (&second, 1)] {
        let log = component.log().join("\n");
        assert_eq!(
            lines(component, "standing by, trying every 5 s"),
            stood_by,
            "{log}"
        );
        assert_eq!(lines(component, "took over"), 1, "{log}");
        let is_bad = |line: &&str| {
            line.contains(" ERROR ")
                || line.contains(" WARN ") && !line.contains("no access to PEP")
        };
        assert_eq!(log.lines().find(is_bad), None, "{log}");
    }
    let log = server.log();
    assert!(
        !log.contains("denying connection"),
        "an error each time: {log}"
    );
}

/// Prosody believed in the connection of a machine that had vanished for as long as its system did: a quarter
/// of an hour, in which it refused every other instance.
#[test]
fn one_whose_machine_has_vanished_is_followed() {
    let (database, server) = (Database::start(), prosody());
    let relay = Relay::new(server.component_address());
    let first = instance(relay.address(), &database);
    wait(&server);
    let second = instance(server.component_address(), &database);
    assert_stands_by(&second);
    let mut alice = RawClient::login(&server, ALICE);
    keep(&mut alice, "before", "by the first");
    relay.freeze();
    second.wait_for_log("took over: logged in to ", PATIENCE);
    wait(&server);
    assert_serves(&second);
    assert_kept(&mut alice, "before", "by the first");
    keep(&mut alice, "after", "by the second");

    // What the first learns of it, once it is back.
    relay.end_frozen();
    assert_stands_by(&first);
    assert_kept(&mut alice, "after", "by the second");
    let log = server.log();
    assert!(
        log.contains("has not answered a ping for 10 seconds"),
        "{log}"
    );
}

/// One that lives is never given up for another one that wants its place.
#[test]
fn one_that_serves_keeps_its_place_however_many_wait_for_it() {
    let (database, server) = (Database::start(), prosody());
    let first = instance(server.component_address(), &database);
    wait(&server);
    let others: Vec<Component> = (0..3)
        .map(|_| {
            let mut options = options(server.component_address(), &database);
            options.component = "standby_retry_seconds = 1".to_owned();
            Component::start(options)
        })
        .collect();
    // Longer than a connection that is dead is left alone.
    eventually("all have tried for long", || {
        others.iter().all(|other| refusals(other) >= 15)
    });
    assert_serves(&first);
    let links = ask(&first, "/metrics").1;
    for line in [
        "private_storage_logins_total 1",
        "private_storage_link_losses_total 0",
    ] {
        assert!(links.lines().any(|it| it == line), "{line} in {links}");
    }
    for other in &others {
        assert_eq!(lines(other, "standing by, trying every 1 s"), 1);
    }
}

/// Dashboards and alerts go by names and labels.
#[test]
fn what_is_told_of_the_database_has_the_names_that_are_kept() {
    let (database, server) = (Database::start(), prosody());
    let component = instance(server.component_address(), &database);
    wait(&server);
    let told = || ask(&component, "/metrics").1;
    let connections = "private_storage_database_connections ";
    eventually("its connections are counted", || {
        told().contains(connections)
    });
    let told = told();
    let of_database = |line: &&str| {
        let named = line.strip_prefix("# TYPE ").unwrap_or(line);
        named.starts_with("private_storage_database_")
    };
    let series = told.lines().filter(of_database);
    let series = series.map(|line| match line.rsplit_once(' ') {
        Some((series, _)) if !line.starts_with('#') => series,
        _ => line,
    });
    let kept = include_str!("../../fixtures/metrics-database.txt");
    assert_eq!(series.collect::<Vec<_>>(), kept.lines().collect::<Vec<_>>());
}
