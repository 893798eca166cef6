//! A connection between the component and its server: bytes take time, come in pieces, and may be lost with it.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::life::Life;
use super::predicate::{self, Violation};
use super::world::{Event, Shared};
use crate::chaos::dice::Dice;

/// How many bytes may be under way to the server until the component has to wait.
const WINDOW: usize = 256 * 1024;

/// How long after a stall it may still take the server for gone, in milliseconds: twice its
/// shorter `PING`, and its leave.
const SILENT: u64 = 30_000;

/// Who reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    Component,
    Server,
}

/// How what is read ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Closed,
    Reset,
}

/// One direction.
#[derive(Default)]
pub struct Half {
    /// What is under way, and when it arrives.
    under_way: VecDeque<(u64, Vec<u8>)>,
    /// What has arrived and was not read.
    here: VecDeque<u8>,
    waker: Option<Waker>,
    pub end: Option<End>,
    /// Nothing arrives any more, and nobody is told.
    pub is_swallowed: bool,
    last: u64,
    /// Whether nothing takes long any more.
    pub is_quick: bool,
    /// How many bytes were put in, and how many taken out.
    pub sent: u64,
    pub read: u64,
}

#[derive(Default)]
pub struct Line {
    /// The process that has connected, and the node of the server that it has connected to.
    pub process: u64,
    pub node: usize,
    pub to_component: Half,
    pub to_server: Half,
    /// Until when what is sent waits.
    pub stalled_until: u64,
    /// Whether the component has come to know that it was let in.
    pub was_up: bool,
    /// Since when the component reads it no more; whether it has read to its end.
    pub left_at: Option<u64>,
    pub was_read_whole: bool,
    /// When the component has ended its stream.
    pub farewell: Option<u64>,
    /// Whether the server has it no more.
    pub is_over: bool,
}

impl Half {
    /// Puts bytes in, in pieces; when these arrive.
    fn send(&mut self, bytes: &[u8], now: u64, dice: &mut Dice) -> Vec<u64> {
        self.sent += bytes.len() as u64;
        let mut arrivals = Vec::new();
        // What is sent behind the break arrives as little as what was lost with it.
        let mut rest = if self.end.is_some() { &[] } else { bytes };
        while !rest.is_empty() {
            let length = match dice.below(8) {
                0 => dice.between(1, rest.len() as u64) as usize,
                _ => rest.len(),
            };
            let (piece, behind) = rest.split_at(length);
            rest = behind;
            let delay = match dice.below(64) {
                _ if self.is_quick => dice.below(20),
                0 => dice.below(3000),
                1..8 => dice.below(60),
                _ => dice.below(3),
            };
            self.last = self.last.max(now + delay);
            if !self.is_swallowed {
                self.under_way.push_back((self.last, piece.to_vec()));
                arrivals.push(self.last);
            }
        }
        arrivals
    }

    /// What has arrived by now.
    fn arrived(&mut self, now: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while let Some((_, piece)) = self.under_way.pop_front_if(|(at, _)| *at <= now) {
            bytes.extend(piece);
        }
        bytes
    }

    /// The connection breaks: so many of the bytes under way still arrive.
    fn cut(&mut self, dice: &mut Dice) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.under_way.drain(..).flat_map(|(_, it)| it).collect();
        let most = bytes.len() as u64;
        bytes.truncate(dice.between(0, most) as usize);
        bytes
    }

    /// Whether anything has arrived and was not read.
    pub fn waits(&self) -> bool {
        !self.here.is_empty()
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Line {
    /// The server sends this; when its pieces arrive.
    pub fn send(&mut self, xml: &str, now: u64, dice: &mut Dice) -> Vec<u64> {
        let from = now.max(self.stalled_until);
        self.to_component.send(xml.as_bytes(), from, dice)
    }

    /// What arrives at the component by now can be read.
    pub fn arrive(&mut self, now: u64) -> usize {
        let bytes = self.to_component.arrived(now);
        self.to_component.here.extend(&bytes);
        self.to_component.wake();
        bytes.len()
    }

    /// What arrives at the server by now.
    pub fn reach_server(&mut self, now: u64) -> Vec<u8> {
        let bytes = self.to_server.arrived(now);
        self.to_server.wake();
        bytes
    }

    /// Whether nothing has happened to it that could have the component think that the server is gone.
    pub fn is_sound(&self, now: u64) -> bool {
        let halves = [&self.to_component, &self.to_server];
        !self.is_over
            && halves.iter().all(|it| it.end.is_none() && !it.is_swallowed)
            && self.stalled_until.saturating_add(SILENT) < now
    }

    /// Whether all that was sent to the server has arrived, and nothing will come.
    pub fn has_ended(&self) -> bool {
        self.to_server.end.is_some() && self.to_server.under_way.is_empty()
    }

    /// It breaks; what still arrives at the server.
    pub fn cut(&mut self, how: End, dice: &mut Dice) -> Vec<u8> {
        let half = &mut self.to_component;
        let rest = half.cut(dice);
        half.here.extend(rest);
        if how == End::Reset {
            half.here.clear();
        }
        half.end.get_or_insert(how);
        half.wake();
        let rest = self.to_server.cut(dice);
        self.to_server.end.get_or_insert(how);
        self.to_server.wake();
        rest
    }

    /// The component's system gives it up.
    pub fn give_up(&mut self) {
        for half in [&mut self.to_component, &mut self.to_server] {
            half.end.get_or_insert(End::Reset);
            half.wake();
        }
    }

    /// The server closes it, after all that it has sent.
    pub fn close(&mut self) {
        let half = &mut self.to_component;
        let rest = half.under_way.drain(..).flat_map(|(_, it)| it);
        half.here.extend(rest);
        if !half.is_swallowed {
            half.end.get_or_insert(End::Closed);
        }
        half.wake();
        self.to_server.under_way.clear();
        if !self.to_server.is_swallowed {
            self.to_server.end.get_or_insert(End::Reset);
        }
        self.to_server.wake();
    }
}

/// The component's end of a line: what it reads.
pub struct Reads {
    pub world: Shared,
    pub line: usize,
}

/// What it writes.
pub struct Writes {
    pub world: Shared,
    pub line: usize,
}

impl AsyncRead for Reads {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut world = self.world.borrow_mut();
        let chance = world.network.below(8);
        let line = &mut world.lines[self.line];
        let half = &mut line.to_component;
        if half.here.is_empty() {
            return match half.end {
                None => {
                    half.waker = Some(context.waker().clone());
                    Poll::Pending
                }
                Some(End::Closed) => {
                    line.was_read_whole = true;
                    Poll::Ready(Ok(()))
                }
                Some(End::Reset) => Poll::Ready(Err(ErrorKind::ConnectionReset.into())),
            };
        }
        let (process, read) = (line.process, half.read);
        let is_in = world.sessions[self.line]
            .let_in
            .is_some_and(|it| read >= it);
        if is_in && world.life_of(process).is_some_and(Life::is_full) {
            let what = format!("process {process} reads");
            world.fail(Violation::new(predicate::MEMORY, what));
        }
        let half = &mut world.lines[self.line].to_component;
        let most = half.here.len().min(buffer.remaining());
        let length = if chance == 0 { most.div_ceil(3) } else { most };
        let (first, second) = half.here.as_slices();
        let of_first = first.len().min(length);
        buffer.put_slice(&first[..of_first]);
        buffer.put_slice(&second[..length - of_first]);
        half.here.drain(..length);
        half.read += length as u64;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Writes {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut world = self.world.borrow_mut();
        let now = world.now();
        let world = &mut *world;
        let line = &mut world.lines[self.line];
        let half = &mut line.to_server;
        if half.end.is_some() {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        let under_way: usize = half.under_way.iter().map(|(_, it)| it.len()).sum();
        if under_way >= WINDOW {
            half.waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        if bytes.ends_with(b"</stream:stream>") {
            line.farewell.get_or_insert(now);
        }
        let length = match world.network.below(8) {
            0 => world.network.between(1, bytes.len().max(1) as u64) as usize,
            _ => bytes.len(),
        };
        let from = now.max(line.stalled_until);
        let arrivals = half.send(&bytes[..length], from, &mut world.network);
        for at in arrivals {
            world.schedule(at, Event::Arrive(self.line, Side::Server));
        }
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.finish();
        Poll::Ready(Ok(()))
    }
}

impl Writes {
    fn finish(&self) {
        let mut world = self.world.borrow_mut();
        let line = &mut world.lines[self.line];
        if line.to_server.end.is_none() && !line.to_server.is_swallowed {
            line.to_server.end = Some(End::Closed);
            let at = line.to_server.last;
            let at = at.max(world.now());
            world.schedule(at, Event::Arrive(self.line, Side::Server));
        }
    }
}

impl Drop for Writes {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Drop for Reads {
    fn drop(&mut self) {
        let mut world = self.world.borrow_mut();
        world.was_left(self.line);
    }
}
