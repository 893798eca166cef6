//! Carries out what waits on the board, group by group.
//!
//! Invariants: who is told that something is done, is told after its commit was confirmed; nothing that was sent is
//! given up before it is known what became of it, or nobody can know, or nobody waits for it any more; nothing is answered
//! from what is known alone, without a write over its stamp or a look that began after it was asked; and nothing is said
//! by a server that may have been replaced.

use std::rc::Rc;

use tokio::time::timeout;

use super::batch::{Batch, Outcome};
use super::conclude::{End, conclude, settle};
use super::error::Trouble;
use super::known::Known;
use super::load;
use super::plan::Plan;
use super::slot::{Ready, Slot};
use super::state::{LOOK_EVERY, State};
use super::work::Job;
use xps_base::clock::{self, Instant};
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
            let Some(ready) = self.ready().await else {
                continue;
            };
            open = match self.load(&ready, open).await {
                Ok(open) => self.go_on(&ready, open).await,
                Err(open) => open,
            };
        }
    }

    /// The connection; `None` if there is none yet, and somebody may have given up waiting.
    async fn ready(&self) -> Option<Rc<Ready>> {
        timeout(LOOK_EVERY, self.slot.ready()).await.ok()
    }

    /// Reads what those have who are not known: the first of them at least. `Err` with all if it has to be tried again.
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
        let mut loaded = load::known(ready, &owners).await;
        if let Err(trouble) = &loaded {
            let error = self.state.trouble(ready, trouble).await;
            let (Some(_), Some(first)) = (error, owners.first()) else {
                return Err(open);
            };
            // One of them cannot be read. It must not cost the others.
            loaded = load::known(ready, std::slice::from_ref(first)).await;
        }
        match loaded {
            Ok(loaded) => {
                for (at, known) in strangers.into_iter().zip(loaded) {
                    if let Some(it) = open.get_mut(at) {
                        (it.is_fresh, it.known) = (known.is_some(), known);
                    }
                }
                Ok(open)
            }
            Err(trouble) => {
                let first = strangers.first().and_then(|at| open.get(*at));
                if let (Some(error), Some(it)) = (self.state.trouble(ready, &trouble).await, first)
                {
                    it.job.tell(&Err(error));
                }
                Err(open)
            }
        }
    }

    /// Plans and writes. What has to be done again.
    async fn go_on<'a>(&self, ready: &Rc<Ready>, open: Vec<Open<'a>>) -> Vec<Open<'a>> {
        let (mut again, mut idle, mut plans) = (Vec::new(), Vec::new(), Vec::new());
        for mut it in open {
            let Some(known) = it.known.take() else {
                again.push(it);
                continue;
            };
            let plan = Plan::new(it.job, known, it.noted);
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
            again.extend(self.write(ready, plans).await);
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
            self.state.cache.borrow_mut().put(job.owner.clone(), known);
        }
        Vec::new()
    }

    /// Writes these, and tells how it went. Those that have to be planned anew.
    async fn write<'a>(&self, ready: &Rc<Ready>, mut plans: Vec<Plan<'a>>) -> Vec<Open<'a>> {
        let ends = self.send(ready, &mut plans).await;
        let mut again = Vec::new();
        for (plan, end) in plans.into_iter().zip(ends) {
            let (job, noted) = (plan.job, plan.noted);
            match end {
                End::Done => {
                    let known = plan.tell();
                    self.state.cache.borrow_mut().put(job.owner.clone(), known);
                }
                End::Again => again.push(reopen(job, noted)),
                End::Failed(error) => job.tell(&Err(error)),
            }
        }
        again
    }

    /// Sends these until it is known what became of each, or nobody waits for any: first over the connection over which
    /// was read what they rest on.
    async fn send(&self, first: &Rc<Ready>, plans: &mut [Plan<'_>]) -> Vec<End> {
        let (mut ready, mut doubt) = (Rc::clone(first), None);
        loop {
            let trouble = match self.attempt(&ready, plans, doubt.is_some()).await {
                Ok(ends) => return ends,
                Err(trouble) => trouble,
            };
            match self.state.trouble(&ready, &trouble).await {
                None if trouble == Trouble::InTheWay => continue,
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
                Some(error) => return self.divide(&ready, plans, &trouble, error).await,
            }
            let Some(next) = self.another(plans).await else {
                let lost = || End::Failed(SetError::Unreachable);
                return plans.iter().map(|_| lost()).collect();
            };
            ready = next;
        }
    }

    /// Another connection for these; `None` once nobody waits for them, or where the store is being closed without one.
    async fn another(&self, plans: &[Plan<'_>]) -> Option<Rc<Ready>> {
        let is_awaited = || {
            // The process may have been stopped.
            self.state.expire(Instant::now());
            plans.iter().any(|plan| plan.job.is_awaited())
        };
        while is_awaited() {
            match self.ready().await {
                Some(ready) => return Some(ready),
                None if self.state.is_closing.get() => return None,
                None => {}
            }
        }
        None
    }

    /// Sends these once.
    async fn attempt(
        &self,
        ready: &Ready,
        plans: &mut [Plan<'_>],
        in_doubt: bool,
    ) -> Result<Vec<End>, Trouble> {
        let (begun, sent) = (Instant::now(), clock::uptime());
        let outcome = Batch::new(plans).send(ready, in_doubt).await?;
        if outcome.is_unsynchronised {
            let reason = "the primary has no synchronous standby any more";
            return Err(Trouble::Lost(reason.to_owned()));
        }
        self.state.shared.observe(|it| {
            it.round_trip(begun.elapsed());
            it.synced(begun.elapsed());
        });
        // From here on, it may have been done.
        let lost = |trouble: Trouble| Trouble::Lost(trouble.to_string());
        if outcome.is_proved {
            self.state.lease.prove(ready.epoch, sent);
        } else if says_anything(plans, &outcome) {
            self.state.prove(ready).await.map_err(lost)?;
        }
        let ends = conclude(ready, plans, &outcome, in_doubt).await;
        ends.map_err(lost)
    }

    /// The server does not take these. Where that may be for one alone, the others are sent without it.
    async fn divide(
        &self,
        ready: &Rc<Ready>,
        plans: &mut [Plan<'_>],
        trouble: &Trouble,
        error: SetError,
    ) -> Vec<End> {
        let may_be_one = matches!(
            trouble,
            Trouble::Content(_) | Trouble::Full(_) | Trouble::Damaged(_)
        );
        if plans.len() < 2 || !may_be_one {
            return plans.iter().map(|_| End::Failed(error.clone())).collect();
        }
        let (first, second) = plans.split_at_mut(plans.len() / 2);
        let mut ends = Box::pin(self.send(ready, first)).await;
        ends.extend(Box::pin(self.send(ready, second)).await);
        ends
    }
}

/// Whether anything follows from this, but that all of it has to be planned anew.
fn says_anything(plans: &[Plan<'_>], outcome: &Outcome) -> bool {
    let mut plans = plans.iter().enumerate();
    plans.any(|(at, plan)| plan.note.is_some() || !outcome.refused.contains(&at))
}

fn reopen(job: &Job, noted: Option<bool>) -> Open<'_> {
    Open {
        job,
        known: None,
        is_fresh: false,
        noted,
    }
}
