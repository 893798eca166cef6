//! Files and folders → the users in them, one after another.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::confined;
use super::problem::{Place, Problem, Reason, abridged};
use super::progress::Progress;
use super::prosody;
use super::user::{Limits, User};
use super::walk::{Found, Stale, Walk};
use super::xep0227::{Document, Include, Next, Within};

#[derive(Debug)]
pub enum Item {
    /// A user. One without any private data is one, too.
    User(User),
    /// What could not be read, apart from what a user's own `problems` say.
    Problem(Problem),
}

/// Reads users from files and folders, of whichever format each is.
///
/// A file is read as XEP-0227, or if its name ends in `.dat`, as what Prosody's internal storage
/// has of a user. In a folder, all files `*.xml` are read, and all that Prosody's internal storage
/// has of its users' private data: the folder is Prosody's `data_path`, or that of a host in it, or
/// that host's folder of private data.
pub struct Import {
    walk: Walk,
    /// The files that are open, each included by the one before.
    open: Vec<Open>,
    /// The files that were read, and whether another has included them: each is read once.
    seen: HashMap<Identity, bool>,
    /// Files of a folder that make sense only where another includes them, which may come later.
    orphans: Vec<(Identity, Problem)>,
    limits: Limits,
    progress: Progress,
}

/// What tells one file from another, under whatever name.
type Identity = (u64, u64);

struct Open {
    document: Document,
    identity: Option<Identity>,
    /// What it may include files of. None for what is no file.
    folder: Option<PathBuf>,
    bytes: u64,
}

impl Import {
    /// An import of these files and folders. Nothing is opened yet but folders, to see how much
    /// there is.
    pub fn of(paths: impl IntoIterator<Item = PathBuf>, limits: Limits, stale: Stale) -> Self {
        let paths: Vec<PathBuf> = paths.into_iter().collect();
        let progress = Progress::default();
        for found in Walk::new(paths.clone(), stale) {
            if let Found::Xml { path, .. } | Found::Private { path, .. } = found {
                progress.foresee(path.metadata().map_or(0, |metadata| metadata.len()));
            }
        }
        Self {
            walk: Walk::new(paths, stale),
            open: Vec::new(),
            seen: HashMap::new(),
            orphans: Vec::new(),
            limits,
            progress,
        }
    }

    /// An import of one XEP-0227 file that is no file: a pipe, or bytes. It can include no other.
    pub fn from_reader(read: impl Read + Send + 'static, name: &Path, limits: Limits) -> Self {
        let mut import = Self::of([], limits, Stale::LeaveOut);
        let progress = import.progress();
        import.open.push(Open {
            document: Document::new(Box::new(read), name, Within::Nothing, limits, progress),
            identity: None,
            folder: None,
            bytes: 0,
        });
        import
    }

    /// How far it has come; may be looked at while the import goes on.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Opens a file that was named, or found in a folder that was.
    fn open(&mut self, path: &Path, folder: Option<&Path>) -> io::Result<()> {
        let real = match folder {
            Some(folder) => confined::below(folder, path)?,
            // A pipe that a shell has made has no path but this one.
            None => path.canonicalize().unwrap_or_else(|_| path.to_owned()),
        };
        let file = File::open(&real)?;
        let identity = confined::identity(&file)?;
        if self.seen.contains_key(&identity) {
            self.progress.advance(file.metadata()?.len()); // another has included it
            return Ok(());
        }
        self.seen.insert(identity, false);
        self.push(file, path, &real, Within::Nothing)
    }

    fn push(&mut self, file: File, name: &Path, real: &Path, within: Within) -> io::Result<()> {
        let metadata = file.metadata()?;
        let bytes = metadata.len();
        let progress = self.progress.clone();
        let folder = real.parent().filter(|_| metadata.is_file());
        self.open.push(Open {
            identity: Some(confined::identity(&file)?),
            document: Document::new(Box::new(file), name, within, self.limits, progress),
            folder: folder.map(Path::to_owned),
            bytes,
        });
        Ok(())
    }

    /// Opens what a file includes.
    fn include(&mut self, include: Include) -> Result<(), Problem> {
        let Include {
            href,
            within,
            place,
        } = include;
        let folder = self.open.last().and_then(|open| open.folder.clone());
        let opened = match &folder {
            Some(folder) => confined::included(folder, &href)
                .and_then(|path| self.open_included(&path, within).map_err(|e| e.to_string())),
            None => Err("only a file can include other files".to_owned()),
        };
        opened.map_err(|why| Problem {
            place,
            jid: None,
            reason: Reason::Include {
                href: abridged(&href),
                why,
            },
        })
    }

    fn open_included(&mut self, path: &Path, within: Within) -> io::Result<()> {
        let file = File::open(path)?;
        let identity = confined::identity(&file)?;
        if self.open.iter().any(|open| open.identity == Some(identity)) {
            return Err(io::Error::other("it includes itself"));
        }
        match self.seen.insert(identity, true) {
            Some(true) => return Err(io::Error::other("it has been read already")),
            // It was there in the folder, and was read on its own.
            Some(false) => return Ok(()),
            None => {}
        }
        self.progress.foresee(file.metadata()?.len());
        self.push(file, path, path, within)
    }

    /// A file has ended, perhaps before its end.
    fn close(&mut self) {
        if let Some(open) = self.open.pop() {
            let unread = open.bytes.saturating_sub(open.document.bytes());
            self.progress.advance(unread);
        }
    }

    /// Reports a problem, unless it is one that another file may solve.
    fn problem(&mut self, problem: Problem) -> Option<Problem> {
        let identity = self.open.last().and_then(|open| open.identity);
        if let (Reason::NoHost, Some(identity)) = (&problem.reason, identity) {
            self.seen.remove(&identity);
            self.orphans.push((identity, problem));
            return None;
        }
        Some(problem)
    }

    /// The next of those that no file has solved.
    fn orphan(&mut self) -> Option<Problem> {
        self.orphans
            .retain(|(file, _)| !self.seen.contains_key(file));
        self.orphans.pop().map(|(_, problem)| problem)
    }

    fn found(&mut self, found: Found) -> Option<Item> {
        let (path, reason) = match found {
            Found::Xml { path, folder } => {
                let opened = self.open(&path, folder.as_deref());
                (path, opened.err()?.into())
            }
            Found::Private { path, host, folder } => {
                let user = prosody::read(
                    &path,
                    &host,
                    folder.as_deref(),
                    &self.limits,
                    &self.progress,
                );
                match user {
                    Ok(user) => return Some(Item::User(user)),
                    Err(reason) => (path, reason),
                }
            }
            Found::Problem { path, reason } => (path, reason),
        };
        let place = Place::whole(&path);
        let jid = None;
        Some(Item::Problem(Problem { place, jid, reason }))
    }
}

impl Iterator for Import {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        loop {
            let item = match self.open.last_mut() {
                None => match self.walk.next() {
                    Some(found) => self.found(found),
                    None => Some(Item::Problem(self.orphan()?)),
                },
                Some(open) => match open.document.next() {
                    Next::User(user) => Some(Item::User(user)),
                    Next::Problem(problem) => self.problem(problem).map(Item::Problem),
                    Next::Include(include) => self.include(include).err().map(Item::Problem),
                    Next::End => {
                        self.close();
                        None
                    }
                },
            };
            if item.is_some() {
                return item;
            }
        }
    }
}
