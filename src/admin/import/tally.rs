//! What an import has come to, and what a dry run would have come to.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;
use std::path::PathBuf;

use super::How;
use crate::admin::format::count;
use crate::admin::report::say;
use crate::formats;

#[derive(Debug, Default)]
pub struct Tally {
    pub users: u64,
    pub new: u64,
    pub replaced: u64,
    pub kept: u64,
    pub same: u64,
    pub problems: u64,
    /// Notes of ejabberd's that an account is banned.
    pub bans: u64,
    /// Users left out for their domain.
    pub not_served: BTreeMap<String, u64>,
    /// Elements in namespaces that are not served.
    pub reserved: BTreeMap<String, u64>,
    /// The first database of Prosody's that was found, and whether files beside it were left out.
    pub database: Option<(PathBuf, bool)>,
    /// Whether standard input was something else than it should be.
    pub is_stdin_foreign: bool,
    pub plan: Plan,
}

impl Tally {
    /// Prints it.
    pub fn tell(&self, how: &How) {
        let done = if how.dry_run {
            "would import"
        } else {
            "imported"
        };
        say(format_args!(
            "{done} private data of {}; elements: {} new, {} replaced, {} kept as stored, {} the \
             same already",
            count(self.users, "user", "users"),
            self.new,
            self.replaced,
            self.kept,
            self.same
        ));
        if self.kept > 0 {
            say(format_args!(
                "what is kept as stored differs from the files: --replace takes what is in them"
            ));
        }
        if self.bans > 0 {
            let bans = count(self.bans, "ban", "bans");
            say(format_args!(
                "left out {bans}: ejabberd keeps enforcing its bans itself"
            ));
        }
        for (domain, users) in &self.not_served {
            say(format_args!(
                "left out {} of {}: access.domains does not name it",
                count(*users, "user", "users"),
                domain.escape_debug()
            ));
        }
        for (namespace, elements) in &self.reserved {
            say(format_args!(
                "{} in the reserved namespace {namespace:?}: clients can read it only with \
                 access.reserved_namespaces = \"accept\"",
                count(*elements, "element", "elements")
            ));
        }
        if self.problems > 0 {
            let problems = count(self.problems, "problem", "problems");
            say(format_args!("{problems}; each is named above"));
        }
        if self.is_stdin_foreign {
            say(format_args!(
                "standard input must be an XEP-0227 document, such as `export` writes; what Prosody \
                 stores is taken from its folder: name that"
            ));
        }
    }
}

/// What a dry run would have stored, so that of somebody who comes twice it says what would happen. It holds
/// hashes alone: of owner and name, and of the text.
#[derive(Debug, Default)]
pub struct Plan(HashMap<u64, u64>);

impl Plan {
    fn key(&self, jid: &str, entry: &formats::Entry) -> u64 {
        self.0
            .hasher()
            .hash_one((jid, &entry.namespace, &entry.name))
    }

    pub fn note(&mut self, jid: &str, entry: &formats::Entry) {
        let text = self.0.hasher().hash_one(&entry.xml);
        self.0.insert(self.key(jid, entry), text);
    }

    /// Whether this would be there already; none if nothing of the name would be by this plan.
    pub fn is_same(&self, jid: &str, entry: &formats::Entry) -> Option<bool> {
        let text = self.0.get(&self.key(jid, entry))?;
        Some(*text == self.0.hasher().hash_one(&entry.xml))
    }
}
