//! On an ejabberd cluster: an instance beside each node, which serves the users of that node.

use std::thread;
use std::time::Duration;

use super::stage::{ALICE, BOB, assert_kept, assert_serves, instance, keep};
use crate::real::stage::wait_until_served;
use crate::support::answers::refusal;
use crate::support::client::{PATIENCE, RawClient, private};
use crate::support::clock::eventually;
use crate::support::cluster::Cluster;
use crate::support::component::{self, Component};
use crate::support::database::Database;
use crate::support::server::{COMPONENT, Ports};
use crate::support::{ejabberd, ports};

const CAROL: &str = "carol@localhost";
const NONE: &str = "<nothing xmlns='urn:test:instances'/>";

/// What goes into the configuration of a node: as scale.md has it.
fn printed(ports: Ports) -> String {
    let beside = component::Options::at(ports::address(ports.component));
    let (year, month) = ejabberd::version();
    let version = format!("{year}.{month:02}");
    component::print_config_with(&beside, &["ejabberd", "--server-version", &version])
}

/// Two nodes, and an instance beside each.
struct Stage {
    cluster: Cluster,
    instances: [Component; 2],
    // Last, so that the instances are gone before it.
    _database: Database,
}

impl Stage {
    fn new() -> Stage {
        let database = Database::start();
        let cluster = Cluster::start(&[ALICE, BOB, CAROL], |options| {
            options.host_blocks = Some(printed(options.ports));
        });
        let beside = |node: usize| {
            let address = cluster.nodes[node].component_address();
            instance(address, &database)
        };
        let stage = Stage {
            instances: [beside(0), beside(1)],
            cluster,
            _database: database,
        };
        for node in 0..2 {
            stage.wait_for(node);
        }
        stage
    }

    /// Waits until users of this node are served.
    fn wait_for(&self, node: usize) {
        wait_until_served(&self.cluster.nodes[node], CAROL, &["", COMPONENT]);
    }

    /// Logs in at this node.
    fn login(&self, jid: &str, node: usize) -> RawClient {
        RawClient::login(&self.cluster.nodes[node], jid)
    }
}

#[test]
fn both_serve_and_what_one_has_stored_the_other_finds() {
    let stage = Stage::new();
    stage.instances.iter().for_each(assert_serves);
    let mut clients = [0, 1].map(|node| stage.login(ALICE, node));

    // They are one cluster: the account was made on one node, and what is said on one is heard on the other.
    let mut bob = stage.login(BOB, 1);
    let to = bob.jid().to_owned();
    eventually("what is said on one is heard on the other", || {
        // The first node may not know yet that he is there.
        clients[0].send(&format!(
            "<message to='{to}'><body>over there</body></message>"
        ));
        let heard = bob.next(Duration::from_secs(1));
        heard.is_some_and(|it| it.contains("over there"))
    });

    // One user at both at once, by turns: each sees what the other was told is stored.
    for round in 0..100 {
        let [writer, reader] = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        keep(&mut clients[writer], "turn", &round.to_string());
        assert_kept(&mut clients[reader], "turn", &round.to_string());
    }

    // And at once: nothing that either was told is stored is lost to the other.
    const NUMBER: usize = 100;
    let name = |node: usize, number: usize| format!("node{node}-{number}");
    let mut node = 0;
    let writers = clients.map(|mut client| {
        let own = node;
        node += 1;
        thread::spawn(move || {
            for number in 0..NUMBER {
                keep(&mut client, &name(own, number), "kept");
            }
        })
    });
    for writer in writers {
        writer.join().expect("no panic there");
    }
    for reading in 0..2 {
        let mut client = stage.login(ALICE, reading);
        for node in 0..2 {
            for number in 0..NUMBER {
                assert_kept(&mut client, &name(node, number), "kept");
            }
        }
    }
}

#[test]
fn an_instance_that_is_killed_is_missed_at_its_own_node_alone() {
    let mut stage = Stage::new();
    let mut alice = stage.login(ALICE, 0);
    let mut bob = stage.login(BOB, 1);
    keep(&mut alice, "own", "at the first");
    keep(&mut bob, "own", "at the second");
    stage.instances[1].kill();
    eventually("the second node has nobody to ask", || {
        let asked = bob.try_request(&private("get", "", NONE), Duration::from_secs(1));
        asked.is_some_and(|answer| answer.attr("type") == Some("error"))
    });
    let answer = bob.get("", NONE);
    assert_eq!(refusal(&answer), "cancel service-unavailable");
    for round in 0..20 {
        keep(&mut alice, "own", &round.to_string());
        assert_kept(&mut alice, "own", &round.to_string());
    }
    assert_serves(&stage.instances[0]);
    stage.instances[1].restart();
    stage.wait_for(1);
    assert_kept(&mut bob, "own", "at the second");
    assert_kept(&mut stage.login(ALICE, 1), "own", "19");
}

#[test]
fn a_node_that_is_killed_takes_its_users_alone_and_they_are_served_at_the_other() {
    let mut stage = Stage::new();
    let mut alice = stage.login(ALICE, 0);
    keep(&mut stage.login(BOB, 1), "own", "at the second");
    stage.cluster.nodes[1].kill();
    stage.instances[1].wait_for_log("lost the link", PATIENCE);
    for round in 0..20 {
        keep(&mut alice, "own", &round.to_string());
    }
    let mut bob = stage.login(BOB, 0);
    assert_kept(&mut bob, "own", "at the second");
    keep(&mut bob, "own", "at the first");

    stage.cluster.nodes[1].restart();
    stage.wait_for(1);
    stage.instances.iter().for_each(assert_serves);
    assert_kept(&mut stage.login(BOB, 1), "own", "at the first");
    assert_kept(&mut stage.login(ALICE, 1), "own", "19");
}
