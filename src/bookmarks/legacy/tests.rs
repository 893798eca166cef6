use minidom::Element as Tree;

use super::*;

const STORED: &str = "<storage xmlns='storage:bookmarks'>\
    <url url='http://a/?b&amp;c' name='A'/>\
    <conference jid='tea@muc' name='Tea'><nick>al</nick><x xmlns='urn:x'/></conference>\
    <conference name='no address'/>\
    <conference jid='not an address'/>\
    <conference jid='Tea@muc/al' name='again'/>\
    <conference jid='go@muc'/>\
    </storage>";

/// With what is stored; without the rooms that are named.
fn without(legacy: &Legacy, gone: &[&str]) -> Option<String> {
    let rooms = legacy.rooms.iter();
    let rooms = rooms.filter(|kept| !gone.contains(&&*kept.key));
    let rooms: Vec<Seen<'_>> = rooms.map(|kept| seen(kept, &kept.room)).collect();
    legacy.with(&rooms)
}

fn seen<'a>(kept: &'a Kept, room: &'a Room) -> Seen<'a> {
    Seen {
        key: &kept.key,
        room,
        kept: Some(kept),
    }
}

#[test]
fn rooms_are_told_from_the_rest() {
    let legacy = Legacy::read(STORED);
    let keys: Vec<&str> = legacy.rooms.iter().map(|kept| &*kept.key).collect();
    assert_eq!(keys, ["tea@muc", "go@muc"]);
    assert_eq!(
        without(&legacy, &["tea@muc", "go@muc"]).unwrap(),
        "<storage xmlns='storage:bookmarks'><url url='http://a/?b&amp;c' name='A'/>\
         <conference name='no address'/><conference jid='not an address'/></storage>"
    );
}

#[test]
fn what_says_the_same_stays_as_it_was_written() {
    let legacy = Legacy::read(STORED);
    let view = without(&legacy, &[]).unwrap();
    let tea = "<conference jid='tea@muc' name='Tea'><nick>al</nick><x xmlns='urn:x'/></conference>";
    assert!(view.contains(tea), "{view}");
    assert!(view.contains("<conference jid='go@muc'/>"), "{view}");
}

#[test]
fn what_says_something_else_is_corrected_and_no_more() {
    let legacy = Legacy::read(STORED);
    let reader = reader_inside(NAMESPACE).unwrap();
    let other = Conference::read("<conference name='new'/>", &reader)
        .unwrap()
        .room();
    let new = Seen {
        key: "new@muc",
        room: &other,
        kept: None,
    };
    let view = legacy.with(&[seen(&legacy.rooms[0], &other), new]).unwrap();
    let tree: Tree = view.parse().unwrap();
    let mut rooms = tree.children().filter(|it| it.name() == "conference");
    let tea = rooms.next().unwrap();
    assert_eq!(
        (tea.attr("jid"), tea.attr("name")),
        (Some("tea@muc"), Some("new"))
    );
    assert!(tea.has_child("x", "urn:x") && !tea.has_child("nick", NAMESPACE));
    let made = rooms.last().unwrap();
    assert_eq!(
        (made.attr("jid"), made.attr("name")),
        (Some("new@muc"), Some("new"))
    );
}

/// The last room was deleted elsewhere, and clients went on being shown what is stored.
#[test]
fn where_all_rooms_are_gone_an_empty_element_is_seen() {
    let legacy =
        Legacy::read("<storage xmlns='storage:bookmarks'><conference jid='a@b'/></storage>");
    assert_eq!(
        without(&legacy, &["a@b"]).as_deref(),
        Some("<storage xmlns='storage:bookmarks'></storage>")
    );
}

#[test]
fn a_tag_may_be_as_long_as_all_the_rest() {
    let name = "&lt;".repeat(1000);
    let stored = format!(
        "<storage xmlns='storage:bookmarks'><conference jid='a@b' name='{name}'/></storage>"
    );
    let legacy = Legacy::read(&*stored);
    assert_eq!(legacy.rooms.len(), 1);
    assert_eq!(without(&legacy, &[]).unwrap(), stored);
}

#[test]
fn the_attributes_around_stay() {
    let stored = "<storage xmlns='storage:bookmarks' xmlns:p='urn:p' a='&gt;/' p:b='1'/>";
    let view: Tree = without(&Legacy::read(stored), &[])
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(
        (view.attr("a"), view.attr_ns("urn:p", "b")),
        (Some(">/"), Some("1"))
    );
}

#[test]
fn of_several_elements_the_first_says_what_stands_around() {
    let two = "<storage xmlns='storage:bookmarks'/><storage xmlns='storage:bookmarks' a='1'/>";
    let view = without(&Legacy::read(two), &[]);
    assert_eq!(
        view.unwrap(),
        "<storage xmlns='storage:bookmarks'></storage>"
    );
}

#[test]
fn several_elements_or_none_are_read_as_one() {
    let two = "<storage xmlns='storage:bookmarks' xml:lang='de'><conference jid='a@b'/></storage>\
               <storage xmlns='storage:bookmarks'><conference jid='c@d'/><url/></storage>";
    let legacy = Legacy::read(two);
    assert_eq!(legacy.rooms.len(), 2);
    assert_eq!(
        without(&legacy, &["a@b", "c@d"]).unwrap(),
        "<storage xmlns='storage:bookmarks' xml:lang='de'><url/></storage>"
    );
    assert_eq!(without(&Legacy::read(""), &[]), None);
}

/// Text, and elements of others, came back behind the rooms, or not at all.
#[test]
fn what_stands_between_the_rooms_stays_where_it_is() {
    let stored = "<storage xmlns='storage:bookmarks'>\n <conference jid='a@b'/>\n <url/>x\
                  <conference jid='a@b' name='again'/><conference xmlns='urn:x' jid='c@d'/>\
                  <conference jid='c@d'/>\n</storage>";
    let legacy = Legacy::read(stored);
    let again = "<conference jid='a@b' name='again'/>";
    assert_eq!(without(&legacy, &[]).unwrap(), stored.replace(again, ""));
}
