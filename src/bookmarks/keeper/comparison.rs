//! What takes long: reading an answer of PEP, and comparing it with what is stored. It needs nothing of
//! the keeper, so it can be done where it holds up nobody.

use std::time::Duration;

use crate::bookmarks::answer::Answer;
use crate::bookmarks::asked::Iq;
use crate::bookmarks::step::{Answered, Step};
use crate::panics;
use crate::stanza::Unread;
use crate::store::Owner;

/// What is to be done.
#[derive(Debug)]
pub struct Comparison {
    owner: Owner,
    /// Which of the owner's requests it is for.
    number: u64,
    /// Whether the IQ was part of a change.
    is_change: bool,
    /// How long PEP took.
    took: Duration,
    step: Step,
    unread: Option<Unread>,
}

/// What has come of it.
#[derive(Debug)]
pub struct Compared {
    pub(super) owner: Owner,
    pub(super) number: u64,
    pub(super) is_change: bool,
    pub(super) took: Duration,
    /// The step, and what comes next; `None` after a panic.
    pub(super) step: Option<(Step, Answered)>,
}

impl Comparison {
    pub(super) fn new(iq: &Iq, step: Step, unread: Option<Unread>) -> Self {
        Self {
            owner: iq.owner.clone(),
            number: iq.request,
            is_change: iq.is_change,
            took: iq.since.elapsed(),
            step,
            unread,
        }
    }

    /// How many bytes have to be gone through.
    pub fn bytes(&self) -> usize {
        self.step.bytes() + self.unread.as_ref().map_or(0, |it| it.bytes.len())
    }

    /// Does it.
    pub fn carry_out(self) -> Compared {
        let (mut step, unread) = (self.step, self.unread);
        let step = panics::caught(move || {
            let content = unread.as_ref().map_or(&[][..], |it| &it.bytes);
            panics::test_at("pep", content);
            let answer = unread.and_then(Answer::read);
            let answered = step.answered(answer.as_ref());
            (step, answered)
        });
        Compared {
            owner: self.owner,
            number: self.number,
            is_change: self.is_change,
            took: self.took,
            step,
        }
    }
}
