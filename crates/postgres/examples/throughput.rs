//! How much the store does over PostgreSQL, by turns with the store over sled, on this machine.
//!
//! `cargo run --release -p xps-postgres --example throughput [rounds] [seconds]` prints a table: a primary with a
//! synchronous standby, both syncing, on loopback.

#![expect(clippy::unwrap_used, reason = "a tool, which is to say so")]

use std::sync::{Arc, mpsc};
use std::time::Duration;

use xps_base::clock::Instant;
use xps_postgres::{HOLD, Settings, open};
use xps_postgres_testing::{DATABASE, Options, Pair, USER};
use xps_store::suite::{change, owner};
use xps_store::{Asked, ChangeSet, Query, Quota, Store};

const OWNERS: usize = 4_096;
const TEXT: usize = 1_024;

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|it| it.parse().ok());
    let rounds: usize = numbers.next().unwrap_or(3);
    let turn = Duration::from_secs(numbers.next().unwrap_or(5) as u64);
    let connections = numbers.next().unwrap_or(4);
    let pair = Pair::start_with(&Options {
        is_durable: true,
        beside: None,
        more: "max_wal_size = 4GB\ncheckpoint_timeout = 30min".to_owned(),
    });
    // Behind the servers, which are to sync as they do.
    xps_store::durable::make_syncs_real().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let options = xps_store::Options {
        cache_bytes: 256 << 20,
        compact_above_bytes: u64::MAX,
    };
    let sled = Store::open(&folder.path().join("data"), &options).unwrap();
    let postgres = open(Settings {
        hosts: [pair.a.port(), pair.b.port()]
            .map(|it| ("127.0.0.1".to_owned(), it))
            .to_vec(),
        database: DATABASE.to_owned(),
        user: USER.to_owned(),
        password: None,
        tls: None,
        connections,
        require_synchronous: true,
        hold: HOLD,
        instance: "throughput".to_owned(),
    })
    .unwrap();
    let stores = [("sled", &sled), ("postgres", &postgres)];
    for (_, store) in stores {
        sets(store, 256, Duration::from_secs(2));
    }
    let mut table: Vec<(String, [Vec<f64>; 2])> = Vec::new();
    for round in 0..rounds {
        let kinds = [
            ("sets", 1),
            ("sets", 64),
            ("sets", 1_024),
            ("gets", 64),
            ("gets", 256),
        ];
        for (at, (kind, window)) in kinds.into_iter().enumerate() {
            if round == 0 {
                table.push((format!("{kind}, {window} at once"), Default::default()));
            }
            for (store, (_, of)) in stores.into_iter().enumerate() {
                let rate = match kind {
                    "sets" => sets(of, window, turn),
                    _ => gets(of, window, turn),
                };
                table[at].1[store].push(rate);
            }
        }
    }
    println!("| | sled | postgres | ratio |\n| --- | --- | --- | --- |");
    for (what, rates) in table {
        let [sled, postgres] = rates.map(median);
        println!(
            "| {what} | {sled:.0} | {postgres:.0} | {:.2} |",
            postgres / sled
        );
    }
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

fn address(number: usize) -> String {
    format!("user{:05}@example.org", number % OWNERS)
}

/// Sets per second with so many under way.
fn sets(store: &Store, window: usize, turn: Duration) -> f64 {
    let (done, answers) = mpsc::channel();
    let text = "x".repeat(TEXT);
    let begun = Instant::now();
    let (mut sent, mut answered) = (0, 0);
    while begun.elapsed() < turn || answered < sent {
        while begun.elapsed() < turn && sent - answered < window {
            let done = done.clone();
            let set = ChangeSet {
                // Not one after the other, as users do not come so.
                owner: owner(&address(sent * 2_654_435_761)),
                quota: Quota {
                    max_namespace_bytes: 1 << 20,
                    max_user_bytes: 10 << 20,
                    max_user_elements: 1_000,
                },
                changes: vec![change("urn:example:app", "prefs", Some(&text))],
            };
            store.submit(set, move |result| done.send(result).unwrap());
            sent += 1;
        }
        answers.recv().unwrap().unwrap();
        answered += 1;
        for result in answers.try_iter() {
            result.unwrap();
            answered += 1;
        }
    }
    f64::from(u32::try_from(answered).unwrap()) / begun.elapsed().as_secs_f64()
}

/// Gets per second in batches of so many.
fn gets(store: &Store, window: usize, turn: Duration) -> f64 {
    let begun = Instant::now();
    let (mut sent, mut answered) = (0_usize, 0);
    while begun.elapsed() < turn {
        let asked: Vec<Asked> = (0..window)
            .map(|_| {
                sent += 1;
                let query = Query {
                    owner: owner(&address(sent * 2_654_435_761)),
                    namespace: "urn:example:app".to_owned(),
                    names: vec!["prefs".to_owned()],
                    or_all: true,
                };
                Asked {
                    query: Arc::new(query),
                    since: Instant::now(),
                }
            })
            .collect();
        let mut rest = &asked[..];
        while !rest.is_empty() {
            let found = store.find(rest);
            assert!(found.iter().all(Result::is_ok));
            answered += found.len();
            rest = &rest[found.len()..];
        }
    }
    f64::from(u32::try_from(answered).unwrap()) / begun.elapsed().as_secs_f64()
}
