//! A host that has no accounts: whatever PEP does for its users, what they store is there as long as they
//! are.

use super::old::Old;
use super::room::{room, sorted};
use super::stage::{GRANTING_ANONYMOUS, On, Stage, on_each_server};
use crate::support::server::OTHER_HOST;

on_each_server! {
    what_an_anonymous_user_stores_is_kept
}

/// A set was answered with a result, and the next get was empty: PEP takes what is published, and keeps
/// nothing.
fn what_an_anonymous_user_stores_is_kept(on: On) {
    let stage = Stage::new(on, GRANTING_ANONYMOUS);
    let mut old = Old::anonymous(&stage.server, OTHER_HOST);
    let (tea, chess) = (room("tea").name("Tea"), room("chess"));
    stage.until("it is served", || {
        old.try_set_xml(&tea.old()).attr("type") == Some("result")
    });
    for _ in 0..2 {
        assert_eq!(old.rooms(), std::slice::from_ref(&tea));
    }
    old.set([&tea, &chess]);
    for _ in 0..2 {
        assert_eq!(old.rooms(), sorted([tea.clone(), chess.clone()]));
    }
    old.set([&chess]);
    assert_eq!(old.rooms(), [chess]);
}
