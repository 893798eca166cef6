//! A program that is gone when its owner is, however that ends.
//!
//! A test that panics drops what it owns. But servers that several tests share live in statics,
//! which are never dropped, and nobody drops anything when the tests are killed. So each program
//! has a guard beside it: a shell that reads from a pipe only this process holds. When the pipe
//! closes without a word, the guard ends the program and removes its folder.

use std::io::Write;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// How a guard ends a program and all that it has started in its process group: `$1` is that group, and
/// `$2` the folder.
const KILL: &str = r#"kill -KILL "-$1""#;

/// A running program, at the head of a process group.
pub struct Process {
    child: Child,
    status: Option<ExitStatus>,
    guard: Child,
}

impl Process {
    /// Starts `command`, which keeps its files in `folder`.
    pub fn spawn(command: Command, folder: &Path) -> Process {
        Process::spawn_ended_by(KILL, command, folder)
    }

    /// The same for a program that starts others beyond its process group: this shell script ends them
    /// when nobody else does.
    pub fn spawn_ended_by(end: &str, mut command: Command, folder: &Path) -> Process {
        let child = command
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{:?}: {error}", command.get_program()));
        let guard = Command::new("sh")
            .arg("-c")
            .arg(format!("read done || {{ {end}\nrm -rf -- \"$2\"; }}"))
            .args(["guard", &child.id().to_string()])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("a shell");
        Process {
            child,
            status: None,
            guard,
        }
    }

    /// The program itself: to take its pipes from.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// How it ended, if it has.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().expect("a child of ours");
        }
        self.status
    }

    /// Asks it to end (SIGTERM), if it has not.
    pub fn terminate(&mut self) {
        self.signal(Signal::TERM);
    }

    /// Asks it to read its configuration again (SIGHUP).
    pub fn reload(&mut self) {
        self.signal(Signal::HUP);
    }

    /// Has it stand still, until it is thawed.
    pub fn freeze(&mut self) {
        self.signal(Signal::STOP);
    }

    pub fn thaw(&mut self) {
        self.signal(Signal::CONT);
    }

    /// Asks it to end (SIGTERM), and waits for that; past `patience` kills it and panics.
    pub fn stop(&mut self, patience: Duration) -> ExitStatus {
        self.terminate();
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if let Some(status) = self.exited() {
                return status;
            }
            sleep(Duration::from_millis(10));
        }
        self.kill();
        panic!("SIGTERM did not end process {} in {patience:?}", self.pid());
    }

    /// Sends this to it and to all that it has started in its process group.
    pub fn signal_all(&self, signal: Signal) {
        let _ = kill_process_group(self.pid(), signal);
    }

    fn signal(&mut self, signal: Signal) {
        if self.exited().is_none() {
            let _ = kill_process(self.pid(), signal);
        }
    }

    /// Ends it at once (SIGKILL), with all it started.
    pub fn kill(&mut self) {
        self.signal_all(Signal::KILL);
        if self.status.is_none() {
            let status = self.child.wait();
            self.status = Some(status.unwrap_or(ExitStatus::from_raw(0)));
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if let Some(mut pipe) = self.guard.stdin.take() {
            let _ = pipe.write_all(b"done\n");
        }
        let _ = self.guard.wait();
    }
}
