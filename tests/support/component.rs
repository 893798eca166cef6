//! The program under test.

mod options;

use std::fs::Permissions;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::memory::Memory;
use super::place::{Folder, Place};
use super::process::Process;

pub use options::Options;

/// How long its end may take on a busy machine. What it promises is 5 s: `Ticks` are for that.
const STOP: Duration = Duration::from_secs(60);

/// How many looks in a row must find it idle, and the pause between them.
const LOOKS: usize = 5;
const LOOK: Duration = Duration::from_millis(20);

/// Runs another command than the service, to its end.
pub fn run(options: &Options, arguments: &[&str]) -> Output {
    let folder = folder(options);
    let mut command = command(&folder, &options.under);
    command.args(arguments).output().expect("the program runs")
}

/// Runs `check` with these further arguments, as a terminal that knows UTF-8 shows it; its exit code
/// and what it says.
pub fn check(options: &Options, arguments: &[&str]) -> (Option<i32>, String) {
    check_in(options, arguments, &[])
}

/// Runs `check --connect` beside a real server, again where that was too busy to answer in the 5 s that
/// the command gives each step.
pub fn check_connect(options: &Options) -> (Option<i32>, String) {
    let mut last = (None, String::new());
    for _ in 0..12 {
        last = check(options, &["--connect"]);
        if !last.1.contains("(waited 5 s)") {
            break;
        }
    }
    last
}

/// The same as [`check`], with these variables in its environment.
pub fn check_in(
    options: &Options,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> (Option<i32>, String) {
    let folder = folder(options);
    // As after a first start.
    std::fs::create_dir(folder.outside().join("data")).expect("a folder");
    let output = command(&folder, &[])
        .envs(environment.iter().copied())
        .env("LC_ALL", "C.UTF-8")
        .arg("check")
        .args(arguments)
        .output()
        .expect("the program runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.contains("panicked"), "{errors}");
    (output.status.code(), said + &errors)
}

/// What the program prints for the administrator of `router` to paste.
pub fn print_config(options: &Options, router: &str) -> String {
    print_config_with(options, &[router])
}

/// The same, with these arguments.
pub fn print_config_with(options: &Options, arguments: &[&str]) -> String {
    let output = run(options, &[&["print-config"], arguments].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn folder(options: &Options) -> Folder {
    let folder = Place::this_machine().folder("component");
    folder.write("component.toml", &options.toml());
    // It holds the secret: were it for everybody to read, that would be warned of.
    let path = folder.outside().join("component.toml");
    std::fs::set_permissions(path, Permissions::from_mode(0o600)).expect("a file of ours");
    folder
}

fn command(folder: &Folder, under: &[String]) -> Command {
    let program = env!("CARGO_BIN_EXE_xmpp-private-storage");
    let mut command = match under {
        [] => Command::new(program),
        [tracer, arguments @ ..] => {
            let mut command = Command::new(tracer);
            command.args(arguments).arg(program);
            command
        }
    };
    // A variable of the person who runs the tests would win over the file.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PRIVATE_STORAGE_") {
            command.env_remove(name);
        }
    }
    command
        .current_dir(folder.outside())
        .args(["--config", "component.toml"]);
    command
}

/// The program, running or not, with its folder.
pub struct Component {
    log: Arc<Log>,
    under: Vec<String>,
    process: Option<Process>,
    /// Reads what it logs, until it has ended.
    reader: Option<JoinHandle<()>>,
    // Last, so that the process is gone before its folder is.
    folder: Folder,
}

impl Component {
    /// Writes its configuration and starts it. It need not be connected yet.
    pub fn start(options: Options) -> Component {
        let folder = folder(&options);
        let mut component = Component {
            log: Arc::default(),
            under: options.under,
            process: None,
            reader: None,
            folder,
        };
        component.launch();
        component
    }

    /// Its working folder, with its configuration and its data.
    pub fn folder(&self) -> &Path {
        self.folder.outside()
    }

    /// All the lines it has logged, over all its starts.
    pub fn log(&self) -> Vec<String> {
        self.log.lines.lock().expect("no panic there").clone()
    }

    /// Waits for a line that holds `part`, and returns it; panics with the log if none comes.
    #[track_caller]
    pub fn wait_for_log(&self, part: &str, patience: Duration) -> String {
        let deadline = Instant::now() + patience;
        let mut lines = self.log.lines.lock().expect("no panic there");
        loop {
            if let Some(line) = lines.iter().find(|line| line.contains(part)) {
                return line.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                panic!("no line with {part:?} in:\n{}", lines.join("\n"));
            }
            (lines, _) = self
                .log
                .arrived
                .wait_timeout(lines, left)
                .expect("no panic there");
        }
    }

    /// Waits until it has told this many pauses before it tried again to connect, and returns them.
    #[track_caller]
    pub fn pauses(&self, count: usize) -> Vec<Duration> {
        let deadline = Instant::now() + STOP;
        loop {
            let told: Vec<_> = self.log().iter().filter_map(|line| pause(line)).collect();
            if told.len() >= count {
                return told;
            }
            assert!(Instant::now() < deadline, "{:#?}", self.log());
            std::thread::sleep(LOOK);
        }
    }

    /// Asks it to end, as a service manager does.
    pub fn stop(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("it runs");
        let status = process.stop(STOP);
        self.read_the_rest();
        status
    }

    /// Asks it to end, and does not wait for that.
    pub fn terminate(&mut self) {
        self.process.as_mut().expect("it runs").terminate();
    }

    /// Has it stand still, as in a container that is paused, until it is thawed.
    pub fn freeze(&mut self) {
        self.process.as_mut().expect("it runs").freeze();
    }

    pub fn thaw(&mut self) {
        self.process.as_mut().expect("it runs").thaw();
    }

    /// Writes another configuration, and asks it to read that.
    pub fn reload(&mut self, toml: &str) {
        // Written over, it keeps its mode.
        let path = self.folder.outside().join("component.toml");
        std::fs::write(path, toml).expect("a file of ours");
        self.read_again();
    }

    /// Asks it to read its configuration again, whatever that has become.
    pub fn read_again(&mut self) {
        self.process.as_mut().expect("it runs").reload();
    }

    /// The number of its process.
    pub fn id(&mut self) -> u32 {
        self.process.as_mut().expect("it runs").child().id()
    }

    /// The time that it has kept a processor busy.
    pub fn busy(&mut self) -> Duration {
        let tasks = format!("/proc/{}/task", self.id());
        let tasks = std::fs::read_dir(tasks).expect("threads");
        let of_thread = |task: std::io::Result<std::fs::DirEntry>| {
            let told = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            told.split(' ').next()?.parse::<u64>().ok()
        };
        Duration::from_nanos(tasks.filter_map(of_thread).sum())
    }

    /// Waits until it has nothing left to do but wait, in all its threads: for more to read, say,
    /// or for a server that does not.
    #[track_caller]
    pub fn wait_until_idle(&mut self) {
        let deadline = Instant::now() + STOP;
        let (mut looks, mut before) = (0, Duration::ZERO);
        while looks < LOOKS {
            assert!(Instant::now() < deadline, "it never rests");
            std::thread::sleep(LOOK);
            let busy = self.busy();
            looks = match busy == before && self.sleeps() {
                true => looks + 1,
                false => 0,
            };
            before = busy;
        }
    }

    /// Whether no thread of it runs, or waits for a processor or a disk.
    fn sleeps(&mut self) -> bool {
        let process = self.process.as_mut().expect("it runs");
        let tasks = format!("/proc/{}/task", process.child().id());
        let mut tasks = std::fs::read_dir(tasks).expect("threads");
        tasks.all(|task| {
            let stat = task.and_then(|task| std::fs::read_to_string(task.path().join("stat")));
            // The state stands behind the name, which is in parentheses.
            let state = stat.as_deref().unwrap_or_default().rsplit(") ").next();
            state.is_some_and(|rest| rest.starts_with('S'))
        })
    }

    /// The memory it takes; none when it does not run.
    pub fn memory(&mut self) -> Option<Memory> {
        Memory::of(self.process.as_mut()?.child().id())
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it again on the same data; ends it before, as `stop` does, if it runs.
    pub fn restart(&mut self) {
        if self.process.is_some() {
            self.stop();
        }
        self.launch();
    }

    /// How it ended, if it has ended by itself.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        let status = self.process.as_mut().and_then(Process::exited);
        if status.is_some() {
            self.read_the_rest();
        }
        status
    }

    /// It has ended: its last lines are waited for.
    fn read_the_rest(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("no panic there");
        }
    }

    fn launch(&mut self) {
        let mut command = command(&self.folder, &self.under);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = Process::spawn(command, self.folder.outside());
        let pipe = process.child().stderr.take().expect("a pipe");
        let log = Arc::clone(&self.log);
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                log.lines.lock().expect("no panic there").push(line);
                log.arrived.notify_all();
            }
        });
        self.reader = Some(reader);
        self.process = Some(process);
    }
}

/// The pause that a line of the log tells of.
fn pause(line: &str) -> Option<Duration> {
    let (_, told) = line.split_once("next attempt in ")?;
    let seconds = told.split(' ').next()?.parse().ok()?;
    Some(Duration::from_secs_f32(seconds))
}

/// Lines that a thread collects and tests wait for.
#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    arrived: Condvar,
}
