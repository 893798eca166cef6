//! Whether the served domains delegate, and if one does not, why: as far as that can be told from
//! outside of the server.
//!
//! Each domain is asked what it is and what it can do. ejabberd says whether it has mod_delegation;
//! Prosody does not. Neither lets a component ask an account for its features, so what accounts
//! announce about bookmarks cannot be seen.
//!
//! ejabberd's own mod_private answers until the first component to which it delegates has logged
//! in. The question about private storage is sent with the login, before anything of ours that
//! could begin the delegation; so an answer of mod_private's tells that it has answered everybody
//! until then.

use std::collections::{BTreeMap, BTreeSet};

use crate::admin::print_config::EjabberdVersion;
use crate::admin::report::Sign;
use crate::component::{Question, Refusal, Reply};
use crate::service::delegation_mark;

/// In the order in which each domain is asked.
const PAYLOADS: [&str; 3] = [
    "<query xmlns='jabber:iq:private'><check xmlns='urn:xmpp-private-storage:check'/></query>",
    "<query xmlns='http://jabber.org/protocol/disco#info'/>",
    "<query xmlns='jabber:iq:version'/>",
];
const PRIVATE: usize = 0;
const INFO: usize = 1;
const VERSION: usize = 2;

#[derive(Debug)]
pub struct Findings {
    domains: Vec<String>,
    delegated: BTreeSet<String>,
    replies: BTreeMap<usize, Reply>,
    /// The domains whose own module has answered for private storage, before they delegated.
    own: BTreeSet<String>,
}

impl Findings {
    /// Nothing yet about these domains.
    pub fn new(domains: &[String]) -> Self {
        Self {
            domains: domains.to_vec(),
            delegated: BTreeSet::new(),
            replies: BTreeMap::new(),
            own: BTreeSet::new(),
        }
    }

    /// What is to be asked.
    pub fn questions(&self) -> Vec<Question> {
        let ask = |domain: &String| {
            [format!("check@{domain}"), domain.clone(), domain.clone()]
                .into_iter()
                .zip(PAYLOADS)
                .map(|(to, payload)| Question {
                    to,
                    payload: payload.to_owned(),
                })
                .collect::<Vec<_>>()
        };
        self.domains.iter().flat_map(ask).collect()
    }

    /// This domain has said that it delegates.
    pub fn delegated(&mut self, domain: &str) {
        self.delegated.insert(domain.to_owned());
    }

    /// This domain delegates no more.
    pub fn delegation_ended(&mut self, domain: &str) {
        self.delegated.remove(domain);
    }

    /// Whether this domain has said that it delegates.
    pub fn has_delegated(&self, domain: &str) -> bool {
        self.delegated.contains(domain)
    }

    pub fn replied(&mut self, reply: &Reply) {
        let domain = self.domains.get(reply.number / PAYLOADS.len());
        if let (Some(domain), PRIVATE, Err(refusal)) =
            (domain, reply.number % PAYLOADS.len(), &reply.outcome)
            && refusal.condition == "forbidden"
            && !self.delegated.contains(domain)
        {
            self.own.insert(domain.clone());
        }
        self.replies.insert(reply.number, reply.clone());
    }

    /// Whether nothing more is to be expected.
    pub fn are_complete(&self) -> bool {
        let delegated = |domain| self.delegated.contains(domain);
        self.domains.iter().all(delegated)
            && self.replies.len() == PAYLOADS.len() * self.domains.len()
    }

    fn reply(&self, domain: &str, question: usize) -> Option<&Reply> {
        let at = self.domains.iter().position(|it| it == domain)?;
        self.replies.get(&(at * PAYLOADS.len() + question))
    }

    /// What a domain says of itself; `None` if it says nothing.
    fn info(&self, domain: &str) -> Option<Result<Info, &Refusal>> {
        let outcome = &self.reply(domain, INFO)?.outcome;
        Some(outcome.as_ref().map(|query| {
            let children = |name: &'static str| {
                let query = query.iter().flat_map(minidom::Element::children);
                query.filter(move |child| child.name() == name)
            };
            let value = |child: &minidom::Element, name| child.attr(name).map(str::to_owned);
            Info {
                name: children("identity").find_map(|it| value(it, "name")),
                features: children("feature")
                    .filter_map(|it| value(it, "var"))
                    .collect(),
            }
        }))
    }

    /// What this domain's server is, as far as it tells.
    pub fn server(&self, domain: &str) -> Server {
        let info = self.info(domain).and_then(Result::ok);
        match info.and_then(|info| info.name).as_deref() {
            Some("Prosody") => Server::Prosody,
            Some("ejabberd") => Server::Ejabberd(self.version(domain)),
            _ => Server::Unknown,
        }
    }

    fn version(&self, domain: &str) -> Option<EjabberdVersion> {
        let query = self
            .reply(domain, VERSION)?
            .outcome
            .as_ref()
            .ok()?
            .as_ref()?;
        let mut children = query.children();
        let version = children.find(|child| child.name() == "version")?;
        EjabberdVersion::read(&version.text())
    }
}

struct Info {
    name: Option<String>,
    features: BTreeSet<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// Prosody, of any version.
    Prosody,
    /// And its version, if it tells.
    Ejabberd(Option<EjabberdVersion>),
    /// It does not say, or is another one.
    Unknown,
}

/// The feature of a host that has ejabberd's mod_delegation.
const DELEGATION: &str = "urn:xmpp:delegation:1";

/// What is to be told about a domain: first whether it delegates.
pub fn judge(findings: &Findings, domain: &str, jid: &str) -> Vec<(Sign, String)> {
    let own = findings.own.contains(domain);
    if findings.delegated.contains(domain) {
        let mut lines = vec![(Sign::Good, domain.to_owned())];
        if own {
            let line = format!(
                "until this login, mod_private of {domain} answered its clients: what they stored \
                 since ejabberd started is in there and not here; start the component together with \
                 ejabberd (docs/operate/cut-over.md)"
            );
            lines.push((Sign::Warning, line));
        }
        return lines;
    }
    let why = why_not(findings, domain, jid);
    let info = findings.info(domain).and_then(Result::ok);
    let has = |feature: &str| {
        info.as_ref()
            .is_some_and(|it| it.features.contains(feature))
    };
    // What a server delegates it announces as its own, with what we have answered; or another has.
    let announces = has("jabber:iq:private") && !has(&delegation_mark(jid));
    let meanwhile = match findings.server(domain) {
        _ if own => "; meanwhile its own mod_private serves its clients",
        Server::Ejabberd(_) if announces && !has(DELEGATION) => {
            "; meanwhile its own mod_private serves its clients"
        }
        _ if announces => {
            "; it announces jabber:iq:private, so a module of its own or another component may \
             serve its clients meanwhile"
        }
        _ => "",
    };
    vec![(Sign::Bad, format!("none from {domain}: {why}{meanwhile}"))]
}

/// Why a domain does not delegate, and what to do.
fn why_not(findings: &Findings, domain: &str, jid: &str) -> String {
    let info = match findings.info(domain) {
        None => {
            return "the server does not answer questions about it: is it one of the server's \
                    hosts, and spelled as there? If it is, and the server is ejabberd with \
                    mod_privilege loaded on any host: on 24.10 to 24.12, unload mod_privilege; \
                    from 25.03 on, give the component a privilege (XEP-0356) on this host too. \
                    Otherwise, see the server's own log"
                .to_owned();
        }
        Some(Err(refusal)) if is_about_a_foreign_host(&refusal.condition) => {
            return format!(
                "the server has no such host (it says {}): correct access.domains, or add the host \
                 to the server",
                refusal.condition
            );
        }
        Some(info) => info.ok(),
    };
    let loaded = info.is_some_and(|info| info.features.contains(DELEGATION));
    match findings.server(domain) {
        Server::Ejabberd(_) if loaded => format!(
            "mod_delegation is loaded there, but does not delegate to {jid}: compare its \
             `namespaces` and `access`, and the `acl` that names {jid}, with `print-config \
             ejabberd`, then restart ejabberd"
        ),
        Server::Ejabberd(_) => "mod_delegation is not loaded there: add what `print-config \
                                ejabberd` prints, then restart ejabberd"
            .to_owned(),
        Server::Prosody => format!(
            "compare with `print-config prosody`, in this order: \"private_storage\" in \
             modules_enabled of Component \"{jid}\"; \"{domain}\" in its private_storage_hosts; then \
             restart Prosody, and look in its log for \"private_storage\": perhaps \
             mod_private_storage.lua is not in a folder of plugin_paths"
        ),
        Server::Unknown => "compare the server's configuration with what `print-config` prints, \
                            then restart it"
            .to_owned(),
    }
}

/// What a server answers for a domain that is not its own, with or without links to other servers.
fn is_about_a_foreign_host(condition: &str) -> bool {
    [
        "remote-server-not-found",
        "remote-server-timeout",
        "not-allowed",
        "item-not-found",
    ]
    .contains(&condition)
}

#[cfg(test)]
pub mod tests;
