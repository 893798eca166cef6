//! The environment: each key's twin, and the three variables that say where to look.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::draft::{Draft, Id, Place, SECRETS};
use super::table::{Setting, settings};
use super::value::{Given, nearest};

const PREFIX: &str = "PRIVATE_STORAGE_";
pub(super) const CONFIG: &str = "PRIVATE_STORAGE_CONFIG";
/// The folder of a service's secrets, as systemd sets it (`LoadCredential=`).
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// The variables that concern us.
///
/// One that is set to nothing counts as not set: `NAME=${NAME:-}` is how compose files and unit
/// files pass on what nobody has decided.
pub(super) struct Environment(BTreeMap<String, OsString>);

impl Environment {
    pub fn new<K, V>(variables: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        let ours = variables.into_iter().filter_map(|(name, value)| {
            // A name that is no Unicode is none of ours.
            let name = name.into().into_string().ok()?;
            let value = value.into();
            let ours = name.starts_with(PREFIX) || name == CREDENTIALS;
            (ours && !value.is_empty()).then_some((name, value))
        });
        Environment(ours.collect())
    }

    /// The configuration file that the environment names.
    pub fn config(&self) -> Option<&Path> {
        self.0.get(CONFIG).map(Path::new)
    }

    /// The folder that systemd keeps the service's secrets in.
    pub fn credentials(&self) -> Option<&Path> {
        self.0.get(CREDENTIALS).map(Path::new)
    }

    /// Takes every twin's value into the draft; returns what is wrong.
    pub fn apply(&self, draft: &mut Draft) -> Vec<String> {
        // One of the two here replaces the other there: nobody has to unset what a file has set.
        let is_given = |id: Id| {
            let setting = settings().find(|it| it.id() == id);
            setting.is_some_and(|it| self.0.contains_key(&it.variable()))
        };
        for (secret, file) in SECRETS {
            if is_given(secret) || is_given(file) {
                draft.forget(secret);
            }
        }
        let set = settings().filter_map(|setting| {
            let (name, value) = self.0.get_key_value(&setting.variable())?;
            take(draft, setting, name, value).err()
        });
        set.collect()
    }

    /// One line that names all variables that look like ours and are not.
    pub fn warning(&self) -> Option<String> {
        let known: Vec<String> = settings()
            .map(Setting::variable)
            .chain([CONFIG.to_owned()])
            .collect();
        let unknown: Vec<String> = self
            .0
            .keys()
            .filter(|name| *name != CREDENTIALS && !known.contains(name))
            .map(|name| {
                // The prefix is not what somebody mistyped, and must not make all names alike.
                let bare = |name: &'_ str| name.trim_start_matches(PREFIX).to_owned();
                let names: Vec<String> = known.iter().map(|name| bare(name)).collect();
                match nearest(&bare(name), names.iter().map(String::as_str)) {
                    Some(meant) => format!("{name} (did you mean {PREFIX}{meant}?)"),
                    None => name.clone(),
                }
            })
            .collect();
        (!unknown.is_empty()).then(|| {
            let unknown = unknown.join(", ");
            format!("environment variables that mean nothing here: {unknown}")
        })
    }
}

fn take(draft: &mut Draft, setting: &Setting, name: &str, value: &OsStr) -> Result<(), String> {
    let value = value
        .to_str()
        .ok_or_else(|| format!("{name}: found bytes that are not UTF-8, expected text"))?;
    // White space around a secret is part of it; around anything else it is an accident.
    let value = match setting.is_secret() {
        true => value,
        false => value.trim(),
    };
    let place = Place::Variable(name.to_owned());
    setting.give(draft, &Given::Variable(value), place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str, value: &str) -> String {
        Environment::new([(name, value)])
            .apply(&mut crate::config::table::defaults())
            .join("\n")
    }

    #[test]
    fn values_are_refused_with_their_variable() {
        for (name, value, message) in [
            (
                "PRIVATE_STORAGE_COMPONENT_JID",
                "user@private.example.org",
                "found \"user@private.example.org\", \
                 expected the component's domain alone, such as \"private.example.org\"",
            ),
            (
                "PRIVATE_STORAGE_LIMITS_MAX_DEPTH",
                "many",
                "found \"many\", expected a number of levels from 16 to 1024",
            ),
            (
                "PRIVATE_STORAGE_LIMITS_MAX_DEPTH",
                "15",
                "found \"15\", expected a number of levels from 16 to 1024",
            ),
            (
                "PRIVATE_STORAGE_ACCESS_DOMAINS",
                "example.org,a@b",
                "found \"a@b\", expected a domain, such as \"example.org\"",
            ),
            (
                "PRIVATE_STORAGE_LOG_FORMAT",
                "xml",
                "found \"xml\", expected \"auto\" or \"text\" or \"journal\" or \"json\"",
            ),
        ] {
            assert_eq!(refused(name, value), format!("{name}: {message}"));
        }
    }

    #[cfg(unix)]
    #[test]
    fn bytes_that_are_no_text_are_refused_and_not_shown() {
        use std::os::unix::ffi::OsStringExt;
        let name = OsString::from("PRIVATE_STORAGE_COMPONENT_SECRET");
        let value = OsString::from_vec(b"s3cret\xff".to_vec());
        let refused =
            Environment::new([(name, value)]).apply(&mut crate::config::table::defaults());
        assert_eq!(
            refused,
            ["PRIVATE_STORAGE_COMPONENT_SECRET: found bytes that are not UTF-8, expected text"]
        );
    }

    #[test]
    fn empty_is_not_set() {
        assert_eq!(refused("PRIVATE_STORAGE_LIMITS_MAX_DEPTH", ""), "");
        let environment = Environment::new([(CONFIG, ""), (CREDENTIALS, "")]);
        assert_eq!(environment.config(), None);
        assert_eq!(environment.credentials(), None);
    }

    #[test]
    fn one_warning_names_all_that_is_unknown() {
        let environment = Environment::new([
            ("PRIVATE_STORAGE_PORT", "tcp://10.0.0.1:80"),
            ("PRIVATE_STORAGE_COMPONENT_SERCET", "s3cret"),
            ("PRIVATE_STORAGE_CONFIG", "component.toml"),
            ("PRIVATE_STORAGE_LOG_LEVEL", "info"),
            ("CREDENTIALS_DIRECTORY", "/run/credentials"),
            ("PATH", "/bin"),
        ]);
        assert_eq!(
            environment.warning().as_deref(),
            Some(
                "environment variables that mean nothing here: \
                 PRIVATE_STORAGE_COMPONENT_SERCET \
                 (did you mean PRIVATE_STORAGE_COMPONENT_SECRET?), PRIVATE_STORAGE_PORT"
            )
        );
        assert_eq!(Environment::new([("PATH", "/bin")]).warning(), None);
    }
}
