//! SIGTERM ends the process within 5 seconds, whatever it is at. `Component::stop` waits for twice
//! that, and fails where it waits in vain.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType};

use super::bookmarks::pep::{BOOKMARKS, asked, grant};
use super::stage::{Stage, get, set};
use crate::store::faulty::{EIO, FaultyDisk};
use crate::support::component::{Component, Options};
use crate::support::ports;
use crate::support::process::Process;
use crate::support::router::{HEADER, PATIENCE, Router};

#[track_caller]
fn ends(mut component: Component) {
    assert!(component.stop().success());
}

#[test]
fn while_it_connects() {
    // Where the queue is full, nothing more is answered at all.
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, ports::free());
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None);
    let socket = socket.expect("a socket");
    rustix::net::bind(&socket, &address).expect("a port");
    rustix::net::listen(&socket, 0).expect("a queue");
    let patience = Duration::from_millis(300);
    let connect = || TcpStream::connect_timeout(&address.into(), patience).ok();
    let _queue: Vec<TcpStream> = std::iter::from_fn(connect).collect();
    let component = Component::start(Options::at(address.into()));
    component.wait_for_log("keeps private storage", PATIENCE);
    std::thread::sleep(Duration::from_millis(200));
    ends(component);
}

#[test]
fn while_it_encrypts() {
    let router = Router::new();
    let mut options = Options::at(router.address());
    options.component = "tls = \"on\"\ntls_name = \"localhost\"".to_owned();
    options.component += &format!("\ntls_pin_sha256 = \"{}\"", "00".repeat(32));
    let component = Component::start(options);
    let _silent = router.accept();
    ends(component);
}

#[test]
fn while_it_logs_in() {
    for said in ["", HEADER, "<stream:stream"] {
        let router = Router::new();
        let component = Component::start(Options::at(router.address()));
        let mut session = router.accept();
        session.next();
        session.send(said);
        ends(component);
    }
}

#[test]
fn while_it_waits_for_the_next_attempt() {
    let component = Component::start(Options::at(ports::address(ports::free())));
    component.wait_for_log("next attempt in", PATIENCE);
    ends(component);
}

#[test]
fn while_the_store_fails() {
    let disk = FaultyDisk::new();
    let mut stage = Stage::configured(|options| options.under = disk.under());
    stage.store("<a xmlns='urn:x'>1</a>");
    disk.fail(&["fsync", "write", "read"], EIO);
    stage.send(set("1", "<a xmlns='urn:x'>2</a>"));
    assert!(stage.next().contains("type='error'"));
    ends(stage.component);
}

/// Closing the store waited for its writer, and the writer for the disk: SIGTERM did not end it.
#[test]
fn while_the_disk_hangs() {
    let disk = FaultyDisk::new();
    let mut stage = Stage::configured(|options| options.under = disk.under());
    stage.store("<a xmlns='urn:x'>1</a>");
    disk.hang("fsync");
    stage.send(set("1", "<a xmlns='urn:x'>2</a>"));
    stage.expect_nothing();
    stage.component.terminate();
    stage.component.wait_for_log("stopping: SIGTERM", PATIENCE);
    assert!(stage.component.stop().success());
    stage
        .component
        .wait_for_log("so the process was terminated", PATIENCE);
    disk.heal();
    stage.component.restart();
    stage.let_in_again();
    stage.send(get("2", "<a xmlns='urn:x'/>"));
    // It was never acknowledged, so it may be either.
    let answer = stage.next_with("id='2'");
    assert!(
        answer.contains(">1</a>") || answer.contains(">2</a>"),
        "{answer}"
    );
}

#[test]
fn while_it_compacts() {
    let mut stage = Stage::new();
    for number in 0..100 {
        let value = "x".repeat(200_000);
        stage.send(set(
            "1",
            &format!("<a xmlns='urn:{}'>{value}</a>", number % 40),
        ));
        assert!(stage.next().contains("type='result'"));
    }
    let folder = stage.component.folder().to_owned();
    let mut command = Command::new(env!("CARGO_BIN_EXE_xmpp-private-storage"));
    command
        .current_dir(&folder)
        .args(["--config", "component.toml", "compact"]);
    let mut compact = Process::spawn(command, tempfile::tempdir().expect("a folder").path());
    stage
        .component
        .wait_for_log("compacting the store", PATIENCE);
    assert!(stage.component.stop().success());
    compact.kill();
    stage.component.restart();
    stage.let_in_again();
    for number in 0..40 {
        stage.send(get("1", &format!("<a xmlns='urn:{number}'/>")));
        assert!(stage.next().contains("xxx"), "{number}");
    }
}

#[test]
fn while_commands_and_strangers_hold_their_connections() {
    let address = ports::address(ports::free());
    let mut stage = Stage::with(&format!("[http]\nlisten = \"{address}\"\n"));
    let value = "x".repeat(300_000);
    stage.store(&format!("<a xmlns='urn:x'>{value}</a>"));
    let socket = stage.component.folder().join("data/control.sock");
    let ask = |_| {
        let mut stream = UnixStream::connect(&socket).expect("it listens");
        let said = b"GET /1/documents? HTTP/1.1\r\nHost: control\r\n\r\n";
        stream.write_all(said).expect("it reads");
        stream
    };
    let _unread: Vec<UnixStream> = (0..20).map(ask).collect();
    let _silent: Vec<TcpStream> = (0..20)
        .map(|_| TcpStream::connect(address).expect("it listens"))
        .collect();
    ends(stage.component);
}

#[test]
fn while_it_waits_for_pep() {
    let mut stage = Stage::new();
    stage.send(grant("localhost"));
    stage.send(get("1", BOOKMARKS));
    asked(&mut stage);
    ends(stage.component);
}

/// The main loop stood in its log, which nobody read, and SIGTERM did not end it.
#[test]
fn while_nobody_reads_its_log() {
    let router = Router::new();
    let folder = tempfile::tempdir().expect("a folder");
    let mut options = Options::at(router.address());
    options.extra = "[log]\nlevel = \"debug\"\n".to_owned();
    fs::write(folder.path().join("component.toml"), options.toml()).expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_xmpp-private-storage"));
    command
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut process = Process::spawn(command, folder.path());
    let mut session = router.let_in();
    session.expect_nothing();
    // Each is told at debug, and has no answer.
    session.send("<iq type='get' id='1'><a xmlns='urn:x'/></iq>".repeat(5_000));
    std::thread::sleep(Duration::from_secs(1));
    assert!(process.stop(Duration::from_secs(10)).success());
}
