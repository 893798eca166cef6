//! Rooms with XML in them that is hard to write again, and long ones.

use super::modern::Modern;
use super::old::Old;
use super::room::{MODERN, OLD, Room, room, sorted};
use super::stage::{On, on_each_server};
use crate::fidelity::infoset::{self, Item};
use crate::support::answers::fragment;

on_each_server! {
    a_room_with_namespaced_attributes_at_two_levels_has_the_name_that_a_modern_client_gives_it
    an_item_with_namespaced_attributes_at_two_levels_has_the_name_that_an_old_client_gives_it
    a_long_name_in_one_item_hides_no_room
    a_room_with_a_name_of_60_000_characters_reaches_the_other_client
}

/// An element of a test's own, in this namespace.
fn own(namespace: &str, xml: &str) -> Item {
    let around = fragment(&format!("<around xmlns='{namespace}'>{xml}</around>"));
    infoset::of(around.children().next().expect("an element"))
}

/// Somebody else is served, and the process is the same as before.
fn others_are_served(on: On) {
    let (mut old, mut modern) = on.shared().user();
    old.set([&room("others")]);
    assert_eq!(modern.rooms(), [room("others")]);
    let log = on.shared().component.log();
    let starts = log.iter().filter(|line| line.contains(" panic at "));
    assert_eq!(starts.count(), 0, "{log:#?}");
}

fn shown(old: &mut Old) -> Item {
    let storage = old.storage();
    infoset::of(storage.get_child("conference", OLD).expect("a room"))
}

fn kept(modern: &mut Modern, id: &str) -> Item {
    let item = modern.item(id);
    infoset::of(item.get_child("conference", MODERN).expect("a room"))
}

/// With three stanzas a user ended the process, and again after each restart: writing the room again
/// panicked.
fn a_room_with_namespaced_attributes_at_two_levels_has_the_name_that_a_modern_client_gives_it(
    on: On,
) {
    let tea = |name| {
        format!(
            "<conference jid='tea@muc.localhost' name='{name}' xmlns:p='urn:p' p:a='1'>\
             <e xmlns='urn:e' xmlns:q='urn:q' q:b='1'/></conference>"
        )
    };
    let (mut old, mut modern) = on.shared().user();
    old.set_xml(&tea("A"));
    modern.publish(&room("tea").name("B"));
    assert_eq!(shown(&mut old), own(OLD, &tea("B")));
    others_are_served(on);
    assert_eq!(shown(&mut old), own(OLD, &tea("B")));
}

/// The same, the other way round.
fn an_item_with_namespaced_attributes_at_two_levels_has_the_name_that_an_old_client_gives_it(
    on: On,
) {
    let tea = |name| {
        format!(
            "<conference xmlns='{MODERN}' name='{name}' xmlns:p='urn:p' p:a='1'>\
             <extensions xmlns:q='urn:q' q:b='1'><e xmlns='urn:e' xmlns:r='urn:r' r:c='1'/>\
             </extensions></conference>"
        )
    };
    let (mut old, mut modern) = on.shared().user();
    modern.publish_xml("tea@muc.localhost", &tea("A"));
    assert_eq!(old.rooms(), [room("tea").name("A")]);
    let before = kept(&mut modern, "tea@muc.localhost");
    old.set([&room("tea").name("B")]);
    let mut expected = before;
    for (namespace, name, value) in &mut expected.attributes {
        if namespace.is_empty() && name == "name" {
            *value = "B".to_owned();
        }
    }
    assert_eq!(
        expected,
        own(MODERN, &tea("B")),
        "the server itself keeps it"
    );
    assert_eq!(kept(&mut modern, "tea@muc.localhost"), expected);
    others_are_served(on);
}

/// One attribute of 8,200 bytes hid all of a user's rooms from old clients, and what those set never
/// reached PEP.
fn a_long_name_in_one_item_hides_no_room(on: On) {
    let (mut old, mut modern) = on.shared().user();
    let [tea, long, chess] = [
        room("tea"),
        room("long").name(&"x".repeat(8_200)),
        room("chess").autojoin(),
    ];
    for room in [&tea, &long, &chess] {
        modern.publish(room);
    }
    let all = |tea: &Room| sorted([tea.clone(), long.clone(), chess.clone()]);
    assert_eq!(old.rooms(), all(&tea));
    let tea = tea.name("Tea");
    old.set(&all(&tea));
    assert_eq!(modern.rooms(), all(&tea));
    old.set([&long]);
    assert_eq!(modern.rooms(), [long]);
}

fn a_room_with_a_name_of_60_000_characters_reaches_the_other_client(on: On) {
    let (mut old, mut modern) = on.shared().user();
    let tea = room("tea").name(&"x".repeat(60_000));
    old.set([&tea]);
    assert_eq!(modern.rooms(), std::slice::from_ref(&tea));
    assert_eq!(old.rooms(), std::slice::from_ref(&tea));

    let chess = room("chess").name(&"\u{e9}".repeat(60_000)).nick("al");
    modern.publish(&chess);
    assert_eq!(old.rooms(), sorted([tea.clone(), chess.clone()]));
    let chess = chess.autojoin();
    old.set(&sorted([tea.clone(), chess.clone()]));
    assert_eq!(modern.rooms(), sorted([tea, chess]));
}
