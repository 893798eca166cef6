//! `restore`: all that is in a backup, into an empty store.
//!
//! Whoever hands an administrator a backup decides over every byte of it, checksums included. So
//! the whole file is read before anything is put, each value with it: what is cut off, damaged or
//! [not sound](Sound) leaves the store as empty as it was.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;
use std::process::ExitCode;

use super::Sum;
use super::source::Source;
use crate::admin::data;
use crate::admin::format::{self, count};
use crate::admin::progress::Progress;
use crate::admin::report::tell;
use crate::archive::{BadArchive, Reader};
use crate::config::Config;
use crate::exit;
use crate::logs;
use crate::owners::sound::{Bad, Sound};
use crate::store::{Existing, Owner};

/// So many are named of what is bad, where nothing is restored for it: enough to see what it is.
const NAMED: u64 = 20;

/// Puts all that is in a backup, or on standard input if that is called `-`, into an empty store;
/// nothing, where something in it is bad, unless that is to be left out.
pub fn restore(config: &Config, file: &Path, leave_out_bad: bool) -> ExitCode {
    ExitCode::from(put_back(config, file, leave_out_bad).unwrap_or_else(|code| code))
}

fn put_back(config: &Config, file: &Path, leave_out_bad: bool) -> Result<u8, u8> {
    let name = match file == Path::new("-") {
        true => "standard input".into(),
        false => format::file(file),
    };
    let unusable = |error: BadArchive| {
        logs::error(format_args!("cannot restore {name}: {error}"));
        exit::INPUT
    };
    // Opened before we become somebody who may not read it.
    let mut source = Source::open(file).map_err(|error| unusable(error.into()))?;
    let all = look_through(source.file(), leave_out_bad).map_err(unusable)?;
    let bad = count(all.bad, "part of it is", "parts of it are");
    if all.bad > 0 && !leave_out_bad {
        logs::error(format_args!(
            "cannot restore {name}: {bad} not what this program stores, as named above, so nothing was \
             restored. If you trust whoever wrote it, --leave-out-bad restores all the rest"
        ));
        return Err(exit::INPUT);
    }
    source.rewind().map_err(|error| unusable(error.into()))?;
    let data = data::open_alone(config)?;
    let place = data::place(config);
    let away = data.away();
    if !data.page(None).map_err(|it| data::told(&it))?.is_empty() {
        logs::error(format_args!(
            "the {place} is not empty: {away} first, so that nothing in it is lost"
        ));
        return Err(exit::STORE);
    }
    data.set_restoring(true).map_err(|it| data::told(&it))?;
    let mut progress = Progress::on_terminal();
    let mut put = Sum::default();
    let mut refused = None;
    let mut put_off = Batch::default();
    let mut store = |all| {
        data.put_all(all, Existing::Replace).map_err(|trouble| {
            refused = Some(trouble);
            BadArchive::Io(io::ErrorKind::Other.into())
        })
    };
    let read = read(source.file(), |sound, bad| {
        put.bad += bad.len() as u64;
        if put.bad > all.bad || !bad.is_empty() && !leave_out_bad {
            return Err(io::Error::other("it has changed since it was checked").into());
        }
        let Some(sound) = sound else {
            return Ok(());
        };
        put.add(sound.document());
        put.name_damage(sound.document(), &mut progress);
        progress.show(|| format!("{} of {}", put.told(), all.told()));
        if sound.document().owner_data.entries.is_empty() {
            return Ok(());
        }
        match put_off.add(sound) {
            Some(full) => store(full),
            None => Ok(()),
        }
    });
    let read = read.and_then(|()| store(put_off.take()));
    progress.clear();
    let failed = match (refused, read) {
        (Some(trouble), _) => Some(data::told(&trouble)),
        (None, Err(error)) => Some(unusable(error)),
        (None, Ok(())) => None,
    };
    let failed = failed.or_else(|| {
        let ended = data.set_restoring(false);
        ended.err().map(|trouble| data::told(&trouble))
    });
    if let Some(code) = failed {
        logs::error(format_args!(
            "up to {} were restored to the {place}, and the rest was not: {away}, and start again",
            put.told()
        ));
        return Err(code);
    }
    tell(format_args!("restored {}", put.told()));
    Ok(match all.bad {
        0 => 0,
        _ => {
            logs::error(format_args!(
                "{bad} left out, as named above; the rest was restored"
            ));
            exit::INCOMPLETE
        }
    })
}

/// Reads a whole backup: how much of it there is to put, and how much is bad. That is named.
fn look_through(file: &File, name_all: bool) -> Result<Sum, BadArchive> {
    let mut progress = Progress::on_terminal();
    let mut sum = Sum::default();
    read(file, |sound, bad| {
        for bad in bad {
            sum.bad += 1;
            if name_all || sum.bad <= NAMED {
                progress.line(format_args!("bad: {bad}"));
            }
        }
        if let Some(sound) = sound {
            sum.add(sound.document());
        }
        progress.show(|| format!("checked {}", sum.told()));
        Ok(())
    })?;
    progress.clear();
    if !name_all && sum.bad > NAMED {
        logs::error(format_args!("and {} more like these", sum.bad - NAMED));
    }
    Ok(sum)
}

/// Reads a whole backup, record by record, and has worked upon what is sound of each (if anything
/// is), and what is bad, in words.
fn read(
    file: &File,
    mut work: impl FnMut(Option<Sound>, Vec<String>) -> Result<(), BadArchive>,
) -> Result<(), BadArchive> {
    let mut reader = Reader::of_backup(BufReader::new(file))?;
    let mut last: Option<Owner> = None;
    loop {
        let (sound, bad) = match reader.next_document() {
            Ok(Some(document)) if last.as_ref().is_some_and(|last| document.owner <= *last) => {
                // They come in order, so whoever comes again comes out of it.
                let why =
                    "the user comes twice, or not in the order in which this program writes users";
                (None, vec![Bad::owner(document.owner, why)])
            }
            Ok(Some(document)) => {
                last = Some(document.owner.clone());
                Sound::of(document)
            }
            Ok(None) => return Ok(()),
            Err(strange @ BadArchive::Strange(_)) => {
                work(None, vec![strange.to_string()])?;
                continue;
            }
            Err(error) => return Err(error),
        };
        let something = |sound: &Sound| {
            let owner_data = &sound.document().owner_data;
            !owner_data.entries.is_empty() || !owner_data.damaged.is_empty()
        };
        work(
            sound.filter(something),
            bad.iter().map(ToString::to_string).collect(),
        )?;
    }
}

/// Owners that are put together, so that they share syncs.
#[derive(Default)]
struct Batch {
    all: Vec<Sound>,
    bytes: usize,
}

impl Batch {
    /// Adds one; returns all of them when they are enough.
    fn add(&mut self, sound: Sound) -> Option<Vec<Sound>> {
        let entries = sound.document().owner_data.entries.iter();
        self.bytes += entries.map(|entry| entry.value.text.len()).sum::<usize>();
        self.all.push(sound);
        let enough = self.all.len() >= 1024 || self.bytes >= 4 * 1024 * 1024;
        enough.then(|| self.take())
    }

    fn take(&mut self) -> Vec<Sound> {
        self.bytes = 0;
        std::mem::take(&mut self.all)
    }
}
