//! `backup` and `restore`: all owners in one file, and back.
//!
//! A backup is taken while sets go on: of each owner it holds all that they had at one moment,
//! which is not before the backup began. It gets its name when it is whole and on the disk.
//! A restore reads the whole file before it puts anything, so a backup that was cut off or damaged
//! leaves the store as empty as it was.

mod file;

use std::fs::File;
use std::io::{self, BufReader, Seek, Write};
use std::path::Path;
use std::process::ExitCode;

use super::progress::Progress;
use super::words;
use super::{data, words::count};
use crate::archive::{self, BadArchive, Document, Reader};
use crate::config::Config;
use crate::exit;
use crate::owners::{Trouble, for_each_document};
use crate::store::Existing;
use file::Target;

/// Writes a backup to a file, or to standard output if that is called `-`.
pub fn run(config: &Config, file: &Path, force: bool) -> ExitCode {
    ExitCode::from(back_up(config, file, force).unwrap_or_else(|code| code))
}

/// Puts all that is in a backup into an empty store.
pub fn restore(config: &Config, file: &Path) -> ExitCode {
    ExitCode::from(put_back(config, file).err().unwrap_or(0))
}

/// What was written, or put.
#[derive(Default)]
struct Sum {
    owners: u64,
    elements: u64,
    bytes: u64,
    damaged: u64,
}

impl Sum {
    fn add(&mut self, document: &Document) {
        self.owners += 1;
        for entry in &document.belongings.entries {
            self.elements += u64::from(entry.value.elements);
            self.bytes += entry.value.text.len() as u64;
        }
    }

    /// Names what cannot be read, and has not been since the backup.
    fn name_damage(&mut self, document: &Document, progress: &mut Progress) {
        for (namespace, name) in &document.belongings.damaged {
            self.damaged += 1;
            progress.clear();
            let [owner, namespace, name] =
                [document.owner.as_str(), namespace, name].map(words::shown);
            eprintln!("damaged, and so left out: {owner} {namespace:?} {name:?}");
        }
    }

    fn told(&self) -> String {
        let owners = count(self.owners, "owner", "owners");
        let elements = count(self.elements, "element", "elements");
        format!("{owners}, {elements}, {}", words::bytes(self.bytes))
    }
}

/// Why there is no backup.
enum Failure {
    Owners(Trouble),
    File(io::Error),
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
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
        eprintln!("cannot write the backup to {}: {error}", file.display());
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
            let owner = words::shown(document.owner.as_str());
            let why = format!("{owner} has more than 4 GiB, which no backup can hold");
            return Err(Failure::Owners(Trouble::Broken(why)));
        }
        target.write_all(&bytes)?;
        bytes.clear();
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
    eprintln!("backed up {}", sum.told());
    Ok(if sum.damaged == 0 {
        0
    } else {
        let damaged = count(sum.damaged, "entry is", "entries are");
        eprintln!("{damaged} damaged and left out, as named above; the rest is in the backup");
        exit::INCOMPLETE
    })
}

fn put_back(config: &Config, file: &Path) -> Result<(), u8> {
    let unusable = |error: BadArchive| {
        eprintln!("cannot restore {}: {error}", file.display());
        exit::INPUT
    };
    // Opened before we become somebody who may not read it.
    let mut source = File::open(file).map_err(|error| unusable(error.into()))?;
    let all = read(&source, |_| Ok(())).map_err(unusable)?;
    source.rewind().map_err(|error| unusable(error.into()))?;
    let data = data::open_alone(config)?;
    let folder = config.storage.path.display();
    if !data.page(None).map_err(|it| data::told(&it))?.is_empty() {
        eprintln!(
            "the store in {folder} is not empty: move its folder away first, so that nothing that \
             is in it gets lost"
        );
        return Err(exit::STORE);
    }
    let mut progress = Progress::on_terminal();
    let mut put = Sum::default();
    let mut refused = None;
    let mut put_off = Batch::default();
    let mut store = |documents| {
        data.put_all(documents, Existing::Replace)
            .map_err(|trouble| {
                refused = Some(trouble);
                BadArchive::Io(io::ErrorKind::Other.into())
            })
    };
    let read = read(&source, |document| {
        put.add(&document);
        put.name_damage(&document, &mut progress);
        progress.show(|| format!("{} of {}", put.told(), all.told()));
        if document.belongings.entries.is_empty() {
            return Ok(());
        }
        match put_off.add(document) {
            Some(full) => store(full),
            None => Ok(()),
        }
    });
    let read = read.and_then(|sum| store(put_off.take()).map(|()| sum));
    progress.clear();
    let failed = match (refused, read) {
        (Some(trouble), _) => Some(data::told(&trouble)),
        (None, Err(error)) => Some(unusable(error)),
        (None, Ok(_)) => None,
    };
    if let Some(code) = failed {
        eprintln!(
            "{} are restored, and the rest is not: move {folder} away, and begin again",
            put.told()
        );
        return Err(code);
    }
    eprintln!("restored {}", put.told());
    Ok(())
}

/// Owners that are put together, so that they share syncs.
#[derive(Default)]
struct Batch {
    documents: Vec<Document>,
    bytes: usize,
}

impl Batch {
    /// Adds one; returns all of them when they are enough.
    fn add(&mut self, document: Document) -> Option<Vec<Document>> {
        let entries = document.belongings.entries.iter();
        self.bytes += entries.map(|entry| entry.value.text.len()).sum::<usize>();
        self.documents.push(document);
        let enough = self.documents.len() >= 1024 || self.bytes >= 4 * 1024 * 1024;
        enough.then(|| self.take())
    }

    fn take(&mut self) -> Vec<Document> {
        self.bytes = 0;
        std::mem::take(&mut self.documents)
    }
}

/// Reads a whole backup, and has each owner worked upon.
fn read(
    file: &File,
    mut work: impl FnMut(Document) -> Result<(), BadArchive>,
) -> Result<Sum, BadArchive> {
    let mut reader = Reader::of_backup(BufReader::new(file))?;
    let mut sum = Sum::default();
    while let Some(document) = reader.next_document()? {
        sum.add(&document);
        work(document)?;
    }
    Ok(sum)
}
