//! How it goes on with writes that were sent.

use super::batch::Outcome;
use super::error::Trouble;
use super::load::{self, Marks};
use super::plan::{Effect, NoteChange, Plan};
use super::settle::{Verdict, judge};
use super::slot::Ready;
use xps_store::SetError;

/// How it goes on with a write that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Done,
    /// It has to be planned anew.
    Again,
    /// It is refused, or nobody knows what became of it.
    Failed(SetError),
}

/// Concludes from what the server has said, with another look where that does not tell all.
pub(crate) async fn conclude(
    ready: &Ready,
    plans: &mut [Plan<'_>],
    outcome: &Outcome,
    in_doubt: bool,
) -> Result<Vec<End>, Trouble> {
    let is_unsure = |(at, plan): (usize, &Plan<'_>)| {
        in_doubt && outcome.refused.contains(&at)
            || outcome.not_noted.contains(&at)
                && plan
                    .note
                    .as_ref()
                    .is_some_and(|it| needs_look(it, in_doubt))
    };
    let marks = match plans.iter().enumerate().any(is_unsure) {
        true => marks(ready, plans).await?,
        false => vec![Marks::default(); plans.len()],
    };
    let mut ends = Vec::with_capacity(plans.len());
    for (at, (plan, marks)) in plans.iter_mut().zip(marks).enumerate() {
        if let Some(note) = &plan.note {
            let is_noted = !outcome.not_noted.contains(&at)
                || needs_look(note, in_doubt) && is_noted(note, plan.stamp, &marks);
            plan.noted = Some(is_noted);
        }
        ends.push(match outcome.refused.contains(&at) {
            false => done(plan, in_doubt),
            true if !in_doubt => End::Again,
            true => end(plan, &marks),
        });
    }
    Ok(ends)
}

/// Looks what became of writes that may have been done before, and have not been done now.
pub(crate) async fn settle(ready: &Ready, plans: &mut [Plan<'_>]) -> Result<Vec<End>, Trouble> {
    let marks = marks(ready, plans).await?;
    let ends = plans.iter_mut().zip(marks).map(|(plan, marks)| {
        let note = plan.note.as_ref();
        let noted = note.map(|note| is_noted(note, plan.stamp, &marks));
        let end = match plan.effect {
            Effect::None if noted == Some(false) => End::Again,
            Effect::None => done(plan, true),
            Effect::Begin | Effect::GoOn => end(plan, &marks),
        };
        // It was one transaction.
        if end == End::Done || noted == Some(true) {
            plan.noted = noted.or(plan.noted);
        }
        end
    });
    Ok(ends.collect())
}

async fn marks(ready: &Ready, plans: &[Plan<'_>]) -> Result<Vec<Marks>, Trouble> {
    let owners: Vec<&str> = plans.iter().map(|plan| plan.job.owner.as_str()).collect();
    load::marks(ready, &owners).await
}

/// Where nothing was to be written and the answer rests on what was read, it must have been read from whom it was proved by.
fn done(plan: &Plan<'_>, in_doubt: bool) -> End {
    match in_doubt && plan.rests_on_what_is_known() {
        true => End::Again,
        false => End::Done,
    }
}

fn end(plan: &Plan<'_>, marks: &Marks) -> End {
    match judge(plan.was, plan.stamp, marks.owner) {
        Verdict::Done => End::Done,
        Verdict::NotDone => End::Again,
        Verdict::Unknown => End::Failed(SetError::Unreachable),
    }
}

/// Whether the server's answer about a note leaves open what became of it: one that had to be taken away may have gone
/// before, and one that had to be none and stay so was not looked at.
fn needs_look(note: &NoteChange<'_>, in_doubt: bool) -> bool {
    note.text.is_none() && (in_doubt || note.over == Some(None))
}

fn is_noted(note: &NoteChange<'_>, stamp: i64, marks: &Marks) -> bool {
    match note.text {
        Some(_) => marks.note == Some(stamp),
        None => marks.note.is_none(),
    }
}
