//! The writing half of a link, and the replies that wait for it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;

use super::socket::WriteHalf;
use memchr::{memchr, memrchr};
use xmpp_stanza::stanza::Reply;
use xps_base::clock::Instant;

/// How much is gathered into one write.
const WRITE: usize = 64 * 1024;

/// How many bytes of replies are kept that have been written and not confirmed.
const MAX_SENT: usize = 4 * 1024 * 1024;

#[derive(Debug)]
pub struct Outbound {
    socket: WriteHalf,
    chunk: Chunk,
    /// What the socket has taken of the chunk and may still hold back.
    taken: usize,
}

/// The bytes being written: the first entries of the outbox, and padding.
#[derive(Debug, Default)]
struct Chunk {
    bytes: Vec<u8>,
    written: usize,
    /// Where each of the entries ends in it.
    ends: VecDeque<usize>,
}

impl Outbound {
    /// A writing half at the very beginning of its stream.
    pub fn new(socket: WriteHalf) -> Self {
        Self {
            socket,
            chunk: Chunk::default(),
            taken: 0,
        }
    }

    /// Whether nothing is half written.
    pub fn is_done(&self) -> bool {
        self.chunk.is_written()
    }

    /// Writes this, whole.
    pub async fn send(&mut self, xml: &str) -> io::Result<()> {
        self.socket.write_all(xml.as_bytes()).await?;
        self.socket.flush().await
    }

    /// Ends our side of the connection: nothing more will be written.
    pub async fn shutdown(&mut self) -> io::Result<()> {
        self.socket.shutdown().await
    }

    /// Writes once from what waits, if anything does. Cancel safe: the outbox is borrowed before and
    /// after that, and not meanwhile.
    pub async fn write(&mut self, outbox: &RefCell<Outbox>) -> io::Result<()> {
        if self.chunk.is_written() {
            self.chunk.gather(&outbox.borrow());
        }
        if self.taken == 0 {
            let rest = self.chunk.bytes.get(self.chunk.written..);
            self.taken = self.socket.write(rest.unwrap_or_default()).await?;
            if self.taken == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        // TLS takes more than the connection does. What it took stays in the outbox until it is
        // through: an empty outbox is not written, and the rest would never leave.
        self.socket.flush().await?;
        let taken = std::mem::take(&mut self.taken);
        self.chunk.advance(taken, &mut outbox.borrow_mut());
        Ok(())
    }
}

impl Chunk {
    fn is_written(&self) -> bool {
        self.written == self.bytes.len()
    }

    fn gather(&mut self, outbox: &Outbox) {
        self.bytes.clear();
        self.bytes.shrink_to(2 * WRITE);
        self.written = 0;
        for entry in &outbox.waiting {
            self.bytes.extend_from_slice(entry.xml.as_bytes());
            self.ends.push_back(self.bytes.len());
            if self.bytes.len() >= WRITE {
                break;
            }
        }
        let padding = longest_tag(&self.bytes);
        self.bytes.resize(self.bytes.len() + padding, b' ');
    }

    fn advance(&mut self, written: usize, outbox: &mut Outbox) {
        self.written += written;
        while self.ends.pop_front_if(|end| *end <= self.written).is_some() {
            outbox.sent_first();
        }
    }
}

/// What waits to be written, and what has been written and may yet be lost. It outlives a link:
/// what one link could not take whole, or took and perhaps never delivered, is sent on the next.
///
/// A socket takes bytes that its peer never reads. So replies are kept until the server has
/// answered a ping that was sent behind them; on a new link the others are sent again. At worst a
/// reply comes twice, and the second is ignored; without it, a client may wait for ever.
#[derive(Debug, Default)]
pub struct Outbox {
    waiting: VecDeque<Entry>,
    waiting_bytes: usize,
    /// Written, and not known to have been read. The oldest are given up past a bound.
    sent: VecDeque<Entry>,
    sent_bytes: usize,
    /// When the first reply was made of those that were given up, and of which it is not known whether they were read.
    given_up: Option<Instant>,
}

#[derive(Debug)]
struct Entry {
    xml: Reply,
    made: Instant,
    kind: Kind,
}

/// What an entry is. Only replies are worth anything on another link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Reply,
    Ping(u64),
    /// An IQ of ours, whose answer would come too late.
    Request,
}

impl Outbox {
    pub fn push(&mut self, reply: Reply) {
        self.enqueue(reply, Kind::Reply);
    }

    /// Queues an IQ of ours, which is of no use on another link.
    pub fn push_request(&mut self, xml: String) {
        self.enqueue(xml, Kind::Request);
    }

    /// Queues a ping. Its answer is [`Outbox::confirm`]ed by its number.
    pub fn push_ping(&mut self, number: u64, xml: String) {
        self.enqueue(xml, Kind::Ping(number));
    }

    /// Takes all that waits, in order, as if it had been written: for whoever is the server itself.
    pub fn take(&mut self) -> Vec<String> {
        self.waiting_bytes = 0;
        self.waiting.drain(..).map(|entry| entry.xml).collect()
    }

    /// The server has answered this ping: it has read all that was sent before.
    pub fn confirm(&mut self, number: u64) {
        let ping = self
            .sent
            .iter()
            .position(|entry| entry.kind == Kind::Ping(number));
        let read = ping.map_or(0, |at| at + 1);
        if ping.is_some() {
            self.given_up = None; // they stood before it
        }
        for entry in self.sent.drain(..read) {
            self.sent_bytes -= entry.xml.capacity();
        }
    }

    /// Whether replies have been written that no ping has confirmed.
    pub fn has_unconfirmed(&self) -> bool {
        self.sent.iter().any(|entry| entry.kind == Kind::Reply)
    }

    /// The server has read all that was sent.
    pub fn confirm_all(&mut self) {
        self.sent.clear();
        (self.sent_bytes, self.given_up) = (0, None);
    }

    /// When the first reply was made of which it is not known whether it was read.
    pub fn unconfirmed_since(&self) -> Option<Instant> {
        let mut all = self.sent.iter().chain(&self.waiting);
        let first = all.find(|entry| entry.kind == Kind::Reply);
        self.given_up.or(first.map(|it| it.made))
    }

    /// Whether everything has been written.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many bytes wait to be written, give or take a chunk.
    pub fn bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// How many replies wait to be written.
    pub fn len(&self) -> usize {
        self.waiting
            .iter()
            .filter(|entry| entry.kind == Kind::Reply)
            .count()
    }

    /// The link is gone: what it did not take whole, or may not have delivered, is to be sent on
    /// the next one, but for what is no reply. Whether there is more that may not have been
    /// delivered, and is not sent again.
    pub fn rewind(&mut self) -> bool {
        self.waiting_bytes += self.sent_bytes;
        self.sent_bytes = 0;
        while let Some(entry) = self.sent.pop_back() {
            self.waiting.push_front(entry);
        }
        self.forget(|entry| entry.kind != Kind::Reply);
        self.given_up.take().is_some()
    }

    /// Drops the replies made before this moment, and says how many. Only between two links.
    pub fn drop_older_than(&mut self, moment: Instant) -> usize {
        self.forget(|entry| entry.made < moment)
    }

    fn forget(&mut self, unwanted: impl Fn(&Entry) -> bool) -> usize {
        let before = self.waiting.len();
        self.waiting.retain(|entry| !unwanted(entry));
        self.waiting_bytes = self.waiting.iter().map(|entry| entry.xml.capacity()).sum();
        before - self.waiting.len()
    }

    fn enqueue(&mut self, xml: String, kind: Kind) {
        self.waiting_bytes += xml.capacity();
        self.waiting.push_back(Entry {
            xml,
            made: Instant::now(),
            kind,
        });
    }

    /// The first that waits was written whole.
    fn sent_first(&mut self) {
        if let Some(entry) = self.waiting.pop_front() {
            self.waiting_bytes -= entry.xml.capacity();
            self.sent_bytes += entry.xml.capacity();
            self.sent.push_back(entry);
        }
        while self.sent_bytes > MAX_SENT
            && let Some(entry) = self.sent.pop_front()
        {
            if entry.kind == Kind::Reply {
                self.given_up.get_or_insert(entry.made);
            }
            self.sent_bytes -= entry.xml.capacity();
        }
    }
}

/// The longest tag in XML that we wrote, where `<` and `>` stand for tags alone.
///
/// A server whose parser has seen part of a tag may wait until as much again has come before it
/// looks once more (expat since 2.6, and so Prosody 13): as many blanks as the longest tag make
/// it look. However little is written, a busy server may read it in parts, behind what it has not
/// read yet: Prosody reads 8 KiB at a time.
fn longest_tag(xml: &[u8]) -> usize {
    let (mut longest, mut rest) = (0, xml);
    while let Some(begin) = memchr(b'<', rest) {
        rest = &rest[begin..];
        // None of the tags that end within as many bytes is longer, so they need no look of their own.
        let within = memrchr(b'>', &rest[..longest.min(rest.len())]);
        let Some(end) = within.or_else(|| memchr(b'>', rest)) else {
            break;
        };
        longest = longest.max(end + 1);
        rest = &rest[end + 1..];
    }
    longest
}

#[cfg(test)]
mod tests;
