//! The whole service in a world that is played: one process, one thread, one seed.
//!
//! What is real: the component with its link, its requests, service, bookmarks and store. What is played: time,
//! chance, the network, the server with its PEP, clients, the disk and the power. A seed comes to the same run, to the
//! step, each time. docs/internals/simulator.md says what is where.
//!
//! `SIMULATION_SEED` begins with another seed, `SIMULATION_SEEDS` says how many follow, and `SIMULATION_THREADS` how
//! many worlds are played at once. The long form is `scripts/prove-simulation`.

mod account;
mod backup;
mod ending;
mod fate;
mod instance;
mod kept;
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

use std::fs;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Instant;

use crate::chaos::dice::variable;
use plan::Plan;
use run::{Outcome, run};

/// How many seeds are played where nobody says how many.
const SEEDS: u64 = 500;

/// How many seeds it takes until it is said how far it has come.
const PROGRESS: u64 = 1000;

/// What came of many runs.
#[derive(Default)]
struct Sum {
    runs: u64,
    lasted: u64,
    steps: u64,
    processes: u64,
    links: u64,
    answers: u64,
    acknowledged: u64,
    doubts: u64,
    /// The first seed that went wrong.
    wrong: Option<(u64, Outcome)>,
}

impl Sum {
    fn add(&mut self, seed: u64, outcome: Outcome) {
        self.runs += 1;
        self.lasted += outcome.lasted;
        self.steps += outcome.steps;
        self.processes += outcome.processes;
        self.links += outcome.lines as u64;
        self.answers += outcome.answers;
        self.acknowledged += outcome.acknowledged;
        self.doubts += outcome.doubts;
        let is_first = self.wrong.as_ref().is_none_or(|(first, _)| seed < *first);
        if outcome.violation.is_some() && is_first {
            self.wrong = Some((seed, outcome));
        }
        if self.runs.is_multiple_of(PROGRESS) {
            eprintln!("{} seeds", self.runs);
        }
    }
}

/// Plays so many seeds from this one on, in so many threads; none behind one that goes wrong.
fn play(first: u64, seeds: u64, threads: u64) -> Sum {
    let (sum, next) = (Mutex::<Sum>::default(), AtomicU64::new(first));
    thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Relaxed);
                    let is_over = sum.lock().expect("no panic").wrong.is_some();
                    if seed >= first + seeds || is_over {
                        break;
                    }
                    let outcome = run(&Plan::of(seed), false);
                    sum.lock().expect("no panic").add(seed, outcome);
                }
            });
        }
    });
    sum.into_inner().expect("no panic")
}

#[test]
fn nothing_goes_wrong_whatever_happens() {
    let first = variable("SIMULATION_SEED").unwrap_or(1);
    let seeds = variable("SIMULATION_SEEDS").unwrap_or(SEEDS);
    let threads = variable("SIMULATION_THREADS").unwrap_or(1);
    let begun = Instant::now();
    let sum = play(first, seeds, threads);
    if let Some((seed, outcome)) = &sum.wrong {
        let plan = Plan::of(*seed);
        let shortest = story::shrunk(&plan, outcome);
        panic!("{}", story::told(&shortest));
    }
    let times = sum.lasted as f64 / begun.elapsed().as_millis().max(1) as f64;
    println!(
        "report: {} seeds: {} h, {times:.0} times as fast as time; {} steps, {} processes, {} links, {} answers, \
         {} sets acknowledged, {} in doubt",
        sum.runs,
        sum.lasted / 3_600_000,
        sum.steps,
        sum.processes,
        sum.links,
        sum.answers,
        sum.acknowledged,
        sum.doubts
    );
    assert!(
        sum.acknowledged > 0 && sum.answers > sum.acknowledged,
        "nothing was put to the test"
    );
}

#[test]
fn a_seed_comes_to_the_same_run_each_time() {
    for seed in 1..=10 {
        let plan = Plan::of(seed);
        // Whether the story is told or not must not make a difference, either.
        let (first, second) = (run(&plan, true), run(&plan, true));
        assert_eq!(first, second, "seed {seed}");
        assert_eq!(first.digest, run(&plan, false).digest, "seed {seed}");
    }
}

/// One that does not fit any more would be found out only by who has hours for `scripts/prove-simulation --faults`.
#[test]
fn known_faults_can_be_put_back() {
    let root = env!("CARGO_MANIFEST_DIR");
    let faults = fs::read_dir(format!("{root}/tests/simulation/faults")).expect("a folder");
    let mut tried = 0;
    for fault in faults {
        let fault = fault.expect("a file").path();
        let mut patch = Command::new("patch");
        patch.args(["--dry-run", "--strip=1", "--fuzz=0", "--input"]);
        let patched = patch.arg(&fault).current_dir(root).output().expect("patch");
        assert!(patched.status.success(), "{}: {patched:?}", fault.display());
        tried += 1;
    }
    assert!(tried >= 18, "{tried}");
}
