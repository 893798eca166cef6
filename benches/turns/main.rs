//! What others wait beside users who ask for much. `scripts/bench turns` runs it;
//! docs/internals/performance-bookmarks.md says what came out.
//!
//! `beside` has a victim ask for little on a real ejabberd, beside eight attackers, by turns in what
//! they do; `slices` plays the server, and looks at how long the thread that serves everybody
//! computes without another look at its sockets (`slices.c`). Both watch the memory.
//!
//! Arguments: `--binary NAME=PATH`, as often as there are builds to compare, in place of the one that
//! this was built with; `--rounds N`; `--only beside` or `slices`.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "only in the program does time enter at one place"
)]

#[path = "../bookmarks/asking.rs"]
mod asking;
mod beside;
#[path = "../bookmarks/figures.rs"]
mod figures;
mod memory;
#[path = "../bookmarks/pep.rs"]
mod pep;
mod place;
mod slices;
mod spoken;
#[allow(dead_code, reason = "the tests use all of it")]
#[path = "../../tests/support/mod.rs"]
mod support;

use std::error::Error;
use std::path::PathBuf;

use support::component::Options;

fn main() -> Result<(), Box<dyn Error>> {
    // What cargo itself adds says nothing.
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let values = |option: &'static str| {
        let pairs = arguments.windows(2);
        let pairs = pairs.filter(move |pair| pair[0] == option);
        pairs.map(|pair| pair[1].clone())
    };
    let only = values("--only").next();
    let wanted = |part: &str| only.as_deref().is_none_or(|only| only == part);
    let rounds = values("--rounds").next();
    let rounds = rounds.map_or(Ok(5), |rounds| rounds.parse())?;
    let mut builds = Vec::new();
    for given in values("--binary") {
        builds.push(Build::named(&given)?);
    }
    if builds.is_empty() {
        builds.push(Build::own());
    }
    if wanted("beside") {
        beside::measure(&builds, rounds);
    }
    if wanted("slices") {
        slices::measure(&builds);
    }
    Ok(())
}

/// A build of the program.
struct Build {
    name: String,
    path: Option<PathBuf>,
}

impl Build {
    fn own() -> Build {
        let name = "this".to_owned();
        Build { name, path: None }
    }

    /// Of `NAME=PATH`, or a path alone.
    fn named(given: &str) -> Result<Build, Box<dyn Error>> {
        let (name, path) = given.split_once('=').unwrap_or((given, given));
        let path = std::fs::canonicalize(path).map_err(|error| format!("{path}: {error}"))?;
        Ok(Build {
            name: name.to_owned(),
            path: Some(path),
        })
    }

    /// Has the component be of this build, with this in its environment.
    fn run_by(&self, options: &mut Options, environment: &[String]) {
        options.under = std::iter::once("env")
            .chain(environment.iter().map(String::as_str))
            .map(str::to_owned)
            .collect();
        if let Some(path) = &self.path {
            // The program that the tests would run is the shell's own name here.
            let other = format!("exec '{}' \"$@\"", path.display());
            let shell = ["sh", "-c", &other].map(str::to_owned);
            options.under.extend(shell);
        }
    }
}
