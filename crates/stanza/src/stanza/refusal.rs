//! An error that somebody answered us with.

use minidom::Element as Tree;

use super::{Container, Element, Received, ns};

/// The conditions that PEP adds to an error (XEP-0060).
const PUBSUB_ERRORS: &str = "http://jabber.org/protocol/pubsub#errors";

/// What has to be read apart for [`Refusal::read`].
pub const ERROR: Container = Container {
    parent: "iq",
    namespace: ns::ACCEPT,
    name: "error",
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Its condition, such as `forbidden`.
    pub condition: String,
    /// PEP's own condition with it, such as `precondition-not-met`.
    pub pubsub: Option<String>,
    /// The words with it, if any.
    pub text: Option<String>,
}

impl Refusal {
    /// Reads the error that this IQ of the type `error` holds, and that was read apart ([`ERROR`]).
    pub fn read(received: &Received, iq: &Element) -> Self {
        let mut refusal = Self {
            condition: "undefined-condition".to_owned(),
            pubsub: None,
            text: None,
        };
        // Behind what it may repeat of the question.
        let error = iq.children.iter().rfind(|child| *child.name == *"error");
        for child in error.iter().flat_map(|error| &error.children) {
            match (&*child.namespace, child.name.as_str()) {
                (ns::STANZA_ERRORS, "text") => {
                    let text = received.xml(child).parse::<Tree>();
                    refusal.text = text.ok().map(|text| text.text());
                }
                (ns::STANZA_ERRORS, condition) => refusal.condition = condition.to_owned(),
                (PUBSUB_ERRORS, condition) => refusal.pubsub = Some(condition.to_owned()),
                _ => {}
            }
        }
        refusal
    }
}
