//! `import`: what another server has kept, taken in. What belongs to one user is taken together or
//! not at all, and an import that was taken already changes nothing.

mod database;
mod rename;
mod tally;

use std::io::{IsTerminal, stdin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::data;
use super::format::count;
use super::progress::Progress;
use super::report::say;
use crate::archive::Document;
use crate::config::{Config, ReservedNamespaces};
use crate::exit;
use crate::formats::{self, Import, Item, Problem, Reason, Stale};
use crate::logs;
use crate::owners::sound::{Bad, Sound};
use crate::owners::{Owners, OwnersError};
use crate::service;
use crate::store::{Entry, Existing, Owner, OwnerData, Value};
use rename::Renames;
use tally::Tally;

pub use rename::Rename;

/// What stands for standard input, and what it is called in messages.
const STDIN: (&str, &str) = ("-", "standard input");

/// Where ejabberd (24.06 or later) notes that an account is banned, and its password before: its own note, which
/// the user has not stored.
pub const BANS: &str = "jabber:ejabberd:banned";

/// How it is to be done.
#[derive(Debug, Clone)]
pub struct How {
    /// Only say what would be done.
    pub dry_run: bool,
    /// What is stored already makes way; otherwise it stays.
    pub replace: bool,
    /// Files in a folder of Prosody's are taken even where an SQL database lies beside them.
    pub ignore_database: bool,
    /// Domains that are to be others.
    pub rename: Vec<Rename>,
}

/// Imports these files and folders.
pub fn run(config: &Config, paths: Vec<PathBuf>, how: &How) -> ExitCode {
    ExitCode::from(execute(config, paths, how).unwrap_or_else(|code| code))
}

fn execute(config: &Config, paths: Vec<PathBuf>, how: &How) -> Result<u8, u8> {
    let renames = Renames::of(&how.rename).map_err(|why| {
        logs::error(why);
        exit::USAGE
    })?;
    let imports = imports(config, paths, how)?;
    let data = match how.dry_run {
        true => data::open_or_empty(config)?,
        false => data::open_or_make(config)?,
    };
    let mut work = Work {
        owners: &*data,
        config,
        how,
        renames,
        tally: Tally::default(),
        bar: Progress::anywhere(),
    };
    let taken = imports.into_iter().try_for_each(|it| work.take_all(it));
    work.bar.clear();
    work.tally.tell(how);
    taken.inspect_err(|_| {
        logs::error(
            "not a complete import: with the user named last it stopped, and nobody behind was looked at; once the \
             store takes something again, run this command again",
        );
    })?;
    work.tell_of_renames();
    work.tell_of_a_database();
    let tally = &work.tally;
    let is_whole = tally.problems == 0 && tally.not_served.is_empty();
    Ok(if is_whole { 0 } else { exit::INCOMPLETE })
}

/// What is to be read, standard input first. Problems are told with absolute paths.
fn imports(config: &Config, mut paths: Vec<PathBuf>, how: &How) -> Result<Vec<Import>, u8> {
    let (sign, name) = STDIN;
    let named = paths.len();
    paths.retain(|path| path != Path::new(sign));
    let mut imports = Vec::new();
    if paths.len() < named {
        if stdin().is_terminal() {
            logs::error(format_args!(
                "standard input is a terminal: pipe an XEP-0227 document into this command, or name a \
                 file"
            ));
            return Err(exit::USAGE);
        }
        let limits = limits(config);
        imports.push(Import::from_reader(stdin(), Path::new(name), limits));
    }
    for path in &mut paths {
        if let Ok(absolute) = std::path::absolute(&*path) {
            *path = absolute;
        }
    }
    let stale = match how.ignore_database {
        true => Stale::Take,
        false => Stale::LeaveOut,
    };
    imports.push(Import::of(paths, limits(config), stale));
    Ok(imports)
}

/// An import under way.
struct Work<'w> {
    owners: &'w dyn Owners,
    config: &'w Config,
    how: &'w How,
    renames: Renames,
    tally: Tally,
    bar: Progress,
}

impl Work<'_> {
    /// Takes what an import brings. Fails only where nothing more can be stored.
    fn take_all(&mut self, mut import: Import) -> Result<(), u8> {
        let so_far = import.progress();
        for item in import.by_ref() {
            match item {
                Item::Problem(problem) => self.problem(&problem),
                Item::User(user) => {
                    self.user(user)?;
                    let users = count(self.tally.users, "user", "users");
                    match so_far.total() {
                        0 => self.bar.show(|| users), // a pipe
                        total => self.bar.show_part(so_far.done(), total, users),
                    }
                }
            }
        }
        Ok(())
    }

    fn problem(&mut self, problem: &Problem) {
        let file = &*problem.place.file;
        let is_stdin = file == Path::new(STDIN.1);
        match problem.reason {
            Reason::Foreign | Reason::Database { .. } if is_stdin => {
                self.tally.is_stdin_foreign = true;
            }
            // A mistake in the midst of a document does not make it something else.
            Reason::NotXml(_) if is_stdin => {
                self.tally.is_stdin_foreign |= self.tally.users == 0;
            }
            Reason::Database { stale } => {
                let first = &mut self.tally.database;
                first.get_or_insert_with(|| (file.to_owned(), stale));
            }
            _ => {}
        }
        self.tally.problems += 1;
        self.bar.line(problem);
    }

    fn user(&mut self, mut user: formats::User) -> Result<(), u8> {
        let all = user.entries.len();
        user.entries.retain(|entry| entry.namespace != BANS);
        self.tally.bans += (all - user.entries.len()) as u64;
        for problem in &user.problems {
            self.problem(problem);
        }
        self.renames.rename(&mut user);
        if !self.config.access.domains.contains(&user.domain) {
            *self.tally.not_served.entry(user.domain).or_default() += 1;
            return Ok(());
        }
        let taken = take(self.owners, self.config, &user, self.how, &mut self.tally);
        let Err(trouble) = taken else {
            return Ok(());
        };
        self.tally.problems += 1;
        let (place, jid) = (&user.place, &user.jid);
        self.bar
            .line(format_args!("{place}: {jid}: left out: {trouble}"));
        match trouble {
            OwnersError::Broken(_) => Err(exit::STORE),
            OwnersError::Refused(_) => Ok(()),
        }
    }

    fn tell_of_renames(&self) {
        for old in self.renames.unused() {
            say(format_args!("--rename: there was no user of {old}"));
        }
    }

    fn tell_of_a_database(&self) {
        if let Some((file, stale)) = &self.tally.database {
            database::tell(file, *stale, self.config, &self.how.rename);
        }
    }
}

/// Takes one user's elements: first those that replace what is damaged, then all of the others or none.
fn take(
    owners: &dyn Owners,
    config: &Config,
    user: &formats::User,
    how: &How,
    tally: &mut Tally,
) -> Result<(), OwnersError> {
    let Some(owner) = Owner::new(&user.jid) else {
        return Err(OwnersError::Refused("the address is too long".to_owned()));
    };
    if user.entries.is_empty() {
        return Ok(());
    }
    let has = owners.document(&owner)?.owner_data;
    let (mut wanted, mut damaged) = (Vec::new(), Vec::new());
    let (mut new, mut replaced, mut kept, mut same) = (0, 0, 0, 0);
    for entry in &user.entries {
        let name = (&entry.namespace, &entry.name);
        let stored = has.entries.iter().find(|e| (&e.namespace, &e.name) == name);
        let is_same = stored.map(|stored| stored.value.text == entry.xml);
        let is_damaged = has
            .damaged
            .iter()
            .any(|(namespace, name)| (namespace, name) == (&entry.namespace, &entry.name));
        match tally.plan.is_same(&user.jid, entry).or(is_same) {
            Some(true) => {
                same += 1;
                continue;
            }
            Some(false) if !how.replace => {
                kept += 1;
                continue;
            }
            Some(false) => replaced += 1,
            None if is_damaged => {} // it is replaced
            None => new += 1,
        }
        if how.dry_run {
            tally.plan.note(&user.jid, entry);
        }
        // What cannot be read is nothing that could be kept.
        let of_its_kind = if is_damaged {
            &mut damaged
        } else {
            &mut wanted
        };
        of_its_kind.push(Entry {
            namespace: entry.namespace.clone(),
            name: entry.name.clone(),
            value: Value {
                text: entry.xml.clone(),
                elements: entry.elements,
            },
        });
    }
    let existing = if how.replace {
        Existing::Replace
    } else {
        // Whatever the user has set since we looked stays as well.
        Existing::Keep
    };
    let put = |entries: Vec<Entry>, existing| {
        if how.dry_run || entries.is_empty() {
            return Ok(());
        }
        let owner_data = OwnerData {
            entries,
            damaged: Vec::new(),
        };
        let sound = Sound::whole(Document {
            owner: owner.clone(),
            owner_data,
            note: None,
        });
        let refused = |bad: Bad| OwnersError::Refused(bad.to_string());
        owners.put(sound.map_err(refused)?, existing)
    };
    let mended = damaged.len() as u64;
    put(damaged, Existing::Replace)?;
    tally.replaced += mended;
    put(wanted, existing)?;
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
