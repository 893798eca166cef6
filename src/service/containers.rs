//! What the reader of stanzas keeps apart for us.

use super::privilege;
use crate::stanza::{Container, ERROR, ns};

/// The elements of a stanza whose children decide what is done with it.
pub const CONTAINERS: &[Container] = &[
    container("iq", ns::PRIVATE, "query"),
    container("iq", ns::DELEGATIONS[0], "delegation"),
    container("iq", ns::DELEGATIONS[1], "delegation"),
    container("message", ns::DELEGATIONS[0], "delegation"),
    container("message", ns::DELEGATIONS[1], "delegation"),
    container("delegation", ns::FORWARD, "forwarded"),
    container("iq", privilege::NAMESPACE, "privilege"),
    container("privilege", ns::FORWARD, "forwarded"),
    container("forwarded", ns::ACCEPT, "iq"),
    ERROR,
];

const fn container(parent: &'static str, namespace: &'static str, name: &'static str) -> Container {
    Container {
        parent,
        namespace,
        name,
    }
}
