//! Stream errors, told so that an administrator knows what to change.

use std::fmt;

use minidom::Element;

use xmpp_stanza::stanza::{Received, ns};

/// A stream error that the server sent. After it the stream is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamError {
    /// The condition, such as `not-authorized`.
    pub condition: String,
    /// The server's own words, if any.
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
    /// the server has not yet given up.
    pub fn is_conflict(&self) -> bool {
        self.condition == "conflict"
    }

    /// Why a link ended that was up. A conflict says there that a later connection has won.
    pub fn ends_link(&self) -> String {
        match self.is_conflict() {
            true => format!("{}: {REPLACED}", self.said()),
            false => self.to_string(),
        }
    }

    /// What the server says, in one line whatever its words are.
    pub(super) fn said(&self) -> String {
        let condition = &self.condition;
        match &self.text {
            None => format!("the server says {condition}"),
            Some(text) => {
                let text: String = text.chars().take(200).collect();
                format!("the server says {condition} ({text:?})")
            }
        }
    }

    fn advice(&self) -> &'static str {
        match self.condition.as_str() {
            "not-authorized" => {
                "check that component.secret is the one that the server has for component.jid \
                 (ejabberd says the same when it does not know the component at all)"
            }
            "host-unknown" => {
                "the server has no component of this name: check component.jid, that the server's \
                 configuration names it as a component and not as a virtual host, and that \
                 component.server is the port for components (5347) and not for clients (5222)"
            }
            "conflict" => {
                "the server already has a connection of this name: another instance, or this \
                 component's own old one, which it will give up in a while; or the name is one of \
                 its own hosts"
            }
            "invalid-namespace" => {
                "the port seems to be for clients or for other servers: component.server must be \
                 the server's component port"
            }
            "invalid-from" | "improper-addressing" => {
                "the server did not accept an address that the component sent: please report this"
            }
            "connection-timeout" => {
                "the server waited too long for the component: is one of the machines overloaded?"
            }
            "system-shutdown" => "the server is shutting down",
            "not-well-formed" | "policy-violation" => {
                "perhaps an answer was over the server's stanza size limit: \
                 limits.max_namespace_bytes must stay well below it"
            }
            _ => "see the server's own log",
        }
    }
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.said(), self.advice())
    }
}

const REPLACED: &str = "a later connection of this name has taken the place of this one, as the \
     server is set to (Prosody: component_conflict_resolve = \"kick_old\"). If it is another \
     instance's, the two throw each other out by turns: stop one or, where both have one database, \
     take that setting out, and one stands by";

impl std::error::Error for StreamError {}
