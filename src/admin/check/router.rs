//! The server: how far a login comes, and what the served domains say.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::bookmarks::{self, Grants};
use super::delegation::{self, Findings};
use super::{ROUTER, not_tried};
use crate::admin::report::{Report, Sign};
use crate::component::{Component, Event, Step};
use crate::config::{BookmarksMode, Config, Delegation};
use crate::exit;
use crate::status::words;

/// How long each step of the login, and all domains together, may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long after all else is known a domain has to say what it grants.
const GRANTS: Duration = Duration::from_millis(300);

/// Logs in, and serves for real while it looks: a request that comes in meanwhile is answered as
/// ever.
pub async fn check(report: &Report, component: Component, config: &Config) -> Result<(), u8> {
    // How long something new may take from now on.
    let (moved_on, moves) = watch::channel(PATIENCE);
    let mut login = Login {
        report,
        done: 0,
        opened: false,
    };
    let mut gap = None;
    let domains = &config.access.domains;
    let mut findings = Findings::new(domains);
    let mut grants = Grants::default();
    component
        .asking(findings.questions())
        .run(until_still(moves), |event| {
            match event {
                Event::Reached(step) => login.reached(step, config),
                Event::Up => {
                    login.opened();
                    login.good(format_args!("accepted for {}", config.component.jid));
                }
                Event::Delegated(domain) => findings.delegated(domain),
                Event::Replied(reply) => findings.replied(reply),
                Event::Down { why, stream, .. } => {
                    if !stream {
                        login.opened();
                    }
                    gap.get_or_insert_with(|| Gap::Lost(why.clone()));
                }
                Event::Standby { said, .. } => {
                    login.opened();
                    gap.get_or_insert_with(|| Gap::Standby(said.clone()));
                }
                Event::Granted { domain, grant } => grants.granted(domain, *grant),
                // What is missing is told at the end.
                Event::Undelegated { .. } | Event::Ungranted(_) | Event::Left { .. } => {}
                Event::DelegationEnded { domain, .. } => findings.delegation_ended(domain),
            }
            let expects_grants = config.bookmarks.mode == BookmarksMode::Pep;
            moved_on.send_replace(if gap.is_some() {
                Duration::ZERO
            } else if !findings.are_complete() {
                PATIENCE
            } else if expects_grants && !grants.are_from(domains) {
                GRANTS
            } else {
                Duration::ZERO
            });
        })
        .await;
    if gap.is_none() {
        login.opened();
    }
    let (sign, why) = match (gap, login.done) {
        (None, DELEGATION) => return judge(report, config, &findings, &grants),
        (Some(Gap::Standby(said)), _) => (Sign::Warning, stands_by(&said)),
        (Some(Gap::Lost(why)), _) => (Sign::Bad, why),
        (None, step) => (Sign::Bad, silence(step, config)),
    };
    report.line(sign, format!("{}: {why}", ROUTER[login.done]));
    not_tried(report, &ROUTER[login.done + 1..]);
    match sign {
        Sign::Bad => Err(exit::UNAVAILABLE),
        _ => Ok(()),
    }
}

/// Why there is no link.
enum Gap {
    Lost(String),
    /// The server has another instance's, as it says.
    Standby(String),
}

/// Waits until nothing new has come for as long as that may take, which is told here.
async fn until_still(mut moves: watch::Receiver<Duration>) {
    loop {
        let patience = *moves.borrow_and_update();
        if !matches!(timeout(patience, moves.changed()).await, Ok(Ok(()))) {
            break;
        }
    }
}

/// What is no mistake where instances share a database.
fn stands_by(said: &str) -> String {
    format!(
        "{said}: another instance is connected, or a dead connection has not been given up there \
         yet; the service would stand by"
    )
}

/// Where in [`ROUTER`] the login is behind us.
const DELEGATION: usize = ROUTER.len() - 1;

struct Login<'r> {
    report: &'r Report,
    /// How many of the things in [`ROUTER`] are good.
    done: usize,
    /// Whether the server has opened a stream. It may yet say that it is the wrong one.
    opened: bool,
}

impl Login<'_> {
    fn good(&mut self, what: impl std::fmt::Display) {
        if self.done < DELEGATION {
            let name = ROUTER[self.done];
            self.report.line(Sign::Good, format_args!("{name}: {what}"));
            self.done += 1;
        }
    }

    /// That stream is the right one.
    fn opened(&mut self) {
        if std::mem::take(&mut self.opened) {
            self.good("the server speaks XMPP with components");
        }
    }

    fn reached(&mut self, step: &Step, config: &Config) {
        let server = &config.component.server;
        match step {
            Step::Resolved(addresses) if addresses.is_empty() => {
                self.good(format_args!("{server} is a path"));
            }
            Step::Resolved(_) if let Some(address) = server.address() => {
                self.good(format_args!("{address} is an address"));
            }
            Step::Resolved(addresses) => {
                let mut addresses: Vec<String> =
                    addresses.iter().map(|it| it.ip().to_string()).collect();
                addresses.dedup();
                self.good(format!("{server} is at {}", addresses.join(", ")));
            }
            Step::Connected(address) => {
                let who = address.map_or(server.to_string(), |address| address.to_string());
                let how = match &config.component.tls {
                    Some(_) => ", which is encrypted",
                    None => "",
                };
                self.good(format!("{who} accepted the connection{how}"));
            }
            Step::Opened => self.opened = true,
        }
    }
}

/// What it means that a step got no answer at all.
fn silence(step: usize, config: &Config) -> String {
    let server = &config.component.server;
    let what = match ROUTER[step] {
        "name" => format!(
            "no name server answered for {server}: look at /etc/resolv.conf, or give an address"
        ),
        "connection" => format!(
            "no answer from {server}: is the address right, and is there a firewall in between?"
        ),
        "stream" => format!(
            "{server} accepted the connection and said nothing: is this the server's component \
             port?"
        ),
        _ => format!("{server} did not answer the login: see the server's own log"),
    };
    format!("{what} (waited {} s)", PATIENCE.as_secs())
}

fn judge(report: &Report, config: &Config, findings: &Findings, grants: &Grants) -> Result<(), u8> {
    let jid = config.component.jid.as_str();
    let domains = &config.access.domains;
    let mut delegating = domains.iter().filter(|it| findings.has_delegated(it));
    let is_enough = match config.access.delegation {
        Delegation::None => true,
        Delegation::Optional => delegating.next().is_some(),
        Delegation::Required => delegating.count() == domains.len(),
    };
    if config.access.delegation == Delegation::None {
        report.line(Sign::Neutral, words::NO_DELEGATION);
    }
    for domain in domains {
        for (sign, line) in delegation::judge(findings, domain, jid) {
            let sign = match (sign, config.access.delegation) {
                (Sign::Bad, Delegation::None) => continue,
                (Sign::Bad, _) if is_enough => Sign::Warning,
                (sign, _) => sign,
            };
            report.line(sign, format_args!("delegation: {line}"));
        }
    }
    for domain in &config.access.domains {
        let mode = config.bookmarks.mode;
        if let Some((sign, line)) = bookmarks::judge(findings, grants, mode, domain, jid) {
            report.line(sign, line);
        }
    }
    match is_enough {
        true => Ok(()),
        false => Err(exit::UNAVAILABLE),
    }
}
