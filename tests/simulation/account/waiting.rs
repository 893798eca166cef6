//! What old clients wait for, and when they do not any more.

use std::collections::BTreeSet;

use super::{Account, GivenUp, List, NOTED, Open};
use crate::simulation::node::Room;
use crate::simulation::owner::KEPT;

impl Account {
    /// A client waits no more for its answer, if this is true of it: it asks again, or goes on from what it knew before.
    /// What was given up.
    pub(super) fn give_up(
        &mut self,
        client: usize,
        is_over: impl Fn(&Open) -> bool,
    ) -> Option<u64> {
        let old = &mut self.old[client];
        let open = old.open.take_if(|it| is_over(it))?;
        (old.known, old.by) = (None, None);
        if self.goes_on && self.choice.percent(50) {
            old.known = open.before;
        }
        if open.stores.is_some() {
            self.stored = None;
        }
        let it = GivenUp {
            client,
            process: open.process,
            stores: open.stores,
        };
        self.given_up.insert(open.number, it);
        Some(open.number)
    }

    /// Nobody can know any more what a client had been shown that stores these: all of them count as wanted.
    pub(super) fn all_are_wanted(&mut self, list: &List) {
        let all: Vec<&Room> = list.keys().collect();
        let wanted = list.keys().cloned().collect();
        self.node.stored(&all, &wanted, &BTreeSet::new());
    }

    /// Nobody reads this line any more, of which so much was read; what was sent before that moment was surely taken.
    pub fn was_left(
        &mut self,
        (process, line): (u64, usize),
        (read, sure_before): (u64, u64),
        now: u64,
    ) {
        if now < self.last_iq + NOTED {
            // Its answer may not have come.
            self.unsure = now;
        }
        for client in 0..self.old.len() {
            let old = &mut self.old[client];
            old.by.take_if(|it| *it == process);
            if let Some(never_came) = self.give_up(client, |it| it.line == line && it.end > read) {
                // Nor will its answer.
                self.given_up.remove(&never_came);
            }
            let Some(open) = self.old[client].open.as_mut() else {
                continue;
            };
            if open.line == line {
                open.is_excused |= open.sent >= sure_before;
                // What is stored while there is no link, and so no grant, is stored without a look at what was shown.
                if let Some(list) = open.stores.clone() {
                    self.all_are_wanted(&list);
                }
            }
        }
    }

    /// A process has no link for so long that its answers are gone.
    pub fn is_late(&mut self, process: u64, now: u64) {
        let open = self.old.iter_mut().filter_map(|it| it.open.as_mut());
        for open in open.filter(|it| it.process == process) {
            open.is_excused |= now.saturating_sub(open.sent) > KEPT;
        }
    }

    /// A process has ended: nothing that it was asked is answered any more.
    pub fn process_ended(&mut self, process: u64, now: u64) {
        self.unsure = now;
        for client in 0..self.old.len() {
            if let Some(number) = self.give_up(client, |it| it.process == process)
                && let Some(list) = self.given_up[&number].stores.clone()
            {
                // It may have been stored, and nothing noted of it.
                self.all_are_wanted(&list);
            }
        }
    }

    /// The component can do nothing for now, or what it did may not have been noted.
    pub fn is_unsure(&mut self, now: u64) {
        self.unsure = now;
        self.old.iter_mut().for_each(|it| it.by = None);
    }

    /// What is waited for still, and must come.
    pub fn owed(&self) -> Vec<&str> {
        let open = self.old.iter().filter_map(|it| it.open.as_ref());
        let owed = open.filter(|it| !it.is_excused);
        owed.map(|it| &*it.envelope.id).collect()
    }
}
