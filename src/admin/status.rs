//! `status`: shows an administrator the state of the running service, at a glance. `check` tells
//! the same beside a running service.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::format;
use super::report::{Report, Sign};
use crate::clock;
use crate::config::Config;
use crate::control::{self, AskError};
use crate::exit;
use crate::status::words::{self, between, lasting, moment};
use crate::status::{Bookmarks, Known, KnownDomain, KnownLimit, KnownLink, KnownStore, Place};

/// A limit that was reached so long ago is not told at a glance.
const LATELY: Duration = Duration::from_secs(24 * 60 * 60);

/// Why nothing is known of the service.
#[derive(Debug, thiserror::Error)]
pub enum Unknown {
    #[error("{0}; start it, or name its configuration with --config")]
    NotRunning(AskError),
    #[error(transparent)]
    NotAsked(AskError),
    #[error("it is a different release, and does not report its state: restart it, or see its log")]
    OtherRelease,
}

/// Prints how the service is that runs on the configured folder.
pub fn run(config: &Config, as_json: bool) -> ExitCode {
    let asked = ask(&config.storage.path);
    let is_well = asked.as_ref().is_ok_and(is_well);
    if as_json {
        // Whoever closes the pipe wants no more lines.
        let _ = writeln!(io::stdout(), "{:#}", json_of(asked));
    } else {
        let report = Report::from_environment();
        match asked {
            Ok(known) => tell(&report, &known, Sign::Bad),
            Err(why) => report.line(Sign::Bad, format_args!("service: {why}")),
        }
    }
    ExitCode::from(if is_well { 0 } else { exit::UNAVAILABLE })
}

fn json_of(asked: Result<Known, Unknown>) -> Value {
    let why = match asked {
        Ok(known) => return known.write(),
        Err(why) => why,
    };
    // Somebody may run there who cannot be asked.
    let running = matches!(why, Unknown::NotRunning(_)).then_some(false);
    json!({ "running": running, "ready": false, "not_ready_because": why.to_string() })
}

/// What the service on this folder knows of itself.
///
/// # Errors
///
/// When none runs there, or it does not say.
pub fn ask(folder: &Path) -> Result<Known, Unknown> {
    let answer = control::ask_for_line(folder, "/known").map_err(|error| match error {
        AskError::NotRunning(..) => Unknown::NotRunning(error),
        error => Unknown::NotAsked(error),
    })?;
    let known = Known::read(&answer.text).filter(|_| answer.status.is_success());
    known.ok_or(Unknown::OtherRelease)
}

/// Whether it serves users, as it should.
pub fn is_well(known: &Known) -> bool {
    known.not_alive.is_none() && known.not_ready.is_none()
}

/// Tells its state, with this sign for what does not work.
pub fn tell(report: &Report, known: &Known, bad: Sign) {
    let now = clock::wall().into();
    let report = Lines { report, bad, now };
    report.service(known);
    report.link(&known.link);
    if known.link.is_up {
        report.domains(&known.domains, known.not_ready.is_some());
    }
    report.store(&known.store);
    report.limits(known);
    report.verdict(known);
}

struct Lines<'r> {
    report: &'r Report,
    bad: Sign,
    now: DateTime<Utc>,
}

impl Lines<'_> {
    /// Some of it comes from the server.
    fn line(&self, sign: Sign, what: impl Display) {
        self.report.line(sign, format::shown(&what.to_string()));
    }

    fn since(&self, at: &DateTime<Utc>) -> String {
        let lasted = lasting(between(at, &self.now));
        format!("since {} ({lasted})", moment(at))
    }

    fn service(&self, known: &Known) {
        let version = &known.version;
        let own = env!("CARGO_PKG_VERSION");
        let (sign, hint) = match version == own {
            true => (Sign::Good, String::new()),
            false => (
                Sign::Warning,
                format!("; this command is of version {own}: restart the service to have that run"),
            ),
        };
        let since = self.since(&known.started);
        self.line(
            sign,
            format!("service: version {version}, runs {since}{hint}"),
        );
    }

    fn link(&self, link: &KnownLink) {
        let KnownLink { jid, server, .. } = link;
        let since = self.since(&link.since);
        if link.is_up {
            let line = format!("link: logged in to {server} as {jid} {since}");
            return self.line(Sign::Good, line);
        }
        if link.stands_by {
            let next = self.next(link);
            let line = format!(
                "link: standing by, not logged in {since}: another instance is connected to {server} \
                 as {jid}{next}"
            );
            return self.line(Sign::Neutral, line);
        }
        let line = match &link.why {
            None => format!("link: connecting to {server} {since}"),
            Some(why) => format!("link: down {since}: {why}{}", self.next(link)),
        };
        self.line(self.bad, line);
    }

    fn next(&self, link: &KnownLink) -> String {
        let pause = link.next_attempt.map(|at| between(&self.now, &at));
        match pause {
            None => String::new(),
            Some(pause) if pause.is_zero() => "; it is tried again now".to_owned(),
            Some(pause) => format!("; next attempt in {}", lasting(pause)),
        }
    }

    fn domains(&self, domains: &[KnownDomain], matters: bool) {
        if domains.iter().all(|domain| domain.delegates.is_none()) {
            self.line(Sign::Neutral, words::NO_DELEGATION);
        }
        for domain in domains {
            self.delegation(domain, matters);
        }
        // Where a server serves its clients itself, the other is to be mended first.
        let served = domains.iter();
        for domain in served.filter(|it| it.delegates != Some(false) || it.grants) {
            let name = &domain.name;
            let sign = match domain.bookmarks {
                Bookmarks::InStep | Bookmarks::Off => Sign::Good,
                Bookmarks::NoAccess | Bookmarks::Silent => Sign::Warning,
            };
            let how = words::bookmarks(domain.bookmarks);
            self.line(sign, format_args!("bookmarks of {name}: {how}"));
        }
    }

    fn delegation(&self, domain: &KnownDomain, matters: bool) {
        let name = &domain.name;
        let sign = if matters { self.bad } else { Sign::Warning };
        match domain.delegates {
            None => {}
            Some(true) => self.line(Sign::Good, format_args!("delegation: {name}")),
            Some(false) => self.line(
                sign,
                format_args!(
                    "delegation: none from {name}: to find out why, stop the service and run \
                     `check --connect`"
                ),
            ),
        }
    }

    fn store(&self, store: &KnownStore) {
        let KnownStore { place, format, .. } = store;
        if store.failed {
            let what = match place {
                Place::Folder(_) => "has failed",
                Place::Database(_) => "cannot be reached",
            };
            let line = format!("store: {place} {what}; the log says why");
            return self.line(self.bad, line);
        }
        let holds = match store.stored {
            Some(stored) => {
                let bytes = words::bytes(stored.bytes);
                format!(
                    "{bytes} of {}",
                    words::count(stored.owners, "user", "users")
                )
            }
            // Perhaps another instance counts.
            None if matches!(place, Place::Database(_)) => {
                let line = format!("store: {place} (format {format})");
                return self.line(Sign::Good, line);
            }
            None => "what is still being counted".to_owned(),
        };
        let takes = match store.disk_bytes {
            Some(bytes) => format!(", and takes {} on the disk", words::bytes(bytes)),
            None => String::new(),
        };
        self.line(
            Sign::Good,
            format_args!("store: {place} (format {format}) holds {holds}{takes}"),
        );
    }

    fn limits(&self, known: &Known) {
        let ago = |limit: &KnownLimit| between(&limit.last, &self.now);
        let limits = known.limits.iter();
        let mut lately = limits.filter(|it| ago(it) < LATELY).peekable();
        if lately.peek().is_none() {
            let within = match between(&known.started, &self.now) < LATELY {
                true => "since the start",
                false => "in the last 24 hours",
            };
            self.line(
                Sign::Good,
                format_args!("limits: none was reached {within}"),
            );
        }
        for limit in lately {
            let KnownLimit {
                name,
                refused,
                last,
            } = limit;
            let refused = words::count(*refused, "request", "requests");
            let (last, ago) = (moment(last), lasting(ago(limit)));
            self.line(
                Sign::Warning,
                format!(
                    "limits: {name}: {refused} refused since the start, the last {last} ({ago} ago)"
                ),
            );
        }
    }

    fn verdict(&self, known: &Known) {
        if let Some(why) = &known.not_alive {
            return self.line(self.bad, format_args!("not alive: {why}"));
        }
        let Some(why) = &known.not_ready else {
            return self.line(Sign::Good, "ready: users are served");
        };
        if known.stands_by_well() {
            return self.line(Sign::Neutral, "not ready: this instance stands by");
        }
        let told = known.link.why.as_ref().filter(|it| why.contains(*it));
        match told {
            None => self.line(self.bad, format_args!("not ready: {why}")),
            Some(_) => self.line(self.bad, "not ready: there is no link to the server"),
        }
    }
}
