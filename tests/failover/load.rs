//! The load: a server whose users store and fetch without a pause, and judge all that they are answered.
//!
//! One thread plays the server and all its users and never waits, so that it sees each answer when it
//! comes. It pings all along.

mod settle;

use std::collections::{HashMap, VecDeque};
use std::thread;
use std::time::{Duration, Instant};

use super::owner::{Open, Owner, What};
use super::tally::{LONGEST_WAIT, Tally};
use crate::chaos::dice::Dice;
use crate::chaos::line::{Line, Manners, Port};
use crate::support::clock::Ticks;
use crate::support::component::{Component, Options};
use crate::support::ports;

/// How long anything may take on a busy machine: only what hangs takes longer.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// How many users store once and then only fetch, a request every so often: what others store does not
/// concern them.
const READERS: usize = 4;
const READ_AGAIN: Duration = Duration::from_millis(20);

/// How many requests of one owner are under way at most.
const AT_ONCE: usize = 3;

/// After so many sets an owner has done their part, and another takes their place.
const SETS: u64 = 200;

/// How long users wait who are told to wait, in milliseconds.
const LATER: (u64, u64) = (100, 400);

/// While the component leaves so much unread, nobody asks.
const UNSENT: usize = 1 << 20;

const PINGS: Duration = Duration::from_millis(100);
const LOOKS: Duration = Duration::from_millis(250);

/// The component under load.
pub struct Load {
    pub component: Component,
    pub tally: Tally,
    /// Whether users ask.
    pub asking: bool,
    port: Port,
    line: Option<Line>,
    owners: HashMap<u64, Owner>,
    /// Who asks, and from when on again.
    active: Vec<(u64, Duration)>,
    seed: u64,
    dice: Dice,
    ticks: Ticks,
    pings: VecDeque<(u64, Duration)>,
    pinged: u64,
    next_ping: Duration,
    looked: Instant,
}

impl Load {
    /// So many users of a component that is configured so, from the moment when it has logged in.
    pub fn start(users: u64, seed: u64, storage: String) -> Load {
        let port = Port::new();
        let mut options = Options::at(ports::address(port.number()));
        options.storage = storage;
        let mut load = Load {
            component: Component::start(options),
            tally: Tally::default(),
            asking: true,
            port,
            line: None,
            owners: HashMap::new(),
            active: Vec::new(),
            seed,
            dice: Dice::new(seed, 0),
            ticks: Ticks::start(),
            pings: VecDeque::new(),
            pinged: 0,
            next_ping: Duration::ZERO,
            looked: Instant::now(),
        };
        for _ in 0..users {
            let newcomer = load.newcomer();
            load.active.push((newcomer, Duration::ZERO));
        }
        load.until("a login", Load::is_up);
        load
    }

    /// Whether the component has logged in.
    pub fn is_up(&self) -> bool {
        self.line.as_ref().is_some_and(Line::is_up)
    }

    /// Everything takes its course for so long.
    pub fn go_on(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.step();
        }
    }

    /// The same until this is so.
    #[track_caller]
    pub fn until(&mut self, what: &str, mut so: impl FnMut(&Load) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !so(self) {
            self.step();
            if Instant::now() > deadline {
                let log = self.component.log();
                let last = log[log.len().saturating_sub(25)..].join("\n");
                panic!("{what} is waited for in vain\n{:#?}\n{last}", self.tally);
            }
        }
    }

    /// The same while somebody else does this, which may take long.
    pub fn during<T: Send>(&mut self, act: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let acting = scope.spawn(act);
            while !acting.is_finished() {
                self.step();
            }
            acting.join().expect("no panic there")
        })
    }

    /// The same until so many more sets have succeeded.
    #[track_caller]
    pub fn until_sets(&mut self, more: u64) {
        let enough = self.tally.sets + more;
        self.until("success", |load| load.tally.sets >= enough);
    }

    /// The component is killed, and started again.
    pub fn kill_component(&mut self) {
        self.component.kill();
        self.line = None;
        self.pings.clear();
        for owner in self.owners.values_mut() {
            self.tally.cut_off += owner.open().drain(..).count() as u64;
        }
        for active in &mut self.active {
            active.1 = Duration::ZERO;
        }
        self.component.restart();
    }

    /// What is counted from now on is another matter; all that was stored before stays judged.
    pub fn new_tally(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }

    fn newcomer(&mut self) -> u64 {
        let index = self.owners.len() as u64;
        self.owners.insert(index, Owner::new(index, self.seed));
        index
    }

    /// Whatever can be done now. Returns the answers to gets that succeeded, and who had asked.
    fn step(&mut self) -> Vec<(u64, String)> {
        let mut seen = Vec::new();
        let Some(line) = &mut self.line else {
            self.line = self.port.accept(Manners::Welcome);
            if self.line.is_none() {
                thread::sleep(Duration::from_millis(1));
            }
            return seen;
        };
        line.flush();
        let pieces = line.read(64 * 1024);
        if line.has_ended() {
            self.tally.fault("the link has ended".to_owned());
            self.line = None;
        }
        for piece in &pieces {
            if let Some(index) = self.take(piece) {
                seen.push((index, piece.clone()));
            }
        }
        let asked = self.ask_all();
        if self.looked.elapsed() >= LOOKS {
            self.looked = Instant::now();
            self.look();
        }
        if pieces.is_empty() && !asked {
            thread::sleep(Duration::from_millis(1));
        }
        seen
    }

    /// All ask who may; whether anybody does.
    fn ask_all(&mut self) -> bool {
        let now = self.ticks.passed();
        let Some(line) = &mut self.line else {
            return false;
        };
        if !line.is_up() || line.unsent() > UNSENT {
            return false;
        }
        if now >= self.next_ping {
            self.next_ping = now + PINGS;
            self.pinged += 1;
            self.pings.push_back((self.pinged, now));
            line.send(&format!(
                "<iq type='get' id='ping-{}' from='localhost' to='private.localhost'>\
                 <ping xmlns='urn:xmpp:ping'/></iq>",
                self.pinged
            ));
        }
        let mut asked = false;
        for at in 0..self.active.len() {
            let (index, from) = self.active[at];
            if !self.asking || now < from {
                continue;
            }
            let is_reader = at < READERS;
            let kind = self.dice.below(if is_reader { 2 } else { 8 });
            self.ask(index, |owner, now| match kind {
                0 | 1 if owner.sent() > 0 => owner.get(kind as usize, now),
                _ => owner.set(now),
            });
            asked = true;
            let owner = self.owners.get_mut(&index).expect("a user");
            if owner.sent() >= SETS {
                self.active[at].0 = self.newcomer();
            } else if owner.open().len() >= AT_ONCE {
                self.active[at].1 = Duration::MAX;
            } else if is_reader {
                self.active[at].1 = now + READ_AGAIN;
            }
        }
        asked
    }

    fn ask(&mut self, index: u64, what: impl FnOnce(&mut Owner, Duration) -> String) {
        let now = self.ticks.passed();
        if let (Some(line), Some(owner)) = (&mut self.line, self.owners.get_mut(&index)) {
            line.send(&what(owner, now));
        }
    }

    /// Takes an answer; who it was for, if it is a get's that succeeded.
    fn take(&mut self, piece: &str) -> Option<u64> {
        let now = self.ticks.passed();
        let id = attribute(piece, "id")?;
        if let Some(number) = id.strip_prefix("ping-") {
            let at = self
                .pings
                .iter()
                .position(|ping| ping.0.to_string() == number)?;
            let (_, since) = self.pings.remove(at)?;
            self.tally.pings += 1;
            self.tally.longest_ping = self.tally.longest_ping.max(now - since);
            return None;
        }
        let (index, number) = id.strip_prefix('u')?.split_once('-')?;
        let (index, number): (u64, u64) = (index.parse().ok()?, number.parse().ok()?);
        let Some(open) = self.owners.get_mut(&index)?.take(number) else {
            self.tally.fault(format!("nobody asked for {piece}"));
            return None;
        };
        self.tally.waited(open.at.elapsed(), now - open.since);
        let again = match self.judge(index, &open, piece) {
            true => Duration::ZERO,
            false => now + Duration::from_millis(self.dice.between(LATER.0, LATER.1)),
        };
        if let Some(at) = self.active.iter().position(|active| active.0 == index) {
            let pause = if at < READERS {
                now + READ_AGAIN
            } else {
                Duration::ZERO
            };
            self.active[at].1 = again.max(pause);
        }
        let is_get = matches!(open.what, What::Get { .. });
        (is_get && again.is_zero()).then_some(index)
    }

    /// Whether the request has succeeded.
    fn judge(&mut self, index: u64, open: &Open, piece: &str) -> bool {
        let owner = self.owners.get_mut(&index).expect("an owner");
        if attribute(piece, "type") != Some("result") {
            let is_later =
                piece.contains("<resource-constraint ") && piece.contains("<error type='wait'");
            if is_later {
                self.tally.told_to_wait += 1;
            } else {
                self.tally.fault(format!("{open:?} was refused: {piece}"));
            }
            return false;
        }
        match open.what {
            What::Set(number) => {
                owner.acknowledge(number);
                self.tally.sets += 1;
            }
            What::Get { namespace, after } => {
                self.tally.gets += 1;
                match owner.observe(namespace, after, piece) {
                    Ok(shown) => self.tally.count(shown, || format!("{owner:?} got {piece}")),
                    Err(strange) => self.tally.fault(strange),
                }
            }
        }
        true
    }

    /// Who waits too long.
    fn look(&mut self) {
        let now = self.ticks.passed();
        for (index, owner) in &mut self.owners {
            for open in owner.open() {
                let waited = now - open.since;
                if waited > LONGEST_WAIT && !open.is_overdue {
                    open.is_overdue = true;
                    let fault = format!("u{index} waits for {waited:?}: {open:?}");
                    self.tally.fault(fault);
                }
            }
        }
    }
}

/// An attribute of the first tag, as the component writes it.
fn attribute<'a>(piece: &'a str, name: &str) -> Option<&'a str> {
    let tag = piece.split('>').next()?;
    let (_, rest) = tag.split_once(&format!(" {name}='"))?;
    rest.split('\'').next()
}
