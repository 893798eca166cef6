//! The one table of what can be configured: what each setting is for, its default, what it accepts, and
//! whether it can change while the service runs.
//!
//! The file and the environment are read by this table, a reload compares by it, and
//! `component.example.toml`, the manual page and the reference are written from it: there is nowhere else
//! to add a setting (but its field in [`Config`]).

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use jid::DomainPart;
use secrecy::ExposeSecret;
use tracing_subscriber::filter::{LevelFilter, Targets};

use super::draft::{Draft, Id, Place, SECRET, SECRET_FILE, refusal};
use crate::link::Endpoint;
use crate::link::{self, Fingerprint, Tls};
use super::types::{BookmarksMode, Config, Delegation, LogFormat, ReservedNamespaces};
use super::value::{Given, Wrong};

/// One thing that can be configured.
pub struct Setting {
    /// As in `[section]`.
    pub section: &'static str,
    /// As in `name = value`.
    pub name: &'static str,
    /// What it is for; nothing where the setting before is told of together with this one.
    pub about: &'static str,
    /// Its value in the example.
    pub value: Value,
    /// Puts a value into the draft, if it is one that this setting accepts.
    pub(super) set: fn(&mut Draft, &Given<'_>) -> Result<(), Wrong>,
    /// Whether two configurations agree in it.
    pub(super) same: fn(&Config, &Config) -> bool,
    /// Takes over what the second has, where a running service keeps it; `None` if a reload changes it.
    pub(super) keep: Option<fn(&mut Config, &Config)>,
}

/// A value, as it is written in the file.
pub enum Value {
    /// There is no default, and one has to be set.
    Required(&'static str),
    Default(&'static str),
    /// There is no default, and none has to be set.
    Sample(&'static str),
}

impl Setting {
    pub fn variable(&self) -> String {
        format!("PRIVATE_STORAGE_{}_{}", self.section, self.name).to_uppercase()
    }

    /// What a value has to be, in words; `None` where any text will do.
    pub fn accepts(&self) -> Option<String> {
        // No setting of another kind takes this.
        let refused = (self.set)(&mut Draft::default(), &Given::Variable("?"));
        refused.err().map(|wrong| wrong.expected)
    }

    /// Whether a running service takes a new value over when it is told to reload.
    pub fn is_reloaded(&self) -> bool {
        self.keep.is_none()
    }

    /// Whether no message may ever repeat the value.
    pub(super) fn is_secret(&self) -> bool {
        self.id() == SECRET
    }

    /// Whether it gives the secret, itself or by a file.
    pub(super) fn gives_secret(&self) -> bool {
        [SECRET, SECRET_FILE].contains(&self.id())
    }

    pub(super) fn id(&self) -> Id {
        (self.section, self.name)
    }

    /// Puts a value into the draft, or says in one line what is wrong with it.
    pub(super) fn give(
        &self,
        draft: &mut Draft,
        given: &Given<'_>,
        place: Place,
    ) -> Result<(), String> {
        (self.set)(draft, given).map_err(|wrong| {
            let found = match wrong.found {
                _ if self.is_secret() => given.kind().to_owned(),
                Some(found) => found,
                None => given.shown(),
            };
            let what = format!("found {found}, expected {}", wrong.expected);
            refusal(self.id(), &place, &what)
        })?;
        draft.places.insert(self.id(), place);
        Ok(())
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.section, self.name)
    }
}

/// A setting that a reload changes (`at once`) or a running service keeps (`at a start`); or, where the
/// configuration has it in another form, one that is kept, and by what two configurations are compared in it.
macro_rules! setting {
    ($section:ident.$name:ident, $value:expr, by |$config:ident| $compared:expr,
     $about:literal, |$given:ident| $read:expr) => {
        Setting {
            set: |draft, $given| {
                draft.$section.$name = $read;
                Ok(())
            },
            same: |a, b| {
                let [a, b] = [a, b].map(|$config| $compared);
                a == b
            },
            keep: Some(|to, from| to.$section = from.$section.clone()),
            ..setting!(of $section.$name, $value, $about)
        }
    };
    ($section:ident.$name:ident, $value:expr, at once,
     $about:literal, |$given:ident| $read:expr) => {
        Setting {
            set: |draft, $given| {
                draft.$section.$name = $read;
                Ok(())
            },
            same: |a, b| a.$section.$name == b.$section.$name,
            ..setting!(of $section.$name, $value, $about)
        }
    };
    ($section:ident.$name:ident, $value:expr, at a start,
     $about:literal, |$given:ident| $read:expr) => {
        Setting {
            set: |draft, $given| {
                draft.$section.$name = $read;
                Ok(())
            },
            same: |a, b| a.$section.$name == b.$section.$name,
            keep: Some(|to, from| to.$section.$name.clone_from(&from.$section.$name)),
            ..setting!(of $section.$name, $value, $about)
        }
    };
    (of $section:ident.$name:ident, $value:expr, $about:literal) => {
        Setting {
            section: stringify!($section),
            name: stringify!($name),
            about: $about,
            value: $value,
            set: |_, _| Ok(()),
            same: |_, _| true,
            keep: None,
        }
    };
}

/// Every setting, in the order of the example.
pub const SETTINGS: &[Setting] = &[
    setting!(
        component.jid,
        Value::Required("\"private.example.org\""),
        by |config| &config.component.jid,
        "The name that the router knows this component by.",
        |given| {
            let expected = "the component's domain alone, such as \"private.example.org\"";
            Some(given.text(expected, domain)?.into())
        }
    ),
    setting!(
        component.server,
        Value::Default("\"127.0.0.1:5347\""),
        by |config| &config.component.server,
        "Where the router listens for components: host:port, or a socket on this machine, such as \
         \"unix:/run/ejabberd/component.sock\".",
        |given| {
            let expected = "host:port, such as \"127.0.0.1:5347\" or \"[::1]:5347\", \
                            or a socket's path, such as \"unix:/run/ejabberd/component.sock\"";
            given.text(expected, Endpoint::parse)?
        }
    ),
    setting!(
        component.tls,
        Value::Default("\"off\""),
        by |config| config.component.tls.is_some(),
        "\"on\": the link is encrypted with TLS, where the router listens for that; one of the system's \
         trusted authorities must have signed its certificate. \"off\": keep the link on one machine or \
         one private network.",
        |given| given.choice(&[("off", false), ("on", true)])?
    ),
    setting!(
        component.tls_ca_file,
        Value::Sample("\"/etc/xmpp-private-storage/ca.pem\""),
        by |config| tls(config).and_then(Tls::ca_file),
        "With tls = \"on\": the authorities that must have signed it, in PEM, instead of the system's.",
        |given| Some(given.text("the path of a file", path)?)
    ),
    setting!(
        component.tls_pin_sha256,
        Value::Sample(
            "\"00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\""
        ),
        by |config| tls(config).and_then(Tls::pin),
        "Or the one certificate that it must be, whatever its name and dates, by its fingerprint: \
         openssl x509 -noout -fingerprint -sha256 -in FILE",
        |given| {
            let expected = "the SHA-256 fingerprint of a certificate: 64 hexadecimal digits, \
                            with or without colons";
            Some(given.text(expected, Fingerprint::parse)?)
        }
    ),
    setting!(
        component.tls_name,
        Value::Sample("\"example.org\""),
        by |config| tls(config).map(|tls| &tls.name),
        "The name that it must have, where that is not the host of server.",
        |given| {
            let expected = "the name that the router's certificate has, such as \"example.org\"";
            Some(given.text(expected, link::certificate_name)?)
        }
    ),
    setting!(
        component.secret,
        Value::Required("\"change me\""),
        by |config| config.component.secret.expose_secret(),
        "The same as in the router's configuration. Keep this file to yourself: chmod 600.",
        |given| {
            // Whether it will do is for `secret` to say, once it is known which one counts.
            let expected = "the secret as a text in quotes";
            Some(given.text(expected, |text| Some(text.into()))?)
        }
    ),
    setting!(
        component.secret_file,
        Value::Sample("\"secret\""),
        by |_config| "what counts is the secret, wherever it comes from",
        "Or a file (no pipe) that holds it, instead; systemd's credentials are found by their name.",
        |given| Some(given.text("the path of a file", path)?)
    ),
    setting!(
        component.ping_seconds,
        Value::Default("60"),
        by |config| config.component.ping,
        "After so many seconds without a word from the router, it is asked whether it is still there; \
         after twice as many, the link is given up and made anew.",
        |given| given.whole(1..=3_600, "a number of seconds")?
    ),
    setting!(
        access.domains,
        Value::Required("[\"example.org\"]"),
        at once,
        "Whose users are served. Without this: the users of the parent domain of jid.",
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
                    expected: format!("{list}, or no such key: the parent domain of component.jid"),
                });
            }
            domains
        }
    ),
    setting!(
        access.admins,
        Value::Sample("[\"admin@example.org\"]"),
        at once,
        "Who may see how much each user keeps, and delete it, by ad-hoc command in a client: addresses of \
         accounts, of any domain.",
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
        "Which domains have to delegate their private storage to us, or else the service is not ready and \
         `check --connect` fails: \"optional\": one of them; \"required\": every one; \"none\": no domain \
         does, since users ask the component by its own address.",
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
        "\"accept\" for old clients that keep data in namespaces which XEP-0049 reserves (jabber:…, \
         http://jabber.org/…, vcard-temp).",
        |given| given.choice(&[
            ("refuse", ReservedNamespaces::Refuse),
            ("accept", ReservedNamespaces::Accept),
        ])?
    ),
    setting!(
        limits.max_stanza_bytes,
        Value::Default("1048576"),
        at once,
        "One stanza. Routers have limits of their own, usually lower.",
        // RFC 6120, section 13.12, asks for no less.
        |given| given.whole(10_000..=64 << 20, BYTES)?
    ),
    setting!(
        limits.max_namespace_bytes,
        Value::Default("393216"),
        at once,
        "What one user keeps in one namespace. All of it is sent in one answer, which the router must let \
         through: Prosody breaks the link over 524288.",
        |given| given.whole(1 << 10..=64 << 20, BYTES)?
    ),
    setting!(
        limits.max_user_bytes,
        Value::Default("10485760"),
        at once,
        "What one user keeps altogether, in bytes and in elements: so that nobody fills the disk.",
        |given| given.whole(1 << 10..=1 << 40, BYTES)?
    ),
    setting!(
        limits.max_user_elements,
        Value::Default("1000"),
        at once,
        "",
        |given| given.whole(1..=1_000_000, "a number of elements")?
    ),
    setting!(
        limits.max_depth,
        Value::Default("256"),
        at once,
        "How deep an element may nest. No known client comes near.",
        // ejabberd itself dies of 3,500.
        |given| given.whole(16..=1_024, "a number of levels")?
    ),
    setting!(
        limits.max_open_bytes,
        Value::Default("33554432"),
        at once,
        "What may be under way at once, in bytes: requests that have no answer yet (all of them, and one \
         user's), and answers that the router has not taken. Over a user's share, requests are refused; \
         over the others, nothing more is read from the router for a moment. Memory stays within these.",
        |given| given.whole(1 << 20..=64 << 30, BYTES)?
    ),
    setting!(
        limits.max_user_open_bytes,
        Value::Default("4194304"),
        at once,
        "",
        |given| given.whole(1 << 10..=64 << 30, BYTES)?
    ),
    setting!(
        limits.max_unsent_bytes,
        Value::Default("8388608"),
        at once,
        "",
        |given| given.whole(1 << 20..=64 << 30, BYTES)?
    ),
    setting!(
        bookmarks.mode,
        Value::Default("\"pep\""),
        at once,
        "\"pep\": on each domain whose server grants us PEP (`print-config` prints how), the room bookmarks \
         of old clients (storage:bookmarks) and those of modern ones (XEP-0402) are kept in step. Where it \
         does not, and with \"off\": private storage stands alone.",
        |given| given.choice(&[("pep", BookmarksMode::Pep), ("off", BookmarksMode::Off)])?
    ),
    setting!(
        bookmarks.max_rooms,
        Value::Default("250"),
        at once,
        "While they are kept in step, bookmarks with more rooms than this are refused: Prosody keeps 256 \
         (its pep_max_items), ejabberd 1000, and then the oldest are dropped without a word.",
        |given| given.whole(1..=10_000, "a number of rooms")?
    ),
    setting!(
        storage.path,
        Value::Default("\"data\""),
        at a start,
        "The folder of the database, relative to the working directory. Must be on a local disk.",
        |given| given.text("the path of a folder", path)?
    ),
    setting!(
        storage.cache_bytes,
        Value::Default("67108864"),
        at a start,
        "Memory for what was read lately. More helps where many users come back all the time.",
        |given| given.whole(1 << 20..=64 << 30, BYTES)?
    ),
    setting!(
        storage.compact_above_bytes,
        Value::Default("134217728"),
        at a start,
        "The database is written anew, in the background, when its file is larger than three times what \
         lives in it, and this. Less saves space on a small disk; sets take a little longer meanwhile.",
        |given| given.whole(1 << 20..=1 << 40, BYTES)?
    ),
    setting!(
        log.level,
        Value::Default("\"info\""),
        at once,
        "error, warn, info, debug or trace; or by part: \"info,xmpp_private_storage::link=debug\".",
        |given| {
            let expected = "a level (\"error\", \"warn\", \"info\", \"debug\", \"trace\", \"off\") \
                            or target=level, several separated by commas";
            given.text(expected, filter)?
        }
    ),
    setting!(
        log.format,
        Value::Default("\"text\""),
        at a start,
        "\"json\" for programs that collect logs.",
        |given| given.choice(&[("text", LogFormat::Text), ("json", LogFormat::Json)])?
    ),
    setting!(
        http.listen,
        Value::Sample("\"127.0.0.1:9547\""),
        at a start,
        "Where /livez, /readyz and /metrics (for Prometheus) are answered, to whoever can reach it: keep it \
         on one machine or one private network. Nowhere, without this.",
        |given| {
            let expected = "address:port, such as \"127.0.0.1:9547\" or \"[::1]:9547\"";
            Some(given.text(expected, address)?)
        }
    ),
    setting!(
        disco.contact,
        Value::Sample("[\"mailto:admin@example.org\"]"),
        at once,
        "Where users reach you: mailto:, xmpp: or https: addresses. Anybody may ask for them.",
        |given| {
            let list = "a list of addresses, such as [\"mailto:admin@example.org\"]";
            given.list(list, "an address with mailto:, xmpp: or https: before it", contact)?
        }
    ),
    setting!(
        disco.os,
        Value::Sample("\"Debian 13\""),
        at once,
        "The operating system that is told to whoever asks. Nobody needs it.",
        |given| Some(given.text("a text of one line, such as \"Debian 13\"", line)?)
    ),
];

/// The defaults: what counts where nothing is given.
pub(super) fn defaults() -> Draft {
    let mut draft = Draft::default();
    for setting in SETTINGS {
        if let Value::Default(value) = setting.value {
            // A test sees that each is taken.
            let _ = (setting.set)(&mut draft, &Given::Variable(value.trim_matches('"')));
        }
    }
    draft
}

const BYTES: &str = "a number of bytes";

fn tls(config: &Config) -> Option<&Tls> {
    config.component.tls.as_ref()
}

/// Normalised as servers normalise it, so that it can be compared with what they send.
fn domain(text: &str) -> Option<DomainPart> {
    // `jid` would take some of these, for it judges a domain that was cut out of an address.
    let stray = |c: char| c.is_whitespace() || c.is_control() || "\"&'/<>@\\".contains(c);
    // The dot at the end of a domain's name in the DNS is no part of an address, and servers that
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
