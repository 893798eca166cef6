//! `export`: what is stored, in the form that other servers take (XEP-0227).

mod tally;

use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::data;
use super::format;
use super::import;
use super::user::as_typed;
use crate::address::{self, Sender};
use crate::archive::Document;
use crate::config::Config;
use crate::exit;
use crate::formats::{self, Export, Import, Item, Stale};
use crate::logs;
use crate::owners::{self, Owners, OwnersError};
use crate::store::{Owner, OwnerData};
use tally::Tally;

/// How long the name of a file may be, in bytes, on every usual file system.
const LONGEST_NAME: usize = 255;

#[derive(Debug, Clone)]
pub enum To {
    /// One document for all, to standard output.
    Output,
    /// One document for all, to a file that is not there yet.
    File(PathBuf),
    /// A file for each user, as Prosody's storage looks for them, into a folder.
    Folder(PathBuf),
}

impl To {
    /// Where it goes if it is to go there.
    pub fn from(file: Option<PathBuf>, folder: Option<PathBuf>) -> Self {
        match (file, folder) {
            (_, Some(folder)) => Self::Folder(folder),
            (Some(file), None) => Self::File(file),
            (None, None) => Self::Output,
        }
    }
}

/// What of it.
#[derive(Debug, Clone)]
pub struct What {
    /// Only these users, or all.
    pub users: Vec<String>,
    /// Namespaces that are left out.
    pub without: Vec<String>,
    /// What the server has kept itself, as `import` takes it.
    pub over: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
enum Stopped {
    #[error("{0}")]
    OwnersError(#[from] OwnersError),
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

/// Exports it.
pub fn run(config: &Config, what: &What, to: &To) -> ExitCode {
    let owners: Result<Vec<Owner>, &String> = what
        .users
        .iter()
        .map(|user| match address::sender(user) {
            Sender::User(jid, _) => Owner::new(&jid).ok_or(user),
            Sender::Host(_) | Sender::Malformed => Err(user),
        })
        .collect();
    let owners = match owners {
        Ok(owners) => owners,
        Err(user) => {
            logs::error(format_args!(
                "{user:?} is not a user's address; one looks like alice@example.org"
            ));
            return ExitCode::from(exit::USAGE);
        }
    };
    let data = match data::open(config) {
        Ok(data) => data,
        Err(code) => return ExitCode::from(code),
    };
    let mut tally = Tally::default();
    let is_named = !owners.is_empty();
    let owners = match with_anything(&*data, owners, &mut tally) {
        Ok(owners) if owners.is_empty() && is_named => return ExitCode::from(exit::NO_USER),
        Ok(owners) => owners,
        Err(trouble) => return ExitCode::from(data::told(&trouble)),
    };
    let selection = Selection {
        config,
        owners: &owners,
        what,
    };
    match export(&*data, &selection, to, &mut tally) {
        Ok(()) => {
            tally.tell();
            ExitCode::from(if tally.problems > 0 {
                exit::INCOMPLETE
            } else {
                0
            })
        }
        Err(stopped) => {
            logs::error(format_args!(
                "{stopped}; what was written so far is not a complete export"
            ));
            ExitCode::from(match stopped {
                Stopped::OwnersError(_) => exit::STORE,
                Stopped::Write(_) => exit::OUTPUT,
            })
        }
    }
}

/// Those of these users who have anything stored. The others are named.
fn with_anything(
    owners: &dyn Owners,
    users: Vec<Owner>,
    tally: &mut Tally,
) -> Result<Vec<Owner>, OwnersError> {
    let mut with_anything = Vec::new();
    for user in users {
        let has = owners.document(&user)?.owner_data;
        if has.entries.is_empty() && has.damaged.is_empty() {
            tally.problem(format_args!("{} has nothing stored", user.as_str()));
        } else {
            with_anything.push(user);
        }
    }
    Ok(with_anything)
}

struct Selection<'a> {
    config: &'a Config,
    /// Nobody is everybody.
    owners: &'a [Owner],
    what: &'a What,
}

fn export(
    owners: &dyn Owners,
    selection: &Selection,
    to: &To,
    tally: &mut Tally,
) -> Result<(), Stopped> {
    match to {
        To::Output => all_into(owners, selection, io::stdout().lock(), tally),
        To::File(path) => all_into(owners, selection, create(path)?, tally),
        To::Folder(folder) => {
            as_typed(|| fs::create_dir_all(folder)).map_err(|error| named(folder, error))?;
            each(owners, selection, |document| {
                let Some(document) = tally.take(document) else {
                    return Ok(());
                };
                let Some(name) = formats::file_name(document.owner.as_str()) else {
                    tally.no_account(&document);
                    return Ok(());
                };
                if name.len() > LONGEST_NAME {
                    // A file of that name cannot be made, nor could Prosody have one.
                    tally.problem(format_args!(
                        "{}: left out: the name is too long for a file; without --folder it is exported",
                        document.owner.as_str()
                    ));
                    return Ok(());
                }
                let mut export = Export::new(BufWriter::new(create(&folder.join(name))?))?;
                write(&mut export, &document)?;
                export.finish()?;
                Ok(())
            })
        }
    }
}

fn all_into(
    owners: &dyn Owners,
    selection: &Selection,
    out: impl Write,
    tally: &mut Tally,
) -> Result<(), Stopped> {
    let mut export = Export::new(BufWriter::new(out))?;
    each(owners, selection, |document| {
        let Some(document) = tally.take(document) else {
            return Ok(());
        };
        if formats::file_name(document.owner.as_str()).is_none() {
            tally.no_account(&document);
            return Ok(());
        }
        write(&mut export, &document)
    })?;
    if let Some(path) = &selection.what.over {
        empty(owners, selection, path, &mut export, tally)?;
    }
    export.finish()?;
    Ok(())
}

fn each(
    owners: &dyn Owners,
    selection: &Selection,
    mut work: impl FnMut(Document) -> Result<(), Stopped>,
) -> Result<(), Stopped> {
    let mut work = |mut document: Document| {
        let owner_data = &mut document.owner_data;
        owner_data
            .entries
            .retain(|entry| selection.takes(&entry.namespace));
        owner_data
            .damaged
            .retain(|(namespace, _)| selection.takes(namespace));
        work(document)
    };
    if selection.owners.is_empty() {
        return owners::for_each_document(owners, work);
    }
    for owner in selection.owners {
        work(owners.document(owner)?)?;
    }
    Ok(())
}

impl Selection<'_> {
    fn takes(&self, namespace: &str) -> bool {
        !self.what.without.iter().any(|it| it == namespace)
    }
}

/// Writes an empty element for each that the server has kept itself, where nothing is stored here any more: the
/// server would show it again. ejabberd keeps one element for each namespace, so where anything is stored in that,
/// it takes the place of the old one.
fn empty(
    owners: &dyn Owners,
    selection: &Selection,
    old: &Path,
    export: &mut Export<impl Write>,
    tally: &mut Tally,
) -> Result<(), Stopped> {
    let config = selection.config;
    for item in Import::of([old.to_owned()], import::limits(config), Stale::LeaveOut) {
        let user = match item {
            Item::User(user) => user,
            Item::Problem(problem) => {
                tally.problem(problem);
                continue;
            }
        };
        for problem in &user.problems {
            tally.problem(problem);
        }
        let Some(owner) = Owner::new(&user.jid) else {
            continue;
        };
        if !config.access.domains.contains(&user.domain) {
            continue;
        }
        let OwnerData { entries, damaged } = owners.document(&owner)?.owner_data;
        let is_stored = |namespace: &str| {
            entries.iter().any(|entry| entry.namespace == namespace)
                || damaged.iter().any(|(damaged, _)| damaged == namespace)
        };
        let gone = user.entries.iter().filter(|entry| {
            selection.takes(&entry.namespace)
                && entry.namespace != import::BANS
                && !is_stored(&entry.namespace)
        });
        let emptied: Vec<String> = gone.map(formats::Entry::without_content).collect();
        if !emptied.is_empty() {
            export.user(&user.jid, &emptied)?;
            tally.emptied += emptied.len() as u64;
        }
    }
    Ok(())
}

fn write(export: &mut Export<impl Write>, document: &Document) -> Result<(), Stopped> {
    let texts = document.owner_data.entries.iter();
    export.user(
        document.owner.as_str(),
        texts.map(|entry| &entry.value.text),
    )?;
    Ok(())
}

/// A new file, for this user alone: what is in it is nobody else's business.
fn create(path: &Path) -> io::Result<fs::File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    as_typed(|| options.open(path)).map_err(|error| named(path, error))
}

fn named(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", format::file(path)))
}
