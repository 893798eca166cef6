//! What keeping bookmarks in step with PEP costs. `scripts/bench bookmarks` runs it;
//! docs/internals/performance-bookmarks.md says what came out.
//!
//! `lone` asks one thing at a time through two real Prosodys side by side, one that grants PEP and
//! one that does not (`place` sets them up); `first` brings many rooms into PEP at once, and watches
//! how long others wait; `alone` plays the server, and looks at the component's processor time.
//!
//! Arguments: `--rounds N`; `--only lone`, `first` or `alone`; and `--without-nagle`, for Prosodys that
//! are set up so.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "only in the program does time enter at one place"
)]

mod alone;
mod asking;
mod figures;
mod first;
mod lone;
mod pep;
mod place;
#[allow(dead_code, reason = "the tests use all of it")]
#[path = "../../tests/support/mod.rs"]
mod support;

use std::error::Error;
use std::sync::atomic::Ordering;

fn main() -> Result<(), Box<dyn Error>> {
    // What cargo itself adds says nothing.
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let value = |option: &str| {
        let at = arguments.iter().position(|argument| argument == option)?;
        arguments.get(at + 1)
    };
    let without_nagle = arguments.iter().any(|it| it == "--without-nagle");
    place::WITHOUT_NAGLE.store(without_nagle, Ordering::Relaxed);
    let only = value("--only");
    let wanted = |part: &str| only.is_none_or(|only| only == part);
    let rounds = value("--rounds").map_or(Ok(7), |rounds| rounds.parse())?;
    if wanted("lone") {
        lone::measure(rounds);
    }
    if wanted("first") {
        first::measure();
    }
    if wanted("alone") {
        alone::measure();
    }
    Ok(())
}

/// So many rooms, as XEP-0048 has them.
fn rooms(count: usize, name: &str) -> String {
    let room = |n| {
        format!(
            "<conference jid='room-{n:03}@rooms.example.org' name='{name} {n}' autojoin='true'>\
             <nick>somebody</nick></conference>"
        )
    };
    storage(&(0..count).map(room).collect::<String>())
}

fn storage(content: &str) -> String {
    format!("<storage xmlns='storage:bookmarks'>{content}</storage>")
}
