//! What a host that delegates to us is to announce for us: its nested disco#info questions (XEP-0355
//! section 7.2), which it asks when we have logged in.
//!
//! That bookmarks are kept in step is announced where the host delegates that by itself, and not with
//! private storage: neither Prosody nor ejabberd looks whether one of its own modules says the same, and
//! clients must not see it twice (XEP-0115 section 5.4).

use std::collections::BTreeSet;

use xmpp_parsers::disco::DiscoInfoResult;

use super::answer::{Answer, Answered};
use super::delegation::delegation_mark;
use super::typed::xml_of;
use crate::stanza::{self, ns};

/// What accounts have whose bookmarks in private storage and in PEP are the same rooms (XEP-0402 section
/// 5), and the namespace by which a host delegates that they announce it. `#compat-pep` and XEP-0411's
/// feature are about `storage:bookmarks` in PEP, which we do not touch: the modules of servers that look
/// after that announce these.
const IN_STEP: &str = "urn:xmpp:bookmarks:1#compat";

/// What such a node asks: `urn:xmpp:delegation:2:bare:jabber:iq:private`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// In the first version, as ejabberd asks; or in the second, as Prosody does.
    first_version: bool,
    /// What accounts are to announce, and not the host itself.
    of_accounts: bool,
    /// About [`IN_STEP`] alone, and not about private storage.
    about_step: bool,
}

impl Question {
    /// What is asked by this node, if it is one of these.
    pub fn read(node: &str) -> Option<Self> {
        let first_version = node.starts_with(ns::DELEGATIONS[0]);
        let mut rests = ns::DELEGATIONS
            .iter()
            .filter_map(|it| node.strip_prefix(it));
        let rest = rests.next()?;
        let (of_accounts, namespace) = match rest.strip_prefix("::") {
            Some(namespace) => (false, namespace),
            None => (true, rest.strip_prefix(":bare:")?),
        };
        let about_step = match namespace {
            ns::PRIVATE => false,
            IN_STEP => true,
            _ => return None,
        };
        Some(Self {
            first_version,
            of_accounts,
            about_step,
        })
    }

    /// Whether the answer goes by whether bookmarks are kept in step.
    fn depends_on_step(self) -> bool {
        self.of_accounts && self.about_step
    }
}

/// An announcement that a host asks for.
#[derive(Debug)]
pub struct Announcement {
    /// The host, normalised.
    pub host: String,
    /// Whether it is one that is served.
    served: bool,
    question: Question,
    node: String,
    own: String,
    answer: Answer,
}

impl Announcement {
    pub(super) fn new(
        question: Question,
        node: &str,
        host: String,
        served: bool,
        own: &str,
        answer: Answer,
    ) -> Self {
        Self {
            host,
            served,
            question,
            node: node.to_owned(),
            own: own.to_owned(),
            answer,
        }
    }

    /// Whether it depends on whether the bookmarks of the host's users are kept in step.
    pub fn depends_on_step(&self) -> bool {
        self.served && self.question.depends_on_step()
    }

    /// Whether the host may not have got what it is answered before it has granted something, as
    /// ejabberd.
    pub fn may_be_lost(&self) -> bool {
        self.question.first_version
    }

    /// The answer, while bookmarks of the host's users are kept in step or are not.
    pub fn answer(&self, in_step: bool) -> Answered {
        let mut features = BTreeSet::new();
        if !self.question.about_step {
            features.insert(ns::PRIVATE.to_owned());
            if !self.question.of_accounts {
                features.insert(delegation_mark(&self.own));
            }
        }
        if in_step && self.depends_on_step() {
            features.insert(IN_STEP.to_owned());
        }
        self.answer.result(&xml_of(DiscoInfoResult {
            node: Some(self.node.clone()),
            identities: Vec::new(),
            features,
            extensions: Vec::new(),
        }))
    }

    /// How long the answer is, in bytes, but for what it says itself.
    pub fn around(&self) -> usize {
        self.answer.around()
    }

    /// A ping to the host with this id (XEP-0199).
    pub fn ping(&self, id: &str) -> String {
        stanza::get(id, &self.own, &self.host, stanza::PING)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_told_apart() {
        let ask = |first_version, of_accounts, about_step| {
            Some(Question {
                first_version,
                of_accounts,
                about_step,
            })
        };
        for (node, question) in [
            (
                "urn:xmpp:delegation:1::jabber:iq:private",
                ask(true, false, false),
            ),
            (
                "urn:xmpp:delegation:1:bare:jabber:iq:private",
                ask(true, true, false),
            ),
            (
                "urn:xmpp:delegation:2:bare:jabber:iq:private",
                ask(false, true, false),
            ),
            (
                "urn:xmpp:delegation:2:bare:urn:xmpp:bookmarks:1#compat",
                ask(false, true, true),
            ),
            (
                "urn:xmpp:delegation:2::urn:xmpp:bookmarks:1#compat",
                ask(false, false, true),
            ),
            ("urn:xmpp:delegation:2:bare:urn:xmpp:bookmarks:1", None),
            ("urn:xmpp:delegation:2:jabber:iq:private", None),
            ("urn:xmpp:delegation:3::jabber:iq:private", None),
            ("urn:xmpp:delegation:11::jabber:iq:private", None),
            ("jabber:iq:private", None),
        ] {
            assert_eq!(Question::read(node), question, "{node}");
        }
    }
}
