//! Everything out of one store into another that is empty, or holds what such a move has left behind.
//!
//! A move that was cut short is begun anew: in the meantime the service may have gone on with the old store.

use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use crate::admin::backup::Sum;
use crate::admin::progress::Progress;
use crate::archive::Document;
use crate::owners::{LocalStore, OwnersError, for_each_document};
use crate::start::moving;
use crate::store::{Change, ChangeSet, Owner, Quota, ReadError, SetError, Store};

/// How long is counted what there is to move, for the progress alone; and what was moved, to see that it is all.
const ESTIMATE: Duration = Duration::from_secs(5);
const COUNT: Duration = Duration::from_secs(3600);

/// So much is put at once, of each owner what they have and what is noted: many share a sync.
const OWNERS: usize = 1024;
const BYTES: usize = 4 * 1024 * 1024;

/// Why not everything was moved.
#[derive(Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Something is there already.
    NotEmpty,
    /// What is there already is a part of something else, which comes from there.
    Elsewhere(String),
    /// The old store cannot be read.
    From(OwnersError),
    /// The new one does not take it: why.
    To(String),
    /// What it has in the end is not what it was given.
    Differs(String),
}

impl From<OwnersError> for Trouble {
    fn from(error: OwnersError) -> Self {
        Self::From(error)
    }
}

/// Moves everything out of a store of this name; says how much.
pub fn all(
    (name, from): (&str, &Store),
    to: &Store,
    progress: &mut Progress,
) -> Result<Sum, Trouble> {
    let put = Put::new(to);
    begin(name, &put, progress)?;
    let total = from.totals(ESTIMATE).unwrap_or_default();
    let mut sum = Sum::default();
    let mut put = put;
    let from = LocalStore::without_limits(from.clone());
    for_each_document(&from, |document| -> Result<(), Trouble> {
        sum.name_damage(&document, progress);
        if !document.owner_data.entries.is_empty() {
            sum.add(&document);
        }
        put.document(document)?;
        match total.whole {
            true => progress.show_part(sum.owners, total.owners, sum.told()),
            false => progress.show(|| sum.told()),
        }
        Ok(())
    })?;
    put.wait()?;
    compare(&sum, to)?;
    put.note(moving(), None)?;
    Ok(sum)
}

/// Where what is being moved into a store comes from.
fn noted(store: &Store) -> Result<Option<String>, ReadError> {
    moving().map_or(Ok(None), |moving| store.note(&moving))
}

/// Notes that it has begun, and takes away what an earlier move has left.
fn begin(name: &str, put: &Put<'_>, progress: &mut Progress) -> Result<(), Trouble> {
    let unreadable = |error: ReadError| Trouble::To(error.to_string());
    let first = || put.to.owners(None, OWNERS).map_err(unreadable);
    match noted(put.to).map_err(unreadable)? {
        Some(other) if other != name => return Err(Trouble::Elsewhere(other)),
        Some(_) => {}
        None if !first()?.is_empty() => return Err(Trouble::NotEmpty),
        None => return put.note(moving(), Some(name.to_owned())),
    }
    let mut removed = 0;
    loop {
        let owners = first()?;
        if owners.is_empty() {
            return Ok(());
        }
        removed += owners.len();
        put.remove(owners)?;
        progress.show(|| format!("clearing away what was moved before: {removed} users"));
    }
}

/// All that was put is there, and nothing else.
fn compare(sum: &Sum, to: &Store) -> Result<(), Trouble> {
    let found = to.totals(COUNT);
    let found = found.map_err(|error| Trouble::To(error.to_string()))?;
    let amount = found.amount;
    if found.whole
        && (found.owners, amount.elements, amount.bytes) == (sum.owners, sum.elements, sum.bytes)
    {
        return Ok(());
    }
    Err(Trouble::Differs(format!(
        "it has {} users, {} elements and {} bytes, and {} users, {} elements and {} bytes were moved",
        found.owners, amount.elements, amount.bytes, sum.owners, sum.elements, sum.bytes
    )))
}

/// What is put into a store, many at once.
struct Put<'s> {
    to: &'s Store,
    done: Sender<Result<(), SetError>>,
    answers: Receiver<Result<(), SetError>>,
    waiting: usize,
    bytes: usize,
}

impl<'s> Put<'s> {
    fn new(to: &'s Store) -> Self {
        let (done, answers) = mpsc::channel();
        Self {
            to,
            done,
            answers,
            waiting: 0,
            bytes: 0,
        }
    }

    fn document(&mut self, document: Document) -> Result<(), Trouble> {
        let Document {
            owner,
            owner_data,
            note,
        } = document;
        // Also where there is none: one that somebody has left there who has nothing any more would be believed.
        self.bytes += note.as_ref().map_or(0, String::len);
        self.to.put_note(owner.clone(), note, self.answer());
        self.waiting += 1;
        let changes = owner_data.entries.into_iter().map(|entry| {
            self.bytes += entry.value.text.len();
            Change {
                namespace: entry.namespace,
                name: entry.name,
                value: Some(entry.value),
            }
        });
        let set = ChangeSet {
            changes: changes.collect(),
            owner,
            quota: Quota::NONE,
        };
        if !set.changes.is_empty() {
            self.to.submit(set, self.answer());
            self.waiting += 1;
        }
        match self.waiting >= 2 * OWNERS || self.bytes >= BYTES {
            true => self.wait(),
            false => Ok(()),
        }
    }

    /// Waits until all that was put is durable.
    fn wait(&mut self) -> Result<(), Trouble> {
        self.bytes = 0;
        answered(&self.answers, std::mem::take(&mut self.waiting))
    }

    fn note(&self, owner: Option<Owner>, text: Option<String>) -> Result<(), Trouble> {
        let Some(owner) = owner else { return Ok(()) };
        self.to.put_note(owner, text, self.answer());
        answered(&self.answers, 1)
    }

    fn remove(&self, owners: Vec<Owner>) -> Result<(), Trouble> {
        let count = owners.len();
        for owner in owners {
            self.to.remove(owner, self.answer());
        }
        answered(&self.answers, count)
    }

    fn answer(&self) -> impl FnOnce(Result<(), SetError>) + Send + 'static {
        let done = self.done.clone();
        // Whoever waits may have gone at the first trouble.
        move |result| drop(done.send(result))
    }
}

fn answered(answers: &Receiver<Result<(), SetError>>, count: usize) -> Result<(), Trouble> {
    let mut answers = answers.iter().take(count);
    answers
        .try_for_each(|answer| answer)
        .map_err(|error| Trouble::To(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Value;

    fn owner(address: &str) -> Owner {
        Owner::new(address).unwrap()
    }

    fn put(store: &Store, address: &str, name: &str, text: &str) {
        let value = Value {
            text: text.to_owned(),
            elements: 1,
        };
        let change = Change {
            namespace: "n".to_owned(),
            name: name.to_owned(),
            value: Some(value),
        };
        let set = ChangeSet {
            owner: owner(address),
            quota: Quota::NONE,
            changes: vec![change],
        };
        store.submit(set, |result| assert_eq!(result, Ok(())));
    }

    fn note(store: &Store, address: &str, text: Option<&str>) {
        let text = text.map(str::to_owned);
        store.put_note(owner(address), text, |result| assert_eq!(result, Ok(())));
    }

    fn moved(from: &Store, to: &Store) -> Result<Sum, Trouble> {
        all(("sled", from), to, &mut Progress::on_terminal())
    }

    /// Everybody with all that they have, and what is noted about them.
    fn content(store: &Store) -> Vec<(String, String, Option<String>)> {
        let owners = store.owners(None, usize::MAX).unwrap().into_iter();
        let content = owners.map(|owner| {
            let entries = store.owner_data(&owner).unwrap().entries;
            let note = store.note(&owner).unwrap();
            (owner.as_str().to_owned(), format!("{entries:?}"), note)
        });
        content.collect()
    }

    fn filled() -> Store {
        let store = Store::by_caller();
        for number in 0..2500 {
            let address = format!("u{number}@h");
            put(&store, &address, "a", "<a/>");
            if number % 3 == 0 {
                put(&store, &address, "b", &format!("<b>{number}</b>"));
                note(&store, &address, Some(&format!("note {number}")));
            }
        }
        put(&store, "long@h", "a", &"x".repeat(5 << 20));
        store
    }

    #[test]
    fn everything_is_moved_with_its_notes_and_stays_where_it_was() {
        let (from, to) = (filled(), Store::by_caller());
        let before = content(&from);
        let sum = moved(&from, &to).unwrap();
        assert_eq!((sum.owners, sum.damaged), (2501, 0));
        assert_eq!(content(&to), before);
        assert_eq!(content(&from), before);
        assert_eq!(to.note(&moving().unwrap()), Ok(None));
        assert_eq!(moved(&from, &to).err(), Some(Trouble::NotEmpty));
        assert_eq!(content(&to), before);
    }

    /// The old store went on, and the rest of a move came to what was moved before.
    #[test]
    fn what_was_cut_short_is_begun_anew() {
        let (from, to) = (filled(), Store::by_caller());
        note(&to, moving().unwrap().as_str(), Some("sled"));
        put(&to, "u0@h", "a", "<a>old</a>");
        put(&to, "u1@h", "gone", "<gone/>");
        put(&to, "gone@h", "a", "<a/>");
        note(&to, "u1@h", Some("old"));
        moved(&from, &to).unwrap();
        assert_eq!(content(&to), content(&from));
        assert_eq!(to.note(&moving().unwrap()), Ok(None));
    }

    /// Such a note says which rooms were in step, and what is not there any more was then deleted.
    #[test]
    fn what_was_noted_about_somebody_who_has_left_is_not_believed() {
        let (from, to) = (filled(), Store::by_caller());
        note(&to, "u1@h", Some("old"));
        moved(&from, &to).unwrap();
        assert_eq!(content(&to), content(&from));
    }

    #[test]
    fn what_comes_from_elsewhere_is_left_alone() {
        let (from, to) = (filled(), Store::by_caller());
        note(&to, moving().unwrap().as_str(), Some("postgres"));
        put(&to, "a@h", "a", "<a/>");
        let elsewhere = Trouble::Elsewhere("postgres".to_owned());
        assert_eq!(moved(&from, &to).err(), Some(elsewhere));
        assert_eq!(content(&to).len(), 1);
    }

    #[test]
    fn until_everything_is_there_it_is_noted() {
        let distant = crate::store::suite::Distant::by_caller();
        let to = Store::on(distant.clone());
        put(&to, "a@h", "a", "<a/>");
        note(&to, moving().unwrap().as_str(), Some("sled"));
        distant.set_away(true);
        assert!(matches!(moved(&filled(), &to), Err(Trouble::To(_))));
        distant.set_away(false);
        assert_eq!(to.note(&moving().unwrap()), Ok(Some("sled".to_owned())));
    }
}
