//! How fast the component is, beside others and beside what the libraries, the disk and sled can
//! do: all in one run, by turns, as ratios of medians. `scripts/bench compare` makes the others and runs
//! this; docs/internals/performance.md says what came out.
//!
//! `plan` says what is asked, `load` plays the server and asks it (`requests` has the bytes),
//! `contender` knows who is asked, `floor` is one of them, `disk` goes without XMPP, `real`
//! through real servers, `report` prints.
//!
//! Arguments: `--long`; and to look into one thing, `--only WHO[,WHO]`, `--match TEXT` (a part of
//! a load's name in the table), `--no-servers`, `--no-disk`, `--plain` (values without markup).

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "only in the program does time enter at one place"
)]

mod contender;
mod disk;
mod floor;
mod load;
mod plan;
mod real;
mod report;
mod requests;
#[allow(dead_code, reason = "the tests use all of it")]
#[path = "../../tests/support/mod.rs"]
mod support;

use std::error::Error;
use std::io;
use std::sync::atomic::Ordering;

use contender::{Contender, Who};
use floor::Floor;
use load::{Connection, Router};
use plan::{Extent, GROUPS, LONG, SHORT, SIZES, Scenario, scenarios};
use real::KEYS;
use report::Report;
use requests::Requests;

fn main() -> Result<(), Box<dyn Error>> {
    // What cargo itself adds says nothing.
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    match arguments.split_first() {
        Some((first, rest)) if first == "floor" => floor::run(rest, Floor::Append),
        Some((first, rest)) if first == "sled-floor" => floor::run(rest, Floor::Sled),
        Some((first, rest)) if first == "nothing" => floor::run(rest, Floor::Nothing),
        Some((first, rest)) if first == "sled" => disk::sled_alone(rest),
        _ => Ok(compare(&arguments)?),
    }
}

fn compare(arguments: &[String]) -> io::Result<()> {
    let has = |option: &str| arguments.iter().any(|argument| argument == option);
    let value = |option: &str| {
        let at = arguments.iter().position(|argument| argument == option)?;
        arguments.get(at + 1).map(String::as_str)
    };
    requests::PLAIN.store(has("--plain"), Ordering::Relaxed);
    let extent = if has("--long") { LONG } else { SHORT };
    let only = value("--only");
    let wanted = |who: Who| only.is_none_or(|only| only.split(',').any(|name| name == who.name()));
    let part = value("--match").unwrap_or_default();
    let scenarios: Vec<Scenario> = scenarios()
        .into_iter()
        .filter(|scenario| scenario.to_string().contains(part))
        .collect();

    let mut report = Report::default();
    let mut measured = Vec::new();
    for who in Who::ALL.into_iter().filter(|who| wanted(*who)) {
        match Measured::start(who) {
            Err(error) => return Err(io::Error::other(format!("{}: {error}", who.name()))),
            Ok(Some(started)) => measured.push(started),
            Ok(None) if who == Who::Before => {}
            Ok(None) => eprintln!(
                "{} has not been made: see scripts/bench compare",
                who.name()
            ),
        }
    }
    let mut places = if has("--no-servers") {
        Vec::new()
    } else {
        real::places()?
    };
    for round in 1..=extent.rounds {
        eprintln!("Round {round} of {}", extent.rounds);
        for scenario in &scenarios {
            for one in &mut measured {
                one.measure(*scenario, &extent, &mut report)?;
            }
        }
        if !has("--no-disk") {
            measure_disk(&extent, &mut report)?;
        }
        for (index, keys) in KEYS.into_iter().enumerate() {
            for place in &mut places {
                let rate = place.pairs(index, extent.real_slice)?;
                report.real(place.server, place.who, keys, rate);
            }
        }
    }
    report.print();
    Ok(())
}

fn measure_disk(extent: &Extent, report: &mut Report) -> io::Result<()> {
    for bytes in SIZES {
        for group in GROUPS {
            report.raw(group, bytes, disk::raw(group, bytes, extent.slice)?);
            report.sled(group, bytes, disk::sled(group, bytes, extent.slice)?);
        }
    }
    Ok(())
}

/// A contender with the server that it is connected to.
struct Measured {
    contender: Contender,
    connection: Connection,
    counter: u64,
}

impl Measured {
    /// Starts it, and has every user store something.
    fn start(who: Who) -> io::Result<Option<Self>> {
        let router = Router::new()?;
        let Some(contender) = Contender::start(who, router.address()?)? else {
            return Ok(None);
        };
        let mut connection = router.let_in()?;
        for bytes in SIZES {
            let mut sets = Requests::first_sets(bytes);
            connection.send(&mut sets, requests::USERS as u64)?;
        }
        Ok(Some(Self {
            contender,
            connection,
            counter: 1_000_000,
        }))
    }

    fn measure(
        &mut self,
        scenario: Scenario,
        extent: &Extent,
        report: &mut Report,
    ) -> io::Result<()> {
        let mut requests = Requests::of(&scenario, self.counter);
        self.contender.forget_peak();
        let before = self.contender.cpu_seconds();
        let brought = self
            .connection
            .load(&mut requests, scenario.window, extent.slice)
            .map_err(|error| {
                let who = self.contender.who.name();
                io::Error::other(format!("{who}, {scenario}: {error}"))
            })?;
        let cpu = self.contender.cpu_seconds() - before;
        let peak = self.contender.peak_mib();
        report.load(self.contender.who, scenario, &brought, cpu, peak);
        self.counter = requests.counter();
        Ok(())
    }
}
