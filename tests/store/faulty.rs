//! A disk that fails when a test says so: the program's calls on its log go through `faulty.c`.
//!
//! It takes no privilege, and reaches all threads of the program at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The numbers that Linux gives to errors.
pub const EIO: u32 = 5;
pub const EAGAIN: u32 = 11;
pub const ENOSPC: u32 = 28;

pub struct FaultyDisk {
    folder: tempfile::TempDir,
}

impl FaultyDisk {
    pub fn new() -> FaultyDisk {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("faults")).expect("a folder");
        FaultyDisk { folder }
    }

    pub fn store(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Has the component keep its store here.
    pub fn under(&self) -> Vec<String> {
        let mut under = super::keeping(&self.store());
        under.push(format!("LD_PRELOAD={}", library().display()));
        under.push(format!("FAULTS={}", self.faults().display()));
        under
    }

    /// From now on these calls fail: "fsync", "fdatasync" (which is ours, and not sled's), "write", "read"; or "configuration", the reading of that,
    /// or "thread", the start of one.
    pub fn fail(&self, calls: &[&str], error: u32) {
        for call in calls {
            fs::write(self.faults().join(call), error.to_string()).expect("a file");
        }
    }

    /// From now on this call waits until all is well again.
    pub fn hang(&self, call: &str) {
        fs::write(self.faults().join(call), "hang").expect("a file");
    }

    /// This call works again.
    pub fn mend(&self, call: &str) {
        fs::remove_file(self.faults().join(call)).expect("a file");
    }

    /// All is well again.
    pub fn heal(&self) {
        fs::remove_dir_all(self.faults()).expect("a folder");
        fs::create_dir(self.faults()).expect("a folder");
    }

    fn faults(&self) -> PathBuf {
        self.folder.path().join("faults")
    }
}

/// Built once, by the compiler that Rust links with.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("faulty.so");
        let unfinished = library.with_extension(std::process::id().to_string());
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/store/faulty.c");
        let mut compiler = Command::new("cc");
        compiler
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&unfinished);
        let built = compiler.arg(source).status();
        assert!(built.expect("cc").success());
        fs::rename(unfinished, &library).expect("a file");
        library
    })
}
