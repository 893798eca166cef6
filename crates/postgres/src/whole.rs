//! What is read of whole owners, and of all of them. What may take long goes over a connection of its own, where there is
//! one.

use std::rc::Rc;
use std::time::Duration;

use futures_util::future::join3;
use tokio::sync::mpsc::Sender;
use tokio::time::timeout_at;
use tokio_postgres::types::{FromSqlOwned, ToSql};
use tokio_postgres::{Row, Statement};

use super::error::Trouble;
use super::reader::refusal;
use super::slot::{Ready, Slot};
use super::state::State;
use super::statements::Statements;
use super::wire::Parameters;
use xps_base::clock::Instant;
use xps_store::{Amount, Entry, NamespaceUsage, Owner, OwnerData, ReadError, Totals, Value};

/// The rows of one statement, proved as what requests read is.
async fn rows(
    state: &Rc<State>,
    asked: Instant,
    which: fn(&Statements) -> &Statement,
    parameters: &Parameters<'_>,
) -> Result<Vec<Row>, ReadError> {
    rows_over(state, &state.aside, asked, which, parameters).await
}

async fn rows_over(
    state: &Rc<State>,
    slot: &Slot,
    asked: Instant,
    which: fn(&Statements) -> &Statement,
    parameters: &Parameters<'_>,
) -> Result<Vec<Row>, ReadError> {
    let deadline = state.deadline(asked);
    loop {
        let ready = state.ready(slot, deadline).await;
        let ready = ready.ok_or(ReadError::Unreachable)?;
        let reading = state.read(&ready, asked, which(&ready.statements), parameters);
        let trouble = match timeout_at(deadline, reading).await {
            Err(_) => return Err(ReadError::Unreachable),
            Ok(Ok(rows)) => return Ok(rows),
            Ok(Err(trouble)) => trouble,
        };
        if state.trouble(&ready, &trouble).await.is_some() {
            return Err(refusal(&trouble));
        }
    }
}

/// One column of a row.
fn column<T: FromSqlOwned>(row: &Row, at: usize) -> Result<T, ReadError> {
    row.try_get(at).map_err(|_| ReadError::Failed)
}

/// A number of bytes or elements.
fn number(row: &Row, at: usize) -> Result<u64, ReadError> {
    let number: i64 = column(row, at)?;
    u64::try_from(number).map_err(|_| ReadError::Damaged)
}

fn amount_in(row: &Row, at: usize) -> Result<Amount, ReadError> {
    Ok(Amount {
        bytes: number(row, at)?,
        elements: number(row, at + 1)?,
    })
}

pub(crate) async fn note(
    state: &Rc<State>,
    owner: &Owner,
    asked: Instant,
) -> Result<Option<String>, ReadError> {
    // Requests wait for it.
    let parameters: &Parameters<'_> = &[&owner.as_str()];
    let rows = rows_over(state, &state.reader, asked, |it| &it.noted, parameters).await?;
    rows.first().map(|row| column(row, 0)).transpose()
}

pub(crate) async fn owners(
    state: &Rc<State>,
    after: Option<&Owner>,
    most: usize,
    asked: Instant,
) -> Result<Vec<(Owner, Amount)>, ReadError> {
    let after = after.map_or("", Owner::as_str);
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let parameters: [&(dyn ToSql + Sync); 2] = [&after, &most];
    let rows = rows(state, asked, |it| &it.owners, &parameters).await?;
    rows.iter().map(owner_with_amount).collect()
}

/// Everybody who has something, in any order and as of one moment, as long as somebody wants more.
pub(crate) async fn amounts(
    state: &Rc<State>,
    tell: &Sender<Result<Vec<(Owner, Amount)>, ReadError>>,
    asked: Instant,
) -> Result<(), ReadError> {
    let deadline = state.deadline(asked);
    let mut has_told = false;
    loop {
        let ready = state.ready(&state.aside, deadline).await;
        let ready = ready.ok_or(ReadError::Unreachable)?;
        let take = async |rows: Vec<Row>| {
            has_told = true;
            let some = rows.iter().map(owner_with_amount).collect();
            tell.send(some).await.is_ok()
        };
        let streaming = ready
            .wire
            .stream(&ready.statements.amounts, state.settings.hold, take);
        let read = match streaming.await {
            Ok(()) => state.prove(&ready).await,
            trouble => trouble,
        };
        let Err(trouble) = read else { return Ok(()) };
        if state.trouble(&ready, &trouble).await.is_some() {
            return Err(refusal(&trouble));
        }
        if has_told {
            return Err(ReadError::Unreachable);
        }
    }
}

fn owner_with_amount(row: &Row) -> Result<(Owner, Amount), ReadError> {
    let owner = row.try_get(0).ok().and_then(Owner::new);
    Ok((owner.ok_or(ReadError::Damaged)?, amount_in(row, 1)?))
}

pub(crate) async fn owner_data(
    state: &Rc<State>,
    owner: &Owner,
    asked: Instant,
) -> Result<OwnerData, ReadError> {
    let rows = rows(state, asked, |it| &it.all, &[&owner.as_str()]).await?;
    let entries = rows.iter().map(|row| {
        let elements: i32 = column(row, 2)?;
        Ok(Entry {
            namespace: column(row, 0)?,
            name: column(row, 1)?,
            value: Value {
                elements: u32::try_from(elements).unwrap_or_default(),
                text: column(row, 3)?,
            },
        })
    });
    let mut entries = entries.collect::<Result<Vec<Entry>, ReadError>>()?;
    entries.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    Ok(OwnerData {
        entries,
        damaged: Vec::new(),
    })
}

pub(crate) async fn amount(
    state: &Rc<State>,
    owner: &Owner,
    asked: Instant,
) -> Result<Amount, ReadError> {
    let rows = rows(state, asked, |it| &it.amount, &[&owner.as_str()]).await?;
    let amount = rows.first().map(|row| amount_in(row, 0)).transpose()?;
    Ok(amount.unwrap_or_default())
}

pub(crate) async fn namespace_usage(
    state: &Rc<State>,
    owner: &Owner,
    asked: Instant,
) -> Result<Vec<NamespaceUsage>, ReadError> {
    let rows = rows(state, asked, |it| &it.by_namespace, &[&owner.as_str()]).await?;
    let usage = rows.iter().map(|row| {
        Ok(NamespaceUsage {
            namespace: column(row, 0)?,
            amount: amount_in(row, 1)?,
        })
    });
    let mut usage = usage.collect::<Result<Vec<_>, ReadError>>()?;
    usage.sort_by(|a, b| a.namespace.cmp(&b.namespace));
    Ok(usage)
}

/// Counts for so long and no longer; where that is not enough, nothing is known.
pub(crate) async fn totals(
    state: &Rc<State>,
    patience: Duration,
    asked: Instant,
) -> Result<Totals, ReadError> {
    if patience.is_zero() {
        return Ok(Totals::default());
    }
    let deadline = state.deadline(asked);
    loop {
        let ready = state.ready(&state.aside, deadline).await;
        let ready = ready.ok_or(ReadError::Unreachable)?;
        let counting = count(&ready, patience);
        let trouble = match timeout_at(deadline.max(Instant::now() + patience), counting).await {
            Err(_) => return Err(ReadError::Unreachable),
            Ok(Ok(totals)) => return Ok(totals),
            // It was over the time.
            Ok(Err(Trouble::InTheWay)) => return Ok(Totals::default()),
            Ok(Err(trouble)) => trouble,
        };
        if state.trouble(&ready, &trouble).await.is_some() {
            return Err(refusal(&trouble));
        }
    }
}

/// Counts what all owners have. The server ends it when it takes longer.
pub(crate) async fn count(ready: &Ready, patience: Duration) -> Result<Totals, Trouble> {
    let limit = patience.as_millis().clamp(1, 600_000);
    let limit = format!("set statement_timeout = {limit}");
    let (limited, rows, unlimited) = join3(
        ready.wire.run(&limit),
        ready.wire.query(&ready.statements.totals, &[]),
        ready.wire.run("set statement_timeout = 0"),
    )
    .await;
    limited?;
    unlimited?;
    let rows = rows?;
    let strange = |_| Trouble::Refused("it counted something strange".to_owned());
    let Some(row) = rows.first() else {
        return Err(strange(ReadError::Failed));
    };
    Ok(Totals {
        owners: number(row, 0).map_err(strange)?,
        amount: amount_in(row, 1).map_err(strange)?,
        whole: true,
    })
}
