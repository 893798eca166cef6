//! What a service manager such as systemd is told: played by a socket, as it listens itself.

use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::health::delegate;
use crate::store::faulty::FaultyDisk;
use crate::support::clock::{Ticks, eventually};
use crate::support::component::{Component, Options};
use crate::support::process::Process;
use crate::support::router::{PATIENCE, Router};
use crate::support::{ports, server};

/// Listens as a service manager does.
struct Manager {
    socket: UnixDatagram,
    folder: TempDir,
}

impl Manager {
    fn new() -> Manager {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = UnixDatagram::bind(folder.path().join("notify")).expect("a socket");
        Manager { socket, folder }
    }

    /// What it gives to what it starts.
    fn environment(&self, watchdog: Option<Duration>) -> Vec<String> {
        let path = self.folder.path().join("notify");
        let mut environment = vec![
            "env".to_owned(),
            format!("NOTIFY_SOCKET={}", path.display()),
        ];
        if let Some(watchdog) = watchdog {
            environment.push(format!("WATCHDOG_USEC={}", watchdog.as_micros()));
        }
        environment
    }

    /// The next message, if one comes soon enough.
    fn next_within(&self, patience: Duration) -> Option<String> {
        let patience = patience.max(Duration::from_millis(1));
        self.socket.set_read_timeout(Some(patience)).expect("set");
        let mut bytes = [0; 4096];
        let read = self.socket.recv(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes[..read]).into_owned())
    }

    /// The next message with this in it.
    #[track_caller]
    fn expect(&self, part: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut others = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.next_within(left) {
                Some(message) if message.contains(part) => return message,
                Some(message) => others.push(message),
                None => panic!("no {part:?} in {others:#?}"),
            }
        }
    }

    /// Whether a sign of life comes within that time.
    fn lives_within(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.next_within(left) {
                Some(message) if message.contains("WATCHDOG=1") => return true,
                Some(_) => {}
                None => return false,
            }
        }
    }

    /// Insists that soon no more signs of life come for that time.
    #[track_caller]
    fn expect_none_for(&self, silence: Duration) {
        let deadline = Instant::now() + PATIENCE;
        while self.lives_within(silence) {
            assert!(Instant::now() < deadline, "it lives");
        }
    }
}

fn start(manager: &Manager, router: &Router) -> Component {
    let mut options = Options::at(router.address());
    options.under = manager.environment(None);
    Component::start(options)
}

#[test]
fn the_status_follows_the_link() {
    let (manager, router) = (Manager::new(), Router::new());
    let mut component = start(&manager, &router);
    manager.expect(&format!(
        "STATUS=connecting to the server at {}\n",
        router.address()
    ));
    let mut session = router.let_in();
    let ready = manager.expect("READY=1\n");
    let up = "STATUS=logged in as private.localhost; not delegated by any domain\n";
    assert!(ready.contains(up), "{ready}");
    let [first, second] = [server::HOST, server::OTHER_HOST];
    delegate(&mut session, first);
    manager.expect(&format!(
        "STATUS=logged in as private.localhost; delegated by {first}, not by {second}\n"
    ));
    delegate(&mut session, second);
    manager.expect(&format!("; delegated by {first}, {second}\n"));
    session.die();
    let down = manager.expect("next attempt in");
    assert!(
        down.starts_with("STATUS=") && down.lines().count() == 1,
        "{down}"
    );
    let _session = router.let_in();
    let again = manager.expect(up);
    assert!(!again.contains("READY"), "it never was not: {again}");
    component.terminate();
    manager.expect("STOPPING=1\n");
}

#[test]
fn a_router_that_is_down_does_not_fail_the_start() {
    let manager = Manager::new();
    let mut options = Options::at(ports::address(ports::free()));
    options.under = manager.environment(None);
    let _component = Component::start(options);
    let ready = manager.expect("READY=1\n");
    assert!(
        ready.contains("STATUS=cannot connect to 127.0.0.1:"),
        "{ready}"
    );
    assert!(ready.contains("; next attempt in "), "{ready}");
}

#[test]
fn a_router_that_says_nothing_does_not_fail_the_start() {
    let (manager, router) = (Manager::new(), Router::new());
    let _component = start(&manager, &router);
    let _silent = router.accept();
    manager.expect("READY=1\n");
}

/// And where it is for an address that the machine does not have, it is started again: the service came before its
/// network at a boot, ended with 78, and its manager never started it again.
#[test]
fn a_start_that_is_refused_is_never_ready() {
    let (manager, router) = (Manager::new(), Router::new());
    let mut options = Options::at(router.address());
    options.under = manager.environment(None);
    options.extra = "[http]\nlisten = \"192.0.2.1:9547\"\n".to_owned();
    let mut component = Component::start(options);
    component.wait_for_log("cannot listen on 192.0.2.1:9547", PATIENCE);
    eventually("it ends", || component.exited().is_some());
    let code = component.exited().and_then(|status| status.code());
    assert_eq!(code, Some(69));
    assert_eq!(manager.next_within(Duration::from_millis(300)), None);
}

#[test]
fn there_are_signs_of_life_as_often_as_asked_for_and_none_unasked() {
    let (manager, unasked, router) = (Manager::new(), Manager::new(), Router::new());
    let _unasked = start(&unasked, &router);
    let _unasked_session = router.let_in();
    let watchdog = Duration::from_millis(900);
    let mut options = Options::at(router.address());
    options.under = manager.environment(Some(watchdog));
    let _component = Component::start(options);
    let _session = router.let_in();
    assert!(manager.lives_within(PATIENCE));
    for _ in 0..5 {
        let ticks = Ticks::start();
        assert!(manager.lives_within(PATIENCE));
        assert!(ticks.passed() < watchdog, "{:?}", ticks.passed());
    }
    // It has had as long, and longer.
    assert!(!unasked.lives_within(Duration::from_millis(1)));
}

/// A disk that does not answer holds the store's writer: nothing can be stored any more.
#[test]
fn a_stuck_writer_gives_no_sign_of_life() {
    let (manager, router, disk) = (Manager::new(), Router::new(), FaultyDisk::new());
    let watchdog = Duration::from_millis(900);
    let mut options = Options::at(router.address());
    let others = manager.environment(Some(watchdog));
    options.under = [others, disk.under()[1..].to_vec()].concat();
    let _component = Component::start(options);
    let mut session = router.let_in();
    assert!(manager.lives_within(PATIENCE));
    disk.hang("fsync");
    session.send(super::stage::set("1", "<a xmlns='urn:x'>text</a>"));
    session.expect_nothing();
    manager.expect_none_for(3 * watchdog);
    disk.heal();
    assert!(manager.lives_within(PATIENCE));
    assert!(session.next().contains("id='1'"));
}

/// The main loop hangs in whatever it waits for without giving way: here in its log, which nobody
/// reads.
#[test]
fn a_stuck_main_loop_gives_no_sign_of_life() {
    let (manager, router) = (Manager::new(), Router::new());
    let watchdog = Duration::from_millis(900);
    let folder = tempfile::tempdir().expect("a folder");
    let mut options = Options::at(router.address());
    options.extra = "[log]\nlevel = \"debug\"\n".to_owned();
    std::fs::write(folder.path().join("component.toml"), options.toml()).expect("a file");
    let mut command = Command::new("env");
    command
        .args(&manager.environment(Some(watchdog))[1..])
        .arg(env!("CARGO_BIN_EXE_xmpp-private-storage"))
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut process = Process::spawn(command, folder.path());
    let mut session = router.let_in();
    assert!(manager.lives_within(PATIENCE));
    // Each is told at debug, and has no answer.
    session.send("<iq type='get' id='1'><a xmlns='urn:x'/></iq>".repeat(5_000));
    manager.expect_none_for(3 * watchdog);
    let mut log = process.child().stderr.take().expect("a pipe");
    std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    assert!(manager.lives_within(PATIENCE));
}
