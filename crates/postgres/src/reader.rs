//! What requests read: many queries in one statement, proved to come from the primary (`lease`).

use std::rc::Rc;

use tokio::time::timeout_at;
use tokio_postgres::Row;

use super::error::Trouble;
use super::keys::{self, Key};
use super::slot::Ready;
use super::state::State;
use super::wire::Parameters;
use xps_base::clock::Instant;
use xps_store::{Asked, Elements, Owner, Query, ReadError, Under};

/// Bounds of what is asked, and of what is read, together.
const BATCH: usize = 256;
const BATCH_NAMES: usize = 4096;
const BATCH_BYTES: i64 = 512 * 1024;

/// What is found for the first of these, at least one.
pub(crate) async fn find(
    state: &Rc<State>,
    asked: &[Asked],
) -> Vec<Result<Vec<Elements>, ReadError>> {
    let elements = |found: Vec<Found>| {
        let found = found.into_iter();
        found
            .map(|it| Elements {
                text: it.text,
                under: it.under,
            })
            .collect()
    };
    let mut asked = asked;
    loop {
        let Some(first) = asked.first() else {
            return Vec::new();
        };
        let deadline = state.deadline(first.since);
        let now = Instant::now();
        let is_late = |it: &&Asked| state.deadline(it.since) <= now;
        let late = asked.iter().take_while(is_late).count();
        if late > 0 || (state.is_closing.get() && state.reader.now().is_none()) {
            let late = 0..late.max(1);
            return late.map(|_| Err(ReadError::Unreachable)).collect();
        }
        let Some(ready) = state.ready(&state.reader, deadline).await else {
            continue;
        };
        let mut batch = Batch::default();
        let mut last = first.since;
        for it in asked.iter().take(state.together.get()) {
            if !batch.add(&it.query) {
                break;
            }
            last = last.max(it.since);
        }
        let trouble = match timeout_at(deadline, batch.read(state, &ready, last)).await {
            Err(_) => continue,
            Ok(Ok(found)) => {
                let together = &state.together;
                if found.len() < batch.queries.len() {
                    together.set(found.len() + found.len() / 4);
                } else if found.len() == together.get() {
                    together.set(BATCH.min(2 * together.get()));
                }
                return found.into_iter().map(|it| Ok(elements(it))).collect();
            }
            Ok(Err(trouble)) => trouble,
        };
        match (state.trouble(&ready, &trouble).await, asked) {
            (None, _) => {}
            (Some(_), [_]) => return vec![Err(refusal(&trouble))],
            // One of them cannot be read. It must not cost the others.
            (Some(_), [first, ..]) => asked = std::slice::from_ref(first),
            (Some(_), []) => return Vec::new(),
        }
    }
}

/// What is under one name, or in a whole namespace in the order of names, and how many elements that are.
pub(crate) async fn read(
    state: &Rc<State>,
    owner: &Owner,
    (namespace, name): (&str, Option<&str>),
    asked: Instant,
) -> Result<(String, u64), ReadError> {
    let deadline = state.deadline(asked);
    loop {
        let ready = state.ready(&state.reader, deadline).await;
        let ready = ready.ok_or(ReadError::Unreachable)?;
        let mut batch = Batch::default();
        batch.add_one(
            owner,
            keys::key(namespace),
            name.map(keys::key),
            name.is_none(),
        );
        batch.queries.push(1);
        match timeout_at(deadline, batch.read(state, &ready, asked)).await {
            Err(_) => return Err(ReadError::Unreachable),
            Ok(Ok(found)) => {
                let found = found.into_iter().flatten().next().unwrap_or_default();
                return Ok((found.text, found.elements));
            }
            Ok(Err(trouble)) => {
                if state.trouble(&ready, &trouble).await.is_some() {
                    return Err(refusal(&trouble));
                }
            }
        }
    }
}

pub(crate) fn refusal(trouble: &Trouble) -> ReadError {
    match trouble {
        Trouble::Damaged(_) => ReadError::Damaged,
        _ => ReadError::Failed,
    }
}

/// What is found under one name of a query.
#[derive(Debug, Default)]
struct Found {
    text: String,
    elements: u64,
    under: Under,
}

/// Queries that are read together, name by name.
#[derive(Default)]
struct Batch<'a> {
    /// How many names each query has.
    queries: Vec<usize>,
    query: Vec<i32>,
    owner: Vec<&'a str>,
    namespace_key: Vec<Key>,
    /// None where the name is not known, and all in the namespace is wanted.
    name_key: Vec<Option<Key>>,
    or_all: Vec<bool>,
}

impl<'a> Batch<'a> {
    /// Adds a query, if it does not make too many names.
    fn add(&mut self, query: &'a Query) -> bool {
        let Query {
            owner,
            namespace,
            names,
            or_all,
        } = query;
        if !self.queries.is_empty() && self.owner.len() + names.len() > BATCH_NAMES {
            return false;
        }
        let namespace_key = keys::key(namespace);
        for name in names {
            self.add_one(owner, namespace_key, Some(keys::key(name)), *or_all);
        }
        self.queries.push(names.len());
        true
    }

    fn add_one(&mut self, owner: &'a Owner, namespace: Key, name: Option<Key>, or_all: bool) {
        self.query
            .push(i32::try_from(self.queries.len()).unwrap_or(i32::MAX));
        self.owner.push(owner.as_str());
        self.namespace_key.push(namespace);
        self.name_key.push(name);
        self.or_all.push(or_all);
    }

    /// What is found for the first queries, each by its names.
    async fn read(
        &self,
        state: &Rc<State>,
        ready: &Ready,
        asked: Instant,
    ) -> Result<Vec<Vec<Found>>, Trouble> {
        let at: Vec<i32> = (0..).take(self.owner.len()).collect();
        let namespace_key: Vec<&[u8]> = self.namespace_key.iter().map(|key| &key[..]).collect();
        // No key is empty.
        let name_key = self.name_key.iter();
        let name_key: Vec<&[u8]> = name_key
            .map(|it| it.as_ref().map_or(&[][..], |it| &it[..]))
            .collect();
        let parameters: &Parameters<'_> = &[
            &self.query,
            &at,
            &self.owner,
            &namespace_key,
            &name_key,
            &self.or_all,
            &BATCH_BYTES,
        ];
        let begun = Instant::now();
        let find = &ready.statements.find;
        let rows = state.read(ready, asked, find, parameters).await?;
        state.shared.observe(|it| it.round_trip(begun.elapsed()));
        self.sort(&rows)
    }

    /// Rows by the queries and names that they belong to.
    fn sort(&self, rows: &[Row]) -> Result<Vec<Vec<Found>>, Trouble> {
        let mut names: Vec<Vec<(&str, &str)>> = vec![Vec::new(); self.owner.len()];
        let mut found: Vec<Found> = Vec::new();
        found.resize_with(self.owner.len(), Found::default);
        // From this query on, nothing has been read.
        let mut end = self.queries.len();
        for row in rows {
            let (query, at): (i32, i32) = (row.try_get(0)?, row.try_get(1)?);
            let (query, at) = (usize::try_from(query), usize::try_from(at));
            let (Ok(query), Ok(at)) = (query, at) else {
                continue;
            };
            let text: (Option<&str>, Option<&str>) = (row.try_get(3)?, row.try_get(5)?);
            let (Some(name), Some(text)) = text else {
                end = end.min(query);
                continue;
            };
            if let (Some(names), Some(found)) = (names.get_mut(at), found.get_mut(at)) {
                names.push((name, text));
                let elements: i32 = row.try_get(4)?;
                found.elements += u64::try_from(elements).unwrap_or_default();
                found.under = match row.try_get(2)? {
                    true => Under::Name,
                    false => Under::Namespace,
                };
            }
        }
        for (names, found) in names.iter_mut().zip(&mut found) {
            names.sort_unstable();
            found.text = names.iter().map(|(_, text)| *text).collect();
        }
        let mut found = found.into_iter();
        let first = self.queries.iter().take(end.max(1));
        Ok(first
            .map(|names| found.by_ref().take(*names).collect())
            .collect())
    }
}
