//! What ejabberd's own private storage does to the bookmarks of modern clients, without any doing of the
//! component's.
//!
//! A room that a modern client had added was missing at the end of a third of the runs of `disturbed` on
//! this server, always one that was added while the component published others. mod_private writes the
//! whole list to a node of its own after each change of the modern one, and what that list lacks it deletes
//! from the modern one. So of two clients that publish at once one may lose its room. Nobody can prevent
//! that from outside; so tests on this server let one client edit after the other
//! ([`takes_edits_at_once`](Stage::takes_edits_at_once)). If this test fails, ejabberd has mended it, and
//! they need not any more.

use std::thread;

use super::room::room;
use super::stage::{On, Stage};

#[test]
fn ejabberds_own_private_storage_deletes_what_is_published_at_once() {
    let published = first_loss(On::EjabberdWithOwnPrivate);
    println!("a room was lost after {published:?} pairs");
    assert!(published.is_some(), "mod_private has lost none");
}

#[test]
fn without_it_nothing_is_lost() {
    assert_eq!(first_loss(On::Ejabberd), None);
}

/// Two modern clients of one user publish a room each, at once, again and again: after how many pairs one was
/// gone.
fn first_loss(on: On) -> Option<usize> {
    const PAIRS: usize = 300;
    let stage: &Stage = on.shared();
    let jid = stage.newcomer();
    let mut clients = [stage.modern(&jid), stage.modern(&jid)];
    // Of two who make the node at once one is refused.
    clients[0].publish(&room("first"));
    (1..=PAIRS).find(|pair| {
        thread::scope(|scope| {
            for (number, client) in clients.iter_mut().enumerate() {
                let room = room(&format!("{pair}-{number}"));
                scope.spawn(move || client.publish(&room));
            }
        });
        clients[0].rooms().len() <= 2 * pair
    })
}
