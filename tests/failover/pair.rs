//! A primary with a synchronous standby, and a test that promotes it.

use std::time::Duration;

use super::cable::Cable;
use super::load::Load;
use crate::support::clock::Ticks;
use crate::support::database::{hosts, storage_on};
use xps_postgres_testing::Pair;

const USERS: u64 = 32;

/// How long the load is on before something happens, and before it is noticed that something has.
const BEFORE: Duration = Duration::from_secs(2);
const UNNOTICED: Duration = Duration::from_secs(2);

/// How many sets must succeed before all is well again.
const ENOUGH: u64 = 300;

/// How long the program may take to stop.
const STOPS: Duration = Duration::from_secs(7);

/// A pair under load.
fn under_load(seed: u64) -> (Pair, Load) {
    let pair = Pair::start();
    let mut load = Load::start(USERS, seed, storage_on(&hosts(&pair)));
    load.until_sets(ENOUGH);
    load.go_on(BEFORE);
    (pair, load)
}

#[track_caller]
fn all_is_well(mut load: Load) {
    load.until_sets(ENOUGH);
    load.settle();
    load.tally.assert_kept();
    println!("{:#?}", load.tally);
}

#[test]
fn the_primary_is_killed_and_its_standby_promoted() {
    let (mut pair, mut load) = under_load(1);
    pair.a.kill();
    load.go_on(UNNOTICED);
    load.during(|| pair.b.promote());
    all_is_well(load);
}

/// It still takes connections, and whatever is sent to it, and says nothing.
#[test]
fn the_primary_hangs_and_its_standby_is_promoted() {
    let (mut pair, mut load) = under_load(2);
    pair.a.freeze();
    load.go_on(UNNOTICED);
    load.during(|| pair.b.promote());
    load.until_sets(ENOUGH);
    // Whoever promotes has to see to it that it never wakes up as a primary.
    pair.a.kill();
    all_is_well(load);
}

/// As a switch-over: the primary ends in good order, and has its standby get everything before.
#[test]
fn the_primary_is_stopped_and_its_standby_promoted() {
    let (mut pair, mut load) = under_load(3);
    load.during(|| {
        pair.a.stop();
        pair.b.promote();
    });
    all_is_well(load);
}

#[test]
fn the_component_is_killed_with_the_primary() {
    let (mut pair, mut load) = under_load(4);
    pair.a.kill();
    load.kill_component();
    load.go_on(UNNOTICED);
    load.during(|| pair.b.promote());
    load.until("a login", Load::is_up);
    all_is_well(load);
}

/// Sets wait for the standby, and so do gets: that it confirms something behind them proves that nobody has been
/// promoted meanwhile, and that what they show is kept.
#[test]
fn the_standby_is_killed_and_comes_back() {
    let (mut pair, mut load) = under_load(5);
    pair.b.kill();
    load.go_on(UNNOTICED);
    let (sets, pings) = (load.tally.sets, load.tally.pings);
    load.until("pings without a standby", |load| {
        load.tally.pings > pings + 50
    });
    assert_eq!(load.tally.sets, sets, "some are on one machine alone");
    load.during(|| pair.b.restart());
    all_is_well(load);
}

/// Nothing comes back for longer than the component waits for it, so that it tries again on another
/// connection; what it had sent first arrives late, beside that.
#[test]
fn the_network_to_the_primary_is_cut_and_mended() {
    let pair = Pair::start();
    let [primary, standby] = hosts(&pair);
    let cable = Cable::to(primary);
    let hosts = [cable.address(), standby];
    let mut load = Load::start(USERS, 8, storage_on(&hosts));
    load.until_sets(ENOUGH);
    for seconds in [1, 8] {
        cable.cut();
        load.go_on(Duration::from_secs(seconds));
        cable.mend();
        load.until_sets(ENOUGH);
    }
    all_is_well(load);
}

/// Nobody promotes anything, and the whole database is away for longer than anybody waits.
#[test]
fn whoever_waits_for_long_is_told_to_try_again() {
    let (mut pair, mut load) = under_load(6);
    pair.b.kill();
    pair.a.freeze();
    let (told, pings) = (load.tally.told_to_wait, load.tally.pings);
    load.until("told to wait", |load| {
        load.tally.told_to_wait > told + USERS && load.tally.pings > pings
    });
    // The load is on all the time, and whoever waits too long is seen.
    load.go_on(Duration::from_secs(10));
    pair.a.thaw();
    load.during(|| pair.b.restart());
    all_is_well(load);
}

#[test]
fn the_component_can_be_stopped_while_the_primary_hangs() {
    let (pair, mut load) = under_load(7);
    pair.a.freeze();
    load.go_on(UNNOTICED);
    load.asking = false;
    let ticks = Ticks::start();
    load.component.terminate();
    while load.component.exited().is_none() {
        let log = load.component.log();
        assert!(ticks.passed() <= STOPS, "{log:#?}");
        load.go_on(Duration::from_millis(50));
    }
    let status = load.component.exited().expect("its end");
    assert_eq!(status.code(), Some(0));
}
