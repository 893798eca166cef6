//! The life of the component: connect, serve, lose the link, connect again; and the end of it.

mod backoff;
mod delegations;
mod event;
mod gap;
mod leaving;
mod liveness;
mod questions;
pub mod settings;
mod turn;
mod watch;

use std::io;
use std::pin::{Pin, pin};
use std::thread::available_parallelism;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::LocalSet;
use tokio::time::{sleep, sleep_until, timeout, timeout_at};

use crate::clock::Instant;
use crate::config::Config;
pub use crate::link::Step;
use crate::link::{self, ConnectError, End, Inbound, Incoming, Link, Outbox};
use crate::metrics::{self, Metrics};
use crate::replies::Replies;
use crate::requests::{Notice, Requests};
pub use crate::service::Grant;
use crate::stanza::Received;
pub use crate::stanza::Refusal;
use crate::store::{Storage, Store};
use crate::threads::Workers;
use backoff::Backoff;
use delegations::Delegations;
pub use event::Event;
use gap::Gap;
use leaving::{DRAIN, Ended, Leaving};
use liveness::{Liveness, Verdict};
use questions::Questions;
pub use questions::{Question, Reply};
use turn::{Turn, turn};

/// How long a reply may wait for a link before whoever asked has given up.
const KEEP_REPLIES: Duration = Duration::from_secs(60);

/// How long it takes to see whether anything has come.
const GLANCE: Duration = Duration::from_millis(10);

/// How long it takes to read the longest stanza.
const READING: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub struct Component {
    link: link::Settings,
    /// How often an instance that stands by tries again; `None` where two of one name are a mistake.
    standby: Option<Duration>,
    requests: Requests,
    replies: Replies,
    metrics: metrics::Requests,
    change: UnboundedSender<Config>,
    changes: UnboundedReceiver<Config>,
    questions: Questions,
    delegations: Delegations,
    liveness: Liveness,
}

impl Component {
    /// A component that has not connected yet.
    ///
    /// # Errors
    ///
    /// When the system refuses threads.
    pub fn new(config: &Config, store: Store, metrics: &Metrics) -> io::Result<Self> {
        let settings = settings::requests(config);
        let replies = Replies::new(metrics.requests.clone(), config.limits.max_unsent_bytes);
        // Half of the processors, so that they hold up neither us nor the server.
        let processors = available_parallelism().map_or(1, usize::from);
        let workers = Workers::start("worker", processors / 2)?;
        let storage = Storage::new(store)?;
        let requests = Requests::new(settings, storage, workers, metrics, replies.clone());
        let (change, changes) = unbounded_channel();
        Ok(Self {
            link: settings::link(config),
            standby: config.component.standby_retry,
            requests,
            replies,
            metrics: metrics.requests.clone(),
            change,
            changes,
            questions: Questions::default(),
            delegations: settings::delegations(config),
            liveness: settings::liveness(config),
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
        let mut unlinked_since = Instant::now();
        self.requests.begin().await;
        loop {
            let connected = self.connect(stop.as_mut(), &mut tell).await;
            let gap = match connected {
                None => return self.end(Instant::now() + DRAIN).await,
                Some(Err(error)) => Gap::after_attempt(&error, self.standby),
                Some(Ok(link)) => {
                    let since = Instant::now();
                    tell(&Event::Up);
                    self.requests.logged_in();
                    self.forget_stale_replies(unlinked_since);
                    let gap = match self.serve(link, stop.as_mut(), &mut tell).await {
                        Ended::Stopped(by) => return self.end(by).await,
                        Ended::Lost(why) => Gap::after_link(why),
                        Ended::Anew => Gap::Anew,
                    };
                    unlinked_since = Instant::now();
                    self.requests.link_ended();
                    if self.replies.with(Outbox::rewind) {
                        self.requests.replies_were_lost();
                    }
                    backoff.link_lasted(since.elapsed());
                    gap
                }
            };
            let (event, pause) = gap.told(&mut backoff);
            tell(&event);
            if !self.pause(pause, stop.as_mut()).await {
                return self.end(Instant::now() + DRAIN).await;
            }
        }
    }

    /// Connects and logs in; `None` where we are to stop.
    async fn connect(
        &mut self,
        mut stop: Pin<&mut impl Future<Output = ()>>,
        tell: &mut impl FnMut(&Event),
    ) -> Option<Result<Link, ConnectError>> {
        let settings = self.link.clone();
        tracing::debug!("connecting to {}", settings.server);
        let told = |step| tell(&Event::Reached(step));
        let mut connecting = std::pin::pin!(Link::connect(&settings, told));
        loop {
            tokio::select! {
                biased;
                connected = &mut connecting => return Some(connected),
                () = &mut stop => return None,
                () = self.requests.over() => self.requests.poll(),
                Some(config) = self.changes.recv() => drop(self.reconfigure(&config)),
            }
        }
    }

    /// Waits before the next attempt; `false` where we are to stop.
    async fn pause(
        &mut self,
        pause: Duration,
        mut stop: Pin<&mut impl Future<Output = ()>>,
    ) -> bool {
        let mut pause = std::pin::pin!(sleep(pause));
        loop {
            tokio::select! {
                biased;
                () = &mut pause => return true,
                () = &mut stop => return false,
                () = self.requests.over() => self.requests.poll(),
                Some(config) = self.changes.recv() => drop(self.reconfigure(&config)),
            }
        }
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
        self.delegations.link_is_up();
        // A configuration may have come while it was made.
        inbound.set_limits(&self.link);
        // Set once nothing more is to be read.
        let mut leaving: Option<Leaving> = None;
        let mut stopping = false;
        let mut wrote = false;
        loop {
            if leaving.is_some() {
                self.requests.link_ended();
            }
            self.requests.poll();
            let takes_more = self.requests.takes_more();
            let reading = leaving.is_none() && self.requests.has_room();
            let is_written = self.replies.is_empty() && outbound.is_done();
            let wake = match &leaving {
                Some(leaving)
                    if is_written && (self.requests.count() == 0 || leaving.leaves_answers()) =>
                {
                    let ended = leaving.ended.clone();
                    let patience = leaving.patience;
                    // A socket that is closed with bytes unread takes back what it was given to
                    // send, so the server's side is read to its end first.
                    let farewell = async {
                        if outbound.send(leaving.farewell).await.is_err() {
                            return false;
                        }
                        let mut reading = pin!(async {
                            match ended {
                                Ended::Anew => self.take_the_rest(&mut inbound, tell).await,
                                Ended::Lost(_) | Ended::Stopped(_) => inbound.discard().await,
                            }
                        });
                        tokio::select! {
                            biased;
                            was_read = &mut reading => return was_read,
                            () = sleep(patience) => {}
                        }
                        outbound.shutdown().await.is_ok() && reading.await
                    };
                    let was_read = tokio::select! {
                        biased;
                        () = &mut stop, if !stopping => {
                            return Ended::Stopped(Instant::now() + DRAIN);
                        }
                        was_read = timeout_at(leaving.last_moment, farewell) => was_read,
                    };
                    if let Ok(true) = was_read {
                        self.replies.with(Outbox::confirm_all);
                    }
                    return ended;
                }
                Some(leaving) => leaving.deadline,
                None => match self.poll(&inbound, takes_more, is_written, tell) {
                    Next::Wait(moment) => moment,
                    Next::Lost(why) if !takes_more => return Ended::Lost(why),
                    Next::Lost(why) => {
                        // A process that stood still has not read what came meanwhile.
                        let heard = inbound.heard();
                        leaving = match timeout(GLANCE, inbound.read()).await {
                            Ok(incoming) => match self.take(incoming, &mut inbound, tell) {
                                Ok(leaving) => leaving,
                                Err(lost) => return lost,
                            },
                            // The rest of a stanza is still to come.
                            Err(_) if inbound.heard() > heard => None,
                            Err(_) => return Ended::Lost(why),
                        };
                        continue;
                    }
                    Next::Anew => {
                        leaving = Some(Leaving::anew());
                        continue;
                    }
                },
            };
            tokio::select! {
                // What only says that something is to be done comes last: it is done by then.
                biased;
                Some(config) = self.changes.recv() => self.take_over(&config, &mut inbound, tell),
                () = &mut stop, if !stopping => {
                    stopping = true;
                    leaving = Some(Leaving::stopping());
                }
                () = sleep_until(wake) => {
                    let is_written = self.replies.is_empty() && outbound.is_done();
                    if let Some(leaving) = &leaving && !(is_written && leaving.leaves_answers()) {
                        return leaving.ended.clone();
                    }
                }
                turn = turn(wrote, &mut inbound, reading, &mut outbound, &self.replies) => {
                    wrote = matches!(turn, Turn::Wrote(_));
                    match turn {
                        // While nothing is read, it shows by what it takes that it lives.
                        Turn::Wrote(Ok(())) if !reading => self.liveness.lives(Instant::now()),
                        Turn::Wrote(Ok(())) => {}
                        Turn::Wrote(Err(error)) => {
                            let lost = || Ended::Lost(error.to_string());
                            let leaving = leaving.map(|leaving| leaving.ended);
                            let ended = match leaving {
                                None | Some(Ended::Anew) => {
                                    self.take_what_has_come(&mut inbound, tell).await
                                }
                                // Nothing more is to be carried out, or can be trusted to be a stanza.
                                Some(Ended::Stopped(_) | Ended::Lost(_)) => None,
                            };
                            return leaving.or(ended).unwrap_or_else(lost);
                        }
                        Turn::Read(incoming) => {
                            leaving = match self.take(incoming, &mut inbound, tell) {
                                Ok(leaving) => leaving,
                                Err(lost) => return lost,
                            };
                        }
                    }
                }
                () = self.replies.queued() => {}
                () = self.requests.over() => {}
            }
        }
    }

    /// Takes what had come before it turned out that nothing can be written any more: it is answered on the next link.
    /// How the link has ended, if that says more.
    async fn take_what_has_come(
        &mut self,
        inbound: &mut Inbound,
        tell: &mut impl FnMut(&Event),
    ) -> Option<Ended> {
        loop {
            if !self.requests.has_room() {
                // What is open goes on.
                timeout(GLANCE, self.requests.over()).await.ok()?;
                continue;
            }
            let patience = if inbound.is_reading() {
                READING
            } else {
                GLANCE
            };
            let incoming = timeout(patience, inbound.read()).await.ok()?;
            let says_more = matches!(incoming.end, Some(End::StreamError(_)));
            match self.take(incoming, inbound, tell) {
                Ok(None) => {}
                Ok(Some(_)) => return None,
                Err(ended) => return Some(ended).filter(|_| says_more),
            }
        }
    }

    /// Does what it is time for. Where nothing is read it is we who are busy, unless the server takes nothing.
    fn poll(
        &mut self,
        inbound: &Inbound,
        is_read: bool,
        is_written: bool,
        tell: &mut impl FnMut(&Event),
    ) -> Next {
        self.liveness.lives(inbound.heard());
        if !is_read && is_written {
            self.liveness.lives(Instant::now());
        }
        if self.delegations.poll(is_read, &self.replies, tell) {
            return Next::Anew;
        }
        let now = Instant::now();
        let due = self.requests.due().into_iter();
        let due = due.chain(self.delegations.due(now));
        match self.replies.with(|outbox| self.liveness.poll(now, outbox)) {
            Verdict::Wait(moment) => Next::Wait(due.fold(moment, Instant::min)),
            Verdict::Dead(silent) => Next::Lost(format!(
                "the server has been silent for {} s",
                silent.as_secs()
            )),
        }
    }

    /// Takes what was read. With how to leave, if nothing more will come.
    fn take(
        &mut self,
        incoming: Incoming,
        inbound: &mut Inbound,
        tell: &mut impl FnMut(&Event),
    ) -> Result<Option<Leaving>, Ended> {
        self.accept_all(incoming.stanzas, inbound, tell);
        incoming.end.map(Leaving::after).transpose()
    }

    fn accept_all(
        &mut self,
        stanzas: Vec<Received>,
        inbound: &mut Inbound,
        tell: &mut impl FnMut(&Event),
    ) {
        // What was reloaded counts for what is read after it.
        while let Ok(config) = self.changes.try_recv() {
            self.take_over(&config, inbound, tell);
        }
        self.requests.have_come(stanzas.len());
        for received in stanzas {
            self.accept(received, inbound.heard(), tell);
        }
    }

    /// Takes what comes before the server has ended its side: we come back, and answer it on the next link. Whether the
    /// server has read all that was written.
    async fn take_the_rest(
        &mut self,
        inbound: &mut Inbound,
        tell: &mut impl FnMut(&Event),
    ) -> bool {
        loop {
            self.requests.link_ended();
            self.requests.poll();
            let reading = self.requests.has_room();
            tokio::select! {
                biased;
                Incoming { stanzas, end } = inbound.read(), if reading => {
                    self.accept_all(stanzas, inbound, tell);
                    match end {
                        None => {}
                        Some(End::Closed) => {
                            inbound.discard().await;
                            return true;
                        }
                        Some(_) => return false,
                    }
                }
                () = self.replies.queued() => {}
                () = self.requests.over() => {}
            }
        }
    }

    /// Takes over what of this configuration can change while it runs; returns the domains that
    /// are served now and were not before.
    fn reconfigure(&mut self, config: &Config) -> Vec<String> {
        self.link = settings::link(config);
        self.standby = config.component.standby_retry;
        self.requests.reconfigure(settings::requests(config));
        let domains = &config.access.domains;
        self.liveness.watch_one_of(domains);
        self.delegations.serve(domains)
    }

    /// The same while there is a link.
    fn take_over(&mut self, config: &Config, inbound: &mut Inbound, tell: &mut impl FnMut(&Event)) {
        let new = self.reconfigure(config);
        inbound.set_limits(&self.link);
        self.delegations.have_come(new, tell);
    }

    fn accept(&mut self, received: Received, at: Instant, tell: &mut impl FnMut(&Event)) {
        if let Some(reply) = self.questions.reply(&received) {
            tell(&Event::Replied(reply));
            return;
        }
        if self.delegations.take(&received, tell) {
            return;
        }
        match self.requests.accept(received, at) {
            Some(Notice::Delegated(domain)) => self.delegations.delegated(domain, tell),
            Some(Notice::Granted { domain, grant }) => {
                let is_served = self.delegations.granted(&domain, grant, tell);
                let again = |outbox: &mut Outbox| self.liveness.granted(&domain, outbox);
                is_served.then(|| self.replies.with(again));
            }
            Some(Notice::Answered { id, from }) => {
                let unconfirmed = self.replies.with(|outbox| {
                    self.liveness.answered(&id, &from, outbox);
                    outbox.unconfirmed_since()
                });
                self.requests.replies_were_read(unconfirmed);
            }
            None => {}
        }
    }

    /// What could not be sent for so long, because there has been no link since that moment, is not waited for any more.
    fn forget_stale_replies(&mut self, unlinked_since: Instant) {
        if unlinked_since.elapsed() <= KEEP_REPLIES {
            return;
        }
        if let Some(moment) = Instant::now().checked_sub(KEEP_REPLIES) {
            let dropped = self.replies.with(|it| it.drop_older_than(moment));
            if dropped > 0 {
                self.requests.replies_were_lost();
                self.metrics.dropped(dropped);
                let answers = if dropped == 1 { "answer" } else { "answers" };
                tracing::warn!(
                    "dropped {dropped} {answers}: there was no connection to the server for {} s, \
                     and the clients have stopped waiting",
                    KEEP_REPLIES.as_secs()
                );
            }
        }
    }

    /// At the very end: what has been read is carried out, answered or not. How many were left without an
    /// answer.
    async fn end(self, by: Instant) -> usize {
        let _ = timeout_at(by, async {
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

/// What comes before something happens on the link.
enum Next {
    /// Nothing, until this moment.
    Wait(Instant),
    /// A new login, for delegation to come back.
    Anew,
    /// The end of the link: why.
    Lost(String),
}
