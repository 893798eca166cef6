//! Without the privilege, with our module for Prosody: requests for bookmarks alone stay there.

use minidom::Element;

use super::room::{OLD, room, sorted};
use super::stage::{By, Hosts, NOT_GRANTING, On, Stage};
use crate::support::answers::{fragment, refusal, stored, succeeded};
use crate::support::server::COMPONENT;

const NOTE: &str = "<note xmlns='urn:test:note'>kept</note>";
const NO_NOTE: &str = "<note xmlns='urn:test:note'/>";

fn stage() -> Stage {
    Stage::new(
        On::Prosody,
        Hosts {
            modules: &[],
            by: By::OurModuleLeavingBookmarks,
            ..NOT_GRANTING
        },
    )
}

#[test]
fn what_one_client_keeps_the_other_sees_also_while_the_component_is_away() {
    let mut stage = stage();
    let (mut old, mut modern) = stage.user();
    they_see_the_same(&mut old, &mut modern);

    assert!(stage.component.stop().success());
    let (mut old, mut modern) = stage.user();
    they_see_the_same(&mut old, &mut modern);
    let note = old.client().get("", NO_NOTE);
    assert_eq!(refusal(&note), "cancel service-unavailable", "it is away");
}

#[test]
fn all_else_comes_to_the_component() {
    let stage = stage();
    let (mut old, mut modern) = stage.user();
    succeeded(&old.client().set("", NOTE));
    assert_eq!(stored(&old.client().get("", NO_NOTE)), [fragment(NOTE)]);
    assert_eq!(
        stored(&old.client().get(COMPONENT, NO_NOTE)),
        [fragment(NOTE)]
    );
    assert_eq!(modern.rooms(), []);
}

#[test]
fn a_set_of_bookmarks_and_others_comes_to_the_component_whole() {
    let stage = stage();
    let (mut old, mut modern) = stage.user();
    let storage = super::old::storage(&room("tea").old());
    for both in [format!("{storage}{NOTE}"), format!("{NOTE}{storage}")] {
        let other = stage.newcomer();
        let mut client = stage.old(&other);
        succeeded(&client.client().set("", &both));
        let there = stored(
            &client
                .client()
                .get(COMPONENT, "<storage xmlns='storage:bookmarks'/>"),
        );
        let is_bookmarks = |element: &Element| element.is("storage", OLD);
        assert!(
            there.iter().all(is_bookmarks) && there.len() == 1,
            "{there:?}"
        );
        assert_eq!(super::old::rooms_of(&there[0]), [room("tea")]);
        assert_eq!(stored(&client.client().get("", NO_NOTE)), [fragment(NOTE)]);
        assert_eq!(stage.modern(&other).rooms(), []);
    }
    assert_eq!((old.rooms(), modern.rooms()), (vec![], vec![]));
}

/// The name that it had, in the configuration that it had. Nobody needs it there, and it harms nobody.
#[test]
fn where_the_component_may_use_pep_it_says_that_it_is_not_needed() {
    let stage = Stage::new(
        On::Prosody,
        Hosts {
            modules: &["pep", "private_bookmarks_here"],
            by: By::Delegation,
            ..super::stage::GRANTING
        },
    );
    let (mut old, mut modern) = stage.user();
    they_see_the_same(&mut old, &mut modern);
    let log = stage.server.log();
    assert!(
        log.contains("is not asked for bookmarks: take one of them out"),
        "{log}"
    );
}

fn they_see_the_same(old: &mut super::old::Old, modern: &mut super::modern::Modern) {
    let tea = room("tea")
        .name("Tea & cake")
        .autojoin()
        .nick("al")
        .password("s & t");
    let chess = room("chess").name("Chess");
    old.set([&tea]);
    assert_eq!(modern.rooms(), sorted([tea.clone()]));

    modern.publish(&chess);
    let both = sorted([tea.clone(), chess.clone()]);
    assert_eq!(old.rooms(), both);

    modern.retract(&tea);
    assert_eq!(old.rooms(), [chess]);

    old.set([]);
    assert_eq!(modern.rooms(), []);
}
