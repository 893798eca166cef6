//! The file: TOML, read by the table of settings.
//!
//! It is walked by hand and not by `serde`, so that one table serves the environment as well, all
//! mistakes are told at once, and no message quotes a line of the file: it may hold the secret.

use std::ops::Range;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::draft::{Draft, Place};
use super::table::{Setting, settings};
use super::value::{Given, nearest};

/// Takes every value of the file's text into the draft; returns what is wrong, in the file's order.
pub(super) fn apply(draft: &mut Draft, path: &Path, text: &str) -> Vec<String> {
    let document = match DeTable::parse(text) {
        Ok(document) => document,
        Err(error) => {
            let place = place(path, text, error.span().unwrap_or_default().start);
            // Its `Display` would quote the line; its message speaks of TOML alone.
            return vec![format!("{place}: not TOML: {}", error.message())];
        }
    };
    let mut reader = Reader {
        draft,
        path,
        text,
        wrong: Vec::new(),
    };
    for (name, found) in document.get_ref() {
        reader.section(name.get_ref(), name.span(), found.get_ref());
    }
    let mut wrong = reader.wrong;
    // TOML tables come sorted by name; people read from the top.
    wrong.sort_by_key(|(start, _)| *start);
    wrong.into_iter().map(|(_, message)| message).collect()
}

struct Reader<'a> {
    draft: &'a mut Draft,
    path: &'a Path,
    text: &'a str,
    /// What is wrong, and where in the text.
    wrong: Vec<(usize, String)>,
}

impl Reader<'_> {
    fn section(&mut self, name: &str, span: Range<usize>, found: &DeValue<'_>) {
        let known = is_section(name);
        match found {
            DeValue::Table(entries) if known => self.entries(name, entries),
            other => self.refuse(span, &unknown_section(name, known, other)),
        }
    }

    fn entries(&mut self, section: &str, entries: &DeTable<'_>) {
        for (name, value) in entries {
            let (span, value_span) = (name.span(), value.span());
            let (name, value) = (name.get_ref(), value.get_ref());
            let inner = format!("{section}.{name}");
            let known = settings().find(|key| key.section == section && key.name == name);
            match known {
                Some(key) => {
                    let place = place(self.path, self.text, value_span.start);
                    let taken = key.give(self.draft, &Given::File(value), place);
                    let wrong = taken.err().map(|message| (value_span.start, message));
                    self.wrong.extend(wrong);
                }
                None if is_section(&inner) || may_be_section(section, value) => {
                    self.section(&inner, span, value);
                }
                None => self.refuse(span, &unknown_key(section, name)),
            }
        }
    }

    fn refuse(&mut self, span: Range<usize>, what: &str) {
        let place = place(self.path, self.text, span.start);
        self.wrong.push((span.start, format!("{place}: {what}")));
    }
}

fn is_section(name: &str) -> bool {
    settings().any(|key| key.section == name)
}

/// Whether a table stands where a section within this one might.
fn may_be_section(outer: &str, value: &DeValue<'_>) -> bool {
    let is_within = |section: &str| {
        let within = section.strip_prefix(outer);
        within.is_some_and(|it| it.starts_with('.'))
    };
    matches!(value, DeValue::Table(_)) && settings().any(|key| is_within(key.section))
}

/// A section that does not exist, or a value that stands where only sections do.
fn unknown_section(name: &str, known: bool, found: &DeValue<'_>) -> String {
    if known {
        let found = Given::File(found).kind();
        return format!("found {found} named {name}, expected a section, [{name}]");
    }
    if !matches!(found, DeValue::Table(_)) {
        return match homes(name) {
            Some(homes) => format!("{name} belongs under {homes}"),
            None => format!("unknown key {name} outside any section"),
        };
    }
    let mut sections: Vec<&str> = settings().map(|key| key.section).collect();
    sections.dedup();
    let end = format!(".{name}");
    let mut within = sections.iter().filter(|section| section.ends_with(&end));
    let meant = match nearest(name, sections.iter().copied()).or(within.next().copied()) {
        Some(meant) => format!("did you mean [{meant}]?"),
        None => format!("expected one of [{}]", sections.join("], [")),
    };
    format!("unknown section [{name}], {meant}")
}

fn unknown_key(section: &str, name: &str) -> String {
    // The word that servers use for it, and the database has a key of that name.
    if (section, name) == ("component", "password") {
        return "unknown key password in [component], did you mean secret?".to_owned();
    }
    if let Some(homes) = homes(name) {
        return format!("{name} belongs under {homes}, not [{section}]");
    }
    let here = |key: &&Setting| key.section == section;
    let names = settings().filter(here).map(|key| key.name);
    let meant = match nearest(name, names.clone()) {
        Some(meant) => format!("did you mean {meant}?"),
        None => format!("expected one of {}", names.collect::<Vec<_>>().join(", ")),
    };
    format!("unknown key {name} in [{section}], {meant}")
}

/// The sections that have a key of this name.
fn homes(name: &str) -> Option<String> {
    let homes = settings().filter(|key| key.name == name);
    let homes: Vec<String> = homes.map(|key| format!("[{}]", key.section)).collect();
    (!homes.is_empty()).then(|| homes.join(" or "))
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
