//! A database for instances of the program: a real PostgreSQL server, which is gone with it.

use xps_postgres_testing::{DATABASE, Server, USER};

pub struct Database(Server);

impl Database {
    /// An empty one.
    pub fn start() -> Database {
        Database(Server::start())
    }

    /// What a configuration says of it: the section after `engine = "postgres"`.
    pub fn section(&self) -> String {
        format!(
            "[storage.postgres]\nhosts = [\"127.0.0.1:{}\"]\ndatabase = \"{DATABASE}\"\nuser = \"{USER}\"\n",
            self.0.port()
        )
    }
}
