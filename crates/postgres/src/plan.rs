//! From what is to be done for an owner to one write, with the limits checked after each set.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::keys;
use super::known::Known;
use super::work::{Item, Job};
use xps_base::{panics, random};
use xps_store::{Amount, Change, ChangeSet, Existing, Growth, SetError, Value, Work};

/// What becomes of the owner's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing is to be written.
    None,
    /// There is none, and there will be.
    Begin,
    /// It stays, also where nothing is left of what the owner has: its stamp tells what became of a write.
    GoOn,
}

/// What becomes of the note about an owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoteChange<'a> {
    /// What it has to be for that; `None`: anything. Never an empty text, as that is none.
    pub(crate) over: Option<Option<&'a str>>,
    pub(crate) text: Option<&'a str>,
}

/// A namespace and a name.
type Names<'a> = (Cow<'a, str>, Cow<'a, str>);

/// One write of an owner: all that the items of a job come to.
pub(crate) struct Plan<'a> {
    pub(crate) job: &'a Job,
    pub(crate) effect: Effect,
    /// The stamp that it was planned over, and the one that it leaves.
    pub(crate) was: i64,
    pub(crate) stamp: i64,
    /// What the owner has afterwards.
    pub(crate) after: Known,
    /// What is under each name from now on, by namespace and name.
    changes: BTreeMap<Names<'a>, Option<&'a Value>>,
    pub(crate) note: Option<NoteChange<'a>>,
    /// Which item is about the note; and whether that went as it should, once that is known.
    note_item: Option<usize>,
    pub(crate) noted: Option<bool>,
    /// How each item goes if the write does; `None` for those whom nobody waits for any more.
    results: Vec<Option<Result<(), SetError>>>,
}

impl<'a> Plan<'a> {
    /// Plans what is still waited for, over what is known. What has been done about the note is not done again.
    pub(crate) fn new(job: &'a Job, known: Known, noted: Option<bool>) -> Self {
        let was = known.stamp;
        let mut plan = Self {
            job,
            effect: Effect::None,
            was,
            stamp: stamp(),
            after: known,
            changes: BTreeMap::new(),
            note: None,
            note_item: None,
            noted,
            results: Vec::with_capacity(job.items.len()),
        };
        for (at, item) in job.items.iter().enumerate() {
            let result = item.is_awaited().then(|| plan.add(at, item));
            plan.results.push(result);
        }
        plan.effect = match (was, plan.after.is_empty()) {
            (0, true) => Effect::None,
            (0, false) => Effect::Begin,
            _ if plan.changes.is_empty() => Effect::None,
            _ => Effect::GoOn,
        };
        plan.after.stamp = match plan.effect {
            Effect::None => was,
            Effect::Begin | Effect::GoOn => plan.stamp,
        };
        plan
    }

    /// Whether there is nothing to write.
    pub(crate) fn is_idle(&self) -> bool {
        self.effect == Effect::None && self.note.is_none()
    }

    /// Whether answers rest on what is known, and no write will tell whether that is still true.
    pub(crate) fn rests_on_what_is_known(&self) -> bool {
        let items = self.job.items.iter().zip(&self.results);
        let mut answered = items.filter(|(_, result)| result.is_some());
        self.effect == Effect::None
            && answered.any(|(item, _)| matches!(item.work, Work::Set(..) | Work::Remove(..)))
    }

    /// What is put under names.
    pub(crate) fn puts(&self) -> impl Iterator<Item = (&str, &str, &'a Value)> {
        let changes = self.changes.iter();
        changes.filter_map(|((namespace, name), value)| Some((&**namespace, &**name, (*value)?)))
    }

    /// What goes: one who begins has nothing.
    pub(crate) fn deletes(&self) -> impl Iterator<Item = (&str, &str)> {
        let wanted = self.effect == Effect::GoOn;
        let gone = self
            .changes
            .iter()
            .filter(move |(_, value)| wanted && value.is_none());
        gone.map(|((namespace, name), _)| (&**namespace, &**name))
    }

    /// Tells whoever waits, in order. What the owner has now.
    pub(crate) fn tell(self) -> Known {
        let is_outdated = self.noted == Some(false);
        for (at, (item, result)) in self.job.items.iter().zip(self.results).enumerate() {
            match result {
                Some(Ok(())) if is_outdated && self.note_item == Some(at) => {
                    item.tell(Err(SetError::Outdated));
                }
                Some(result) => item.tell(result),
                None => {}
            }
        }
        self.after
    }

    fn add(&mut self, at: usize, item: &'a Item) -> Result<(), SetError> {
        let is_keepable = keys::keepable(&self.job.owner);
        match &item.work {
            // All that could meet a panic is worked out before anything is changed.
            Work::Set(set, existing) => {
                let planned = panics::caught(|| self.steps(set, *existing));
                let steps = planned.unwrap_or(Err(SetError::Broken))?;
                self.take(steps);
                Ok(())
            }
            // There is nothing.
            Work::Remove(..) | Work::Note(_, None) if !is_keepable => Ok(()),
            Work::Note(..) | Work::NoteIf { .. } if !is_keepable => Err(SetError::Unstorable),
            Work::Remove(_, namespace) => {
                self.remove(namespace.as_deref());
                match namespace {
                    Some(_) => Ok(()),
                    None => self.put_note(at, None, None),
                }
            }
            Work::Note(_, text) => self.put_note(at, None, text.as_deref()),
            Work::NoteIf { was, text, .. } => {
                self.put_note(at, Some(was.as_deref()), text.as_deref())
            }
        }
    }

    /// What a set changes, if it is allowed.
    fn steps(&self, set: &'a ChangeSet, existing: Existing) -> Result<Vec<Step<'a>>, SetError> {
        let mut last: BTreeMap<(&str, &str), &Change> = BTreeMap::new();
        for change in &set.changes {
            let text = change.value.as_ref().map_or("", |value| &value.text);
            panics::test_at("store", text.as_bytes());
            // The database takes no NUL in a text.
            if !keys::storable(&set.owner, &change.namespace, &change.name) || text.contains('\0') {
                return Err(SetError::Unstorable);
            }
            last.insert((&change.namespace, &change.name), change);
        }
        let mut steps: Vec<Step<'a>> = Vec::with_capacity(last.len());
        for ((namespace, name), change) in last {
            let old = self.after.size(namespace, name);
            let stays = existing == Existing::Keep && old.is_some();
            if !stays && (change.value.is_some() || old.is_some()) {
                steps.push(Step {
                    namespace,
                    name,
                    value: change.value.as_ref(),
                    old,
                });
            }
        }
        set.quota.check(self.after.amount(), &self.growth(&steps))?;
        Ok(steps)
    }

    fn growth(&self, steps: &[Step<'a>]) -> Vec<Growth<'a>> {
        // They come in the order of their namespaces.
        let namespaces = steps.chunk_by(|a, b| a.namespace == b.namespace);
        let growth = namespaces.map(|steps| {
            let namespace = steps.first().map_or("", |step| step.namespace);
            Growth {
                namespace,
                had: self.after.bytes_in(namespace),
                old: sum(steps.iter().filter_map(|step| step.old)),
                new: sum(steps.iter().filter_map(Step::size)),
            }
        });
        growth.collect()
    }

    fn take(&mut self, steps: Vec<Step<'a>>) {
        for step in steps {
            self.after.put(step.namespace, step.name, step.size());
            let names = (step.namespace.into(), step.name.into());
            self.changes.insert(names, step.value);
        }
    }

    fn remove(&mut self, namespace: Option<&str>) {
        let owned = |(namespace, name): (&str, &str)| (namespace.to_owned(), name.to_owned());
        let gone: Vec<_> = self.after.names(namespace).map(owned).collect();
        for (namespace, name) in gone {
            self.after.put(&namespace, &name, None);
            self.changes.insert((namespace.into(), name.into()), None);
        }
    }

    fn put_note(
        &mut self,
        item: usize,
        over: Option<Option<&'a str>>,
        text: Option<&'a str>,
    ) -> Result<(), SetError> {
        let has_nul = |text: Option<&str>| text.is_some_and(|text| text.contains('\0'));
        if has_nul(text) {
            return Err(SetError::Unstorable);
        }
        if has_nul(over.flatten()) {
            return Err(SetError::Outdated);
        }
        // An empty one is none.
        let some = |text: Option<&'a str>| text.filter(|text| !text.is_empty());
        self.note_item = Some(item);
        if self.noted.is_none() {
            self.note = Some(NoteChange {
                over: over.map(some),
                text: some(text),
            });
        }
        Ok(())
    }
}

/// What is under one name, before and after.
struct Step<'a> {
    namespace: &'a str,
    name: &'a str,
    value: Option<&'a Value>,
    old: Option<Amount>,
}

impl Step<'_> {
    fn size(&self) -> Option<Amount> {
        let amount = |value: &Value| Amount {
            bytes: value.text.len() as u64,
            elements: value.elements.into(),
        };
        self.value.map(amount)
    }
}

fn sum(amounts: impl Iterator<Item = Amount>) -> Amount {
    amounts.fold(Amount::default(), |sum, it| Amount {
        bytes: sum.bytes + it.bytes,
        elements: sum.elements + it.elements,
    })
}

/// A number that no other write has: 62 bits, and never 0.
pub(crate) fn stamp() -> i64 {
    i64::try_from(random::number() >> 2)
        .unwrap_or_default()
        .max(1)
}

#[cfg(test)]
mod tests;
