//! Two nodes, one of them the primary and the other its synchronous standby.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::node::{Etcd, Node};
use crate::failover::load::PATIENCE;
use crate::support::database::storage_on;
use xps_postgres_testing::{DATABASE, USER, path, program};

/// The superuser's database, which has the table `probe`.
pub const PROBED: &str = "postgres";

/// How long one question may take; a node that is frozen never answers.
const ANSWERS: Duration = Duration::from_secs(2);

/// A database that fails over by itself.
pub struct Cluster {
    pub nodes: [Node; 2],
    _etcd: Etcd,
}

/// Who is what.
#[derive(Debug, Clone, Copy)]
pub struct Roles {
    pub primary: usize,
    pub standby: usize,
}

impl Cluster {
    /// Both in step, with an empty database.
    pub fn start() -> Cluster {
        let etcd = Etcd::start();
        let address = etcd.address;
        let cluster = Cluster {
            nodes: ["a", "b"].map(|name| Node::start(name, address)),
            _etcd: etcd,
        };
        let Roles { primary, .. } = cluster.wait_until_whole();
        let primary = cluster.nodes[primary].behind();
        sql(primary, &format!("create role {USER} login"));
        sql(primary, &format!("create database {DATABASE} owner {USER}"));
        // In another one: what else there is keeps out of the component's way.
        sql(primary, "create table probe (number int8)");
        cluster
    }

    /// The lines of the section `[storage]` by which the component finds it.
    pub fn storage(&self) -> String {
        storage_on(&self.hosts())
    }

    /// Where clients find both.
    pub fn hosts(&self) -> [SocketAddr; 2] {
        [self.nodes[0].address(), self.nodes[1].address()]
    }

    /// Waits until it has a primary and a synchronous standby, and says which is which. A standby that does not come back
    /// by itself is made anew, as its administrator would: Patroni does not rewind one that has replayed more of the
    /// old timeline than the new one took over.
    #[track_caller]
    pub fn wait_until_whole(&self) -> Roles {
        let begun = Instant::now();
        let (stuck, mut deadline) = (begun + PATIENCE / 3, begun + PATIENCE);
        let mut is_anew = false;
        loop {
            if let Some(roles) = self.roles() {
                return roles;
            }
            if !is_anew && Instant::now() > stuck {
                is_anew = true;
                self.make_standbys_anew();
                deadline = Instant::now() + PATIENCE;
            }
            let logs = || self.nodes.each_ref().map(Node::log).join("\n\n");
            assert!(Instant::now() < deadline, "never whole:\n{}", logs());
            sleep(Duration::from_millis(250));
        }
    }

    /// Each standby of the one primary is copied from it once more.
    fn make_standbys_anew(&self) {
        let is_primary = |node: &Node| {
            let answer = ask(node.rest(), "GET /primary", "", ANSWERS);
            answer.is_ok_and(|answer| answer.contains(" 200 "))
        };
        let is_primary = self.nodes.each_ref().map(is_primary);
        if is_primary.iter().filter(|it| **it).count() != 1 {
            return;
        }
        for (node, _) in self.nodes.iter().zip(is_primary).filter(|(_, it)| !it) {
            let answer = ask(
                node.rest(),
                "POST /reinitialize",
                "{\"force\": true}",
                ANSWERS,
            );
            let answer = answer.unwrap_or_else(|error| error.to_string());
            println!(
                "{} is made anew: {}",
                node.name,
                answer.lines().next().unwrap_or_default()
            );
        }
    }

    /// Has the primary and its standby change places.
    #[track_caller]
    pub fn switch_over(&self) {
        let Roles { primary, standby } = self.wait_until_whole();
        let (leader, candidate) = (self.nodes[primary].name, self.nodes[standby].name);
        let body = format!("{{\"leader\": \"{leader}\", \"candidate\": \"{candidate}\"}}");
        let patience = Duration::from_secs(60);
        let answer = ask(
            self.nodes[primary].rest(),
            "POST /switchover",
            &body,
            patience,
        );
        let answer = answer.expect("Patroni answers");
        assert!(answer.contains(" 200 "), "{answer}");
    }

    /// As all nodes have it that answer: none while they do not agree.
    fn roles(&self) -> Option<Roles> {
        let told = self.nodes.each_ref().map(|node| {
            let answer = ask(node.rest(), "GET /cluster", "", ANSWERS).ok()?;
            let (_, body) = answer.split_once("\r\n\r\n")?;
            let told: serde_json::Value = serde_json::from_str(body).ok()?;
            let is = |node: &Node, role: &str, state: &str| {
                let members = told["members"].as_array();
                members.into_iter().flatten().any(|member| {
                    member["name"] == node.name
                        && member["role"] == role
                        && member["state"] == state
                })
            };
            let primary = self
                .nodes
                .iter()
                .position(|it| is(it, "leader", "running"))?;
            let standby = self
                .nodes
                .iter()
                .position(|it| is(it, "sync_standby", "streaming"))?;
            Some((primary, standby))
        });
        let [Some(one), Some(other)] = told else {
            return None;
        };
        (one == other).then_some(Roles {
            primary: one.0,
            standby: one.1,
        })
    }
}

/// What the superuser does there.
#[track_caller]
fn sql(primary: SocketAddr, statement: &str) {
    let mut psql = program(path("psql"));
    psql.args(["-qX", "-h", "127.0.0.1", "-U", "postgres", "-d", PROBED]);
    psql.args(["-p", &primary.port().to_string(), "-c", statement]);
    let status = psql.status().expect("psql");
    assert!(status.success(), "{statement}");
}

/// Asks a Patroni, and returns all that it says.
fn ask(rest: SocketAddr, request: &str, body: &str, patience: Duration) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&rest, ANSWERS)?;
    stream.set_read_timeout(Some(patience))?;
    let length = body.len();
    write!(
        stream,
        "{request} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
