//! What a simulator plays in place of the system, for the thread that it runs on: chance, the wall clock, and
//! threads. The clock of the runtime is paused and goes on by itself. No build for use has any of this.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::spawn_local;
use tokio::time::sleep;

use crate::clock::Instant;
use crate::threads::Job;

/// What the wall clock shows when a world begins: the first moment of 2026.
const BEGIN: Duration = Duration::from_secs(1_767_225_600);

/// How long a job takes, in milliseconds: as often as it stands here.
const JOB: [u64; 8] = [0, 0, 0, 0, 1, 1, 2, 20];

struct World {
    chance: u64,
    begun: Instant,
}

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// As long as it lives, this thread's system is played.
#[derive(Debug)]
pub struct Played(PhantomData<*const ()>);

/// From now on all that this thread draws follows from this seed. To be called in the runtime.
#[must_use]
pub fn play(seed: u64) -> Played {
    let world = World {
        chance: seed,
        begun: Instant::now(),
    };
    WORLD.with_borrow_mut(|it| *it = Some(world));
    Played(PhantomData)
}

impl Drop for Played {
    fn drop(&mut self) {
        WORLD.with_borrow_mut(|it| *it = None);
    }
}

/// Whether this thread's system is played.
#[must_use]
pub fn is_played() -> bool {
    WORLD.with_borrow(Option::is_some)
}

/// The next number (SplitMix64); `None` where nothing is played.
pub(crate) fn number() -> Option<u64> {
    WORLD.with_borrow_mut(|world| {
        let world = world.as_mut()?;
        world.chance = world.chance.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = world.chance;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Some(word ^ (word >> 31))
    })
}

pub(crate) fn wall() -> Option<SystemTime> {
    WORLD.with_borrow(|world| Some(UNIX_EPOCH + BEGIN + world.as_ref()?.begun.elapsed()))
}

/// A thread with a queue: a task that does one job after the other, each after a moment.
pub(crate) fn thread() -> UnboundedSender<Job> {
    let (queue, mut jobs) = unbounded_channel::<Job>();
    drop(spawn_local(async move {
        while let Some(job) = jobs.recv().await {
            moment().await;
            job();
        }
    }));
    queue
}

/// As long as a job takes.
pub(crate) async fn moment() {
    wait_for_one_of(&JOB).await;
}

/// Waits for one of these times, in milliseconds: each as often as it stands there.
pub async fn wait_for_one_of(times: &[u64]) {
    let at = number().unwrap_or_default() % (times.len() as u64).max(1);
    let takes = usize::try_from(at).ok().and_then(|at| times.get(at));
    match takes {
        None | Some(0) => {}
        Some(takes) => sleep(Duration::from_millis(*takes)).await,
    }
}
