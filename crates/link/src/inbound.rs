//! The reading half of a link.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use memchr::memmem;
use tokio::task::JoinHandle;

use super::socket::ReadHalf;
use super::{Settings, StreamError, tls};
use xmpp_stanza::stanza::{ERROR, Element, Fault, Received};
use xmpp_stanza::xml::NotXml;
use xmpp_stanza::xml::frame::{Frame, Framer};
use xmpp_stanza::xml::reader::{Bounds, Reader};
use xps_base::clock::Instant;
use xps_base::panics;
use xps_base::threads;

/// How much is read at once: one read's stanzas are handed up together.
const READ: usize = 64 * 1024;

/// What is longer is read on a thread of its own: meanwhile what was read before is answered.
const LONG: usize = 16 * 1024;

/// So much is read here before those who wait for anything else have their turn. Reading a KiB takes
/// up to 70 µs.
const TURN: usize = 32 * 1024;

/// What both servers write at the very end.
const END_OF_STREAM: &[u8] = b"</stream:stream>";

/// How what has gone wrong with a stream begins, before its end.
const STREAM_ERROR: &[u8] = b"<stream:error";

/// Why nothing more will come.
#[derive(Debug)]
pub enum End {
    /// The server closed the stream in an orderly way.
    Closed,
    /// The connection was closed without a word: what both servers do when they shut down.
    Eof,
    /// The connection broke.
    Io(io::Error),
    /// The server ended the stream with an error.
    StreamError(StreamError),
    /// What came is not XML at all; the reason in words.
    NotXml(&'static str),
}

/// What one read brought. What stood before the end is to be answered first.
#[derive(Debug, Default)]
pub struct Incoming {
    /// The stanzas, in order.
    pub stanzas: Vec<Received>,
    /// Set when nothing more will come.
    pub end: Option<End>,
}

/// A long stanza that is being read elsewhere.
type Reading = JoinHandle<Result<Option<Received>, NotXml>>;

#[derive(Debug)]
pub struct Inbound {
    socket: ReadHalf,
    buffer: Box<[u8]>,
    /// What of it was not looked at yet.
    rest: Range<usize>,
    /// A long stanza that is being read.
    reading: Option<Reading>,
    framer: Framer,
    limits: Bounds,
    reader: Option<Reader>,
    stream: Option<Element>,
    ready: VecDeque<Received>,
    end: Option<End>,
    heard: Instant,
}

impl Inbound {
    /// A reading half at the very beginning of its stream.
    pub fn new(socket: ReadHalf, settings: &Settings) -> Self {
        Self {
            socket,
            buffer: vec![0; READ].into_boxed_slice(),
            rest: 0..0,
            reading: None,
            framer: Framer::new(settings.max_stanza_bytes),
            limits: settings.bounds(),
            reader: None,
            stream: None,
            ready: VecDeque::new(),
            end: None,
            heard: Instant::now(),
        }
    }

    /// Bounds the stanzas to come as these settings say.
    pub fn set_limits(&mut self, settings: &Settings) {
        self.framer.set_limit(settings.max_stanza_bytes);
        self.limits = settings.bounds();
        if let Some(reader) = &mut self.reader {
            reader.set_bounds(self.limits);
        }
    }

    /// When the last byte came, whatever it was.
    pub fn heard(&self) -> Instant {
        self.heard
    }

    /// Whether a long stanza has come that is still being read.
    pub fn is_reading(&self) -> bool {
        self.reading.is_some()
    }

    /// The default namespace of the stream, once its header has come.
    pub fn default_namespace(&self) -> Option<&str> {
        self.reader.as_ref().map(Reader::default_namespace)
    }

    /// Waits for the stream's header. Cancel safe.
    pub async fn open(&mut self) -> Result<Element, End> {
        loop {
            if let Some(stream) = self.stream.take() {
                return Ok(stream);
            }
            self.more().await?;
        }
    }

    /// Waits for one element. Cancel safe.
    pub async fn next(&mut self) -> Result<Received, End> {
        loop {
            if let Some(received) = self.ready.pop_front() {
                return Ok(received);
            }
            self.more().await?;
        }
    }

    /// Reads to the end of the connection, and carries out none of it. Whether the server has ended
    /// its stream in answer to ours, without an error of the stream: then it has read ours to the end.
    pub async fn discard(&mut self) -> bool {
        let (mut last, mut is_error) = (Vec::new(), false);
        while let Ok(read) = self.socket.read(&mut self.buffer).await
            && read > 0
        {
            last.extend_from_slice(&self.buffer[..read]);
            is_error |= memmem::find(&last, STREAM_ERROR).is_some();
            last.drain(..last.len().saturating_sub(END_OF_STREAM.len()));
        }
        last == END_OF_STREAM && !is_error
    }

    /// Waits for whatever comes next. Cancel safe.
    pub async fn read(&mut self) -> Incoming {
        let mut end = None;
        while self.ready.is_empty() && end.is_none() {
            end = self.more().await.err();
        }
        Incoming {
            stanzas: self.ready.drain(..).collect(),
            end: end.or_else(|| self.end.take()),
        }
    }

    /// Goes on where it was, or else reads once; and cuts up what came. `Err` when there is nothing
    /// more.
    async fn more(&mut self) -> Result<(), End> {
        if let Some(reading) = &mut self.reading {
            let read = reading.await;
            self.reading = None;
            match read {
                Ok(Ok(received)) => self.take(received),
                Ok(Err(NotXml(why))) => self.end = Some(End::NotXml(why)),
                // Its head could not be read, either: there is nobody to be answered.
                Err(_) => {}
            }
        } else if self.rest.is_empty() {
            if let Some(end) = self.end.take() {
                return Err(end);
            }
            let read = match self.socket.read(&mut self.buffer).await {
                Ok(0) => return Err(End::Eof),
                Ok(read) => read,
                Err(error) => return Err(End::Io(error)),
            };
            self.heard = Instant::now();
            self.rest = 0..read;
        }
        let come = self.rest.clone();
        if let Err(NotXml(why)) = self.cut() {
            let at_the_start = self.reader.is_none();
            let tls = at_the_start && tls::is_record(&self.buffer[come]);
            self.end = Some(End::NotXml(if tls { tls::UNASKED } else { why }));
        }
        if self.end.is_some() {
            self.rest = 0..0;
        }
        // Prosody writes a long stanza in parts, and its system may send the last only when those
        // before are acknowledged.
        if self.ready.is_empty() && self.reading.is_none() {
            self.socket.acknowledge();
        }
        Ok(())
    }

    /// Cuts up the rest of the buffer, up to the end of the stream, or of the turn.
    fn cut(&mut self) -> Result<(), NotXml> {
        let end = self.rest.end;
        let mut turn = 0;
        while turn < TURN && self.end.is_none() && self.reading.is_none() {
            let mut input = &self.buffer[self.rest.clone()];
            let frame = self.framer.next(&mut input)?;
            self.rest = end - input.len()..end;
            match (frame, &self.reader) {
                (None, _) => break,
                (Some(Frame::Open(start_tag)), _) => {
                    let (reader, stream) = Reader::open(&start_tag, self.limits)?;
                    self.reader = Some(reader);
                    self.stream = Some(stream);
                }
                (Some(Frame::Stanza(mut stanza)), Some(reader)) => {
                    let length = stanza.bytes.len();
                    if length > LONG && reader.answer_head(&stanza).is_none() {
                        let (reader, stanza) = (reader.clone(), stanza.into_owned());
                        self.reading = Some(threads::aside(move || {
                            let read = panics::caught(|| reader.read(&stanza));
                            read.unwrap_or_else(|| Ok(reader.head(&stanza).map(broken)))
                        }));
                        break;
                    }
                    turn += length;
                    let received = panics::caught(|| reader.receive(&mut stanza));
                    let received = match received {
                        Some(received) => received?,
                        None => reader.head(&stanza).map(broken),
                    };
                    self.take(received);
                }
                (Some(Frame::Stanza(_)), None) => {
                    return Err(NotXml("a stanza before the stream"));
                }
                (Some(Frame::Close), _) => {
                    self.end.get_or_insert(End::Closed);
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, received: Option<Received>) {
        let Some(received) = received else {
            return tracing::debug!("dropped a stanza whose start tag is over the limit");
        };
        match StreamError::read(&received) {
            Some(error) => self.end = Some(End::StreamError(error)),
            None => self.ready.push_back(received),
        }
    }
}

/// The whole of an answer of which only the start tag was read, as one to `check`'s questions; `None` if
/// it cannot be.
pub fn read_late(received: &Received) -> Option<Received> {
    let unread = received.unread.as_ref()?;
    let limits = Bounds {
        text: 2 * unread.bytes.len() + 1024,
        depth: 64,
        children: usize::MAX,
        containers: &[ERROR],
    };
    Reader::read_late(unread, limits)
        .ok()?
        .filter(|read| read.fault.is_none())
}

/// A stanza at which reading has panicked.
fn broken(head: Element) -> Received {
    Received {
        stanza: head,
        text: Arc::default(),
        fault: Some(Fault::Broken),
        size: 0,
        unread: None,
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::UnixStream;

    use super::*;
    use crate::Endpoint;
    use crate::socket::local;

    /// A server that closed the stream by itself, with an error, before it had read ours to the end, counted as one that had
    /// read all that was written.
    #[tokio::test]
    async fn only_a_server_that_ends_its_stream_in_peace_has_read_ours() {
        let settings = Settings {
            server: Endpoint::Tcp {
                host: "localhost".to_owned(),
                port: Endpoint::USUAL_PORT,
            },
            tls: None,
            domain: "private.localhost".to_owned(),
            secret: "secret".into(),
            max_stanza_bytes: 1024,
            max_depth: 8,
            max_children: 8,
            containers: &[],
        };
        let error = "<stream:error><conflict/></stream:error></stream:stream>";
        let cases = [
            (vec!["<iq/></stream:stream>"], true),
            (vec!["</stream:", "stream>"], true),
            (vec!["<iq/>"], false),
            (vec![error], false),
            (
                vec![
                    "<stream:er",
                    "ror><conflict/></stream:error>",
                    "</stream:stream>",
                ],
                false,
            ),
        ];
        for (pieces, was_read) in cases {
            let (ours, mut theirs) = UnixStream::pair().expect("a connection");
            let mut inbound = Inbound::new(local(ours).0, &settings);
            let server = async {
                for piece in &pieces {
                    theirs.write_all(piece.as_bytes()).await.expect("it reads");
                    tokio::task::yield_now().await;
                }
                drop(theirs);
            };
            let ((), found) = tokio::join!(server, inbound.discard());
            assert_eq!(found, was_read, "{pieces:?}");
        }
    }
}
