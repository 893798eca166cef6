//! Which engine keeps the data, and what was said for the other one.

use std::io::ErrorKind;
use std::path::PathBuf;

use secrecy::SecretString;

use super::draft::{
    CACHE_BYTES, COMPACT_ABOVE_BYTES, Draft, ENGINE, EngineName, POSTGRES, STANDBY_RETRY,
    STORAGE_PATH,
};
use super::load::Needs;
use super::postgres::{DatabaseTls, Postgres};
use super::read::absolute;
use super::secret::Sources;
use super::trust;
use super::types::{Engine, Storage};

/// Where the control socket is when nobody says, with a database that needs no folder. The unit makes it.
const RUNTIME_FOLDER: &str = "/run/xmpp-private-storage";

/// Puts `[storage]` together, or says all that is wrong with it. Adds to `warnings` what stops nothing.
pub(super) fn find(
    draft: &mut Draft,
    sources: &Sources<'_>,
    needs: Needs,
    warnings: &mut Vec<String>,
) -> Result<Storage, Vec<String>> {
    let engine = match draft.storage.engine {
        EngineName::Sled => {
            meant_for_postgres(draft).map_or(Ok(()), |what| Err(vec![what]))?;
            Engine::Sled
        }
        EngineName::Postgres => {
            warnings.extend(meant_for_sled(draft));
            if !draft.places.contains_key(&STORAGE_PATH) {
                draft.storage.path = RUNTIME_FOLDER.into();
            }
            Engine::Postgres(Box::new(postgres(draft, sources, needs, warnings)?))
        }
    };
    Ok(Storage {
        engine,
        path: within_reach(std::mem::take(&mut draft.storage.path)),
        cache_bytes: draft.storage.cache_bytes,
        compact_above_bytes: draft.storage.compact_above_bytes,
    })
}

/// Whoever describes a database means it to be used.
fn meant_for_postgres(draft: &Draft) -> Option<String> {
    let mut given = draft.places.keys();
    let idle = given.find(|id| id.0 == POSTGRES || **id == STANDBY_RETRY)?;
    let what = "found this setting while storage.engine is \"sled\", expected storage.engine = \
                \"postgres\", or this setting left out";
    Some(draft.told(*idle, what))
}

/// Harmless, and of use again if the data moves back.
fn meant_for_sled(draft: &Draft) -> Vec<String> {
    let idle = [CACHE_BYTES, COMPACT_ABOVE_BYTES].into_iter();
    let idle = idle.filter(|id| draft.places.contains_key(id));
    let what = "this has no meaning with storage.engine = \"postgres\"";
    idle.map(|id| draft.told(id, what)).collect()
}

fn postgres(
    draft: &mut Draft,
    sources: &Sources<'_>,
    needs: Needs,
    warnings: &mut Vec<String>,
) -> Result<Postgres, Vec<String>> {
    let hosts = std::mem::take(&mut draft.storage.postgres.hosts);
    let tls: Result<Option<DatabaseTls>, String> = match hosts.is_empty() {
        // Nothing is known yet of what a certificate would be for.
        true => Ok(None),
        false => trust::of_database(draft, &hosts),
    };
    let password = password(draft, sources, needs, warnings);
    let mut wrong = Vec::new();
    if hosts.is_empty() {
        let what = "found \"postgres\" without storage.postgres.hosts, expected them to say where the \
                    database is, such as [\"db1.example.org\", \"db2.example.org\"]";
        wrong.push(draft.told(ENGINE, what));
    }
    match (tls, password) {
        (Ok(tls), Ok(password)) if wrong.is_empty() => {
            let given = std::mem::take(&mut draft.storage.postgres);
            Ok(Postgres {
                hosts,
                database: given.database,
                user: given.user,
                password,
                tls,
                connections: given.connections,
                require_synchronous: given.require_synchronous,
            })
        }
        (tls, password) => {
            wrong.extend(tls.err());
            wrong.extend(password.err());
            Err(wrong)
        }
    }
}

/// What is wrong with it stops only who cannot do without.
fn password(
    draft: &mut Draft,
    sources: &Sources<'_>,
    needs: Needs,
    warnings: &mut Vec<String>,
) -> Result<Result<Option<SecretString>, String>, String> {
    let is_needed = needs.password(draft);
    match sources.password(draft, warnings) {
        Err(why) if is_needed => Err(why),
        found => Ok(found),
    }
}

/// The folder's absolute path, for messages; the relative one where only that leads there, for the
/// working directory may lie in one that this user must not enter.
fn within_reach(folder: PathBuf) -> PathBuf {
    let absolute = absolute(&folder);
    match std::fs::symlink_metadata(&absolute) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => folder,
        _ => absolute,
    }
}
