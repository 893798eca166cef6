//! Carries out what waits on the board, group by group.
//!
//! Invariants: who is told that something is done, is told after its commit was confirmed; nothing that was sent is
//! given up before it is known what became of it, or nobody can know; nothing is answered from what is known alone,
//! without a write over its stamp or a look that began after it was asked.

use std::rc::Rc;

use tokio::time::timeout;

use super::batch::Batch;
use super::conclude::{End, conclude, settle};
use super::error::Trouble;
use super::known::Known;
use super::load;
use super::plan::Plan;
use super::slot::{Ready, Slot};
use super::state::{LOOK_EVERY, State};
use super::work::Job;
use xps_base::clock::Instant;
use xps_store::SetError;

pub(crate) struct Writer {
    pub(crate) state: Rc<State>,
    pub(crate) slot: Rc<Slot>,
}

/// A job that is not over yet.
struct Open<'a> {
    job: &'a Job,
    /// What is known of the owner, if anything is.
    known: Option<Known>,
    /// Whether that was read for this job.
    is_fresh: bool,
    /// How it went with the note, if that is over.
    noted: Option<bool>,
}

impl Writer {
    /// Carries out what waits, for ever.
    pub(crate) async fn run(&self) {
        loop {
            let group = self.state.begin(self.state.board.take().await);
            let changes = group.jobs.iter().map(|job| job.items.len()).sum();
            self.carry_out(&group.jobs).await;
            self.state.shared.observe(|it| it.group(changes));
        }
    }

    async fn carry_out(&self, jobs: &[Job]) {
        let mut open: Vec<Open<'_>> = jobs
            .iter()
            .map(|job| Open {
                job,
                known: self.state.cache.borrow_mut().take(&job.owner),
                is_fresh: false,
                noted: None,
            })
            .collect();
        loop {
            open.retain(|it| it.job.is_awaited());
            if open.is_empty() {
                return;
            }
            let Some(ready) = self.ready(false).await else {
                continue;
            };
            open = match self.load(&ready, open).await {
                Ok(open) => self.go_on(&ready, open).await,
                Err(open) => open,
            };
        }
    }

    /// The connection; `None` if there is none yet, and somebody may have given up waiting. What is in doubt waits
    /// for as long as it takes.
    async fn ready(&self, in_doubt: bool) -> Option<Rc<Ready>> {
        loop {
            match timeout(LOOK_EVERY, self.slot.ready()).await {
                Ok(ready) => return Some(ready),
                Err(_) if in_doubt && !self.state.is_closing.get() => {}
                Err(_) => return None,
            }
        }
    }

    /// Reads what those have who are not known. `Err` with all of them if it has to be tried again.
    async fn load<'a>(
        &self,
        ready: &Ready,
        mut open: Vec<Open<'a>>,
    ) -> Result<Vec<Open<'a>>, Vec<Open<'a>>> {
        let strangers: Vec<usize> = (0..open.len())
            .filter(|at| open.get(*at).is_some_and(|it| it.known.is_none()))
            .collect();
        if strangers.is_empty() {
            return Ok(open);
        }
        let owners: Vec<&str> = strangers
            .iter()
            .filter_map(|at| Some(open.get(*at)?.job.owner.as_str()))
            .collect();
        let loaded = load::known(ready, &owners).await;
        match loaded {
            Ok(loaded) => {
                for (at, known) in strangers.into_iter().zip(loaded) {
                    if let Some(it) = open.get_mut(at) {
                        (it.known, it.is_fresh) = (Some(known), true);
                    }
                }
                Ok(open)
            }
            Err(trouble) => {
                if let Some(error) = self.state.trouble(ready, &trouble).await {
                    open.iter().for_each(|it| it.job.tell(&Err(error.clone())));
                }
                Err(open)
            }
        }
    }

    /// Plans and writes. What has to be done again.
    async fn go_on<'a>(&self, ready: &Ready, open: Vec<Open<'a>>) -> Vec<Open<'a>> {
        let (mut again, mut idle, mut plans) = (Vec::new(), Vec::new(), Vec::new());
        for it in open {
            let plan = Plan::new(it.job, it.known.unwrap_or_default(), it.noted);
            if plan.rests_on_what_is_known() && !it.is_fresh {
                again.push(reopen(plan.job, it.noted));
            } else if plan.is_idle() {
                idle.push(plan);
            } else {
                plans.push(plan);
            }
        }
        if !idle.is_empty() {
            again.extend(self.answer(ready, idle).await);
        }
        plans.sort_by(|a, b| a.job.owner.cmp(&b.job.owner));
        if !plans.is_empty() {
            again.extend(self.write(plans).await);
        }
        again
    }

    /// Answers those for whom there is nothing to write, once what was read for them is proved.
    async fn answer<'a>(&self, ready: &Ready, idle: Vec<Plan<'a>>) -> Vec<Open<'a>> {
        if let Err(trouble) = self.state.prove(ready).await {
            let error = self.state.trouble(ready, &trouble).await;
            if let Some(error) = error {
                idle.iter()
                    .for_each(|plan| plan.job.tell(&Err(error.clone())));
            }
            return idle
                .into_iter()
                .map(|plan| reopen(plan.job, plan.noted))
                .collect();
        }
        for plan in idle {
            let job = plan.job;
            let known = plan.tell();
            self.state.cache.borrow_mut().put(&job.owner, known);
        }
        Vec::new()
    }

    /// Writes these, and tells how it went. Those that have to be planned anew.
    async fn write<'a>(&self, mut plans: Vec<Plan<'a>>) -> Vec<Open<'a>> {
        let ends = self.send(&mut plans).await;
        let mut again = Vec::new();
        for (plan, end) in plans.into_iter().zip(ends) {
            let (job, noted) = (plan.job, plan.noted);
            match end {
                End::Done => {
                    let known = plan.tell();
                    self.state.cache.borrow_mut().put(&job.owner, known);
                }
                End::Again => again.push(reopen(job, noted)),
                End::Failed(error) => job.tell(&Err(error)),
            }
        }
        again
    }

    /// Sends these until it is known what became of each.
    async fn send(&self, plans: &mut [Plan<'_>]) -> Vec<End> {
        let mut doubt = None;
        loop {
            let Some(ready) = self.ready(doubt.is_some()).await else {
                // Never sent, or nobody will ever know: whoever still waits is told at their deadline.
                let is_lost = doubt.is_some();
                let end = || match is_lost {
                    true => End::Failed(SetError::Unreachable),
                    false => End::Again,
                };
                return plans.iter().map(|_| end()).collect();
            };
            let sent = Instant::now();
            let outcome = Batch::new(plans).send(&ready, doubt.is_some()).await;
            let took = sent.elapsed();
            let trouble = match outcome {
                Ok(outcome) if !outcome.is_unsynchronised => {
                    self.state.shared.observe(|it| {
                        it.round_trip(took);
                        it.synced(took);
                    });
                    // What was refused has committed nothing.
                    if doubt.is_some() || outcome.refused.len() < plans.len() {
                        self.state.lease.prove(ready.epoch, sent);
                    }
                    match conclude(&ready, plans, &outcome, doubt.is_some()).await {
                        Ok(ends) => return ends,
                        Err(trouble) => Trouble::Lost(trouble.to_string()),
                    }
                }
                Ok(_) => {
                    Trouble::Lost("the primary has no synchronous standby any more".to_owned())
                }
                Err(trouble) => trouble,
            };
            match self.state.trouble(&ready, &trouble).await {
                None if trouble == Trouble::InTheWay => {}
                None => {
                    let changes = plans.iter().map(|plan| plan.job.items.len()).sum();
                    doubt.get_or_insert_with(|| self.state.doubt(changes));
                }
                // It did nothing, this time.
                Some(_) if doubt.is_some() => match settle(&ready, plans).await {
                    Ok(ends) => return ends,
                    // On another connection it may go better.
                    Err(trouble) => {
                        let lost = Trouble::Lost(trouble.to_string());
                        let _ = self.state.trouble(&ready, &lost).await;
                    }
                },
                Some(error) => return self.divide(plans, &trouble, error).await,
            }
        }
    }

    /// The server does not take these. Where that may be for one alone, the others are sent without it.
    async fn divide(&self, plans: &mut [Plan<'_>], trouble: &Trouble, error: SetError) -> Vec<End> {
        let may_be_one = matches!(trouble, Trouble::Content(_) | Trouble::Full(_));
        if plans.len() < 2 || !may_be_one {
            return plans.iter().map(|_| End::Failed(error.clone())).collect();
        }
        let (first, second) = plans.split_at_mut(plans.len() / 2);
        let mut ends = Box::pin(self.send(first)).await;
        ends.extend(Box::pin(self.send(second)).await);
        ends
    }
}

fn reopen(job: &Job, noted: Option<bool>) -> Open<'_> {
    Open {
        job,
        known: None,
        is_fresh: false,
        noted,
    }
}
