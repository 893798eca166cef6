//! The writing half of a link, and the replies that wait for it.

use std::collections::VecDeque;
use std::io;
use std::time::Instant;

use memchr::memchr2_iter;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;

use crate::stanza::Reply;

/// How much is gathered into one write.
const WRITE: usize = 64 * 1024;

/// A flush up to this size arrives in one piece.
const ONE_SEGMENT: usize = 1024;

/// The writing half.
#[derive(Debug)]
pub struct Outbound {
    socket: OwnedWriteHalf,
}

impl Outbound {
    /// A writing half at the very beginning of its stream.
    pub fn new(socket: OwnedWriteHalf) -> Self {
        Self { socket }
    }

    /// Writes this, whole.
    pub async fn send(&mut self, xml: &str) -> io::Result<()> {
        self.socket.write_all(xml.as_bytes()).await
    }

    /// Writes once from what waits, if anything does. Cancel safe.
    pub async fn write(&mut self, outbox: &mut Outbox) -> io::Result<()> {
        outbox.gather();
        let written = self.socket.write(&outbox.chunk[outbox.written..]).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        outbox.advance(written);
        Ok(())
    }
}

/// The replies that wait to be written. It outlives a link: what one link could not take whole
/// is sent anew on the next.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Replies of which not all has been written, each with when it was made.
    replies: VecDeque<(Instant, Reply)>,
    bytes: usize,
    /// The bytes being written: the first so many replies, and padding.
    chunk: Vec<u8>,
    written: usize,
    /// Where each of those replies ends in the chunk.
    ends: VecDeque<usize>,
}

impl Outbox {
    /// Queues a reply.
    pub fn push(&mut self, reply: Reply) {
        self.bytes += reply.len();
        self.replies.push_back((Instant::now(), reply));
    }

    /// Whether everything has been written.
    pub fn is_empty(&self) -> bool {
        self.replies.is_empty() && self.written == self.chunk.len()
    }

    /// How many bytes wait, give or take a chunk.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many replies wait.
    pub fn len(&self) -> usize {
        self.replies.len()
    }

    /// The link is gone: what it did not take whole begins anew on the next one.
    pub fn rewind(&mut self) {
        self.chunk = Vec::new();
        self.written = 0;
        self.ends.clear();
    }

    /// Drops the replies made before this moment, and says how many. Only between two links.
    pub fn drop_older_than(&mut self, moment: Instant) -> usize {
        let mut dropped = 0;
        while let Some((_, reply)) = self.replies.pop_front_if(|(made, _)| *made < moment) {
            self.bytes -= reply.len();
            dropped += 1;
        }
        dropped
    }

    fn gather(&mut self) {
        if self.written < self.chunk.len() {
            return;
        }
        self.chunk.clear();
        self.chunk.shrink_to(2 * WRITE);
        self.written = 0;
        for (_, reply) in &self.replies {
            self.chunk.extend_from_slice(reply.as_bytes());
            self.ends.push_back(self.chunk.len());
            if self.chunk.len() >= WRITE {
                break;
            }
        }
        if self.chunk.len() > ONE_SEGMENT {
            let padding = longest_tag(&self.chunk);
            self.chunk.resize(self.chunk.len() + padding, b' ');
        }
    }

    fn advance(&mut self, written: usize) {
        self.written += written;
        while self.ends.pop_front_if(|end| *end <= self.written).is_some() {
            if let Some((_, reply)) = self.replies.pop_front() {
                self.bytes -= reply.len();
            }
        }
    }
}

/// The longest tag in XML that we wrote, where `<` and `>` stand for tags alone.
///
/// A router whose parser has seen part of a tag may wait until as much again has come before it
/// looks once more (expat since 2.6, and so Prosody 13): as many blanks as the longest tag make
/// it look.
fn longest_tag(xml: &[u8]) -> usize {
    let mut longest = 0;
    let mut begin = 0;
    for at in memchr2_iter(b'<', b'>', xml) {
        if xml[at] == b'<' {
            begin = at;
        } else {
            longest = longest.max(at + 1 - begin);
        }
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_flush_ends_in_as_many_blanks_as_its_longest_tag() {
        let mut outbox = Outbox::default();
        let tag = format!("<iq id='{}'/>", "x".repeat(2000));
        outbox.push("<a/>".into());
        outbox.push(tag.clone());
        outbox.gather();
        assert_eq!(outbox.chunk.len(), 4 + 2 * tag.len());
        assert!(
            outbox.chunk[4 + tag.len()..]
                .iter()
                .all(|byte| *byte == b' ')
        );
    }

    #[test]
    fn a_short_flush_has_no_padding() {
        let mut outbox = Outbox::default();
        outbox.push("<a/>".into());
        outbox.gather();
        assert_eq!(outbox.chunk, b"<a/>");
    }

    #[test]
    fn what_a_link_did_not_take_whole_is_written_anew() {
        let mut outbox = Outbox::default();
        for reply in ["<a/>", "<b/>", "<c/>"] {
            outbox.push(reply.into());
        }
        outbox.gather();
        outbox.advance(6);
        assert_eq!((outbox.len(), outbox.bytes()), (2, 8));
        outbox.rewind();
        outbox.gather();
        assert_eq!(outbox.chunk, b"<b/><c/>");
        outbox.advance(8);
        assert!(outbox.is_empty());
        assert_eq!(outbox.bytes(), 0);
    }
}
