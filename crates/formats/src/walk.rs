//! What there is to read in the files and folders that were named.

use std::fs::{self, ReadDir};
use std::path::{Path, PathBuf};
use std::vec;

use super::problem::Reason;
use super::prosody::decoded;

/// The folder of a host in which Prosody keeps private data.
const PRIVATE: &str = "private";

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
    pub fn new(named: Vec<PathBuf>) -> Self {
        Self {
            named: named.into_iter(),
            inside: Vec::new(),
        }
    }

    fn begin(&mut self, path: PathBuf) -> Option<Found> {
        if !path.is_dir() {
            return Some(match (path.extension(), host_of(&path)) {
                (Some(dat), Some(host)) if dat == "dat" => Found::Private {
                    path,
                    host,
                    folder: None,
                },
                _ => Found::Xml { path, folder: None },
            });
        }
        // The folder of one host, or of all.
        let private = path.join(PRIVATE);
        let host = match private.is_dir() {
            true => host_name(&path),
            false => None,
        };
        match host {
            Some(host) => self.enter(private, path, Some(host)),
            None => self.enter(path.clone(), path, None),
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
            (None, Some("xml")) if !path.is_dir() => {
                folder.fruitful = true;
                let folder = Some(named);
                Some(Found::Xml { path, folder })
            }
            (None, _) => {
                let private = path.join(PRIVATE);
                if !private.is_dir() {
                    return None;
                }
                folder.fruitful = true;
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
                            reason: Reason::Foreign,
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

/// The host that a folder of Prosody's is named for.
fn host_name(folder: &Path) -> Option<String> {
    decoded(folder.canonicalize().ok()?.file_name()?.to_str()?)
}

/// The host whose `private` folder this file lies in.
fn host_of(file: &Path) -> Option<String> {
    let file = file.canonicalize().ok()?;
    let private = file.parent()?;
    let lies_in_private = private.file_name()? == PRIVATE;
    lies_in_private.then(|| host_name(private.parent()?))?
}
