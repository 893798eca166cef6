//! The play: the server, its users and the component, on one thread that never waits.

use std::time::{Duration, Instant};

use super::line::{Line, Manners, Port};
use super::user::{Place, User};
use crate::support::component::{Component, Options};
use crate::support::ports;
use crate::support::router::parse;

/// How often it is looked whether all is well.
const LOOK: Duration = Duration::from_millis(250);

/// While the component leaves so much unread, nobody asks.
const UNSENT: usize = 4 * 1024 * 1024;

/// What came out.
#[derive(Debug, Default)]
pub struct Tally {
    /// Processes and links so far; the latter number the links.
    pub lives: u64,
    pub links: u64,
    pub faults: u64,
    pub asked: u64,
    pub answered: u64,
    /// Resident bytes as time went by in this life, and the peaks of all lives.
    pub memory: Vec<u64>,
    pub peaks: Vec<u64>,
}

/// Everybody who plays.
pub struct Play {
    pub users: Vec<User>,
    pub port: Port,
    pub component: Component,
    pub line: Option<Line>,
    /// What becomes of the next login.
    pub manners: Manners,
    /// Whether the server reads, and whether the users ask.
    pub reading: bool,
    pub asking: bool,
    /// How many requests were sent on this link, and since when it has worked.
    pub sent: u64,
    pub works_since: Instant,
    /// Whether the component has closed its stream.
    pub closed: bool,
    pub tally: Tally,
    looked: Instant,
}

impl Play {
    /// Everybody in place, nothing said yet.
    pub fn new(seed: u64, users: usize) -> Play {
        let port = Port::new();
        let component = Component::start(Options::at(ports::address(port.number())));
        Play {
            users: (0..users).map(|number| User::new(number, seed)).collect(),
            port,
            component,
            line: None,
            manners: Manners::Welcome,
            reading: true,
            asking: true,
            sent: 0,
            works_since: Instant::now(),
            closed: false,
            tally: Tally::default(),
            looked: Instant::now(),
        }
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
    pub fn until(&mut self, what: &str, patience: Duration, mut so: impl FnMut(&mut Play) -> bool) {
        let deadline = Instant::now() + patience;
        while !so(self) {
            self.step();
            if Instant::now() > deadline {
                self.fail(&format!("{what} is waited for in vain"));
            }
        }
    }

    /// The connection ends; `lossy` if the server did not read it to its end.
    pub fn lost_link(&mut self, lossy: bool) {
        self.line = None;
        for user in &mut self.users {
            user.lost_link(lossy);
        }
    }

    /// Sends a request of this user's, and counts it.
    pub fn ask(&mut self, user: usize, what: impl FnOnce(&mut User, Place) -> Option<String>) {
        let place = Place {
            link: self.tally.links,
            number: self.sent,
        };
        if let (Some(line), Some(stanza)) = (&mut self.line, what(&mut self.users[user], place)) {
            line.send(&stanza);
            self.sent += 1;
            self.tally.asked += 1;
        }
    }

    /// The requests that are owed an answer; those of this link even if they were never read.
    pub fn owed(&self, link: Option<u64>) -> Vec<String> {
        let users = self.users.iter();
        users.flat_map(|user| user.owed(link)).collect()
    }

    /// The end of the test.
    #[track_caller]
    pub fn fail(&self, what: &str) -> ! {
        let log = self.component.log();
        let last = log[log.len().saturating_sub(25)..].join("\n");
        panic!("{what}\n{:?}\n{last}", self.tally);
    }

    fn step(&mut self) {
        let busy = match self.line {
            None => self.accept(),
            Some(_) => self.serve(),
        };
        if self.looked.elapsed() > LOOK {
            self.looked = Instant::now();
            self.look();
        }
        if !busy {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn accept(&mut self) -> bool {
        self.line = self.port.accept(self.manners);
        if self.line.is_some() {
            self.manners = Manners::Welcome;
            self.tally.links += 1;
            self.sent = 0;
            self.closed = false;
        }
        self.line.is_some()
    }

    fn serve(&mut self) -> bool {
        let asked = self.tally.asked;
        if self.asking
            && self
                .line
                .as_ref()
                .is_some_and(|l| l.is_up() && l.unsent() < UNSENT)
        {
            for user in 0..self.users.len() {
                self.ask(user, User::ask);
            }
        }
        let read = self.reading && self.read(64 * 1024);
        if let Some(line) = &mut self.line {
            line.flush();
        }
        read || self.tally.asked > asked
    }

    /// Takes what has come, up to so many bytes; whether anything has.
    pub fn read(&mut self, most: usize) -> bool {
        let Some(line) = &mut self.line else {
            return false;
        };
        let was_up = line.is_up();
        let pieces = line.read(most);
        let ended = line.has_ended();
        if line.is_up() && !was_up {
            self.works_since = Instant::now();
            self.users.iter_mut().for_each(User::logged_in);
        }
        for piece in &pieces {
            self.take(piece);
        }
        if ended {
            self.lost_link(false);
        }
        !pieces.is_empty()
    }

    fn take(&mut self, piece: &str) {
        if piece == "</stream:stream>" {
            self.closed = true;
        } else if piece.starts_with("<iq ") {
            self.tally.answered += 1;
            if let Err(why) = self.answer(piece) {
                let beginning: String = piece.chars().take(1000).collect();
                self.fail(&format!("{why}\n{beginning}"));
            }
        } else if !piece.starts_with("<stream:error>") {
            self.fail(&format!("nobody asked for {piece}"));
        }
    }

    fn answer(&mut self, piece: &str) -> Result<(), String> {
        let answer = parse(piece);
        let id = answer.attr("id").and_then(|id| id.strip_prefix('u'));
        let parts = id.and_then(|id| id.split_once('-'));
        let numbers = parts.and_then(|(user, number)| {
            let user: usize = user.parse().ok()?;
            Some((user, number.parse().ok()?))
        });
        let (user, number) = numbers.ok_or("an id that nobody used")?;
        if let Some(place) = self.users[user].place_of(number) {
            for user in &mut self.users {
                user.was_read(place);
            }
        }
        self.users[user].answered(number, self.tally.links, &answer)
    }

    fn look(&mut self) {
        let memory = self.component.memory();
        self.tally.memory.extend(memory.map(|memory| memory.now));
        if self.reading && self.line.as_ref().is_some_and(Line::is_up) {
            let (link, since) = (self.tally.links, self.works_since);
            let overdue = self.users.iter().find_map(|user| user.overdue(link, since));
            if let Some(id) = overdue {
                self.fail(&format!("{id} is overdue"));
            }
        }
    }
}
