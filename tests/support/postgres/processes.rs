//! The processes of a PostgreSQL server, whoever has started it.

use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

/// All that belong to one server, at the moment of a signal.
#[derive(Debug, Clone, Copy)]
pub struct Processes {
    main: Pid,
}

impl Processes {
    /// Of the server that runs on this data.
    pub fn of(data: &Path) -> Option<Processes> {
        let told = fs::read_to_string(data.join("postmaster.pid")).ok()?;
        let main = Pid::from_raw(told.lines().next()?.trim().parse().ok()?)?;
        Some(Processes { main })
    }

    /// Nothing of it goes on.
    pub fn freeze(self) {
        // First the one that would make more of them.
        self.signal(self.main, Signal::STOP);
        for child in self.children() {
            self.signal(child, Signal::STOP);
        }
    }

    /// They go on.
    pub fn thaw(self) {
        for child in self.children() {
            self.signal(child, Signal::CONT);
        }
        self.signal(self.main, Signal::CONT);
    }

    /// They are gone.
    pub fn kill(self) {
        self.freeze();
        let children = self.children();
        self.signal(self.main, Signal::KILL);
        for child in children {
            self.signal(child, Signal::KILL);
        }
    }

    fn children(self) -> Vec<Pid> {
        let main = self.main.as_raw_nonzero();
        let told = fs::read_to_string(format!("/proc/{main}/task/{main}/children"));
        let told = told.unwrap_or_default();
        let numbers = told.split_whitespace().filter_map(|pid| pid.parse().ok());
        numbers.filter_map(Pid::from_raw).collect()
    }

    /// One that has ended meanwhile is as good.
    fn signal(self, process: Pid, signal: Signal) {
        let _ = kill_process(process, signal);
    }
}
