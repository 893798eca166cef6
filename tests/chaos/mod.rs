//! Everything goes wrong while several users work, and no answer is wrong.
//!
//! Users with a model of their data send requests through a server that drops, stalls and refuses
//! the component at random, while the component is killed and stopped at random. All along:
//! - no answer is wrong: another's, a second one, a value never sent, one that is older than what
//!   was acknowledged, a set that happened in part;
//! - a request that a process surely read gets its answer from that process, also across links,
//!   unless what carried it was lost behind our back;
//! - what was acknowledged is there at the end; and memory stays where it is.
//!
//! `CHAOS_SEED` repeats a run (the same decisions; the clock is the machine's own),
//! `CHAOS_SECONDS` is its length. The long form is `scripts/prove-chaos`.

pub mod dice;
mod disturb;
mod fault;
pub mod line;
pub mod model;
mod play;
pub mod request;
mod user;
pub mod wish;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

pub use dice::variable;

use dice::Dice;
use fault::Life;
use play::Play;

const USERS: usize = 8;

/// So many sets at least are to be acknowledged.
const SETS: u64 = 100;

/// From here on half of the time goes into one life without harm, to see its memory.
const LONG: u64 = 120;

/// No life takes more memory than this: twice as much as was measured.
const MOST_MEMORY: u64 = 80 << 20;

/// How much more memory may be in use after the second half of a long life than after the first.
const GROWTH: u64 = 12 << 20;

#[test]
fn no_answer_is_wrong_whatever_happens() {
    let seed = variable("CHAOS_SEED").unwrap_or_else(|| RandomState::new().build_hasher().finish());
    let seconds = variable("CHAOS_SECONDS").unwrap_or(45);
    println!("CHAOS_SEED={seed} CHAOS_SECONDS={seconds}");

    let begin = Instant::now();
    let after = |seconds| begin + Duration::from_secs(seconds);
    let mut dice = Dice::new(seed, 0);
    let mut play = Play::new(seed, USERS);
    let is_long = seconds >= LONG;
    let disturbed = after(if is_long { seconds / 2 } else { seconds });
    // A busy machine takes longer.
    let at_last = after(4 * seconds);
    let is_tried = |play: &Play| play.users.iter().map(|user| user.sets).sum::<u64>() > SETS;
    while Instant::now() < disturbed || !is_tried(&play) && Instant::now() < at_last {
        let life = Life::at_random(&mut dice);
        println!("{:?} {life:?}", begin.elapsed());
        disturb::live(&mut play, &life);
    }
    if is_long {
        disturb::endure(&mut play, after(seconds));
        assert_flat(&play.tally.memory);
    }
    disturb::settle(&mut play);

    let (sets, doubts) = play.users.iter().fold((0, 0), |(sets, doubts), user| {
        (sets + user.sets, doubts + user.doubts)
    });
    println!("{:?}", play.tally);
    let peak = play.tally.peaks.iter().max().copied().unwrap_or(0);
    let tally = &play.tally;
    println!(
        "report: {} lives, {} links, {} faults; {sets} sets acknowledged of {} requests, {doubts} \
         in doubt; memory peaked at {} MB",
        tally.lives,
        tally.links,
        tally.faults,
        tally.asked,
        peak >> 20
    );
    assert!(sets > SETS && doubts > 0, "nothing was put to the test");
    assert!(peak < MOST_MEMORY, "{peak} bytes of memory");
}

fn assert_flat(memory: &[u64]) {
    let (first, second) = memory.split_at(memory.len() / 2);
    let highest = |samples: &[u64]| samples.iter().max().copied().unwrap_or(0);
    let (first, second) = (highest(first), highest(second));
    println!("memory {first}, then {second}");
    assert!(second < first + GROWTH, "from {first} to {second} bytes");
}
