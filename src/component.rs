//! The life of the component: connect, serve, lose the link, connect again; and the end of it.

mod backoff;
mod leaving;
mod liveness;
mod questions;
mod settings;
mod watch;

use std::collections::BTreeSet;
use std::future::pending;
use std::io;
use std::pin::Pin;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{LocalSet, yield_now};
use tokio::time::{sleep, sleep_until, timeout, timeout_at};

use crate::config::Config;
pub use crate::link::Step;
use crate::link::{self, ConnectError, Inbound, Incoming, Link, Outbound, Outbox};
use crate::metrics::{self, Metrics};
use crate::replies::Replies;
use crate::requests::{Notice, Requests};
pub use crate::service::Grant;
use crate::stanza::Received;
pub use crate::stanza::Refusal;
use crate::store::Store;
use backoff::Backoff;
use leaving::{DRAIN, Ended, Leaving};
use liveness::{Liveness, Verdict};
use questions::Questions;
pub use questions::{Question, Reply};
use watch::{Anew, Watch};

/// How long a reply may wait for a link before whoever asked has given up.
const KEEP_REPLIES: Duration = Duration::from_secs(60);

/// How long after a login the served domains have to delegate before it is told that they do not.
const DELEGATION: Duration = Duration::from_secs(10);

/// How long there is no link where one is made anew on purpose: the server has to see that the last is
/// gone.
const BETWEEN: Duration = Duration::from_secs(1);

/// How many domains that are not served are remembered as having delegated. Anybody's server may
/// say that it has.
const NOT_SERVED: usize = 128;

/// What the component tells whoever runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The login has come so far.
    Reached(Step),
    /// It has logged in.
    Up,
    /// A served domain delegates private storage to it.
    Delegated(String),
    /// A served domain that had delegated on this link does so no more.
    DelegationEnded {
        /// The domain.
        domain: String,
        /// Whether that is seen from its silence alone.
        silent: bool,
        /// How soon that is tried to be mended by a new login.
        anew: Duration,
    },
    /// A served domain lets it work on its users' PEP nodes, to this extent: told whenever the
    /// domain says so.
    Granted {
        /// The domain.
        domain: String,
        /// What it grants.
        grant: Grant,
    },
    /// A question was answered.
    Replied(Reply),
    /// These served domains have not delegated a while after the login.
    Undelegated {
        /// The domains.
        domains: Vec<String>,
        /// How soon a new login is tried, because some of them had on an earlier link.
        anew: Option<Duration>,
    },
    /// These delegate, and do not let us work on their users' PEP nodes.
    Ungranted(Vec<String>),
    /// A link was given up in order to log in anew.
    Left {
        /// How long until then.
        pause: Duration,
    },
    /// A login failed, or a link was lost.
    Down {
        /// Why.
        why: String,
        /// Whether it is the stream itself that the router refused.
        stream: bool,
        /// How long until the next attempt.
        pause: Duration,
    },
}

/// The component.
#[derive(Debug)]
pub struct Component {
    link: link::Settings,
    requests: Requests,
    replies: Replies,
    metrics: metrics::Requests,
    change: UnboundedSender<Config>,
    changes: UnboundedReceiver<Config>,
    questions: Questions,
    /// The domains that are served.
    domains: Vec<String>,
    /// Those, and others, that have told us on this link that they delegate.
    delegated: BTreeSet<String>,
    /// The served domains that let us work on their users' PEP nodes.
    granted: BTreeSet<String>,
    /// When it is to be told which served domains have not.
    undelegated: Option<Instant>,
    liveness: Liveness,
    watch: Watch,
    anew: Anew,
}

impl Component {
    /// A component that has not connected yet.
    ///
    /// # Errors
    ///
    /// When the system refuses threads.
    pub fn new(config: &Config, store: Store, metrics: &Metrics) -> io::Result<Self> {
        let (service, bounds) = (settings::service(config), settings::bounds(config));
        let bookmarks = settings::bookmarks(config);
        let replies = Replies::new(metrics.requests.clone(), bounds.unsent);
        let sink = replies.clone();
        let requests = Requests::new(service, bookmarks, bounds, store, metrics, sink)?;
        let (change, changes) = unbounded_channel();
        Ok(Self {
            link: settings::link(config),
            requests,
            replies,
            metrics: metrics.requests.clone(),
            change,
            changes,
            questions: Questions::default(),
            domains: config.access.domains.clone(),
            delegated: BTreeSet::new(),
            granted: BTreeSet::new(),
            undelegated: None,
            liveness: settings::liveness(config),
            watch: settings::watch(config),
            anew: Anew::default(),
        })
    }

    /// Also asks these questions, once it has logged in.
    #[must_use]
    pub fn asking(mut self, questions: Vec<Question>) -> Self {
        self.questions = Questions::new(questions);
        self
    }

    /// Where to hand a configuration that differs from this one in what can change while it runs.
    pub fn changes(&self) -> UnboundedSender<Config> {
        self.change.clone()
    }

    /// Serves until `stop` is done, through as many links as it takes; then answers what it has
    /// read, and returns how many requests were left without an answer.
    pub async fn run(self, stop: impl Future<Output = ()>, tell: impl FnMut(&Event)) -> usize {
        // What is left open at the end goes with it.
        LocalSet::new().run_until(self.run_with(stop, tell)).await
    }

    async fn run_with(
        mut self,
        stop: impl Future<Output = ()>,
        mut tell: impl FnMut(&Event),
    ) -> usize {
        let mut stop = std::pin::pin!(stop);
        let mut backoff = Backoff::default();
        let by = loop {
            let connected = {
                let settings = self.link.clone();
                let told = |step| tell(&Event::Reached(step));
                let mut connecting = std::pin::pin!(connect(&settings, told));
                loop {
                    tokio::select! {
                        connected = &mut connecting => break Some(connected),
                        () = &mut stop => break None,
                        Some(config) = self.changes.recv() => {
                            self.set_up_anew(&config);
                        }
                    }
                }
            };
            let Some(connected) = connected else {
                break Instant::now() + DRAIN;
            };
            // Why, and whether the router refused the stream itself; `None` where that is on purpose.
            let lost = match connected {
                Ok(link) => {
                    let since = Instant::now();
                    tell(&Event::Up);
                    self.requests.logged_in();
                    self.forget_stale_replies();
                    let lost = match self.serve(link, stop.as_mut(), &mut tell).await {
                        Ended::Stopped(by) => break by,
                        Ended::Lost(why) => Some((why, false)),
                        Ended::Anew => None,
                    };
                    self.requests.link_ended();
                    if self.replies.with(Outbox::rewind) {
                        self.requests.replies_were_lost();
                    }
                    self.delegated.clear();
                    self.granted.clear();
                    backoff.link_lasted(since.elapsed());
                    lost
                }
                Err(error) => Some((error.to_string(), error.is_about_the_stream())),
            };
            let pause = match lost {
                None => {
                    tell(&Event::Left { pause: BETWEEN });
                    BETWEEN
                }
                Some((why, stream)) => {
                    let pause = backoff.next();
                    tell(&Event::Down { why, stream, pause });
                    pause
                }
            };
            let mut pause = std::pin::pin!(sleep(pause));
            loop {
                tokio::select! {
                    () = &mut pause => break,
                    () = &mut stop => return self.left_unanswered(Instant::now() + DRAIN).await,
                    Some(config) = self.changes.recv() => {
                        self.set_up_anew(&config);
                    }
                }
            }
        };
        self.left_unanswered(by).await
    }

    /// Serves one link to its end.
    async fn serve(
        &mut self,
        link: Link,
        mut stop: Pin<&mut impl Future<Output = ()>>,
        tell: &mut impl FnMut(&Event),
    ) -> Ended {
        let Link {
            mut inbound,
            mut outbound,
        } = link;
        self.replies.with(|outbox| {
            self.questions.ask(&self.link.domain, outbox);
            self.liveness.begin(outbox);
        });
        self.watch.begin();
        // Set once nothing more is to be read.
        let mut leaving: Option<Leaving> = None;
        let mut stopping = false;
        let mut wrote = false;
        self.undelegated = Some(Instant::now() + DELEGATION);
        loop {
            if leaving.is_some() {
                self.requests.link_ended();
            }
            self.requests.look();
            let reading = leaving.is_none() && self.requests.has_room();
            let is_written = self.replies.is_empty() && outbound.is_done();
            let wake = match &leaving {
                Some(leaving) if self.requests.count() == 0 && is_written => {
                    // A socket that is closed with bytes unread takes back what it was given to
                    // send, so the router's side is read to its end first.
                    let farewell = async {
                        outbound.close(leaving.farewell).await.is_ok() && inbound.discard().await
                    };
                    if let Ok(true) = timeout(leaving.patience, farewell).await {
                        self.replies.with(Outbox::confirm_all);
                    }
                    return leaving.ended.clone();
                }
                Some(leaving) => leaving.deadline,
                None => {
                    let now = Instant::now();
                    let silent = self.replies.with(|outbox| self.watch.look(now, outbox));
                    for domain in silent {
                        self.delegation_ended(domain, true, tell);
                    }
                    let due = self.requests.due().into_iter().chain(self.undelegated);
                    let due = due.chain(self.watch.due()).chain(self.anew.due(now));
                    self.liveness.lives(inbound.heard());
                    if !reading && is_written {
                        // It is we who are busy.
                        self.liveness.lives(Instant::now());
                    }
                    let now = Instant::now();
                    match self.replies.with(|outbox| self.liveness.look(now, outbox)) {
                        Verdict::Wait(moment) => due.fold(moment, Instant::min),
                        Verdict::Dead(silent) => {
                            let silent = silent.as_secs();
                            return Ended::Lost(format!(
                                "the router has been silent for {silent} s"
                            ));
                        }
                    }
                }
            };
            tokio::select! {
                Some(config) = self.changes.recv() => self.take_over(&config, &mut inbound, tell),
                () = &mut stop, if !stopping => {
                    stopping = true;
                    leaving = Some(Leaving::stopping());
                }
                () = sleep_until(wake.into()) => {
                    if let Some(leaving) = leaving {
                        return leaving.ended;
                    }
                    self.tell_undelegated(tell);
                    if self.anew.begins(Instant::now()) {
                        leaving = Some(Leaving::anew());
                    }
                }
                () = self.replies.queued() => {}
                () = self.requests.over() => {}
                turn = turn(wrote, &mut inbound, reading, &mut outbound, &self.replies) => {
                    wrote = matches!(turn, Turn::Wrote(_));
                    match turn {
                        // While nothing is read, it shows by what it takes that it lives.
                        Turn::Wrote(Ok(())) if !reading => self.liveness.lives(Instant::now()),
                        Turn::Wrote(Ok(())) => {}
                        Turn::Wrote(Err(error)) => {
                            return leaving.map_or(Ended::Lost(error.to_string()), |l| l.ended);
                        }
                        Turn::Read(incoming) => {
                            // What was reloaded counts for what is read after it.
                            while let Ok(config) = self.changes.try_recv() {
                                self.take_over(&config, &mut inbound, tell);
                            }
                            for received in incoming.stanzas {
                                self.accept(received, inbound.heard(), tell);
                            }
                            leaving = match incoming.end.map(Leaving::after) {
                                None => None,
                                Some(Ok(leaving)) => Some(leaving),
                                Some(Err(lost)) => return lost,
                            };
                        }
                    }
                }
            }
        }
    }

    /// Takes over what of this configuration can change while it runs; returns the domains that
    /// are served now and were not before.
    fn set_up_anew(&mut self, config: &Config) -> Vec<String> {
        self.link = settings::link(config);
        let (service, bounds) = (settings::service(config), settings::bounds(config));
        self.requests
            .reconfigure(service, settings::bookmarks(config), bounds);
        let before = std::mem::replace(&mut self.domains, config.access.domains.clone());
        self.liveness.watch_one_of(&self.domains);
        self.watch.keep(&self.domains);
        self.anew.keep(&self.domains);
        let new = self.domains.iter().filter(|it| !before.contains(it));
        new.cloned().collect()
    }

    /// The same while there is a link: new domains have their time to delegate.
    fn take_over(&mut self, config: &Config, inbound: &mut Inbound, tell: &mut impl FnMut(&Event)) {
        let new = self.set_up_anew(config);
        inbound.set_limits(&self.link);
        if !new.is_empty() {
            self.undelegated = Some(Instant::now() + DELEGATION);
        }
        for domain in new.into_iter().filter(|it| self.delegated.contains(it)) {
            self.watch.delegated(&domain, Instant::now());
            self.anew.delegated(&domain);
            tell(&Event::Delegated(domain));
        }
    }

    /// Says which served domains have not delegated, if it is time to.
    fn tell_undelegated(&mut self, tell: &mut impl FnMut(&Event)) {
        if self
            .undelegated
            .take_if(|due| *due <= Instant::now())
            .is_none()
        {
            return;
        }
        let (delegated, missing): (Vec<String>, Vec<String>) = self
            .domains
            .iter()
            .cloned()
            .partition(|domain| self.delegated.contains(domain));
        if !missing.is_empty() {
            let now = Instant::now();
            let is_known = self.anew.missing(&missing);
            let due = self.anew.due(now).filter(|_| is_known);
            tell(&Event::Undelegated {
                domains: missing,
                anew: due.map(|due| due - now),
            });
        }
        let ungranted = delegated
            .into_iter()
            .filter(|it| !self.granted.contains(it));
        let ungranted: Vec<String> = ungranted.collect();
        if !ungranted.is_empty() {
            tell(&Event::Ungranted(ungranted));
        }
    }

    fn accept(&mut self, received: Received, at: Instant, tell: &mut impl FnMut(&Event)) {
        if let Some(reply) = self.questions.reply(&received) {
            tell(&Event::Replied(reply));
            return;
        }
        if let Some(ended) = self.watch.take(&received) {
            if let Some(domain) = ended {
                self.delegation_ended(domain, false, tell);
            }
            return;
        }
        match self.requests.accept(received, at) {
            Some(Notice::Delegated(domain)) => {
                let served = self.domains.contains(&domain);
                if served {
                    self.watch.delegated(&domain, Instant::now());
                    self.anew.delegated(&domain);
                }
                let kept = served || self.delegated.len() < NOT_SERVED;
                if kept && self.delegated.insert(domain.clone()) && served {
                    tell(&Event::Delegated(domain));
                }
            }
            Some(Notice::Granted { domain, grant }) if self.domains.contains(&domain) => {
                match grant.items {
                    true => self.granted.insert(domain.clone()),
                    false => self.granted.remove(&domain),
                };
                self.replies
                    .with(|outbox| self.liveness.granted(&domain, outbox));
                tell(&Event::Granted { domain, grant });
            }
            Some(Notice::Answered { id, from }) => self
                .replies
                .with(|outbox| self.liveness.answered(&id, &from, outbox)),
            Some(Notice::Granted { .. }) | None => {}
        }
    }

    /// A domain that had delegated on this link does so no more: only a new login can bring that back. Where
    /// it does not, there is another later, until the domain delegates or is not served any more.
    fn delegation_ended(&mut self, domain: String, silent: bool, tell: &mut impl FnMut(&Event)) {
        self.delegated.remove(&domain);
        let now = Instant::now();
        self.anew.ended(&domain);
        let anew = self.anew.due(now).map_or(Duration::ZERO, |due| due - now);
        tell(&Event::DelegationEnded {
            domain,
            silent,
            anew,
        });
    }

    /// What could not be sent for so long is not waited for any more.
    fn forget_stale_replies(&mut self) {
        if let Some(moment) = Instant::now().checked_sub(KEEP_REPLIES) {
            let dropped = self.replies.with(|it| it.drop_older_than(moment));
            if dropped > 0 {
                self.requests.replies_were_lost();
                self.metrics.dropped(dropped);
                tracing::warn!(
                    "gave up {dropped} answers: no link took them within {} s, and nobody waits for \
                     them any more",
                    KEEP_REPLIES.as_secs()
                );
            }
        }
    }

    /// At the very end: what has been read is carried out, answered or not.
    async fn left_unanswered(self, by: Instant) -> usize {
        let _ = timeout_at(by.into(), async {
            while self.requests.count() > 0 {
                self.requests.over().await;
            }
        })
        .await;
        let unconfirmed = self.replies.with(|outbox| outbox.unconfirmed_since());
        self.requests.end(unconfirmed);
        self.requests.count() + self.replies.with(|outbox| outbox.len())
    }
}

/// What was done with the link.
enum Turn {
    /// Something was read.
    Read(Incoming),
    /// Something was written, or could not be.
    Wrote(io::Result<()>),
}

/// Reads, if it is to be, or writes, if there is something to write. Where both can be done they have
/// turns: long answers to some must not keep others from being heard.
async fn turn(
    wrote: bool,
    inbound: &mut Inbound,
    reading: bool,
    outbound: &mut Outbound,
    replies: &Replies,
) -> Turn {
    let writing = !(replies.is_empty() && outbound.is_done());
    if wrote && writing {
        // As long as something can be written nobody would look what has come.
        yield_now().await;
    }
    let read = async {
        match reading {
            true => Turn::Read(inbound.read().await),
            false => pending().await,
        }
    };
    let write = async {
        match writing {
            true => Turn::Wrote(replies.write(outbound).await),
            false => pending().await,
        }
    };
    if wrote {
        tokio::select! { biased; turn = read => turn, turn = write => turn }
    } else {
        tokio::select! { biased; turn = write => turn, turn = read => turn }
    }
}

async fn connect(
    settings: &link::Settings,
    reached: impl FnMut(Step),
) -> Result<Link, ConnectError> {
    tracing::debug!("connecting to {}", settings.server);
    Link::connect(settings, reached).await
}
