//! What befalls the world.

use xmpp_private_storage::store::simulation::Trouble;

use super::line::End;
use super::pep::LATE;
use super::plan::Misfortune;
use super::world::{Event, World};

/// How long the store may need to be opened again once its disk works, in milliseconds.
const REVIVED: u64 = 70_000;

/// After how long a system gives a connection up on which nothing is acknowledged, in milliseconds (Linux: some 15
/// minutes).
const GIVEN_UP: u64 = 924_600;

impl World {
    /// Something goes wrong, with this instance where it is one's.
    pub fn befall(&mut self, misfortune: Misfortune, instance: usize) {
        let now = self.now();
        match misfortune {
            Misfortune::Cut(how) => self.each_line(|world, line| world.cut(line, how)),
            Misfortune::Swallow {
                to_component,
                to_server,
                noticed,
            } => self.each_line(|world, line| {
                world.lines[line].to_component.is_swallowed |= to_component;
                world.lines[line].to_server.is_swallowed |= to_server;
                world.schedule(now + noticed, Event::Notice(line));
                world.schedule(now + GIVEN_UP, Event::GiveUp(line));
            }),
            Misfortune::Stall(time) => {
                self.each_line(|world, line| world.lines[line].stalled_until = now + time);
                if time > LATE {
                    // PEP's answers are late, too.
                    self.pep_is_troubled(now + time);
                }
            }
            Misfortune::Restart(time) => {
                self.server_is_away = true;
                self.has_asked = false;
                self.schedule(now + time, Event::ServerIsBack);
                self.each_line(|world, line| world.let_go(line, End::Closed));
            }
            Misfortune::Undelegate => {
                (0..self.lines.len()).for_each(|line| self.undelegate(line));
            }
            Misfortune::Kill(time) => {
                self.kill(instance, time);
            }
            Misfortune::Stop(time) => {
                if let Some(life) = &self.instances[instance].life {
                    life.stop();
                }
                self.instances[instance].restart = Some(time);
            }
            Misfortune::Failing(time) => self.trouble_disk(Trouble::Failing, time),
            Misfortune::Full(time) => self.trouble_disk(Trouble::Full, time),
            Misfortune::Gone(time) => self.trouble_disk(Trouble::Gone, time),
            Misfortune::Ungrant { is_said, time } => {
                self.grants = false;
                self.pep_is_troubled(now + time);
                self.schedule(now + time, Event::Grant);
                if is_said {
                    self.tell_grant();
                }
            }
            Misfortune::Silent(time) => {
                self.silent_until = self.silent_until.max(now + time);
                self.pep_is_troubled(now + time);
            }
            Misfortune::Compact => {
                if let Some(life) = &self.instances[instance].life {
                    life.compact();
                }
            }
        }
    }

    pub fn each_line(&mut self, mut work: impl FnMut(&mut World, usize)) {
        for line in 0..self.lines.len() {
            if !self.lines[line].is_over {
                work(self, line);
            }
        }
    }

    pub fn cut(&mut self, line: usize, how: End) {
        let rest = self.lines[line].cut(how, &mut self.network);
        if !self.lines[line].to_server.is_swallowed {
            self.feed(line, &rest);
        }
        self.let_go(line, End::Reset);
    }

    fn trouble_disk(&mut self, trouble: Trouble, time: u64) {
        self.troubles += 1;
        self.kept.set_trouble(trouble);
        let works = self.now() + time;
        self.schedule(works, Event::DiskWorks(self.troubles));
    }

    pub fn mend_disk(&mut self) {
        self.tell(|| "what keeps the data works".to_owned());
        self.kept.set_trouble(Trouble::None);
        self.last_trouble = self.now() + REVIVED;
    }
}
