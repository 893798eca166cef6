//! `--into FILE`: what the server's own file needs so that ours can be included, and what is in it that
//! would not go with ours. Nothing is changed.

mod ejabberd;
mod lua;
mod module;
mod prosody;
mod yaml;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{self, Path, PathBuf};
use std::{fs, io};

use similar::TextDiff;

pub use ejabberd::ejabberd;
pub use prosody::prosody;

/// How many lines are shown before and behind a change, at most.
const AROUND: usize = 3;

/// What tells, in small letters, that a line may hold a secret.
const SECRETS: [&str; 6] = ["pass", "pwd", "secret", "token", "credential", "key"];

/// What comes of reading the server's file.
#[derive(Debug, PartialEq, Eq)]
pub struct Advice {
    /// The file to be included, without what the server's own has already.
    pub file: String,
    /// What to change in the server's own, for an administrator to read; `patch` can, too.
    pub changes: String,
}

impl From<String> for Advice {
    /// A file about which there is nothing to say.
    fn from(file: String) -> Self {
        Self {
            file,
            changes: String::new(),
        }
    }
}

/// Modules of ejabberd's that hosts have already: they are changed where they are, and not added.
#[derive(Debug, Default)]
pub struct Present {
    /// The domains that have mod_delegation.
    pub delegation: BTreeSet<String>,
    /// The domains that have mod_privilege.
    pub privilege: BTreeSet<String>,
    /// Whether the others need it, because some host has it.
    pub is_privilege_elsewhere: bool,
}

/// A file of the server's, and what is to become of it.
#[derive(Debug)]
struct Source {
    /// Absolute.
    path: PathBuf,
    text: String,
    edits: Vec<Edit>,
}

/// Lines that are put behind a line, or in its place.
#[derive(Debug)]
struct Edit {
    /// From 1; or 0 for the place before all.
    line: usize,
    is_instead: bool,
    /// Each with its end.
    lines: String,
}

impl Source {
    fn read(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path::absolute(path)?,
            text: fs::read_to_string(path)?,
            edits: Vec::new(),
        })
    }

    /// A place in it, for people.
    fn at(&self, line: usize) -> String {
        format!("{}, line {line}", self.path.display())
    }

    /// The text of a line, from 1.
    fn line(&self, number: usize) -> &str {
        let at = number.checked_sub(1);
        at.and_then(|at| self.text.lines().nth(at))
            .unwrap_or_default()
    }

    fn put_behind(&mut self, line: usize, lines: String) {
        self.edits.push(Edit {
            line,
            is_instead: false,
            lines,
        });
    }

    fn put_in_place_of(&mut self, line: usize, lines: String) {
        self.edits.push(Edit {
            line,
            is_instead: true,
            lines,
        });
    }

    fn put_at_the_end(&mut self, lines: String) {
        self.put_behind(self.text.lines().count(), lines);
    }

    fn edited(&self) -> String {
        let end = match self.text.split_inclusive('\n').next() {
            Some(first) if first.ends_with("\r\n") => "\r\n",
            _ => "\n",
        };
        let mut edited = String::new();
        let lines = self.text.split_inclusive('\n');
        for (number, line) in (0..).zip([""].into_iter().chain(lines)) {
            let here = |is_instead| {
                let edits = self.edits.iter();
                edits.filter(move |it| it.line == number && it.is_instead == is_instead)
            };
            if here(true).next().is_none() {
                edited.push_str(line);
            }
            for edit in here(true).chain(here(false)) {
                if !edited.is_empty() && !edited.ends_with('\n') {
                    edited.push_str(end);
                }
                edited.push_str(&edit.lines.replace('\n', end));
            }
        }
        edited
    }

    /// What is to be changed, as `diff -u` shows it, with as many lines around it as hold no secret; `None`
    /// if it cannot be shown without one, which is so where the last line has no end.
    fn diff(&self) -> Option<String> {
        let (path, edited) = (self.path.display().to_string(), self.edited());
        let diff = TextDiff::from_lines(&*self.text, &*edited);
        let mut diff = diff.unified_diff();
        let mut diffs = (0..=AROUND).rev().map(|around| {
            let diff = diff.context_radius(around).header(&path, &path);
            diff.to_string()
        });
        diffs.find(|it| !shows_a_secret(it))
    }

    /// The same for people.
    fn in_words(&self) -> impl Iterator<Item = String> {
        self.edits.iter().map(|edit| {
            let place = match (edit.line, edit.is_instead) {
                (0, _) => format!("{}, above all lines", self.path.display()),
                (line, false) => format!("{}, behind it", self.at(line)),
                (line, true) => format!("{}, in its place", self.at(line)),
            };
            format!("{place}: put this:\n{}", edit.lines.trim_end())
        })
    }
}

/// Whether a line of the file itself is in a diff that looks like it holds somebody's secret, if only in an
/// address such as `redis://user:secret@host`.
fn shows_a_secret(diff: &str) -> bool {
    let header = 2;
    let lines = diff.lines().skip(header);
    let mut lines = lines
        .filter(|it| !it.starts_with('+'))
        .map(str::to_lowercase);
    lines.any(|it| {
        SECRETS.iter().any(|word| it.contains(word)) || it.contains("://") && it.contains('@')
    })
}

/// What an administrator is told about the server's files, the first of which was named.
fn told(sources: &[Source], by_hand: &[String]) -> String {
    let named = sources.first().map(|it| it.path.display().to_string());
    let named = named.unwrap_or_default();
    let (mut diffs, mut by_hand) = (String::new(), by_hand.to_vec());
    for source in sources.iter().filter(|it| !it.edits.is_empty()) {
        match source.diff() {
            Some(diff) => diffs.push_str(&diff),
            None => by_hand.extend(source.in_words()),
        }
    }
    if diffs.is_empty() && by_hand.is_empty() {
        return format!("Nothing has to be changed in {named}.\n");
    }
    let mut told = format!("Read {named}, and changed nothing.\n");
    if !diffs.is_empty() {
        let _ = write!(told, "This has to be changed:\n\n{diffs}");
    }
    if !by_hand.is_empty() {
        told.push_str("\nBy hand:\n");
    }
    for it in by_hand {
        let _ = writeln!(told, "- {it}");
    }
    told
}

#[cfg(test)]
mod tests;
