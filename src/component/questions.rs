//! IQs of our own, sent once with the first login, and their answers.

use minidom::Element;

use crate::link::{self, Outbox};
use crate::stanza::{self, Received, Refusal, ns};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    pub to: String,
    /// What is asked: XML.
    pub payload: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Which question it answers, in the order they were given.
    pub number: usize,
    /// The payload, if there was one; or the error.
    pub outcome: Result<Option<Element>, Refusal>,
}

/// The questions, and whether they have been asked.
#[derive(Debug, Default)]
pub struct Questions {
    all: Vec<Question>,
    asked: bool,
}

impl Questions {
    pub fn new(all: Vec<Question>) -> Self {
        Self { all, asked: false }
    }

    /// Asks them, in the name of this domain, if that has not been done.
    pub fn ask(&mut self, from: &str, outbox: &mut Outbox) {
        if std::mem::replace(&mut self.asked, true) {
            return;
        }
        for (number, Question { to, payload }) in self.all.iter().enumerate() {
            let id = format!("{PREFIX}{number}");
            outbox.push(stanza::get(&id, from, to, payload));
        }
    }

    /// The reply that this stanza is, if it is one from whom we had asked.
    pub fn reply(&self, received: &Received) -> Option<Reply> {
        let iq = &received.stanza;
        if self.all.is_empty() || !iq.is(ns::ACCEPT, "iq") || received.fault.is_some() {
            return None;
        }
        let number = iq.attribute("id")?.strip_prefix(PREFIX)?;
        let number: usize = number.parse().ok()?;
        if self.all.get(number)?.to != iq.attribute("from")? {
            return None;
        }
        let read = link::read_late(received)?;
        let (received, iq) = (&read, &read.stanza);
        let outcome = match iq.attribute("type")? {
            "result" => Ok(iq.children.first().and_then(|payload| {
                let payload = received.xml(payload).parse::<Element>();
                payload.ok()
            })),
            "error" => Err(Refusal::read(received, iq)),
            _ => return None,
        };
        Some(Reply { number, outcome })
    }
}

const PREFIX: &str = "question-";
