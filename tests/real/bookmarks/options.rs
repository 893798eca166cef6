//! A node that a modern client has made with options that expose passwords, for it is open to everybody,
//! or that make it useless.

use super::modern::Modern;
use super::old::Old;
use super::room::{Room, room, sorted};
use super::stage::{GRANTING_LESS, On, Stage, on_each_server};

on_each_server! {
    with_the_right_to_do_so_it_is_mended
    without_that_right_nothing_is_published_and_a_line_says_why
    a_node_that_keeps_nothing_is_mended
}

const ACCESS: &str = "pubsub#access_model";

/// A user with an open node that has one room.
fn user_of_an_open_node(stage: &Stage) -> (Old, Modern, Room) {
    let (old, mut modern) = stage.user();
    let tea = room("tea");
    modern.publish_with("open", &tea.jid, &tea.modern());
    assert_eq!(modern.option(ACCESS), "open");
    (old, modern, tea)
}

fn with_the_right_to_do_so_it_is_mended(on: On) {
    let (mut old, mut modern, tea) = user_of_an_open_node(on.shared());
    assert_eq!(old.rooms(), sorted([tea.clone()]));
    let chess = room("chess").password("secret");
    old.set([&tea, &chess]);
    assert_eq!(modern.option(ACCESS), "whitelist");
    let both = sorted([tea, chess]);
    assert_eq!(modern.rooms(), both);
    assert_eq!(old.rooms(), both);
}

fn without_that_right_nothing_is_published_and_a_line_says_why(on: On) {
    let stage = Stage::new(on, GRANTING_LESS);
    let (mut old, mut modern, tea) = user_of_an_open_node(&stage);
    let before = stage.component.log().len();
    assert_eq!(old.rooms(), sorted([tea.clone()]));
    let chess = room("chess").password("secret");
    let both = sorted([tea.clone(), chess.clone()]);
    for _ in 0..2 {
        old.set([&tea, &chess]);
        assert_eq!(old.rooms(), both);
    }
    assert_eq!(modern.option(ACCESS), "open");
    assert_eq!(modern.rooms(), sorted([tea.clone()]));
    let log = stage.component.log()[before..].to_vec();
    assert_eq!(log.len(), 1, "{log:?}");
    assert!(
        log[0].contains(" WARN ") && log[0].contains("pubsub#owner"),
        "{log:?}"
    );
    let names_users = log[0].contains("@localhost");
    assert!(!names_users, "{log:?}");

    // Another client mends it.
    modern.configure(ACCESS, "whitelist");
    assert_eq!(old.rooms(), both);
    stage.until("all are in PEP", || modern.rooms() == both);
}

/// Prosody answers the fetch with an error of its own, and the node was never mended.
fn a_node_that_keeps_nothing_is_mended(on: On) {
    const KEEPS: &str = "pubsub#persist_items";
    let (mut old, mut modern) = on.shared().user();
    let (tea, chess) = (room("tea"), room("chess"));
    modern.publish(&tea);
    modern.configure(KEEPS, "false");
    old.set([&chess]);
    assert!(matches!(&*modern.option(KEEPS), "1" | "true"));
    assert!(modern.rooms().contains(&chess));
    assert!(old.rooms().contains(&chess));
}
