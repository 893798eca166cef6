//! The IQs by which we work on users' PEP nodes.
//!
//! Invariant: an answer counts only if it comes from the very address that was asked, with the very id.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::answer::Answer;
use super::hosts::{Hosts, LeftAlone};
use super::node::{Node, Payload};
use crate::address::{self, Sender};
use crate::clock::Instant;
use crate::metrics::{self, PepOutcome};
use crate::panics;
use crate::random;
use crate::replies::Replies;
use crate::service::privilege::{self, Outcome};
use crate::stanza::{Received, Refusal, Unread};
use crate::store::{Owner, Turn};
use crate::threads::Workers;

/// How long an IQ may take. ejabberd drops IQs that it does not allow, without a word.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// How many fetches are remembered that had no answer in time.
const LATE: usize = 256;

/// The IQs under way, and the hosts that they go to.
#[derive(Debug)]
pub struct Pep {
    from: String,
    /// Begins the ids of all. Nobody can guess it.
    prefix: String,
    next: Cell<u64>,
    link: Cell<u64>,
    /// In order, as those that are given up together go on in it.
    under_way: RefCell<BTreeMap<u64, UnderWay>>,
    /// Whose nodes were fetched by those that had no answer in time: how long it is says when to ask again.
    late: RefCell<BTreeMap<u64, Owner>>,
    hosts: RefCell<Hosts>,
    replies: Replies,
    workers: Rc<Workers>,
    metrics: metrics::Pep,
}

#[derive(Debug)]
struct UnderWay {
    owner: Owner,
    /// As it came, if it was not too long to be kept.
    answer: oneshot::Sender<Option<Unread>>,
}

/// In whose name an IQ is sent.
#[derive(Debug, Clone, Copy)]
pub struct Account<'a> {
    /// The owner of the node.
    pub owner: &'a Owner,
    /// Their bare address, as they write it.
    pub address: &'a str,
    /// Whether all that they have is being removed.
    pub is_gone: &'a Cell<bool>,
    /// Their turn among all instances.
    pub turn: &'a Turn,
    /// The number of the link: on another one an answer would come too late.
    pub link: u64,
}

#[derive(Debug)]
pub enum Said {
    /// It is done; for a fetch, with what it has found.
    Done(Node),
    Refused(Refusal),
}

/// Why both sides are not in step. They are tried again with the next request.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// The host does not let us, or is left alone for a while.
    Ungranted,
    /// The node is large, and it is not its turn.
    TooSoon,
    /// There was no answer in time.
    Late,
    /// The link is gone, or the account is.
    Gone,
    /// Another instance may have the owner's turn by now.
    OutOfTurn,
    /// The store cannot be read, which is told elsewhere.
    Store,
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
    /// Reading or comparing it has met a bug, which is in the log.
    Broken,
}

impl Failure {
    /// Whether it says nothing of other items than the one that was asked about.
    pub fn is_of_one_item(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Unreadable)
    }
}

impl Pep {
    /// None is under way. The workers read long answers.
    pub fn new(
        from: String,
        replies: Replies,
        workers: Rc<Workers>,
        metrics: metrics::Pep,
    ) -> Self {
        Self {
            from,
            prefix: format!("bookmarks-{:016x}-", random::number()),
            next: Cell::new(0),
            link: Cell::new(0),
            under_way: RefCell::default(),
            late: RefCell::default(),
            hosts: RefCell::default(),
            replies,
            workers,
            metrics,
        }
    }

    /// The number of the link that is up, or of the next.
    pub fn link(&self) -> u64 {
        self.link.get()
    }

    /// Where the IQs go, among the replies.
    pub fn replies(&self) -> &Replies {
        &self.replies
    }

    /// The hosts that the IQs go to.
    pub fn hosts(&self) -> &RefCell<Hosts> {
        &self.hosts
    }

    /// Sends an IQ in somebody's name, and does this with what is said to it; that is about so many bytes
    /// more.
    pub async fn request<T: Send + 'static>(
        &self,
        account: Account<'_>,
        payload: &Payload,
        bytes: usize,
        then: impl FnOnce(Said) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let since = Instant::now();
        let answer = self.answer(account, payload).await?;
        let took = since.elapsed();
        let length = answer.as_ref().map_or(0, |unread| unread.bytes.len());
        if *payload == Payload::Fetch {
            self.fetched(account.owner, answer.as_ref());
        }
        let is_fetch = !payload.is_set();
        let work = move || {
            let (outcome, said) = read(answer, is_fetch);
            (outcome, said.map(then))
        };
        // Whatever is in a node, a set that is durable by now has to be noted.
        let work = move || panics::caught(work);
        let done = self.workers.compute(bytes + length, work).await;
        let (outcome, result) = done.ok_or(Failure::Broken)?;
        self.metrics.asked(outcome, took);
        result
    }

    /// Those that do what would hold up everybody else.
    pub fn workers(&self) -> &Workers {
        &self.workers
    }

    /// Sends an IQ, and waits for its answer.
    async fn answer(
        &self,
        account: Account<'_>,
        payload: &Payload,
    ) -> Result<Option<Unread>, Failure> {
        let Account {
            owner,
            address,
            is_gone,
            turn,
            link,
        } = account;
        if is_gone.get() || link != self.link.get() {
            return Err(Failure::Gone);
        }
        if !turn.is_held() {
            return Err(Failure::OutOfTurn);
        }
        // Others may have waited in vain meanwhile.
        if !self.may_ask(owner) {
            return Err(Failure::Ungranted);
        }
        let number = self.next.get();
        self.next.set(number + 1);
        let (tell, told) = oneshot::channel();
        let under_way = UnderWay {
            owner: owner.clone(),
            answer: tell,
        };
        self.under_way.borrow_mut().insert(number, under_way);
        let id = format!("{}{number}", self.prefix);
        let (is_set, xml) = (payload.is_set(), payload.xml());
        let iq = privilege::request(&id, &self.from, address, is_set, &xml);
        self.replies.request(iq);
        let since = Instant::now();
        match timeout(PATIENCE, told).await {
            Ok(answer) => answer.map_err(|_| Failure::Gone),
            Err(_) => {
                self.under_way.borrow_mut().remove(&number);
                if *payload == Payload::Fetch {
                    self.is_late(number, owner);
                }
                self.metrics.asked(PepOutcome::Late, since.elapsed());
                self.missed(owner);
                tracing::debug!("no answer about the bookmarks of {}", owner.as_str());
                Err(Failure::Late)
            }
        }
    }

    /// Takes a stanza if it is an answer to one of these; says whether it was.
    pub fn answered(&self, received: &mut Received) -> bool {
        let iq = &received.stanza;
        let is_answer = matches!(iq.attribute("type"), Some("result" | "error"));
        let id = iq
            .attribute("id")
            .filter(|_| is_answer && *iq.name == *"iq");
        let Some(number) = id.and_then(|id| id.strip_prefix(&*self.prefix)) else {
            return false;
        };
        let from = iq.attribute("from").filter(|from| !from.contains('/'));
        let Sender::User(user, _) = address::sender(from.unwrap_or_default()) else {
            return true;
        };
        // `00` is a number, and no id of ours.
        let is_ours = |it: &u64| it.to_string() == number;
        let Some(number) = number.parse().ok().filter(is_ours) else {
            return true;
        };
        let mut late = self.late.borrow_mut();
        if let Some(owner) = late.remove(&number) {
            match owner.as_str() == &*user {
                true => self.fetched(&owner, received.unread.as_ref()),
                false => drop(late.insert(number, owner)),
            }
        }
        let mut under_way = self.under_way.borrow_mut();
        let is_expected = under_way.get(&number).map(|it| it.owner.as_str()) == Some(&*user);
        if is_expected && let Some(UnderWay { owner, answer }) = under_way.remove(&number) {
            if self.hosts.borrow_mut().heard(&owner) {
                self.metrics.answers(address::domain_of(owner.as_str()));
            }
            // Whoever has asked may have given up.
            let _ = answer.send(received.unread.take());
        }
        true
    }

    /// A node was fetched, with this answer.
    fn fetched(&self, owner: &Owner, answer: Option<&Unread>) {
        let bytes = answer.map_or(0, |unread| unread.bytes.len() + unread.cut);
        let mut hosts = self.hosts.borrow_mut();
        hosts.fetched(owner, bytes, Instant::now());
    }

    /// This fetch had no answer in time.
    fn is_late(&self, number: u64, owner: &Owner) {
        let mut late = self.late.borrow_mut();
        late.insert(number, owner.clone());
        if late.len() > LATE {
            late.pop_first();
        }
    }

    /// No answer is expected any more to those in the name of this owner.
    pub fn forget(&self, owner: &Owner) {
        self.late.borrow_mut().retain(|_, it| it != owner);
        let mut under_way = self.under_way.borrow_mut();
        under_way.retain(|_, it| it.owner != *owner);
    }

    /// Whether the owner's host lets us ask, and answers.
    fn may_ask(&self, owner: &Owner) -> bool {
        let hosts = self.hosts.borrow();
        let is_left_alone = hosts.is_left_alone(owner, Instant::now());
        !is_left_alone && hosts.grant(address::domain_of(owner.as_str())).is_some()
    }

    /// The link is gone: no answer is expected any more, and nothing is known of hosts.
    pub fn clear(&self) {
        self.link.set(self.link.get() + 1);
        self.hosts.borrow_mut().forget();
        self.metrics.forget_hosts();
        self.under_way.borrow_mut().clear();
        self.late.borrow_mut().clear();
    }

    /// An IQ had no answer in time.
    fn missed(&self, owner: &Owner) {
        let host = address::domain_of(owner.as_str());
        let left_alone = self.hosts.borrow_mut().missed(owner, Instant::now());
        if let Some(until) = self.hosts.borrow().alone_until(host) {
            self.metrics.is_silent(host, until);
        }
        match left_alone {
            LeftAlone::Nobody => {}
            LeftAlone::Owner => tracing::debug!(
                "PEP is not asked about {} for a minute: its bookmarks come from the store alone",
                owner.as_str()
            ),
            LeftAlone::Host => tracing::warn!(
                "{host} does not answer requests for its users' PEP nodes, although it lets the \
                 component send them: for a minute, bookmarks there come from the store alone"
            ),
        }
    }
}

/// Reads an answer: what is counted of it, and what it says.
fn read(answer: Option<Unread>, is_fetch: bool) -> (PepOutcome, Result<Said, Failure>) {
    panics::test_at("pep", answer.as_ref().map_or(&[], |it| &it.bytes));
    let answer = answer.and_then(Answer::read);
    let outcome = answer
        .as_ref()
        .map_or(Outcome::Unreadable, |it| privilege::outcome(&it.received));
    match outcome {
        Outcome::Unreadable => (PepOutcome::Unreadable, Err(Failure::Unreadable)),
        Outcome::Denied(refusal) => {
            let denied = Failure::Denied(refusal.condition);
            (PepOutcome::Denied, Err(denied))
        }
        Outcome::Refused(refusal) => (PepOutcome::Refused, Ok(Said::Refused(refusal))),
        Outcome::Done(pubsub) => {
            let items = answer.as_ref().map(|it| &it.items);
            let node = match is_fetch {
                true => pubsub
                    .zip(items)
                    .and_then(|(it, items)| Node::read(it, items)),
                false => Some(Node::default()),
            };
            let done = node.map(Said::Done);
            (PepOutcome::Done, done.ok_or(Failure::Unreadable))
        }
    }
}
