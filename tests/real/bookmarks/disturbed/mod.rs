//! Users edit with an old client and a modern one while the component's link is cut in the middle of
//! whatever it says, and while it is killed and restarted. At the end both clients of each see the
//! same rooms, and none is missing that neither had deleted.
//!
//! `BOOKMARKS_SEED` repeats the decisions of a run, `BOOKMARKS_ROUNDS` is its length.

pub mod user;

use std::cell::RefCell;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use super::stage::{GRANTING, On, Stage, on_each_server};
use crate::chaos::dice::Dice;
use crate::chaos::variable;
use crate::support::component::Component;
use crate::support::relay::Relay;
use crate::support::server::Server;

use user::{User, users};

on_each_server! {
    nothing_is_lost_whatever_happens
}

const USERS: usize = 4;
const ROUNDS: usize = 12;

/// About what a get and a set with two changes of four users have the component say.
pub const BYTES: u64 = 12_000;

#[derive(Debug, Clone, Copy)]
enum Fault {
    Cut,
    Kill,
    Restart,
}

fn nothing_is_lost_whatever_happens(on: On) {
    let (seed, rounds) = seed_and_rounds(ROUNDS);
    let relay = RefCell::new(None);
    let mut stage = Stage::with(on, GRANTING, |server| {
        let new = Relay::new(server.component_address());
        relay.borrow_mut().insert(new).address()
    });
    let relay = relay.into_inner().expect("the stage stands");
    let mut dice = Dice::new(seed, 0);
    let mut users = users(&stage, USERS, seed);
    for round in 0..rounds {
        for user in &mut users {
            for _ in 0..dice.below(4) {
                user.edit();
            }
        }
        let fault = dice.pick(&[Fault::Cut, Fault::Kill, Fault::Restart]);
        let after = dice.below(BYTES) as usize;
        println!("round {round}: {fault:?} after {after} bytes");
        relay.cut_after(Some(after));
        for user in &mut users {
            user.begin();
        }
        while relay.is_to_cut() && users.iter().any(User::waits) {
            for user in &mut users {
                user.hear(Duration::from_millis(1));
            }
        }
        suffer(&mut stage, &relay, fault);
        stage.wait_for(GRANTING);
        for user in &mut users {
            user.hear_the_rest();
        }
    }
    assert_nothing_is_lost(&mut users, &stage.server);
    assert_nothing_bad(&stage.component);
}

/// Where the dice begin, and how many rounds are played.
pub fn seed_and_rounds(usual: usize) -> (u64, usize) {
    let seed = variable("BOOKMARKS_SEED");
    let seed = seed.unwrap_or_else(|| RandomState::new().build_hasher().finish());
    let rounds = variable("BOOKMARKS_ROUNDS").unwrap_or(usual);
    println!("BOOKMARKS_SEED={seed} BOOKMARKS_ROUNDS={rounds}");
    (seed, rounds)
}

/// What must be true at the end.
pub fn assert_nothing_is_lost(users: &mut [User], server: &Server) {
    for user in users.iter_mut() {
        user.assert_nothing_is_lost(server);
    }
    let kept: usize = users.iter().map(User::kept).sum();
    println!("{kept} rooms had to be there");
    assert!(kept > 0, "nothing was put to the test");
}

pub fn assert_nothing_bad(component: &Component) {
    let bad = |line: &String| line.contains("panicked") || line.contains(" ERROR ");
    let log = component.log();
    assert!(!log.iter().any(bad), "{log:?}");
}

fn suffer(stage: &mut Stage, relay: &Relay, fault: Fault) {
    match fault {
        Fault::Cut => relay.cut(),
        Fault::Kill => {
            stage.component.kill();
            relay.cut();
            stage.component.restart();
        }
        Fault::Restart => {
            relay.cut_after(None);
            stage.component.restart();
        }
    }
}
