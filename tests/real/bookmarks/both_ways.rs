//! What one client does the other sees.

use super::old::{Old, storage};
use super::room::{MODERN, Room, room, rooms, sorted};
use super::stage::{On, on_each_server};
use crate::support::answers::fragment;
use crate::support::client::{PATIENCE, private};
use crate::support::server::COMPONENT;

on_each_server! {
    what_a_modern_client_publishes_an_old_one_sees
    what_an_old_client_sets_a_modern_one_sees
    autojoin_is_understood_in_all_its_forms
    the_extensions_of_an_item_survive_an_old_clients_change
    what_a_modern_client_did_in_between_is_not_undone
    what_an_old_client_did_in_between_another_one_does_not_undo
    who_changes_what_somebody_else_has_deleted_has_it_again
    who_saw_that_a_room_was_gone_and_sets_it_has_it_again
    when_a_modern_client_deletes_the_last_room_there_is_none
    what_is_deleted_right_after_a_set_does_not_come_back
    nothing_retracts_what_was_shown_and_nothing_else
    who_never_looked_deletes_nothing
    what_is_sent_without_waiting_is_carried_out_in_order
    other_data_does_not_wait_for_pep
    both_ways_in_lead_to_the_same_rooms
    nobody_sees_the_rooms_of_others
}

fn what_a_modern_client_publishes_an_old_one_sees(on: On) {
    let (mut old, mut modern) = on.shared().user();
    assert_eq!(old.rooms(), []);

    let tea = room("tea")
        .name("Tea & cake")
        .autojoin()
        .nick("al")
        .password("s & t");
    modern.publish(&tea);
    modern.publish(&room("chess"));
    assert_eq!(old.rooms(), sorted([tea.clone(), room("chess")]));

    let tea = room("tea").name("<Tea>").nick("ali");
    modern.publish(&tea);
    modern.publish(&room("chess").autojoin());
    assert_eq!(old.rooms(), sorted([tea, room("chess").autojoin()]));

    modern.retract(&room("tea"));
    assert_eq!(old.rooms(), [room("chess").autojoin()]);
}

fn what_an_old_client_sets_a_modern_one_sees(on: On) {
    let (mut old, mut modern) = on.shared().user();
    let chess = room("chess").name("Chess");
    for tea in [
        room("tea")
            .name("Tea & cake")
            .autojoin()
            .nick("al")
            .password("s & t"),
        room("tea")
            .name("<Tea>")
            .autojoin()
            .nick("al")
            .password("s & t"),
        room("tea").name("<Tea>").nick("al").password("s & t"),
        room("tea").name("<Tea>").nick("ali").password("s & t"),
        room("tea").name("<Tea>").nick("ali").password("other"),
        room("tea").name("<Tea>").nick("ali"),
        room("tea").name("<Tea>"),
        room("tea"),
    ] {
        let rooms = sorted([tea, chess.clone()]);
        old.set(&rooms);
        assert_eq!(modern.rooms(), rooms);
        assert_eq!(old.rooms(), rooms);
    }
    old.set([&chess]);
    assert_eq!(modern.rooms(), sorted([chess.clone()]));
    assert_eq!(old.rooms(), [chess]);
}

fn autojoin_is_understood_in_all_its_forms(on: On) {
    let (mut old, mut modern) = on.shared().user();
    old.set_xml(
        "<conference jid='a@muc.localhost' autojoin='1'/>\
         <conference jid='b@muc.localhost' autojoin='true'/>\
         <conference jid='c@muc.localhost' autojoin='0'/>\
         <conference jid='d@muc.localhost' autojoin='false'/>",
    );
    let rooms = [
        room("a").autojoin(),
        room("b").autojoin(),
        room("c"),
        room("d"),
    ];
    assert_eq!(modern.rooms(), rooms);
    assert_eq!(old.rooms(), rooms);

    let one = format!("<conference xmlns='{MODERN}' autojoin='1'/>");
    modern.publish_xml("c@muc.localhost", &one);
    let none = format!("<conference xmlns='{MODERN}' autojoin='0'/>");
    modern.publish_xml("a@muc.localhost", &none);
    let rooms = [
        room("a"),
        room("b").autojoin(),
        room("c").autojoin(),
        room("d"),
    ];
    assert_eq!(old.rooms(), rooms);
}

fn the_extensions_of_an_item_survive_an_old_clients_change(on: On) {
    let (mut old, mut modern) = on.shared().user();
    let extensions =
        "<extensions><state xmlns='urn:test:x' pinned='1'>a &amp; b</state></extensions>";
    modern.publish_xml(
        "tea@muc.localhost",
        &format!(
            "<conference xmlns='{MODERN}' name='Tea'><nick>al</nick>{extensions}</conference>"
        ),
    );
    assert_eq!(old.rooms(), [room("tea").name("Tea").nick("al")]);

    let changed = room("tea").name("Other").autojoin().password("p");
    old.set([&changed]);
    assert_eq!(modern.rooms(), [changed]);
    let item = modern.item("tea@muc.localhost");
    let conference = item.get_child("conference", MODERN).expect("a conference");
    let kept = conference.get_child("extensions", MODERN);
    let state = kept.and_then(|kept| kept.get_child("state", "urn:test:x"));
    let state = state.expect("the extensions are gone");
    assert_eq!(
        *state,
        fragment("<state xmlns='urn:test:x' pinned='1'>a &amp; b</state>")
    );
}

fn what_a_modern_client_did_in_between_is_not_undone(on: On) {
    let (mut old, mut modern) = on.shared().user();
    let [tea, chess, go, new] = ["tea", "chess", "go", "new"].map(room);
    old.set([&tea, &chess, &go]);
    assert_eq!(
        old.rooms(),
        sorted([tea.clone(), chess.clone(), go.clone()])
    );

    modern.publish(&new);
    modern.publish(&tea.clone().name("Tea"));
    modern.retract(&go);
    // The old client knows nothing of this, and changes another room.
    old.set([&tea, &chess.clone().autojoin(), &go]);
    let rooms = sorted([tea.name("Tea"), chess.autojoin(), new]);
    assert_eq!(modern.rooms(), rooms);
    assert_eq!(old.rooms(), rooms);
}

fn what_an_old_client_did_in_between_another_one_does_not_undo(on: On) {
    let (mut first, mut modern) = on.shared().user();
    let mut second = first.again(&on.shared().server);
    let [tea, chess, go, new] = ["tea", "chess", "go", "new"].map(room);
    first.set([&tea, &chess, &go]);
    assert_eq!(
        second.rooms(),
        sorted([tea.clone(), chess.clone(), go.clone()])
    );

    first.set([&tea.clone().name("Tea"), &chess, &new]);
    second.set([&tea, &chess.clone().autojoin(), &go]);
    let rooms = sorted([tea.name("Tea"), chess.autojoin(), new]);
    assert_eq!(modern.rooms(), rooms);
    assert_eq!(first.rooms(), rooms);
    assert_eq!(second.rooms(), rooms);
}

fn who_changes_what_somebody_else_has_deleted_has_it_again(on: On) {
    let (mut old, mut modern) = on.shared().user();
    old.set([&room("tea")]);
    modern.retract(&room("tea"));
    old.set([&room("tea").name("Tea")]);
    assert_eq!(modern.rooms(), [room("tea").name("Tea")]);
    assert_eq!(old.rooms(), [room("tea").name("Tea")]);
}

fn who_saw_that_a_room_was_gone_and_sets_it_has_it_again(on: On) {
    let (mut old, mut modern) = on.shared().user();
    let [tea, chess] = ["tea", "chess"].map(room);
    old.set([&tea, &chess]);
    modern.retract(&tea);
    assert_eq!(old.rooms(), sorted([chess.clone()]));
    old.set([&tea, &chess]);
    let both = sorted([tea, chess]);
    assert_eq!(modern.rooms(), both);
    assert_eq!(old.rooms(), both);
}

fn when_a_modern_client_deletes_the_last_room_there_is_none(on: On) {
    let (mut old, mut modern) = on.shared().user();
    old.set([&room("tea")]);
    modern.retract(&room("tea"));
    assert_eq!(old.rooms(), []);
    assert_eq!(modern.rooms(), []);
}

/// However soon after.
fn what_is_deleted_right_after_a_set_does_not_come_back(on: On) {
    let (mut old, mut modern) = on.shared().user();
    let chess = room("chess");
    for number in 0..30 {
        let tea = room("tea").name(&number.to_string());
        old.set([&tea, &chess]);
        modern.retract(&tea);
        assert_eq!(old.rooms(), sorted([chess.clone()]), "{number}");
        assert_eq!(modern.rooms(), sorted([chess.clone()]), "{number}");
    }
}

fn nothing_retracts_what_was_shown_and_nothing_else(on: On) {
    let (mut old, mut modern) = on.shared().user();
    old.set([&room("tea"), &room("chess")]);
    modern.publish(&room("go"));
    assert_eq!(old.rooms().len(), 3);

    modern.publish(&room("new"));
    old.set([]);
    assert_eq!(modern.rooms(), [room("new")]);
    assert_eq!(old.rooms(), [room("new")]);
}

fn who_never_looked_deletes_nothing(on: On) {
    let (mut old, mut modern) = on.shared().user();
    old.set([&room("tea")]);
    modern.publish(&room("chess"));

    old.again(&on.shared().server).set([&room("go")]);
    let rooms = sorted([room("tea"), room("chess"), room("go")]);
    assert_eq!(modern.rooms(), rooms);
    assert_eq!(old.rooms(), rooms);
}

fn what_is_sent_without_waiting_is_carried_out_in_order(on: On) {
    let (mut old, mut modern) = on.shared().user();
    let lists = [vec!["tea"], vec!["tea", "chess"], vec!["chess", "go"]];
    let set = |names: &Vec<&str>| {
        let rooms: String = names.iter().map(|name| room(name).old()).collect();
        private("set", "", &storage(&rooms))
    };
    let sets: String = lists.iter().map(set).collect();
    old.client().send(&sets);
    let rooms = [room("chess"), room("go")];
    assert_eq!(old.rooms(), rooms);
    assert_eq!(modern.rooms(), rooms);
}

/// The order of the answers shows it: many rooms take their time.
fn other_data_does_not_wait_for_pep(on: On) {
    let (mut old, mut modern) = on.shared().user();
    let all = rooms("r", 200);
    let content: String = all.iter().map(Room::old).collect();
    let set = private("set", "", &storage(&content));
    let get = private("get", "", "<note xmlns='urn:test:note'/>");
    old.client().send(&format!("{set}{get}"));
    let answers: Vec<bool> = (0..2)
        .map(|_| {
            let answer = old.client().next(PATIENCE).expect("an answer");
            answer.contains("urn:test:note")
        })
        .collect();
    assert_eq!(answers, [true, false]);
    on.shared()
        .until("all are in PEP", || modern.rooms() == all);
}

fn both_ways_in_lead_to_the_same_rooms(on: On) {
    let stage = on.shared();
    let jid = stage.newcomer();
    let mut delegated = stage.old(&jid);
    let mut direct = Old::asking(&stage.server, &jid, COMPONENT);
    let mut modern = stage.modern(&jid);

    modern.publish(&room("tea"));
    assert_eq!(direct.rooms(), [room("tea")]);
    direct.set([&room("tea").name("Tea"), &room("chess")]);
    let rooms = sorted([room("tea").name("Tea"), room("chess")]);
    assert_eq!(modern.rooms(), rooms);
    assert_eq!(delegated.rooms(), rooms);
    delegated.set([&room("chess")]);
    assert_eq!(modern.rooms(), [room("chess")]);
    assert_eq!(direct.rooms(), [room("chess")]);
}

fn nobody_sees_the_rooms_of_others(on: On) {
    let stage = on.shared();
    let [here, there] = stage.namesakes();
    let users = [here, there, stage.newcomer()];
    let mut clients = users
        .clone()
        .map(|jid| (stage.old(&jid), stage.modern(&jid)));
    for (number, (old, modern)) in clients.iter_mut().enumerate() {
        old.set([&room(&format!("old{number}"))]);
        modern.publish(&room(&format!("modern{number}")));
    }
    for (number, (old, modern)) in clients.iter_mut().enumerate() {
        let own = sorted(["old", "modern"].map(|kind| room(&format!("{kind}{number}"))));
        assert_eq!(old.rooms(), own);
        assert_eq!(modern.rooms(), own);
    }
}
