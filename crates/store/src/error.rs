//! Why something was not stored, not read, or not even opened.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// What was found in place of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Displaced {
    Gone(PathBuf),
    /// It is another one, on another device.
    Covered(PathBuf),
    Replaced(PathBuf),
    /// It is empty, or another store's.
    Strange(PathBuf),
    /// It bears the store's mark, and may not be whole yet.
    Changing(PathBuf),
    /// It cannot be looked at.
    Unseen(PathBuf, String),
}

impl fmt::Display for Displaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone(path) => {
                write!(f, "{} is gone: deleted, moved or unmounted", path.display())
            }
            Self::Covered(path) => write!(
                f,
                "{} is no longer what was opened, but lies on another device: something was \
                 mounted over it or put in its place",
                path.display()
            ),
            Self::Replaced(path) => write!(
                f,
                "{} is no longer what was opened: it was replaced",
                path.display()
            ),
            Self::Strange(path) => write!(
                f,
                "{} is not the store that was open: it is empty or belongs to another store",
                path.display()
            ),
            Self::Changing(path) => write!(
                f,
                "{} bears the mark of the store that was open, and may still be being copied: it \
                 will be used once nothing in it has changed for a while",
                path.display()
            ),
            Self::Unseen(path, why) => write!(f, "{} cannot be examined: {why}", path.display()),
        }
    }
}

/// What went wrong below, for the log.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct EngineError(pub(super) String);

/// Why a set was refused. What was stored before it stays, whatever the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// One namespace would hold more than it may.
    #[error(
        "the namespace {namespace} would take {would_be} bytes, and at most {limit} are allowed"
    )]
    NamespaceBytes {
        namespace: String,
        limit: u64,
        would_be: u64,
    },
    /// The owner would hold more bytes than allowed.
    #[error("the user's data would take {would_be} bytes, and at most {limit} are allowed")]
    UserBytes {
        /// What the owner may hold.
        limit: u64,
        /// What the owner would hold.
        would_be: u64,
    },
    /// The owner would hold more elements than allowed.
    #[error("the user would have {would_be} elements, and at most {limit} are allowed")]
    UserElements {
        /// What the owner may have.
        limit: u64,
        /// What the owner would have.
        would_be: u64,
    },
    /// A namespace or a name that no key can hold: with a NUL, or absurdly long.
    #[error("a namespace or a name cannot be stored")]
    Unstorable,
    /// The disk is nearly full. Deleting, and replacing by less, still works.
    #[error("the disk of the store is nearly full")]
    Full,
    /// The store broke, or was closed; the log says why.
    #[error("the store has failed")]
    Failed,
    /// The database server cannot be reached, and may be again soon. Only where it went away in the middle may the
    /// set have taken effect all the same.
    #[error("the database cannot be reached right now; try again")]
    Unreachable,
    /// The note is not what it had to be any more.
    #[error("somebody else has changed it meanwhile")]
    Outdated,
    /// Working it out has panicked. Nothing of it is stored, and the store works.
    #[error("a bug in the program; the service's log says where")]
    Broken,
}

/// Why nothing can be said about what is stored. Never the same as "nothing is stored".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// What is stored does not carry the checksum it was written with, or is incomplete.
    #[error("the stored data is damaged")]
    Damaged,
    /// The store broke, or was closed; the log says why.
    #[error("the store has failed")]
    Failed,
    /// The database server cannot be reached, and may be again soon.
    #[error("the database cannot be reached right now; try again")]
    Unreachable,
}

/// A read where what is damaged is as good as nothing.
///
/// # Errors
///
/// Whatever else went wrong.
pub fn unless_damaged<T: Default>(read: Result<T, ReadError>) -> Result<T, ReadError> {
    match read {
        Err(ReadError::Damaged) => Ok(T::default()),
        read => read,
    }
}

/// Why the store was not compacted. It goes on as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompactError {
    /// There is no space for what is to take the old database's place.
    #[error(
        "compacting takes {} MiB of free space on the disk of the store, and only {} MiB are free",
        needed.div_ceil(1 << 20),
        free >> 20
    )]
    NoRoom {
        /// The bytes needed.
        needed: u64,
        /// The bytes there are.
        free: u64,
    },
    /// It is a database server's, which does that by itself.
    #[error(
        "there is nothing to compact: the database server clears away by itself what was deleted"
    )]
    NothingToDo,
    /// Something cannot be read, or cannot be written.
    #[error("compacting the store failed: {0}")]
    Stopped(String),
    /// The store broke, or was closed; the log says why.
    #[error("the store has failed")]
    Failed,
}

impl From<EngineError> for CompactError {
    fn from(error: EngineError) -> Self {
        Self::Stopped(error.0)
    }
}

/// Why the store cannot be opened. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(
        "the store in {} is in use by another process{}; stop that process first, or give this one \
         a folder of its own",
        folder.display(),
        pid.as_ref().map(|pid| format!(" (pid {pid})")).unwrap_or_default()
    )]
    InUse {
        folder: PathBuf,
        /// The process, if it left its number.
        pid: Option<String>,
    },
    /// A newer release wrote it.
    #[error(
        "the store in {} has format {found}, and this release knows formats up to {known}: it was \
         written by a newer release, so run that release",
        folder.display()
    )]
    Newer {
        folder: PathBuf,
        found: String,
        known: u32,
    },
    /// It holds data, but not of this program.
    #[error(
        "the folder {} holds a database that this program did not write; give the store a folder of its own",
        folder.display()
    )]
    Foreign { folder: PathBuf },
    /// It holds no store, and something that is not this program's.
    #[error(
        "the folder {} holds {found}, which this program did not put there, so no store was begun in \
         it; give the store a folder of its own: one that is empty or does not exist yet",
        folder.display()
    )]
    Taken {
        folder: PathBuf,
        /// Names, and how many more.
        found: String,
    },
    /// It cannot be read any more.
    #[error(
        "the store in {} is damaged ({reason}); keep a copy of the folder, then put a backup in \
         its place, or move it away to start with an empty store",
        folder.display()
    )]
    Damaged { folder: PathBuf, reason: String },
    /// It is not as it was when it was closed.
    #[error(
        "the store in {} was damaged or changed since it was closed (its file `db` had {closed}, and has {now}), so something may be missing; put a backup in its place, or, to go on with what is left, keep a copy of the folder and then delete the file `closed` in it",
        folder.display()
    )]
    Changed {
        folder: PathBuf,
        /// What its log was like.
        closed: String,
        now: String,
    },
    /// There is no room on its disk to open it.
    #[error("no space left to open the store in {}; free at least 64 MiB on that disk", folder.display())]
    NoSpace { folder: PathBuf },
    /// It is not there any more, or not the one that was open before.
    #[error("{0}")]
    Displaced(String),
    /// The system is short of threads, memory or descriptors.
    #[error(
        "cannot {action} {}: {reason}; {SHORTAGE}",
        path.display()
    )]
    Short {
        action: &'static str,
        path: PathBuf,
        reason: String,
    },
    /// The same, before the folder is reached.
    #[error("cannot start a thread: {source}; {SHORTAGE}")]
    NoThread { source: io::Error },
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
}

/// What to do about it.
const SHORTAGE: &str = "the system is short of threads, memory or descriptors, or a limit of this \
    service is too low (under systemd TasksMax, MemoryMax, LimitAS, LimitNOFILE)";

impl OpenError {
    /// Whether the folder is somebody else's: another has to be configured.
    #[must_use]
    pub fn is_of_others(&self) -> bool {
        matches!(self, Self::Foreign { .. } | Self::Taken { .. })
    }

    /// Whether it is the system, or a limit of this process, and not the disk.
    pub(super) fn is_shortage(&self) -> bool {
        matches!(self, Self::Short { .. } | Self::NoThread { .. })
    }
}
