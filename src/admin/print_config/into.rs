//! `--into FILE`: what the server's own file needs so that ours can be included, and what is in it that
//! would not go with ours. Nothing is changed.

mod ejabberd;
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

/// How many lines are shown before and behind a change.
const AROUND: usize = 3;

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
    /// From 1.
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
        let mut edited = String::new();
        for (line, number) in self.text.lines().zip(1..) {
            let here = || self.edits.iter().filter(|edit| edit.line == number);
            if !here().any(|edit| edit.is_instead) {
                edited.push_str(line);
                edited.push('\n');
            }
            edited.extend(here().map(|edit| &*edit.lines));
        }
        edited
    }

    /// What is to be changed, as `diff -u` shows it; empty if nothing is.
    fn diff(&self) -> String {
        if self.edits.is_empty() {
            return String::new();
        }
        let (path, edited) = (self.path.display().to_string(), self.edited());
        let diff = TextDiff::from_lines(&*self.text, &*edited);
        let mut diff = diff.unified_diff();
        diff.context_radius(AROUND).header(&path, &path).to_string()
    }
}

/// What an administrator is told about the server's files, the first of which was named.
fn told(sources: &[Source], by_hand: &[String]) -> String {
    let named = sources.first().map(|it| it.path.display().to_string());
    let named = named.unwrap_or_default();
    let diffs: String = sources.iter().map(Source::diff).collect();
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
