//! Whether room bookmarks are kept in step with PEP on the served domains that delegate, and where
//! they are not, what to change: by server and version, for not every one can do it.
//!
//! What a domain grants it says with the login, on ejabberd perhaps a moment after all else is
//! known. It says nothing where it grants nothing, so that is not waited for long.

use std::collections::BTreeMap;

use super::delegation::{Findings, Server};
use crate::admin::print_config::Support;
use crate::admin::report::Sign;
use crate::component::Grant;
use crate::config::BookmarksMode;

/// What the domains have said that they grant.
#[derive(Debug, Default)]
pub struct Grants(BTreeMap<String, Grant>);

impl Grants {
    /// This domain has said what it grants.
    pub fn granted(&mut self, domain: &str, grant: Grant) {
        self.0.insert(domain.to_owned(), grant);
    }

    /// Whether these domains have all said it.
    pub fn are_from(&self, domains: &[String]) -> bool {
        domains.iter().all(|domain| self.0.contains_key(domain))
    }

    fn of(&self, domain: &str) -> Grant {
        self.0.get(domain).copied().unwrap_or_default()
    }
}

/// What is in force for a domain; `None` where it does not delegate. `jid` is ours.
pub fn judge(
    findings: &Findings,
    grants: &Grants,
    mode: BookmarksMode,
    domain: &str,
    jid: &str,
) -> Option<(Sign, String)> {
    if !findings.has_delegated(domain) {
        return None;
    }
    let server = findings.server(domain);
    let Grant { items, owner } = grants.of(domain);
    let (sign, what) = match (mode, items, owner) {
        (BookmarksMode::Pep, true, true) => (Sign::Good, "kept in step with PEP".to_owned()),
        (BookmarksMode::Pep, true, false) => (
            Sign::Warning,
            format!(
                "kept in step with PEP, except for users whose node has wrong options, which the \
                 component may not correct: grant {OWNER} as well, {}",
                as_printed(server)
            ),
        ),
        (BookmarksMode::Pep, false, _) => (
            Sign::Warning,
            format!(
                "{APART}: {}; if this is intended, set bookmarks.mode = \"off\"",
                why_not(server, owner, jid)
            ),
        ),
        (BookmarksMode::Off, false, false) => {
            (Sign::Good, format!("{APART}, as bookmarks.mode says"))
        }
        (BookmarksMode::Off, ..) => (
            Sign::Warning,
            format!(
                "{APART}, as bookmarks.mode says; but {jid} still has access to PEP: {}",
                match server {
                    Server::Prosody => {
                        "print Prosody's configuration again with `print-config prosody`, or take \
                         `privileged_entities` out"
                    }
                    _ => "take what mod_privilege grants it out",
                }
            ),
        ),
    };
    Some((sign, format!("bookmarks of {domain}: {what}")))
}

const NO_ACCESS: &str = "the component has no access to PEP (XEP-0356)";
const APART: &str = "not kept in step with PEP";
const OWNER: &str = "http://jabber.org/protocol/pubsub#owner";

/// How to find out what the server's configuration should say.
fn as_printed(server: Server) -> String {
    match server {
        Server::Prosody => "as `print-config prosody` prints it, then restart Prosody".to_owned(),
        Server::Ejabberd(Some(version)) => format!(
            "as `print-config ejabberd --server-version {version}` prints it, then restart ejabberd"
        ),
        Server::Ejabberd(None) => {
            "as `print-config ejabberd` prints it, then restart ejabberd".to_owned()
        }
        Server::Unknown => "as `print-config` prints it, then restart the server".to_owned(),
    }
}

/// Why they are not in step, and what to do. `owner`: the other half is granted.
fn why_not(server: Server, owner: bool, jid: &str) -> String {
    if let Server::Ejabberd(Some(version)) = server {
        match version.support() {
            Support::Yes => {}
            Support::No => {
                return format!(
                    "ejabberd {version} cannot give a component access to PEP (XEP-0356); 25.03 or \
                     later can"
                );
            }
            Support::Harmful => {
                return format!(
                    "ejabberd {version} drops everything that the component sends when \
                     mod_privilege is loaded; 25.03 or later can give it access to PEP (XEP-0356)"
                );
            }
        }
    }
    let printed = as_printed(server);
    if owner {
        return format!(
            "of the two namespaces only {OWNER} is granted: grant \
             http://jabber.org/protocol/pubsub (\"both\") as well, {printed}"
        );
    }
    let place = match server {
        Server::Prosody => {
            return format!(
                "{NO_ACCESS}: take private_storage_bookmarks out of Component \"{jid}\", {printed}"
            );
        }
        Server::Ejabberd(_) => "mod_privilege to that host, ".to_owned(),
        Server::Unknown => "that access, ".to_owned(),
    };
    format!("{NO_ACCESS}: add {place}{printed}")
}

#[cfg(test)]
mod tests;
