//! The server's end of a component's socket, and the load on it.
//!
//! One thread that sends what fits the window and looks for ids in what comes back. It reads
//! nothing else of a reply, so that it needs far less time than who is measured.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use memchr::memmem::Finder;
use memchr::{memmem, memrchr};
use rustix::event::{PollFd, PollFlags, poll};

use super::requests::{self, Requests};
use super::support::server::{COMPONENT, HOST};

/// How long a component may take to connect, and then to answer anything at all.
const PATIENCE: Duration = Duration::from_secs(60);

/// How much is kept ready for the socket.
const AHEAD: usize = 256 * 1024;

const HEADER: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' \
     xmlns:stream='http://etherx.jabber.org/streams' id='bench' from='private.localhost'>";

/// Listens for one component.
pub struct Router(TcpListener);

/// What a load brought.
pub struct Brought {
    /// How many replies.
    pub replies: u64,
    /// How long it took from the first request to the last reply.
    pub took: Duration,
    /// How long each request waited, in nanoseconds, in order.
    pub waits: Vec<u32>,
}

impl Router {
    /// A server on a port of its own.
    pub fn new() -> io::Result<Self> {
        TcpListener::bind("127.0.0.1:0").map(Self)
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Waits for the component, and lets it in.
    pub fn let_in(&self) -> io::Result<Connection> {
        self.0.set_nonblocking(true)?;
        let deadline = Instant::now() + PATIENCE;
        let mut socket = loop {
            match self.0.accept() {
                Ok((socket, _)) => break socket,
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                Err(_) if Instant::now() > deadline => return Err(ErrorKind::TimedOut.into()),
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        socket.set_nonblocking(false)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        read_until(&mut socket, b"jabber:component:accept")?;
        socket.write_all(HEADER.as_bytes())?;
        read_until(&mut socket, b"</handshake>")?;
        socket.write_all(b"<handshake/>")?;
        socket.set_nonblocking(true)?;
        Ok(Connection {
            socket,
            incoming: vec![0; 512 * 1024],
            kept: 0,
            outgoing: Vec::new(),
            sent: 0,
        })
    }
}

fn read_until(socket: &mut TcpStream, end: &[u8]) -> io::Result<()> {
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    while memmem::find(&read, end).is_none() {
        match socket.read(&mut buffer)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            count => read.extend_from_slice(&buffer[..count]),
        }
    }
    Ok(())
}

/// A component that has logged in.
pub struct Connection {
    socket: TcpStream,
    incoming: Vec<u8>,
    /// How much of `incoming` is left of the last read: the beginning of a tag.
    kept: usize,
    outgoing: Vec<u8>,
    sent: usize,
}

/// The requests under way.
struct Window {
    /// The number and the moment of the request in each slot.
    slots: Vec<(u64, Instant)>,
    free: Vec<usize>,
    number: u64,
    waits: Vec<u32>,
}

impl Connection {
    /// Keeps `window` requests under way for so long, then waits for the last reply.
    pub fn load(
        &mut self,
        requests: &mut Requests,
        window: usize,
        slice: Duration,
    ) -> io::Result<Brought> {
        self.run(requests, window, |begin, _| begin.elapsed() < slice)
    }

    /// Sends so many requests.
    pub fn send(&mut self, requests: &mut Requests, count: u64) -> io::Result<Brought> {
        self.run(requests, 64, |_, sent| sent < count)
    }

    fn run(
        &mut self,
        requests: &mut Requests,
        size: usize,
        goes_on: impl Fn(Instant, u64) -> bool,
    ) -> io::Result<Brought> {
        let finders = Finders::default();
        let begin = Instant::now();
        let mut window = Window {
            slots: vec![(u64::MAX, begin); size],
            free: (0..size).rev().collect(),
            number: 0,
            waits: Vec::new(),
        };
        let mut last = begin;
        loop {
            let now = Instant::now();
            while self.outgoing.len() - self.sent < AHEAD
                && !window.free.is_empty()
                && goes_on(begin, window.number)
            {
                let slot = window.free.pop().expect("looked at above");
                window.slots[slot] = (window.number, now);
                requests.write(slot, window.number, &mut self.outgoing);
                window.number += 1;
            }
            if window.free.len() == size {
                window.waits.sort_unstable();
                return Ok(Brought {
                    replies: window.number,
                    took: last - begin,
                    waits: window.waits,
                });
            }
            let wrote = self.write()?;
            let read = self.read(&finders, &mut window, requests)?;
            if read {
                last = Instant::now();
            } else if !wrote {
                self.wait()?;
            }
        }
    }

    fn write(&mut self) -> io::Result<bool> {
        if self.sent == self.outgoing.len() {
            return Ok(false);
        }
        match self.socket.write(&self.outgoing[self.sent..]) {
            Ok(count) => {
                self.sent += count;
                if self.sent == self.outgoing.len() {
                    self.outgoing.clear();
                    self.sent = 0;
                } else if self.sent > 4 * AHEAD {
                    self.outgoing.drain(..self.sent);
                    self.sent = 0;
                }
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn read(
        &mut self,
        finders: &Finders,
        window: &mut Window,
        requests: &Requests,
    ) -> io::Result<bool> {
        let read = match self.socket.read(&mut self.incoming[self.kept..]) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        };
        let end = self.kept + read;
        // What is looked for stands within one tag.
        let whole = memrchr(b'>', &self.incoming[..end]).map_or(0, |at| at + 1);
        let bytes = &self.incoming[..whole];
        if finders.error.find(bytes).is_some() {
            return Err(io::Error::other(format!(
                "an error among the replies: {}",
                String::from_utf8_lossy(bytes)
            )));
        }
        let now = Instant::now();
        for at in finders.id.find_iter(bytes) {
            let found = requests::read_id(&bytes[at..]);
            let (slot, number) = found.ok_or(ErrorKind::InvalidData)?;
            let (asked, since) = window.slots[slot];
            if asked == number {
                window.slots[slot].0 = u64::MAX;
                window.free.push(slot);
                if requests.are_measured(slot) {
                    let wait = u32::try_from((now - since).as_nanos()).unwrap_or(u32::MAX);
                    window.waits.push(wait);
                }
            }
        }
        for at in finders.ping.find_iter(bytes) {
            let number: String = bytes[at + 6..]
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .map(|byte| char::from(*byte))
                .collect();
            let answer =
                format!("<iq type='result' id='alive-{number}' from='{HOST}' to='{COMPONENT}'/>");
            self.outgoing.extend_from_slice(answer.as_bytes());
        }
        self.incoming.copy_within(whole..end, 0);
        self.kept = end - whole;
        if self.kept == self.incoming.len() {
            return Err(ErrorKind::InvalidData.into());
        }
        Ok(true)
    }

    fn wait(&self) -> io::Result<()> {
        let mut flags = PollFlags::IN;
        if self.sent < self.outgoing.len() {
            flags |= PollFlags::OUT;
        }
        let mut sockets = [PollFd::new(&self.socket, flags)];
        let patience = rustix::event::Timespec::try_from(PATIENCE).map_err(io::Error::other)?;
        match poll(&mut sockets, Some(&patience))? {
            0 => Err(ErrorKind::TimedOut.into()),
            _ => Ok(()),
        }
    }
}

struct Finders {
    id: Finder<'static>,
    ping: Finder<'static>,
    error: Finder<'static>,
}

impl Default for Finders {
    fn default() -> Self {
        Self {
            id: Finder::new(requests::ID),
            ping: Finder::new("alive-"),
            error: Finder::new("error"),
        }
    }
}
