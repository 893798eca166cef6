//! An instance beside each node of an ejabberd cluster, and one user's clients at both: what one instance is told,
//! the other knows.

use std::cell::{Cell, RefCell};

use proptest::prelude::*;

use super::disturbed::user::User;
use super::disturbed::{assert_nothing_bad, assert_nothing_is_lost, seed_and_rounds};
use super::edits::{Edit, Play, edit, runner};
use super::instances::wait_until_confirmed;
use super::modern::Modern;
use super::old::Old;
use super::stage::{GRANTING, On, account, sees_a_modern_ones_room};
use crate::chaos::dice::Dice;
use crate::real::stage::wait_until_served;
use crate::support::client::RawClient;
use crate::support::clock::eventually;
use crate::support::cluster::Cluster;
use crate::support::component::{self, Component};
use crate::support::database::Database;
use crate::support::server::{COMPONENT, HOST, Server};

const ACCOUNTS: usize = 400;

struct Stage {
    cluster: Cluster,
    instances: [Component; 2],
    taken: Cell<usize>,
    // Last, so that the instances are gone before it.
    database: Database,
}

impl Stage {
    fn new() -> Stage {
        let database = Database::start();
        let accounts: Vec<String> = (0..ACCOUNTS).map(|number| account(number, HOST)).collect();
        let accounts: Vec<&str> = accounts.iter().map(String::as_str).collect();
        let cluster = Cluster::start(&accounts, |options| {
            options.besides = GRANTING.for_ejabberd(On::Ejabberd);
        });
        let beside = |node: &Server| {
            Component::start(component::Options {
                // As where there is one node: see `Stage` of the others.
                component: "ping_seconds = 5".to_owned(),
                storage: "engine = \"postgres\"".to_owned(),
                extra: database.section(),
                ..component::Options::at(node.component_address())
            })
        };
        let [first, second] = &cluster.nodes;
        let stage = Stage {
            instances: [beside(first), beside(second)],
            cluster,
            taken: Cell::new(0),
            database,
        };
        stage.wait();
        stage
    }

    /// Waits until users of both nodes are served, and their bookmarks kept in step.
    fn wait(&self) {
        let (jid, number) = (account(0, HOST), self.take());
        for node in &self.cluster.nodes {
            wait_until_served(node, &jid, &["", COMPONENT]);
            let sees = sees_a_modern_ones_room(node, &jid, number);
            eventually("an old client sees a modern one's room", sees);
        }
    }

    /// A user whom nobody has used yet.
    fn newcomer(&self) -> String {
        account(self.take(), HOST)
    }

    fn take(&self) -> usize {
        self.taken.set(self.taken.get() + 1);
        assert!(
            self.taken.get() < ACCOUNTS,
            "all accounts are taken: raise ACCOUNTS"
        );
        self.taken.get()
    }

    /// An instance is killed, and started again.
    fn kill(&mut self, number: usize) {
        self.instances[number].kill();
        self.instances[number].restart();
        self.wait();
    }

    fn assert_nothing_bad(&self) {
        self.instances.iter().for_each(assert_nothing_bad);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Edit(Edit),
    /// This instance is killed, and started again.
    Kill(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        16 => edit().prop_map(Step::Edit),
        1 => (0..2_usize).prop_map(Step::Kill),
    ]
}

/// `BOOKMARKS_SEED` repeats a run.
#[test]
fn after_each_edit_at_either_both_see_what_the_model_says() {
    let stage = RefCell::new(Stage::new());
    let steps = prop::collection::vec(step(), 1..32);
    let outcome = runner(24, 60).run(&steps, |steps| {
        let mut play = {
            let stage = stage.borrow();
            let jid = stage.newcomer();
            let nodes = stage.cluster.nodes.each_ref();
            let clients = nodes.map(|node| Old::login(node, &jid));
            let modern = Modern::login(nodes[0], &jid);
            Play::with(jid, modern, clients)
        };
        steps.iter().try_for_each(|step| match step {
            Step::Edit(edit) => play.go_on(edit),
            Step::Kill(number) => {
                wait_until_confirmed(&stage.borrow().database, &play.jid);
                stage.borrow_mut().kill(*number);
                Ok(())
            }
        })
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    stage.into_inner().assert_nothing_bad();
}

/// Each user has an old client and a modern one at each node, and all of them edit at once, while instances are
/// killed.
#[test]
fn nothing_is_lost_when_both_are_told_at_once() {
    const USERS: u64 = 3;
    let (seed, rounds) = seed_and_rounds(12);
    let mut stage = Stage::new();
    let mut dice = Dice::new(seed, 0);
    // Neighbours are one user, at the first node and at the second.
    let mut users = Vec::new();
    for number in 0..USERS {
        let jid = stage.newcomer();
        for (at, node) in stage.cluster.nodes.iter().enumerate() {
            let (old, modern) = (RawClient::login(node, &jid), Modern::login(node, &jid));
            users.push(User::with(
                jid.clone(),
                old,
                modern,
                2 * number + at as u64,
                seed,
            ));
        }
    }
    for round in 0..rounds {
        for _ in 0..8 {
            users.iter_mut().for_each(User::begin);
            users.iter_mut().for_each(User::wait);
        }
        if dice.percent(50) {
            let number = dice.below(2) as usize;
            println!("round {round}: instance {number} is killed");
            users.iter_mut().for_each(User::begin);
            stage.kill(number);
            for pair in users.chunks_mut(2) {
                // An instance that lives answers, however late.
                pair[1 - number].wait();
                pair[number].hear_the_rest();
            }
        }
    }
    for pair in users.chunks_mut(2) {
        let [first, second] = pair else {
            unreachable!("two of each")
        };
        first.know_of(second);
        second.know_of(first);
    }
    for node in &stage.cluster.nodes {
        assert_nothing_is_lost(&mut users, node);
    }
    stage.assert_nothing_bad();
}
