//! The writes of several owners as statements: all of them in one round trip.
//!
//! Each owner's write happens wholly or not at all, and those of the others do not depend on it.

use std::collections::HashSet;
use std::pin::Pin;

use futures_util::future::{join, join_all};
use tokio_postgres::{Row, Statement};

use super::columns::{Columns, Elements, Keys, Notes, Owners, keys};
use super::error::Trouble;
use super::plan::{Effect, Plan};
use super::slot::Ready;
use super::wire::{Parameters, Wire};

/// Writes that are sent together, again with the same stamps where it is not known what became of them.
pub(crate) struct Batch<'a> {
    plans: &'a [Plan<'a>],
    puts: Vec<Keys>,
    deletes: Vec<Keys>,
}

/// What the server says of a batch.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// The plans whose owners do not bear their stamps now, by their places.
    pub(crate) refused: HashSet<usize>,
    /// Those whose notes are not known to be what was wanted.
    pub(crate) not_noted: HashSet<usize>,
    /// Whether something was committed behind all that it says: a server that was replaced cannot have that confirmed.
    pub(crate) is_proved: bool,
    /// Whether it was committed on one machine alone although that must not be.
    pub(crate) is_unsynchronised: bool,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(plans: &'a [Plan<'a>]) -> Self {
        let puts = plans.iter().flat_map(|plan| {
            let puts = plan.puts();
            puts.map(|(namespace, name, _)| keys(namespace, name))
        });
        let deletes = plans.iter().flat_map(|plan| {
            let deletes = plan.deletes();
            deletes.map(|(namespace, name)| keys(namespace, name))
        });
        Self {
            plans,
            puts: puts.collect(),
            deletes: deletes.collect(),
        }
    }

    /// Sends it. Where it is in doubt whether it was done before, what is found done is also proved to be kept.
    pub(crate) async fn send(&self, ready: &Ready, in_doubt: bool) -> Result<Outcome, Trouble> {
        let is_simple = |plan: &Plan<'_>| plan.effect == Effect::GoOn && plan.note.is_none();
        let sending = async {
            match self.deletes.is_empty() && self.plans.iter().all(is_simple) {
                true => self.send_at_once(ready).await,
                false => self.send_as_transaction(ready).await,
            }
        };
        if !in_doubt {
            return sending.await;
        }
        let (outcome, proof) = join(sending, ready.wire.query(&ready.statements.proof, &[])).await;
        let mut outcome = outcome?;
        proof?;
        outcome.is_proved = true;
        Ok(outcome)
    }

    async fn send_at_once(&self, ready: &Ready) -> Result<Outcome, Trouble> {
        let owners = Owners::of(self.plans, |_| true);
        let puts = Elements::put(self.plans, &self.puts);
        let parameters: &Parameters<'_> = &[
            &owners.owner,
            &owners.stamp,
            &owners.was,
            &owners.bytes,
            &owners.elements,
            &puts.owner,
            &puts.namespace_key,
            &puts.name_key,
            &puts.namespace,
            &puts.name,
            &puts.elements,
            &puts.text,
        ];
        let rows = ready
            .wire
            .query(&ready.statements.change, parameters)
            .await?;
        let row = one(&rows)?;
        let refused = places(row, 0, &owners.places)?;
        Ok(Outcome {
            is_proved: refused.len() < self.plans.len(),
            refused,
            not_noted: HashSet::new(),
            is_unsynchronised: !row.try_get::<_, bool>(1)?,
        })
    }

    async fn send_as_transaction(&self, ready: &Ready) -> Result<Outcome, Trouble> {
        let with = &ready.statements;
        let begun = Owners::of(self.plans, |it| it == Effect::Begin);
        let kept = Owners::of(self.plans, |it| it == Effect::GoOn);
        let there = Owners::of(self.plans, |it| it != Effect::None);
        let puts = Elements::put(self.plans, &self.puts);
        let deletes = Elements::delete(self.plans, &self.deletes);
        let noted = Notes::of(self.plans, |it| it.text.is_some());
        let any = Notes::of(self.plans, |it| it.text.is_some() && it.over.is_none());
        let new = Notes::of(self.plans, |it| it.text.is_some() && it.over == Some(None));
        let over = Notes::of(self.plans, |it| {
            it.text.is_some() && it.over.flatten().is_some()
        });
        let gone = Notes::of(self.plans, |it| it.text.is_none());

        let mut sent = Pipeline::new(&ready.wire);
        sent.run("begin");
        sent.query(&with.begin, begun.begin());
        sent.query(&with.go_on, kept.go_on());
        sent.query(&with.lock, there.lock());
        sent.query(&with.put, puts.put_columns());
        sent.query(&with.delete, deletes.delete_columns());
        sent.query(&with.annotate, any.put_columns());
        sent.query(&with.note, new.put_columns());
        sent.query(&with.renote, over.replace_columns());
        let forgets = sent.query(&with.forget, gone.forget_columns());
        let refused = sent.ask(
            &with.refused,
            vec![&there.owner, &there.stamp, &noted.owner, &noted.stamp],
        );
        sent.run("commit");
        let answers = sent.answers().await?;

        let row = one(answers.get(refused).map_or(&[], Vec::as_slice))?;
        let forgotten = owners_in(forgets.and_then(|at| answers.get(at)))?;
        let (refused, not_noted) = (
            places(row, 0, &there.places)?,
            places(row, 1, &noted.places)?,
        );
        let mut outcome = Outcome {
            is_proved: refused.len() < there.places.len()
                || not_noted.len() < noted.places.len()
                || !forgotten.is_empty(),
            refused,
            not_noted,
            is_unsynchronised: !row.try_get::<_, bool>(2)?,
        };
        // One that goes whatever it is has gone.
        let certain = |place: &usize| {
            let note = self.plans.get(*place).and_then(|plan| plan.note.as_ref());
            note.is_none_or(|note| note.over.is_none())
        };
        let missing = missing(&gone.places, &gone.owner, &forgotten);
        outcome
            .not_noted
            .extend(missing.into_iter().filter(|place| !certain(place)));
        Ok(outcome)
    }
}

/// A statement, and the rows that answer it.
type Sent<'p> = Pin<Box<dyn Future<Output = Result<Vec<Row>, Trouble>> + 'p>>;

/// Statements that are sent in one go, and answered in that order.
struct Pipeline<'p> {
    wire: &'p Wire,
    sent: Vec<Sent<'p>>,
}

impl<'p> Pipeline<'p> {
    fn new(wire: &'p Wire) -> Self {
        Self {
            wire,
            sent: Vec::new(),
        }
    }

    fn run(&mut self, text: &'static str) {
        let wire = self.wire;
        self.sent.push(Box::pin(async move {
            wire.run(text).await?;
            Ok(Vec::new())
        }));
    }

    /// Sends a statement about these columns, if they have any rows.
    fn query(&mut self, statement: &'p Statement, columns: Option<Columns<'p>>) -> Option<usize> {
        columns.map(|columns| self.ask(statement, columns))
    }

    fn ask(&mut self, statement: &'p Statement, columns: Columns<'p>) -> usize {
        let wire = self.wire;
        let asking = async move { wire.query(statement, &columns).await };
        self.sent.push(Box::pin(asking));
        self.sent.len() - 1
    }

    /// All answers, or what went wrong first: what follows in a transaction that has failed says nothing, and its end
    /// says that all is well.
    async fn answers(self) -> Result<Vec<Vec<Row>>, Trouble> {
        join_all(self.sent).await.into_iter().collect()
    }
}

fn one(rows: &[Row]) -> Result<&Row, Trouble> {
    let strange = || Trouble::Refused("it answered without a row".to_owned());
    rows.first().ok_or_else(strange)
}

/// The places of the plans that the server numbers, from 1 on, in a column.
fn places(row: &Row, column: usize, places: &[usize]) -> Result<HashSet<usize>, Trouble> {
    let numbers: Vec<i64> = row.try_get(column)?;
    let numbers = numbers
        .into_iter()
        .filter_map(|number| usize::try_from(number).ok());
    let place = |number: usize| places.get(number.checked_sub(1)?).copied();
    Ok(numbers.filter_map(place).collect())
}

fn owners_in(rows: Option<&Vec<Row>>) -> Result<HashSet<String>, Trouble> {
    let rows = rows.map_or(&[][..], Vec::as_slice).iter();
    let owners = rows.map(|row| row.try_get(0));
    Ok(owners.collect::<Result<_, tokio_postgres::Error>>()?)
}

/// The places of those owners who are not among the others.
fn missing(places: &[usize], owners: &[&str], found: &HashSet<String>) -> Vec<usize> {
    let all = places.iter().zip(owners);
    let missing = all.filter(|(_, owner)| !found.contains(**owner));
    missing.map(|(place, _)| *place).collect()
}
