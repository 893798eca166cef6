//! Service discovery (XEP-0030), with contact addresses (XEP-0157).

use std::collections::BTreeSet;

use xmpp_parsers::data_forms::{DataForm, DataFormType, Field, FieldType};
use xmpp_parsers::disco::{DiscoInfoResult, DiscoItemsResult, Identity};
use xmpp_parsers::ns as xep;

use super::{Profile, delegation};
use crate::stanza::{Condition, Element, StanzaError, ns, xml_of};

/// The answer to a disco#info query: the payload, or why there is none.
pub fn info(query: &Element, profile: &Profile) -> Result<String, StanzaError> {
    let node = query.attribute("node").filter(|node| !node.is_empty());
    let mut answer = DiscoInfoResult {
        node: node.map(str::to_owned),
        identities: Vec::new(),
        features: BTreeSet::new(),
        extensions: Vec::new(),
    };
    match node {
        None => {
            let name = "Private XML Storage";
            answer.identities = vec![Identity::new("store", "generic", "en", name)];
            answer.features = features();
            answer.extensions = contact(&profile.contact).into_iter().collect();
        }
        // A server asks this as often as it likes, and delegates only once it has an answer.
        Some(node) if delegation::is_disco_node(node) => {
            answer.features.insert(ns::PRIVATE.to_owned());
        }
        Some(_) => return Err(no_such_node()),
    }
    Ok(xml_of(answer))
}

/// The answer to a disco#items query: there are none.
pub fn items(query: &Element) -> Result<String, StanzaError> {
    if query.attribute("node").is_some_and(|node| !node.is_empty()) {
        return Err(no_such_node());
    }
    Ok(xml_of(DiscoItemsResult {
        node: None,
        items: Vec::new(),
        rsm: None,
    }))
}

fn no_such_node() -> StanzaError {
    StanzaError::new(Condition::ItemNotFound, "There is no such node here.")
}

fn features() -> BTreeSet<String> {
    let spoken = [
        ns::PRIVATE,
        xep::DISCO_INFO,
        xep::DISCO_ITEMS,
        xep::PING,
        xep::VERSION,
        super::small::LAST,
        xep::TIME,
    ];
    let all = spoken.into_iter().chain(delegation::VERSIONS);
    all.map(str::to_owned).collect()
}

fn contact(addresses: &[String]) -> Option<DataForm> {
    let mut field = Field::new("admin-addresses", FieldType::ListMulti);
    field.values = addresses.to_vec();
    let form_type = xep::SERVER_INFO;
    (!addresses.is_empty()).then(|| DataForm::new(DataFormType::Result_, form_type, vec![field]))
}
