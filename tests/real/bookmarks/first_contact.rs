//! Users who have rooms in private storage, in PEP, or in both when the grant comes.

use super::room::{Room, room, rooms, sorted};
use super::stage::{GRANTING, NOT_GRANTING, On, Stage, on_each_server};

on_each_server! {
    a_node_that_its_owner_deletes_looks_like_one_that_never_was
    where_both_have_rooms_all_are_kept_and_peps_count
    a_set_is_first_contact_too
    two_hundred_rooms_of_an_old_client
    two_hundred_rooms_of_a_modern_client
    more_rooms_in_both_than_pep_may_hold_are_shown_and_left_where_they_are
}

/// A user with these rooms in private storage and those in PEP, when the grant comes.
struct Before {
    stored: Vec<Room>,
    published: Vec<Room>,
}

impl Before {
    /// The stage after that, and the user.
    fn the_grant(self, on: On) -> (Stage, String) {
        let mut stage = Stage::new(on, NOT_GRANTING);
        let jid = stage.newcomer();
        let (mut old, mut modern) = (stage.old(&jid), stage.modern(&jid));
        old.set(&self.stored);
        for room in &self.published {
            modern.publish(room);
        }
        assert_eq!(old.rooms(), sorted(self.stored));
        assert_eq!(modern.rooms(), sorted(self.published));
        stage.turn_into(GRANTING);
        (stage, jid)
    }
}

fn where_both_have_rooms_all_are_kept_and_peps_count(on: On) {
    let stored = [
        room("tea").name("Old tea").nick("old"),
        room("chess"),
        room("go").autojoin(),
    ];
    let published = [
        room("tea").name("Tea").password("p"),
        room("new"),
        room("go").autojoin(),
    ];
    let (stage, jid) = Before {
        stored: stored.to_vec(),
        published: published.to_vec(),
    }
    .the_grant(on);
    let [tea, new, go] = published;
    let all = sorted([tea, new, go, room("chess")]);
    let (mut old, mut modern) = (stage.old(&jid), stage.modern(&jid));
    assert_eq!(old.rooms(), all);
    stage.until("all are in PEP", || modern.rooms() == all);
    assert_eq!(old.rooms(), all);
    assert_eq!(modern.rooms(), all);
}

/// A client that is older than the grant stores without a look.
fn a_set_is_first_contact_too(on: On) {
    let (stage, jid) = Before {
        stored: vec![room("tea").name("Old tea"), room("gone")],
        published: vec![room("tea").name("Tea"), room("new")],
    }
    .the_grant(on);
    let (mut old, mut modern) = (stage.old(&jid), stage.modern(&jid));
    old.set([&room("tea").name("Old tea"), &room("chess")]);
    let all = sorted([room("tea").name("Tea"), room("new"), room("chess")]);
    stage.until("all are in PEP", || modern.rooms() == all);
    assert_eq!(old.rooms(), all);
}

fn two_hundred_rooms_of_an_old_client(on: On) {
    let stored = rooms("old", 200);
    let (stage, jid) = Before {
        stored: stored.clone(),
        published: vec![],
    }
    .the_grant(on);
    let (mut old, mut modern) = (stage.old(&jid), stage.modern(&jid));
    assert_eq!(old.rooms(), stored);
    stage.until("all are in PEP", || modern.rooms().len() == stored.len());
    assert_eq!(modern.rooms(), stored);
    assert_eq!(old.rooms(), stored);
}

fn two_hundred_rooms_of_a_modern_client(on: On) {
    let (mut old, mut modern) = on.shared().user();
    let mut all = rooms("modern", 200);
    for room in &all {
        modern.publish(room);
    }
    assert_eq!(old.rooms(), all);

    all.push(room("one-more"));
    let _ = all.remove(7);
    old.set(&all);
    assert_eq!(modern.rooms(), all);
    assert_eq!(old.rooms(), all);
}

/// PEP would drop the oldest.
fn more_rooms_in_both_than_pep_may_hold_are_shown_and_left_where_they_are(on: On) {
    let (stored, published) = (rooms("old", 200), rooms("modern", 51));
    let (stage, jid) = Before {
        stored: stored.clone(),
        published: published.clone(),
    }
    .the_grant(on);
    let (mut old, mut modern) = (stage.old(&jid), stage.modern(&jid));
    let all = sorted([stored.clone(), published.clone()].concat());
    for _ in 0..2 {
        assert_eq!(old.rooms(), all);
        assert_eq!(modern.rooms(), published);
    }
    // With one less there is room for all.
    modern.retract(&published[0]);
    let all = sorted([stored, published[1..].to_vec()].concat());
    assert_eq!(old.rooms(), all);
    stage.until("all are in PEP", || modern.rooms().len() == all.len());
    assert_eq!(modern.rooms(), all);
}

/// Nothing tells it from a server that was set up again, so no room is taken for deleted. (ejabberd's own
/// mod_private makes the node again, with the rooms, before anybody has asked.)
fn a_node_that_its_owner_deletes_looks_like_one_that_never_was(on: On) {
    let stage = on.shared();
    let jid = stage.newcomer();
    let (mut old, mut modern) = (stage.old(&jid), stage.modern(&jid));
    let never = modern.fetch();
    let (tea, chess) = (room("tea"), room("chess"));
    old.set([&tea, &chess]);
    assert_eq!(modern.rooms().len(), 2);
    modern.delete();
    if on != On::EjabberdWithOwnPrivate {
        assert_eq!(modern.fetch(), never);
    }
    assert_eq!(old.rooms(), sorted([tea.clone(), chess.clone()]));
    stage.until("they are published again", || modern.rooms().len() == 2);
}
