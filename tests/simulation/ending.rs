//! The end: nothing goes wrong any more, and it is seen whether all works again, and all is there.

use super::account::Account;
use super::life::Life;
use super::owner::Owner;
use super::predicate::{self, Violation};
use super::world::{Event, Phase, World};

/// How long it may take until all works again once all is well, in milliseconds: pauses between attempts grow to a
/// minute, and those between logins that are to bring delegation back to an hour.
const RECOVERY: u64 = 1_200_000;

/// How long PEP is left alone after it was silent, and a little more.
const ALONE: u64 = 75_000;

impl World {
    pub fn calm(&mut self) {
        self.tell(|| "nothing goes wrong any more".to_owned());
        let until = self.now() + RECOVERY;
        self.phase = Phase::Settling(until);
        self.server_is_away = false;
        self.silent_until = 0;
        self.grant();
        for line in &mut self.lines {
            line.stalled_until = 0;
            line.to_component.is_quick = true;
            line.to_server.is_quick = true;
        }
        if self.kept.is_in_trouble() {
            self.mend_disk();
        }
        let now = self.now();
        self.launch_all();
        self.schedule(now + 1_000, Event::Look);
    }

    /// What it is waited for, if anything.
    fn missing(&self) -> Option<(&'static str, String)> {
        let owed = self.owners.iter().flat_map(Owner::owed);
        let owed: Vec<&str> = owed
            .chain(self.accounts.iter().flat_map(Account::owed))
            .collect();
        let lines: Vec<_> = (0..self.nodes()).map(|node| self.current(node)).collect();
        let is_served = lines
            .iter()
            .all(|line| line.is_some_and(|line| self.is_served(line)));
        let lives = self.instances.iter().map(|it| it.life.as_ref());
        let is_broken = lives.into_iter().any(|it| it.is_none_or(Life::is_broken));
        if !owed.is_empty() {
            return Some((predicate::ANSWERED, format!("{owed:?} have no answer")));
        }
        if !is_served || is_broken {
            let what =
                format!("lines {lines:?} are served: {is_served}; a store is broken: {is_broken}");
            return Some((predicate::QUIET, what));
        }
        None
    }

    fn is_served(&self, line: usize) -> bool {
        let it = &self.lines[line];
        let is_swallowed = it.to_component.is_swallowed || it.to_server.is_swallowed;
        self.sessions[line].delegates && it.left_at.is_none() && !is_swallowed
    }

    /// A service manager starts what has ended.
    fn launch_all(&mut self) {
        (0..self.instances.len()).for_each(|instance| self.launch(instance));
    }

    pub fn look(&mut self) {
        let now = self.now();
        let until = match self.phase {
            Phase::Settling(until) | Phase::Reading { until, .. } => until,
            Phase::Trouble | Phase::Over => return,
        };
        match self.missing() {
            Some((predicate, what)) if now > until => {
                return self.fail(Violation::new(predicate, what));
            }
            Some(_) => {
                self.launch_all();
            }
            None => self.go_on(now),
        }
        self.schedule(now + 1_000, Event::Look);
    }

    /// All is well: what comes next.
    fn go_on(&mut self, now: u64) {
        let until = now + RECOVERY;
        match self.phase {
            // A host that was silent is left alone for a minute.
            Phase::Settling(_) if now < self.plan.length + ALONE => {}
            Phase::Settling(_) => {
                self.phase = Phase::Reading {
                    again: false,
                    until,
                };
                self.owners.iter_mut().for_each(Owner::close);
                self.look_through();
            }
            Phase::Reading { again: false, .. } => {
                self.phase = Phase::Reading { again: true, until };
                if self.plan.restores {
                    self.back_up();
                } else {
                    self.tell(|| "the power is lost once more".to_owned());
                }
                (0..self.instances.len()).for_each(|instance| self.kill(instance, 1));
            }
            Phase::Reading { again: true, .. } if self.has_been_read => {
                self.phase = Phase::Over;
                let seen = self.accounts.iter().map(Account::sees_the_same);
                let seen: Result<(), Violation> = seen.collect();
                if let Err(violation) = seen
                    && self.grants
                {
                    self.fail(violation);
                }
            }
            Phase::Reading { again: true, .. } => {
                self.has_been_read = true;
                self.look_through();
            }
            Phase::Trouble | Phase::Over => {}
        }
    }

    fn look_through(&mut self) {
        for owner in 0..self.owners.len() {
            for what in self.owners[owner].look_through() {
                self.request(owner, what);
            }
        }
        for account in 0..self.accounts.len() {
            for client in self.accounts[account].look_through() {
                self.bookmarks(account, client, None);
            }
        }
    }
}
