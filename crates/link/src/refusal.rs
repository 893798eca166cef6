//! Stream errors, told so that an administrator knows what to change.

use std::fmt;

use minidom::Element;

use xmpp_stanza::stanza::{Received, ns};

/// A stream error that the router sent. After it the stream is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamError {
    /// The condition, such as `not-authorized`.
    pub condition: String,
    /// The router's own words, if any.
    pub text: Option<String>,
}

impl StreamError {
    /// Reads a `<stream:error/>`; `None` for any other element.
    pub fn read(received: &Received) -> Option<Self> {
        let error = &received.stanza;
        if !error.is(ns::STREAMS, "error") {
            return None;
        }
        let mut read = Self {
            condition: "undefined-condition".to_owned(),
            text: None,
        };
        for child in &error.children {
            if *child.namespace != *ns::STREAM_ERRORS {
                continue;
            }
            if *child.name == *"text" {
                let element = received.xml(child).parse::<Element>();
                read.text = element.ok().map(|element| element.text());
            } else {
                read.condition = child.name.to_string();
            }
        }
        Some(read)
    }

    /// Whether this is about another connection with our name: perhaps our own old one, which
    /// the router has not yet given up.
    pub fn is_conflict(&self) -> bool {
        self.condition == "conflict"
    }

    fn advice(&self) -> &'static str {
        match self.condition.as_str() {
            "not-authorized" => {
                "check that component.secret is the one that the router has for component.jid \
                 (ejabberd says the same when it does not know the component at all)"
            }
            "host-unknown" => {
                "the router has no component of this name: check component.jid, that the router's \
                 configuration names it as a component and not as a virtual host, and that \
                 component.server is the port for components (5347) and not for clients (5222)"
            }
            "conflict" => {
                "the router has a connection of this name already: another instance, or our own \
                 old one that it will give up in a while; or the name is one of its own hosts"
            }
            "invalid-namespace" => {
                "the port seems to be for clients or servers: component.server must be the \
                 router's component port"
            }
            "invalid-from" | "improper-addressing" => {
                "the router did not like an address of ours: please report this"
            }
            "connection-timeout" => "the router waited for us too long: is a machine overloaded?",
            "system-shutdown" => "the router is shutting down",
            "not-well-formed" | "policy-violation" => {
                "perhaps an answer was over the router's stanza size limit: \
                 limits.max_namespace_bytes must stay well below it"
            }
            _ => "see the router's own log",
        }
    }
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the router says {}", self.condition)?;
        if let Some(text) = &self.text {
            // The router's words, kept to one line whatever they are.
            write!(f, " ({:?})", text.chars().take(200).collect::<String>())?;
        }
        write!(f, ": {}", self.advice())
    }
}

impl std::error::Error for StreamError {}
