//! Strangers who hold connections, to the port and to the control socket: nobody else waits for them.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};

use super::stage::{Stage, get, set};
use crate::support::component::Component;
use crate::support::ports;
use crate::support::router::PATIENCE;
use crate::support::web::{self, Answer};

/// How many connections strangers hold.
const CROWDS: [usize; 3] = [64, 1_000, 5_000];

/// How often it is tried, on a machine that may be too busy to do it before anybody's time is up.
const ROUNDS: usize = 5;

fn ok() -> Answer {
    let body = "ok".to_owned();
    Answer { status: 200, body }
}

fn open() -> (Stage, SocketAddr) {
    let address = ports::address(ports::free());
    let stage = Stage::configured(|options| {
        options.access = "delegation = \"none\"".to_owned();
        options.extra = format!("[http]\nlisten = \"{address}\"\n");
    });
    // The others' connections are ours too.
    let descriptors = getrlimit(Resource::Nofile);
    let all = descriptors.maximum;
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: all,
            ..descriptors
        },
    )
    .expect("a limit");
    (stage, address)
}

/// One of many strangers: some say nothing, some a part of a request, some ask and never read.
fn stranger(number: usize, mut stream: impl Write) {
    let said: &[u8] = match number % 4 {
        0 | 1 => b"",
        2 => b"GET /livez HTTP/1.1\r\nHost: ",
        _ => b"GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n",
    };
    let _ = stream.write_all(said);
}

fn crowd(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    let held = (0..count).map(|number| {
        let stream = TcpStream::connect(address).expect("it listens");
        stranger(number, &stream);
        stream
    });
    held.collect()
}

/// Whether a connection on which nothing was said has not been closed.
fn is_open(mut silent: &TcpStream) -> bool {
    silent.set_nonblocking(true).expect("a socket");
    let read = silent.read(&mut [0]);
    matches!(read, Err(error) if error.kind() == ErrorKind::WouldBlock)
}

fn descriptors(component: &mut Component) -> usize {
    let folder = format!("/proc/{}/fd", component.id());
    std::fs::read_dir(folder).expect("it runs").count()
}

/// 64 connections that strangers held delayed each answer by 7 to 12 s: there were 16 places, and
/// each was theirs until the time for a header was up.
#[test]
fn health_is_told_beside_any_crowd_before_anybodys_time_is_up() {
    let (_stage, address) = open();
    for count in CROWDS {
        let in_time = |_| {
            let held = crowd(address, count);
            let newest = TcpStream::connect(address).expect("it listens");
            for path in ["/livez", "/readyz", "/metrics"] {
                assert_eq!(web::get(address, path).status, 200, "{path} beside {count}");
            }
            drop(held);
            is_open(&newest)
        };
        assert!(
            (0..ROUNDS).any(in_time),
            "beside {count} it came after their time"
        );
    }
}

/// Who is slow is not thrown out for others who are not there.
#[test]
fn a_small_crowd_keeps_its_places() {
    let (_stage, address) = open();
    let in_time = |_| {
        let silent: Vec<_> = (0..64).map(|_| web::connect(address)).collect();
        assert_eq!(web::get(address, "/livez"), ok());
        silent.iter().all(is_open)
    };
    assert!((0..ROUNDS).any(in_time));
}

#[test]
fn a_crowd_costs_little_and_users_are_served_beside_it() {
    let (mut stage, address) = open();
    stage.store("<a xmlns='urn:x'>1</a>");
    let before = stage.component.memory().expect("it runs");
    let alone = descriptors(&mut stage.component);
    let mut held = Vec::new();
    for round in 0..10 {
        held.extend(crowd(address, 500));
        stage.send(get(&round.to_string(), "<a xmlns='urn:x'/>"));
        assert!(stage.next().contains(">1</a>"));
        let with_them = descriptors(&mut stage.component);
        assert!(
            with_them < alone + 200,
            "{alone} descriptors grew to {with_them}"
        );
    }
    let after = stage.component.memory().expect("it runs");
    let grown = after.peak.saturating_sub(before.peak);
    assert!(
        grown < 16 << 20,
        "{grown} bytes for {} strangers",
        held.len()
    );
}

/// They send a byte now and then, so that none of them is ever silent for long.
#[test]
fn a_crowd_that_dribbles_keeps_nobody_out() {
    let (_stage, address) = open();
    let mut held: Vec<_> = (0..300).map(|_| web::connect(address)).collect();
    for byte in b"GET /livez HTTP/1.1\r\nX: y" {
        held.retain_mut(|stream| stream.write_all(&[*byte]).is_ok());
        assert_eq!(web::get(address, "/livez"), ok());
        held.extend((held.len()..300).map(|_| web::connect(address)));
    }
}

/// Asks over a connection of the control socket.
fn ask(folder: &Path, said: &[u8]) -> UnixStream {
    let mut stream = UnixStream::connect(folder.join("control.sock")).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.write_all(said).expect("it reads");
    stream
}

fn healthcheck(folder: &Path) {
    let output = Command::new(env!("CARGO_BIN_EXE_xmpp-private-storage"))
        .current_dir(folder)
        .args(["--config", "component.toml", "healthcheck", "--ready"])
        .output()
        .expect("the program runs");
    assert!(output.status.success(), "{output:?}");
}

/// The same places, and behind them a queue of 16, stood between `healthcheck` and the service: the
/// 33rd connection was refused, and the service taken for one that does not run.
#[test]
fn the_control_socket_answers_beside_any_crowd() {
    let (stage, _) = open();
    let folder = stage.component.folder();
    let data = folder.join("data");
    for count in CROWDS {
        let in_time = |_| {
            let held: Vec<_> = (0..count).map(|_| ask(&data, b"")).collect();
            let mut newest = ask(&data, b"GET /livez");
            healthcheck(folder);
            drop(held);
            newest.set_nonblocking(true).expect("a socket");
            let read = newest.read(&mut [0]);
            matches!(read, Err(error) if error.kind() == ErrorKind::WouldBlock)
        };
        assert!(
            (0..ROUNDS).any(in_time),
            "beside {count} it came after their time"
        );
    }
}

/// What commands ask for may take as long as it takes to read.
#[test]
fn commands_are_not_cut_off_by_whoever_comes_later() {
    let (mut stage, _) = open();
    // More than a socket takes that nobody reads.
    for namespace in ["urn:a", "urn:b", "urn:c"] {
        let value = "x".repeat(300_000);
        stage.send(set("1", &format!("<a xmlns='{namespace}'>{value}</a>")));
        assert!(stage.next().contains("type='result'"));
    }
    let folder = stage.component.folder();
    let data = folder.join("data");
    let documents = b"GET /1/documents? HTTP/1.1\r\nHost: control\r\n\r\n";
    let commands: Vec<_> = (0..40).map(|_| ask(&data, documents)).collect();
    healthcheck(folder);
    let crowd: Vec<_> = (0..1_000).map(|_| ask(&data, b"")).collect();
    healthcheck(folder);
    for mut command in commands {
        let mut answer = Vec::new();
        command.read_to_end(&mut answer).expect("an answer");
        let head = String::from_utf8_lossy(&answer[..300]).to_lowercase();
        assert!(head.starts_with("http/1.1 200"), "{head}");
        let (head, _) = head.split_once("\r\n\r\n").expect("a header");
        let length = head.split_once("content-length: ").expect("a length").1;
        let length: usize = length
            .split("\r\n")
            .next()
            .unwrap_or_default()
            .parse()
            .expect("a number");
        assert!(
            length > 900_000 && answer.len() == head.len() + 4 + length,
            "{}",
            answer.len()
        );
    }
    drop(crowd);
}

/// So many files and sockets may the component have from now on.
fn allow_descriptors(component: &mut Component, most: usize) {
    let pid = Pid::from_raw(component.id().cast_signed()).expect("an id");
    let limit = Rlimit {
        current: Some(most as u64),
        maximum: getrlimit(Resource::Nofile).maximum,
    };
    prlimit(Some(pid), Resource::Nofile, limit).expect("a limit");
}

/// Without a descriptor for one more connection, whoever holds one has to go.
#[test]
fn where_descriptors_are_short_a_crowd_keeps_nobody_out() {
    let (mut stage, address) = open();
    stage.expect_nothing();
    let alone = descriptors(&mut stage.component);
    allow_descriptors(&mut stage.component, alone + 4);
    let in_time = |_| {
        let held = crowd(address, 64);
        let newest = TcpStream::connect(address).expect("it listens");
        assert_eq!(web::get(address, "/livez"), ok());
        drop(held);
        is_open(&newest)
    };
    assert!((0..ROUNDS).any(in_time));
    stage.store("<a xmlns='urn:x'>1</a>");
}

/// Where there is none at all, it is tried again and again, but not all the time; and it answers
/// as soon as it can.
#[test]
fn without_descriptors_the_port_waits_for_one() {
    let (mut stage, address) = open();
    stage.expect_nothing();
    let alone = descriptors(&mut stage.component);
    allow_descriptors(&mut stage.component, alone);
    let mut waiting = web::connect(address);
    waiting
        .write_all(b"GET /livez HTTP/1.1\r\nHost: test\r\n\r\n")
        .expect("sent");
    let busy = stage.component.busy();
    std::thread::sleep(Duration::from_secs(3));
    let busy = stage.component.busy() - busy;
    assert!(
        busy < Duration::from_secs(1),
        "{busy:?} of work for nothing"
    );
    stage.expect_nothing();
    allow_descriptors(&mut stage.component, alone + 100);
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
