//! What there is to read in the files and folders that were named.

use std::fs::{self, File, ReadDir};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::vec;

use super::confined::decoded;
use super::decode::DATABASE;
use super::problem::Reason;

/// The folder of a host in which Prosody keeps private data.
const PRIVATE: &str = "private";
/// What the names of SQLite's databases end in. (Prosody's is `prosody.sqlite`, unless it is told another.)
const DATABASES: [&str; 2] = ["sqlite", "sqlite3"];

/// What becomes of a folder of Prosody's that holds a database as well. Prosody may keep its data there
/// now, and the files in the folder are of before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stale {
    /// Nothing of it is read.
    LeaveOut,
    /// Its files are.
    Take,
}

#[derive(Debug)]
pub enum Found {
    /// A file of XEP-0227. `folder`: which it must not lead out of.
    Xml {
        path: PathBuf,
        folder: Option<PathBuf>,
    },
    /// What Prosody's internal storage has of one user's private data.
    Private {
        path: PathBuf,
        host: String,
        folder: Option<PathBuf>,
    },
    Problem {
        path: PathBuf,
        reason: Reason,
    },
}

/// Walks; holds none of the names but those of the folders it stands in.
pub struct Walk {
    stale: Stale,
    named: vec::IntoIter<PathBuf>,
    inside: Vec<Folder>,
}

struct Folder {
    entries: ReadDir,
    /// The one that was named, which nothing may lead out of.
    named: PathBuf,
    path: PathBuf,
    /// The host whose private data it holds.
    host: Option<String>,
    /// Whether anything was found in it.
    fruitful: bool,
}

impl Walk {
    /// A walk through all of these.
    pub fn new(named: Vec<PathBuf>, stale: Stale) -> Self {
        Self {
            stale,
            named: named.into_iter(),
            inside: Vec::new(),
        }
    }

    fn begin(&mut self, path: PathBuf) -> Option<Found> {
        let prosodys = Prosodys::of(&path);
        if self.stale == Stale::LeaveOut
            && let Some(database) = prosodys.as_ref().and_then(|it| database_in(&it.data))
        {
            return Some(left_out(path, database));
        }
        let host = prosodys.and_then(|it| it.host);
        match (path.is_dir(), host) {
            (true, None) => self.enter(path.clone(), path, None),
            (true, host) => {
                let inside = path.join(PRIVATE);
                let private = if inside.is_dir() {
                    inside
                } else {
                    path.clone()
                };
                self.enter(private, path, host)
            }
            (false, None) => Some(Found::Xml { path, folder: None }),
            (false, Some(host)) => Some(Found::Private {
                path,
                host,
                folder: None,
            }),
        }
    }

    fn enter(&mut self, path: PathBuf, named: PathBuf, host: Option<String>) -> Option<Found> {
        match fs::read_dir(&path) {
            Ok(entries) => self.inside.push(Folder {
                entries,
                named,
                path,
                host,
                fruitful: false,
            }),
            Err(error) => {
                let reason = error.into();
                return Some(Found::Problem { path, reason });
            }
        }
        None
    }

    /// What an entry of the innermost folder is.
    fn entry(&mut self, path: PathBuf) -> Option<Found> {
        let folder = self.inside.last_mut()?;
        let named = folder.named.clone();
        let extension = path.extension().and_then(|extension| extension.to_str());
        match (&folder.host, extension) {
            (Some(host), Some("dat")) => {
                folder.fruitful = true;
                let (host, folder) = (host.clone(), Some(named));
                Some(Found::Private { path, host, folder })
            }
            (None, Some(xml)) if xml.eq_ignore_ascii_case("xml") && !path.is_dir() => {
                folder.fruitful = true;
                let folder = Some(named);
                Some(Found::Xml { path, folder })
            }
            (None, _) => {
                let private = path.join(PRIVATE);
                match fs::metadata(&private) {
                    Ok(found) if found.is_dir() => folder.fruitful = true,
                    Ok(_) => return None,
                    Err(error) if is_absence(&error) => return None,
                    Err(error) => {
                        folder.fruitful = true;
                        let (path, reason) = (private, error.into());
                        return Some(Found::Problem { path, reason });
                    }
                }
                match host_name(&path) {
                    Some(host) => self.enter(private, named, Some(host)),
                    None => {
                        let reason = Reason::Address(path.to_string_lossy().into_owned());
                        Some(Found::Problem { path, reason })
                    }
                }
            }
            (Some(_), _) => None,
        }
    }
}

impl Iterator for Walk {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        loop {
            let found = match self.inside.last_mut() {
                None => {
                    let named = self.named.next()?;
                    self.begin(named)
                }
                Some(folder) => match folder.entries.next() {
                    Some(Ok(entry)) => self.entry(entry.path()),
                    Some(Err(error)) => Some(Found::Problem {
                        path: folder.path.clone(),
                        reason: error.into(),
                    }),
                    None => {
                        let folder = self.inside.pop()?;
                        let barren = !folder.fruitful && folder.host.is_none();
                        barren.then_some(Found::Problem {
                            path: folder.path,
                            reason: Reason::Barren,
                        })
                    }
                },
            };
            if found.is_some() {
                return found;
            }
        }
    }
}

/// What of Prosody's a path that was named is, or may be.
struct Prosodys {
    /// The folder of all hosts.
    data: PathBuf,
    /// The host whose private data, or a user's of them, it is, if it is about one.
    host: Option<String>,
}

impl Prosodys {
    fn of(path: &Path) -> Option<Self> {
        let real = path.canonicalize().ok()?;
        if !real.is_dir() {
            let folder = real.parent().filter(|folder| is_private(folder))?;
            return match is_data(path) {
                true => Self::around(path.parent(), folder),
                false => None,
            };
        }
        let host = match () {
            () if real.join(PRIVATE).is_dir() => Self::of_host(path, &real),
            () if is_private(&real) && holds_data(&real) => Self::around(Some(path), &real),
            () => None,
        };
        host.or(Some(Self {
            data: real,
            host: None,
        }))
    }

    /// The host whose private data is in this folder, as it was named, and as it is.
    fn around(private: Option<&Path>, real: &Path) -> Option<Self> {
        let named = private.filter(|it| is_private(it));
        let folder = named.and_then(Path::parent).unwrap_or(Path::new(""));
        Self::of_host(folder, real.parent()?)
    }

    /// The host of this folder, as it was named, and as it is. Prosody goes by the name, wherever that leads.
    fn of_host(named: &Path, real: &Path) -> Option<Self> {
        let folder = match named.file_name() {
            Some(_) => named,
            None => real,
        };
        let data = match folder.parent()? {
            here if here.as_os_str().is_empty() => Path::new("."),
            data => data,
        };
        Some(Self {
            data: data.to_owned(),
            host: Some(host_name(folder)?),
        })
    }
}

fn is_private(folder: &Path) -> bool {
    folder.file_name().is_some_and(|name| name == PRIVATE)
}

/// Whether this says that nothing is there.
fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn is_data(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "dat")
}

fn holds_data(folder: &Path) -> bool {
    let mut entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.any(|entry| is_data(&entry.path()))
}

/// A folder with a database in it, of which nothing is taken; or that itself.
fn left_out(named: PathBuf, database: PathBuf) -> Found {
    let mut beside = Walk::new(vec![named], Stale::Take);
    let stale = beside.any(|found| matches!(found, Found::Private { .. } | Found::Xml { .. }));
    Found::Problem {
        path: database,
        reason: Reason::Database { stale },
    }
}

/// The database that lies in a folder: the first of them by name.
fn database_in(folder: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?;
    let paths = entries.flatten().map(|entry| entry.path());
    let mut databases: Vec<PathBuf> = paths.filter(|path| is_database(path)).collect();
    databases.sort();
    databases.into_iter().next()
}

fn is_database(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    let is_named_so = extension.is_some_and(|it| DATABASES.contains(&it));
    // Opening a pipe would wait.
    if !is_named_so || !path.is_file() {
        return false;
    }
    let mut head = [0; DATABASE.len()];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut head));
    read.is_ok() && head == *DATABASE
}

/// The host that a folder of Prosody's is named for.
fn host_name(folder: &Path) -> Option<String> {
    decoded(folder.file_name()?.to_str()?)
}
