//! Databases for the program: real PostgreSQL, as Debian has it.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use xps_postgres_testing::{DATABASE, Pair, Server, USER};

use super::ports;

/// A database of a test's own, in one server that all tests share.
pub struct Database {
    server: &'static Server,
    name: String,
}

impl Database {
    /// An empty one.
    pub fn start() -> Database {
        static SHARED: OnceLock<Server> = OnceLock::new();
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let server = SHARED.get_or_init(Server::start);
        let name = format!("test{}", COUNT.fetch_add(1, Ordering::Relaxed));
        server.create_database(&name);
        Database { server, name }
    }

    /// What a configuration says of it: the section after `engine = "postgres"`.
    pub fn section(&self) -> String {
        section(&[ports::address(self.server.port())], &self.name)
    }

    /// The same with that line: what belongs into `[storage]`.
    pub fn storage(&self) -> String {
        storage(&[ports::address(self.server.port())], &self.name)
    }

    /// What a statement gives there, columns by `|` and rows by lines.
    pub fn sql(&self, statement: &str) -> String {
        self.server.sql(&self.name, statement)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let drop = format!("drop database {} with (force)", self.name);
            self.server.sql("postgres", &drop);
        }
    }
}

/// Where a pair listens, the one first that is the primary in the beginning.
pub fn hosts(pair: &Pair) -> [SocketAddr; 2] {
    [&pair.a, &pair.b].map(|server| ports::address(server.port()))
}

/// What belongs into `[storage]`, for the database that is there from the beginning.
pub fn storage_on(hosts: &[SocketAddr]) -> String {
    storage(hosts, DATABASE)
}

fn storage(hosts: &[SocketAddr], database: &str) -> String {
    format!("engine = \"postgres\"\n\n{}", section(hosts, database))
}

fn section(hosts: &[SocketAddr], database: &str) -> String {
    let hosts: Vec<String> = hosts.iter().map(SocketAddr::to_string).collect();
    format!("[storage.postgres]\nhosts = {hosts:?}\ndatabase = \"{database}\"\nuser = \"{USER}\"\n")
}
