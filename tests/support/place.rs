//! Where the servers' programs live: on this machine, or in the folder of another system.
//!
//! With `TEST_SERVER_ROOT=/path/of/root` the servers are those installed under that root, run by
//! `chroot`. So one machine tests the servers of several Debian releases. The network is shared;
//! only paths differ, inside and outside.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

const VARIABLE: &str = "TEST_SERVER_ROOT";

/// A system with servers installed.
#[derive(Clone)]
pub struct Place {
    root: Option<PathBuf>,
}

impl Place {
    /// The place that the environment names; without a word from it, this machine.
    pub fn from_environment() -> Place {
        let root = std::env::var_os(VARIABLE)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from);
        if let Some(root) = &root {
            assert!(root.is_absolute(), "{VARIABLE} must be an absolute path");
            assert!(root.join("tmp").is_dir(), "{VARIABLE}: no system there");
        }
        Place { root }
    }

    /// This machine, whatever the environment says.
    pub fn this_machine() -> Place {
        Place { root: None }
    }

    /// A command that runs one of the place's programs.
    pub fn command(&self, program: &str) -> Command {
        match &self.root {
            None => Command::new(program),
            Some(root) => {
                let mut command = Command::new("chroot");
                command.arg(root).arg(program);
                command
            }
        }
    }

    /// The path outside of what the place's programs call `inside`.
    pub fn outside(&self, inside: &str) -> PathBuf {
        match &self.root {
            None => PathBuf::from(inside),
            Some(root) => root.join(inside.trim_start_matches('/')),
        }
    }

    /// A new folder that the place's programs can reach.
    pub fn folder(&self, name: &str) -> Folder {
        let directory = tempfile::Builder::new()
            .prefix(&format!("{name}-"))
            .tempdir_in(self.outside("/tmp"))
            .expect("a temporary folder");
        let inside = match &self.root {
            None => directory.path().to_owned(),
            Some(root) => {
                let below = directory.path().strip_prefix(root);
                Path::new("/").join(below.expect("made below the root"))
            }
        };
        Folder { directory, inside }
    }
}

/// A temporary folder, known by two names.
pub struct Folder {
    directory: TempDir,
    inside: PathBuf,
}

impl Folder {
    /// What the tests call it.
    pub fn outside(&self) -> &Path {
        self.directory.path()
    }

    /// What the place's programs call a file of it.
    pub fn inside(&self, file: &str) -> String {
        let path = self.inside.join(file);
        path.to_str().expect("a temporary path is UTF-8").to_owned()
    }

    /// Writes a file of it, and the folders above that file.
    pub fn write(&self, file: &str, content: &str) {
        let path = self.outside().join(file);
        std::fs::create_dir_all(path.parent().expect("below the folder")).expect("a folder");
        std::fs::write(&path, content).expect("a file in a temporary folder");
    }
}
