//! Changes of which PEP takes only some: the others are made all the same, and what was made is remembered.

use super::super::stage::{Stage, set};
use super::pep::*;

const A: &str = "a@muc.localhost";
const B: &str = "b@muc.localhost";
const C: &str = "c@muc.localhost";
const D: &str = "d@muc.localhost";

/// Both sides have two rooms, and Alice has got them.
fn in_step() -> Host {
    let mut host = Host::new();
    for (jid, name) in [(A, "A"), (B, "B")] {
        host.keep(jid, item(jid, name));
    }
    host.get();
    host
}

/// Another client of Alice's retracts this.
fn retract(host: &mut Host, jid: &str) {
    let node = host.nodes.get_mut(ALICE).expect("a node");
    node.retain(|(id, _)| id != jid);
}

/// The names of the rooms that Alice gets, and what was asked for that.
#[track_caller]
fn gets(host: &mut Host) -> (Vec<(String, String)>, Vec<Step>) {
    let before = host.asked.len();
    let seen = rooms(&host.get());
    host.settle();
    (seen, host.steps_since(before))
}

fn publish(id: &str) -> Step {
    Step::Publish(id.to_owned())
}

/// PEP refused one room of a list, always, and nothing that stood behind it ever got there. What both sides had in common
/// was never noted, so that a room which somebody else had deleted was published again.
#[test]
fn what_pep_refuses_stops_nothing_else() {
    let mut host = Host::new();
    host.refuses.push(A.to_owned());
    let all = conference(A, "A") + &conference(B, "B") + &conference(C, "C");
    assert_eq!(
        host.set(&all),
        [Step::Fetch, publish(A), publish(B), publish(C)]
    );
    retract(&mut host, B);
    let (seen, steps) = gets(&mut host);
    assert_eq!(seen, named(&[(A, "A"), (C, "C")]), "B was deleted");
    assert_eq!(steps, [Step::Fetch, publish(A)], "it is tried again");
    host.refuses.clear();
    let (_, steps) = gets(&mut host);
    assert_eq!(steps, [Step::Fetch, publish(A)]);
    assert_eq!(host.kept(), [C, A]);
    assert_eq!(gets(&mut host).1, [Step::Fetch]);
}

/// The same where the room cannot be retracted, or be given another name.
#[test]
fn a_retraction_or_an_edit_that_pep_refuses_stops_nothing_else() {
    let mut host = in_step();
    host.refuses.extend([A.to_owned(), B.to_owned()]);
    host.set(&(conference(B, "mine") + &conference(C, "C")));
    assert_eq!(host.kept(), [A, B, C]);
    let expected = named(&[(B, "mine"), (C, "C")]);
    let steps = [Step::Fetch, Step::Retract(A.to_owned()), publish(B)];
    for is_refused in [true, false] {
        if !is_refused {
            host.refuses.clear();
        }
        assert_eq!(gets(&mut host), (expected.clone(), steps.to_vec()));
    }
    assert_eq!(gets(&mut host), (expected, vec![Step::Fetch]));
}

/// What a client deletes while PEP is out of reach is retracted later. But what somebody else has edited meanwhile was
/// not what it had seen.
#[test]
fn what_is_deleted_without_pep_is_retracted_later_unless_it_is_edited_meanwhile() {
    for edit in [None, Some("theirs")] {
        let mut host = in_step();
        host.send(advertisement("localhost", ""));
        assert_eq!(host.set(&conference(A, "A")), []);
        if let Some(name) = edit {
            host.keep(B, item(B, name));
        }
        host.send(grant("localhost"));
        let (seen, steps) = gets(&mut host);
        match edit {
            None => {
                assert_eq!(seen, named(&[(A, "A")]));
                assert_eq!(steps, [Step::Fetch, Step::Retract(B.to_owned())]);
            }
            Some(name) => {
                assert_eq!(seen, named(&[(A, "A"), (B, name)]));
                assert_eq!(steps, [Step::Fetch]);
            }
        }
        assert_eq!(gets(&mut host), (seen, vec![Step::Fetch]));
    }
}

/// A client gave a room another name and then deleted it, and PEP failed both times: the room was there again as it had
/// been.
#[test]
fn what_is_renamed_and_then_deleted_while_pep_fails_is_retracted_later() {
    let mut host = in_step();
    let renamed = conference(A, "A") + &conference(B, "mine");
    for content in [renamed, conference(A, "A")] {
        host.send(set("set", &storage(&content)));
        let fetch = asked(&mut host);
        host.send(fetch.error("error", "internal-server-error"));
        assert!(answered(&mut host, "set").contains("type='result'"));
    }
    let (seen, steps) = gets(&mut host);
    assert_eq!(seen, named(&[(A, "A")]));
    assert_eq!(steps, [Step::Fetch, Step::Retract(B.to_owned())]);
}

/// What a client had set, and PEP refused, gave way to the name that a modern client gave the room later.
#[test]
fn an_edit_that_pep_has_refused_does_not_undo_a_later_one() {
    let mut host = Host::new();
    host.keep(A, item(A, "A"));
    host.get();
    host.refuses.push(A.to_owned());
    host.set(&conference(A, "mine"));
    host.refuses.clear();
    host.keep(A, item(A, "theirs"));
    let (seen, steps) = gets(&mut host);
    assert_eq!(seen, named(&[(A, "theirs")]));
    assert_eq!(steps, [Step::Fetch]);
}

/// Each request would ask for hundreds of changes in vain.
#[test]
fn where_pep_refuses_whatever_it_is_asked_it_is_not_asked_for_long() {
    let mut host = Host::new();
    let room = |n| format!("r{n}@muc.localhost");
    host.refuses.extend((0..50).map(room));
    let all: String = (0..50).map(|n| conference(&room(n), "R")).collect();
    let steps = host.set(&all);
    assert!((5..20).contains(&steps.len()), "{}", steps.len());
}

/// The link was lost when one of two rooms had got to the node, and that one, which somebody else deleted then, came back:
/// nothing was known of it.
#[test]
fn what_did_get_through_before_a_link_was_lost_stays_deleted_afterwards() {
    let mut host = Host::new();
    host.keep(C, item(C, "C"));
    host.get();
    let all = conference(A, "A") + &conference(B, "B") + &conference(C, "C");
    host.send(set("set", &storage(&all)));
    loop {
        let step = asked(&mut host);
        let is_second = step.step == Step::Reread(B.to_owned());
        host.answer(step);
        if is_second {
            break;
        }
    }
    asked(&mut host);
    host.lose_link_for_a_while();
    assert!(answered_again(&mut host, "set").contains("type='result'"));
    assert_eq!(host.kept(), [C, A]);

    retract(&mut host, A);
    let (seen, steps) = gets(&mut host);
    assert_eq!(seen, named(&[(B, "B"), (C, "C")]));
    assert_eq!(steps, [Step::Fetch, publish(B)]);
}

/// Both sides together were more rooms than there may be, so that nothing was noted: a room that somebody else deleted
/// was shown for ever.
#[test]
fn what_is_deleted_stays_so_where_both_sides_together_are_too_many() {
    let mut stage = Stage::with("[bookmarks]\nmax_rooms = 3\n");
    stage.store(&storage(&(conference(A, "A") + &conference(B, "B"))));
    let mut host = Host::on(stage);
    for (jid, name) in [(B, "B"), (C, "C"), (D, "D")] {
        host.keep(jid, item(jid, name));
    }
    assert_eq!(gets(&mut host).0.len(), 4);
    retract(&mut host, B);
    let (seen, steps) = gets(&mut host);
    assert_eq!(seen, named(&[(A, "A"), (C, "C"), (D, "D")]));
    assert_eq!(steps, [Step::Fetch, publish(A)]);
}
