//! A primary and its synchronous standby.

use super::programs::{output, path, program};
use super::server::{ADMINISTRATOR, Options, Server, wait_until};

/// Two servers: `a` begins as the primary, and each of its commits waits for `b`. Both know each other by these names.
pub struct Pair {
    pub a: Server,
    pub b: Server,
}

impl Pair {
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&Options::default())
    }

    #[must_use]
    pub fn start_with(options: &Options) -> Self {
        let a = Server::start_with(options);
        let mut b = Server::prepare(options);
        follow(&a, &b, "b");
        b.configure(options);
        b.restart();
        let pair = Self { a, b };
        pair.set_synchronous(true);
        pair
    }

    /// Whether each commit on `a` waits for `b`, from now on.
    pub fn set_synchronous(&self, is_on: bool) {
        let names = if is_on { "FIRST 1 (b)" } else { "" };
        self.a.sql(
            "postgres",
            &format!("alter system set synchronous_standby_names = '{names}'"),
        );
        self.a.sql("postgres", "select pg_reload_conf()");
        let state = "select coalesce(string_agg(sync_state, ','), '') from pg_stat_replication";
        let wanted = if is_on { "sync" } else { "async" };
        wait_until("the standby follows", || {
            self.a.sql("postgres", state) == wanted
        });
    }
}

/// Makes `standby` a copy of `primary` that follows it by this name.
fn follow(primary: &Server, standby: &Server, name: &str) {
    let mut copy = program(path("pg_basebackup"));
    let source = format!(
        "host=127.0.0.1 port={} user={ADMINISTRATOR} application_name={name}",
        primary.port()
    );
    copy.args([
        "--no-sync",
        "-X",
        "stream",
        "-R",
        "-C",
        "-S",
        name,
        "-c",
        "fast",
    ]);
    copy.args(["-d", &source, "-D"]).arg(standby.data());
    output(&mut copy);
}
