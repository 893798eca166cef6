//! The file: TOML, read by the table of settings.
//!
//! It is walked by hand and not by `serde`, so that one table serves the environment as well, all
//! mistakes are told at once, and no message quotes a line of the file: it may hold the secret.

use std::ops::Range;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::draft::{Draft, Place};
use super::table::{SETTINGS, Setting};
use super::value::{Given, nearest};

/// Takes every value of the file's text into the draft; returns what is wrong, in the file's order.
pub(super) fn apply(draft: &mut Draft, path: &Path, text: &str) -> Vec<String> {
    let place = |span: Range<usize>| place(path, text, span.start);
    let document = match DeTable::parse(text) {
        Ok(document) => document,
        Err(error) => {
            let place = place(error.span().unwrap_or_default());
            // Its `Display` would quote the line; its message speaks of TOML alone.
            return vec![format!("{place}: not TOML: {}", error.message())];
        }
    };
    let mut wrong: Vec<(usize, String)> = Vec::new();
    for (section, entries) in document.get_ref() {
        let known = SETTINGS.iter().any(|key| key.section == section.get_ref());
        let entries = match entries.get_ref() {
            DeValue::Table(entries) if known => entries,
            other => {
                let what = unknown_section(section.get_ref(), known, other);
                let told = format!("{}: {what}", place(section.span()));
                wrong.push((section.span().start, told));
                continue;
            }
        };
        for (name, value) in entries {
            let known = SETTINGS
                .iter()
                .find(|key| key.section == section.get_ref() && key.name == name.get_ref());
            let (start, result) = match known {
                Some(key) => {
                    let given = Given::File(value.get_ref());
                    let taken = key.give(draft, &given, place(value.span()));
                    (value.span().start, taken)
                }
                None => {
                    let what = unknown_key(section.get_ref(), name.get_ref());
                    let told = format!("{}: {what}", place(name.span()));
                    (name.span().start, Err(told))
                }
            };
            wrong.extend(result.err().map(|message| (start, message)));
        }
    }
    // TOML tables come sorted by name; people read from the top.
    wrong.sort_by_key(|(start, _)| *start);
    wrong.into_iter().map(|(_, message)| message).collect()
}

/// A section that does not exist, or a value that stands where only sections do.
fn unknown_section(name: &str, known: bool, found: &DeValue<'_>) -> String {
    if known {
        let found = Given::File(found).kind();
        return format!("found {found} named {name}, expected a section, [{name}]");
    }
    if !matches!(found, DeValue::Table(_)) {
        return match SETTINGS.iter().find(|key| key.name == name) {
            Some(key) => format!("{name} belongs under [{}]", key.section),
            None => format!("unknown key {name} outside any section"),
        };
    }
    let mut sections: Vec<&str> = SETTINGS.iter().map(|key| key.section).collect();
    sections.dedup();
    let meant = match nearest(name, sections.iter().copied()) {
        Some(meant) => format!("did you mean [{meant}]?"),
        None => format!("expected one of [{}]", sections.join("], [")),
    };
    format!("unknown section [{name}], {meant}")
}

fn unknown_key(section: &str, name: &str) -> String {
    if let Some(key) = SETTINGS.iter().find(|key| key.name == name) {
        return format!("{name} belongs under [{}], not [{section}]", key.section);
    }
    let here = |key: &&Setting| key.section == section;
    let names = SETTINGS.iter().filter(here).map(|key| key.name);
    let meant = match nearest(name, names.clone()) {
        Some(meant) => format!("did you mean {meant}?"),
        None => format!("expected one of {}", names.collect::<Vec<_>>().join(", ")),
    };
    format!("unknown key {name} in [{section}], {meant}")
}

/// Line and column of a byte of the text, as editors count them.
fn place(path: &Path, text: &str, offset: usize) -> Place {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Place::File {
        path: path.to_owned(),
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}

#[cfg(test)]
mod tests;
