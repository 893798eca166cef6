//! Many cases of one target in a row, made of nothing but a seed and the kept corpus: for proofs at
//! length, on any toolchain, without a fuzzer.
//!
//! ```text
//! cases TARGET SEED CASES [FOLDER]    a case that fails is put into that folder
//! cases TARGET FILE                   one case, from a file
//! ```

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "only in the program does time enter at one place"
)]

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use xmpp_private_storage_fuzz as targets;

/// How long a case may be, in bytes.
const LONGEST: usize = 2048;

/// How many panics there were, on whatever thread, caught or not.
static PANICS: AtomicU64 = AtomicU64::new(0);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        hook(panic);
    }));
    let done = match &*arguments {
        [target, file] => one(target, Path::new(file)),
        [target, seed, cases] => many(target, seed, cases, Path::new(".")),
        [target, seed, cases, folder] => many(target, seed, cases, Path::new(folder)),
        _ => Err("usage: cases TARGET SEED CASES [FOLDER], or cases TARGET FILE".to_owned()),
    };
    match done {
        Ok(said) => {
            println!("report: {said}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn one(target: &str, file: &Path) -> Result<String, String> {
    let input = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut run = Run::of(target)?;
    run.case(&input).map_err(|failed| failed.why)?;
    Ok(format!("{target}: {} holds", file.display()))
}

fn many(target: &str, seed: &str, cases: &str, folder: &Path) -> Result<String, String> {
    let number = |text: &str| text.parse().map_err(|_| format!("no number: {text}"));
    let (seed, cases): (u64, u64) = (number(seed)?, number(cases)?);
    let corpus = corpus(target);
    let mut random = Random(seed);
    let mut run = Run::of(target)?;
    let begin = Instant::now();
    let kept = |failed: Failed| {
        let path = folder.join(format!("{target}-{seed}-{}", failed.number));
        let kept = std::fs::write(&path, &failed.input);
        let kept = kept.map_or_else(|error| error.to_string(), |()| path.display().to_string());
        format!(
            "case {} of seed {seed}: {}\nits input: {kept}",
            failed.number, failed.why
        )
    };
    for _ in 0..cases {
        run.case(&random.input(&corpus)).map_err(kept)?;
    }
    let seconds = begin.elapsed().as_secs_f64().max(0.001);
    let rate = cases as f64 / seconds;
    Ok(format!(
        "{cases} cases, nothing found ({seconds:.0} s, {rate:.0} a second)"
    ))
}

/// The cases of one target.
struct Run {
    check: fn(&[u8]),
    cases: u64,
    panics: u64,
}

/// What a case came to.
struct Failed {
    number: u64,
    input: Vec<u8>,
    why: String,
}

impl Run {
    fn of(target: &str) -> Result<Self, String> {
        let check: fn(&[u8]) = match target {
            "bookmarks" => targets::bookmarks,
            "frames" => targets::frames,
            "reader" => targets::reader,
            "service" => targets::service,
            "tokens" => targets::tokens,
            "xep0227" => targets::xep0227,
            "archive" => targets::archive,
            "prosody" => targets::prosody,
            _ => return Err(format!("no target is called {target}")),
        };
        Ok(Self {
            check,
            cases: 0,
            panics: PANICS.load(Ordering::Relaxed),
        })
    }

    fn case(&mut self, input: &[u8]) -> Result<(), Failed> {
        self.cases += 1;
        let check = self.check;
        let held = catch_unwind(|| check(input));
        // A panic that somebody has caught is one all the same.
        let panicked = PANICS.load(Ordering::Relaxed) > self.panics;
        held.ok().filter(|()| !panicked).ok_or_else(|| Failed {
            number: self.cases,
            input: input.to_vec(),
            why: "a panic, as told above".to_owned(),
        })
    }
}

/// The kept files of this target, in the order of their names.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = files.map(|file| file.path()).collect();
    paths.sort();
    paths
        .iter()
        .filter_map(|path| std::fs::read(path).ok())
        .collect()
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// Bytes of any length; or, one time in eight, a kept file of choices with some bytes changed.
    fn input(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        if self.below(8) == 0 && !corpus.is_empty() {
            let mut kept = corpus[self.below(corpus.len())].clone();
            if !kept.starts_with(b"<") && !kept.is_empty() {
                for _ in 0..=self.below(8) {
                    let at = self.below(kept.len());
                    kept[at] = self.next() as u8;
                }
                return kept;
            }
        }
        let longest = 16 << self.below(8);
        let length = self.below(longest.min(LONGEST)) + 1;
        let mut input: Vec<u8> = (0..length).map(|_| self.next() as u8).collect();
        if input[0] == b'<' {
            // That would be XML written by hand.
            input[0] = 0;
        }
        input
    }
}
