//! Two instances over one database, of which one follows the other: clients of both kinds see what they would
//! see with one that never ends.

use std::cell::RefCell;
use std::time::Duration;

use proptest::prelude::*;

use super::disturbed::user::{User, users};
use super::disturbed::{BYTES, assert_nothing_bad, assert_nothing_is_lost, seed_and_rounds};
use super::edits::{Edit, Play, edit, runner};
use super::room::{room, sorted};
use super::stage::{GRANTING, On, Stage};
use crate::chaos::dice::Dice;
use crate::support::client::{PATIENCE, private};
use crate::support::clock::eventually;
use crate::support::component::{self, Component};
use crate::support::database::Database;
use crate::support::relay::Relay;
use crate::support::server::Server;

/// One serves, and the other stands by.
struct Pair {
    stage: Stage,
    second: Component,
    is_second: bool,
    // Each has one of its own, in front of the server.
    relays: [Relay; 2],
    // Last, so that the instances are gone before it.
    database: Database,
}

impl Pair {
    fn new() -> Pair {
        let database = Database::start();
        let configured = |address| component::Options {
            component: "standby_retry_seconds = 1".to_owned(),
            storage: "engine = \"postgres\"".to_owned(),
            extra: database.section(),
            ..component::Options::at(address)
        };
        let relay = |server: &Server| Relay::new(server.component_address());
        let first = RefCell::new(None);
        let stage = Stage::configured(On::Prosody, GRANTING, |server| {
            configured(first.borrow_mut().insert(relay(server)).address())
        });
        let relays = [
            first.into_inner().expect("the stage stands"),
            relay(&stage.server),
        ];
        let second = Component::start(configured(relays[1].address()));
        Pair {
            stage,
            second,
            is_second: false,
            relays,
            database,
        }
    }

    /// In front of the one that serves.
    fn relay(&self) -> &Relay {
        &self.relays[usize::from(self.is_second)]
    }

    /// The one that serves.
    fn serving(&mut self) -> &mut Component {
        match self.is_second {
            true => &mut self.second,
            false => &mut self.stage.component,
        }
    }

    /// The one that serves ends, and the other follows.
    fn hand_over(&mut self, by_killing: bool) {
        if by_killing {
            self.serving().kill();
        } else {
            assert!(self.serving().stop().success());
        }
        self.follow();
    }

    /// The one that serves has ended, and the other follows.
    fn follow(&mut self) {
        self.is_second = !self.is_second;
        self.stage.wait_for(GRANTING);
        match self.is_second {
            true => self.stage.component.restart(),
            false => self.second.restart(),
        }
    }
}

/// Waits until it is noted that all that this user's clients were shown has got through: what one was shown just
/// before an instance is killed it is not known to have seen.
pub fn wait_until_confirmed(database: &Database, jid: &str) {
    let noted = |owner: &str| {
        let of = format!("select text from xps_note where owner = '{owner}'");
        database.sql(&of)
    };
    eventually("all that was shown has got through", || {
        noted(&format!("/{jid}")).lines().all(|line| {
            let how = line.split(' ').nth(1).expect("how it was shown");
            let (run, number) = how[1..].split_once('.').expect("by which answer");
            let number: u64 = number.parse().expect("a number");
            let through = || noted(&format!("//shown/{run}")).parse();
            through().is_ok_and(|through: u64| number <= through)
        })
    });
}

#[derive(Debug, Clone)]
enum Step {
    Edit(Edit),
    /// The other instance follows: of one that is killed, or of one that stops.
    HandOver(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => edit().prop_map(Step::Edit),
        1 => any::<bool>().prop_map(Step::HandOver),
    ]
}

/// A client's answer was on its way when the instance was killed. The next one took it to have been shown a room that
/// it had never seen, and to have deleted that.
#[test]
fn what_a_client_never_saw_it_has_not_deleted() {
    let mut pair = Pair::new();
    let (mut old, mut modern) = pair.stage.user();
    let [seen, unseen, own] = ["seen", "unseen", "own"].map(room);
    old.set([&seen]);
    modern.publish(&unseen);
    let mut gate = pair.relays[0].gate();
    let get = private("get", "", "<storage xmlns='storage:bookmarks'/>");
    old.client().send(&get);
    let answer = loop {
        let waiting = gate.next(PATIENCE).expect("an answer to the client");
        if waiting.stanza.contains(&unseen.jid) && waiting.stanza.contains("storage:bookmarks") {
            break waiting;
        }
    };
    pair.stage.component.kill();
    pair.relays[0].cut();
    drop(answer);
    drop(gate);
    pair.follow();
    old.set([&seen, &own]);
    assert_eq!(modern.rooms(), sorted([seen, unseen, own]));
}

/// `BOOKMARKS_SEED` repeats a run. It takes minutes, so only `scripts/prove-bookmarks` runs it.
#[cfg_attr(feature = "newer-servers", test)]
#[cfg_attr(
    not(feature = "newer-servers"),
    expect(dead_code, reason = "it takes minutes")
)]
fn after_each_edit_both_see_what_the_model_says_whichever_instance_serves() {
    let pair = RefCell::new(Pair::new());
    let steps = prop::collection::vec(step(), 1..32);
    let outcome = runner(4, 20).run(&steps, |steps| {
        let mut play = Play::new(&pair.borrow().stage);
        steps.iter().try_for_each(|step| match step {
            Step::Edit(edit) => play.go_on(edit),
            Step::HandOver(by_killing) => {
                let mut pair = pair.borrow_mut();
                if *by_killing {
                    wait_until_confirmed(&pair.database, &play.jid);
                }
                pair.hand_over(*by_killing);
                Ok(())
            }
        })
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    let pair = pair.into_inner();
    assert_nothing_bad(&pair.stage.component);
    assert_nothing_bad(&pair.second);
}

/// As `disturbed` plays it with one instance, whose link is cut in the middle of what it says; here the other one
/// follows each time.
#[test]
fn nothing_is_lost_when_one_follows_in_the_midst_of_what_the_other_says() {
    let (seed, rounds) = seed_and_rounds(12);
    let mut pair = Pair::new();
    let mut dice = Dice::new(seed, 0);
    let mut users = users(&pair.stage, 4, seed);
    for round in 0..rounds {
        for user in &mut users {
            for _ in 0..dice.below(4) {
                user.edit();
            }
        }
        let after = dice.below(BYTES) as usize;
        let by_killing = dice.percent(70);
        println!("round {round}: after {after} bytes, by killing: {by_killing}");
        pair.relay().cut_after(by_killing.then_some(after));
        for user in &mut users {
            user.begin();
        }
        while pair.relay().is_to_cut() && users.iter().any(User::waits) {
            for user in &mut users {
                user.hear(Duration::from_millis(1));
            }
        }
        pair.relay().cut_after(None);
        pair.hand_over(by_killing);
        for user in &mut users {
            user.hear_the_rest();
        }
    }
    assert_nothing_is_lost(&mut users, &pair.stage.server);
    assert_nothing_bad(&pair.stage.component);
    assert_nothing_bad(&pair.second);
}
