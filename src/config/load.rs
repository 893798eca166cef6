//! From the file and the environment to one checked [`Config`].

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jid::BareJid;
use secrecy::SecretString;

use super::draft::{DOMAINS, Draft, JID, MAX_NAMESPACE_BYTES};
use super::environment::{CONFIG, Environment};
use super::error::ConfigError;
use super::read::{Text, absolute, read};
use super::secret::Sources;
use super::types::{Access, Component, Config, Engine, Source};
use super::{engine, file, table, trust};

/// Where a configuration file is looked for when nobody names one, in this order.
const PLACES: [&str; 2] = [
    "./component.toml",
    "/etc/xmpp-private-storage/component.toml",
];

impl Config {
    /// Reads the configuration from the first of: the file that is named `explicit`ly, the one that
    /// `$PRIVATE_STORAGE_CONFIG` names, `./component.toml`, and
    /// `/etc/xmpp-private-storage/component.toml`. Without any, the environment has to say it all.
    /// A file that is named must be there.
    ///
    /// `environment` is usually [`std::env::vars_os`]. The twin of each key in it wins over the
    /// file; a variable that is set to nothing counts as not set.
    ///
    /// # Errors
    ///
    /// When something that must be known is missing, unknown, or not as it must be: every such
    /// mistake, one a line.
    pub fn load<K, V>(
        explicit: Option<&Path>,
        environment: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Config, ConfigError>
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        let environment = Environment::new(environment);
        load_from_places(explicit, &environment, Needs::Secret)
    }

    /// The same for what never logs in to a server: the secret is not looked for, and empty. An
    /// administrator's shell has no credential of the service manager's.
    ///
    /// # Errors
    ///
    /// As [`Config::load`], but none about the secret.
    pub fn load_without_secret<K, V>(
        explicit: Option<&Path>,
        environment: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Config, ConfigError>
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        let environment = Environment::new(environment);
        load_from_places(explicit, &environment, Needs::Nothing)
    }

    /// The same for what looks whether a service could use it, beside that service: systemd's credentials,
    /// which are handed to the service alone, are not looked for, nor what may be one of them.
    ///
    /// # Errors
    ///
    /// As [`Config::load`].
    pub fn load_beside_service<K, V>(
        explicit: Option<&Path>,
        environment: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Config, ConfigError>
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        let environment = Environment::new(environment);
        load_from_places(explicit, &environment, Needs::SecretIfAtHand)
    }
}

/// What is looked for beside the settings.
#[derive(Clone, Copy)]
pub(super) enum Needs {
    Secret,
    /// If it is in the configuration, or in a file that cannot be a credential.
    SecretIfAtHand,
    Nothing,
}

impl Needs {
    fn secret(self, draft: &Draft) -> bool {
        let component = &draft.component;
        match self {
            Self::Secret => true,
            Self::SecretIfAtHand => {
                let file = component.secret_file.as_deref();
                component.secret.is_some() || file.is_some_and(Path::is_absolute)
            }
            Self::Nothing => false,
        }
    }

    /// Whether the configuration is of no use without the database's password.
    pub(super) fn password(self, draft: &Draft) -> bool {
        match self {
            Self::Secret => true,
            Self::SecretIfAtHand => {
                let given = &draft.storage.postgres;
                let file = given.password_file.as_deref();
                given.password.is_some() || file.is_none_or(Path::is_absolute)
            }
            Self::Nothing => false,
        }
    }
}

fn load_from_places(
    explicit: Option<&Path>,
    environment: &Environment,
    needs: Needs,
) -> Result<Config, ConfigError> {
    load(explicit, environment, &PLACES.map(Path::new), needs)
}

pub(super) fn load(
    explicit: Option<&Path>,
    environment: &Environment,
    places: &[&Path],
    needs: Needs,
) -> Result<Config, ConfigError> {
    let file = find(explicit, environment, places).map_err(|message| ConfigError(vec![message]))?;
    // What follows judges the whole: with a part refused, it would speak of what nobody has said.
    let mut draft = drafted(file.as_ref(), environment)?;
    let mut wrong = Vec::new();
    let (source, text) = match file {
        Some((path, text)) => (Source::File(path), Some(text)),
        None => (Source::Environment, None),
    };
    let mut warnings = Vec::from_iter(environment.warning());
    let jid = draft
        .component
        .jid
        .take()
        .ok_or_else(|| no_jid(&source, places));
    if source == Source::Environment && jid.is_err() {
        // Nothing is configured yet: one thing to say, not three.
        wrong.extend(jid.err());
        return Err(ConfigError(wrong));
    }
    let tls = trust::of_link(&mut draft);
    let sources = Sources {
        environment,
        file: text.as_ref(),
    };
    let secret = if needs.secret(&draft) {
        sources.secret(&mut draft, &mut warnings)
    } else {
        Ok(SecretString::default())
    };
    let domains = jid.as_ref().ok().map(|jid| domains(&mut draft, jid));
    let namespace = fit_namespace(&mut draft);
    let storage = engine::find(&mut draft, &sources, needs, &mut warnings);
    match (jid, tls, secret, domains, namespace, storage) {
        (Ok(jid), Ok(tls), Ok(secret), Some(Ok(domains)), Ok(()), Ok(storage)) => Ok(Config {
            component: Component {
                jid,
                server: draft.component.server,
                tls,
                ping: Duration::from_secs(draft.component.ping_seconds),
                standby_retry: matches!(storage.engine, Engine::Postgres(_))
                    .then(|| Duration::from_secs(draft.component.standby_retry_seconds)),
                secret,
            },
            access: Access {
                domains,
                ..draft.access
            },
            limits: draft.limits,
            bookmarks: draft.bookmarks,
            storage,
            log: draft.log,
            http: draft.http,
            disco: draft.disco,
            source,
            warnings,
        }),
        (jid, tls, secret, domains, namespace, storage) => {
            wrong.extend(jid.err());
            wrong.extend(tls.err());
            wrong.extend(secret.err());
            wrong.extend(domains.and_then(Result::err));
            wrong.extend(namespace.err());
            wrong.extend(storage.err().into_iter().flatten());
            Err(ConfigError(wrong))
        }
    }
}

/// What was given, each value by itself as it must be.
fn drafted(
    file: Option<&(PathBuf, Text)>,
    environment: &Environment,
) -> Result<Draft, ConfigError> {
    let mut draft = table::defaults();
    let mut wrong = Vec::new();
    if let Some((path, text)) = file {
        wrong.extend(file::apply(&mut draft, path, &text.text));
    }
    wrong.extend(environment.apply(&mut draft));
    match wrong.is_empty() {
        true => Ok(draft),
        false => Err(ConfigError(wrong)),
    }
}

/// The configuration file, if there is one.
fn find(
    explicit: Option<&Path>,
    environment: &Environment,
    places: &[&Path],
) -> Result<Option<(PathBuf, Text)>, String> {
    let unreadable = |path: &Path, by: &str, error| {
        format!(
            "{}: cannot read the configuration{by}: {error}",
            absolute(path).display()
        )
    };
    if let Some(path) = explicit {
        let text = read(path).map_err(|error| unreadable(path, " that --config names", error))?;
        return Ok(Some((absolute(path), text)));
    }
    if let Some(path) = environment.config() {
        let by = format!(" that {CONFIG} names");
        let text = read(path).map_err(|error| unreadable(path, &by, error))?;
        return Ok(Some((absolute(path), text)));
    }
    for path in places {
        match read(path) {
            Ok(text) => return Ok(Some((absolute(path), text))),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            // It is there, so it is meant: to go on without it would be a surprise.
            Err(error) => return Err(unreadable(path, "", error)),
        }
    }
    Ok(None)
}

fn no_jid(source: &Source, places: &[&Path]) -> String {
    match source {
        Source::File(path) => format!(
            "{}: component.jid is not set: expected the component's domain as jid under [component], \
             or as PRIVATE_STORAGE_COMPONENT_JID",
            path.display()
        ),
        Source::Environment => {
            let places: Vec<String> = places
                .iter()
                .map(|it| absolute(it).display().to_string())
                .collect();
            format!(
                "nothing is configured: found no {}, and neither {CONFIG} nor \
                 PRIVATE_STORAGE_COMPONENT_JID is set; copy component.example.toml to component.toml \
                 and edit it, or name your file with --config",
                places.join(" and no ")
            )
        }
    }
}

/// The domains to serve: those that were given, or the parent of our own.
fn domains(draft: &mut Draft, jid: &BareJid) -> Result<Vec<String>, String> {
    let own = jid.as_str();
    let domains = std::mem::take(&mut draft.access.domains);
    // No server gives us a domain and keeps users of the same name; it is somebody's mistake.
    if domains.iter().any(|domain| domain == own) {
        let what =
            format!("found \"{own}\", which is component.jid, expected the domains of its users");
        return Err(draft.told(DOMAINS, &what));
    }
    if !domains.is_empty() {
        return Ok(domains);
    }
    match own.split_once('.') {
        Some((_, parent)) => Ok(vec![parent.to_owned()]),
        None => {
            let what = format!(
                "found \"{own}\", which has no parent domain, \
                 expected access.domains to say whose users are served"
            );
            Err(draft.told(JID, &what))
        }
    }
}

/// One namespace cannot hold more than the whole. Whoever lowers the whole has lowered the default
/// of the part with it.
fn fit_namespace(draft: &mut Draft) -> Result<(), String> {
    let limits = &mut draft.limits;
    if limits.max_namespace_bytes <= limits.max_user_bytes {
        return Ok(());
    }
    if !draft.places.contains_key(&MAX_NAMESPACE_BYTES) {
        limits.max_namespace_bytes = limits.max_user_bytes;
        return Ok(());
    }
    let what = format!(
        "found {}, expected at most limits.max_user_bytes, which is {}",
        limits.max_namespace_bytes, limits.max_user_bytes
    );
    Err(draft.told(MAX_NAMESPACE_BYTES, &what))
}
