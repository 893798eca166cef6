//! Whether a store may be begun in a folder: only where nothing lies that is somebody else's.
//!
//! A slip in a configuration file is enough to name `/etc`, or another program's folder. Nothing is made
//! or changed there, not even a lock. A store that is there is opened whatever lies beside it.

use std::fs::{self, DirEntry, File, Metadata};
use std::io::{ErrorKind, Read};
use std::path::Path;

use super::SEGMENT_BYTES;
use super::files::failed;
use crate::error::OpenError;

/// What the program makes in the folder of a store beside `conf` and `db`, also what it had not renamed or
/// removed yet when it was killed. The control socket is the service's, and so is its configuration, which
/// a container may have in the same folder.
const OWN_FILES: [&str; 9] = [
    "ballast",
    "closed",
    "closed.new",
    "component.toml",
    "conf.new",
    "control.sock",
    "id",
    "id.new",
    "lock",
];
const OWN_FOLDERS: [&str; 2] = ["blobs", "compacting"];
const OWN_PREFIXES: [&str; 2] = ["snap.", "damaged-snap."];

/// Beside a `conf` or a `db`, one of them says whose that is.
const SIGNS: [&str; 4] = ["lock", "id", "ballast", "closed"];

/// What our backups begin with; somebody may keep them in the folder.
const BACKUP: &[u8] = b"xmpp-private-storage backup ";

/// So many names are told of what is somebody else's.
const TOLD: usize = 3;

/// Refuses a folder in which something lies that is not ours, unless there is a store, or what is left
/// of one.
pub(super) fn check(folder: &Path) -> Result<(), OpenError> {
    let file = |name: &str| {
        fs::metadata(folder.join(name))
            .ok()
            .filter(Metadata::is_file)
    };
    let (settings, log) = (file("conf"), file("db"));
    let is_ours = || {
        // As sled writes the settings that a store is made with.
        let begin = format!("segment_size: {SEGMENT_BYTES}\n");
        SIGNS.iter().any(|name| file(name).is_some())
            || begins_with(&folder.join("conf"), begin.as_bytes())
    };
    let has_data = log.is_some_and(|log| settings.is_some() || log.len() > 0);
    if (settings.is_some() || has_data) && is_ours() {
        // What is missing or wrong is for others to tell.
        return Ok(());
    }
    if has_data {
        return Err(OpenError::Foreign {
            folder: folder.to_owned(),
        });
    }
    only_ours(folder)
}

fn only_ours(folder: &Path) -> Result<(), OpenError> {
    let entries = match fs::read_dir(folder) {
        // Whoever makes the folder tells what else is wrong with it.
        Err(error) if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind()) => {
            return Ok(());
        }
        result => result.map_err(failed("list", folder))?,
    };
    let mut others = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed("list", folder))?;
        if !is_harmless(&entry) {
            others.push(entry.file_name());
        }
    }
    if others.is_empty() {
        return Ok(());
    }
    others.sort_unstable();
    let names = others.iter().take(TOLD).map(|name| format!("{name:?}"));
    let mut found = names.collect::<Vec<_>>().join(", ");
    let more = others.len().saturating_sub(TOLD);
    if more > 0 {
        found.push_str(&format!(" and {more} more"));
    }
    Err(OpenError::Taken {
        folder: folder.to_owned(),
        found,
    })
}

/// Whether this may lie where a store is begun: it is ours, or of no program's making.
fn is_harmless(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    let name = name.to_str().unwrap_or_default();
    // What is gone by now does no harm.
    let Ok(found) = entry.metadata() else {
        return true;
    };
    if name.starts_with('.') {
        return true;
    }
    if found.is_dir() {
        return name == "lost+found" || OWN_FOLDERS.contains(&name);
    }
    OWN_FILES.contains(&name)
        || OWN_PREFIXES.iter().any(|it| name.starts_with(it))
        || name == "db" && found.len() == 0
        || found.is_file() && begins_with(&entry.path(), BACKUP)
}

fn begins_with(path: &Path, begin: &[u8]) -> bool {
    let mut read = vec![0; begin.len()];
    let whole = File::open(path).and_then(|mut file| file.read_exact(&mut read));
    whole.is_ok() && read == begin
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(names: &[(&str, &str)]) -> Result<(), OpenError> {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in names {
            let path = folder.path().join(name);
            match name.ends_with('/') {
                true => fs::create_dir(path).unwrap(),
                false => fs::write(path, content).unwrap(),
            }
        }
        let before = fs::read_dir(folder.path()).unwrap().count();
        let judged = check(folder.path());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), before);
        judged
    }

    #[test]
    fn what_is_ours_or_nobodys_does_not_keep_a_store_from_being_begun() {
        let settings = "segment_size: 8388608\nuse_compression: false\nversion: 0.34\n";
        for names in [
            &[][..],
            &[
                ("lost+found/", ""),
                (".nfs0001", "x"),
                (".snapshot/", ""),
                ("component.toml", "x"),
            ],
            // Killed in the midst of the very first opening.
            &[("lock", "7"), ("db", "")],
            &[("lock", "7"), ("db", ""), ("conf", ""), ("blobs/", "")],
            &[("db", ""), ("id.new", "x"), ("snap.0.generating", "")],
            // The database alone was taken away.
            &[
                ("ballast", "x"),
                ("id", "x"),
                ("control.sock", ""),
                ("compacting/", ""),
            ],
            &[
                ("old", "xmpp-private-storage backup 2\n…"),
                ("damaged-snap.0", ""),
            ],
            // There is a store, whatever lies beside it, or what is left of one.
            &[
                ("conf", settings),
                ("db", "data"),
                ("notes", "x"),
                ("others/", ""),
            ],
            &[("conf", settings), ("notes", "x")],
            &[
                ("conf", "segm&nt"),
                ("db", "data"),
                ("id", "x"),
                ("notes", "x"),
            ],
            &[("db", "data"), ("closed", "x"), ("notes", "x")],
        ] {
            judged(names).unwrap_or_else(|error| panic!("{names:?}: {error}"));
        }
    }

    #[test]
    fn what_is_somebody_elses_is_named() {
        for (names, told) in [
            (&[("notes", "x")][..], "holds \"notes\","),
            (&[("lost+found", "a file")], "holds \"lost+found\","),
            (&[("db/", ""), ("conf/", "")], "holds \"conf\", \"db\","),
            (
                &[("conf", "[mysqld]\nport = 1\n"), ("lost+found/", "")],
                "holds \"conf\",",
            ),
            (&[("blobs", "a file"), ("id", "x")], "holds \"blobs\","),
            (
                &[("lock", ""), ("a\x1b", ""), ("b", ""), ("c", ""), ("d", "")],
                "holds \"a\\u{1b}\", \"b\", \"c\" and 1 more,",
            ),
            (
                &[("db", "another program's")],
                "holds a database that this program did not write",
            ),
            (
                &[("conf", "[mysqld]\nport = 1\n"), ("db", "x")],
                "holds a database that this program did not write",
            ),
            // Another program's that uses sled.
            (
                &[
                    ("conf", "segment_size: 524288\n"),
                    ("db", "x"),
                    ("blobs/", ""),
                ],
                "holds a database that this program did not write",
            ),
        ] {
            let error = judged(names).unwrap_err().to_string();
            assert!(error.contains(told), "{names:?}: {error}");
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_nobodys() {
        let folder = tempfile::tempdir().unwrap();
        check(&folder.path().join("none")).unwrap();
    }
}
