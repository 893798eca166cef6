//! Two machines' worth of PostgreSQL.

use std::net::SocketAddr;

use super::{Disk, Postgres, command, folder, run, storage};
use super::super::clock::eventually;

/// The database in which the component keeps what it has.
const DATABASE: &str = "pair";

/// A primary, which waits for its standby with each commit.
pub struct Pair {
    pub primary: Postgres,
    pub standby: Postgres,
}

impl Pair {
    /// Both running and in step, with an empty database.
    pub fn start(disk: Disk<'_>) -> Pair {
        let primary = Postgres::start("primary", disk, "");
        primary.create(DATABASE);
        let folder = folder(disk);
        let mut copy = command("pg_basebackup", folder.path());
        copy.args(["--host=127.0.0.1", "--username=postgres", "--pgdata=data"]);
        copy.arg(format!("--port={}", primary.port));
        copy.args(["--wal-method=stream", "--write-recovery-conf"]);
        copy.args(["--checkpoint=fast", "--no-sync"]);
        run(copy.args(["--create-slot", "--slot=standby"]));
        // It calls itself by the name of its cluster.
        let mut standby = Postgres::over(folder, "standby", disk, "");
        standby.launch();
        for sql in [
            "alter system set synchronous_standby_names = 'FIRST 1 (standby)'",
            "select pg_reload_conf()",
        ] {
            primary.sql("postgres", sql);
        }
        let pair = Pair { primary, standby };
        pair.wait_until_in_step();
        pair
    }

    /// Waits until the primary has its standby.
    pub fn wait_until_in_step(&self) {
        let state = "select sync_state from pg_stat_replication";
        eventually("in step", || {
            self.primary.sql("postgres", state).as_str() == "sync"
        });
    }

    /// Where the two listen, the one first that is the primary in the beginning.
    pub fn hosts(&self) -> [SocketAddr; 2] {
        [self.primary.address(), self.standby.address()]
    }

    /// The lines of the section `[storage]` by which the component finds them.
    pub fn storage(&self) -> String {
        self.storage_at(&self.hosts())
    }

    /// The same where something stands before them.
    pub fn storage_at(&self, hosts: &[SocketAddr]) -> String {
        storage(hosts, DATABASE)
    }
}
