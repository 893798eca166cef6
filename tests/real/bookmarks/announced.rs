//! What an account announces of its bookmarks: clients that look for it keep theirs in PEP.

use std::collections::BTreeMap;

use super::stage::{GRANTING, NOT_GRANTING, On, Stage, on_each_server};

on_each_server! {
    it_is_announced_once_where_they_are_in_step
}

const COMPAT: &str = "urn:xmpp:bookmarks:1#compat";

/// How often the account announces each feature.
fn announced(stage: &Stage) -> BTreeMap<String, usize> {
    let jid = stage.newcomer();
    let mut old = stage.old(&jid);
    let answer = old.client().request(&format!(
        "<iq type='get' id='info' to='{jid}'>\
         <query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
    ));
    let query = answer.children().next().expect("a query");
    let mut found = BTreeMap::new();
    for feature in query.children().filter_map(|child| child.attr("var")) {
        *found.entry(feature.to_owned()).or_insert(0) += 1;
    }
    found
}

/// Prosody does not tell whether its mod_bookmarks announces it, and would say it twice.
fn it_is_announced_once_where_they_are_in_step(on: On) {
    let mut stage = Stage::new(on, GRANTING);
    let found = announced(&stage);
    assert!(found.values().all(|times| *times == 1), "{found:?}");
    assert_eq!(found.get(COMPAT), Some(&1), "{found:?}");
    if on == On::Ejabberd {
        stage.turn_into(NOT_GRANTING);
        let found = announced(&stage);
        assert_eq!(found.get(COMPAT), None, "{found:?}");
    }
}
