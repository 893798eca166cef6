//! An answer in the making: where it goes, what it repeats, how long it may become.

use std::ops::Range;
use std::sync::Arc;

use super::delegation::Inner;
use super::envelope::Envelope;
use super::error::{self, Condition, Limit, StanzaError};
use super::get::Found;
use super::tally::{Kind, Tally, Via};
use crate::address;
use crate::clock::Instant;
use crate::panics;
use crate::stanza::{Element, Namespace, Received, Reply};
use crate::store::{ReadError, SetError};

/// The longest payload that an error repeats, in bytes.
const MAX_REPEATED: usize = 64 * 1024;

/// What an answer may have beside what is stored in one namespace, in bytes: ids, addresses, a
/// repeated payload.
const MAX_AROUND: usize = 80 * 1024;

/// The longest error without what it repeats, in bytes.
const MAX_ERROR: usize = 1024;

/// Where the answer goes, and what an error would repeat.
#[derive(Debug)]
pub struct Answer {
    asked: Instant,
    kind: Kind,
    via: Via,
    envelope: Envelope,
    repeated: Option<Repeated>,
    /// The payload that says that a set is done, if there is to be one.
    done: Option<String>,
    longest: usize,
}

/// The payload of a request: a part of the text that was read, which is kept for as long.
#[derive(Debug)]
struct Repeated {
    text: Arc<String>,
    range: Range<usize>,
}

/// A finished answer, and what is counted of it once it is queued.
#[derive(Debug)]
pub struct Answered {
    pub reply: Reply,
    /// When what it answers was read.
    pub asked: Instant,
    pub tally: Tally,
}

/// What comes of a get.
#[derive(Debug)]
pub enum Got {
    Answer(Answered),
    /// There are bookmarks in it, or a place for them.
    Bookmarks(Found),
}

impl Answer {
    /// When what it answers was read.
    pub fn asked(&self) -> Instant {
        self.asked
    }

    /// An answer in this envelope to what was read at this moment; `stored` bytes are what one
    /// namespace may hold.
    pub fn new(envelope: Envelope, stored: u64, asked: Instant) -> Self {
        let stored = usize::try_from(stored).unwrap_or(usize::MAX);
        Self {
            asked,
            kind: Kind::Other,
            via: Via::Direct,
            envelope,
            repeated: None,
            done: None,
            longest: stored.saturating_add(MAX_AROUND),
        }
    }

    /// The answer to a set, or to a removal, once it is durable or refused.
    pub fn set(&self, result: &Result<(), SetError>) -> Answered {
        match result {
            Ok(()) => self.result(self.done.as_deref().unwrap_or_default()),
            Err(error) => self.error(&error::set_error(error)),
        }
    }

    /// The answer with this payload.
    pub fn payload(&self, payload: Result<String, StanzaError>) -> Answered {
        match payload {
            Ok(payload) => self.result(&payload),
            Err(error) => self.error(&error),
        }
    }

    /// What comes of a get.
    pub fn got(&self, found: Result<Found, StanzaError>) -> Got {
        match found {
            Ok(found) if found.has_bookmarks() => Got::Bookmarks(found),
            Ok(found) => Got::Answer(self.found(&found)),
            Err(error) => Got::Answer(self.error(&error)),
        }
    }

    /// The answer to a get.
    pub fn found(&self, found: &Found) -> Answered {
        self.result_of(found.bytes(), |out| found.write(None, out))
    }

    /// The same with these room bookmarks in place of those that were found; `None` if it is too long.
    pub fn bookmarks(&self, found: &Found, instead: Option<&str>) -> Option<Answered> {
        let Some(instead) = instead else {
            return Some(self.found(found));
        };
        let (beside, bytes) = (found.beside(), found.beside() + instead.len());
        let room = self
            .longest
            .saturating_sub(beside + self.envelope.at_most());
        let write = |out: &mut String| found.write(Some(instead), out);
        (instead.len() <= room).then(|| self.result_of(bytes, write))
    }

    /// The answer to a set of more bookmarks than may be.
    pub fn too_many_rooms(&self, most: usize) -> Answered {
        let text = format!(
            "Too many rooms: bookmarks.max_rooms is {most}, and clients that keep bookmarks in PEP \
             would lose some. What was stored before is unchanged."
        );
        self.error(&StanzaError::new(Condition::ResourceConstraint, text).over(Limit::Rooms))
    }

    /// The full address of who asks, as received.
    pub fn asker(&self) -> &str {
        self.envelope.asker()
    }

    /// How long a result is around its payload, in bytes, at most.
    pub(super) fn around(&self) -> usize {
        self.envelope.at_most()
    }

    /// The answer where the store cannot be read.
    pub fn unreadable(&self, error: ReadError) -> Answered {
        self.error(&error::unreadable(error))
    }

    /// The answer where carrying the request out has panicked.
    pub fn broken(&self) -> Answered {
        self.error(&error::broken())
    }

    /// The answer to a request of somebody who has too many open already.
    pub fn too_much_at_once(&self, limit: usize) -> Answered {
        let text = format!(
            "Too much at once: limits.max_user_open_bytes is {limit}. Please wait for the answers \
             to your earlier requests."
        );
        let error = StanzaError::new(Condition::ResourceConstraint, text);
        self.error(&error.over(Limit::UserOpenBytes))
    }

    /// The answer to a request of this kind.
    pub(super) fn to(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// What an error repeats of the request: its one payload, if it was read without a fault.
    pub(super) fn repeating(mut self, payload: &Element, received: &Received) -> Self {
        let xml = received.xml(payload);
        let repeat = received.fault.is_none() && xml.len() <= MAX_REPEATED;
        self.repeated = repeat.then(|| Repeated {
            text: Arc::clone(&received.text),
            range: payload.range.clone(),
        });
        self
    }

    /// With this payload once a set is done.
    pub(super) fn saying(self, done: String) -> Self {
        let done = Some(done);
        Self { done, ..self }
    }

    pub(super) fn wrapping(mut self, inner: &Inner<'_>, namespace: &Namespace) -> Self {
        let bare = address::bare(inner.from);
        self.via = Via::Delegated;
        self.envelope = self
            .envelope
            .wrapping(inner.iq, inner.from, bare, namespace);
        self.repeated = None;
        self
    }

    /// Whether any answer to this request would get through the server: one that is over the
    /// server's own limit ends the link for everybody.
    pub(super) fn fits(&self) -> bool {
        // Nearly every envelope is far from the limit, and need not be written to see it.
        let fits = self.envelope.at_most() + MAX_ERROR <= self.longest
            || self.envelope.empty_result().len() + MAX_ERROR <= self.longest;
        if !fits {
            tracing::debug!("dropped an iq whose id and addresses make any answer too long");
        }
        fits
    }

    pub(super) fn result(&self, payload: &str) -> Answered {
        self.result_of(payload.len(), |out| out.push_str(payload))
    }

    /// A result whose payload, of about so many bytes, is appended to it.
    fn result_of(&self, bytes: usize, payload: impl FnOnce(&mut String)) -> Answered {
        let reply = self.envelope.result(bytes, payload);
        panics::test_at("reply", reply.as_bytes());
        if reply.len() > self.longest {
            let text = "The answer would be longer than the server lets through: the request asks \
                        for too many names, or its id and addresses are too long.";
            return self.error(&StanzaError::new(Condition::NotAcceptable, text));
        }
        self.answered(reply, None, None)
    }

    pub fn error(&self, error: &StanzaError) -> Answered {
        let repeated = self.repeated.as_ref();
        let repeated = repeated.and_then(|it| it.text.get(it.range.clone()));
        let mut reply = self.envelope.error(error, repeated);
        if reply.len() > self.longest {
            reply = self.envelope.error(error, None);
        }
        self.answered(reply, Some(error.condition), error.limit)
    }

    fn answered(&self, reply: Reply, error: Option<Condition>, limit: Option<Limit>) -> Answered {
        Answered {
            reply,
            asked: self.asked,
            tally: Tally {
                kind: self.kind,
                via: self.via,
                error,
                limit,
            },
        }
    }
}
