//! A store that cannot be reached.

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
        assert!(
            said.len() == 1 && said[0].contains("type='wait'"),
            "{said:?}"
        );
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
