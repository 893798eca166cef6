//! The system is short of threads, memory or descriptors, or a limit is: it passes. One failed
//! start of a thread left a failed store dead for good ("restart the service"), and a request that
//! found no thread ended the process.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use super::faulty::{EAGAIN, EIO, FaultyDisk};
use super::{assert_failed, is_result, numbered, stage, try_get, try_set};
use crate::scripted::stage::{Stage, get};
use crate::support::clock::eventually;
use crate::support::web;

/// The process that has this store.
fn holder(store: &Path) -> Pid {
    let pid = fs::read_to_string(store.join("lock")).expect("a lock");
    Pid::from_raw(pid.trim().parse().expect("a number")).expect("a process")
}

/// Has it get no more of this than so much, as an administrator's `prlimit` does.
fn limit(pid: Pid, resource: Resource, to: Option<u64>) {
    let maximum = getrlimit(resource).maximum;
    let current = to.or(maximum);
    prlimit(Some(pid), resource, Rlimit { current, maximum }).expect("a process of ours");
}

/// The store fails, and something that it takes to open it again is taken from it, and given back.
#[track_caller]
fn comes_back_when_there_is_enough(
    take: impl Fn(&FaultyDisk, Pid),
    give: impl Fn(&FaultyDisk, Pid),
) -> (FaultyDisk, Stage) {
    let disk = FaultyDisk::new();
    let mut stage = stage(disk.under());
    stage.store(&numbered(1, "kept"));
    let pid = holder(&disk.store());
    disk.fail(&["fsync"], EIO);
    assert_failed(&try_set(&mut stage, &numbered(2, "lost")));
    // The disk is back only when that is missing.
    take(&disk, pid);
    disk.mend("fsync");
    eventually("the log says what is missing", || {
        let log = stage.component.log();
        let line = log.iter().find(|line| line.contains("is short of"));
        line.is_some_and(|line| line.contains("cannot be opened again yet"))
    });
    std::thread::sleep(Duration::from_secs(5));
    assert_failed(&try_get(&mut stage, &numbered(1, "")));
    let log = stage.component.log();
    let said = log
        .iter()
        .filter(|line| line.contains("is short of"))
        .count();
    assert!((1..=3).contains(&said), "{log:#?}");
    give(&disk, pid);
    eventually("gets work again", || {
        is_result(&try_get(&mut stage, &numbered(1, "")))
    });
    stage.fetch(&numbered(1, ""), &numbered(1, "kept"));
    stage.store(&numbered(2, "anew"));
    (disk, stage)
}

/// (The start of a thread is made to fail: a limit of the address space leaves as many as have ended
/// and left their stacks behind, which is a matter of time.)
#[test]
fn a_store_that_fails_without_threads_to_be_had_comes_back_with_them() {
    let (_disk, mut stage) = comes_back_when_there_is_enough(
        |disk, _| disk.fail(&["thread"], EAGAIN),
        |disk, _| disk.mend("thread"),
    );
    assert!(stage.component.stop().success());
}

/// Whoever listens still does when there are descriptors again.
#[test]
fn a_store_that_fails_without_descriptors_comes_back_with_them() {
    let (disk, mut stage) = comes_back_when_there_is_enough(
        |_, pid| limit(pid, Resource::Nofile, Some(3)),
        |_, pid| limit(pid, Resource::Nofile, None),
    );
    eventually("the control socket answers", || {
        disk.store().join("control.sock").exists()
            && web::control(&disk.store(), "/livez").status == 200
    });
    stage.fetch(&numbered(2, ""), &numbered(2, "anew"));
    assert!(stage.component.stop().success());
}

/// Two gets at once, after a pause in which the runtime's threads ended: it found no thread for
/// them, and panicked on the task that serves everybody.
#[test]
fn requests_find_a_thread_where_the_system_gives_no_more() {
    let disk = FaultyDisk::new();
    let mut stage = stage(disk.under());
    stage.store(&numbered(1, "kept"));
    disk.fail(&["thread"], EAGAIN);
    for pause in [0, 12] {
        std::thread::sleep(Duration::from_secs(pause));
        let asked: String = (0..20).map(|_| get("get", &numbered(1, ""))).collect();
        stage.send(asked);
        for _ in 0..20 {
            let answer = stage.next();
            assert!(is_result(&answer) && answer.contains(">kept<"), "{answer}");
        }
    }
}
