//! The end: nothing is under way any more, and every owner has what was acknowledged.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::{LATER, Load, PATIENCE};

/// How many owners are looked at at once.
const AT_ONCE: usize = 64;

impl Load {
    /// Looks at what every owner has, when nothing is under way any more.
    #[track_caller]
    pub fn settle(&mut self) {
        self.answer_all();
        let owners: Vec<u64> = self.owners.keys().copied().collect();
        for owners in owners.chunks(AT_ONCE) {
            let first = self.look_at(owners, 0);
            let second = self.look_at(owners, 1);
            for index in owners {
                let owner = &self.owners[index];
                match owner.is_whole(&first[index], &second[index]) {
                    Ok(true) => {}
                    Ok(false) => {
                        self.tally.torn += 1;
                        let (first, second) = (&first[index], &second[index]);
                        let fault = format!("in the end, of {owner:?}:\n{first}\n{second}");
                        self.tally.fault(fault);
                    }
                    Err(strange) => self.tally.fault(strange),
                }
            }
        }
        self.asking = true;
    }

    /// Waits for the answers to all that was asked; nobody asks any more.
    #[track_caller]
    pub fn answer_all(&mut self) {
        self.asking = false;
        let deadline = Instant::now() + PATIENCE;
        while self.is_owed() {
            self.step();
            assert!(Instant::now() < deadline, "no answer: {:#?}", self.tally);
        }
    }

    /// What these have in a namespace. Who is told to wait is asked again.
    #[track_caller]
    fn look_at(&mut self, owners: &[u64], namespace: usize) -> HashMap<u64, String> {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = HashMap::new();
        loop {
            for index in owners.iter().filter(|index| !seen.contains_key(*index)) {
                self.ask(*index, |owner, now| owner.get(namespace, now));
            }
            while self.is_owed() {
                seen.extend(self.step());
                assert!(Instant::now() < deadline, "no answer: {:#?}", self.tally);
            }
            if seen.len() == owners.len() {
                return seen;
            }
            self.go_on(Duration::from_millis(LATER.0));
        }
    }

    fn is_owed(&mut self) -> bool {
        let mut owners = self.owners.values_mut();
        owners.any(|owner| !owner.open().is_empty())
    }
}
