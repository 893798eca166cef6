//! The process is killed while it rewrites its database. What was acknowledged must be there,
//! whichever of both databases is found; and nothing of the other one is left.

use std::path::Path;
use std::time::Duration;

use super::small_disk::SmallDisk;
use super::{keeping, numbered, stage};
use crate::scripted::stage::{Stage, set};
use crate::support::router::PATIENCE;

const ROUNDS: usize = 12;

/// Where too few of them end in the middle of it.
const MOST_ROUNDS: usize = 100;

const NAMES: usize = 4;

/// How many sets are under way at once.
const WINDOW: usize = 6;

/// What was sent to the store, over all its lives.
#[derive(Default)]
struct Load {
    sent: usize,
    /// Of each name, the last set that was answered.
    answered: [usize; NAMES],
}

impl Load {
    /// Of 20 to 60 KB, so that garbage grows fast.
    fn text(number: usize) -> String {
        format!("{number}:{}", "x".repeat(20_000 + number % 5 * 10_000))
    }

    /// Sends one set after the other until this is reached, and reads so many answers more.
    fn carry_on(&mut self, stage: &mut Stage, reached: impl Fn(&Stage) -> bool, more: usize) {
        let mut next = self.sent + 1;
        let mut due = None;
        let mut silent = 0;
        loop {
            if due.is_none() && reached(stage) {
                due = Some(next + more);
            }
            if due.is_some_and(|due| next >= due) {
                return;
            }
            while self.sent < next + WINDOW {
                self.sent += 1;
                let (name, text) = (self.sent % NAMES, Self::text(self.sent));
                let element = format!("<e xmlns='urn:x:{name}'>{text}</e>");
                stage.send(set(&format!("set-{}", self.sent), &element));
            }
            let Some(answer) = stage.next_within(Duration::from_millis(1)) else {
                silent += 1;
                assert!(silent < 100_000, "nothing came");
                continue;
            };
            assert!(super::is_result(&answer), "{answer:.300}");
            self.answered[next % NAMES] = next;
            next += 1;
            assert!(next < 20_000, "it was never reached");
        }
    }

    #[track_caller]
    fn is_in(&self, stage: &mut Stage) {
        for (name, answered) in self.answered.iter().enumerate() {
            let found = super::try_get(stage, &format!("<e xmlns='urn:x:{name}'/>"));
            let holds = |number| found.contains(&format!(">{}<", Self::text(number)));
            let mut possible = (*answered..=self.sent).filter(|number| number % NAMES == name);
            assert!(
                *answered == 0 || possible.any(holds),
                "name {name} is none of {answered} to {}: {found:.200}",
                self.sent
            );
        }
    }
}

/// Has the component compact as soon as it may.
pub(super) fn eager(folder: &Path) -> Vec<String> {
    let mut under = keeping(folder);
    under.push("PRIVATE_STORAGE_STORAGE_COMPACT_ABOVE_BYTES=1048576".to_owned());
    under
}

/// The process was killed some answers after the log said that the store is compacted; a small
/// copy is soon made, and on a slow machine twelve rounds of twelve came too late, so that the
/// test said that it had shown nothing. Now half of the rounds kill as soon as the folder of the
/// copy is seen, the copy has something to do, and rounds go on until enough were in time.
#[test]
fn killed_while_it_compacts_it_has_every_acknowledged_set() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let copy = data.join("compacting");
    let eager = eager(&data);
    let ballast = |number: usize| numbered(number, &"x".repeat(600_000));
    let mut first = stage(keeping(&data));
    for number in 0..10 {
        first.store(&ballast(number));
    }
    drop(first);
    let mut load = Load::default();
    let mut in_the_middle = 0;
    for round in 0..MOST_ROUNDS {
        if round >= ROUNDS && in_the_middle >= ROUNDS / 4 {
            break;
        }
        let mut stage = stage(eager.clone());
        load.is_in(&mut stage);
        if round % 2 == 0 {
            load.carry_on(&mut stage, |_| copy.exists(), round / 2 % 4);
        } else {
            let done = |line: &String| line.contains("compacted the store");
            load.carry_on(
                &mut stage,
                |stage| stage.component.log().iter().any(done),
                round,
            );
        }
        stage.component.kill();
        in_the_middle += usize::from(copy.exists());
    }
    assert!(in_the_middle > 0, "not once in the middle of it");
    let mut stage = stage(keeping(&data));
    load.is_in(&mut stage);
    stage.fetch(&numbered(7, ""), &ballast(7));
    assert!(!copy.exists());
}

#[test]
fn without_space_for_it_the_store_goes_on_and_says_so() {
    let mut disk = SmallDisk::new(300);
    let (patient, eager) = (keeping(&disk.store()), eager(&disk.store()));
    let mut first = stage([disk.inside(), patient].concat());
    let text = |number: usize| format!("{number}{}", "x".repeat(600_000));
    for number in 0..50 {
        first.store(&numbered(number % 12, &text(number)));
    }
    assert!(first.component.stop().success());
    // Sets need 64 MiB, and a copy as much and twice what lives.
    disk.fill_up_to(70);
    let mut second = stage([disk.inside(), eager].concat());
    let line = second
        .component
        .wait_for_log("could not be compacted", PATIENCE);
    assert!(line.contains("MiB of free space"), "{line}");
    second.store(&numbered(0, "less"));
    second.fetch(&numbered(1, ""), &numbered(1, &text(49)));
}
