//! `backup` and `restore`: all owners in one file, and back.
//!
//! A backup is taken while sets go on: of each owner it holds all that they had at one moment,
//! which is not before the backup began. It gets its name when it is whole and on the disk.

mod file;
mod restore;
mod source;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use super::format;
use super::progress::Progress;
use super::report::tell;
use super::{data, format::count};
use crate::archive::{self, Document};
use crate::config::Config;
use crate::exit;
use crate::logs;
use crate::owners::sound::Sound;
use crate::owners::{OwnersError, for_each_document};
use file::Target;

pub use restore::restore;

/// Writes a backup to a file, or to standard output if that is called `-`.
pub fn run(config: &Config, file: &Path, force: bool) -> ExitCode {
    ExitCode::from(back_up(config, file, force).unwrap_or_else(|code| code))
}

/// What was written, put or moved.
#[derive(Debug, Default)]
pub struct Sum {
    pub owners: u64,
    pub elements: u64,
    pub bytes: u64,
    pub damaged: u64,
    bad: u64,
}

impl Sum {
    pub fn add(&mut self, document: &Document) {
        self.owners += 1;
        for entry in &document.owner_data.entries {
            self.elements += u64::from(entry.value.elements);
            self.bytes += entry.value.text.len() as u64;
        }
    }

    /// Names what cannot be read, and has not been since the backup.
    pub fn name_damage(&mut self, document: &Document, progress: &mut Progress) {
        for (namespace, name) in &document.owner_data.damaged {
            self.damaged += 1;
            progress.clear();
            let [owner, namespace, name] =
                [document.owner.as_str(), namespace, name].map(format::shown);
            logs::error(format_args!(
                "damaged, and so left out: {owner} {namespace:?} {name:?}"
            ));
        }
    }

    /// Names what a restore would refuse. An older one let it in, or something else than this
    /// program has written to the store.
    fn name_bad(&mut self, document: Document, progress: &mut Progress) {
        for bad in Sound::of(document).1 {
            self.bad += 1;
            progress.line(format_args!("not as it should be stored: {bad}"));
        }
    }

    pub fn told(&self) -> String {
        let owners = count(self.owners, "user", "users");
        let elements = count(self.elements, "element", "elements");
        format!("{owners}, {elements}, {}", format::bytes(self.bytes))
    }
}

/// Why there is no backup.
enum Failure {
    Owners(OwnersError),
    File(io::Error),
}

impl From<OwnersError> for Failure {
    fn from(trouble: OwnersError) -> Self {
        Self::Owners(trouble)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

fn back_up(config: &Config, file: &Path, force: bool) -> Result<u8, u8> {
    let cannot_write = |error: io::Error| {
        logs::error(format_args!(
            "cannot write the backup to {}: {error}",
            format::file(file)
        ));
        exit::OUTPUT
    };
    file::may_be_made(file, force).map_err(cannot_write)?;
    let data = data::open(config)?;
    let mut target = Target::make(file).map_err(cannot_write)?;
    let mut progress = Progress::on_terminal();
    let mut sum = Sum::default();
    let mut bytes = archive::HEADER.as_bytes().to_vec();
    let written = for_each_document(&*data, |document| {
        sum.add(&document);
        sum.name_damage(&document, &mut progress);
        if !archive::write(&document, &mut bytes) {
            let owner = format::shown(document.owner.as_str());
            let why =
                format!("{owner} has more than 4 GiB stored, which is more than a backup can hold");
            return Err(Failure::Owners(OwnersError::Broken(why)));
        }
        target.write_all(&bytes)?;
        bytes.clear();
        sum.name_bad(document, &mut progress);
        progress.show(|| sum.told());
        Ok(())
    });
    progress.clear();
    written.map_err(|failure| match failure {
        Failure::Owners(trouble) => data::told(&trouble),
        Failure::File(error) => cannot_write(error),
    })?;
    archive::write_end(sum.owners, &mut bytes);
    target.write_all(&bytes).map_err(cannot_write)?;
    target.finish().map_err(cannot_write)?;
    tell(format_args!("backed up {}", sum.told()));
    if sum.damaged > 0 {
        let damaged = count(sum.damaged, "entry is", "entries are");
        logs::error(format_args!(
            "{damaged} damaged and left out, as named above; the rest is in the backup"
        ));
    }
    if sum.bad > 0 {
        let bad = count(
            sum.bad,
            "part is not as it should be",
            "parts are not as they should be",
        );
        logs::error(format_args!(
            "{bad}, as named above; the backup contains everything as it is, and `restore \
             --leave-out-bad` restores all the rest"
        ));
    }
    Ok(match sum.damaged + sum.bad {
        0 => 0,
        _ => exit::INCOMPLETE,
    })
}
