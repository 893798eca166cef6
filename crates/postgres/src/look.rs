//! One look at all hosts: which of them is the primary.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::timeout_at;

use super::connect::{CONNECT, Useless, connect, within};
use super::error::{OpenError, plain};
use super::schema::{self, Meta};
use super::server::{Server, Use, set_up};
use super::settings::Settings;
use super::wire::Wire;
use xps_base::clock::Instant;

/// How long other hosts are waited for once one says that it is the primary, as one that was the primary before may say
/// so, too; and how long those are that were silent before. Where the primary of now does not get on they have all the
/// time: another may have taken its place that is far away.
const GRACE: Duration = Duration::from_millis(300);

/// How long a store may take to be made, or moved on.
const MAKE: Duration = Duration::from_secs(20);

/// What one host says.
pub(crate) struct Seen {
    pub(crate) server: Server,
    /// Which store it holds; `None` for a standby, which is not asked.
    pub(crate) meta: Option<Meta>,
    /// Which of the connections in question it works for.
    pub(crate) busy: Vec<i32>,
}

/// All that was seen, by the places of the hosts.
pub(crate) type Look = Vec<(usize, Result<Seen, Useless>)>;

/// What is asked of each host.
pub(crate) struct Question<'a> {
    pub(crate) settings: &'a Settings,
    /// Whether the store is made where there is nothing, and looked at from all sides.
    pub(crate) ensure: bool,
    /// Hosts that are not waited for, unless they answer at once.
    pub(crate) silent: &'a HashSet<usize>,
    /// The highest timeline that was seen. A primary below it was replaced, and nobody is waited for any shorter for it.
    pub(crate) highest: i64,
    /// Connections of which somebody wants to know whether they are still worked for.
    pub(crate) processes: &'a [i32],
}

/// Asks all hosts at once. Those that hang are waited for no longer than it takes to be sure.
pub(crate) async fn around(question: &Question<'_>) -> Look {
    let hosts = 0..question.settings.hosts.len();
    let mut asked: FuturesUnordered<_> = hosts
        .map(|at| async move { (at, ask(question, at).await) })
        .collect();
    let hosts = 0..question.settings.hosts.len();
    let mut awaited: HashSet<usize> = hosts.filter(|at| !question.silent.contains(at)).collect();
    let mut look = Look::new();
    let mut until = None;
    let is_patient = !question.processes.is_empty();
    loop {
        if awaited.is_empty() {
            until.get_or_insert_with(|| Instant::now() + GRACE);
        }
        let next = match until {
            None => asked.next().await,
            Some(until) => timeout_at(until, asked.next()).await.unwrap_or(None),
        };
        let Some((at, seen)) = next else { break };
        let may_be_primary =
            |it: &Seen| !it.server.is_standby && it.server.timeline >= question.highest;
        if !is_patient && seen.as_ref().is_ok_and(may_be_primary) {
            until.get_or_insert_with(|| Instant::now() + GRACE);
        }
        awaited.remove(&at);
        look.push((at, seen));
    }
    // Whoever has not answered by now.
    for at in 0..question.settings.hosts.len() {
        if look.iter().all(|(it, _)| *it != at) {
            look.push((at, Err(Useless::Silent(CONNECT))));
        }
    }
    look.sort_by_key(|(at, _)| *at);
    look
}

/// Asks one host.
async fn ask(question: &Question<'_>, at: usize) -> Result<Seen, Useless> {
    let settings = question.settings;
    let (wire, server) = within(CONNECT, async {
        let wire = connect(settings, at).await?;
        let server = Server::ask(&wire)
            .await
            .map_err(|error| Useless::Now(plain(&error)))?;
        Ok((wire, server))
    })
    .await?;
    let mut seen = Seen {
        server,
        meta: None,
        busy: Vec::new(),
    };
    if seen.server.is_standby {
        return Ok(seen);
    }
    seen.server.check_takes_writes()?;
    if settings.require_synchronous && seen.server.is_postgres && seen.server.synchronous.is_empty()
    {
        return Err(Useless::Wrong(OpenError::NotSynchronous {
            host: settings.host(at).to_string(),
        }));
    }
    seen.meta = Some(match question.ensure {
        true => {
            // It ends when we have gone while it waits for another who makes it.
            within(CONNECT, set_up(&wire, &seen.server, Use::Aside)).await?;
            within(MAKE, schema::ensure(&wire, &seen.server, settings, at)).await?
        }
        false => within(CONNECT, schema::meta(&wire, settings, at)).await?,
    });
    seen.busy = within(CONNECT, busy(&wire, question.processes)).await?;
    Ok(seen)
}

/// Which of these processes work for a connection, be it that they wait for something.
async fn busy(wire: &Wire, processes: &[i32]) -> Result<Vec<i32>, Useless> {
    if processes.is_empty() {
        return Ok(Vec::new());
    }
    let text = "select pid from pg_stat_activity where pid = any($1::int4[]) and state = 'active'";
    let useless = |error| Useless::Now(plain(&error));
    let rows = wire.ask(text, &[&processes]).await.map_err(useless)?;
    rows.iter()
        .map(|row| row.try_get(0).map_err(useless))
        .collect()
}

/// Who has not answered.
pub(crate) fn silent(look: &Look) -> HashSet<usize> {
    let is_silent = |seen: &Result<Seen, Useless>| matches!(seen, Err(Useless::Silent(_)));
    let silent = look.iter().filter(|(_, seen)| is_silent(seen));
    silent.map(|(at, _)| *at).collect()
}

/// Why no host is of use, where the highest timeline that was ever seen is this.
pub(crate) fn trouble(look: &Look, settings: &Settings, highest: i64) -> OpenError {
    let (mut standbys, mut hosts) = (Vec::new(), Vec::new());
    let (mut wrong, mut not_let_in) = (None, Vec::new());
    for (at, seen) in look {
        let host = settings.host(*at).to_string();
        match seen {
            Ok(seen) if seen.server.is_standby => standbys.push(host),
            Ok(seen) if seen.server.timeline < highest => {
                hosts.push((
                    host,
                    "it was the primary before, and is not any more (where it was set up anew or upgraded, restart this \
                     service)"
                        .to_owned(),
                ));
            }
            Ok(_) => hosts.push((host, "it holds another store than before".to_owned())),
            Err(useless) => {
                match useless {
                    Useless::Wrong(error) if error.is_about_connections() => not_let_in.push(error),
                    Useless::Wrong(error) => drop(wrong.get_or_insert(error)),
                    Useless::Now(_) | Useless::Silent(_) => {}
                }
                hosts.push((host, useless.reason()));
            }
        }
    }
    match (wrong, &*not_let_in, standbys.is_empty()) {
        (Some(error), ..) => error.clone(),
        // Of one of several it says nothing about the primary.
        (None, [error, ..], _) if not_let_in.len() == look.len() => (*error).clone(),
        (None, _, false) => OpenError::OnlyStandbys { standbys, hosts },
        (None, _, true) => OpenError::Unreachable { hosts },
    }
}
