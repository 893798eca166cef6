//! The disk fails: a cable, a controller, a volume that is detached. What the program was told is
//! on the disk may not be, so it must not say so; and nobody wants to restart it when the disk is
//! back.

use std::time::{Duration, Instant};

use super::faulty::{EIO, ENOSPC, FaultyDisk};
use super::{assert_failed, is_result, numbered, refused, stage, try_get, try_set};
use crate::support::clock::Ticks;
use crate::support::clock::eventually;
use crate::support::router::PATIENCE;

const SOON: Duration = Duration::from_secs(5);

/// Sets while `calls` fail, and after that; what was acknowledged must be there all the time, and
/// the refused set wholly or not at all.
#[track_caller]
fn survives_and_comes_back(calls: &[&str], error: u32, words: &str) {
    let disk = FaultyDisk::new();
    let mut stage = stage(disk.under());
    for number in 0..20 {
        stage.store(&numbered(number, "kept"));
    }
    disk.fail(calls, error);
    let both = "<n1 xmlns='urn:x'>refused</n1><n2 xmlns='urn:x'>refused</n2>";
    assert_failed(&try_set(&mut stage, both));
    // Nothing is shown that may be gone tomorrow, and no "nothing stored" either.
    assert_failed(&try_get(&mut stage, &numbered(1, "")));
    assert_failed(&try_set(&mut stage, &numbered(3, "refused, too")));
    let line = stage
        .component
        .wait_for_log("the store has failed", PATIENCE);
    assert!(
        line.contains(words) && line.contains("check the disk"),
        "{line}"
    );
    std::thread::sleep(SOON);
    assert_failed(&try_set(&mut stage, &numbered(3, "refused, too")));

    disk.heal();
    eventually("gets work again", || {
        is_result(&try_get(&mut stage, &numbered(0, "")))
    });
    let one = try_get(&mut stage, &numbered(1, "")).contains("refused");
    let two = try_get(&mut stage, &numbered(2, "")).contains("refused");
    assert_eq!(one, two, "half a set");
    stage.store("<n1 xmlns='urn:x'>anew</n1><n2 xmlns='urn:x'>kept</n2>");
    assert!(stage.component.stop().success());

    let mut stage = super::stage(disk.under());
    for number in 0..20 {
        let text = if number == 1 { "anew" } else { "kept" };
        stage.fetch(&numbered(number, ""), &numbered(number, text));
    }
}

#[test]
fn a_sync_that_fails_is_an_error_until_the_disk_is_back() {
    survives_and_comes_back(&["fsync"], EIO, "Input/output error");
}

/// Of two syncs that fail together the kernel tells one alone. sled's own thread syncs once a second, and notes nothing: so a
/// sync that had failed was taken for good, and what was acknowledged was gone when the store had been opened again.
#[test]
fn a_failure_of_which_another_sync_was_told_is_one_all_the_same() {
    let disk = FaultyDisk::new();
    let mut stage = stage(disk.under());
    stage.store(&numbered(0, "kept"));
    disk.hang("fsync");
    disk.fail(&["fdatasync"], EIO);
    stage.send(crate::scripted::stage::set("1", &numbered(1, "refused")));
    std::thread::sleep(Duration::from_millis(500));
    // sled's is told that all is well.
    disk.mend("fsync");
    assert_failed(&stage.next_with("id='1'"));
    disk.heal();
    eventually("gets work again", || {
        is_result(&try_get(&mut stage, &numbered(0, "")))
    });
}

#[test]
fn a_write_that_fails_is_an_error_until_the_disk_is_back() {
    survives_and_comes_back(&["write"], EIO, "Input/output error");
}

#[test]
fn a_disk_without_any_life_is_an_error_until_it_is_back() {
    survives_and_comes_back(&["write", "fsync", "read"], EIO, "Input/output error");
}

/// A quota, say: the disk has space, and not for us.
#[test]
fn a_write_without_space_is_an_error_until_there_is_some() {
    survives_and_comes_back(&["write"], ENOSPC, "No space left on device");
}

#[test]
fn what_cannot_be_read_is_an_error_and_not_nothing() {
    let disk = FaultyDisk::new();
    let mut stage = stage(disk.under());
    stage.store(&numbered(1, "kept"));
    assert!(stage.component.stop().success());
    let mut stage = super::stage(disk.under());
    // The store has read this much only: its mark.
    for number in 100..140 {
        stage.store(&numbered(number, &"x".repeat(20_000)));
    }
    assert!(stage.component.stop().success());
    let mut stage = super::stage(disk.under());
    disk.fail(&["read"], EIO);
    let mut failed = 0;
    for number in 100..140 {
        let answer = try_get(&mut stage, &numbered(number, ""));
        if !is_result(&answer) {
            assert_failed(&answer);
            failed += 1;
        } else {
            assert!(answer.contains("xxxx"), "{answer}");
        }
    }
    assert!(failed > 0, "all of it was in memory");
    disk.heal();
    for number in 100..140 {
        eventually("gets work again", || {
            let answer = try_get(&mut stage, &numbered(number, ""));
            assert!(!is_result(&answer) || answer.contains("xxxx"), "{answer}");
            is_result(&answer)
        });
    }
}

#[test]
fn a_disk_that_fails_again_and_again_is_reported_less_and_less_often() {
    let disk = FaultyDisk::new();
    let mut stage = stage(disk.under());
    stage.store(&numbered(1, "kept"));
    for pause in [2, 4, 8] {
        let begun = Instant::now();
        disk.fail(&["fsync"], EIO);
        // sled writes nothing where nothing changes.
        assert_failed(&try_set(&mut stage, &numbered(1, &pause.to_string())));
        disk.heal();
        eventually("gets work again", || {
            is_result(&try_get(&mut stage, &numbered(1, "")))
        });
        let paused = begun.elapsed();
        assert!(paused >= Duration::from_secs(pause), "{paused:?}");
    }
}

#[test]
fn a_service_without_its_disk_waits_for_it_without_work() {
    let disk = FaultyDisk::new();
    let mut stage = stage(disk.under());
    disk.fail(&["write", "fsync", "read"], EIO);
    assert_failed(&try_set(&mut stage, &numbered(1, "refused")));
    let before = stage.component.busy();
    std::thread::sleep(SOON);
    let busy = stage.component.busy().saturating_sub(before);
    assert!(busy < SOON / 5, "{busy:?}");
}

#[test]
fn a_service_without_its_disk_can_be_stopped() {
    let disk = FaultyDisk::new();
    let mut stage = stage(disk.under());
    stage.store(&numbered(1, "kept"));
    disk.fail(&["write", "fsync", "read"], EIO);
    assert_failed(&try_set(&mut stage, &numbered(1, "refused")));
    let ticks = Ticks::start();
    assert!(stage.component.stop().success());
    assert!(ticks.passed() < SOON, "{:?}", ticks.passed());
    disk.heal();
    let mut stage = super::stage(disk.under());
    assert!(is_result(&try_get(&mut stage, &numbered(1, ""))));
}

#[test]
fn a_disk_that_fails_at_the_start_is_a_start_refused() {
    let disk = FaultyDisk::new();
    let mut first = stage(disk.under());
    first.store(&numbered(1, "kept"));
    assert!(first.component.stop().success());
    for call in ["read", "write", "fsync"] {
        disk.fail(&[call], EIO);
        let said = refused(disk.under());
        assert!(said.contains(&disk.store().display().to_string()), "{said}");
        assert!(said.contains("Input/output error"), "{call}: {said}");
        disk.heal();
        let mut again = stage(disk.under());
        again.fetch(&numbered(1, ""), &numbered(1, "kept"));
        assert!(again.component.stop().success());
    }
}
