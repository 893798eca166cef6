//! `import`: what another server has kept, taken in. What belongs to one user is taken together or
//! not at all, and an import that was taken already changes nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use super::data;
use super::format::count;
use super::progress::Progress;
use crate::archive::Document;
use crate::config::{Config, ReservedNamespaces};
use crate::exit;
use crate::formats::{self, Import, Item};
use crate::owners::sound::{Bad, Sound};
use crate::owners::{Owners, OwnersError};
use crate::service;
use crate::store::{Entry, Existing, Owner, OwnerData, Value};

/// Where ejabberd (24.06 or later) notes that an account is banned, and its password before: its own note, which
/// the user has not stored.
pub const BANS: &str = "jabber:ejabberd:banned";

/// How it is to be done.
#[derive(Debug, Clone, Copy)]
pub struct How {
    /// Only say what would be done.
    pub dry_run: bool,
    /// What is stored already makes way; otherwise it stays.
    pub replace: bool,
}

#[derive(Debug, Default)]
struct Tally {
    users: u64,
    new: u64,
    replaced: u64,
    kept: u64,
    same: u64,
    problems: u64,
    /// Notes of ejabberd's that an account is banned.
    bans: u64,
    /// Users left out for their domain.
    not_served: BTreeMap<String, u64>,
    /// Elements in namespaces that are not served.
    reserved: BTreeMap<String, u64>,
}

/// Imports these files and folders.
pub fn run(config: &Config, paths: Vec<PathBuf>, how: How) -> ExitCode {
    match import(config, paths, how) {
        Ok(tally) => {
            tally.tell(how);
            let whole = tally.problems == 0 && tally.not_served.is_empty();
            ExitCode::from(if whole { 0 } else { exit::INCOMPLETE })
        }
        Err(code) => ExitCode::from(code),
    }
}

fn import(config: &Config, paths: Vec<PathBuf>, how: How) -> Result<Tally, u8> {
    let data = data::open_or_make(config)?;
    let mut import = Import::of(paths, limits(config));
    let (so_far, mut bar) = (import.progress(), Progress::anywhere());
    let mut tally = Tally::default();
    for item in import.by_ref() {
        match item {
            Item::Problem(problem) => {
                tally.problems += 1;
                bar.line(problem);
            }
            Item::User(mut user) => {
                let all = user.entries.len();
                user.entries.retain(|entry| entry.namespace != BANS);
                tally.bans += (all - user.entries.len()) as u64;
                for problem in &user.problems {
                    tally.problems += 1;
                    bar.line(problem);
                }
                if !config.access.domains.contains(&user.domain) {
                    *tally.not_served.entry(user.domain).or_default() += 1;
                } else if let Err(trouble) = take(&*data, config, &user, how, &mut tally) {
                    let broken = matches!(trouble, OwnersError::Broken(_));
                    tally.problems += 1;
                    let jid = &user.jid;
                    bar.line(format_args!("{}: {jid}: left out: {trouble}", user.place));
                    if broken {
                        return Err(exit::STORE);
                    }
                }
                let users = count(tally.users, "user", "users");
                bar.show_part(so_far.done(), so_far.total(), users);
            }
        }
    }
    bar.clear();
    Ok(tally)
}

/// Takes one user's elements, all of them or none.
fn take(
    owners: &dyn Owners,
    config: &Config,
    user: &formats::User,
    how: How,
    tally: &mut Tally,
) -> Result<(), OwnersError> {
    let Some(owner) = Owner::new(&user.jid) else {
        return Err(OwnersError::Refused("the address is too long".to_owned()));
    };
    if user.entries.is_empty() {
        return Ok(());
    }
    let has = owners.document(&owner)?.owner_data;
    let mut wanted = Vec::new();
    let (mut new, mut replaced, mut kept, mut same) = (0, 0, 0, 0);
    for entry in &user.entries {
        let name = (&entry.namespace, &entry.name);
        let stored = has.entries.iter().find(|e| (&e.namespace, &e.name) == name);
        match stored {
            Some(stored) if stored.value.text == entry.xml => {
                same += 1;
                continue;
            }
            Some(_) if !how.replace => {
                kept += 1;
                continue;
            }
            Some(_) => replaced += 1,
            None => new += 1,
        }
        wanted.push(Entry {
            namespace: entry.namespace.clone(),
            name: entry.name.clone(),
            value: Value {
                text: entry.xml.clone(),
                elements: entry.elements,
            },
        });
    }
    if !how.dry_run && !wanted.is_empty() {
        let existing = if how.replace {
            Existing::Replace
        } else {
            // Whatever the user has set since we looked stays as well.
            Existing::Keep
        };
        let owner_data = OwnerData {
            entries: wanted,
            damaged: Vec::new(),
        };
        let sound = Sound::whole(Document {
            owner,
            owner_data,
            note: None,
        });
        let refused = |bad: Bad| OwnersError::Refused(bad.to_string());
        owners.put(sound.map_err(refused)?, existing)?;
    }
    tally.users += 1;
    tally.new += new;
    tally.replaced += replaced;
    tally.kept += kept;
    tally.same += same;
    if config.access.reserved_namespaces == ReservedNamespaces::Refuse {
        let reserved = user.entries.iter().map(|entry| &entry.namespace);
        for namespace in reserved.filter(|namespace| service::is_reserved(namespace)) {
            *tally.reserved.entry(namespace.clone()).or_default() += 1;
        }
    }
    Ok(())
}

impl Tally {
    fn tell(&self, how: How) {
        let done = if how.dry_run {
            "would import"
        } else {
            "imported"
        };
        println!(
            "{done} private data of {}; elements: {} new, {} replaced, {} kept as stored, {} the \
             same already",
            count(self.users, "user", "users"),
            self.new,
            self.replaced,
            self.kept,
            self.same
        );
        if self.kept > 0 {
            println!(
                "what is kept as stored differs from the files: --replace takes what is in them"
            );
        }
        if self.bans > 0 {
            let bans = count(self.bans, "ban", "bans");
            println!("left out {bans} of ejabberd's: it goes on heeding them itself");
        }
        for (domain, users) in &self.not_served {
            println!(
                "left out {} of {}: access.domains does not name it",
                count(*users, "user", "users"),
                domain.escape_debug()
            );
        }
        for (namespace, elements) in &self.reserved {
            println!(
                "{} in the reserved namespace {namespace:?}: clients can read it only with \
                 access.reserved_namespaces = \"accept\"",
                count(*elements, "element", "elements")
            );
        }
        if self.problems > 0 {
            let problems = count(self.problems, "problem", "problems");
            println!("{problems}; each is named above");
        }
    }
}

/// A user is held to what a client would be held to.
pub fn limits(config: &Config) -> formats::Limits {
    let limits = &config.limits;
    formats::Limits {
        bytes: usize::try_from(limits.max_user_bytes).unwrap_or(usize::MAX),
        elements: usize::try_from(limits.max_user_elements).unwrap_or(usize::MAX),
        depth: limits.max_depth,
        name_bytes: service::MAX_NAME_BYTES,
    }
}
