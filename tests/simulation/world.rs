//! Everything but the component: one queue of what is to happen, in order of time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;
use xmpp_private_storage::clock::Instant;

use super::account::Account;
use super::instance::{Instance, Kept};
use super::line::{End, Line, Side};
use super::owner::Owner;
use super::plan::Plan;
use super::predicate::Violation;
use super::server::{Kind, Session};
use super::trace::Trace;
use crate::chaos::dice::Dice;
use crate::chaos::wish::What;

/// What is to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// Bytes arrive on a line.
    Arrive(usize, Side),
    /// The server comes to know that a line is gone.
    Notice(usize),
    /// The component's system comes to know it.
    GiveUp(usize),
    /// An owner asks for something.
    Ask(usize),
    /// A client of an account does something.
    Stir(usize),
    /// The server sends what it has kept back.
    Say(usize),
    Befall(usize),
    /// The server is there again.
    ServerIsBack,
    /// The disk works again, if this was the last trouble.
    DiskWorks(u64),
    /// This instance of the component is started, if it does not run.
    Launch(usize),
    /// A process has had no link for as long as it keeps its answers, unless it has one now.
    Late(u64),
    /// Delegation on this line ends.
    Undelegate(usize),
    /// The server grants PEP again.
    Grant,
    /// Nothing goes wrong any more.
    Calm,
    /// Is all well?
    Look,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Trouble,
    /// Nothing more is asked, or goes wrong, and all has to work again by this time.
    Settling(u64),
    /// Everybody looks at all they have, until all has been shown, before the power is lost once more, or after.
    Reading {
        again: bool,
        until: u64,
    },
    Over,
}

pub type Shared = Rc<RefCell<World>>;

pub struct World {
    begun: Instant,
    queue: BTreeMap<(u64, u64), Event>,
    number: u64,
    /// Told when something is queued, or it is over.
    pub changed: Rc<Notify>,
    pub plan: Plan,
    pub kind: Kind,
    pub phase: Phase,
    pub network: Dice,
    dice: Dice,
    pub lines: Vec<Line>,
    pub sessions: Vec<Session>,
    pub owners: Vec<Owner>,
    pub accounts: Vec<Account>,
    /// What the server keeps back for a while: for which line.
    pub letters: Vec<(usize, String)>,
    /// Whether it lets the component use PEP, until when PEP is silent, and since when all of that works.
    pub grants: bool,
    pub silent_until: u64,
    pub pep_works_since: u64,
    /// Whether the server was answered what to announce since its start.
    pub has_asked: bool,
    pub server_is_away: bool,
    pub kept: Kept,
    /// What the next process puts into its store before it begins.
    pub backup: Option<Vec<u8>>,
    pub troubles: u64,
    pub last_trouble: u64,
    pub instances: Vec<Instance>,
    pub ended_at: u64,
    pub processes: u64,
    pub trace: Trace,
    pub answers: u64,
    /// Whether all was looked at after the last loss of power.
    pub has_been_read: bool,
    pub violation: Option<Violation>,
}

impl World {
    pub fn new(plan: &Plan, is_told: bool) -> World {
        let owners = (0..plan.owners).map(|number| Owner::new(number, plan.seed));
        let accounts = (0..plan.accounts).map(|number| Account::new(number, plan));
        let mut world = World {
            begun: Instant::now(),
            queue: BTreeMap::new(),
            number: 0,
            changed: Rc::default(),
            plan: plan.clone(),
            kind: plan.kind,
            phase: Phase::Trouble,
            network: Dice::new(plan.seed, 2 << 32),
            dice: Dice::new(plan.seed, 3 << 32),
            lines: Vec::new(),
            sessions: Vec::new(),
            owners: owners.collect(),
            accounts: accounts.collect(),
            letters: Vec::new(),
            grants: plan.grants,
            silent_until: 0,
            pep_works_since: 0,
            has_asked: false,
            server_is_away: false,
            kept: Kept::of(plan),
            backup: None,
            troubles: 0,
            last_trouble: 0,
            instances: (0..plan.instances).map(|_| Instance::default()).collect(),
            ended_at: 0,
            processes: 0,
            trace: Trace::telling(is_told),
            answers: 0,
            has_been_read: false,
            violation: None,
        };
        for instance in 0..plan.instances {
            world.schedule(0, Event::Launch(instance));
        }
        for owner in 0..plan.owners {
            world.schedule(500, Event::Ask(owner));
        }
        for account in 0..plan.accounts {
            world.schedule(700, Event::Stir(account));
        }
        for (number, (at, _)) in plan.misfortunes.iter().enumerate() {
            world.schedule(*at, Event::Befall(number));
        }
        world.schedule(plan.length, Event::Calm);
        world
    }

    /// In milliseconds since the beginning.
    pub fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub fn schedule(&mut self, at: u64, event: Event) {
        self.number += 1;
        self.queue.insert((at, self.number), event);
        self.changed.notify_one();
    }

    /// When the next thing happens.
    pub fn next_moment(&self) -> Instant {
        let first = self.queue.first_key_value();
        let at = first.map_or(u64::from(u32::MAX), |((at, _), _)| *at);
        self.begun + Duration::from_millis(at)
    }

    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over || self.violation.is_some()
    }

    pub fn fail(&mut self, violation: Violation) {
        self.tell(|| violation.to_string());
        self.violation.get_or_insert(violation);
        self.changed.notify_one();
    }

    pub fn tell(&mut self, words: impl FnOnce() -> String) {
        let now = self.now();
        if self.ended_at == 0 {
            self.trace.tell(now, words);
        }
    }

    /// The last moment at which requests may have been refused because of the disk, or the database.
    pub fn disk_trouble(&self) -> u64 {
        match self.kept.is_in_trouble() {
            false => self.last_trouble,
            true => u64::MAX,
        }
    }

    /// Does what it is time for.
    pub fn step(&mut self) {
        let now = self.now();
        while let Some(first) = self.queue.first_entry()
            && first.key().0 <= now
        {
            let event = first.remove();
            let mut digest = DefaultHasher::new();
            event.hash(&mut digest);
            self.trace.step(now, "step", &digest.finish().to_le_bytes());
            self.happen(event);
            if self.is_over() {
                return;
            }
        }
    }

    fn happen(&mut self, event: Event) {
        let now = self.now();
        match event {
            Event::Arrive(line, Side::Component) => {
                self.lines[line].arrive(now);
            }
            Event::Arrive(line, Side::Server) => {
                let bytes = self.lines[line].reach_server(now);
                if !self.lines[line].is_over {
                    self.feed(line, &bytes);
                    if self.lines[line].has_ended() {
                        self.let_go(line, End::Closed);
                    }
                }
            }
            Event::Notice(line) => self.let_go(line, End::Closed),
            Event::GiveUp(line) => self.lines[line].give_up(),
            Event::Ask(owner) => self.ask(owner),
            Event::Stir(account) => self.stir(account),
            Event::Say(letter) => {
                let (line, xml) = std::mem::take(&mut self.letters[letter]);
                self.say(line, &xml);
            }
            Event::Befall(number) => {
                if self.phase == Phase::Trouble {
                    let (_, misfortune) = self.plan.misfortunes[number];
                    self.tell(|| misfortune.to_string());
                    let which = number % self.instances.len();
                    self.befall(misfortune, which);
                }
            }
            Event::ServerIsBack => self.server_is_away = false,
            Event::DiskWorks(number) => {
                if number == self.troubles {
                    self.mend_disk();
                }
            }
            Event::Launch(instance) => self.launch(instance),
            Event::Late(process) => self.is_late(process),
            Event::Undelegate(line) => self.undelegate(line),
            Event::Grant => self.grant(),
            Event::Calm => self.calm(),
            Event::Look => self.look(),
        }
    }

    fn ask(&mut self, owner: usize) {
        if self.phase != Phase::Trouble {
            return;
        }
        let now = self.now();
        let current = self.current(owner);
        if let Some(line) = current {
            let process = self.lines[line].process;
            if let Some(what) = self.owners[owner].wish(process, now) {
                self.request(owner, what);
            }
        }
        let pause = self.owners[owner].pause();
        let next = self.now() + pause;
        self.schedule(next, Event::Ask(owner));
    }

    /// An owner asks for this, if somebody is there to be asked.
    pub fn request(&mut self, owner: usize, what: What) {
        let Some((line, way)) = self.way(owner) else {
            return;
        };
        let (envelope, stanza) = self.owners[owner].request(&what, way);
        self.tell(|| format!("{} asks: {what:?}", envelope.id));
        if let Some(place) = self.send(line, &stanza) {
            let now = self.now();
            self.owners[owner].sent(what, envelope, place, now);
        }
    }

    /// On which line a request of a user of this number is sent, and how.
    pub fn way(&mut self, user: usize) -> Option<(usize, Option<&'static str>)> {
        let line = self.current(user)?;
        let delegated = self.sessions[line].delegates && self.dice.percent(70);
        Some((line, delegated.then_some(self.kind.version())))
    }

    /// Sends a request: to which process, on which line, and where it ends there; `None` if it never arrives.
    pub fn send(&mut self, line: usize, stanza: &str) -> Option<(u64, usize, u64)> {
        self.say(line, stanza);
        let it = &self.lines[line];
        (it.left_at.is_none()).then_some((it.process, line, it.to_component.sent))
    }
}
