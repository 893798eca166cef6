//! `[access]`: whom we serve.

use super::super::types::{Delegation, ReservedNamespaces};
use super::super::value::Wrong;
use super::{Setting, Value, domain};

pub(super) const SETTINGS: &[Setting] = &[
    setting!(
        access.domains,
        Value::Required("[\"example.org\"]"),
        at once,
        "The domains whose users are served. Without this, it is the parent domain of \
         component.jid.",
        |given| {
            let list = "a list of domains, such as [\"example.org\"]";
            let mut domains: Vec<String> = Vec::new();
            for domain in given.list(list, "a domain, such as \"example.org\"", domain)? {
                let domain = domain.into_inner();
                if !domains.contains(&domain) {
                    domains.push(domain);
                }
            }
            if domains.is_empty() {
                return Err(Wrong {
                    found: Some("an empty list".to_owned()),
                    expected: format!(
                        "{list}, or this setting left out: then it is the parent domain of \
                         component.jid"
                    ),
                });
            }
            domains
        }
    ),
    setting!(
        access.admins,
        Value::Sample("[\"admin@example.org\"]"),
        at once,
        "The accounts, of any domain, that may see how much each user keeps, and delete it, by \
         ad-hoc command in a client.",
        |given| {
            let list = "a list of addresses, such as [\"admin@example.org\"]";
            let item = "an account's address without a resource, such as \"admin@example.org\"";
            let mut admins: Vec<String> = given.list(list, item, account)?;
            admins.sort();
            admins.dedup();
            admins
        }
    ),
    setting!(
        access.delegation,
        Value::Default("\"optional\""),
        at once,
        "Which domains must delegate their private storage to the component, or else the service \
         is not ready and `check --connect` fails: \"optional\": one of them; \"required\": every \
         one; \"none\": none, because users send requests to the component's own address.",
        |given| given.choice(&[
            ("none", Delegation::None),
            ("optional", Delegation::Optional),
            ("required", Delegation::Required),
        ])?
    ),
    setting!(
        access.reserved_namespaces,
        Value::Default("\"refuse\""),
        at once,
        "Whether clients may keep data in namespaces that XEP-0049 reserves (jabber:…, \
         http://jabber.org/…, vcard-temp): some old clients need \"accept\".",
        |given| given.choice(&[
            ("refuse", ReservedNamespaces::Refuse),
            ("accept", ReservedNamespaces::Accept),
        ])?
    ),
];

/// A bare JID, as it was written: what decides whether two are one account is not here.
fn account(text: &str) -> Option<String> {
    let (local, name) = text.split_once('@')?;
    let stray = |c: char| c.is_whitespace() || c.is_control() || "\"&'/:<>@".contains(c);
    let good = !local.is_empty() && local.len() <= 1023 && !local.contains(stray);
    (good && domain(name).is_some()).then(|| text.to_owned())
}
