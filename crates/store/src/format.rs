//! The mark that says which release's format a database has.

use std::ops::ControlFlow;
use std::path::Path;

use super::engine::Engine;
use super::error::{EngineError, OpenError};

/// Begins with NUL, as no owner does.
const KEY: &[u8] = b"\0format";

/// Where the bytes that live in the database are counted now and then, in decimal digits: about, and
/// it may be missing.
pub(super) const LIVE: &[u8] = b"\0live";

/// Raise it when records or keys change so that an older release would misread them.
pub const FORMAT: u32 = 1;

/// Marks an empty database, and refuses one that this release cannot read.
pub(super) fn check(engine: &dyn Engine, folder: &Path) -> Result<(), OpenError> {
    if is_known(engine, folder)? {
        return Ok(());
    }
    let mut empty = true;
    let mut visit = |_: &[u8], _: &[u8]| {
        empty = false;
        ControlFlow::Break(())
    };
    engine
        .scan(&[], &mut visit)
        .map_err(|error| damaged(folder, error))?;
    if !empty {
        return Err(OpenError::Foreign {
            folder: folder.into(),
        });
    }
    engine
        .write_one((KEY.to_vec(), Some(FORMAT.to_string().into_bytes())))
        .and_then(|()| engine.flush())
        .map_err(|error| OpenError::Io {
            action: "write to the new store in",
            path: folder.into(),
            source: std::io::Error::other(error),
        })
}

/// Refuses a database without a mark, too: it is not the one that was open before.
pub(super) fn insist(engine: &dyn Engine, folder: &Path) -> Result<(), OpenError> {
    if is_known(engine, folder)? {
        return Ok(());
    }
    Err(OpenError::Foreign {
        folder: folder.into(),
    })
}

fn is_known(engine: &dyn Engine, folder: &Path) -> Result<bool, OpenError> {
    let mut mark = None;
    engine
        .get(KEY, &mut |value| {
            mark = Some(String::from_utf8_lossy(value).into_owned())
        })
        .map_err(|error| damaged(folder, error))?;
    match mark {
        None => Ok(false),
        Some(mark) if mark.parse() == Ok(FORMAT) => Ok(true),
        Some(found) => Err(OpenError::Newer {
            folder: folder.into(),
            found,
            known: FORMAT,
        }),
    }
}

fn damaged(folder: &Path, error: EngineError) -> OpenError {
    OpenError::Damaged {
        folder: folder.into(),
        reason: error.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;

    fn checked(key: &[u8], value: &[u8]) -> Result<(), OpenError> {
        let memory = Memory::default();
        memory
            .write_one((key.to_vec(), Some(value.to_vec())))
            .unwrap();
        check(&memory, Path::new("folder"))
    }

    #[test]
    fn an_empty_database_is_marked_and_known_again() {
        let memory = Memory::default();
        check(&memory, Path::new("folder")).unwrap();
        check(&memory, Path::new("folder")).unwrap();
    }

    #[test]
    fn a_newer_format_is_refused_by_its_number() {
        let error = checked(KEY, b"2").unwrap_err();
        assert!(matches!(&error, OpenError::Newer { found, known: 1, .. } if found == "2"));
        assert!(error.to_string().contains("newer release"), "{error}");
    }

    #[test]
    fn somebody_elses_database_is_refused() {
        assert!(matches!(
            checked(b"key", b"value"),
            Err(OpenError::Foreign { .. })
        ));
    }
}
