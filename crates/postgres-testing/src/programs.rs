//! The programs of PostgreSQL, and the user who runs them.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The folder of the newest version that is installed, or what `PGBIN` says.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        if let Some(folder) = std::env::var_os("PGBIN") {
            return folder.into();
        }
        let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
        let newest = versions
            .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
            .filter(|bin| bin.join("initdb").exists())
            .max_by_key(|bin| version(bin));
        newest.expect("PostgreSQL: install the package postgresql, or name its folder in PGBIN")
    })
}

fn version(bin: &Path) -> Option<u32> {
    bin.parent()?.file_name()?.to_str()?.parse().ok()
}

/// Where one of them is.
#[must_use]
pub fn path(name: &str) -> PathBuf {
    folder().join(name)
}

/// Who runs the servers: `None` for the user of the test itself.
fn user() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let line = users.lines().find(|line| line.starts_with("postgres:"));
    let mut fields = line.expect("a user postgres").split(':').skip(2);
    let mut number = || fields.next().unwrap().parse().unwrap();
    Some((number(), number()))
}

/// A program, run by that user.
pub fn program(name: impl AsRef<Path>) -> Command {
    let mut command = Command::new(name.as_ref());
    if let Some((user, group)) = user() {
        command.uid(user).gid(group);
    }
    // Where the test runs may be closed to them.
    command.current_dir("/").env("LC_ALL", "C.UTF-8");
    command
}

/// Gives a folder to that user.
pub fn give(folder: &Path) {
    if let Some((user, group)) = user() {
        chown(folder, Some(user), Some(group)).unwrap();
    }
}

/// Runs a program to its end; what it writes.
pub(crate) fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}
