//! Times without PEP, without the grant, without the component: nothing that anybody keeps
//! meanwhile is lost.

use std::time::Duration;

use super::room::{room, sorted};
use super::stage::{GRANTING, Hosts, NOT_GRANTING, On, Stage, WITHOUT_PEP, on_each_server};
use crate::support::clock::Ticks;

on_each_server! {
    while_pep_is_out_of_reach_the_store_answers_and_is_merged_later
    what_is_deleted_while_pep_is_out_of_reach_is_retracted_later
    while_the_grant_is_withdrawn_the_store_answers_and_is_merged_later
    what_modern_clients_did_while_the_grant_was_withdrawn_is_merged_too
    first_contact_without_pep
    who_stays_online_through_an_orderly_restart_deletes_what_it_drops
    a_crash_of_the_component_loses_no_room
}

fn while_pep_is_out_of_reach_the_store_answers_and_is_merged_later(on: On) {
    the_store_answers_and_is_merged_later(on, WITHOUT_PEP);
}

fn while_the_grant_is_withdrawn_the_store_answers_and_is_merged_later(on: On) {
    the_store_answers_and_is_merged_later(on, NOT_GRANTING);
}

fn the_store_answers_and_is_merged_later(on: On, meanwhile: Hosts) {
    let mut stage = Stage::new(on, GRANTING);
    let jid = stage.newcomer();
    let [tea, chess, new] = ["tea", "chess", "new"].map(room);
    let (mut old, mut modern) = (stage.old(&jid), stage.modern(&jid));
    old.set([&tea, &chess]);
    assert_eq!(modern.rooms(), sorted([tea.clone(), chess.clone()]));

    stage.turn_into(meanwhile);
    let mut old = stage.old(&jid);
    assert_eq!(old.rooms(), sorted([tea.clone(), chess.clone()]));
    let kept = [tea.clone().name("Tea"), chess.clone(), new.clone()];
    old.set(&kept);
    assert_eq!(old.rooms(), sorted(kept.clone()));

    stage.turn_into(GRANTING);
    let (mut old, mut modern) = (stage.old(&jid), stage.modern(&jid));
    assert_eq!(old.rooms(), sorted(kept.clone()));
    stage.until("all are in PEP", || modern.rooms() == sorted(kept.clone()));
    assert_eq!(old.rooms(), sorted(kept));
}

/// What an old client had deleted then was there again for both, although it had been told that its list was stored.
fn what_is_deleted_while_pep_is_out_of_reach_is_retracted_later(on: On) {
    let mut stage = Stage::new(on, GRANTING);
    let jid = stage.newcomer();
    let [tea, chess] = ["tea", "chess"].map(room);
    let (mut old, mut modern) = (stage.old(&jid), stage.modern(&jid));
    old.set([&tea, &chess]);
    assert_eq!(modern.rooms(), sorted([tea.clone(), chess.clone()]));

    stage.turn_into(WITHOUT_PEP);
    let mut old = stage.old(&jid);
    assert_eq!(old.rooms(), sorted([tea.clone(), chess.clone()]));
    old.set([&tea]);

    stage.turn_into(GRANTING);
    let (mut old, mut modern) = (stage.old(&jid), stage.modern(&jid));
    let left = [tea];
    assert_eq!(old.rooms(), left);
    stage.until("it is retracted", || modern.rooms() == left);
}

/// The modern clients' changes of the same time count where both changed a room.
fn what_modern_clients_did_while_the_grant_was_withdrawn_is_merged_too(on: On) {
    let mut stage = Stage::new(on, GRANTING);
    let jid = stage.newcomer();
    let [tea, chess, by_old, by_modern] = ["tea", "chess", "old", "modern"].map(room);
    let (mut old, mut modern) = (stage.old(&jid), stage.modern(&jid));
    old.set([&tea, &chess]);
    assert_eq!(modern.rooms(), sorted([tea.clone(), chess.clone()]));

    stage.turn_into(NOT_GRANTING);
    let (mut old, mut modern) = (stage.old(&jid), stage.modern(&jid));
    old.set([&tea.clone().name("old"), &chess, &by_old]);
    modern.publish(&tea.clone().name("modern"));
    modern.publish(&by_modern);

    stage.turn_into(GRANTING);
    let (mut old, mut modern) = (stage.old(&jid), stage.modern(&jid));
    let all = sorted([tea.name("modern"), chess, by_old, by_modern]);
    assert_eq!(old.rooms(), all);
    stage.until("all are in PEP", || modern.rooms() == all);
    assert_eq!(old.rooms(), all);
}

fn first_contact_without_pep(on: On) {
    let mut stage = Stage::new(on, WITHOUT_PEP);
    let jid = stage.newcomer();
    let mut old = stage.old(&jid);
    assert_eq!(old.rooms(), []);
    old.set([&room("tea"), &room("chess")]);
    assert_eq!(old.rooms(), sorted([room("tea"), room("chess")]));

    stage.turn_into(GRANTING);
    let (mut old, mut modern) = (stage.old(&jid), stage.modern(&jid));
    modern.publish(&room("new"));
    let all = sorted([room("tea"), room("chess"), room("new")]);
    assert_eq!(old.rooms(), all);
    stage.until("all are in PEP", || modern.rooms() == all);
}

/// The rooms that a client dropped from its list came back when the component had been upgraded
/// while it was online.
fn who_stays_online_through_an_orderly_restart_deletes_what_it_drops(on: On) {
    let mut stage = Stage::new(on, GRANTING);
    let jid = stage.newcomer();
    let [tea, chess, new] = ["tea", "chess", "new"].map(room);
    let (mut old, mut modern) = (stage.old(&jid), stage.modern(&jid));
    modern.publish(&tea);
    old.set([&chess]);
    old.rooms();
    // An answer of the last moment counts only if the server says in time that it has read it: after
    // a second it has been asked.
    Ticks::start().wait_for(Duration::from_secs(2));

    assert!(stage.component.stop().success());
    modern.publish(&new);
    stage.component.restart();
    stage.wait_for(GRANTING);
    old.set([&chess]);
    let left = sorted([chess, new]);
    assert_eq!(modern.rooms(), left);
    assert_eq!(old.rooms(), left);
}

/// What had been shown is forgotten with the process, so that nothing is deleted by mistake; after
/// one look it is known again.
fn a_crash_of_the_component_loses_no_room(on: On) {
    let mut stage = Stage::new(on, GRANTING);
    let jid = stage.newcomer();
    let [tea, chess, new] = ["tea", "chess", "new"].map(room);
    let (mut old, mut modern) = (stage.old(&jid), stage.modern(&jid));
    old.set([&tea, &chess]);
    old.rooms(); // by now it is noted that both sides are in step

    stage.component.kill();
    modern.publish(&new);
    modern.retract(&chess);
    stage.component.restart();
    stage.wait_for(GRANTING);
    old.set([&tea.clone().name("Tea"), &chess]);
    let all = sorted([tea.name("Tea"), new.clone()]);
    assert_eq!(modern.rooms(), all);
    assert_eq!(old.rooms(), all);

    old.set([&new]);
    assert_eq!(modern.rooms(), sorted([new.clone()]));
    assert_eq!(old.rooms(), [new]);
}
