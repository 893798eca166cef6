//! The instances of the component: one with a disk of its own, or two that share a database.

use xmpp_private_storage::store::Store;
use xmpp_private_storage::store::simulation::{Database, Disk, Trouble};

use super::life::Life;
use super::line::Line;
use super::owner::KEPT;
use super::plan::Plan;
use super::predicate::{self, Violation};
use super::server::{Kind, Session};
use super::world::{Event, Phase, World};

/// What was sent so long before the farewell of a component that is to stop it has surely taken before it began to leave, in
/// milliseconds: a stall, and what it waits for.
const LEAVING: u64 = 30_000;

/// What keeps the data.
#[derive(Clone)]
pub enum Kept {
    Disk(Disk),
    Database(Database),
}

/// An instance, whether it runs or not.
#[derive(Default)]
pub struct Instance {
    pub life: Option<Life>,
    /// The number of a process that is to be started.
    pub to_launch: Option<u64>,
    /// How long it is until the next is started, where this was said, in milliseconds.
    pub restart: Option<u64>,
}

impl Kept {
    pub fn of(plan: &Plan) -> Kept {
        match plan.instances {
            1 => Kept::Disk(Disk::new()),
            _ => Kept::Database(Database::new()),
        }
    }

    /// Opens it, in the set of local tasks of a process.
    pub fn open(&self) -> Option<Store> {
        match self {
            Kept::Disk(disk) => disk.open().ok(),
            Kept::Database(database) => Some(database.open()),
        }
    }

    pub fn is_in_trouble(&self) -> bool {
        match self {
            Kept::Disk(disk) => disk.trouble() != Trouble::None,
            Kept::Database(database) => database.is_away(),
        }
    }

    /// A database has one trouble: nobody reaches it.
    pub fn set_trouble(&self, trouble: Trouble) {
        match self {
            Kept::Disk(disk) => disk.set_trouble(trouble),
            Kept::Database(database) => database.set_away(trouble != Trouble::None),
        }
    }

    pub fn lose_power(&self) {
        if let Kept::Disk(disk) = self {
            disk.crash();
        }
    }
}

impl World {
    /// How many nodes the server has, each with an instance of its own and with users of its own.
    pub fn nodes(&self) -> usize {
        match self.kind {
            Kind::Prosody => 1,
            Kind::Ejabberd => self.instances.len(),
        }
    }

    /// Starts an instance, if it does not run.
    pub fn launch(&mut self, number: usize) {
        let instance = &mut self.instances[number];
        if instance.life.is_none() && instance.to_launch.is_none() {
            self.processes += 1;
            let process = self.processes;
            instance.to_launch = Some(process);
            self.tell(|| format!("instance {number} is started: process {process}"));
        }
    }

    fn instance_of(&self, process: u64) -> Option<usize> {
        let is_it = |life: &Life| life.process == process;
        let mut instances = self.instances.iter();
        instances.position(|it| it.life.as_ref().is_some_and(is_it))
    }

    pub fn life_of(&self, process: u64) -> Option<&Life> {
        self.instances[self.instance_of(process)?].life.as_ref()
    }

    /// A process connects: the number of the line, unless nobody listens.
    pub fn dialled(&mut self, process: u64) -> Option<usize> {
        let instance = self.instance_of(process)?;
        if self.server_is_away {
            return None;
        }
        let mut line = Line {
            process,
            node: instance % self.nodes(),
            ..Line::default()
        };
        let is_quick = self.phase != Phase::Trouble;
        line.to_component.is_quick = is_quick;
        line.to_server.is_quick = is_quick;
        let number = self.lines.len();
        self.lines.push(line);
        self.sessions.push(Session::default());
        self.tell(|| format!("process {process} connects: line {number}"));
        Some(number)
    }

    /// The component has let go of what it reads a line by.
    pub fn was_left(&mut self, line: usize) {
        let process = self.lines[line].process;
        let life = self
            .instance_of(process)
            .and_then(|at| self.instances[at].life.as_ref());
        let is_stopping = life.is_none_or(Life::is_stopping);
        let now = self.now();
        let it = &mut self.lines[line];
        it.left_at = Some(now);
        if !is_stopping && it.farewell.is_none() && it.is_sound(now) && it.to_component.waits() {
            let what = format!("line {line} lives, and is left with what came unread");
            self.fail(Violation::new(predicate::ANSWERED, what));
        }
        let it = &mut self.lines[line];
        let sure_before = match it.farewell {
            // What comes while it takes its leave, and does not come back, it reads and passes over.
            Some(at) if is_stopping => at.saturating_sub(LEAVING),
            _ if it.was_read_whole => u64::MAX,
            _ => 0,
        };
        let (read, process) = (it.to_component.read, it.process);
        for owner in &mut self.owners {
            owner.was_left(line, read, sure_before);
        }
        for account in &mut self.accounts {
            account.was_left((process, line), (read, sure_before), now);
        }
        self.tell(|| format!("process {process} leaves line {line}"));
        let late = self.now() + KEPT + 10_000;
        self.schedule(late, Event::Late(process));
    }

    /// A process that has no link for so long gives its answers up.
    pub fn is_late(&mut self, process: u64) {
        let mut lines = self.lines.iter().zip(&self.sessions);
        let has_one = lines.any(|(line, session)| {
            line.process == process && session.is_in() && line.left_at.is_none() && !line.is_over
        });
        if !has_one {
            self.gives_up(process);
        }
    }

    /// A process has come to know that it is let in. What has waited for so long since its last link is given up.
    pub fn is_up(&mut self, process: u64) {
        let now = self.now();
        let of_process = |it: &&mut Line| it.process == process;
        let mut lines: Vec<&mut Line> = self.lines.iter_mut().filter(of_process).collect();
        let links = lines.iter().filter(|it| it.was_up);
        let left = links.filter_map(|it| it.left_at).max();
        if let Some(last) = lines.last_mut() {
            last.was_up = true;
        }
        if left.is_some_and(|at| now - at > KEPT) {
            self.gives_up(process);
        }
    }

    /// Answers of this process that have waited for so long are given up: it has had no link.
    pub fn gives_up(&mut self, process: u64) {
        let now = self.now();
        for owner in &mut self.owners {
            owner.is_late(process, now);
        }
        for account in &mut self.accounts {
            account.is_late(process, now);
        }
    }

    /// A process has ended.
    pub fn ended(&mut self, process: u64) {
        self.tell(|| format!("process {process} has ended"));
        let now = self.now();
        if let Some(number) = self.instance_of(process) {
            let instance = &mut self.instances[number];
            instance.life = None;
            // A service manager starts it again.
            let next = now + instance.restart.take().unwrap_or(2_000);
            self.schedule(next, Event::Launch(number));
        }
        for owner in &mut self.owners {
            owner.process_ended(process);
        }
        for account in &mut self.accounts {
            account.process_ended(process, now);
        }
    }

    /// The power of an instance goes: whatever it was doing it does no more.
    pub fn kill(&mut self, number: usize, restart: u64) {
        let instance = &mut self.instances[number];
        let Some(process) = instance.life.as_ref().map(|it| it.process) else {
            return;
        };
        instance.restart = Some(restart);
        self.each_line(|world, line| {
            if world.lines[line].process == process {
                world.cut(line, super::line::End::Reset);
            }
        });
        self.kept.lose_power();
        if let Some(life) = &self.instances[number].life {
            life.kill();
        }
        self.ended(process);
    }
}
