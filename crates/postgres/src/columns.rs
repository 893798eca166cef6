//! What batches consist of, column by column, as statements take it.

use tokio_postgres::types::ToSql;

use super::keys::{self, Key};
use super::plan::{Effect, NoteChange, Plan};

/// The parameters of a statement.
pub(crate) type Columns<'a> = Vec<&'a (dyn ToSql + Sync)>;

/// Owners' rows, with the places of their plans.
#[derive(Default)]
pub(crate) struct Owners<'a> {
    pub(crate) places: Vec<usize>,
    pub(crate) owner: Vec<&'a str>,
    pub(crate) stamp: Vec<i64>,
    pub(crate) was: Vec<i64>,
    pub(crate) bytes: Vec<i64>,
    pub(crate) elements: Vec<i64>,
}

impl<'a> Owners<'a> {
    /// Those to whom this happens.
    pub(crate) fn of(plans: &'a [Plan<'a>], wanted: impl Fn(Effect) -> bool) -> Self {
        let mut rows = Self::default();
        for (place, plan) in plans.iter().enumerate().filter(|(_, it)| wanted(it.effect)) {
            let amount = plan.after.amount();
            rows.places.push(place);
            rows.owner.push(plan.job.owner.as_str());
            rows.stamp.push(plan.stamp);
            rows.was.push(plan.was);
            rows.bytes.push(signed(amount.bytes));
            rows.elements.push(signed(amount.elements));
        }
        rows
    }

    pub(crate) fn begin(&self) -> Option<Columns<'_>> {
        let columns: Columns<'_> = vec![&self.owner, &self.stamp, &self.bytes, &self.elements];
        Some(columns).filter(|_| !self.owner.is_empty())
    }

    pub(crate) fn go_on(&self) -> Option<Columns<'_>> {
        let columns: Columns<'_> = vec![
            &self.owner,
            &self.stamp,
            &self.was,
            &self.bytes,
            &self.elements,
        ];
        Some(columns).filter(|_| !self.owner.is_empty())
    }

    pub(crate) fn lock(&self) -> Option<Columns<'_>> {
        let columns: Columns<'_> = vec![&self.owner];
        Some(columns).filter(|_| !self.owner.is_empty())
    }
}

/// The digests of a namespace and a name. They are made once for a batch, however often it is sent.
pub(crate) type Keys = [Key; 2];

pub(crate) fn keys(namespace: &str, name: &str) -> Keys {
    [keys::key(namespace), keys::key(name)]
}

/// Elements.
#[derive(Default)]
pub(crate) struct Elements<'a> {
    pub(crate) owner: Vec<&'a str>,
    pub(crate) stamp: Vec<i64>,
    pub(crate) namespace_key: Vec<&'a [u8]>,
    pub(crate) name_key: Vec<&'a [u8]>,
    pub(crate) namespace: Vec<&'a str>,
    pub(crate) name: Vec<&'a str>,
    pub(crate) elements: Vec<i32>,
    pub(crate) text: Vec<&'a str>,
}

impl<'a> Elements<'a> {
    /// What is put, with these keys in the same order.
    pub(crate) fn put(plans: &'a [Plan<'a>], keys: &'a [Keys]) -> Self {
        let mut rows = Self::default();
        let mut keys = keys.iter();
        for plan in plans {
            for ((namespace, name, value), keys) in plan.puts().zip(keys.by_ref()) {
                rows.begin(plan, keys);
                rows.namespace.push(namespace);
                rows.name.push(name);
                rows.elements
                    .push(i32::try_from(value.elements).unwrap_or(i32::MAX));
                rows.text.push(&value.text);
            }
        }
        rows
    }

    /// What is deleted, without all that is beside the keys.
    pub(crate) fn delete(plans: &'a [Plan<'a>], keys: &'a [Keys]) -> Self {
        let mut rows = Self::default();
        let mut keys = keys.iter();
        for plan in plans {
            for (_, keys) in plan.deletes().zip(keys.by_ref()) {
                rows.begin(plan, keys);
            }
        }
        rows
    }

    pub(crate) fn put_columns(&self) -> Option<Columns<'_>> {
        let columns: Columns<'_> = vec![
            &self.owner,
            &self.stamp,
            &self.namespace_key,
            &self.name_key,
            &self.namespace,
            &self.name,
            &self.elements,
            &self.text,
        ];
        Some(columns).filter(|_| !self.owner.is_empty())
    }

    pub(crate) fn delete_columns(&self) -> Option<Columns<'_>> {
        let columns: Columns<'_> = vec![
            &self.owner,
            &self.stamp,
            &self.namespace_key,
            &self.name_key,
        ];
        Some(columns).filter(|_| !self.owner.is_empty())
    }

    fn begin(&mut self, plan: &'a Plan<'a>, [namespace, name]: &'a Keys) {
        self.owner.push(plan.job.owner.as_str());
        self.stamp.push(plan.stamp);
        self.namespace_key.push(namespace);
        self.name_key.push(name);
    }
}

/// Notes, with the places of their plans.
#[derive(Default)]
pub(crate) struct Notes<'a> {
    pub(crate) places: Vec<usize>,
    pub(crate) owner: Vec<&'a str>,
    pub(crate) stamp: Vec<i64>,
    pub(crate) is_any: Vec<bool>,
    pub(crate) was: Vec<Option<&'a str>>,
    pub(crate) text: Vec<Option<&'a str>>,
}

impl<'a> Notes<'a> {
    pub(crate) fn of(plans: &'a [Plan<'a>], wanted: impl Fn(&NoteChange<'a>) -> bool) -> Self {
        let mut rows = Self::default();
        for (place, plan) in plans.iter().enumerate() {
            if let Some(note) = plan.note.as_ref().filter(|note| wanted(note)) {
                rows.places.push(place);
                rows.owner.push(plan.job.owner.as_str());
                rows.stamp.push(plan.stamp);
                rows.is_any.push(note.over.is_none());
                rows.was.push(note.over.flatten());
                rows.text.push(note.text);
            }
        }
        rows
    }

    /// For those that need not, or must not, be over another.
    pub(crate) fn put_columns(&self) -> Option<Columns<'_>> {
        let columns: Columns<'_> = vec![&self.owner, &self.stamp, &self.text];
        Some(columns).filter(|_| !self.owner.is_empty())
    }

    pub(crate) fn replace_columns(&self) -> Option<Columns<'_>> {
        let columns: Columns<'_> = vec![&self.owner, &self.stamp, &self.was, &self.text];
        Some(columns).filter(|_| !self.owner.is_empty())
    }

    pub(crate) fn forget_columns(&self) -> Option<Columns<'_>> {
        let columns: Columns<'_> = vec![&self.owner, &self.is_any, &self.was];
        Some(columns).filter(|_| !self.owner.is_empty())
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
