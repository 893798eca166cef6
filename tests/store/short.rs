//! The system is short of threads, memory or descriptors, or a limit is: it passes. One failed
//! start of a thread left a failed store dead for good ("restart the service"), and a request that
//! found no thread ended the process.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use super::faulty::{EIO, FaultyDisk};
use super::{assert_failed, is_result, keeping, numbered, stage, try_get, try_set};
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

/// The address space that it takes once no thread is ending any more, in bytes. (What one gave back
/// would do for the stack of another, but not for all that a thread needs, and then it aborts.)
fn address_space(pid: Pid) -> u64 {
    let mut last = address_space_now(pid);
    loop {
        std::thread::sleep(Duration::from_millis(400));
        let now = address_space_now(pid);
        if now == last {
            return now;
        }
        last = now;
    }
}

fn address_space_now(pid: Pid) -> u64 {
    let status = format!("/proc/{}/status", pid.as_raw_nonzero());
    let status = fs::read_to_string(status).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let words = line.expect("a size").trim().trim_end_matches(" kB");
    words.parse::<u64>().expect("a number") * 1024
}

/// Leaves it no room for the stack of another thread.
fn no_more_threads(pid: Pid) {
    limit(pid, Resource::As, Some(address_space(pid) + 512 * 1024));
}

/// The store fails, and something that it takes to open it again is missing.
#[track_caller]
fn comes_back_when_there_is_enough(
    resource: Resource,
    to: impl Fn(Pid) -> u64,
) -> (FaultyDisk, Stage) {
    let disk = FaultyDisk::new();
    let mut stage = stage(disk.under());
    stage.store(&numbered(1, "kept"));
    let pid = holder(&disk.store());
    disk.fail(&["fsync"], EIO);
    assert_failed(&try_set(&mut stage, &numbered(2, "lost")));
    // The disk is back only when that is missing.
    let mut least = to(pid);
    limit(pid, resource, Some(least));
    disk.heal();
    eventually("the log says what is missing", || {
        // A thread that ends leaves room for another.
        least = least.min(to(pid));
        limit(pid, resource, Some(least));
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
    limit(pid, resource, None);
    eventually("gets work again", || {
        is_result(&try_get(&mut stage, &numbered(1, "")))
    });
    stage.fetch(&numbered(1, ""), &numbered(1, "kept"));
    stage.store(&numbered(2, "anew"));
    (disk, stage)
}

#[test]
fn a_store_that_fails_without_threads_to_be_had_comes_back_with_them() {
    let to = |pid| address_space_now(pid) + 512 * 1024;
    let (_disk, mut stage) = comes_back_when_there_is_enough(Resource::As, to);
    assert!(stage.component.stop().success());
}

/// Whoever listens still does when there are descriptors again.
#[test]
fn a_store_that_fails_without_descriptors_comes_back_with_them() {
    let (disk, mut stage) = comes_back_when_there_is_enough(Resource::Nofile, |_| 3);
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
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let mut stage = stage(keeping(&data));
    stage.store(&numbered(1, "kept"));
    let pid = holder(&data);
    no_more_threads(pid);
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
