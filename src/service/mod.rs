//! What is done with a stanza: every request gets exactly one reply.
//!
//! [`Service::plan`] decides by `docs/SEMANTICS.md` and touches neither the store nor the
//! network; what needs the store comes out as a [`Request`], which whoever runs the service
//! carries out in the owner's order. One file per extension.

mod address;
mod delegation;
mod disco;
mod envelope;
mod private;
mod small;

use std::time::Instant;

use xmpp_parsers::ns as xep;

use crate::stanza::{Condition, Container, Element, Fault, Received, Reply, StanzaError, ns};
use crate::store::{ChangeSet, Owner, SetError, Store};

use address::Sender;
use delegation::Inner;
use envelope::Envelope;
use private::{Action, Get};

pub use address::domain_name;
pub use private::Reserved;

/// The elements of a stanza whose children decide what is done with it.
pub const CONTAINERS: &[Container] = &[
    container("iq", ns::PRIVATE, "query"),
    container("iq", delegation::VERSIONS[0], "delegation"),
    container("iq", delegation::VERSIONS[1], "delegation"),
    container("message", delegation::VERSIONS[0], "delegation"),
    container("message", delegation::VERSIONS[1], "delegation"),
    container("delegation", ns::FORWARD, "forwarded"),
    container("forwarded", ns::ACCEPT, "iq"),
];

const fn container(parent: &'static str, namespace: &'static str, name: &'static str) -> Container {
    Container {
        parent,
        namespace,
        name,
    }
}

/// The longest payload that an error repeats, in bytes.
const MAX_REPEATED: usize = 64 * 1024;

/// What an answer may have beside what is stored in one namespace, in bytes: ids, addresses, a
/// repeated payload.
const MAX_AROUND: usize = 80 * 1024;

/// The longest error without what it repeats, in bytes.
const MAX_ERROR: usize = 1024;

/// What a request takes beside its own bytes, roughly: names and addresses each in a place of
/// their own, and its places in the queues.
const AROUND_REQUEST: usize = 1024;

/// How the service is set up.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What we say of ourselves.
    pub profile: Profile,
    /// The domains whose users are served, and who may delegate; normalised.
    pub domains: Vec<String>,
    /// What becomes of reserved namespaces.
    pub reserved: Reserved,
    /// The limits, as configured.
    pub limits: Limits,
}

/// What we say of ourselves.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Our own domain, normalised.
    pub domain: String,
    /// Addresses of whoever is responsible, as URIs (XEP-0157).
    pub contact: Vec<String>,
    /// The operating system, where it is to be told.
    pub os: Option<String>,
    /// Since when we have been up.
    pub started: Instant,
}

/// The limits, as configured; bytes, levels and elements.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)] // they are described where they are configured
pub struct Limits {
    pub max_stanza_bytes: u64,
    pub max_depth: u64,
    pub max_namespace_bytes: u64,
    pub max_user_bytes: u64,
    pub max_user_elements: u64,
}

/// What is to be done with a stanza.
#[derive(Debug)]
pub enum Plan {
    /// Nothing: it asks for no answer, or cannot be answered.
    Nothing,
    /// This is the answer.
    Reply(Reply),
    /// The store is asked first.
    Store(Request),
    /// A served domain delegates private storage to us, in this version of XEP-0355.
    Delegated {
        /// The domain, normalised.
        domain: String,
    },
}

/// A valid request for the store.
#[derive(Debug)]
pub struct Request {
    /// Whose data it is about. Requests of one owner take effect in the order they came.
    pub owner: Owner,
    /// What it costs to hold it, in bytes.
    pub size: usize,
    /// What is to be done.
    pub work: Work,
    /// How to answer it.
    pub answer: Answer,
}

/// What a request wants of the store.
#[derive(Debug)]
pub enum Work {
    /// To read.
    Get(Fetch),
    /// To write.
    Set(ChangeSet),
}

/// What is to be read.
#[derive(Debug)]
pub struct Fetch(Get);

/// Where the answer goes, and what an error would repeat.
#[derive(Debug)]
pub struct Answer {
    envelope: Envelope,
    repeated: Option<String>,
    longest: usize,
}

/// The service.
#[derive(Debug)]
pub struct Service {
    settings: Settings,
}

impl Service {
    /// A service set up like this.
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// Decides what is done with a stanza.
    pub fn plan(&self, received: &Received) -> Plan {
        let stanza = &received.stanza;
        if *stanza.namespace != *ns::ACCEPT {
            return Plan::Nothing;
        }
        match stanza.name.as_str() {
            "iq" => self.iq(received),
            "message" => self.message(received),
            "presence" => self.presence(stanza),
            _ => Plan::Nothing,
        }
    }

    fn iq(&self, received: &Received) -> Plan {
        let iq = &received.stanza;
        let kind = iq.attribute("type");
        if matches!(kind, Some("result" | "error")) {
            return Plan::Nothing;
        }
        let Some(from) = iq.attribute("from").filter(|from| !from.is_empty()) else {
            tracing::debug!("dropped an iq without a sender: it cannot be answered");
            return Plan::Nothing;
        };
        let answer = self.answer(Envelope::to(iq, from, self.own_address(iq)));
        if !answer.fits() {
            return Plan::Nothing;
        }
        let is_set = match kind {
            Some("get") => false,
            Some("set") => true,
            _ => return answer.refuse(bad_request("The type must be get or set.")),
        };
        if let [payload] = iq.children.as_slice()
            && delegation::is_delegation(payload)
            && iq.attribute("id").is_some()
        {
            // Whatever its faults, they are answered inside of it if they can be.
            let answer = answer.repeating(payload, received);
            return self.delegated(received, payload, from, is_set, answer);
        }
        if let Err(error) = self.check_form(iq, received) {
            return answer.refuse(error);
        }
        let Some(payload) = iq.children.first() else {
            // Its beginning fitted the limit and its payload did not.
            return answer.refuse(private::fault_error(Fault::TooLong, &self.settings.limits));
        };
        let answer = answer.repeating(payload, received);
        if payload.is(ns::PRIVATE, "query") {
            return self.private(received, payload, is_set, answer, || {
                self.check_direct(from, iq.attribute("to"))
            });
        }
        match self.small_service(iq, payload, is_set) {
            Ok(result) => Plan::Reply(answer.result(&result)),
            Err(error) => answer.refuse(error),
        }
    }

    /// Who may ask for what, when asked directly.
    fn check_direct(&self, from: &str, to: Option<&str>) -> Result<Owner, StanzaError> {
        let sender = address::sender(from);
        let owner = self.served(sender)?;
        let to_us = to.is_none_or(|to| address::is_bare_domain(to) && self.is_own_domain(to));
        let to_self = || match address::sender(to.unwrap_or_default()) {
            Sender::User(other, _) => other == owner,
            _ => false,
        };
        if to_us || to_self() {
            Ok(owner)
        } else {
            Err(not_yours())
        }
    }

    /// The owner that a sender is, if its domain is served.
    fn served(&self, sender: Sender) -> Result<Owner, StanzaError> {
        match sender {
            Sender::Malformed => Err(jid_malformed()),
            Sender::User(_, domain) | Sender::Host(domain) if !self.is_served(&domain) => {
                Err(not_served())
            }
            Sender::User(owner, _) => Ok(owner),
            Sender::Host(_) => Err(StanzaError::new(
                Condition::Forbidden,
                "Only users have private storage.",
            )),
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
        let action = owner()
            .and_then(|owner| private::read(owner, is_set, query, received, *reserved, limits));
        match action {
            Ok(action) => Plan::Store(Request {
                owner: action.owner().clone(),
                size: AROUND_REQUEST + received.size + received.text.len(),
                work: match action {
                    Action::Get(get) => Work::Get(Fetch(get)),
                    Action::Set(set) => Work::Set(set),
                },
                answer,
            }),
            Err(error) => answer.refuse(error),
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
            return answer.refuse(StanzaError::new(Condition::Forbidden, text));
        }
        if !is_set {
            return answer.refuse(bad_request("A delegated request comes in a set."));
        }
        let Some(inner) = delegation::unwrap(delegation) else {
            let text =
                "The delegation must hold one forwarded iq of type get or set, with from and id.";
            return answer.refuse(bad_request(text));
        };
        let answer = answer.wrapping(&inner, &delegation.namespace);
        if !answer.fits() {
            return Plan::Nothing;
        }
        if let Err(error) = self.check_form(inner.iq, received) {
            return answer.refuse(error);
        }
        let Some(payload) = inner.iq.children.first() else {
            return answer.refuse(private::fault_error(Fault::TooLong, &self.settings.limits));
        };
        let answer = answer.repeating(payload, received);
        if !payload.is(ns::PRIVATE, "query") {
            return answer.refuse(unavailable(
                "Only private storage is delegated to this service.",
            ));
        }
        self.private(received, payload, inner.is_set, answer, || {
            self.check_delegated(&inner, from)
        })
    }

    /// Who may ask for what, when a server hands the request over: its own users, for their own
    /// data.
    fn check_delegated(&self, inner: &Inner<'_>, host: &str) -> Result<Owner, StanzaError> {
        let sender = address::sender(inner.from);
        if sender == Sender::Malformed {
            return Err(jid_malformed());
        }
        let host = address::domain_name(host).filter(|host| self.is_served(host));
        let Some(host) = host else {
            return Err(not_served());
        };
        match sender {
            Sender::User(owner, domain) if *domain == *host && delegation::is_to_self(inner) => {
                Ok(owner)
            }
            _ => Err(not_yours()),
        }
    }

    /// What we answer in our own name, at our own bare domain.
    fn small_service(
        &self,
        iq: &Element,
        payload: &Element,
        is_set: bool,
    ) -> Result<String, StanzaError> {
        let profile = &self.settings.profile;
        let ours = iq.attribute("to").is_none_or(address::is_bare_domain);
        if !ours || is_set {
            return Err(unavailable("This service does not answer that here."));
        }
        match (&*payload.namespace, payload.name.as_str()) {
            (xep::DISCO_INFO, "query") => disco::info(payload, profile),
            (xep::DISCO_ITEMS, "query") => disco::items(payload),
            (xep::PING, "ping") => Ok(String::new()),
            (xep::VERSION, "query") => Ok(small::version(profile)),
            (small::LAST, "query") => Ok(small::last(profile)),
            (xep::TIME, "time") => Ok(small::time()),
            _ => Err(unavailable("This service does not know that request.")),
        }
    }

    /// Messages get no answer. The one that matters comes from a served host itself and says
    /// that it delegates to us; whoever else says so is ignored.
    fn message(&self, received: &Received) -> Plan {
        if received.fault.is_none()
            && delegation::is_advertisement(&received.stanza)
            && let Some(domain) = delegation::advertising_domain(received)
            && self.is_served(&domain)
        {
            return Plan::Delegated { domain };
        }
        Plan::Nothing
    }

    /// Nobody's presence is asked for; who asks for ours is refused once.
    fn presence(&self, presence: &Element) -> Plan {
        let from = presence.attribute("from").filter(|from| !from.is_empty());
        match (presence.attribute("type"), from) {
            (Some("subscribe"), Some(from)) => Plan::Reply(envelope::unsubscribed(
                address::bare(self.own_address(presence)),
                address::bare(from),
            )),
            _ => Plan::Nothing,
        }
    }

    /// Whether an IQ is one at all: one id, one payload, nothing against XML namespaces.
    fn check_form(&self, iq: &Element, received: &Received) -> Result<(), StanzaError> {
        if let Some(fault @ Fault::Malformed(_)) = received.fault {
            return Err(private::fault_error(fault, &self.settings.limits));
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

    fn answer(&self, envelope: Envelope) -> Answer {
        let stored = usize::try_from(self.settings.limits.max_namespace_bytes);
        Answer {
            envelope,
            repeated: None,
            longest: stored.unwrap_or(usize::MAX).saturating_add(MAX_AROUND),
        }
    }

    /// Our address as the sender wrote it, if it is one of ours.
    fn own_address<'e>(&'e self, stanza: &'e Element) -> &'e str {
        match stanza.attribute("to") {
            Some(to) if self.is_in_own_domain(to) => to,
            _ => &self.settings.profile.domain,
        }
    }

    fn is_in_own_domain(&self, address: &str) -> bool {
        let domain = &self.settings.profile.domain;
        match address::sender(address) {
            Sender::Malformed => false,
            _ => address::domain_of(address).is_some_and(|d| *d == **domain),
        }
    }

    fn is_own_domain(&self, domain: &str) -> bool {
        address::domain_name(domain).is_some_and(|d| *d == *self.settings.profile.domain)
    }

    fn is_served(&self, domain: &str) -> bool {
        self.settings.domains.iter().any(|served| served == domain)
    }
}

impl Fetch {
    /// Reads the store. This may wait for the disk.
    pub fn carry_out(&self, store: &Store, answer: &Answer) -> Reply {
        match private::fetch(&self.0, store) {
            Ok(payload) => answer.result(&payload),
            Err(error) => answer.error(&error),
        }
    }
}

impl Answer {
    /// The answer to a set, once it is durable or refused.
    pub fn set(&self, result: &Result<(), SetError>) -> Reply {
        match result {
            Ok(()) => self.result(""),
            Err(error) => self.error(&private::set_error(error)),
        }
    }

    /// What an error repeats of the request: its one payload, if it was read without a fault.
    fn repeating(mut self, payload: &Element, received: &Received) -> Self {
        let xml = received.xml(payload);
        let repeat = received.fault.is_none() && xml.len() <= MAX_REPEATED;
        self.repeated = repeat.then(|| xml.to_owned());
        self
    }

    fn wrapping(mut self, inner: &Inner<'_>, namespace: &str) -> Self {
        let bare = address::bare(inner.from);
        self.envelope = self
            .envelope
            .wrapping(inner.iq, inner.from, bare, namespace);
        self.repeated = None;
        self
    }

    /// Whether any answer to this request would get through the router: one that is over the
    /// router's own limit ends the link for everybody.
    fn fits(&self) -> bool {
        let fits = self.envelope.result("").len() + MAX_ERROR <= self.longest;
        if !fits {
            tracing::debug!("dropped an iq whose id and addresses make any answer too long");
        }
        fits
    }

    fn refuse(self, error: StanzaError) -> Plan {
        Plan::Reply(self.error(&error))
    }

    fn result(&self, payload: &str) -> Reply {
        let reply = self.envelope.result(payload);
        if reply.len() > self.longest {
            let text = "The id and the addresses of the request are too long for its answer.";
            return self.error(&StanzaError::new(Condition::NotAcceptable, text));
        }
        reply
    }

    fn error(&self, error: &StanzaError) -> Reply {
        let reply = self.envelope.error(error, self.repeated.as_deref());
        if reply.len() <= self.longest {
            return reply;
        }
        self.envelope.error(error, None)
    }
}

fn bad_request(text: &'static str) -> StanzaError {
    StanzaError::new(Condition::BadRequest, text)
}

fn unavailable(text: &'static str) -> StanzaError {
    StanzaError::new(Condition::ServiceUnavailable, text)
}

fn not_served() -> StanzaError {
    unavailable("The users of this domain are not served: access.domains does not name it.")
}

fn not_yours() -> StanzaError {
    StanzaError::new(
        Condition::Forbidden,
        "Private storage is for its owner alone.",
    )
}

fn jid_malformed() -> StanzaError {
    StanzaError::new(
        Condition::JidMalformed,
        "The sender's address is not valid.",
    )
}
