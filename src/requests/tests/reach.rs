//! A store that cannot be reached.

use std::sync::Arc;

use super::super::{LONGEST_WAIT, LOOK};
use super::*;
use crate::store::suite::Distant;

/// A get, a set, and a command that looks into the store.
const REQUESTS: [&str; 3] = [
    "<iq type='get' id='1' from='u@h/r' to='p.h'><query xmlns='jabber:iq:private'><a xmlns='urn:x'/>\
     </query></iq>",
    "<iq type='set' id='1' from='u@h/r' to='p.h'><query xmlns='jabber:iq:private'><a xmlns='urn:x'>b</a>\
     </query></iq>",
    "<iq type='set' id='1' from='u@h/r' to='p.h'>\
     <command xmlns='http://jabber.org/protocol/commands' node='stored'/></iq>",
];

async fn answer(stage: &Stage, request: &str) -> String {
    stage.hears(request);
    let said = stage.said().await;
    let [answer] = &*said else { panic!("{said:?}") };
    answer.clone()
}

/// One was answered, and told to try again.
#[track_caller]
fn assert_told_to_wait(said: &[String]) {
    assert!(
        said.len() == 1 && said[0].contains("type='wait'"),
        "{said:?}"
    );
}

#[test]
fn while_the_store_is_out_of_reach_whoever_asks_is_told_to_wait() {
    played(async || {
        let distant = Distant::by_caller();
        let stage = Stage::over(Store::on(distant.clone()), &[]);
        for is_away in [false, true, false] {
            distant.set_away(is_away);
            for request in REQUESTS {
                let answer = answer(&stage, request).await;
                assert_eq!(answer.contains("type='error'"), is_away, "{answer}");
                for part in [
                    "<error type='wait' code='500'><resource-constraint",
                    "try again",
                ] {
                    assert_eq!(answer.contains(part), is_away, "{answer}");
                }
            }
        }
    });
}

fn of_alice(kind: &str, id: &str, elements: &str) -> String {
    format!(
        "<iq type='{kind}' id='{id}' from='u@h/r' to='p.h'>\
         <query xmlns='jabber:iq:private'>{elements}</query></iq>"
    )
}

/// Each was held for as long as the store holds one, one after the other: the second was answered after twice
/// that, when the server had given up.
#[test]
fn requests_that_wait_for_each_other_do_not_add_their_waits_up() {
    played(async || {
        let distant = Distant::by_caller();
        let stage = Stage::over(Store::on(distant.clone()), &[]);
        distant.set_silent(true);
        stage.hears(&of_alice("set", "1", "<a xmlns='urn:x'>1</a>"));
        stage.hears(&of_alice("get", "2", "<a xmlns='urn:x'/>"));
        sleep(LONGEST_WAIT - Duration::from_secs(1)).await;
        stage.hears(&of_alice("set", "3", "<a xmlns='urn:x'>3</a>"));
        assert_eq!(stage.said().await, [""; 0]);
        sleep(Duration::from_secs(1)).await;
        let said = stage.said().await;
        assert_eq!(said.len(), 2, "{said:?}");
        for (id, answer) in [("id='1'", &said[0]), ("id='2'", &said[1])] {
            assert!(
                answer.contains(id) && answer.contains("type='wait'"),
                "{answer}"
            );
        }
        // The third has waited for a second, behind one that is not asked any more.
        distant.set_silent(false);
        let said = stage.said().await;
        assert!(
            said.len() == 1 && said[0].contains("type='result' id='3'"),
            "{said:?}"
        );
        assert_eq!(stage.requests.count(), 0);
        stage.hears(&of_alice("get", "4", "<a xmlns='urn:x'/>"));
        let said = stage.said().await;
        assert!(said.len() == 1 && said[0].contains(">3</a>"), "{said:?}");
    });
}

/// A set that the store holds, and behind it a get and another set of the same user's.
fn three_that_wait() -> (Arc<Distant>, Stage) {
    let distant = Distant::by_caller();
    let stage = Stage::over(Store::on(distant.clone()), &[]);
    distant.set_silent(true);
    stage.hears(&of_alice("set", "1", "<a xmlns='urn:x'>1</a>"));
    stage.hears(&of_alice("get", "2", "<a xmlns='urn:x'/>"));
    stage.hears(&of_alice("set", "3", "<a xmlns='urn:x'>3</a>"));
    (distant, stage)
}

/// Whoever was told to try again before anything was done finds nothing done.
#[test]
fn what_waited_in_vain_is_not_begun() {
    played(async || {
        let (distant, stage) = three_that_wait();
        sleep(LONGEST_WAIT).await;
        assert_eq!(stage.said().await.len(), 3);
        distant.set_silent(false);
        assert_eq!(stage.said().await, [""; 0]);
        stage.hears(&of_alice("get", "4", "<a xmlns='urn:x'/>"));
        let said = stage.said().await;
        assert!(said.len() == 1 && said[0].contains(">1</a>"), "{said:?}");
    });
}

/// A set came to its turn late, and the store held it for as long from then on as any: its sender had been told to try
/// again, had done so by another instance, and found the older one in its place when the database was there again.
#[test]
fn what_comes_to_its_turn_late_waits_no_longer_than_its_sender() {
    played(async || {
        let (distant, stage) = three_that_wait();
        sleep(LONGEST_WAIT - Duration::from_secs(1)).await;
        distant.set_silent(false);
        distant.set_silent(true);
        let mut said = stage.said().await;
        sleep(LONGEST_WAIT).await;
        said.extend(stage.said().await);
        assert_told_to_wait(&said[2..]);
        distant.set_silent(false);
        stage.said().await;
        stage.hears(&of_alice("get", "4", "<a xmlns='urn:x'/>"));
        let said = stage.said().await;
        assert!(said.len() == 1 && said[0].contains(">1</a>"), "{said:?}");
    });
}

/// Requests that were held stopped the reading of everything.
#[test]
fn while_it_is_out_of_reach_reading_goes_on_and_what_is_too_much_is_told_to_wait() {
    played(async || {
        let distant = Distant::by_caller();
        let stage = Stage::over(Store::on(distant.clone()), &[]);
        distant.set_silent(true);
        let long = format!("<a xmlns='urn:x'>{}</a>", "x".repeat(300_000));
        let mut users = 0;
        // Nothing is known to be wrong yet.
        while stage.requests.has_room() {
            users += 1;
            assert!(users < 9, "all of it is read");
            let of = of_alice("set", "1", &long);
            stage.hears(&of.replace("u@h", &format!("u{users}@h")));
            stage.said().await;
        }
        let look = stage.requests.due().expect("it is looked again");
        assert!(look <= Instant::now() + LOOK);
        distant.set_away(true);
        assert!(stage.requests.has_room());
        for kind in ["set", "get"] {
            stage.hears(&of_alice(kind, "2", "<a xmlns='urn:x'/>"));
            let said = stage.said().await;
            assert_told_to_wait(&said);
        }
    });
}

/// Rooms that are known to be gone were shown, and had they been stored again, they would have been published.
#[test]
fn bookmarks_are_not_shown_while_it_cannot_be_known_which_are_gone() {
    played(async || {
        let distant = Distant::by_caller();
        let mut stage = Stage::over(Store::on(distant.clone()), &["a@m"]);
        stage.asks(Some(&room("a@m")), ALL).await;
        stage.sends(None);
        stage.iq().await;
        distant.set_away(true);
        stage.sends(None);
        let said = stage.said().await;
        assert_told_to_wait(&said);
    });
}

/// What was noted could not be read, and the rooms were taken for new ones.
#[test]
fn nothing_is_published_while_it_cannot_be_known_what_was_in_step() {
    played(async || {
        let distant = Distant::by_caller();
        let mut stage = Stage::over(Store::on(distant.clone()), &[]);
        stage.asks(Some(&room("a@m")), ALL).await;
        stage.node = Some(Vec::new());
        // The first one's turn comes, and the second's when the store is gone.
        stage.sends(None);
        let iq = stage.iq().await;
        stage.sends(None);
        distant.set_away(true);
        let answer = stage.node_answers(&iq);
        stage.hears(&answer);
        stage.plays(ALL).await;
        assert_eq!(stage.rooms(), [""; 0]);
        distant.set_away(false);
        assert!(!stage.asks(None, ALL).await.contains("jid"));
        assert_eq!(stage.rooms(), [""; 0]);
    });
}
