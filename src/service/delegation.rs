//! Namespace delegation (XEP-0355): requests that a server hands over, because its users send
//! them to their own accounts and not to us.

use super::settings::NAMESPACE;
use crate::address;
use crate::stanza::{Element, Received, ns};

/// Whether this element is a delegation, in either version.
pub fn is_delegation(element: &Element) -> bool {
    ns::DELEGATIONS
        .iter()
        .any(|version| element.is(version, "delegation"))
}

/// The feature by which a server shows that it delegates private storage to the component of this
/// domain: it announces it for as long as it does.
pub fn delegation_mark(domain: &str) -> String {
    format!("{}#delegated-to-{domain}", NAMESPACE)
}

/// Whether this message tells us that the namespace of private storage is delegated to us.
pub fn is_advertisement(message: &Element) -> bool {
    let mut delegations = message.children.iter().filter(|child| is_delegation(child));
    message.attribute("type") != Some("error")
        && delegations.any(|delegation| {
            delegation.children.iter().any(|child| {
                *child.name == *"delegated" && child.attribute("namespace") == Some(ns::PRIVATE)
            })
        })
}

/// The request inside a delegated one.
#[derive(Debug)]
pub struct Inner<'r> {
    /// The IQ as the user sent it.
    pub iq: &'r Element,
    /// Whether it is a set, or else a get.
    pub is_set: bool,
    /// Its sender as received.
    pub from: &'r str,
}

/// Unwraps a delegated request; `None` where there is no inner IQ that an answer could be
/// wrapped for: none, two, one without an id or a sender, or one that is an answer itself.
pub fn unwrap<'r>(delegation: &'r Element) -> Option<Inner<'r>> {
    let forwarded = only(&delegation.children, |c| c.is(ns::FORWARD, "forwarded"))?;
    let iq = only(&forwarded.children, |c| c.is(ns::ACCEPT, "iq"))?;
    iq.attribute("id")?;
    let from = iq.attribute("from").filter(|from| !from.is_empty())?;
    let is_set = match iq.attribute("type") {
        Some("set") => true,
        Some("get") => false,
        _ => return None,
    };
    Some(Inner { iq, is_set, from })
}

fn only(elements: &[Element], wanted: impl Fn(&Element) -> bool) -> Option<&Element> {
    let mut found = elements.iter().filter(|element| wanted(element));
    found.next().filter(|_| found.next().is_none())
}

/// What the sender of an advertisement may be: a bare domain, which it returns normalised.
pub fn advertising_domain(received: &Received) -> Option<String> {
    let from = received.stanza.attribute("from")?;
    if !address::is_bare_domain(from) {
        return None;
    }
    Some(address::domain_name(from)?.into_owned())
}
