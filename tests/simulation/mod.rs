//! The whole service in a world that is played: one process, one thread, one seed.
//!
//! What is real: the component with its link, its requests, service and store. What is played: time, chance, the
//! network, the server, owners, the disk and the power (docs/internals/simulator.md). A seed comes to the same run, to
//! the step, each time.
//!
//! `SIMULATION_SEED` begins with another seed, and `SIMULATION_SEEDS` says how many follow. The long form is
//! `scripts/prove-simulation`.

mod account;
mod ending;
mod fate;
mod life;
mod line;
mod node;
mod owner;
mod pep;
mod plan;
mod predicate;
mod run;
mod server;
mod story;
mod trace;
mod world;

use std::time::Instant;

use crate::chaos::variable;
use plan::Plan;
use run::run;

/// How many seeds are played where nobody says how many.
const SEEDS: u64 = 500;

#[test]
fn nothing_goes_wrong_whatever_happens() {
    let first: u64 = variable("SIMULATION_SEED").unwrap_or(1);
    let seeds: u64 = variable("SIMULATION_SEEDS").unwrap_or(SEEDS);
    let begun = Instant::now();
    let mut sum = [0; 6];
    for seed in first..first + seeds {
        let plan = Plan::of(seed);
        let outcome = run(&plan, false);
        if outcome.violation.is_some() {
            let shortest = story::shrunk(&plan, &outcome);
            panic!("{}", story::told(&shortest));
        }
        let counts = [
            outcome.lasted,
            outcome.steps,
            outcome.answers,
            outcome.acknowledged,
            outcome.doubts,
            outcome.processes,
        ];
        sum.iter_mut().zip(counts).for_each(|(sum, it)| *sum += it);
    }
    let [lasted, steps, answers, acknowledged, doubts, processes] = sum;
    let times = lasted as f64 / begun.elapsed().as_millis().max(1) as f64;
    println!(
        "report: {seeds} seeds, {} h of the world, {times:.0} times as fast; {steps} steps, {processes} processes, \
         {answers} answers, {acknowledged} sets acknowledged, {doubts} in doubt",
        lasted / 3_600_000
    );
    assert!(acknowledged > 0 && answers > acknowledged, "nothing was put to the test");
}

#[test]
fn a_seed_comes_to_the_same_run_each_time() {
    for seed in 1..=20 {
        let plan = Plan::of(seed);
        let (first, second) = (run(&plan, false), run(&plan, false));
        assert_eq!(first, second, "seed {seed}");
    }
}
