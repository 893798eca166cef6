//! Service discovery (XEP-0030), with contact addresses (XEP-0157).

use std::collections::BTreeSet;

use xmpp_parsers::data_forms::{DataForm, DataFormType, Field, FieldType};
use xmpp_parsers::disco::{DiscoInfoResult, DiscoItemsResult, Identity};
use xmpp_parsers::ns as xep;

use super::commands::{self, Asker};
use super::error::{Condition, StanzaError};
use super::settings::Profile;
use super::typed::xml_of;
use crate::stanza::{Element, ns};

/// The namespace of last activity (XEP-0012), which xmpp-parsers has not.
pub const LAST: &str = "jabber:iq:last";

/// The answer to a disco#info query: the payload, or why there is none.
pub fn info(query: &Element, profile: &Profile, asker: &Asker<'_>) -> Result<String, StanzaError> {
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
        Some(node) => {
            answer.identities = vec![commands::identity(node, asker)?.ok_or_else(no_such_node)?];
            answer.features = [commands::NAMESPACE, xep::DATA_FORMS]
                .map(str::to_owned)
                .into();
        }
    }
    Ok(xml_of(answer))
}

/// The answer to a disco#items query: the commands that the asker may execute, for their node.
pub fn items(query: &Element, asker: &Asker<'_>) -> Result<String, StanzaError> {
    let node = query.attribute("node").filter(|node| !node.is_empty());
    let items = match node {
        None => Vec::new(),
        Some(commands::NAMESPACE) => commands::items(asker),
        Some(_) => return Err(no_such_node()),
    };
    Ok(xml_of(DiscoItemsResult {
        node: node.map(str::to_owned),
        items,
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
        commands::NAMESPACE,
        xep::PING,
        xep::VERSION,
        LAST,
        xep::TIME,
    ];
    let all = spoken.into_iter().chain(ns::DELEGATIONS);
    all.map(str::to_owned).collect()
}

fn contact(addresses: &[String]) -> Option<DataForm> {
    let mut field = Field::new("admin-addresses", FieldType::ListMulti);
    field.values = addresses.to_vec();
    let form_type = xep::SERVER_INFO;
    (!addresses.is_empty()).then(|| DataForm::new(DataFormType::Result_, form_type, vec![field]))
}
