//! A file that is there wholly, or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::admin::user::as_typed;
use crate::random;

/// What stands for standard output.
const STDOUT: &str = "-";

pub enum Target {
    Stdout(Stdout),
    File(Unfinished),
}

/// Refuses what would destroy something.
pub fn may_be_made(path: &Path, force: bool) -> io::Result<()> {
    if path == Path::new(STDOUT) {
        if io::stdout().is_terminal() {
            return Err(io::Error::other(
                "it is a terminal, and a backup is not text: send it to a file or a pipe",
            ));
        }
        return Ok(());
    }
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => Err(io::Error::other("it is a folder: name a file in it")),
        // The finished file takes its place, whatever it is.
        Ok(found) if !found.is_file() => Err(io::Error::other(
            "it is a link or a device, and no file: name a file, or - for standard output",
        )),
        Ok(_) if !force => Err(io::Error::other(
            "it exists already: name another file, or replace it with --force",
        )),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

impl Target {
    pub fn make(path: &Path) -> io::Result<Self> {
        if path == Path::new(STDOUT) {
            return Ok(Self::Stdout(io::stdout()));
        }
        Unfinished::make(path).map(Self::File)
    }

    /// Has it on the disk, and then under its name.
    pub fn finish(self) -> io::Result<()> {
        match self {
            Self::Stdout(mut out) => out.flush(),
            Self::File(file) => file.finish(),
        }
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(out) => out.write(bytes),
            Self::File(file) => file.writer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(out) => out.flush(),
            Self::File(file) => file.writer.flush(),
        }
    }
}

/// A file in the making, beside the one it becomes. It is removed if it does not become that.
pub struct Unfinished {
    writer: BufWriter<File>,
    part: PathBuf,
    path: PathBuf,
}

impl Unfinished {
    fn make(path: &Path) -> io::Result<Self> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        // The number of a process comes again, in a container at each start, and what one that was killed has left does
        // not go.
        name.push(format!(".{:016x}.part", random::number()));
        let part = path.with_file_name(name);
        let mut options = OpenOptions::new();
        // It is for nobody else to read, at no moment.
        options.write(true).create_new(true).mode(0o600);
        let file = as_typed(|| options.open(&part))?;
        let writer = BufWriter::with_capacity(1 << 20, file);
        let path = path.to_owned();
        Ok(Self { writer, part, path })
    }

    fn finish(mut self) -> io::Result<()> {
        self.writer.flush()?;
        self.writer.get_ref().sync_all()?;
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        as_typed(|| {
            fs::rename(&self.part, &self.path)?;
            File::open(folder)?.sync_all()
        })?;
        self.part = PathBuf::new();
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.part.as_os_str().is_empty() {
            let _ = as_typed(|| fs::remove_file(&self.part));
        }
    }
}
