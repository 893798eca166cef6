//! A run that went wrong, made as short as it can be and still go wrong, and told in words.

use super::plan::Plan;
use super::run::{Outcome, run};
use crate::chaos::dice::variable;

/// How many lines of a story a person reads, where SIMULATION_LINES says nothing else.
const LINES: usize = 60;

/// The shortest plan that comes to break the same rule, as far as it is found.
pub fn shrunk(plan: &Plan, outcome: &Outcome) -> Plan {
    let broken = outcome.violation.as_ref().map(|it| it.predicate);
    let still = |plan: &Plan| run(plan, false).violation.map(|it| it.predicate) == broken;
    let mut shortest = plan.clone();
    // What comes after the end has no part in it.
    shortest.misfortunes.retain(|(at, _)| *at <= outcome.lasted);
    if !still(&shortest) {
        shortest = plan.clone();
    }
    while let Some(owners) = shortest.owners.checked_sub(1).filter(|it| *it > 0) {
        let fewer = Plan {
            owners,
            ..shortest.clone()
        };
        match still(&fewer) {
            true => shortest = fewer,
            false => break,
        }
    }
    let mut at = shortest.misfortunes.len();
    while at > 0 {
        at -= 1;
        let mut without = shortest.clone();
        without.misfortunes.remove(at);
        if still(&without) {
            shortest = without;
        }
    }
    for length in [1, 2, 4, 8, 16, 32] {
        let shorter = Plan {
            length: length * 1000,
            ..shortest.clone()
        };
        if shorter.length < shortest.length && still(&shorter) {
            shortest = shorter;
            break;
        }
    }
    shortest
}

/// What happened, in order, in words.
pub fn told(plan: &Plan) -> String {
    let outcome = run(plan, true);
    let mut lines = Vec::new();
    // As tests/simulation/kept.rs has it.
    lines.push(format!("seed {}: {plan:?}", plan.seed));
    let story = &outcome.story;
    let lines_told = variable("SIMULATION_LINES").unwrap_or(LINES);
    let left_out = story.len().saturating_sub(lines_told);
    if left_out > 0 {
        lines.push(format!("({left_out} lines before that)"));
    }
    lines.extend(story.iter().skip(left_out).map(|it| shortened(it)));
    lines.join("\n")
}

fn shortened(line: &str) -> String {
    match line.char_indices().nth(400) {
        None => line.to_owned(),
        Some((at, _)) => format!("{}…", &line[..at]),
    }
}
