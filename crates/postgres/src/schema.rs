//! The tables: made by the first who comes, versioned, and looked at before they are used.
//!
//! CockroachDB and YugabyteDB take these statements too, by their documentation.

use super::connect::Useless;
use super::error::{OpenError, plain};
use super::server::Server;
use super::settings::Settings;
use super::wire::Wire;

use xps_base::random;

/// The version of the tables.
pub const FORMAT: u32 = 1;

/// What is done to tables of each older format, from 1 on, to have those of the next.
pub(crate) const STEPS: &[&[&str]] = &[];

/// Tables with their columns and the types of those.
const TABLES: &[(&str, &[(&str, &str)])] = &[
    ("xps_meta", &[("key", "text"), ("value", "text")]),
    (
        "xps_owner",
        &[
            ("owner", "text"),
            ("stamp", "bigint"),
            ("was", "bigint"),
            ("bytes", "bigint"),
            ("elements", "bigint"),
        ],
    ),
    (
        "xps_element",
        &[
            ("owner", "text"),
            ("namespace_key", "bytea"),
            ("name_key", "bytea"),
            ("namespace", "text"),
            ("name", "text"),
            ("elements", "integer"),
            ("text", "text"),
        ],
    ),
    (
        "xps_note",
        &[("owner", "text"), ("stamp", "bigint"), ("text", "text")],
    ),
];

/// The statements that make the tables. Owners sort as their bytes do.
fn tables(server: &Server) -> String {
    let bytes = if server.is_postgres {
        " collate \"C\""
    } else {
        ""
    };
    format!(
        "create table xps_meta (key text primary key, value text not null);
         create table xps_owner (owner text{bytes} primary key, stamp int8 not null, was int8 not null,
           bytes int8 not null, elements int8 not null);
         create table xps_element (owner text{bytes} not null, namespace_key bytea not null,
           name_key bytea not null, namespace text not null, name text not null, elements int4 not null,
           text text not null, primary key (owner, namespace_key, name_key));
         create table xps_note (owner text{bytes} primary key, stamp int8 not null, text text not null)"
    )
}

/// What makes it faster, where the server can: rows are replaced in their own pages, and long texts take half the
/// time.
const FASTER: &[&str] = &[
    "alter table xps_owner set (fillfactor = 70)",
    "alter table xps_element set (fillfactor = 85)",
    "alter table xps_element alter column text set compression lz4",
    "alter table xps_note alter column text set compression lz4",
];

/// What is noted about a store in its own database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) format: u32,
    /// A random number by which the store is recognised.
    pub(crate) mark: String,
}

/// What a database holds.
#[derive(Debug)]
pub(crate) enum Held {
    /// Nothing at all: a store can be begun.
    Nothing,
    Store(Meta),
}

/// Looks what the database holds, and whether that is a store of ours, and whole.
pub(crate) async fn look(wire: &Wire, settings: &Settings, at: usize) -> Result<Held, Useless> {
    let judge = |error: tokio_postgres::Error| refused(&error, settings, at);
    let database = || settings.database.clone();
    let half = |reason: String| {
        Useless::Wrong(OpenError::Half {
            database: database(),
            reason,
        })
    };
    let rows = wire.ask(OURS, &[]).await.map_err(judge)?;
    if rows.is_empty() {
        return match others(wire).await.map_err(judge)? {
            None => Ok(Held::Nothing),
            Some(found) => Err(Useless::Wrong(OpenError::Foreign {
                database: database(),
                found,
            })),
        };
    }
    let mut columns = Vec::with_capacity(rows.len());
    for row in &rows {
        let column: (String, String, String) = (
            row.try_get(0).map_err(judge)?,
            row.try_get(1).map_err(judge)?,
            row.try_get(2).map_err(judge)?,
        );
        columns.push(column);
    }
    let has = |table: &str| columns.iter().any(|(of, ..)| of == table);
    if !has("xps_meta") {
        return Err(half("the table xps_meta is missing".to_owned()));
    }
    let meta = meta(wire, settings, at).await?;
    for (table, wanted) in TABLES.iter().filter(|_| meta.format == FORMAT) {
        if !has(table) {
            return Err(half(format!("the table {table} is missing")));
        }
        for (name, kind) in *wanted {
            let column = columns.iter().find(|(of, it, _)| of == table && it == name);
            match column {
                Some((_, _, found)) if found == kind => {}
                Some((_, _, found)) => {
                    return Err(half(format!(
                        "the column {table}.{name} is of the type {found} and not {kind}"
                    )));
                }
                None => return Err(half(format!("the column {table}.{name} is missing"))),
            }
        }
    }
    Ok(Held::Store(meta))
}

/// The columns of our tables, in the schema that is used.
const OURS: &str = "
select c.relname::text, a.attname::text, format_type(a.atttypid, null)
from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
where n.nspname = current_schema() and c.relkind in ('r', 'p', 'v') and a.attnum > 0 and not a.attisdropped
  and c.relname in ('xps_meta', 'xps_owner', 'xps_element', 'xps_note')";

/// Other tables in that schema: how many, and the first few. Ours may have been made since they were looked for.
const OTHERS: &str = "
select c.relname::text, count(*) over ()
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = current_schema() and c.relkind in ('r', 'p', 'v', 'm', 'f')
  and c.relname not in ('xps_meta', 'xps_owner', 'xps_element', 'xps_note')
order by c.relname limit 3";

/// What there is beside our own tables, for a message.
async fn others(wire: &Wire) -> Result<Option<String>, tokio_postgres::Error> {
    let rows = wire.ask(OTHERS, &[]).await?;
    let Some(first) = rows.first() else {
        return Ok(None);
    };
    let count: i64 = first.try_get(1)?;
    let mut names = Vec::new();
    for row in &rows {
        names.push(row.try_get::<_, String>(0)?);
    }
    let more = usize::try_from(count)
        .unwrap_or_default()
        .saturating_sub(names.len());
    let (one, many) = (names.len() == 1, names.join(", "));
    Ok(Some(match (one, more) {
        (true, _) => format!("a table {many}"),
        (false, 0) => format!("the tables {many}"),
        (false, more) => format!("the tables {many} and {more} more"),
    }))
}

/// What is noted about the store, which must be there.
pub(crate) async fn meta(wire: &Wire, settings: &Settings, at: usize) -> Result<Meta, Useless> {
    let judge = |error: tokio_postgres::Error| refused(&error, settings, at);
    let rows = wire
        .ask("select key, value from xps_meta", &[])
        .await
        .map_err(judge)?;
    let (mut format, mut mark) = (None, None);
    for row in &rows {
        let value: String = row.try_get(1).map_err(judge)?;
        match row.try_get::<_, &str>(0).map_err(judge)? {
            "format" => format = Some(value),
            "mark" => mark = Some(value),
            _ => {}
        }
    }
    let database = settings.database.clone();
    let (Some(found), Some(mark)) = (format, mark) else {
        let reason = "the table xps_meta does not say what the store is".to_owned();
        return Err(Useless::Wrong(OpenError::Half { database, reason }));
    };
    match found.parse() {
        Ok(format @ 1..=FORMAT) => Ok(Meta { format, mark }),
        _ => Err(Useless::Wrong(OpenError::Newer {
            database,
            found,
            known: FORMAT,
        })),
    }
}

/// Makes sure that there is a store of the format that this release knows, and says what it is.
pub(crate) async fn ensure(
    wire: &Wire,
    server: &Server,
    settings: &Settings,
    at: usize,
) -> Result<Meta, Useless> {
    check_encoding(server, settings)?;
    let mut why_not = None;
    if let Held::Nothing = look(wire, settings, at).await? {
        why_not = make(wire, server).await.err();
        if why_not.is_some() {
            let ended = wire.run("rollback").await;
            ended.map_err(|error| refused(&error, settings, at))?;
        }
    }
    match (look(wire, settings, at).await?, why_not) {
        // It is ours, or that of another who was faster.
        (Held::Store(meta), _) => {
            move_on(wire, &meta, STEPS)
                .await
                .map_err(|error| refused(&error, settings, at))?;
            Ok(Meta {
                format: FORMAT,
                mark: meta.mark,
            })
        }
        (Held::Nothing, Some(error)) => Err(refused(&error, settings, at)),
        (Held::Nothing, None) => Err(Useless::Now("the tables have gone again".to_owned())),
    }
}

/// Texts are kept as they are, or not at all.
pub(crate) fn check_encoding(server: &Server, settings: &Settings) -> Result<(), Useless> {
    if server.encoding == "UTF8" {
        return Ok(());
    }
    Err(Useless::Wrong(OpenError::Encoding {
        database: settings.database.clone(),
        found: server.encoding.clone(),
    }))
}

async fn make(wire: &Wire, server: &Server) -> Result<(), tokio_postgres::Error> {
    wire.run("begin").await?;
    wire.run(&tables(server)).await?;
    for faster in FASTER.iter().filter(|_| server.is_postgres) {
        wire.run("savepoint faster").await?;
        if wire.run(faster).await.is_err() {
            wire.run("rollback to savepoint faster").await?;
        }
    }
    let mark = format!("{:016x}{:016x}", random::number(), random::number());
    let format = FORMAT.to_string();
    wire.ask(
        "insert into xps_meta (key, value) values ('format', $1), ('mark', $2)",
        &[&format, &mark],
    )
    .await?;
    wire.run("commit").await
}

/// Moves the tables on by these steps, each wholly or not at all. Several instances may try it at once.
pub(crate) async fn move_on(
    wire: &Wire,
    meta: &Meta,
    steps: &[&[&str]],
) -> Result<(), tokio_postgres::Error> {
    for (step, from) in steps
        .iter()
        .zip(1..)
        .filter(|(_, from)| *from >= meta.format)
    {
        let (from, to): (String, String) = (from.to_string(), (from + 1_u32).to_string());
        wire.run("begin").await?;
        let moved = wire
            .ask(
                "update xps_meta set value = $1 where key = 'format' and value = $2 returning value",
                &[&to, &from],
            )
            .await?;
        if !moved.is_empty() {
            for statement in *step {
                wire.run(statement).await?;
            }
            tracing::info!("the store in the database has format {to} from now on");
        }
        wire.run("commit").await?;
    }
    Ok(())
}

/// What it means that the server refuses a statement of these.
fn refused(error: &tokio_postgres::Error, settings: &Settings, at: usize) -> Useless {
    let reason = plain(error);
    match error.code().map(|code| code.code()) {
        // No right; no schema in which to make something.
        Some("42501" | "3F000") => Useless::Wrong(OpenError::NoRight {
            user: settings.user.clone(),
            database: settings.database.clone(),
            reason,
        }),
        Some(code) if code.starts_with("42") => Useless::Wrong(OpenError::Refused {
            host: settings.host(at).to_string(),
            reason,
        }),
        _ => Useless::Now(reason),
    }
}

#[cfg(test)]
mod tests;
