//! The tables, and what the aims make of them.

use std::collections::HashMap;

use super::contender::Who;
use super::load::Brought;
use super::plan::{GROUPS, Kind, LONE_SET_OF_FOUR, OWN_GROUPS, SIZES, Scenario, scenarios};
use super::real::{KEEPERS, KEYS};

/// All that was measured, one entry for each round.
#[derive(Default)]
pub struct Report {
    loads: HashMap<(Who, Scenario), Vec<Load>>,
    /// Writes per second and seconds per group, by group and bytes.
    raw: HashMap<(usize, usize), Vec<(f64, f64)>>,
    sled: HashMap<(usize, usize), Vec<f64>>,
    /// Pairs per second, by server, who keeps the data, and keys.
    real: HashMap<(&'static str, Option<Who>, usize), Vec<f64>>,
}

struct Load {
    replies: f64,
    seconds: f64,
    /// Microseconds: p50, p99, p99.9.
    waits: [f64; 3],
    cpu: f64,
    peak: f64,
}

impl Report {
    /// A load.
    pub fn load(&mut self, who: Who, scenario: Scenario, brought: &Brought, cpu: f64, peak: f64) {
        let at = |share: f64| {
            let at = (brought.waits.len() as f64 * share) as usize;
            let wait = brought.waits.get(at).or(brought.waits.last());
            wait.map_or(0.0, |wait| f64::from(*wait) / 1e3)
        };
        self.loads.entry((who, scenario)).or_default().push(Load {
            replies: brought.replies as f64,
            seconds: brought.took.as_secs_f64(),
            waits: [at(0.5), at(0.99), at(0.999)],
            cpu,
            peak,
        });
    }

    /// The disk alone.
    pub fn raw(&mut self, group: usize, bytes: usize, measured: (f64, f64)) {
        self.raw.entry((group, bytes)).or_default().push(measured);
    }

    /// sled alone.
    pub fn sled(&mut self, group: usize, bytes: usize, rate: f64) {
        self.sled.entry((group, bytes)).or_default().push(rate);
    }

    /// Pairs through a real server.
    pub fn real(&mut self, server: &'static str, who: Option<Who>, keys: usize, rate: f64) {
        self.real.entry((server, who, keys)).or_default().push(rate);
    }

    /// Prints all of it as Markdown.
    pub fn print(&self) {
        self.print_rates();
        self.print_details();
        if !self.raw.is_empty() {
            self.print_disk();
        }
        if !self.real.is_empty() {
            self.print_real();
        }
        self.print_aims();
    }

    fn print_rates(&self) {
        println!("\n## Requests per second\n");
        let names: Vec<&str> = Who::ALL.iter().map(|who| who.name()).collect();
        println!("| | {} |", names.join(" | "));
        println!("| --- |{}", " ---: |".repeat(names.len()));
        for scenario in scenarios() {
            if Who::ALL
                .iter()
                .all(|who| self.rate(*who, scenario).is_none())
            {
                continue;
            }
            let rates = Who::ALL.map(|who| number(self.rate(who, scenario)));
            println!("| {scenario} | {} |", rates.join(" | "));
        }
    }

    fn print_details(&self) {
        println!("\n## Waits, processor time, memory\n");
        println!(
            "| | | p50 | p99 | p99.9 | CPU s per 100,000 | peak MiB |\n\
             | --- | --- | ---: | ---: | ---: | ---: | ---: |"
        );
        for scenario in scenarios() {
            for who in Who::ALL {
                let Some(loads) = self.loads.get(&(who, scenario)) else {
                    continue;
                };
                let [p50, p99, p999] = [0, 1, 2].map(|at| time(median_of(loads, |l| l.waits[at])));
                println!(
                    "| {scenario} | {} | {p50} | {p99} | {p999} | {:.2} | {:.0} |",
                    who.name(),
                    self.cpu(who, scenario).unwrap_or(f64::NAN),
                    median_of(loads, |load| load.peak),
                );
            }
        }
    }

    fn print_disk(&self) {
        println!("\n## Durable writes per second, without XMPP\n");
        println!("| | append + fdatasync | sled |\n| --- | ---: | ---: |");
        for bytes in SIZES {
            for group in GROUPS {
                println!(
                    "| {} KiB, {group} to a sync | {} | {} |",
                    bytes / 1024,
                    number(self.raw.get(&(group, bytes)).map(|m| median_of(m, |m| m.0))),
                    number(self.sled.get(&(group, bytes)).map(|m| median_of(m, |m| *m))),
                );
            }
        }
    }

    fn print_real(&self) {
        println!("\n## Pairs of a set and a get per second, through servers\n");
        let names = KEEPERS.map(|who| who.map_or("its own mod_private", Who::name));
        println!("| | {} |", names.join(" | "));
        println!("| --- |{}", " ---: |".repeat(names.len()));
        for server in ["Prosody", "ejabberd"] {
            for keys in KEYS {
                let rates = KEEPERS.map(|who| number(self.pairs(server, who, keys)));
                println!("| {server}, keys: {keys} | {} |", rates.join(" | "));
            }
        }
    }

    fn print_aims(&self) {
        println!("\n## Aims\n\n| | aim | measured | |\n| --- | ---: | ---: | --- |");
        let direct = |kind, window| Scenario {
            kind,
            window,
            bytes: SIZES[0],
            delegated: false,
        };
        let ratio =
            |scenario, to: Who| Some(self.rate(Who::Us, scenario)? / self.rate(to, scenario)?);
        for delegated in [false, true] {
            let way = if delegated { "delegated" } else { "direct" };
            let load = |kind, window| Scenario {
                delegated,
                ..direct(kind, window)
            };
            let gets = ratio(load(Kind::Get, 1024), Who::Echo);
            at_least(&format!("gets to the echo's, {way}"), 3.0, gets);
            let sets = ratio(load(Kind::Set, 1024), Who::Echo);
            at_least(&format!("durable sets to the echo's, {way}"), 2.0, sets);
            for (who, aim) in [(Who::Slixmpp, 10.0), (Who::XmppJs, 4.0)] {
                let mixed = ratio(load(Kind::Mixed, 64), who);
                at_least(&format!("80/20 to {}, {way}", who.name()), aim, mixed);
            }
        }
        let sync = self
            .raw
            .get(&(1, SIZES[0]))
            .map(|m| median_of(m, |m| m.1) * 1e6);
        let echo = self.wait(Who::Echo, direct(Kind::Set, 1));
        for (what, scenario, aim) in [
            ("one element", direct(Kind::Set, 1), 1.5),
            ("four elements", LONE_SET_OF_FOUR, 2.5),
        ] {
            let syncs = self
                .wait(Who::Us, scenario)
                .and_then(|us| Some((us - echo?) / sync?));
            let what = format!("a lone set of {what}: syncs beyond the echo's round trip");
            line(&what, &format!("≤ {aim}"), syncs, |syncs| syncs <= aim);
        }
        for (window, group) in OWN_GROUPS {
            let sled = self.sled.get(&(group, SIZES[0]));
            let us = self.rate(Who::Us, direct(Kind::Set, window));
            let ratio = us.and_then(|us| Some(us / median_of(sled?, |sled| *sled)));
            let what = format!("sets at window {window} to sled's own, {group} to a sync");
            at_least(&what, 0.7, ratio);
        }
        let lone = direct(Kind::Set, 1);
        let time = self.wait(Who::Us, lone);
        let time = time.and_then(|us| Some(us / self.wait(Who::SledFloor, lone)?));
        let what = "a lone set: its time to sled's behind the same socket";
        line(what, "≤ 1.15", time, |time| time <= 1.15);
        let real = |server, to, keys| {
            Some(self.pairs(server, Some(Who::Us), keys)? / self.pairs(server, to, keys)?)
        };
        at_least("Prosody's own, 200 keys", 5.0, real("Prosody", None, 200));
        at_least("Prosody's own, 1 key", 0.6, real("Prosody", None, 1));
        for keys in KEYS {
            let ratio = real("ejabberd", None, keys);
            at_least(&format!("ejabberd's own, keys: {keys}"), 0.3, ratio);
        }
        for server in ["Prosody", "ejabberd"] {
            for keys in KEYS {
                let ratio = real(server, Some(Who::Floor), keys);
                at_least(&format!("the floor in {server}, keys: {keys}"), 0.7, ratio);
            }
        }
        self.print_aims_on_postgres();
    }

    /// Beside sled, in the same program.
    fn print_aims_on_postgres(&self) {
        let of_1_kib = |scenario: &Scenario| scenario.bytes == SIZES[0] && scenario.window > 1;
        for scenario in scenarios().into_iter().filter(of_1_kib) {
            let aim = match scenario.kind {
                Kind::Get => 0.6,
                Kind::Set => 0.5,
                Kind::Mixed | Kind::SetOfFour | Kind::GetBesideSets => continue,
            };
            let rate = |who| self.rate(who, scenario);
            let ratio = rate(Who::Postgres).and_then(|it| Some(it / rate(Who::Us)?));
            at_least(&format!("{scenario}: PostgreSQL to sled"), aim, ratio);
            let cpu = |who| self.cpu(who, scenario);
            let ratio = cpu(Who::Postgres).and_then(|it| Some(it / cpu(Who::Us)?));
            let what = format!("{scenario}: processor time on PostgreSQL to that on sled");
            line(&what, "≤ 1.3", ratio, |ratio| ratio <= 1.3);
        }
    }

    fn rate(&self, who: Who, scenario: Scenario) -> Option<f64> {
        let loads = self.loads.get(&(who, scenario))?;
        Some(median_of(loads, |load| load.replies / load.seconds))
    }

    /// Seconds per 100,000.
    fn cpu(&self, who: Who, scenario: Scenario) -> Option<f64> {
        let loads = self.loads.get(&(who, scenario))?;
        let sum = |of: fn(&Load) -> f64| loads.iter().map(of).sum::<f64>();
        Some(sum(|load| load.cpu) / sum(|load| load.replies) * 1e5)
    }

    fn wait(&self, who: Who, scenario: Scenario) -> Option<f64> {
        let loads = self.loads.get(&(who, scenario))?;
        Some(median_of(loads, |load| load.waits[0]))
    }

    fn pairs(&self, server: &'static str, who: Option<Who>, keys: usize) -> Option<f64> {
        let rates = self.real.get(&(server, who, keys))?;
        Some(median_of(rates, |rate| *rate))
    }
}

fn at_least(what: &str, aim: f64, ratio: Option<f64>) {
    line(what, &format!("≥ {aim}"), ratio, |ratio| ratio >= aim);
}

fn line(what: &str, aim: &str, measured: Option<f64>, met: impl Fn(f64) -> bool) {
    let Some(measured) = measured else { return };
    let met = if met(measured) { "met" } else { "**missed**" };
    println!("| {what} | {aim} | {measured:.2} | {met} |");
}

fn median_of<T>(all: &[T], of: impl Fn(&T) -> f64) -> f64 {
    let mut values: Vec<f64> = all.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A rate with its thousands apart.
fn number(rate: Option<f64>) -> String {
    let Some(rate) = rate else {
        return "–".to_owned();
    };
    let digits = format!("{rate:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn time(microseconds: f64) -> String {
    if microseconds < 1000.0 {
        format!("{microseconds:.0} µs")
    } else {
        format!("{:.1} ms", microseconds / 1000.0)
    }
}
