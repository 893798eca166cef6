//! Whole owners: who there is, all that one has, and its removal.

use std::ops::ControlFlow;

use super::change::{Owner, Value};
use super::engine::Engine;
use super::error::EngineError;
use super::read::{self, ReadFault};
use super::record::{self, Scale};
use super::usage::Usage;

/// The elements stored under one (namespace, name) of an owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub namespace: String,
    pub name: String,
    pub value: Value,
}

/// All that an owner has, as of one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnerData {
    /// In the order of namespaces and names.
    pub entries: Vec<Entry>,
    /// The (namespace, name)s that cannot be read any more: the disk has changed them.
    pub damaged: Vec<(String, String)>,
}

/// How much an owner has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    pub bytes: u64,
    pub elements: u64,
}

/// How much an owner has in one namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceUsage {
    pub namespace: String,
    pub amount: Amount,
}

/// At most so many owners behind this one, in the order of their addresses as bytes.
pub(super) fn owners(
    engine: &dyn Engine,
    after: Option<&Owner>,
    most: usize,
) -> Result<Vec<Owner>, EngineError> {
    let mut owners: Vec<Owner> = Vec::new();
    // What is not an owner's begins with a NUL.
    let mut from = vec![1];
    let mut last = after.cloned();
    while owners.len() < most {
        if let Some(last) = &last {
            // No namespace begins with this byte, so no key of that owner lies behind.
            from = [last.as_str().as_bytes(), &[0, 0xff]].concat();
        }
        let mut found = None;
        engine.scan_from(&from, &mut |key, _| {
            found = owner_in(key);
            ControlFlow::Break(())
        })?;
        let Some(owner) = found else { break };
        owners.push(owner.clone());
        last = Some(owner);
    }
    Ok(owners)
}

fn owner_in(key: &[u8]) -> Option<Owner> {
    let owner = key.split(|byte| *byte == 0).next()?;
    Owner::new(std::str::from_utf8(owner).ok()?)
}

/// All that an owner has.
pub(super) fn owner_data(engine: &dyn Engine, owner: &Owner) -> Result<OwnerData, EngineError> {
    let mut owner_data = OwnerData::default();
    for (namespace, name) in sequences(engine, owner, None)? {
        let mut text = String::new();
        match read::read(engine, owner, &namespace, Some(&name), &mut text) {
            Ok(elements) => {
                let elements = u32::try_from(elements).unwrap_or(u32::MAX);
                let value = Value { text, elements };
                owner_data.entries.push(Entry {
                    namespace,
                    name,
                    value,
                });
            }
            Err(ReadFault::Damage(_)) => owner_data.damaged.push((namespace, name)),
            Err(ReadFault::Engine(error)) => return Err(error),
        }
    }
    Ok(owner_data)
}

/// The (namespace, name)s under which an owner has something: all, or those of one namespace.
pub(super) fn sequences(
    engine: &dyn Engine,
    owner: &Owner,
    namespace: Option<&str>,
) -> Result<Vec<(String, String)>, EngineError> {
    let mut all: Vec<(String, String)> = Vec::new();
    let own = record::prefix(owner, None, None);
    engine.scan(&record::prefix(owner, namespace, None), &mut |key, _| {
        if let Some((namespace, name)) = record::names_in(key, own.len())
            && all
                .last()
                .is_none_or(|last| (&*last.0, &*last.1) != (namespace, name))
        {
            all.push((namespace.to_owned(), name.to_owned()));
        }
        ControlFlow::Continue(())
    })?;
    Ok(all)
}

/// How much an owner has.
pub(super) fn amount(engine: &dyn Engine, owner: &Owner) -> Result<Amount, EngineError> {
    let Usage {
        bytes, elements, ..
    } = Usage::count(engine, owner)?;
    Ok(Amount { bytes, elements })
}

/// The namespaces of an owner, in order, and how much is in each.
pub(super) fn namespace_usage(
    engine: &dyn Engine,
    owner: &Owner,
) -> Result<Vec<NamespaceUsage>, EngineError> {
    let mut namespace_usage: Vec<NamespaceUsage> = Vec::new();
    let mut scale = Scale::default();
    let own = record::prefix(owner, None, None);
    engine.scan(&own, &mut |key, record| {
        let namespace = record::namespace_in(key, own.len()).unwrap_or_default();
        if namespace_usage
            .last()
            .is_none_or(|it| it.namespace != namespace)
        {
            namespace_usage.push(NamespaceUsage {
                namespace: namespace.to_owned(),
                amount: Amount::default(),
            });
        }
        let stored = scale.weigh(key, record);
        if let Some(NamespaceUsage { amount, .. }) = namespace_usage.last_mut() {
            amount.bytes += stored.bytes;
            amount.elements += stored.elements;
        }
        ControlFlow::Continue(())
    })?;
    Ok(namespace_usage)
}

/// Every key of an owner, or of one namespace of theirs, whatever is wrong with what lies there.
pub(super) fn keys(
    engine: &dyn Engine,
    owner: &Owner,
    namespace: Option<&str>,
) -> Result<Vec<Vec<u8>>, EngineError> {
    let mut keys = Vec::new();
    engine.scan(&record::prefix(owner, namespace, None), &mut |key, _| {
        keys.push(key.to_vec());
        ControlFlow::Continue(())
    })?;
    Ok(keys)
}
