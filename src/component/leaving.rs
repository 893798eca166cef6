//! How a link is left: nothing more is read, and what was read is answered.

use std::time::Duration;

use crate::clock::Instant;
use crate::link::End;

/// How long the answers to what was read may take when the stream is over or we are to stop.
pub const DRAIN: Duration = Duration::from_millis(3000);

/// How long a server may take, from the same moment, to read them and our leave. The store is closed
/// after that, and the process is ended by force after 5 s.
const FAREWELL: Duration = Duration::from_millis(3400);

/// How long the connection stays open behind our leave for the server to end its side. Prosody forgets what it has
/// still to say, its own leave too, where it finds the end of the connection together with ours.
const PATIENCE: Duration = Duration::from_millis(1500);

/// How long it may where we come back.
const GONE: Duration = Duration::from_secs(5);

/// Closes the stream that is not XML, as RFC 6120 section 4.9 has it.
const NOT_WELL_FORMED: &str = "<stream:error><not-well-formed \
     xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>";

const END_OF_STREAM: &str = "</stream:stream>";

/// Why serving one link ended.
#[derive(Debug, Clone)]
pub enum Ended {
    /// The link was lost: why.
    Lost(String),
    /// We are to stop; by when at the latest.
    Stopped(Instant),
    /// We log in again, because a domain has ended its delegation.
    Anew,
}

/// Nothing more is read from a link, and what has been read is answered.
#[derive(Debug)]
pub struct Leaving {
    /// When that has to be done.
    pub deadline: Instant,
    /// What is written at the very end.
    pub farewell: &'static str,
    /// By when the server must have read that, and ended its side.
    pub last_moment: Instant,
    /// How long the server has to end its side before the connection ends; no time where it has ended it.
    pub patience: Duration,
    pub ended: Ended,
}

impl Leaving {
    fn new(farewell: &'static str, ended: Ended) -> Self {
        let now = Instant::now();
        Self {
            deadline: now + DRAIN,
            farewell,
            last_moment: now + FAREWELL,
            patience: PATIENCE,
            ended,
        }
    }

    /// How to leave in order to log in again. The server must have seen the end of this connection before
    /// it sees the next: else ejabberd takes delegation from both.
    pub fn anew() -> Self {
        Self {
            last_moment: Instant::now() + GONE,
            ..Self::new(END_OF_STREAM, Ended::Anew)
        }
    }

    /// How to leave because we are to stop.
    pub fn stopping() -> Self {
        let ended = Ended::Stopped(Instant::now() + DRAIN);
        Self::new(END_OF_STREAM, ended)
    }

    /// Whether the answers that are not there yet are left for the next link: what clients ask meanwhile would be lost with
    /// this one, if it ended without a farewell.
    pub fn leaves_answers(&self) -> bool {
        matches!(self.ended, Ended::Anew) && Instant::now() >= self.deadline
    }

    /// How to leave after the server's side has ended like this. `Err` where nobody reads what we
    /// write any more: then it waits for the next link.
    pub fn after(end: End) -> Result<Self, Ended> {
        let lost = |why: &str| Ended::Lost(why.to_owned());
        match end {
            End::Closed => Ok(Self {
                patience: Duration::ZERO,
                ..Self::new(END_OF_STREAM, lost("the server closed the stream"))
            }),
            End::NotXml(what) => Ok(Self::new(
                NOT_WELL_FORMED,
                Ended::Lost(format!("what the server sent is not XML: {what}")),
            )),
            End::Eof => Err(lost("the server closed the connection")),
            End::Io(error) => Err(Ended::Lost(error.to_string())),
            End::StreamError(error) => Err(Ended::Lost(error.ends_link())),
        }
    }
}
