//! One owner's bookmarks, brought into step once: which IQs that takes, one behind the other, and
//! what a client is to see.

use std::collections::VecDeque;
use std::time::SystemTime;

use super::answer::Answer;
use super::base::Base;
use super::change::Change;
use super::decide::{Before, decide};
use super::legacy::Legacy;
use super::node::{Item, Node, Payload};
use super::shown::Sight;
use crate::metrics::PepOutcome;
use crate::panics;
use crate::service::privilege::{self, Outcome};
use crate::stanza::{Element, Refusal};

/// What is to be brought into step.
#[derive(Debug)]
pub struct Stored {
    /// What is stored.
    pub list: List,
    /// The rooms when both sides were last in step; `None` if they never were.
    pub base: Option<Base>,
    /// What the client had been shown that has stored it just now; `None` if it is read, or that
    /// is not known.
    pub shown: Option<Sight>,
    /// Whether it has been stored just now, and is not read.
    pub is_set: bool,
}

/// What is stored.
#[derive(Debug)]
pub enum List {
    /// As it is stored.
    Text(String),
    /// Read already.
    Read(Legacy),
}

impl List {
    /// Reads it, if it is not yet.
    pub fn read(self) -> Legacy {
        match self {
            Self::Text(text) => Legacy::read(text),
            Self::Read(stored) => stored,
        }
    }

    /// How many bytes it has.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Read(stored) => stored.bytes(),
        }
    }
}

/// What a step may do.
#[derive(Debug, Clone, Copy)]
pub struct Rights {
    /// How many items the node may be given.
    pub max_rooms: usize,
    /// Whether the node may be configured.
    pub configure: bool,
}

/// What a client is to see.
#[derive(Debug)]
pub struct View {
    /// What is shown in place of what is stored; `None` if nothing is stored, and there is nothing
    /// to show.
    pub text: Option<String>,
    /// The rooms in it.
    pub rooms: Base,
}

/// What comes next.
#[derive(Debug)]
pub enum Next {
    /// This IQ.
    Ask(Payload),
    /// Nothing: both sides are in step. With the base from then on, if it is another one, and what is
    /// to be noted of it.
    InStep(Option<(Base, String)>),
    /// Nothing: they are not.
    Failed(Failure),
}

/// What has come of an IQ.
#[derive(Debug)]
pub struct Answered {
    /// What it is counted as.
    pub counted: PepOutcome,
    /// What a client is to see.
    pub view: Option<View>,
    /// What comes next.
    pub next: Next,
}

/// Why both sides are not in step. They are tried again with the next request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The host does not let us, or has no such user: with what it says.
    Denied(String),
    /// PEP refuses: with what it says.
    Refused(String),
    /// The node's options are wrong, and we may not correct them.
    Options,
    /// The node would get more items than it may.
    TooMany,
    /// PEP keeps nothing of what is published there.
    Forgotten,
    /// What the node holds cannot be read.
    Unreadable,
}

/// A step under way.
#[derive(Debug)]
pub struct Step {
    list: List,
    base: Option<Base>,
    shown: Option<Sight>,
    is_set: bool,
    rights: Rights,
    doing: Doing,
    todo: VecDeque<Change>,
    base_then: Option<Base>,
    is_over: bool,
    may_configure: bool,
    /// Whether the node has held nothing yet: for some users PEP takes what is published, and keeps
    /// nothing of it (Prosody: anonymous ones).
    may_forget: bool,
}

/// What was asked last.
#[derive(Debug)]
enum Doing {
    Fetching,
    /// The item that is to be changed next is read once more.
    Rereading(Change),
    Changing(Change),
    /// The first item of the node is read, to see whether PEP has kept it.
    Checking,
    /// This change is to be made once the node is what it must be.
    Configuring(Change),
}

impl Step {
    /// A step, and its first IQ.
    pub fn begin(stored: Stored, rights: Rights) -> (Self, Payload) {
        let step = Self {
            list: stored.list,
            base: stored.base,
            shown: stored.shown,
            is_set: stored.is_set,
            rights,
            doing: Doing::Fetching,
            todo: VecDeque::new(),
            base_then: None,
            is_over: false,
            may_configure: rights.configure,
            may_forget: false,
        };
        (step, Payload::Fetch)
    }

    /// Whether the node was asked for last.
    pub fn is_fetching(&self) -> bool {
        matches!(self.doing, Doing::Fetching)
    }

    /// How many bytes are to be compared with what comes next.
    pub fn bytes(&self) -> usize {
        self.list.bytes()
    }

    /// The last IQ was answered like this, or by what cannot be read. The view comes with the answer
    /// to the first, unless they were just stored.
    pub fn answered(&mut self, answer: Option<&Answer>) -> Answered {
        let outcome = answer.map_or(Outcome::Unreadable, |it| privilege::outcome(&it.received));
        let counted = match &outcome {
            Outcome::Done(_) => PepOutcome::Done,
            Outcome::Refused(_) => PepOutcome::Refused,
            Outcome::Denied(_) => PepOutcome::Denied,
            Outcome::Unreadable => PepOutcome::Unreadable,
        };
        let (view, next) = self.go_on_after(&outcome, answer);
        Answered {
            counted,
            view,
            next,
        }
    }

    fn go_on_after(
        &mut self,
        outcome: &Outcome<'_>,
        answer: Option<&Answer>,
    ) -> (Option<View>, Next) {
        let failed = |failure| (None, Next::Failed(failure));
        let doing = std::mem::replace(&mut self.doing, Doing::Fetching);
        match (doing, outcome) {
            (_, Outcome::Denied(refusal)) => failed(Failure::Denied(refusal.condition.clone())),
            (_, Outcome::Unreadable) => failed(Failure::Unreadable),
            (Doing::Fetching, Outcome::Done(pubsub)) => match node(*pubsub, answer) {
                Some(node) => self.compare(&node),
                None => failed(Failure::Unreadable),
            },
            // There is no node. Who deletes rooms leaves it empty, so none was deleted: this is a
            // first contact, if only with a new server.
            (Doing::Fetching, Outcome::Refused(refusal)) if is_absent(refusal) => {
                (self.base, self.shown) = (None, None);
                self.compare(&Node::default())
            }
            (Doing::Rereading(change), Outcome::Done(pubsub)) => match node(*pubsub, answer) {
                Some(node) => (None, self.change(change, &node.items)),
                None => failed(Failure::Unreadable),
            },
            (Doing::Rereading(change), Outcome::Refused(refusal)) if is_absent(refusal) => {
                (None, self.change(change, &[]))
            }
            (Doing::Changing(change), Outcome::Refused(refusal)) => {
                let wrong = refusal.pubsub.as_deref() == Some("precondition-not-met");
                match refusal.condition.as_str() {
                    NOT_FOUND if change.is_removal() => (None, self.go_on()),
                    _ if wrong && std::mem::take(&mut self.may_configure) => {
                        self.doing = Doing::Configuring(change);
                        (None, Next::Ask(Payload::Configure))
                    }
                    _ if wrong => failed(Failure::Options),
                    condition => failed(Failure::Refused(condition.to_owned())),
                }
            }
            (Doing::Configuring(_), Outcome::Refused(_)) => failed(Failure::Options),
            (_, Outcome::Refused(refusal)) => failed(Failure::Refused(refusal.condition.clone())),
            (Doing::Changing(change), Outcome::Done(_)) => {
                if change.is_removal() || !std::mem::take(&mut self.may_forget) {
                    return (None, self.go_on());
                }
                self.doing = Doing::Checking;
                (None, Next::Ask(change.fetch()))
            }
            (Doing::Checking, Outcome::Done(pubsub)) => match node(*pubsub, answer) {
                Some(node) if node.total > 0 => (None, self.go_on()),
                Some(_) => failed(Failure::Forgotten),
                None => failed(Failure::Unreadable),
            },
            (Doing::Configuring(change), Outcome::Done(_)) => {
                self.todo.push_front(change);
                (None, self.go_on())
            }
        }
    }

    fn compare(&mut self, node: &Node) -> (Option<View>, Next) {
        let stored = std::mem::replace(&mut self.list, List::Text(String::new())).read();
        panics::test_at("decide", stored.text().as_bytes());
        let decision = decide(
            &stored,
            node,
            Before {
                base: self.base.as_ref(),
                shown: self.shown.as_ref(),
                is_set: self.is_set,
                max_rooms: self.rights.max_rooms,
                now: SystemTime::now(),
            },
        );
        let rooms = decision.rooms.iter();
        let view = (!self.is_set).then(|| View {
            text: stored.with(&decision.rooms),
            rooms: Base::of(rooms.map(|seen| (seen.key, seen.room.digest()))),
        });
        self.todo = decision.changes.into();
        self.is_over = decision.is_over;
        self.may_forget = node.total == 0;
        self.base_then = Some(decision.base).filter(|base| self.base.as_ref() != Some(base));
        (view, self.go_on())
    }

    /// Makes a change, where these are the items now that it may be about.
    fn change(&mut self, change: Change, items: &[Item]) -> Next {
        match change.over(items) {
            Some(payload) => {
                self.doing = Doing::Changing(change);
                Next::Ask(payload)
            }
            None => self.go_on(),
        }
    }

    fn go_on(&mut self) -> Next {
        match self.todo.pop_front() {
            Some(change) => {
                let payload = change.fetch();
                self.doing = Doing::Rereading(change);
                Next::Ask(payload)
            }
            None if self.is_over => Next::Failed(Failure::TooMany),
            None => {
                let base = self.base_then.take();
                Next::InStep(base.map(|base| {
                    let note = base.write();
                    (base, note)
                }))
            }
        }
    }
}

const NOT_FOUND: &str = "item-not-found";

/// What an answer to a fetch holds.
fn node(pubsub: Option<&Element>, answer: Option<&Answer>) -> Option<Node> {
    Node::read(pubsub?, &answer?.items)
}

/// Whether this says that there is no node, or none that keeps anything: so Prosody puts it.
fn is_absent(refusal: &Refusal) -> bool {
    let is_without_items = refusal.condition == "feature-not-implemented"
        && matches!(
            refusal.pubsub.as_deref(),
            Some("persistent-items" | "unsupported")
        );
    refusal.condition == NOT_FOUND || is_without_items
}

#[cfg(test)]
mod tests;
