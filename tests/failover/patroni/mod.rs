//! A database that fails over by itself, under load: PostgreSQL with Patroni. Needs Patroni 4.0.7 or later,
//! whose program `PATRONI` names, and etcd; `scripts/prove-failover` sees to both.
//!
//! `FAILOVER_ROUNDS` says how often everything happens, `FAILOVER_ONLY` what alone does, and `FAILOVER_SEED`
//! what users store.

mod cluster;
mod node;
mod probe;

use std::time::Duration;

use super::load::Load;
use super::tally::Tally;
use crate::chaos::variable;
use cluster::{Cluster, PROBED, Roles};
use probe::Probe;

const USERS: u64 = 64;

/// How long the load is on before something happens.
const BEFORE: Duration = Duration::from_secs(3);

/// How long a node is frozen, cut off or gone: longer than it takes to be replaced.
const AWAY: Duration = Duration::from_secs(40);

/// How many sets must succeed before all is well again.
const ENOUGH: u64 = 1_000;

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    PrimaryKilled,
    PrimaryLost,
    PrimaryFrozen,
    SwitchedOver,
    StandbyLost,
    NetworkCut,
    ComponentKilled,
}

impl Event {
    const ALL: [Event; 7] = [
        Event::SwitchedOver,
        Event::PrimaryKilled,
        Event::PrimaryLost,
        Event::PrimaryFrozen,
        Event::NetworkCut,
        Event::StandbyLost,
        Event::ComponentKilled,
    ];

    /// As in the table; no two begin with the same word and no name holds a colon.
    fn name(self) -> &'static str {
        match self {
            Event::SwitchedOver => "switched over",
            Event::PrimaryKilled => "primary killed (SIGKILL)",
            Event::PrimaryLost => "primary and its Patroni killed",
            Event::PrimaryFrozen => "primary and its Patroni frozen for 40 s, and thawed",
            Event::NetworkCut => "primary cut off from everybody for 40 s",
            Event::StandbyLost => "standby and its Patroni killed",
            Event::ComponentKilled => "primary and component killed at once",
        }
    }

    fn happens(self, cluster: &mut Cluster, load: &mut Load) {
        let Roles { primary, standby } = cluster.wait_until_whole();
        match self {
            Event::SwitchedOver => load.during(|| cluster.switch_over()),
            Event::PrimaryKilled => cluster.nodes[primary].kill_postgres(),
            Event::PrimaryLost => {
                cluster.nodes[primary].die();
                load.go_on(AWAY);
                cluster.nodes[primary].come_back();
            }
            Event::PrimaryFrozen => {
                cluster.nodes[primary].freeze();
                load.go_on(AWAY);
                cluster.nodes[primary].thaw();
            }
            Event::NetworkCut => {
                cluster.nodes[primary].cut();
                load.go_on(AWAY);
                cluster.nodes[primary].mend();
            }
            Event::StandbyLost => {
                cluster.nodes[standby].die();
                load.go_on(AWAY);
                cluster.nodes[standby].come_back();
            }
            Event::ComponentKilled => {
                cluster.nodes[primary].kill_postgres();
                load.kill_component();
                load.until("a login", Load::is_up);
            }
        }
    }
}

#[cfg_attr(feature = "patroni", test)]
fn whatever_happens_to_a_database_that_fails_over_nothing_is_lost() {
    let rounds = variable("FAILOVER_ROUNDS").unwrap_or(1);
    let seed = variable("FAILOVER_SEED").unwrap_or(1);
    let only: Option<String> = variable("FAILOVER_ONLY");
    println!("FAILOVER_SEED={seed} FAILOVER_ROUNDS={rounds}");
    let is_wanted = |event: &Event| {
        let only = only.as_deref();
        only.is_none_or(|only| format!("{event:?}") == only)
    };
    let mut cluster = Cluster::start();
    let mut load = Load::start(USERS, seed, cluster.storage());
    let probe = Probe::start(cluster.hosts(), PROBED);
    let mut told = Vec::new();
    for round in 0..rounds {
        for event in Event::ALL.into_iter().filter(is_wanted) {
            println!("round {round}: {event:?}");
            load.go_on(BEFORE);
            probe.longest();
            event.happens(&mut cluster, &mut load);
            load.until_sets(ENOUGH);
            load.during(|| cluster.wait_until_whole());
            load.until_sets(ENOUGH);
            load.settle();
            let away = probe.longest();
            let tally = load.new_tally();
            let line = report(event, &tally, away);
            println!("{line}");
            tally.assert_kept();
            told.push(line);
        }
    }
    println!("report: {}", told.join("; "));
}

/// What `scripts/prove-failover` makes a table of.
fn report(event: Event, tally: &Tally, away: Duration) -> String {
    let Tally {
        sets,
        gets,
        told_to_wait,
        cut_off,
        lost,
        overwritten,
        torn,
        withdrawn,
        longest,
        longest_ping,
        ..
    } = tally;
    let [longest, away, ping] = [*longest, away, *longest_ping].map(|time| time.as_secs_f64());
    format!(
        "{}: sets={sets} gets={gets} told_to_wait={told_to_wait} cut_off={cut_off} lost={lost} \
         overwritten={overwritten} torn={torn} withdrawn={withdrawn} longest={longest:.1} \
         database={away:.1} ping={ping:.2}",
        event.name()
    )
}
