//! A disk of a size that a test can fill: a tmpfs in a mount namespace of its own.
//!
//! It takes no privilege where user namespaces are allowed, and it is gone with its process.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::support::process::Process;

const MOUNT: &str =
    r#"mount -t tmpfs -o "size=$2m" none "$1" && echo ready && exec sleep infinity"#;

pub struct SmallDisk {
    process: Process,
    folder: tempfile::TempDir,
}

impl SmallDisk {
    pub fn new(mebibytes: u64) -> SmallDisk {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = Command::new("unshare");
        command
            .args([
                "--user",
                "--map-root-user",
                "--mount",
                "sh",
                "-c",
                MOUNT,
                "-",
            ])
            .arg(folder.path())
            .arg(mebibytes.to_string())
            .stdout(Stdio::piped());
        let mut process = Process::spawn(command, folder.path());
        let mut line = String::new();
        let pipe = process.child().stdout.take().expect("a pipe");
        BufReader::new(pipe).read_line(&mut line).expect("a line");
        assert_eq!(line, "ready\n", "no tmpfs: are user namespaces forbidden?");
        SmallDisk { process, folder }
    }

    /// Where a program that is run `inside` has the store.
    pub fn store(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A program, with its arguments, that runs another where the disk is mounted.
    pub fn inside(&mut self) -> Vec<String> {
        let id = self.process.child().id().to_string();
        [
            "nsenter",
            "--user",
            "--mount",
            "--preserve-credentials",
            "--wd=.",
            "--target",
            &id,
        ]
        .map(str::to_owned)
        .to_vec()
    }

    /// The disk as it is seen from here.
    pub fn outside(&mut self) -> PathBuf {
        let id = self.process.child().id();
        PathBuf::from(format!("/proc/{id}/root{}", self.folder.path().display()))
    }

    /// Has nothing written to it any more.
    pub fn make_read_only(&mut self) {
        let inside = self.inside();
        let mut command = Command::new(&inside[0]);
        command
            .args(&inside[1..])
            .args(["mount", "-o", "remount,ro"]);
        let done = command.arg(self.folder.path()).status();
        assert!(done.expect("nsenter").success());
    }

    /// Leaves this many MiB free.
    pub fn fill_up_to(&mut self, mebibytes: u64) {
        self.empty();
        let filler = self.outside().join("filler");
        let mut filler = fs::File::create(filler).expect("a file");
        let piece = vec![1; 64 * 1024];
        while self.free() > mebibytes * 1024 * 1024 && filler.write_all(&piece).is_ok() {}
        if mebibytes == 0 {
            self.fill_up();
        }
    }

    /// Takes what is free, to the last page, and what was taken before stays.
    pub fn fill_up(&mut self) {
        let filler = self.outside().join("filler");
        let mut options = fs::File::options();
        let mut filler = options
            .create(true)
            .append(true)
            .open(filler)
            .expect("a file");
        let piece = vec![1; 1024 * 1024];
        while filler.write_all(&piece).is_ok() {}
        while filler.write_all(&piece[..4096]).is_ok() {}
    }

    /// Takes the filling away.
    pub fn empty(&mut self) {
        let _ = fs::remove_file(self.outside().join("filler"));
    }

    fn free(&mut self) -> u64 {
        let disk = rustix::fs::statvfs(self.outside()).expect("the disk");
        disk.f_bavail * disk.f_frsize
    }
}
