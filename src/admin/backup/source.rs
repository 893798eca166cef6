//! A backup that is read twice: to see that all of it is right, and then to take it.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, IsTerminal, Read, Seek, SeekFrom, Write, stdin};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::random;

/// As much of a pipe is read at once.
const PIECE: usize = 1 << 16;

pub struct Source {
    file: File,
    /// Where in the file the backup begins: standard input may have been read up to there.
    begin: u64,
}

impl Source {
    /// The backup in a file, or on standard input if that is called `-`. What can be read but once is kept
    /// in a file without a name.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = match path == Path::new("-") {
            false => File::open(path)?,
            true if stdin().is_terminal() => {
                return Err(io::Error::other(
                    "it is a terminal: pipe a backup into this command, or name a file",
                ));
            }
            true => File::from(stdin().as_fd().try_clone_to_owned()?),
        };
        if !file.metadata()?.is_file() {
            file = kept(file)?;
        }
        let begin = file.stream_position()?;
        Ok(Self { file, begin })
    }

    pub fn file(&self) -> &File {
        &self.file
    }

    pub fn rewind(&mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.begin)).map(drop)
    }
}

/// All that comes out of a pipe, in a file.
fn kept(mut pipe: File) -> io::Result<File> {
    let folder = env::temp_dir();
    let cannot = |error: io::Error| {
        let folder = folder.display();
        let what = format!(
            "it cannot be kept in {folder} while it is read: {error}; TMPDIR names another folder"
        );
        io::Error::new(error.kind(), what)
    };
    let mut file = unnamed(&folder).map_err(cannot)?;
    let mut piece = vec![0; PIECE];
    loop {
        match pipe.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => file.write_all(&piece[..count]).map_err(cannot)?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    file.rewind()?;
    Ok(file)
}

/// A file that nobody else finds, and that is gone with this process.
fn unnamed(folder: &Path) -> io::Result<File> {
    // A name that others can guess they could take before.
    let path = folder.join(format!(
        "xmpp-private-storage.{:016x}.restore",
        random::number()
    ));
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(0o600);
    let file = options.open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}
