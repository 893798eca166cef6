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

use super::draft::{Draft, EngineName, Id, Place, SECRETS, refusal};
use super::types::{BookmarksMode, Config, Delegation, Engine, LogFormat, ReservedNamespaces};
use super::value::{Given, Wrong};
use crate::link::Endpoint;
use crate::link::{self, Fingerprint, Tls, Trust};

/// One thing that can be configured.
pub struct Setting {
    /// As in `[section]`.
    pub section: &'static str,
    /// As in `name = value`.
    pub name: &'static str,
    /// What it is for, in words that stand by themselves.
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
    /// A default that counts only with storage.engine = "postgres": without that it is not to be set.
    PostgresDefault(&'static str),
    /// There is no default, and none has to be set.
    Sample(&'static str),
}

impl Setting {
    pub fn variable(&self) -> String {
        let section = self.section.replace('.', "_");
        format!("PRIVATE_STORAGE_{section}_{}", self.name).to_uppercase()
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
        SECRETS.iter().any(|(secret, _)| *secret == self.id())
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
    ($section:ident.$part:ident.$name:ident, $value:expr, by |$config:ident| $compared:expr,
     $about:literal, |$given:ident| $read:expr) => {
        Setting {
            section: concat!(stringify!($section), ".", stringify!($part)),
            set: |draft, $given| {
                draft.$section.$part.$name = $read;
                Ok(())
            },
            ..setting!($section.$name, $value, by |$config| $compared, $about)
        }
    };
    ($section:ident.$name:ident, $value:expr, by |$config:ident| $compared:expr,
     $about:literal, |$given:ident| $read:expr) => {
        Setting {
            set: |draft, $given| {
                draft.$section.$name = $read;
                Ok(())
            },
            ..setting!($section.$name, $value, by |$config| $compared, $about)
        }
    };
    ($section:ident.$name:ident, $value:expr, by |$config:ident| $compared:expr, $about:literal) => {
        Setting {
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

// Behind the macro, which it uses.
mod postgres;

/// Every setting, in the order of the example.
pub const SETTINGS: &[Setting] = &[
    setting!(
        component.jid,
        Value::Required("\"private.example.org\""),
        by | config | &config.component.jid,
        "The name that the server knows this component by.",
        |given| {
            let expected = "the component's domain alone, such as \"private.example.org\"";
            Some(given.text(expected, domain)?.into())
        }
    ),
    setting!(
        component.server,
        Value::Default("\"127.0.0.1:5347\""),
        by | config | &config.component.server,
        "Where the server listens for components: host:port, or a socket on this machine, such as \
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
        by | config | config.component.tls.is_some(),
        "\"on\": the link is encrypted with TLS, which the server's port must expect; the server's \
         certificate must be signed by a CA that the system trusts, or be as component.tls_ca_file \
         or component.tls_pin_sha256 says. \"off\": the link is not encrypted: keep it on one \
         machine or one private network.",
        |given| given.choice(&[("off", false), ("on", true)])?
    ),
    setting!(
        component.tls_ca_file,
        Value::Sample("\"/etc/xmpp-private-storage/ca.pem\""),
        by | config | trust(config).and_then(Trust::ca_file),
        "A file with CA certificates in PEM: with TLS, one of them must have signed the server's \
         certificate, instead of one that the system trusts.",
        |given| Some(given.text("the path of a file", path)?)
    ),
    setting!(
        component.tls_pin_sha256,
        Value::Sample(
            "\"00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\""
        ),
        by | config | trust(config).and_then(Trust::pin),
        "The SHA-256 fingerprint of the one certificate that the server may have with TLS, \
         whatever its name, dates and signer. This prints it: openssl x509 -noout -fingerprint \
         -sha256 -in FILE",
        |given| {
            let expected = "the SHA-256 fingerprint of a certificate: 64 hexadecimal digits, \
                            with or without colons";
            Some(given.text(expected, Fingerprint::parse)?)
        }
    ),
    setting!(
        component.tls_name,
        Value::Sample("\"example.org\""),
        by | config | tls(config).map(|tls| &tls.name),
        "The name that the server's certificate must have with TLS, if that is not the host in \
         component.server.",
        |given| {
            let expected = "the name that the server's certificate has, such as \"example.org\"";
            Some(given.text(expected, link::certificate_name)?)
        }
    ),
    setting!(
        component.secret,
        Value::Required("\"change me\""),
        by | config | config.component.secret.expose_secret(),
        "The secret that the server's configuration has for this component. Keep the file that it \
         is in to yourself: chmod 600.",
        |given| {
            // Whether it will do is for `secret` to say, once it is known which one counts.
            let expected = "the secret as a string in quotes";
            Some(given.text(expected, |text| Some(text.into()))?)
        }
    ),
    setting!(
        component.secret_file,
        Value::Sample("\"secret\""),
        by | _config | "what counts is the secret, wherever it comes from",
        "A file that holds the secret, in place of component.secret. It must not be a pipe; \
         systemd's credentials are found by their name.",
        |given| Some(given.text("the path of a file", path)?)
    ),
    setting!(
        component.ping_seconds,
        Value::Default("60"),
        by | config | config.component.ping,
        "After this many seconds without a word from the server, it is asked whether it is still \
         there; after twice as many, the connection is given up and a new one is made.",
        |given| given.whole(1..=3_600, "a number of seconds")?
    ),
    setting!(
        component.standby_retry_seconds,
        Value::PostgresDefault("5"),
        by | config | config.component.standby_retry,
        "Only with storage.engine = \"postgres\", and on a server that lets one instance alone log \
         in, as Prosody does: after so many seconds an instance that stands by tries again. It takes \
         over so long, at most, after the active one has gone.",
        |given| given.whole(1..=60, "a number of seconds")?
    ),
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
    setting!(
        limits.max_stanza_bytes,
        Value::Default("1048576"),
        at once,
        "The longest stanza that is accepted. Servers have limits of their own, usually lower.",
        // RFC 6120, section 13.12, asks for no less.
        |given| given.whole(10_000..=64 << 20, BYTES)?
    ),
    setting!(
        limits.max_namespace_bytes,
        Value::Default("393216"),
        at once,
        "How much one user may keep in one namespace. All of it is sent in one answer, which the \
         server must let through: Prosody closes the connection if it is over 524288.",
        |given| given.whole(1 << 10..=64 << 20, BYTES)?
    ),
    setting!(
        limits.max_user_bytes,
        Value::Default("10485760"),
        at once,
        "How much one user may keep altogether, so that nobody fills the disk.",
        |given| given.whole(1 << 10..=1 << 40, BYTES)?
    ),
    setting!(
        limits.max_user_elements,
        Value::Default("1000"),
        at once,
        "How many elements one user may keep altogether.",
        |given| given.whole(1..=1_000_000, "a number of elements")?
    ),
    setting!(
        limits.max_depth,
        Value::Default("256"),
        at once,
        "How deeply elements may be nested. No known client comes near this.",
        // ejabberd itself dies of 3,500.
        |given| given.whole(16..=1_024, "a number of levels")?
    ),
    setting!(
        limits.max_open_bytes,
        Value::Default("33554432"),
        at once,
        "How much all requests that have no answer yet may take in memory. Over this, nothing more \
         is read from the server for a moment.",
        |given| given.whole(1 << 20..=64 << 30, BYTES)?
    ),
    setting!(
        limits.max_user_open_bytes,
        Value::Default("4194304"),
        at once,
        "How much the requests of one user that have no answer yet may take in memory. Over this, \
         more requests of that user are refused.",
        |given| given.whole(1 << 10..=64 << 30, BYTES)?
    ),
    setting!(
        limits.max_unsent_bytes,
        Value::Default("8388608"),
        at once,
        "How much the answers that the server has not taken yet may take in memory. Over this, \
         nothing more is read from the server for a moment.",
        |given| given.whole(1 << 20..=64 << 30, BYTES)?
    ),
    setting!(
        bookmarks.mode,
        Value::Default("\"pep\""),
        at once,
        "\"pep\": on each domain whose server gives the component access to PEP (XEP-0356; \
         `print-config` prints how), the room bookmarks of old clients (storage:bookmarks) and \
         those of modern ones (XEP-0402) are kept in step. On other domains, and with \"off\", \
         private storage stands alone.",
        |given| given.choice(&[("pep", BookmarksMode::Pep), ("off", BookmarksMode::Off)])?
    ),
    setting!(
        bookmarks.max_rooms,
        Value::Default("250"),
        at once,
        "Bookmarks with more rooms than this are refused while they are kept in step with PEP: \
         Prosody keeps 256 (its pep_max_items), ejabberd 1000, and both drop the oldest beyond \
         that without a word.",
        |given| given.whole(1..=10_000, "a number of rooms")?
    ),
    setting!(
        storage.engine,
        Value::Default("\"sled\""),
        by | config | engine(config),
        "\"sled\": the data is in a folder of this machine, for one instance; nothing else has to be \
         set up. \"postgres\": it is in a database server, which may have replicas, and several \
         instances may use it at once; what is in storage.postgres says where.",
        |given| given.choice(&[
            ("sled", EngineName::Sled),
            ("postgres", EngineName::Postgres),
        ])?
    ),
    setting!(
        storage.path,
        Value::Default("\"data\""),
        at a start,
        "The folder of the database, relative to the working directory. It must be on a local \
         disk. With \"postgres\" it has only the control socket and a lock, and is \
         /run/xmpp-private-storage if it is not set.",
        |given| given.text("the path of a folder", path)?
    ),
    setting!(
        storage.cache_bytes,
        Value::Default("67108864"),
        at a start,
        "Only with \"sled\": memory for data that was read recently. More helps if many users come \
         back all the time.",
        |given| given.whole(1 << 20..=64 << 30, BYTES)?
    ),
    setting!(
        storage.compact_above_bytes,
        Value::Default("134217728"),
        at a start,
        "Only with \"sled\": the database file is rewritten, in the background, when it is larger \
         than this plus three times the data that is still in use. Less saves space on a small disk; \
         while it is rewritten, sets take a little longer.",
        |given| given.whole(1 << 20..=1 << 40, BYTES)?
    ),
    postgres::HOSTS,
    postgres::DATABASE,
    postgres::USER,
    postgres::PASSWORD,
    postgres::PASSWORD_FILE,
    postgres::TLS,
    postgres::TLS_CA_FILE,
    postgres::TLS_PIN_SHA256,
    postgres::TLS_NAME,
    postgres::CONNECTIONS,
    postgres::REQUIRE_SYNCHRONOUS,
    setting!(
        log.level,
        Value::Default("\"info\""),
        at once,
        "Which log lines are written: error, warn, info, debug or trace; or by part of the \
         program: \"info,xmpp_private_storage::link=debug\".",
        |given| {
            let expected = "a level (\"error\", \"warn\", \"info\", \"debug\", \"trace\", \"off\") \
                            or target=level, several separated by commas";
            given.text(expected, filter)?
        }
    ),
    setting!(
        log.format,
        Value::Default("\"auto\""),
        at a start,
        "How log lines are written: \"text\" for people; \"journal\" for systemd's journal, with a \
         priority, and without the time, which the journal has itself; \"json\" for programs that \
         collect logs; \"auto\": \"journal\" if standard error is connected to the journal, \
         otherwise \"text\".",
        |given| given.choice(&[
            ("auto", LogFormat::Auto),
            ("text", LogFormat::Text),
            ("journal", LogFormat::Journal),
            ("json", LogFormat::Json),
        ])?
    ),
    setting!(
        http.listen,
        Value::Sample("\"127.0.0.1:9547\""),
        at a start,
        "The address and port at which a page for browsers, /livez, /readyz and /metrics (for \
         Prometheus) are answered, to anybody who can reach it: keep it on one machine or one \
         private network. Without this, there is none.",
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
        "The operating system that is named to anybody who asks. Nobody needs it.",
        |given| Some(given.text("one line of text, such as \"Debian 13\"", line)?)
    ),
];

/// The defaults: what counts where nothing is given.
pub(super) fn defaults() -> Draft {
    let mut draft = Draft::default();
    for setting in SETTINGS {
        if let Value::Default(value) | Value::PostgresDefault(value) = setting.value {
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

fn trust(config: &Config) -> Option<&Trust> {
    tls(config).map(|tls| &tls.trust)
}

fn engine(config: &Config) -> EngineName {
    match config.storage.engine {
        Engine::Sled => EngineName::Sled,
        Engine::Postgres(_) => EngineName::Postgres,
    }
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
