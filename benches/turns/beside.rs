//! A victim's get of something else, beside eight who ask for bookmarks, and beside the same eight
//! who ask for as much without us, or of something else.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::Build;
use super::asking::{get, set, succeed};
use super::figures::{median, quantile, time};
use super::memory::{Grown, mib};
use super::place::{BOOKMARKS, OTHER, Place, fetch};
use super::spoken::{SET, filled, other, storage};
use super::support::client::RawClient;

/// How long one load lasts in a round, of which the beginning does not count.
const LONG: Duration = Duration::from_millis(3_500);
const BEGINNING: Duration = Duration::from_millis(500);

/// How long the victim pauses between two requests.
const PAUSE: Duration = Duration::from_millis(2);

/// What attackers do.
struct Load {
    name: &'static str,
    /// Which other one it is compared with.
    beside: Option<usize>,
    who: Who,
    /// The request with this number.
    asks: fn(u64) -> String,
}

#[derive(Clone, Copy)]
enum Who {
    Nobody,
    Readers,
    Writers,
}

const LOADS: [Load; 5] = [
    Load {
        name: "nobody",
        beside: None,
        who: Who::Nobody,
        asks: |_| String::new(),
    },
    Load {
        name: "fetch a node of 1 MiB from PEP",
        beside: None,
        who: Who::Readers,
        asks: |_| fetch(),
    },
    Load {
        name: "get bookmarks over that node",
        beside: Some(1),
        who: Who::Readers,
        asks: |_| get(BOOKMARKS),
    },
    Load {
        name: "set 380 KiB of something else",
        beside: None,
        who: Who::Writers,
        asks: |number| set(&other(&much(number))),
    },
    Load {
        name: "set 380 KiB of bookmarks",
        beside: Some(3),
        who: Who::Writers,
        asks: |number| set(&storage(&much(number))),
    },
];

fn much(number: u64) -> String {
    format!("<n>{number}</n>{}", filled(SET, "<a/>"))
}

/// What came of one build and one load: of each round, and of all.
#[derive(Default)]
struct Found {
    halves: Vec<Duration>,
    worst: Vec<Duration>,
    requests: u64,
    busy: Duration,
    grown: Grown,
}

/// Prints a table.
pub fn measure(builds: &[Build], rounds: usize) {
    let mut places: Vec<Place> = builds.iter().map(Place::new).collect();
    let mut found: Vec<[Found; LOADS.len()]> = builds.iter().map(|_| Default::default()).collect();
    for _ in 0..rounds {
        for (number, load) in LOADS.iter().enumerate() {
            for (place, found) in places.iter_mut().zip(&mut found) {
                play(place, load, &mut found[number]);
            }
        }
    }
    println!(
        "| build | eight others | the victim waits, p50 | to the control | p99 | to the control | \
         requests of the others, a second | our processor time each | memory beyond idle, at most | left |"
    );
    println!("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for (build, found) in builds.iter().zip(&mut found) {
        let both = found
            .each_mut()
            .map(|it| (median(&mut it.halves), median(&mut it.worst)));
        for (number, load) in LOADS.iter().enumerate() {
            let ratio = |of: fn(&(Duration, Duration)) -> Duration| match load.beside {
                Some(control) => {
                    let [own, other] = [number, control].map(|at| of(&both[at]).as_secs_f64());
                    format!("{:.1}", own / other)
                }
                None => "–".to_owned(),
            };
            let it = &found[number];
            let seconds = rounds as f64 * (LONG + BEGINNING).as_secs_f64();
            let each = match it.requests {
                0 => "–".to_owned(),
                requests => time(it.busy.div_f64(requests as f64)),
            };
            println!(
                "| {} | {} | {} | {} | {} | {} | {:.1} | {each} | {} | {} |",
                build.name,
                load.name,
                time(both[number].0),
                ratio(|both| both.0),
                time(both[number].1),
                ratio(|both| both.1),
                it.requests as f64 / seconds,
                mib(it.grown.peak),
                mib(it.grown.left),
            );
        }
    }
    println!();
}

fn play(place: &mut Place, load: &Load, found: &mut Found) {
    let Place {
        component,
        idle,
        victim,
        readers,
        writers,
        ..
    } = place;
    let attackers: &mut [RawClient] = match load.who {
        Who::Nobody => &mut [],
        Who::Readers => readers,
        Who::Writers => writers,
    };
    let before = component.busy();
    let ((mut times, requests), grown) =
        idle.watch(component, |_| attack(attackers, victim, load.asks));
    found.halves.push(median(&mut times));
    found.worst.push(quantile(&mut times, 0.99));
    found.requests += requests;
    found.busy += component.busy().saturating_sub(before);
    found.grown = found.grown.max(grown);
}

/// The victim's times, and how many requests the attackers had answered.
fn attack(
    attackers: &mut [RawClient],
    victim: &mut RawClient,
    asks: fn(u64) -> String,
) -> (Vec<Duration>, u64) {
    let (ends, number) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut times = Vec::new();
    thread::scope(|scope| {
        for attacker in attackers {
            let (ends, number) = (&ends, &number);
            scope.spawn(move || {
                while !ends.load(Ordering::Relaxed) {
                    let request = asks(number.load(Ordering::Relaxed));
                    succeed(attacker, &request);
                    number.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let begun = Instant::now();
        while begun.elapsed() < BEGINNING + LONG {
            let took = succeed(victim, &get(OTHER));
            if begun.elapsed() > BEGINNING {
                times.push(took);
            }
            thread::sleep(PAUSE);
        }
        ends.store(true, Ordering::Relaxed);
    });
    (times, number.into_inner())
}
