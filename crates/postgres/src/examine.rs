//! What a `check` wants to know of a database, without changing anything there.

use std::rc::Rc;
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::task::LocalSet;

use super::connect::{CONNECT, Useless, connect, within};
use super::error::{OpenError, plain};
use super::run::runtime;
use super::schema::{self, Held};
use super::server::Server;
use super::settings::{APPLICATION, Settings};
use super::wire::Wire;
use xps_base::threads;

/// What is found at the hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Of the primary.
    pub host: String,
    pub version: String,
    pub standbys: Vec<String>,
    /// The other hosts, and why they are neither.
    pub unreachable: Vec<(String, String)>,
    /// Which standbys a commit waits for (`synchronous_standby_names`), if any.
    pub synchronous: Option<String>,
    /// How many standbys, and others of their kind, are connected to the primary; `None` where the server does not say.
    pub replicas: Option<i64>,
    /// Whether what the disk has changed is noticed; `None` where the server does not say.
    pub data_checksums: Option<bool>,
    /// Whether what is committed is on the disk; `None` where the server does not say.
    pub fsync: Option<bool>,
    /// The format of the store; `None` if nothing has been begun.
    pub format: Option<u32>,
    /// Where nothing has been begun, whether it can be.
    pub may_create: bool,
    /// The other instances that are connected.
    pub instances: Vec<String>,
}

/// Looks at all hosts.
pub(crate) fn examine(settings: Settings) -> Result<Facts, OpenError> {
    let no_thread = |error: std::io::Error| OpenError::NoThread(error.to_string());
    let work = move || {
        let runtime = runtime().map_err(no_thread)?;
        let local = LocalSet::new();
        let facts = local.block_on(&runtime, look(Arc::new(settings)));
        drop(local);
        runtime.shutdown_background();
        facts
    };
    let thread = threads::start("postgres", work).map_err(no_thread)?;
    let ended = |_| OpenError::NoThread("it ended because of a bug; please report it".to_owned());
    thread.join().map_err(ended)?
}

/// What one host is.
enum Host {
    Primary(Rc<Wire>, Server),
    Standby,
}

async fn look(settings: Arc<Settings>) -> Result<Facts, OpenError> {
    let hosts = (0..settings.hosts.len()).map(|at| within(CONNECT, ask(&settings, at)));
    let (mut standbys, mut unreachable) = (Vec::new(), Vec::new());
    let mut primary: Option<(usize, Rc<Wire>, Server)> = None;
    let mut wrong = None;
    for (at, host) in join_all(hosts).await.into_iter().enumerate() {
        let name = settings.host(at).to_string();
        match host {
            Ok(Host::Standby) => standbys.push(name),
            Ok(Host::Primary(wire, server)) => {
                let is_newer = |(_, _, best): &(usize, _, Server)| server.timeline > best.timeline;
                if primary.as_ref().is_none_or(is_newer) {
                    primary = Some((at, wire, server));
                }
            }
            Err(useless) => {
                unreachable.push((name, useless.reason()));
                if let Useless::Wrong(error) = useless {
                    wrong.get_or_insert(error);
                }
            }
        }
    }
    let Some((at, wire, server)) = primary else {
        return Err(match (wrong, standbys.is_empty()) {
            (Some(error), _) => error,
            (None, true) => OpenError::Unreachable { hosts: unreachable },
            (None, false) => OpenError::OnlyStandbys {
                standbys,
                hosts: unreachable,
            },
        });
    };
    let host = settings.host(at).to_string();
    let facts = Facts {
        host: host.clone(),
        version: short(&server.version),
        standbys,
        unreachable,
        synchronous: Some(server.synchronous.clone()).filter(|it| !it.is_empty()),
        replicas: None,
        data_checksums: None,
        fsync: None,
        format: None,
        may_create: true,
        instances: Vec::new(),
    };
    let filled = within(CONNECT, fill(&settings, at, &wire, &server, facts)).await;
    filled.map_err(|useless| match useless {
        Useless::Wrong(error) => error,
        other => OpenError::Unreachable {
            hosts: vec![(host, other.reason())],
        },
    })
}

async fn ask(settings: &Settings, at: usize) -> Result<Host, Useless> {
    let wire = connect(settings, at).await?;
    let server = Server::ask(&wire)
        .await
        .map_err(|error| Useless::Now(plain(&error)))?;
    if server.is_standby {
        return Ok(Host::Standby);
    }
    server.check_takes_writes()?;
    Ok(Host::Primary(wire, server))
}

/// What only the primary can tell.
async fn fill(
    settings: &Settings,
    at: usize,
    wire: &Wire,
    server: &Server,
    mut facts: Facts,
) -> Result<Facts, Useless> {
    let useless = |error| Useless::Now(plain(&error));
    schema::check_encoding(server, settings)?;
    facts.format = match schema::look(wire, settings, at).await? {
        Held::Nothing => None,
        Held::Store(meta) => Some(meta.format),
    };
    if server.is_postgres {
        let rows = wire.ask(POSTGRES, &[]).await.map_err(useless)?;
        if let Some(row) = rows.first() {
            facts.data_checksums = row.try_get(0).map_err(useless)?;
            facts.fsync = row.try_get(1).map_err(useless)?;
            facts.may_create = row.try_get(2).map_err(useless)?;
            facts.replicas = row.try_get(3).map_err(useless)?;
        }
    }
    let rows = wire
        .ask(INSTANCES, &[&APPLICATION])
        .await
        .map_err(useless)?;
    for row in &rows {
        facts.instances.push(row.try_get(0).map_err(useless)?);
    }
    Ok(facts)
}

const POSTGRES: &str = "
select current_setting('data_checksums') = 'on', current_setting('fsync') = 'on',
  coalesce(has_schema_privilege(current_schema(), 'create'), false),
  (select count(*) from pg_stat_replication)";

/// Those who have their connections by our name, without what we add to it.
const INSTANCES: &str = "
select distinct substr(application_name, length($1::text) + 2) from pg_stat_activity
where datname = current_database() and application_name like $1::text || ' %' and pid <> pg_backend_pid()
order by 1";

/// The version without what it was built with.
fn short(version: &str) -> String {
    version.split(" on ").next().unwrap_or_default().to_owned()
}
