//! Where the secret comes from, and whether it will do.
//!
//! In this order: `component.secret` or `component.secret_file` (one of the two), then the file
//! `secret` that systemd hands over (`LoadCredential=secret:…`). No message ever shows it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::draft::{Draft, Place, SECRET, SECRET_FILE};
use super::environment::Environment;
use super::read::{Text, absolute, read};

/// What the example says, which is no secret.
const PLACEHOLDER: &str = "change me";

/// Finds the secret; `file` is the configuration file. Adds to `warnings` what stops nothing.
pub(super) fn find(
    draft: &mut Draft,
    environment: &Environment,
    file: Option<&Text>,
    warnings: &mut Vec<String>,
) -> Result<SecretString, String> {
    match (
        draft.component.secret.take(),
        draft.component.secret_file.take(),
    ) {
        (Some(_), Some(_)) => Err(both(draft)),
        (Some(secret), None) => {
            if let Some(what) = unfit(&secret) {
                return Err(draft.told(SECRET, what));
            }
            if let (Some(Place::File { .. }), Some(file)) = (draft.places.get(&SECRET), file) {
                warnings.extend(file.guard()?);
            }
            Ok(secret)
        }
        (None, Some(path)) => {
            let read = look_for(&path, environment.credentials());
            let secret = read.and_then(|(path, text)| from_file(&path, &text, warnings));
            secret.map_err(|what| draft.told(SECRET_FILE, &what))
        }
        (None, None) => handed_over(environment, warnings),
    }
}

fn both(draft: &Draft) -> String {
    let place = |id| draft.places.get(&id).map(Place::to_string);
    let places: Vec<String> = [SECRET, SECRET_FILE]
        .into_iter()
        .filter_map(place)
        .collect();
    format!(
        "{}: found both component.secret and component.secret_file, expected one of the two",
        places.join(" and ")
    )
}

/// A relative path is looked for among systemd's credentials first: their folder has another name
/// each time, which no file could give.
fn look_for(path: &Path, credentials: Option<&Path>) -> Result<(PathBuf, Text), String> {
    let credential = credentials
        .filter(|_| path.is_relative())
        .map(|folder| folder.join(path));
    let places = credential.iter().map(PathBuf::as_path).chain([path]);
    for candidate in places {
        match read(candidate) {
            Ok(text) => return Ok((absolute(candidate), text)),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                let path = absolute(candidate);
                return Err(format!("cannot read {}: {error}", path.display()));
            }
        }
    }
    let path = absolute(path);
    Err(match credential {
        Some(credential) => format!(
            "found neither {} nor {}, expected a file that holds the secret",
            credential.display(),
            path.display()
        ),
        None => format!(
            "found no {}, expected a file that holds the secret",
            path.display()
        ),
    })
}

/// What systemd has handed over, where nothing else names a secret.
fn handed_over(
    environment: &Environment,
    warnings: &mut Vec<String>,
) -> Result<SecretString, String> {
    if let Some(folder) = environment.credentials() {
        let path = folder.join("secret");
        match read(&path) {
            Ok(text) => return from_file(&path, &text, warnings),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
        }
    }
    Err(
        "component.secret is not set: expected the secret that the server has for this component, \
         as secret or secret_file under [component], or as PRIVATE_STORAGE_COMPONENT_SECRET or \
         PRIVATE_STORAGE_COMPONENT_SECRET_FILE"
            .to_owned(),
    )
}

fn from_file(path: &Path, text: &Text, warnings: &mut Vec<String>) -> Result<SecretString, String> {
    // Editors and `echo` end a file with a newline that nobody means. A second one is meant.
    let secret = text
        .text
        .strip_suffix('\n')
        .map_or(&*text.text, |line| line.strip_suffix('\r').unwrap_or(line));
    let secret = SecretString::from(secret);
    if let Some(what) = unfit(&secret) {
        return Err(format!("{}: {what}", path.display()));
    }
    warnings.extend(text.guard()?);
    Ok(secret)
}

/// Why a secret will not do.
fn unfit(secret: &SecretString) -> Option<&'static str> {
    match secret.expose_secret() {
        "" => {
            Some("found an empty secret, expected the one that the server has for this component")
        }
        PLACEHOLDER => Some(
            "found the example's \"change me\", expected the secret that the server has for this \
             component",
        ),
        _ => None,
    }
}
