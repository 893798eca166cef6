//! What clients write that has no place in PEP, or none at all.

use minidom::Element;

use super::room::{MODERN, OLD, room, rooms, sorted};
use super::stage::{On, on_each_server};
use crate::support::answers::{fragment, refusal, stored, succeeded};

on_each_server! {
    what_has_no_place_in_pep_stays_in_the_store
    what_an_old_client_says_besides_of_a_room_survives_a_modern_clients_change
    of_a_room_that_is_there_twice_the_first_counts
    an_address_in_upper_case_or_with_a_resource_is_that_room
    the_id_that_an_item_has_is_kept
    an_item_that_is_no_room_is_left_alone
    more_rooms_than_may_be_are_refused_and_nothing_changes
    other_data_is_not_touched
    what_is_set_together_with_bookmarks_is_stored_with_them
}

const NOTES: &str =
    "<storage xmlns='storage:rosternotes'><note jid='bob@localhost'>n</note></storage>";
const NO_NOTES: &str = "<storage xmlns='storage:rosternotes'/>";

/// An element of private storage, as a client would write it.
fn in_old(xml: &str) -> Element {
    let whole = fragment(&super::old::storage(xml));
    whole.children().next().expect("one").clone()
}

fn what_has_no_place_in_pep_stays_in_the_store(on: On) {
    let (mut old, mut modern) = on.shared().user();
    let kept = [
        "<url name='x' url='https://example.org/'/>",
        "<conference name='without an address'/>",
        "<conference jid='@@' name='with none'/>",
        "<conference jid='muc.localhost' name='with a domain alone'/>",
        "<group xmlns='urn:test:x'><a/></group>",
    ];
    old.set_xml(&format!("{}{}", kept.concat(), room("tea").old()));
    for _ in 0..2 {
        let shown: Vec<Element> = old.storage().children().cloned().collect();
        for element in kept.map(in_old) {
            assert!(shown.contains(&element), "{element:?} is gone: {shown:?}");
        }
        assert_eq!(shown.len(), kept.len() + 1, "{shown:?}");
        assert!(modern.rooms().contains(&room("tea")));
        modern.publish(&room("tea"));
    }
    for room in modern.rooms() {
        assert!(
            room.jid == "tea@muc.localhost" || room.jid == "muc.localhost",
            "{room:?}"
        );
    }
}

fn what_an_old_client_says_besides_of_a_room_survives_a_modern_clients_change(on: On) {
    let (mut old, mut modern) = on.shared().user();
    let extra = "<x xmlns='urn:test:x'>kept</x>";
    old.set_xml(&format!(
        "<conference jid='tea@muc.localhost' name='Tea' minimize='1'><nick>al</nick>{extra}</conference>"
    ));
    modern.publish(&room("tea").name("Other").password("p"));
    let storage = old.storage();
    assert_eq!(
        super::old::rooms_of(&storage),
        [room("tea").name("Other").password("p")]
    );
    let conference = storage.get_child("conference", OLD).expect("a room");
    assert_eq!(conference.attr("minimize"), Some("1"));
    assert_eq!(
        conference.get_child("x", "urn:test:x"),
        Some(&fragment(extra))
    );
}

fn of_a_room_that_is_there_twice_the_first_counts(on: On) {
    let (mut old, mut modern) = on.shared().user();
    let [first, second] = ["first", "second"].map(|name| room("tea").name(name));
    old.set([&first, &room("chess"), &second]);
    let rooms = sorted([first, room("chess")]);
    assert_eq!(modern.rooms(), rooms);
    assert_eq!(old.rooms(), rooms);
}

fn an_address_in_upper_case_or_with_a_resource_is_that_room(on: On) {
    let (mut old, mut modern) = on.shared().user();
    for written in [
        "TEA@Muc.LocalHost",
        "tea@muc.localhost/al",
        "Tea@muc.localhost/Al",
    ] {
        let name = format!("as {written}");
        old.set_xml(&format!("<conference jid='{written}' name='{name}'/>"));
        assert_eq!(modern.rooms(), [room("tea").name(&name)]);
        let seen = old.rooms();
        let [seen] = seen.as_slice() else {
            panic!("{seen:?}");
        };
        assert_eq!(seen.name.as_ref(), Some(&name));
        let bare = seen.jid.split('/').next().unwrap_or_default();
        assert_eq!(bare.to_lowercase(), "tea@muc.localhost");
    }
    old.set([]);
    assert_eq!(modern.rooms(), []);
}

fn the_id_that_an_item_has_is_kept(on: On) {
    let (mut old, mut modern) = on.shared().user();
    let conference = format!("<conference xmlns='{MODERN}' name='Tea'/>");
    modern.publish_xml("Tea@Muc.localhost", &conference);
    let mut rooms = old.rooms();
    assert_eq!(rooms.len(), 1);
    rooms[0].name = Some("Other".to_owned());
    old.set(&rooms);
    let [item] = modern.items().try_into().expect("one item");
    assert_eq!(item.attr("id"), Some("Tea@Muc.localhost"));
    let conference = item.get_child("conference", MODERN).expect("a conference");
    assert_eq!(conference.attr("name"), Some("Other"));

    old.set([]);
    assert_eq!(modern.rooms(), []);
}

fn an_item_that_is_no_room_is_left_alone(on: On) {
    let (mut old, mut modern) = on.shared().user();
    let conference = format!("<conference xmlns='{MODERN}' name='odd'/>");
    modern.publish_xml("no room@@", &conference);
    modern.publish(&room("tea"));
    assert_eq!(old.rooms(), [room("tea")]);
    old.set([]);
    let left: Vec<String> = modern.rooms().into_iter().map(|room| room.jid).collect();
    assert_eq!(left, ["no room@@"]);
}

fn more_rooms_than_may_be_are_refused_and_nothing_changes(on: On) {
    let (mut old, mut modern) = on.shared().user();
    let before = [room("tea").name("Tea"), room("z")];
    old.set(&before);
    let all = rooms("r", 251);
    let written: String = all.iter().map(|room| room.old()).collect();
    let answer = old.try_set_xml(&written);
    assert_eq!(refusal(&answer), "wait resource-constraint");
    assert_eq!(modern.rooms(), before);
    assert_eq!(old.rooms(), before);

    old.set(&all[..250]);
    let are_all = || modern.rooms() == all[..250];
    on.shared()
        .until_published("all are in PEP", are_all, || drop(old.rooms()));
    assert_eq!(old.rooms(), all[..250]);
}

fn other_data_is_not_touched(on: On) {
    let (mut old, mut modern) = on.shared().user();
    succeeded(&old.client().set("", NOTES));
    old.set([&room("tea")]);
    assert_eq!(stored(&old.client().get("", NO_NOTES)), [fragment(NOTES)]);
    assert_eq!(modern.rooms(), [room("tea")]);
}

fn what_is_set_together_with_bookmarks_is_stored_with_them(on: On) {
    let (mut old, mut modern) = on.shared().user();
    assert_eq!(old.rooms(), []);
    let bookmarks = super::old::storage(&room("tea").old());
    succeeded(&old.client().set(
        "",
        &format!("{NOTES}{bookmarks}<a xmlns='urn:test:a'>a</a>"),
    ));
    assert_eq!(stored(&old.client().get("", NO_NOTES)), [fragment(NOTES)]);
    let a = stored(&old.client().get("", "<a xmlns='urn:test:a'/>"));
    assert_eq!(a, [fragment("<a xmlns='urn:test:a'>a</a>")]);
    assert_eq!(old.rooms(), [room("tea")]);
    on.shared()
        .until("the room is in PEP", || modern.rooms() == [room("tea")]);
}
