//! `migrate`: all that is stored, out of one engine into the other, with the service stopped everywhere.
//!
//! It is taken from where it is and put to where it shall be, and stays where it was. Until all of it is there, a note
//! in the new store keeps everybody else from using that ([`crate::start::moving`]): a part is never taken for the whole.

mod moving;

use std::process::ExitCode;

use super::data::{self, not_opened};
use super::format::count;
use super::progress::Progress;
use super::report::tell;
use crate::config::{Config, Engine};
use crate::exit;
use crate::logs;
use crate::owners::OwnersError;
use crate::start::{POSTGRES, SLED, is_whole, open_database, open_folder};
use crate::store::Store;
use moving::Trouble;

/// What is in these folders is gone after the next start of the machine.
const FLEETING: [&str; 2] = ["/run", "/var/run"];

/// Where everything is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    Postgres,
    Sled,
}

/// Moves everything there.
pub fn run(config: &Config, to: To) -> ExitCode {
    ExitCode::from(migrate(config, to).unwrap_or_else(|code| code))
}

fn migrate(config: &Config, to: To) -> Result<u8, u8> {
    let (folder, database) = open(config, to)?;
    let path = config.storage.path.display();
    let (from, store) = match to {
        To::Postgres => ((SLED, &folder), &database),
        To::Sled => ((POSTGRES, &database), &folder),
    };
    let mut progress = Progress::anywhere();
    let moved = moving::all(from, store, &mut progress);
    progress.clear();
    folder.close();
    database.close();
    let moved = moved.map_err(|trouble| refused(config, to, &trouble))?;
    tell(format_args!("moved {}", moved.told()));
    match to {
        To::Postgres => tell(format_args!(
            "the service can be started; what is in {path} is as it was: once all is well, take storage.path out \
             of the configuration, restart the service, and delete what is in that folder"
        )),
        To::Sled => tell(format_args!(
            "set storage.engine = \"sled\", and take storage.postgres and component.standby_retry_seconds out, then the \
             service can be started; what is in the database is as it was"
        )),
    }
    if moved.damaged == 0 {
        return Ok(0);
    }
    let damaged = count(moved.damaged, "entry is", "entries are");
    logs::error(format_args!(
        "{damaged} damaged and left out, as named above; the rest was moved"
    ));
    Ok(exit::INCOMPLETE)
}

/// Both stores, which nobody else uses.
fn open(config: &Config, to: To) -> Result<(Store, Store), u8> {
    let folder = &config.storage.path;
    let path = folder.display();
    if let Engine::Sled = config.storage.engine {
        logs::error(
            "storage.engine is \"sled\": to move either way, set storage.engine = \"postgres\" and \
             storage.postgres.hosts, and leave storage.path at the folder for sled",
        );
        return Err(exit::CONFIG);
    }
    if to == To::Postgres && !Store::is_in(folder) {
        logs::error(format_args!(
            "there is no store of sled in {path}, the storage.path of {}: set storage.path to the folder that it is in",
            config.source
        ));
        return Err(exit::STORE);
    }
    if to == To::Sled && FLEETING.iter().any(|it| folder.starts_with(it)) {
        logs::error(format_args!(
            "storage.path is {path}, which is empty after the next start of this machine: set it to a folder on a disk"
        ));
        return Err(exit::CONFIG);
    }
    data::no_service_on(folder)?;
    // First of all, while this process has no threads.
    let sled = data::open_as_owner(folder, || open_folder(config))?.map_err(not_opened)?;
    let database = data::no_instance_of(config).and_then(|facts| match (to, facts.format) {
        // Nobody means to move nothing.
        (To::Sled, None) => Err(data::no_store(config)),
        _ => open_database(config).map_err(not_opened),
    });
    let database = database.inspect_err(|_| sled.close())?;
    let from = match to {
        To::Postgres => &sled,
        To::Sled => &database,
    };
    // A part would be taken for the whole.
    if let Err(error) = is_whole(from) {
        sled.close();
        database.close();
        return Err(not_opened(error));
    }
    Ok((sled, database))
}

/// Says why not everything was moved; the exit code for it.
fn refused(config: &Config, to: To, trouble: &Trouble) -> u8 {
    let place = match to {
        To::Postgres => data::place(config),
        To::Sled => format!("store in {}", config.storage.path.display()),
    };
    match trouble {
        Trouble::NotEmpty => {
            let away = match to {
                To::Postgres => "make another database, and name it in storage.postgres.database",
                To::Sled => "move that folder away, or set storage.path to another",
            };
            logs::error(format_args!(
                "the {place} is not empty: {away}, so that nothing in it is lost"
            ));
        }
        Trouble::Elsewhere(from) => logs::error(format_args!(
            "into the {place} something else was being moved (from {from}), and is not whole: move it away, or make \
             another"
        )),
        Trouble::From(OwnersError::Refused(why) | OwnersError::Broken(why))
        | Trouble::To(why)
        | Trouble::Differs(why) => logs::error(format_args!(
            "not everything is in the {place}, and until it is, nothing else uses that: {why}; run this command again, \
             and it begins anew"
        )),
    }
    exit::STORE
}
