//! What the component takes of memory beyond what it takes when it is idle.

use std::fs;
use std::path::PathBuf;

use super::support::component::Component;

/// Of an idle component, in bytes.
pub struct Idle(u64);

/// What a load has made of it, in bytes beyond that.
#[derive(Clone, Copy, Default)]
pub struct Grown {
    /// At its highest (VmHWM).
    pub peak: u64,
    /// At the end (smaps_rollup).
    pub left: u64,
}

impl Idle {
    pub fn now(component: &Component) -> Idle {
        Idle(resident(component))
    }

    /// Does this, and says by how much the component has grown meanwhile.
    pub fn watch<T>(
        &self,
        component: &mut Component,
        load: impl FnOnce(&mut Component) -> T,
    ) -> (T, Grown) {
        // Has the kernel begin again with what is the highest.
        let _ = fs::write(process(component).join("clear_refs"), "5");
        let done = load(component);
        let highest = component.memory().expect("it runs").peak;
        let beyond = |bytes: u64| bytes.saturating_sub(self.0);
        let grown = Grown {
            peak: beyond(highest),
            left: beyond(resident(component)),
        };
        (done, grown)
    }
}

impl Grown {
    pub fn max(self, other: Grown) -> Grown {
        Grown {
            peak: self.peak.max(other.peak),
            left: self.left.max(other.left),
        }
    }
}

/// In whole MiB.
pub fn mib(bytes: u64) -> String {
    format!("{} MiB", (bytes + (1 << 19)) >> 20)
}

fn resident(component: &Component) -> u64 {
    let told =
        fs::read_to_string(process(component).join("smaps_rollup")).expect("of a process of ours");
    let line = told.lines().find_map(|line| line.strip_prefix("Rss:"));
    let kibibytes = line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
    kibibytes.expect("a number") * 1024
}

/// Where the kernel tells of its process: the one that works in its folder.
fn process(component: &Component) -> PathBuf {
    let all = fs::read_dir("/proc").expect("processes");
    let mut all = all.filter_map(|entry| Some(entry.ok()?.path()));
    let works_there = |process: &PathBuf| {
        let folder = fs::read_link(process.join("cwd"));
        folder.is_ok_and(|folder| folder == component.folder())
    };
    all.find(works_there).expect("it runs")
}
