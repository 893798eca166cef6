//! The one table of what can be configured, and what each key accepts.
//!
//! The file and the environment both read by this table, so a key that stands here has its twin,
//! its check and its place in every message; there is nowhere else to add one (but the example, and
//! a test asks for that).

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use jid::DomainPart;
use tracing_subscriber::filter::{LevelFilter, Targets};

use super::draft::Draft;
use super::tls;
use super::value::{Given, Wrong};
use super::{BookmarksMode, Delegation, Endpoint, Fingerprint, LogFormat, ReservedNamespaces};

/// One thing that can be configured.
pub(super) struct Key {
    pub section: &'static str,
    pub name: &'static str,
    /// Puts a value into the draft, if it is one that this key accepts.
    pub set: fn(&mut Draft, &Given<'_>) -> Result<(), Wrong>,
}

impl Key {
    /// The environment twin.
    pub fn variable(&self) -> String {
        format!("PRIVATE_STORAGE_{}_{}", self.section, self.name).to_uppercase()
    }

    /// Whether no message may ever repeat the value.
    pub fn is_secret(&self) -> bool {
        self.id() == SECRET
    }

    /// Whether it gives the secret, itself or by a file.
    pub fn gives_secret(&self) -> bool {
        [SECRET, SECRET_FILE].contains(&self.id())
    }

    pub fn id(&self) -> Id {
        (self.section, self.name)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.section, self.name)
    }
}

/// Section and name.
pub(super) type Id = (&'static str, &'static str);

pub(super) const JID: Id = ("component", "jid");
pub(super) const SERVER: Id = ("component", "server");
pub(super) const TLS: Id = ("component", "tls");
pub(super) const TLS_CA_FILE: Id = ("component", "tls_ca_file");
pub(super) const TLS_PIN: Id = ("component", "tls_pin_sha256");
pub(super) const TLS_NAME: Id = ("component", "tls_name");
pub(super) const SECRET: Id = ("component", "secret");
pub(super) const SECRET_FILE: Id = ("component", "secret_file");
pub(super) const DOMAINS: Id = ("access", "domains");
pub(super) const MAX_NAMESPACE_BYTES: Id = ("limits", "max_namespace_bytes");

/// Every key, in the order of the example.
pub(super) const KEYS: &[Key] = &[
    Key {
        section: "component",
        name: "jid",
        set: |draft, given| {
            let expected = "the component's domain alone, such as \"private.example.org\"";
            draft.jid = Some(given.text(expected, domain)?.into());
            Ok(())
        },
    },
    Key {
        section: "component",
        name: "server",
        set: |draft, given| {
            let expected = "host:port, such as \"127.0.0.1:5347\" or \"[::1]:5347\", \
                            or a socket's path, such as \"unix:/run/ejabberd/component.sock\"";
            draft.server = given.text(expected, Endpoint::parse)?;
            Ok(())
        },
    },
    Key {
        section: "component",
        name: "tls",
        set: |draft, given| {
            draft.tls = given.choice(&[("off", false), ("on", true)])?;
            Ok(())
        },
    },
    Key {
        section: "component",
        name: "tls_ca_file",
        set: |draft, given| {
            draft.tls_ca_file = Some(given.text("the path of a file", path)?);
            Ok(())
        },
    },
    Key {
        section: "component",
        name: "tls_pin_sha256",
        set: |draft, given| {
            let expected = "the SHA-256 fingerprint of a certificate: 64 hexadecimal digits, \
                            with or without colons";
            draft.tls_pin = Some(given.text(expected, Fingerprint::parse)?);
            Ok(())
        },
    },
    Key {
        section: "component",
        name: "tls_name",
        set: |draft, given| {
            let expected = "the name that the router's certificate has, such as \"example.org\"";
            draft.tls_name = Some(given.text(expected, tls::name)?);
            Ok(())
        },
    },
    Key {
        section: "component",
        name: "secret",
        set: |draft, given| {
            // Whether it will do is for `secret` to say, once it is known which one counts.
            let expected = "the secret as a text in quotes";
            draft.secret = Some(given.text(expected, |text| Some(text.into()))?);
            Ok(())
        },
    },
    Key {
        section: "component",
        name: "secret_file",
        set: |draft, given| {
            draft.secret_file = Some(given.text("the path of a file", path)?);
            Ok(())
        },
    },
    Key {
        section: "component",
        name: "ping_seconds",
        set: |draft, given| {
            draft.ping_seconds = given.whole(1..=3_600, "a number of seconds")?;
            Ok(())
        },
    },
    Key {
        section: "access",
        name: "domains",
        set: |draft, given| {
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
                    expected: format!("{list}, or no such key: the parent domain of component.jid"),
                });
            }
            draft.domains = Some(domains);
            Ok(())
        },
    },
    Key {
        section: "access",
        name: "admins",
        set: |draft, given| {
            let list = "a list of addresses, such as [\"admin@example.org\"]";
            let item = "an account's address without a resource, such as \"admin@example.org\"";
            let mut admins: Vec<String> = given.list(list, item, account)?;
            admins.sort();
            admins.dedup();
            draft.admins = admins;
            Ok(())
        },
    },
    Key {
        section: "access",
        name: "delegation",
        set: |draft, given| {
            draft.delegation = given.choice(&[
                ("none", Delegation::None),
                ("optional", Delegation::Optional),
                ("required", Delegation::Required),
            ])?;
            Ok(())
        },
    },
    Key {
        section: "access",
        name: "reserved_namespaces",
        set: |draft, given| {
            draft.reserved_namespaces = given.choice(&[
                ("refuse", ReservedNamespaces::Refuse),
                ("accept", ReservedNamespaces::Accept),
            ])?;
            Ok(())
        },
    },
    Key {
        section: "limits",
        name: "max_stanza_bytes",
        set: |draft, given| {
            draft.limits.max_stanza_bytes = given.whole(10_000..=64 << 20, BYTES)?;
            Ok(())
        },
    },
    Key {
        section: "limits",
        name: "max_namespace_bytes",
        set: |draft, given| {
            draft.limits.max_namespace_bytes = given.whole(1 << 10..=64 << 20, BYTES)?;
            Ok(())
        },
    },
    Key {
        section: "limits",
        name: "max_user_bytes",
        set: |draft, given| {
            draft.limits.max_user_bytes = given.whole(1 << 10..=1 << 40, BYTES)?;
            Ok(())
        },
    },
    Key {
        section: "limits",
        name: "max_user_elements",
        set: |draft, given| {
            draft.limits.max_user_elements = given.whole(1..=1_000_000, "a number of elements")?;
            Ok(())
        },
    },
    Key {
        section: "limits",
        name: "max_depth",
        set: |draft, given| {
            draft.limits.max_depth = given.whole(16..=1_024, "a number of levels")?;
            Ok(())
        },
    },
    Key {
        section: "limits",
        name: "max_open_bytes",
        set: |draft, given| {
            draft.limits.max_open_bytes = given.whole(1 << 20..=64 << 30, BYTES)?;
            Ok(())
        },
    },
    Key {
        section: "limits",
        name: "max_user_open_bytes",
        set: |draft, given| {
            draft.limits.max_user_open_bytes = given.whole(1 << 10..=64 << 30, BYTES)?;
            Ok(())
        },
    },
    Key {
        section: "limits",
        name: "max_unsent_bytes",
        set: |draft, given| {
            draft.limits.max_unsent_bytes = given.whole(1 << 20..=64 << 30, BYTES)?;
            Ok(())
        },
    },
    Key {
        section: "bookmarks",
        name: "mode",
        set: |draft, given| {
            draft.bookmarks.mode =
                given.choice(&[("pep", BookmarksMode::Pep), ("off", BookmarksMode::Off)])?;
            Ok(())
        },
    },
    Key {
        section: "bookmarks",
        name: "max_rooms",
        set: |draft, given| {
            draft.bookmarks.max_rooms = given.whole(1..=10_000, "a number of rooms")?;
            Ok(())
        },
    },
    Key {
        section: "storage",
        name: "path",
        set: |draft, given| {
            draft.storage.path = given.text("the path of a folder", path)?;
            Ok(())
        },
    },
    Key {
        section: "storage",
        name: "cache_bytes",
        set: |draft, given| {
            draft.storage.cache_bytes = given.whole(1 << 20..=64 << 30, BYTES)?;
            Ok(())
        },
    },
    Key {
        section: "storage",
        name: "compact_above_bytes",
        set: |draft, given| {
            draft.storage.compact_above_bytes = given.whole(1 << 20..=1 << 40, BYTES)?;
            Ok(())
        },
    },
    Key {
        section: "log",
        name: "level",
        set: |draft, given| {
            let expected = "a level (\"error\", \"warn\", \"info\", \"debug\", \"trace\", \"off\") \
                            or target=level, several separated by commas";
            draft.log.level = given.text(expected, filter)?;
            Ok(())
        },
    },
    Key {
        section: "log",
        name: "format",
        set: |draft, given| {
            draft.log.format =
                given.choice(&[("text", LogFormat::Text), ("json", LogFormat::Json)])?;
            Ok(())
        },
    },
    Key {
        section: "http",
        name: "listen",
        set: |draft, given| {
            let expected = "address:port, such as \"127.0.0.1:9547\" or \"[::1]:9547\"";
            draft.http.listen = Some(given.text(expected, address)?);
            Ok(())
        },
    },
    Key {
        section: "disco",
        name: "contact",
        set: |draft, given| {
            let list = "a list of addresses, such as [\"mailto:admin@example.org\"]";
            let item = "an address with mailto:, xmpp: or https: before it";
            draft.disco.contact = given.list(list, item, contact)?;
            Ok(())
        },
    },
    Key {
        section: "disco",
        name: "os",
        set: |draft, given| {
            draft.disco.os = Some(given.text("a text of one line, such as \"Debian 13\"", line)?);
            Ok(())
        },
    },
];

const BYTES: &str = "a number of bytes";

/// Normalised as routers normalise it, so that it can be compared with what they send.
fn domain(text: &str) -> Option<DomainPart> {
    // `jid` would take some of these, for it judges a domain that was cut out of an address.
    let stray = |c: char| c.is_whitespace() || c.is_control() || "\"&'/<>@\\".contains(c);
    // The dot at the end of a domain's name in the DNS is no part of an address, and routers that
    // leave it there mean another domain: `jid` would take it off.
    if text.contains(stray) || text.ends_with('.') {
        return None;
    }
    DomainPart::new(text).ok().map(|domain| domain.into_owned())
}

/// A bare JID, as it was written: what decides whether two are one account is not here.
fn account(text: &str) -> Option<String> {
    let (local, name) = text.split_once('@')?;
    let stray = |c: char| c.is_whitespace() || c.is_control() || "\"&'/:<>@".contains(c);
    let good = !local.is_empty() && local.len() <= 1023 && !local.contains(stray);
    (good && domain(name).is_some()).then(|| text.to_owned())
}

/// An address and not a name: which of a name's addresses would be meant?
fn address(text: &str) -> Option<SocketAddr> {
    text.parse().ok().filter(|it: &SocketAddr| it.port() != 0)
}

fn path(text: &str) -> Option<PathBuf> {
    (!text.is_empty() && !text.contains('\0')).then(|| Path::new(text).to_owned())
}

/// `Targets` takes a bare word for a target to be traced, an empty one for the level "error", and a
/// space for a part of a name: whoever mistypes "info" would get no log at all, and no word about
/// it.
fn filter(text: &str) -> Option<String> {
    let directives: Vec<&str> = text.split(',').map(str::trim).collect();
    let meant = |directive: &&str| match directive.split_once('=') {
        Some((target, level)) => !target.is_empty() && !level.is_empty(),
        None => !directive.is_empty() && directive.parse::<LevelFilter>().is_ok(),
    };
    let filter = directives.join(",");
    (directives.iter().all(meant) && filter.parse::<Targets>().is_ok()).then_some(filter)
}

fn contact(text: &str) -> Option<String> {
    let known = ["mailto:", "xmpp:", "https:"].iter().any(|scheme| {
        text.strip_prefix(scheme)
            .is_some_and(|rest| !rest.is_empty())
    });
    let stray = |c: char| c.is_whitespace() || c.is_control();
    (known && !text.contains(stray)).then(|| text.to_owned())
}

fn line(text: &str) -> Option<String> {
    let said = !text.trim().is_empty() && !text.contains(char::is_control);
    said.then(|| text.to_owned())
}
