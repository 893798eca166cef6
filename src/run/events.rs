//! What is made of the component's events: lines of the log, the status, counters.

use std::time::Duration;

use crate::clock::Instant;
use crate::component::Event;
use crate::metrics::Link;
use crate::status::Status;

pub struct EventLog<'a> {
    status: &'a Status,
    links: &'a Link,
    /// Since when there is no link that was there before.
    lost: Option<Instant>,
    /// Since when it stands by.
    standby: Option<Instant>,
}

impl<'a> EventLog<'a> {
    pub fn new(status: &'a Status, links: &'a Link) -> Self {
        Self {
            status,
            links,
            lost: None,
            standby: None,
        }
    }

    pub fn take(&mut self, event: &Event) {
        match event {
            Event::Reached(step) => tracing::debug!("{step:?}"),
            Event::Replied(_) => {} // nothing was asked
            Event::Up => self.up(),
            Event::Delegated(domain) => {
                tracing::info!("delegation is active for {domain}");
                self.status.delegated(domain);
            }
            Event::DelegationEnded {
                domain,
                silent,
                anew,
            } => {
                tracing::warn!(
                    "{domain} {}: its clients are not served; {}",
                    match silent {
                        true => "no longer answers anything on this link",
                        false => "no longer delegates private storage",
                    },
                    format_args!("logging in again{} to bring it back", in_seconds(*anew))
                );
                self.status.delegation_ended(domain);
            }
            Event::Granted { domain, grant } => self.granted(domain, grant.items),
            Event::Ungranted(domains) if self.status.wants_bookmarks() => tracing::warn!(
                "no access to PEP (XEP-0356) on {}: room bookmarks there come from the store \
                 alone, and are not kept in step with PEP; `print-config` prints what the server \
                 needs; if it cannot do that (ejabberd before 25.03), set bookmarks.mode = \"off\"",
                domains.join(", ")
            ),
            Event::Ungranted(_) => {}
            Event::Left { pause } => {
                tracing::debug!("the connection was closed in order to log in again");
                self.lost = Some(Instant::now());
                self.status.down("logging in again", *pause);
            }
            Event::Undelegated { domains, anew } => tracing::warn!(
                "no delegation from {}: clients there do not reach this service, except those that \
                 ask it by its address; {}",
                domains.join(", "),
                match anew {
                    None => "`print-config` prints what the server needs".to_owned(),
                    Some(pause) => format!(
                        "there was one before: logging in again{} to bring it back",
                        in_seconds(*pause)
                    ),
                }
            ),
            Event::Standby { said, every } => self.stand_by(said, *every),
            Event::Down { why, pause, .. } => {
                self.standby = None;
                let seconds = pause.as_secs_f32();
                if self.status.is_up() {
                    self.links.losses.inc();
                    self.lost = Some(Instant::now());
                    tracing::warn!("lost the link: {why}; next attempt in {seconds:.1} s");
                } else {
                    self.links.failures.inc();
                    tracing::warn!("{why}; next attempt in {seconds:.1} s");
                }
                self.status.down(why, *pause);
            }
        }
    }

    /// Told once, however often the domain says it.
    fn granted(&self, domain: &str, enough: bool) {
        let is_news = self.status.granted(domain, enough);
        if !is_news || !self.status.wants_bookmarks() {
            return;
        }
        if enough {
            tracing::info!("{domain} lets the component keep room bookmarks in step with PEP");
        } else {
            tracing::info!(
                "{domain} no longer lets the component keep room bookmarks in step with PEP: \
                 they come from the store alone"
            );
        }
    }

    /// Told once, however often it is tried.
    fn stand_by(&mut self, said: &str, every: Duration) {
        let facts = self.status.facts();
        let (server, jid) = (&facts.server, &facts.jid);
        if self.standby.is_none() {
            self.standby = Some(Instant::now());
            tracing::info!(
                "{said}: another instance is connected to {server} as {jid}, or a dead connection \
                 has not been given up there yet; standing by, trying every {} s",
                every.as_secs_f32()
            );
        } else {
            tracing::debug!("{said}: still standing by");
        }
        self.status.stand_by(every);
    }

    fn up(&mut self) {
        let facts = self.status.facts();
        let (server, jid) = (&facts.server, &facts.jid);
        let lost = self.lost.take();
        match (self.standby.take(), lost) {
            (Some(since), _) => {
                let seconds = since.elapsed().as_secs_f32();
                tracing::info!(
                    "took over: logged in to {server} as {jid}, after standing by for {seconds:.1} s"
                );
            }
            (None, None) => tracing::info!("logged in to {server} as {jid}"),
            (None, Some(lost)) => {
                let seconds = lost.elapsed().as_secs_f32();
                tracing::info!("logged in to {server} as {jid} again, after {seconds:.1} s");
            }
        }
        self.links.logins.inc();
        self.status.up();
    }
}

/// When something happens, behind what happens; nothing if that is now.
fn in_seconds(pause: Duration) -> String {
    match pause.as_secs() {
        0 => String::new(),
        seconds => format!(" in {seconds} s"),
    }
}
