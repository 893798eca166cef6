//! Two ejabberd nodes in one cluster, on one machine.
//!
//! Here Erlang's distribution takes part, which the other servers do without: all of it on 127.0.0.1, with a
//! port mapper of the cluster's own, so that it meets no other Erlang of this machine.

use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::client::PATIENCE;
use super::ejabberd;
use super::place::Folder;
use super::ports;
use super::process::Process;
use super::server::{Options, Server, place};

/// Their names in Erlang's distribution.
const NAMES: [&str; 2] = ["first@localhost", "second@localhost"];

/// The nodes, each with the ports of its own.
pub struct Cluster {
    pub nodes: [Server; 2],
    // They need it until they are gone.
    _mapper: Mapper,
}

/// Knows where each node listens for the other.
struct Mapper {
    /// The file with what Erlang looks names up in.
    names: String,
    _process: Process,
    _folder: Folder,
}

impl Cluster {
    /// Two nodes that delegate, joined, each set up by this. The accounts are made on the first one, and known to the
    /// second by that alone.
    pub fn start(accounts: &[&str], set_up: impl Fn(&mut Options)) -> Cluster {
        let port = ports::free();
        let mapper = Mapper::start(port);
        let node = |number: usize, accounts: &[&str]| {
            let names = mapper.names.clone();
            let mut options = Options::delegating(accounts);
            set_up(&mut options);
            let more =
                move |command: &mut Command| distribute(command, NAMES[number], port, &names);
            ejabberd::start_as(options, |_| join(number), more)
        };
        let first = node(0, accounts);
        let second = node(1, &[]);
        Cluster {
            nodes: [first, second],
            _mapper: mapper,
        }
    }
}

/// The part of an Erlang expression by which the second node joins the first, where it has not. It starts
/// ejabberd anew.
fn join(number: usize) -> String {
    match number {
        0 => String::new(),
        _ => format!(
            "case lists:member('{first}', mnesia:system_info(db_nodes)) of \
             true -> ok; \
             false -> ok = ejabberd_cluster:join('{first}') end, ",
            first = NAMES[0]
        ),
    }
}

fn distribute(command: &mut Command, name: &str, port: u16, names: &str) {
    command
        .env("ERL_EPMD_ADDRESS", "127.0.0.1")
        .env("ERL_EPMD_PORT", port.to_string())
        // A folder with another system in it may have no /etc/hosts.
        .env("ERL_INETRC", names)
        .args([
            "-sname",
            name,
            "-setcookie",
            "tests",
            "-start_epmd",
            "false",
        ])
        .args(["-kernel", "inet_dist_use_interface", "{127,0,0,1}"]);
}

impl Mapper {
    fn start(port: u16) -> Mapper {
        let place = place();
        let folder = place.folder("epmd");
        folder.write(
            "names",
            "{host, {127,0,0,1}, [\"localhost\"]}.\n{lookup, [file, native]}.\n",
        );
        let mut command = place.command("epmd");
        command.args(["-address", "127.0.0.1", "-port", &port.to_string()]);
        // It complains of each that looks whether it listens.
        command.stderr(Stdio::null());
        let mut process = Process::spawn(command, folder.outside());
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(ports::address(port)).is_err() {
            let ended = process.exited();
            assert!(ended.is_none(), "epmd has ended: {ended:?}");
            assert!(Instant::now() < deadline, "epmd does not listen");
            sleep(Duration::from_millis(20));
        }
        Mapper {
            names: folder.inside("names"),
            _process: process,
            _folder: folder,
        }
    }
}
