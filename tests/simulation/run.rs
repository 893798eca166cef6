//! One run: a world, the component in it, and what has come of it.

use std::cell::{Cell, RefCell};
use std::io::ErrorKind;
use std::panic;
use std::rc::Rc;
use std::sync::Once;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::task::LocalSet;
use tokio::time::{sleep, sleep_until};
use xmpp_private_storage::link::Endpoint;
use xmpp_private_storage::link::simulation::{Dialled, Reads, Writes, connect_as_ever, connect_by};
use xps_base::simulation::play;

use super::life::{Life, process_of};
use super::line;
use super::plan::Plan;
use super::predicate::{self, Violation};
use super::world::{Shared, World};

/// More steps than any run takes that does not go round in circles.
const STEPS: u64 = 1_000_000;

/// What has come of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub digest: u64,
    pub steps: u64,
    /// In milliseconds of the world.
    pub lasted: u64,
    pub answers: u64,
    pub processes: u64,
    pub lines: usize,
    /// Sets that were acknowledged, and those of which nobody knew what had become of them.
    pub acknowledged: u64,
    pub doubts: u64,
    pub violation: Option<Violation>,
    pub story: Vec<String>,
}

thread_local! {
    /// How many panics there were in the world of this thread; `None` where there is none.
    static PANICS: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Plays this, and keeps the story if it is to be told.
pub fn run(plan: &Plan, is_told: bool) -> Outcome {
    count_panics();
    PANICS.set(Some(0));
    let mut runtime = Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime");
    let local = LocalSet::new();
    let (world, played) = local.block_on(&runtime, async {
        let played = play(plan.seed);
        let world = Rc::new(RefCell::new(World::new(plan, is_told)));
        let of_dial = Rc::clone(&world);
        connect_by(move |server| dial(Rc::clone(&of_dial), server));
        go_through(&world).await;
        (world, played)
    });
    drop(local);
    connect_as_ever();
    drop(played);
    PANICS.set(None);
    let world = world.borrow();
    Outcome {
        digest: world.trace.digest(),
        steps: world.trace.steps,
        lasted: world.ended_at,
        answers: world.answers,
        processes: world.processes,
        lines: world.lines.len(),
        acknowledged: world.owners.iter().map(|it| it.acknowledged).sum(),
        doubts: world.owners.iter().map(|it| it.doubts).sum(),
        violation: world.violation.clone(),
        story: world.trace.story().to_vec(),
    }
}

/// From the first moment to the last.
async fn go_through(world: &Shared) {
    let changed = Rc::clone(&world.borrow().changed);
    while !world.borrow().is_over() {
        let next = world.borrow().next_moment();
        tokio::select! {
            biased;
            () = sleep_until(next) => {}
            () = changed.notified() => continue,
        }
        let launched = {
            let mut world = world.borrow_mut();
            world.step();
            if world.trace.steps > STEPS {
                world.fail(Violation::new(predicate::WORK, format!("{STEPS} steps")));
            }
            if let Some(panics) = PANICS.get().filter(|it| *it > 0) {
                world.fail(Violation::new(predicate::PANIC, format!("{panics} panics")));
            }
            let instances = world.instances.iter_mut().enumerate();
            let launched = instances.filter_map(|(at, it)| Some((at, it.to_launch.take()?)));
            launched.collect::<Vec<_>>()
        };
        for (instance, process) in launched {
            let life = Life::begin(world, instance, process);
            world.borrow_mut().instances[instance].life = Some(life);
        }
    }
    let mut world = world.borrow_mut();
    world.ended_at = world.now();
}

fn dial(world: Shared, server: &Endpoint) -> Dialled {
    let process = process_of(server);
    Box::pin(async move {
        let takes = world.borrow_mut().network.between(1, 20);
        sleep(Duration::from_millis(takes)).await;
        let line = process.and_then(|it| world.borrow_mut().dialled(it));
        let line = line.ok_or(ErrorKind::ConnectionRefused)?;
        let reads = line::Reads {
            world: Rc::clone(&world),
            line,
        };
        let writes = line::Writes { world, line };
        Ok((Reads(Box::new(reads)), Writes(Box::new(writes))))
    })
}

/// From now on panics in a world are counted, and say nothing.
fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| match PANICS.get() {
            Some(panics) if std::env::var_os("SIMULATION_SEED").is_none() => {
                PANICS.set(Some(panics + 1));
            }
            Some(panics) => {
                PANICS.set(Some(panics + 1));
                before(info);
            }
            None => before(info),
        }));
    });
}
