//! From change sets to writes, with the limits checked on the state after each whole set.
//!
//! A [`Group`] sees the database and, over it, what its own sets are going to change, so that
//! several sets of one owner in one group see each other.

use std::collections::{BTreeMap, HashMap};

use super::census::Census;
use super::change::{ChangeSet, Existing, Owner, Value};
use super::engine::{Engine, Write};
use super::error::{EngineError, SetError};
use super::quota::Growth;
use super::read::{self, ReadFault};
use super::recent::Recent;
use super::record::{self, Record, Scale, Stored};
use super::usage::Usage;
use super::whole::Amount;

/// Why a set has no plan.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It must not take effect.
    Set(SetError),
    /// What is stored cannot be read.
    Engine(EngineError),
}

impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

/// The sets that are going to take effect together.
pub(super) struct Group<'a> {
    engine: &'a dyn Engine,
    cache: &'a mut Recent<Usage>,
    has_room: bool,
    /// With the bytes that each owner had before.
    usages: HashMap<Owner, (u64, Usage)>,
    /// What the sequences already changed by this group will take, by the prefix of their keys.
    sequences: HashMap<Vec<u8>, Option<Stored>>,
    /// The notes that it has changed.
    notes: HashMap<Owner, Option<String>>,
    writes: Vec<Write>,
    single: bool,
    /// By how much more, or less, lives in the database when all of it is written.
    growth: i64,
}

/// The writes of a group, in the order of its sets.
pub(super) enum Writes {
    /// Each is a whole set, so each may take effect alone.
    Single(Vec<Write>),
    /// A part of them would be a part of a set.
    Together(Vec<Write>),
}

impl Writes {
    pub(super) fn is_empty(&self) -> bool {
        self.all().is_empty()
    }

    pub(super) fn all(&self) -> &[Write] {
        let (Self::Single(writes) | Self::Together(writes)) = self;
        writes
    }
}

/// One sequence, before and after.
struct Step<'a> {
    namespace: &'a str,
    prefix: Vec<u8>,
    old: Option<Stored>,
    new: Option<Stored>,
    records: Vec<Record>,
}

impl<'a> Group<'a> {
    pub(super) fn new(
        engine: &'a dyn Engine,
        cache: &'a mut Recent<Usage>,
        has_room: bool,
    ) -> Self {
        Self {
            engine,
            cache,
            has_room,
            usages: HashMap::new(),
            sequences: HashMap::new(),
            notes: HashMap::new(),
            writes: Vec::new(),
            single: true,
            growth: 0,
        }
    }

    /// Adds a set; one that is refused leaves no trace.
    pub(super) fn add(&mut self, set: &ChangeSet, existing: Existing) -> Result<(), Refusal> {
        let mut last = BTreeMap::new();
        for change in &set.changes {
            if !record::storable(&set.owner, &change.namespace, &change.name) {
                return Err(Refusal::Set(SetError::Unstorable));
            }
            last.insert(
                (change.namespace.as_str(), change.name.as_str()),
                change.value.as_ref(),
            );
        }
        let mut steps = Vec::with_capacity(last.len());
        for ((namespace, name), value) in last {
            let prefix = record::prefix(&set.owner, Some(namespace), Some(name));
            let step = self.step(namespace, prefix, value)?;
            let stays = |step: &Step<'_>| existing == Existing::Keep && step.old.is_some();
            steps.extend(step.filter(|step| !stays(step)));
        }
        for step in &steps {
            self.reach(step)?;
        }
        let usage = self.usage(&set.owner)?;
        let had = Amount {
            bytes: usage.bytes,
            elements: usage.elements,
        };
        let growth = growth(usage, &steps);
        set.quota.check(had, &growth).map_err(Refusal::Set)?;
        // What is only replaced needs space, too: the database appends before it frees.
        if !self.has_room && !shrinks(&steps) {
            return Err(Refusal::Set(SetError::Full));
        }
        self.take(&set.owner, steps);
        Ok(())
    }

    /// Puts this into the place of an owner's note, or takes it away, but only if the note is still `was`, where
    /// that is said. It counts for no limit.
    pub(super) fn add_note(
        &mut self,
        owner: Owner,
        was: Option<Option<String>>,
        text: Option<String>,
    ) -> Result<(), Refusal> {
        if let Some(was) = was
            && self.note(&owner)? != was.filter(|it| !it.is_empty())
        {
            return Err(Refusal::Set(SetError::Outdated));
        }
        let value = text.map(|text| Value { text, elements: 0 });
        let step = self.step("", record::note_prefix(&owner), value.as_ref())?;
        if let Some(step) = step {
            self.reach(&step)?;
            if !self.has_room && !shrinks(std::slice::from_ref(&step)) {
                return Err(Refusal::Set(SetError::Full));
            }
            let before = self.writes.len();
            self.put(step);
            self.single &= self.writes.len() - before <= 1;
        }
        let text = value.map(|it| it.text).filter(|it| !it.is_empty());
        self.notes.insert(owner, text);
        Ok(())
    }

    /// What will be noted about an owner once the group has taken effect as it is. What cannot be read is as good
    /// as none: it can only be replaced.
    fn note(&self, owner: &Owner) -> Result<Option<String>, EngineError> {
        if let Some(note) = self.notes.get(owner) {
            return Ok(note.clone());
        }
        match read::note(self.engine, owner) {
            Ok(note) => Ok(note),
            Err(ReadFault::Damage(_)) => Ok(None),
            Err(ReadFault::Engine(error)) => Err(error),
        }
    }

    pub(super) fn writes(&mut self) -> Writes {
        let writes = std::mem::take(&mut self.writes);
        if self.single {
            Writes::Single(writes)
        } else {
            Writes::Together(writes)
        }
    }

    /// The writes were durable: what the group counted with is true now. Returns by how many bytes
    /// more, or less, lives in the database.
    pub(super) fn succeeded(self, mut census: Option<&mut Census>) -> i64 {
        for (owner, (before, usage)) in self.usages {
            if let Some(census) = &mut census {
                census.changed(&owner, before, usage.bytes);
            }
            self.cache.put(owner, usage);
        }
        self.growth
    }

    /// `None` if there is nothing to do: what is to be deleted is not there.
    fn step<'b>(
        &self,
        namespace: &'b str,
        prefix: Vec<u8>,
        value: Option<&Value>,
    ) -> Result<Option<Step<'b>>, Refusal> {
        let old = self.stored(&prefix)?;
        let (new, records) = match value {
            None if old.is_none() => return Ok(None),
            None => (None, Vec::new()),
            Some(value) => {
                let (new, records) =
                    record::encode(&prefix, value).ok_or(Refusal::Set(SetError::Unstorable))?;
                (Some(new), records)
            }
        };
        Ok(Some(Step {
            namespace,
            prefix,
            old,
            new,
            records,
        }))
    }

    fn stored(&self, prefix: &[u8]) -> Result<Option<Stored>, EngineError> {
        if let Some(stored) = self.sequences.get(prefix) {
            return Ok(*stored);
        }
        let key = record::key(prefix, 0);
        let (mut found, mut whole) = (None, true);
        self.engine.get(&key, &mut |record| {
            whole = record::decode_first(&key, record).is_ok();
            found = Some(Scale::default().weigh(&key, record));
        })?;
        if whole {
            return Ok(found);
        }
        let (mut scale, mut sum) = (Scale::default(), Stored::default());
        self.engine.scan(prefix, &mut |key, record| {
            let stored = scale.weigh(key, record);
            sum.bytes += stored.bytes;
            sum.chunks = sum.chunks.saturating_add(stored.chunks);
            std::ops::ControlFlow::Continue(())
        })?;
        Ok(Some(sum))
    }

    /// Reads what the step touches beside what was read for it: what cannot be read would end a batch in the midst of it.
    fn reach(&self, step: &Step<'_>) -> Result<(), EngineError> {
        let chunks = |stored: &Option<Stored>| stored.map_or(0, |it| it.chunks);
        let (old, new) = (chunks(&step.old), chunks(&step.new));
        for chunk in 0..old.max(new) {
            let key = record::key(&step.prefix, chunk);
            if chunk > 0 {
                self.engine.get(&key, &mut |_| {})?;
            }
            if chunk >= new {
                self.engine.can_remove(&key)?;
            }
        }
        Ok(())
    }

    fn usage(&mut self, owner: &Owner) -> Result<&Usage, EngineError> {
        if !self.usages.contains_key(owner) {
            let usage = match self.cache.take(owner) {
                Some(usage) => usage,
                None => Usage::count(self.engine, owner)?,
            };
            self.usages.insert(owner.clone(), (usage.bytes, usage));
        }
        Ok(&self.usages.entry(owner.clone()).or_default().1)
    }

    fn take(&mut self, owner: &Owner, steps: Vec<Step<'_>>) {
        let before = self.writes.len();
        let (_, usage) = self.usages.entry(owner.clone()).or_default();
        for step in &steps {
            let (old, new) = (step.old.unwrap_or_default(), step.new.unwrap_or_default());
            usage.change(step.namespace, old, new);
        }
        for step in steps {
            self.put(step);
        }
        self.single &= self.writes.len() - before <= 1;
    }

    fn put(&mut self, step: Step<'_>) {
        let (old, new) = (step.old.unwrap_or_default(), step.new.unwrap_or_default());
        let weight = |stored: &Stored| record::weight(&step.prefix, stored);
        self.growth += weight(&new) - weight(&old);
        let records = step.records.into_iter();
        self.writes
            .extend(records.map(|(key, value)| (key, Some(value))));
        // A shorter text leaves chunks behind that nothing would ever read again.
        let stale = new.chunks..old.chunks;
        self.writes
            .extend(stale.map(|chunk| (record::key(&step.prefix, chunk), None)));
        self.sequences.insert(step.prefix, step.new);
    }
}

/// Whether the set takes space from nobody: it deletes, or leaves less than there was.
fn shrinks(steps: &[Step<'_>]) -> bool {
    let (old, new) = totals(steps, |stored| stored.bytes);
    steps.iter().all(|step| step.new.is_none()) || new < old
}

/// What the steps change, by namespace: they come in the order of those.
fn growth<'a>(usage: &Usage, steps: &[Step<'a>]) -> Vec<Growth<'a>> {
    let amount = |steps: &[Step<'a>], side: fn(&Step<'a>) -> Option<Stored>| {
        let stored = steps.iter().filter_map(side);
        stored.fold(Amount::default(), |sum, it| Amount {
            bytes: sum.bytes + it.bytes,
            elements: sum.elements + it.elements,
        })
    };
    let namespaces = steps.chunk_by(|a, b| a.namespace == b.namespace);
    let grown = namespaces.map(|steps| {
        let namespace = steps.first().map_or("", |step| step.namespace);
        Growth {
            namespace,
            had: usage.namespace(namespace),
            old: amount(steps, |step| step.old),
            new: amount(steps, |step| step.new),
        }
    });
    grown.collect()
}

/// What the steps take away and what they bring.
fn totals(steps: &[Step<'_>], of: fn(&Stored) -> u64) -> (u64, u64) {
    let sum = |side: fn(&Step<'_>) -> Option<Stored>| {
        steps
            .iter()
            .filter_map(side)
            .map(|stored| of(&stored))
            .sum()
    };
    (sum(|step| step.old), sum(|step| step.new))
}
