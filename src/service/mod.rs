//! What is done with a stanza: every request gets exactly one reply.
//!
//! [`Service::plan`] decides by `docs/internals/contract.md` and touches neither the store nor the
//! network; what needs the store comes out as a [`Request`], which whoever runs the service
//! carries out in the owner's order. One file per extension.

mod access;
mod announcement;
mod answer;
mod commands;
mod containers;
mod delegation;
mod disco;
mod envelope;
mod error;
mod forget;
mod get;
mod info;
mod private;
pub mod privilege;
mod request;
mod settings;
mod tally;
mod typed;

use std::sync::Arc;
use std::time::SystemTime;

use xmpp_parsers::ns as xep;

use crate::address;
use crate::clock::{self, Instant};
use crate::panics;
use crate::stanza::{Element, Fault, Received, ns};
use crate::store::Owner;

use announcement::Question;
use commands::Step;
use envelope::Envelope;

pub use access::accounts;
pub use announcement::Announcement;
pub use answer::{Answer, Answered, Got};
pub use containers::CONTAINERS;
pub use delegation::delegation_mark;
pub use error::{Condition, Limit, StanzaError};
pub use get::{BOOKMARKS, Found, MAX_NAME_BYTES};
pub use private::is_reserved;
pub use privilege::Grant;
pub use request::{Action, Plan, Request, bookmarks_in};
pub use settings::{Profile, Reserved, Settings};
pub use tally::{Kind, Tally, Via};

/// The namespace of disco#info queries (XEP-0030).
pub const DISCO_INFO: &str = xep::DISCO_INFO;

/// What it takes to hold any request, however short: its addresses, its place in the queues.
const OVERHEAD: usize = 1024;

#[derive(Debug)]
pub struct Service {
    settings: Settings,
    /// Since when the server has let us in.
    linked: SystemTime,
}

impl Service {
    /// A service set up like this.
    pub fn new(settings: Settings) -> Self {
        let linked = clock::wall();
        Self { settings, linked }
    }

    /// The server has let us in.
    pub fn logged_in(&mut self) {
        self.linked = clock::wall();
    }

    /// Sets it up again, for the stanzas to come. It has been up for as long as before.
    pub fn reconfigure(&mut self, mut settings: Settings) {
        settings.profile.started = self.settings.profile.started;
        self.settings = settings;
    }

    /// Whether the users of this domain, normalised, are served.
    pub fn serves(&self, domain: &str) -> bool {
        self.settings.serves(domain)
    }

    /// Decides what is done with a stanza that was read at this moment.
    pub fn plan(&self, received: &Received, at: Instant) -> Plan {
        let stanza = &received.stanza;
        if *stanza.namespace != *ns::ACCEPT {
            return Plan::Nothing;
        }
        match stanza.name.as_str() {
            "iq" => self.iq(received, at),
            "message" => self.message(received),
            "presence" => self.presence(stanza, at),
            _ => Plan::Nothing,
        }
    }

    fn iq(&self, received: &Received, at: Instant) -> Plan {
        let iq = &received.stanza;
        let kind = iq.attribute("type");
        if matches!(kind, Some("result" | "error")) {
            return match (iq.attribute("id"), iq.attribute("from")) {
                (Some(id), Some(from)) if received.fault.is_none() => Plan::Answered {
                    id: id.to_owned(),
                    from: from.to_owned(),
                },
                _ => Plan::Nothing,
            };
        }
        let Some(from) = iq.attribute("from").filter(|from| !from.is_empty()) else {
            tracing::debug!("dropped an iq without a sender: it cannot be answered");
            return Plan::Nothing;
        };
        let envelope = Envelope::to(iq, from, self.settings.own_address(iq));
        let answer = Answer::new(envelope, self.settings.limits.max_namespace_bytes, at);
        if !answer.fits() {
            return Plan::Nothing;
        }
        let is_set = match kind {
            Some("get") => false,
            Some("set") => true,
            _ => return refusal(&answer, &bad_request("The type must be get or set.")),
        };
        if let [payload] = iq.children.as_slice()
            && delegation::is_delegation(payload)
            && iq.attribute("id").is_some()
        {
            // Whatever its faults, they are answered inside of it if they can be.
            let answer = answer.repeating(payload, received);
            return self.delegated(received, payload, from, is_set, answer);
        }
        let answer = answer.to(tally::kind_of(iq.children.first(), is_set));
        if let Err(error) = self.check_form(iq, received) {
            return refusal(&answer, &error);
        }
        let Some(payload) = iq.children.first() else {
            // Its beginning fitted the limit and its payload did not.
            return refusal(
                &answer,
                &error::fault_error(Fault::TooLong, &self.settings.limits),
            );
        };
        let answer = answer.repeating(payload, received);
        if payload.is(ns::PRIVATE, "query") {
            return self.private(received, payload, is_set, answer, || {
                access::direct(&self.settings, from, iq.attribute("to"))
            });
        }
        if is_set && payload.is(settings::NAMESPACE, "forget") {
            return self.forget(received, payload, from, answer);
        }
        if is_set && payload.is(commands::NAMESPACE, "command") && self.is_for_us(iq) {
            return self.command(received, payload, from, answer);
        }
        if !is_set
            && payload.is(xep::DISCO_INFO, "query")
            && self.is_for_us(iq)
            && let Some(node) = payload.attribute("node")
            && let Some(question) = Question::read(node)
        {
            return self.announcement(question, node, from, answer);
        }
        if is_set {
            return refusal(
                &answer,
                &unavailable("This service does not know that request."),
            );
        }
        if !self.is_for_us(iq) {
            let text = "This service does not answer that at this address.";
            return refusal(&answer, &unavailable(text));
        }
        let asker = commands::Asker::new(&self.settings, from, self.linked);
        match info::answer(&self.settings.profile, &asker, payload) {
            Ok(result) => Plan::Reply(answer.result(&result)),
            Err(error) => refusal(&answer, &error),
        }
    }

    fn private(
        &self,
        received: &Received,
        query: &Element,
        is_set: bool,
        answer: Answer,
        owner: impl FnOnce() -> Result<Owner, StanzaError>,
    ) -> Plan {
        let Settings {
            reserved, limits, ..
        } = &self.settings;
        if received.fault != Some(Fault::Broken) {
            panics::test_at("plan", received.text.as_bytes());
        }
        let owner = match owner() {
            Ok(owner) => owner,
            Err(error) => return refusal(&answer, &error),
        };
        let action = private::read(&owner, is_set, query, received, *reserved, limits);
        let action = match action {
            Ok(action) => action,
            Err(error) => return refusal(&answer, &error),
        };
        let is_about_bookmarks = action.is_about_bookmarks();
        Plan::Store(Request {
            owner,
            asker: is_about_bookmarks.then(|| answer.asker().to_owned()),
            size: received.size + received.text.len() + OVERHEAD,
            action,
            answer: Arc::new(answer),
        })
    }

    /// A server says that one of its accounts is gone.
    fn forget(&self, received: &Received, forget: &Element, from: &str, answer: Answer) -> Plan {
        if let Some(fault) = received.fault {
            return refusal(&answer, &error::fault_error(fault, &self.settings.limits));
        }
        let to = received.stanza.attribute("to");
        match forget::owner(&self.settings, from, to, forget) {
            Ok(owner) => Plan::Store(Request {
                owner,
                asker: None,
                size: received.size + OVERHEAD,
                action: Action::Forget,
                answer: Arc::new(answer),
            }),
            Err(error) => refusal(&answer, &error),
        }
    }

    /// A request that a server hands over. It is answered in a wrapping of the outer type
    /// `result`, whatever comes of it, as soon as its own header can be read.
    fn delegated(
        &self,
        received: &Received,
        delegation: &Element,
        from: &str,
        is_set: bool,
        answer: Answer,
    ) -> Plan {
        if !address::is_bare_domain(from) {
            let text = "Only a server may delegate, in its own name.";
            return refusal(&answer, &StanzaError::new(Condition::Forbidden, text));
        }
        if !is_set {
            let text = "A delegated request must come in an iq of type set.";
            return refusal(&answer, &bad_request(text));
        }
        let Some(inner) = delegation::unwrap(delegation) else {
            let text =
                "The delegation must hold one forwarded iq of type get or set, with from and id.";
            return refusal(&answer, &bad_request(text));
        };
        let answer = answer.wrapping(&inner, &delegation.namespace);
        if !answer.fits() {
            return Plan::Nothing;
        }
        let answer = answer.to(tally::kind_of(inner.iq.children.first(), inner.is_set));
        if let Err(error) = self.check_form(inner.iq, received) {
            return refusal(&answer, &error);
        }
        let Some(payload) = inner.iq.children.first() else {
            return refusal(
                &answer,
                &error::fault_error(Fault::TooLong, &self.settings.limits),
            );
        };
        let answer = answer.repeating(payload, received);
        if !payload.is(ns::PRIVATE, "query") {
            return refusal(
                &answer,
                &unavailable("Only private storage is delegated to this service."),
            );
        }
        self.private(received, payload, inner.is_set, answer, || {
            access::delegated(&self.settings, &inner, from)
        })
    }

    /// What a host is to announce for us. Anybody else who asks is told what that is in any case.
    fn announcement(&self, question: Question, node: &str, from: &str, answer: Answer) -> Plan {
        let own = &self.settings.profile.domain;
        let host = address::domain_name(from).filter(|_| address::is_bare_domain(from));
        let Some(host) = host else {
            let announcement =
                Announcement::new(question, node, from.to_owned(), false, own, answer);
            return Plan::Reply(announcement.answer(false));
        };
        let served = self.settings.serves(&host);
        let host = host.into_owned();
        Plan::Announce(Announcement::new(question, node, host, served, own, answer))
    }

    /// A step of an ad-hoc command.
    fn command(&self, received: &Received, command: &Element, from: &str, answer: Answer) -> Plan {
        if let Some(fault) = received.fault {
            return refusal(&answer, &error::fault_error(fault, &self.settings.limits));
        }
        let asker = commands::Asker::new(&self.settings, from, self.linked);
        match asker.plan(command, received.xml(command)) {
            Ok(Step::Answer(payload)) => Plan::Reply(answer.result(&payload)),
            Ok(Step::Look(owner, look)) => Plan::Store(Request {
                owner,
                asker: None,
                size: received.size + received.text.len() + OVERHEAD,
                action: Action::Look(look),
                answer: Arc::new(answer),
            }),
            Ok(Step::Remove(owner, namespace, done)) => Plan::Store(Request {
                owner,
                asker: None,
                size: received.size + received.text.len() + OVERHEAD,
                action: Action::Remove(namespace),
                answer: Arc::new(answer.saying(done)),
            }),
            Err(error) => refusal(&answer, &error),
        }
    }

    /// Whether it is for our bare domain, where all but private storage is.
    fn is_for_us(&self, iq: &Element) -> bool {
        iq.attribute("to").is_none_or(address::is_bare_domain)
    }

    /// Messages get no answer. Those that matter come from a host itself and say that it delegates
    /// to us, or what it lets us do; whether it is one that is served may change later.
    fn message(&self, received: &Received) -> Plan {
        if let Some((domain, grant)) = privilege::advertised(received) {
            return Plan::Granted { domain, grant };
        }
        if received.fault.is_none()
            && delegation::is_advertisement(&received.stanza)
            && let Some(domain) = delegation::advertising_domain(received)
        {
            return Plan::Delegated { domain };
        }
        Plan::Nothing
    }

    /// Nobody's presence is asked for; who asks for ours is refused once.
    fn presence(&self, presence: &Element, at: Instant) -> Plan {
        let from = presence.attribute("from").filter(|from| !from.is_empty());
        match (presence.attribute("type"), from) {
            (Some("subscribe"), Some(from)) => Plan::Reply(Answered {
                reply: envelope::unsubscribed(
                    address::bare(self.settings.own_address(presence)),
                    address::bare(from),
                ),
                asked: at,
                tally: Tally {
                    kind: Kind::Other,
                    via: Via::Direct,
                    error: None,
                    limit: None,
                },
            }),
            _ => Plan::Nothing,
        }
    }

    /// Whether an IQ is one at all: one id, one payload, nothing against XML namespaces.
    fn check_form(&self, iq: &Element, received: &Received) -> Result<(), StanzaError> {
        if let Some(fault @ (Fault::Malformed(_) | Fault::Broken)) = received.fault {
            return Err(error::fault_error(fault, &self.settings.limits));
        }
        if iq.attribute("id").is_none() {
            return Err(bad_request("An iq needs an id."));
        }
        match iq.children.len() {
            1 => Ok(()),
            0 if received.fault == Some(Fault::TooLong) => Ok(()), // it did not fit
            _ => Err(bad_request(
                "An iq of type get or set has exactly one child.",
            )),
        }
    }
}

fn refusal(answer: &Answer, error: &StanzaError) -> Plan {
    Plan::Reply(answer.error(error))
}

fn bad_request(text: &'static str) -> StanzaError {
    StanzaError::new(Condition::BadRequest, text)
}

fn unavailable(text: &'static str) -> StanzaError {
    StanzaError::new(Condition::ServiceUnavailable, text)
}
