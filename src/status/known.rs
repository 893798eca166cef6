//! What a running service knows of itself: gathered at one place, told in several ways. It goes over
//! the control socket as JSON, which is also what `status --json` prints.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

/// What a running service knows of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub version: String,
    /// The number of its process.
    pub pid: u32,
    /// Since when it runs.
    pub started: DateTime<Utc>,
    /// What is stuck; `None` if all moves.
    pub not_alive: Option<String>,
    /// Why users are not served; `None` if they are.
    pub not_ready: Option<String>,
    pub link: KnownLink,
    pub domains: Vec<KnownDomain>,
    pub store: KnownStore,
    /// The limits that were reached since the start.
    pub limits: Vec<KnownLimit>,
}

/// What it knows of its link to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownLink {
    /// As whom it logs in.
    pub jid: String,
    pub server: String,
    /// Whether the server has let it in.
    pub is_up: bool,
    /// Whether it has not because of another instance, which this one waits to follow.
    pub stands_by: bool,
    /// Since when it has, or has not.
    pub since: DateTime<Utc>,
    /// Why it is down; `None` if it is up or stands by, or was never tried to the end.
    pub why: Option<String>,
    /// When it is tried again.
    pub next_attempt: Option<DateTime<Utc>>,
}

/// What it knows of a served domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownDomain {
    pub name: String,
    /// Whether it delegates; `None` if that is not expected of any.
    pub delegates: Option<bool>,
    /// Whether it lets us work on its users' PEP nodes.
    pub grants: bool,
    pub bookmarks: Bookmarks,
}

/// Whether a domain's room bookmarks are kept in step with PEP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bookmarks {
    InStep,
    /// `bookmarks.mode` is "off".
    Off,
    /// The domain does not let us.
    NoAccess,
    /// It lets us, and does not answer.
    Silent,
}

/// What it knows of its store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownStore {
    pub place: Place,
    /// The format of the database.
    pub format: u32,
    /// Whether nothing can be read or stored.
    pub failed: bool,
    /// What all users keep; `None` until it has been counted.
    pub stored: Option<KnownStored>,
    /// What its files take; `None` if the disk did not say it soon enough.
    pub disk_bytes: Option<u64>,
}

/// Where a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In this folder.
    Folder(String),
    /// In this database, and on these servers.
    Database(String),
}

/// What all users keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownStored {
    pub bytes: u64,
    pub owners: u64,
}

/// A limit that was reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownLimit {
    /// Its name among the metrics.
    pub name: String,
    /// How many requests were refused for it since the start.
    pub refused: u64,
    /// When the last of them was.
    pub last: DateTime<Utc>,
}

impl Place {
    fn folder(&self) -> Option<&str> {
        match self {
            Self::Folder(path) => Some(path),
            Self::Database(_) => None,
        }
    }

    fn database(&self) -> Option<&str> {
        match self {
            Self::Folder(_) => None,
            Self::Database(name) => Some(name),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => f.write_str(path),
            Self::Database(name) => write!(f, "the database {name}"),
        }
    }
}

impl Bookmarks {
    /// Its name in JSON.
    fn name(self) -> &'static str {
        match self {
            Self::InStep => "in step",
            Self::Off => "off",
            Self::NoAccess => "no access",
            Self::Silent => "silent",
        }
    }

    fn named(name: &str) -> Option<Self> {
        let all = [Self::InStep, Self::Off, Self::NoAccess, Self::Silent];
        all.into_iter().find(|it| it.name() == name)
    }
}

impl Known {
    /// Whether it serves nobody because that is another instance's part, and could follow that one.
    pub fn stands_by_well(&self) -> bool {
        self.not_alive.is_none() && self.link.stands_by && !self.store.failed
    }

    /// As JSON.
    pub fn write(&self) -> Value {
        let Self {
            version,
            pid,
            started,
            not_alive,
            not_ready,
            link,
            domains,
            store,
            limits,
        } = self;
        json!({
            "running": true,
            "version": version,
            "pid": pid,
            "started": time(started),
            "alive": not_alive.is_none(),
            "not_alive_because": not_alive,
            "ready": not_ready.is_none(),
            "not_ready_because": not_ready,
            "link": {
                "jid": link.jid,
                "server": link.server,
                "up": link.is_up,
                "standby": link.stands_by,
                "since": time(&link.since),
                "down_because": link.why,
                "next_attempt": link.next_attempt.as_ref().map(time),
            },
            "domains": domains.iter().map(|domain| json!({
                "name": domain.name,
                "delegates": domain.delegates,
                "grants": domain.grants,
                "bookmarks": domain.bookmarks.name(),
            })).collect::<Vec<_>>(),
            "store": {
                "path": store.place.folder(),
                "database": store.place.database(),
                "format": store.format,
                "failed": store.failed,
                "stored_bytes": store.stored.map(|it| it.bytes),
                "stored_owners": store.stored.map(|it| it.owners),
                "disk_bytes": store.disk_bytes,
            },
            "limits": limits.iter().map(|limit| json!({
                "name": limit.name,
                "refused": limit.refused,
                "last": time(&limit.last),
            })).collect::<Vec<_>>(),
        })
    }

    /// Reads such JSON. What another release says beside is passed over; `None` if it does not say all
    /// of this.
    pub fn read(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let known = value.as_object()?;
        Some(Self {
            version: string(known, "version")?,
            pid: u32::try_from(known.get("pid")?.as_u64()?).ok()?,
            started: moment(known, "started")?,
            not_alive: string(known, "not_alive_because"),
            not_ready: string(known, "not_ready_because"),
            link: link(known.get("link")?.as_object()?)?,
            domains: each(known, "domains", domain)?,
            store: store(known.get("store")?.as_object()?)?,
            limits: each(known, "limits", limit)?,
        })
    }
}

fn link(link: &Map<String, Value>) -> Option<KnownLink> {
    Some(KnownLink {
        jid: string(link, "jid")?,
        server: string(link, "server")?,
        is_up: link.get("up")?.as_bool()?,
        stands_by: link.get("standby")?.as_bool()?,
        since: moment(link, "since")?,
        why: string(link, "down_because"),
        next_attempt: moment(link, "next_attempt"),
    })
}

fn domain(domain: &Map<String, Value>) -> Option<KnownDomain> {
    Some(KnownDomain {
        name: string(domain, "name")?,
        delegates: domain.get("delegates")?.as_bool(),
        grants: domain.get("grants")?.as_bool()?,
        bookmarks: Bookmarks::named(domain.get("bookmarks")?.as_str()?)?,
    })
}

fn store(store: &Map<String, Value>) -> Option<KnownStore> {
    let number = |name| store.get(name).and_then(Value::as_u64);
    let stored = number("stored_bytes").zip(number("stored_owners"));
    let folder = string(store, "path").map(Place::Folder);
    Some(KnownStore {
        place: folder.or_else(|| string(store, "database").map(Place::Database))?,
        format: u32::try_from(number("format")?).ok()?,
        failed: store.get("failed")?.as_bool()?,
        stored: stored.map(|(bytes, owners)| KnownStored { bytes, owners }),
        disk_bytes: number("disk_bytes"),
    })
}

fn limit(limit: &Map<String, Value>) -> Option<KnownLimit> {
    Some(KnownLimit {
        name: string(limit, "name")?,
        refused: limit.get("refused")?.as_u64()?,
        last: moment(limit, "last")?,
    })
}

fn each<T>(
    map: &Map<String, Value>,
    name: &str,
    read: impl Fn(&Map<String, Value>) -> Option<T>,
) -> Option<Vec<T>> {
    let list = map.get(name)?.as_array()?;
    list.iter().map(|it| read(it.as_object()?)).collect()
}

fn string(map: &Map<String, Value>, name: &str) -> Option<String> {
    Some(map.get(name)?.as_str()?.to_owned())
}

fn moment(map: &Map<String, Value>, name: &str) -> Option<DateTime<Utc>> {
    let text = map.get(name)?.as_str()?;
    Some(DateTime::parse_from_rfc3339(text).ok()?.to_utc())
}

/// As RFC 3339 has it.
fn time(moment: &DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Secs, true)
}
