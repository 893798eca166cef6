//! What a large store costs, and one that is written over again and again: time, memory, disk.
//! `scripts/bench cost` runs it; docs/internals/performance.md says what came out.
//!
//! Each step runs in a process of its own, so that its memory is its own; `load` is what they do.
//! Arguments: `--owners N`, `--keys N`, `--sets N`, and `--only large`, `overwritten`, `deleted` or `postgres`:
//! a large store in PostgreSQL, a primary with a synchronous standby.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "only in the program does time enter at one place"
)]

mod load;
#[allow(dead_code, reason = "the tests use all of it")]
#[path = "../../tests/support/mod.rs"]
mod support;

use std::error::Error;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use support::component::{Component, Options, run};
use support::database::{hosts, storage_on};
use support::router::Router;
use xmpp_private_storage::store::durable;
use xps_postgres_testing::Pair;

/// No log is ever larger.
const NEVER: u64 = u64::MAX;
const DEFAULT: u64 = 128 << 20;

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    // What cargo itself adds says nothing.
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    if let Some((step, rest)) = arguments
        .split_first()
        .filter(|(step, _)| !step.starts_with('-'))
    {
        durable::make_syncs_real()?;
        return load::step(step, rest);
    }
    let value = |option: &str| {
        let at = arguments.iter().position(|argument| argument == option)?;
        arguments.get(at + 1)
    };
    let number = |option: &str, otherwise: u64| value(option).map_or(Ok(otherwise), |n| n.parse());
    let only = value("--only");
    let wanted = |part: &str| only.is_none_or(|only| only == part);
    let (owners, keys) = (number("--owners", 1_000_000)?, number("--keys", 10_000)?);
    let sets = number("--sets", 1_000_000)?;
    if wanted("large") {
        large(owners)?;
    }
    if wanted("overwritten") {
        overwritten(keys, sets)?;
    }
    if wanted("deleted") {
        deleted(owners / 5)?;
    }
    if wanted("postgres") {
        in_a_database(owners)?;
    }
    Ok(())
}

/// The same as `large` where a database has it: nothing is loaded at a start, and sums take a statement.
fn in_a_database(owners: u64) -> Outcome {
    let pair = Pair::start_with(&xps_postgres_testing::Options {
        is_durable: true,
        beside: Some(env!("CARGO_TARGET_TMPDIR").into()),
        ..Default::default()
    });
    let data = PathBuf::from(format!("{}{}", load::PORT, pair.a.port()));
    println!("## {owners} owners with 1 KiB each, in PostgreSQL\n");
    println!("| | took | a second | resident | at most | log |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    step("fill", &data, NEVER, &[owners])?;
    step("open", &data, NEVER, &[])?;
    step("gets", &data, NEVER, &[owners, owners / 20])?;
    step("sets", &data, NEVER, &[owners, owners / 20])?;
    println!("\n| | |\n| --- | ---: |");
    let mut options = Options::at(SocketAddr::from(([127, 0, 0, 1], 1)));
    options.storage = storage_on(&hosts(&pair));
    let begun = Instant::now();
    let told = run(&options, &["stats"]);
    let took = begun.elapsed().as_secs_f64();
    let said = String::from_utf8_lossy(&told.stdout);
    if !told.status.success() {
        return Err(format!("stats: {}", String::from_utf8_lossy(&told.stderr)).into());
    }
    println!("| `stats`, with no service running | {took:.1} s |");
    let storage = storage_on(&hosts(&pair));
    start(
        "from the start of the program to its handshake",
        |options| {
            options.storage = storage;
        },
    );
    println!("\n```text\n{}\n```\n", said.trim());
    Ok(())
}

/// Many owners: filling, opening, serving, compacting.
fn large(owners: u64) -> Outcome {
    let folder = load::folder()?;
    let data = folder.path().join("data");
    println!("## {owners} owners with 1 KiB each\n");
    println!("| | took | a second | resident | at most | log |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    step("fill", &data, DEFAULT, &[owners])?;
    step("open", &data, NEVER, &[])?;
    step("gets", &data, NEVER, &[owners, owners / 4])?;
    step("gets", &data, NEVER, &[owners / 500, owners / 4])?;
    step("sets", &data, NEVER, &[owners, owners / 20])?;
    step("compact", &data, NEVER, &[owners, 0])?;
    step("compact", &data, NEVER, &[owners, 1])?;
    step("compact", &data, NEVER, &[owners, 64])?;
    println!("\n| from the start of the program to its handshake | |");
    println!("| --- | ---: |");
    handshake("closed in good order", &data);
    step("kill", &data, NEVER, &[owners])?;
    if fs::write("/proc/sys/vm/drop_caches", "1").is_ok() {
        handshake("killed while writing, nothing in the kernel's cache", &data);
    } else {
        handshake("killed while writing", &data);
    }
    println!();
    Ok(())
}

/// Few owners who write all the time.
fn overwritten(keys: u64, sets: u64) -> Outcome {
    println!("## {sets} sets of 1 KiB by {keys} owners\n");
    for (above, what) in [(NEVER, "never compacted"), (DEFAULT, "compacted by itself")] {
        let folder = load::folder()?;
        println!("{what}:\n");
        println!("| | took | a second | resident | at most | log |");
        println!("| --- | ---: | ---: | ---: | ---: | ---: |");
        step(
            "overwrite",
            &folder.path().join("data"),
            above,
            &[keys, sets],
        )?;
        println!();
    }
    Ok(())
}

/// Owners who write for long, and nearly all of whom are deleted.
fn deleted(owners: u64) -> Outcome {
    println!("## {owners} owners write 1 KiB four times; 95 % of them are deleted\n");
    for (above, what) in [(NEVER, "never compacted"), (DEFAULT, "compacted by itself")] {
        let folder = load::folder()?;
        let data = folder.path().join("data");
        println!("{what}:\n");
        println!("| | took | a second | resident | at most | log |");
        println!("| --- | ---: | ---: | ---: | ---: | ---: |");
        step("overwrite", &data, above, &[owners, owners * 4])?;
        step("delete", &data, above, &[owners - owners / 20])?;
        step("open", &data, above, &[])?;
        println!();
    }
    Ok(())
}

/// Carries out one step in a process of its own.
fn step(name: &str, data: &Path, above: u64, numbers: &[u64]) -> Outcome {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(name).arg(data).arg(above.to_string());
    command.args(numbers.iter().map(u64::to_string));
    let ended = command.status()?;
    // One of them is about dying.
    if !ended.success() && name != "kill" {
        return Err(io::Error::other(format!("{name}: {ended}")).into());
    }
    Ok(())
}

/// The program itself, and its first words.
fn handshake(after: &str, data: &Path) {
    let path = format!("PRIVATE_STORAGE_STORAGE_PATH={}", data.display());
    start(after, |options| {
        options.under = vec!["env".to_owned(), path];
    });
}

fn start(what: &str, configure: impl FnOnce(&mut Options)) {
    let router = Router::new();
    let mut options = Options::at(router.address());
    configure(&mut options);
    let begun = Instant::now();
    let mut component = Component::start(options);
    let _session = router.let_in();
    println!("| {what} | {:.1} s |", begun.elapsed().as_secs_f64());
    component.stop();
}
