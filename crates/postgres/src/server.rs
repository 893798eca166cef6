//! What a server says of itself, and how a session on it is set up.

use super::connect::Useless;
use super::error::plain;
use super::turns::GONE_AFTER;
use super::wire::Wire;

/// What a server says of itself.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) version: String,
    /// Whether it is PostgreSQL itself, and not something that speaks its protocol and replicates in its own way.
    pub(crate) is_postgres: bool,
    pub(crate) is_standby: bool,
    pub(crate) is_read_only: bool,
    pub(crate) encoding: String,
    /// How often a standby has become the primary before: of two that both take writes, the one with more is right. 0
    /// where there is no such thing.
    pub(crate) timeline: i64,
    /// Which standbys it waits for; empty if none.
    pub(crate) synchronous: String,
    /// The process that serves this connection.
    pub(crate) process: i32,
    /// When it was started, in seconds.
    pub(crate) started: i64,
}

const VERSION: &str = "select version()";

const POSTGRES: &str = "
select pg_is_in_recovery(),
  current_setting('transaction_read_only') = 'on',
  current_setting('server_encoding'),
  case when pg_is_in_recovery() then 0
    else ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int8 end,
  current_setting('synchronous_standby_names'),
  pg_backend_pid(),
  extract(epoch from pg_postmaster_start_time())::int8";

const OTHER: &str = "
select false, current_setting('transaction_read_only') = 'on', 'UTF8', 0::int8, '', 0::int4, 0::int8";

impl Server {
    pub(crate) async fn ask(wire: &Wire) -> Result<Self, tokio_postgres::Error> {
        let rows = wire.ask(VERSION, &[]).await?;
        let version: String = match rows.first() {
            Some(row) => row.try_get(0)?,
            None => String::new(),
        };
        // YugabyteDB is PostgreSQL above, and something else below.
        let is_postgres = version.starts_with("PostgreSQL") && !version.contains("-YB-");
        let facts = if is_postgres { POSTGRES } else { OTHER };
        let rows = wire.ask(facts, &[]).await?;
        let mut server = Self {
            version,
            is_postgres,
            is_standby: true,
            is_read_only: true,
            encoding: String::new(),
            timeline: 0,
            synchronous: String::new(),
            process: 0,
            started: 0,
        };
        if let Some(row) = rows.first() {
            server.is_standby = row.try_get(0)?;
            server.is_read_only = row.try_get(1)?;
            server.encoding = row.try_get(2)?;
            server.timeline = row.try_get(3)?;
            server.synchronous = row.try_get(4)?;
            server.process = row.try_get(5)?;
            server.started = row.try_get(6)?;
        }
        wire.process.set(server.process);
        Ok(server)
    }

    /// Whether one that is no standby takes writes.
    pub(crate) fn check_takes_writes(&self) -> Result<(), Useless> {
        match self.is_read_only {
            false => Ok(()),
            true => Err(Useless::Now(
                "it takes no writes: transactions are read only there (default_transaction_read_only)"
                    .to_owned(),
            )),
        }
    }
}

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// Few rows of large tables, always found by their keys.
    Requests,
    /// The same, with the turns of owners (`turns`).
    Turns,
    /// Anything.
    Aside,
}

/// Settings of every session, where the server knows them. What the database or its user has by default may be
/// anything.
///
/// A commit that is on one machine alone is said to be in a warning.
///
/// A session ends soon when we have gone while it waits for another, or are silent in the middle of a transaction: it
/// would hold up everybody else.
const SETTINGS: &str = "
('default_transaction_isolation', 'read committed'),
('statement_timeout', '0'),
('lock_timeout', '0'),
('transaction_timeout', '0'),
('idle_in_transaction_session_timeout', '10s'),
('client_connection_check_interval', '5s'),
('client_min_messages', 'warning'),
('jit', 'off')";

/// Rows are found by keys, one by one. The planner knows neither how long an array will be nor, in a database that has
/// just been filled, how large a table is; so it is not asked.
const BY_KEYS: &str = ",
('plan_cache_mode', 'force_generic_plan'),
('enable_seqscan', 'off'),
('enable_hashjoin', 'off'),
('enable_mergejoin', 'off')";

/// What is committed must be on the disk before it is acknowledged, and on the standby's. What is enough is set as well:
/// else the session would follow whatever the server is told later.
const DURABLE: &str = "select set_config('synchronous_commit', case \
    when current_setting('synchronous_commit') in ('off', 'local', 'remote_write') then 'on' \
    else current_setting('synchronous_commit') end, false)";

/// Sets up a session.
pub(crate) async fn set_up(wire: &Wire, server: &Server, with: Use) -> Result<(), Useless> {
    if !server.is_postgres {
        return Ok(());
    }
    let by_keys = match with {
        Use::Requests | Use::Turns => BY_KEYS,
        Use::Aside => "",
    };
    let idle = match with {
        Use::Turns => GONE_AFTER.as_millis(),
        Use::Requests | Use::Aside => 0,
    };
    let settings = format!(
        "select set_config(name, to_be, false) from pg_settings join (values {SETTINGS}{by_keys}, \
         ('idle_session_timeout', '{idle}')) as wanted (name, to_be) using (name)"
    );
    let useless = |error| Useless::Now(plain(&error));
    wire.ask(&settings, &[]).await.map_err(useless)?;
    wire.ask(DURABLE, &[]).await.map_err(useless)?;
    Ok(())
}
