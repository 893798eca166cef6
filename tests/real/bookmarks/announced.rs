//! What clients find in the disco#info of their account: that bookmarks are kept in step, where they are;
//! nothing twice (XEP-0115 section 5.4), whatever modules of the server say the same.

use std::collections::BTreeSet;

use super::stage::{By, GRANTING, Hosts, NOT_GRANTING, On, Stage};
use crate::support::client::RawClient;

const IN_STEP: &str = "urn:xmpp:bookmarks:1#compat";
const OF_PEP: &str = "urn:xmpp:bookmarks:1#compat-pep";
const CONVERSION: &str = "urn:xmpp:bookmarks-conversion:0";

/// The features of a user's account, as one of their clients sees them: each once.
fn announced(stage: &Stage) -> BTreeSet<String> {
    let jid = stage.newcomer();
    let answer = RawClient::login(&stage.server, &jid).request(&format!(
        "<iq type='get' id='1' to='{jid}'>\
         <query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
    ));
    let query = answer.children().next().expect("a query");
    let features = query.children().filter(|it| it.name() == "feature");
    let features: Vec<&str> = features.filter_map(|it| it.attr("var")).collect();
    let once: BTreeSet<String> = features.iter().map(|&it| it.to_owned()).collect();
    assert_eq!(once.len(), features.len(), "something twice: {features:?}");
    once
}

/// Those about bookmarks, in this order: in step, in PEP, conversion.
fn about_bookmarks(stage: &Stage) -> [bool; 3] {
    let announced = announced(stage);
    [IN_STEP, OF_PEP, CONVERSION].map(|feature| announced.contains(feature))
}

#[test]
fn on_prosody_with_its_bookmarks() {
    let stage = Stage::new(On::Prosody, GRANTING);
    assert_eq!(about_bookmarks(&stage), [true, true, true]);
}

const ANNOUNCING: Hosts = Hosts {
    announcing: true,
    by: By::Delegation,
    ..GRANTING
};

const ANNOUNCING_ALONE: Hosts = Hosts {
    announcing: true,
    by: By::Delegation,
    ..NOT_GRANTING
};

#[test]
fn on_prosody_without_them() {
    let modules = &["pep"];
    let hosts = Hosts {
        modules,
        ..GRANTING
    };
    let stage = Stage::new(On::Prosody, hosts);
    stage.until("it is announced", || {
        about_bookmarks(&stage) == [true, false, false]
    });
}

#[test]
fn on_prosody_without_them_where_that_is_delegated() {
    let modules = &["pep"];
    let stage = Stage::new(
        On::Prosody,
        Hosts {
            modules,
            ..ANNOUNCING
        },
    );
    stage.until("it is announced", || {
        about_bookmarks(&stage) == [true, false, false]
    });
}

/// What is delegated is ours to announce, and what begins like it.
#[test]
fn on_prosody_with_both() {
    let stage = Stage::new(On::Prosody, ANNOUNCING);
    stage.until("it is announced", || {
        about_bookmarks(&stage) == [true, false, true]
    });
}

#[test]
fn on_prosody_without_a_grant() {
    let stage = Stage::new(On::Prosody, ANNOUNCING_ALONE);
    assert_eq!(about_bookmarks(&stage), [false, false, true]);
}

#[cfg(feature = "newer-servers")]
mod on_ejabberd {
    use super::*;

    #[test]
    fn where_that_is_delegated() {
        let stage = Stage::new(On::Ejabberd, ANNOUNCING);
        assert_eq!(about_bookmarks(&stage), [true, false, false]);
    }

    #[test]
    fn without_a_grant() {
        let stage = Stage::new(On::Ejabberd, ANNOUNCING_ALONE);
        assert_eq!(about_bookmarks(&stage), [false, false, false]);
    }

    #[test]
    fn with_its_own_private_storage() {
        let stage = Stage::new(On::EjabberdWithOwnPrivate, GRANTING);
        assert_eq!(about_bookmarks(&stage), [true, true, true]);
    }
}
