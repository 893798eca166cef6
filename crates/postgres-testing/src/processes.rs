//! The processes of a server, and signals to all of them.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

/// The processes that this one has started.
fn children(process: i32) -> Vec<i32> {
    let path = format!("/proc/{process}/task/{process}/children");
    let children = fs::read_to_string(path).unwrap_or_default();
    children
        .split_whitespace()
        .filter_map(|child| child.parse().ok())
        .collect()
}

pub(crate) fn signal(process: i32, signal: Signal) {
    // It may be gone.
    if let Some(pid) = Pid::from_raw(process) {
        let _ = kill_process(pid, signal);
    }
}

/// Signals this process, and all that it has started: the first of all it, so that it starts no more.
pub fn signal_all(process: i32, which: Signal) {
    signal(process, which);
    for child in children(process) {
        signal(child, which);
    }
}
