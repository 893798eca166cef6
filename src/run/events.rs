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
}

impl<'a> EventLog<'a> {
    pub fn new(status: &'a Status, links: &'a Link) -> Self {
        let lost = None;
        Self {
            status,
            links,
            lost,
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
            Event::Down { why, pause, .. } => {
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

    fn up(&mut self) {
        let facts = self.status.facts();
        let (server, jid) = (&facts.server, &facts.jid);
        match self.lost.take() {
            None => tracing::info!("logged in to {server} as {jid}"),
            Some(lost) => {
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
