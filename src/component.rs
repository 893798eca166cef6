//! The life of the component: connect, serve, lose the link, connect again; and the end of it.

mod backoff;
mod settings;

use std::collections::BTreeSet;
use std::pin::Pin;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{sleep, sleep_until, timeout, timeout_at};

use crate::config::Config;
use crate::dispatch::{Dispatch, Done};
use crate::link::{self, ConnectError, End, Link, Outbox};
use crate::store::Store;
use backoff::Backoff;

/// How long a reply may wait for a link before whoever asked has given up.
const KEEP_REPLIES: Duration = Duration::from_secs(60);

/// How long the answers to what was read may take when the stream is over or we are to stop.
const DRAIN: Duration = Duration::from_millis(4500);

/// How long a router may take to read our leave; with [`DRAIN`] it makes less than 5 s.
const FAREWELL: Duration = Duration::from_millis(400);

/// Closes the stream that is not XML, as RFC 6120 section 4.9 has it.
const NOT_WELL_FORMED: &str = "<stream:error><not-well-formed \
     xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>";

const END_OF_STREAM: &str = "</stream:stream>";

/// What the component tells whoever runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It has logged in.
    Up,
    /// A served domain delegates private storage to it.
    Delegated(String),
    /// A login failed, or a link was lost; with the reason.
    Down(String),
}

/// The component.
#[derive(Debug)]
pub struct Component {
    link: link::Settings,
    dispatch: Dispatch,
    done: UnboundedReceiver<Done>,
    outbox: Outbox,
    /// The domains that have told us on this link that they delegate.
    delegated: BTreeSet<String>,
}

/// Why serving one link ended.
enum Ended {
    Lost(String),
    /// We are to stop; by when at the latest.
    Stopped(tokio::time::Instant),
}

impl Component {
    /// A component that has not connected yet.
    pub fn new(config: &Config, store: Store) -> Self {
        let (dispatch, done) = Dispatch::new(settings::service(config), store);
        Self {
            link: settings::link(config),
            dispatch,
            done,
            outbox: Outbox::default(),
            delegated: BTreeSet::new(),
        }
    }

    /// Serves until `stop` is done, through as many links as it takes; then answers what it has
    /// read, and returns how many requests were left without an answer.
    pub async fn run(
        mut self,
        stop: impl Future<Output = ()>,
        mut tell: impl FnMut(&Event),
    ) -> usize {
        let mut stop = std::pin::pin!(stop);
        let mut backoff = Backoff::default();
        let drain = || tokio::time::Instant::now() + DRAIN;
        let by = loop {
            let connected = tokio::select! {
                connected = connect(&self.link) => connected,
                () = &mut stop => break drain(),
            };
            let why = match connected {
                Ok(link) => {
                    let since = Instant::now();
                    tell(&Event::Up);
                    self.forget_stale_replies();
                    let ended = self.serve(link, stop.as_mut(), &mut tell).await;
                    self.outbox.rewind();
                    self.delegated.clear();
                    backoff.link_lasted(since.elapsed());
                    match ended {
                        Ended::Stopped(by) => break by,
                        Ended::Lost(why) => why,
                    }
                }
                Err(error) => error.to_string(),
            };
            let pause = backoff.next();
            tell(&Event::Down(format!("{why}; next attempt in {:.1} s", pause.as_secs_f32())));
            let mut pause = std::pin::pin!(sleep(pause));
            loop {
                tokio::select! {
                    () = &mut pause => break,
                    () = &mut stop => return self.left_unanswered(drain()).await,
                    Some(done) = self.done.recv() => self.dispatch.finish(done, &mut self.outbox),
                }
                self.dispatch.start_gets(&self.outbox);
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
        // Set once nothing more is to be read: by when to be done, and how to take leave.
        let mut leaving: Option<(tokio::time::Instant, &str, Ended)> = None;
        loop {
            self.dispatch.start_gets(&self.outbox);
            if self.dispatch.open() == 0
                && self.outbox.is_empty()
                && let Some((_, farewell, ended)) = leaving
            {
                let _ = timeout(FAREWELL, outbound.send(farewell)).await;
                return ended;
            }
            let reading = leaving.is_none();
            let stopping = matches!(leaving, Some((.., Ended::Stopped(_))));
            let deadline = leaving.as_ref().map(|(deadline, ..)| *deadline);
            tokio::select! {
                incoming = inbound.read(), if reading && self.dispatch.has_room(&self.outbox) => {
                    for received in incoming.stanzas {
                        if let Some(domain) = self.dispatch.accept(received, &mut self.outbox)
                            && self.delegated.insert(domain.clone())
                        {
                            tell(&Event::Delegated(domain));
                        }
                    }
                    let by = tokio::time::Instant::now() + DRAIN;
                    leaving = match incoming.end {
                        None => None,
                        Some(End::Closed) => {
                            let why = "the router closed the stream".to_owned();
                            Some((by, END_OF_STREAM, Ended::Lost(why)))
                        }
                        Some(End::NotXml(what)) => {
                            let why = format!("what the router sent is not XML: {what}");
                            Some((by, NOT_WELL_FORMED, Ended::Lost(why)))
                        }
                        // Nobody reads what we write now. It waits for the next link.
                        Some(End::Eof) => {
                            return Ended::Lost("the router closed the connection".to_owned());
                        }
                        Some(End::Io(error)) => return Ended::Lost(error.to_string()),
                        Some(End::StreamError(error)) => return Ended::Lost(error.to_string()),
                    };
                }
                written = outbound.write(&mut self.outbox), if !self.outbox.is_empty() => {
                    if let Err(error) = written {
                        return match leaving {
                            Some((.., ended)) => ended,
                            None => Ended::Lost(error.to_string()),
                        };
                    }
                }
                Some(done) = self.done.recv() => self.dispatch.finish(done, &mut self.outbox),
                () = &mut stop, if !stopping => {
                    let by = tokio::time::Instant::now() + DRAIN;
                    let (until, farewell) = match leaving {
                        Some((until, farewell, _)) => (until, farewell),
                        None => (by, END_OF_STREAM),
                    };
                    leaving = Some((until, farewell, Ended::Stopped(by)));
                }
                () = sleep_until(deadline.unwrap_or_else(tokio::time::Instant::now)), if deadline.is_some() => {
                    if let Some((.., ended)) = leaving {
                        return ended;
                    }
                }
            }
        }
    }

    /// What could not be sent for so long is not waited for any more.
    fn forget_stale_replies(&mut self) {
        if let Some(moment) = Instant::now().checked_sub(KEEP_REPLIES) {
            let dropped = self.outbox.drop_older_than(moment);
            if dropped > 0 {
                tracing::warn!(
                    "dropped {dropped} replies that no link would take for {} s",
                    KEEP_REPLIES.as_secs()
                );
            }
        }
    }

    /// At the very end: what has been read is carried out, answered or not. What serving the last
    /// link has used of the time is gone.
    async fn left_unanswered(mut self, by: tokio::time::Instant) -> usize {
        let _ = timeout_at(by, async {
            while self.dispatch.open() > 0 {
                self.dispatch.start_gets(&self.outbox);
                if let Some(done) = self.done.recv().await {
                    self.dispatch.finish(done, &mut self.outbox);
                }
            }
        })
        .await;
        self.dispatch.open() + self.outbox.len()
    }
}

async fn connect(settings: &link::Settings) -> Result<Link, ConnectError> {
    tracing::debug!("connecting to {}", settings.server);
    Link::connect(settings).await
}
