//! The end: nothing goes wrong any more, and it is seen whether all works again, and all is there.

use xmpp_private_storage::store::simulation::Trouble;

use super::life::Life;
use super::owner::Owner;
use super::predicate::{self, Violation};
use super::world::{Event, Phase, World};

/// How long it may take until all works again once all is well, in milliseconds: pauses between attempts grow to a
/// minute, and those between logins that are to bring delegation back to an hour.
const RECOVERY: u64 = 1_200_000;

impl World {
    pub fn calm(&mut self) {
        self.tell(|| "nothing goes wrong any more".to_owned());
        let until = self.now() + RECOVERY;
        self.phase = Phase::Settling(until);
        self.server_is_away = false;
        if self.disk.trouble() != Trouble::None {
            self.mend_disk();
        }
        let now = self.now();
        self.schedule(now, Event::Launch);
        self.schedule(now + 1_000, Event::Look);
    }

    /// What it is waited for, if anything.
    fn missing(&self) -> Option<(&'static str, String)> {
        let owed: Vec<&str> = self.owners.iter().flat_map(Owner::owed).collect();
        let line = self.current();
        let is_served = line.is_some_and(|line| {
            let it = &self.lines[line];
            self.sessions[line].delegates && !it.is_left && !it.to_component.is_swallowed && !it.to_server.is_swallowed
        });
        let is_broken = self.life.as_ref().is_none_or(Life::is_broken);
        if !owed.is_empty() {
            return Some((predicate::ANSWERED, format!("{owed:?} have no answer")));
        }
        if !is_served || is_broken {
            let what = format!("line {line:?} is served: {is_served}; the store is broken: {is_broken}");
            return Some((predicate::QUIET, what));
        }
        None
    }

    pub fn look(&mut self) {
        let now = self.now();
        let until = match self.phase {
            Phase::Settling(until) | Phase::Reading { until, .. } => until,
            Phase::Trouble | Phase::Over => return,
        };
        match self.missing() {
            Some((predicate, what)) if now > until => return self.fail(Violation::new(predicate, what)),
            Some(_) => {
                // A service manager starts what has ended.
                self.schedule(now, Event::Launch);
            }
            None => self.go_on(now),
        }
        self.schedule(now + 1_000, Event::Look);
    }

    /// All is well: what comes next.
    fn go_on(&mut self, now: u64) {
        let until = now + RECOVERY;
        match self.phase {
            Phase::Settling(_) => {
                self.phase = Phase::Reading { again: false, until };
                self.owners.iter_mut().for_each(Owner::close);
                self.look_through();
            }
            Phase::Reading { again: false, .. } => {
                self.phase = Phase::Reading { again: true, until };
                self.tell(|| "the power is lost once more".to_owned());
                self.kill(1);
            }
            Phase::Reading { again: true, .. } if self.has_been_read => self.phase = Phase::Over,
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
    }
}
