//! An answer in the making: where it goes, what it repeats, how long it may become.

use super::delegation::Inner;
use super::envelope::Envelope;
use super::{Plan, private};
use crate::address;
use crate::stanza::{Condition, Element, Received, Reply, StanzaError};
use crate::store::SetError;

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
    envelope: Envelope,
    repeated: Option<String>,
    longest: usize,
}

impl Answer {
    /// An answer in this envelope; `stored` bytes are what one namespace may hold.
    pub fn new(envelope: Envelope, stored: u64) -> Self {
        let stored = usize::try_from(stored).unwrap_or(usize::MAX);
        Self {
            envelope,
            repeated: None,
            longest: stored.saturating_add(MAX_AROUND),
        }
    }

    /// The answer to a set, once it is durable or refused.
    pub fn set(&self, result: &Result<(), SetError>) -> Reply {
        match result {
            Ok(()) => self.envelope.empty_result(),
            Err(error) => self.error(&private::set_error(error)),
        }
    }

    /// The answer where carrying the request out has failed in a way that nobody foresaw.
    pub fn broken(&self) -> Reply {
        let text = "This request has hit a fault of the service.";
        self.error(&StanzaError::new(Condition::InternalServerError, text))
    }

    /// The answer to a request of somebody who has too many open already.
    pub fn too_much_at_once(&self, limit: usize) -> Reply {
        let text = format!(
            "Too much at once: limits.max_user_open_bytes is {limit}. Please wait for the answers \
             to what you have asked before."
        );
        self.error(&StanzaError::new(Condition::ResourceConstraint, text))
    }

    /// What an error repeats of the request: its one payload, if it was read without a fault.
    pub(super) fn repeating(mut self, payload: &Element, received: &Received) -> Self {
        let xml = received.xml(payload);
        let repeat = received.fault.is_none() && xml.len() <= MAX_REPEATED;
        self.repeated = repeat.then(|| xml.to_owned());
        self
    }

    pub(super) fn wrapping(mut self, inner: &Inner<'_>, namespace: &str) -> Self {
        let bare = address::bare(inner.from);
        self.envelope = self
            .envelope
            .wrapping(inner.iq, inner.from, bare, namespace);
        self.repeated = None;
        self
    }

    /// Whether any answer to this request would get through the router: one that is over the
    /// router's own limit ends the link for everybody.
    pub(super) fn fits(&self) -> bool {
        // Nearly every envelope is far from the limit, and need not be written to see it.
        let fits = self.envelope.at_most() + MAX_ERROR <= self.longest
            || self.envelope.empty_result().len() + MAX_ERROR <= self.longest;
        if !fits {
            tracing::debug!("dropped an iq whose id and addresses make any answer too long");
        }
        fits
    }

    pub(super) fn refuse(self, error: StanzaError) -> Plan {
        Plan::Reply(self.error(&error))
    }

    pub(super) fn result(&self, payload: &str) -> Reply {
        self.result_of(|out| {
            out.push_str(payload);
            Ok(())
        })
    }

    /// A result whose payload is appended to it, or the error that comes of that.
    pub(super) fn result_of(
        &self,
        payload: impl FnOnce(&mut String) -> Result<(), StanzaError>,
    ) -> Reply {
        let reply = match self.envelope.result(payload) {
            Ok(reply) => reply,
            Err(error) => return self.error(&error),
        };
        if reply.len() > self.longest {
            let text = "The answer would be longer than the router lets through: the request asks \
                        for too many names, or its id and addresses are too long.";
            return self.error(&StanzaError::new(Condition::NotAcceptable, text));
        }
        reply
    }

    pub(super) fn error(&self, error: &StanzaError) -> Reply {
        let reply = self.envelope.error(error, self.repeated.as_deref());
        if reply.len() <= self.longest {
            return reply;
        }
        self.envelope.error(error, None)
    }
}
