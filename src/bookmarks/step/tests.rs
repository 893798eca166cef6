use super::*;
use crate::bookmarks::tests::answer;
use crate::stanza::Received;

const STORED: &str = "<storage xmlns='storage:bookmarks'><conference jid='a@b'/></storage>";

fn begin(base: bool, shown: bool, is_set: bool) -> Step {
    let rooms = Legacy::read(STORED).base();
    let in_step = true;
    let stored = Stored {
        list: List::Text(STORED.to_owned()),
        base: base.then(|| rooms.clone()),
        shown: shown.then_some(Sight::new(rooms, in_step)),
        is_set,
    };
    let rights = Rights {
        max_rooms: 250,
        configure: true,
    };
    Step::begin(stored, rights).0
}

fn goes_on(step: &mut Step, received: &Received) -> (Option<View>, Next) {
    let answer = received.unread.clone().and_then(Answer::read);
    let answered = step.answered(answer.as_ref());
    (answered.view, answered.next)
}

/// The server was set up anew, and with the node all rooms were gone from the old clients too.
#[test]
fn where_there_is_no_node_all_that_is_stored_is_published() {
    let none = "<error type='cancel'><item-not-found \
                xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
    for (shown, is_set) in [(false, false), (true, true)] {
        let mut step = begin(true, shown, is_set);
        let (view, next) = goes_on(&mut step, &answer("1", "error", none));
        let shown = view.map(|view| view.text.unwrap().contains("a@b"));
        assert_eq!(shown, (!is_set).then_some(true));
        assert!(matches!(next, Next::Ask(payload) if payload.xml().contains("a@b")));
        let (_, next) = goes_on(&mut step, &answer("2", "error", none));
        assert!(matches!(next, Next::Ask(Payload::Publish(item)) if item.contains("a@b")));
    }
}

#[test]
fn where_the_node_is_empty_all_rooms_were_deleted() {
    let empty = "<pubsub xmlns='http://jabber.org/protocol/pubsub'>\
                 <items node='urn:xmpp:bookmarks:1'/></pubsub>";
    let mut step = begin(true, false, false);
    let (view, next) = goes_on(&mut step, &answer("1", "result", empty));
    assert!(!view.unwrap().text.unwrap().contains("a@b"));
    let Next::InStep(Some((base, note))) = next else {
        panic!("{next:?}");
    };
    assert!(base.gone_at().is_some(), "it is noted as gone");
    assert_eq!(Base::read(&note), Some(base));
}
