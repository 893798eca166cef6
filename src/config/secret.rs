//! Where the secret and the database's password come from, and whether they will do.
//!
//! The secret, in this order: `component.secret` or `component.secret_file` (one of the two), then the
//! file `secret` that systemd hands over (`LoadCredential=secret:…`). The password: one of the two
//! settings alone. No message ever shows them.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::draft::{Draft, Id, PASSWORD, PASSWORD_FILE, Place, SECRET, SECRET_FILE};
use super::environment::Environment;
use super::read::{Text, absolute, read};

/// What the example says, which is no secret.
const PLACEHOLDER: &str = "change me";

/// What can be given itself or by a file, in words.
struct Kind {
    value: Id,
    file: Id,
    name: &'static str,
    /// Which one it is.
    meant: &'static str,
}

const OF_COMPONENT: Kind = Kind {
    value: SECRET,
    file: SECRET_FILE,
    name: "secret",
    meant: "the one that the server has for this component",
};

const OF_DATABASE: Kind = Kind {
    value: PASSWORD,
    file: PASSWORD_FILE,
    name: "password",
    meant: "the one that the database has for this user",
};

/// Where is looked.
pub(super) struct Sources<'a> {
    pub environment: &'a Environment,
    /// The configuration file.
    pub file: Option<&'a Text>,
}

impl Sources<'_> {
    /// Finds the secret. Adds to `warnings` what stops nothing.
    pub fn secret(
        &self,
        draft: &mut Draft,
        warnings: &mut Vec<String>,
    ) -> Result<SecretString, String> {
        let given = &mut draft.component;
        let given = (given.secret.take(), given.secret_file.take());
        match self.find(&OF_COMPONENT, given, draft, warnings)? {
            Some(secret) => Ok(secret),
            None => handed_over(self.environment, warnings),
        }
    }

    /// Finds the password, if one was given. Adds to `warnings` what stops nothing.
    pub fn password(
        &self,
        draft: &mut Draft,
        warnings: &mut Vec<String>,
    ) -> Result<Option<SecretString>, String> {
        let given = &mut draft.storage.postgres;
        let given = (given.password.take(), given.password_file.take());
        self.find(&OF_DATABASE, given, draft, warnings)
    }

    fn find(
        &self,
        kind: &Kind,
        given: (Option<SecretString>, Option<PathBuf>),
        draft: &Draft,
        warnings: &mut Vec<String>,
    ) -> Result<Option<SecretString>, String> {
        let found = match given {
            (Some(_), Some(_)) => return Err(draft.told_of_both(kind.value, kind.file)),
            (Some(secret), None) => {
                if let Some(what) = kind.unfit(&secret) {
                    return Err(draft.told(kind.value, &what));
                }
                let place = draft.places.get(&kind.value);
                if let (Some(Place::File { .. }), Some(file)) = (place, self.file) {
                    warnings.extend(file.guard(kind.name)?);
                }
                secret
            }
            (None, Some(path)) => {
                let read = self.look_for(&path, kind);
                let secret = read.and_then(|(path, text)| from_file(&path, &text, kind, warnings));
                secret.map_err(|what| draft.told(kind.file, &what))?
            }
            (None, None) => return Ok(None),
        };
        Ok(Some(found))
    }

    /// Reads the first of its [places](Self::places) that is there.
    fn look_for(&self, path: &Path, kind: &Kind) -> Result<(PathBuf, Text), String> {
        let places = self.places(path);
        for place in &places {
            match read(place) {
                Ok(text) => return Ok((absolute(place), text)),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => {
                    let place = absolute(place);
                    return Err(format!("cannot read {}: {error}", place.display()));
                }
            }
        }
        let shown = places.iter().map(|it| absolute(it).display().to_string());
        let found = match shown.collect::<Vec<_>>().as_slice() {
            [place] => format!("no {place}"),
            places => format!("neither {}", places.join(" nor ")),
        };
        let what = kind.name;
        Err(format!(
            "found {found}, expected a file that holds the {what}"
        ))
    }

    /// Where a path may lead, no place twice. A relative one is looked for among systemd's credentials first: their
    /// folder has another name each time, which no file could give. Commands are not handed any, and may be run in
    /// any folder, so it is looked for beside the configuration file as well.
    fn places(&self, path: &Path) -> Vec<PathBuf> {
        if path.is_absolute() {
            return vec![path.to_owned()];
        }
        let credentials = self.environment.credentials();
        let beside = self.file.and_then(Text::folder);
        let within = |folder: Option<&Path>| folder.map(|folder| folder.join(path));
        let all = [within(credentials), Some(path.to_owned()), within(beside)];
        let mut places: Vec<PathBuf> = Vec::new();
        for place in all.into_iter().flatten() {
            if !places.iter().any(|it| absolute(it) == absolute(&place)) {
                places.push(place);
            }
        }
        places
    }
}

/// What systemd has handed over, where nothing else names a secret.
fn handed_over(
    environment: &Environment,
    warnings: &mut Vec<String>,
) -> Result<SecretString, String> {
    if let Some(folder) = environment.credentials() {
        let path = folder.join("secret");
        match read(&path) {
            Ok(text) => return from_file(&path, &text, &OF_COMPONENT, warnings),
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

fn from_file(
    path: &Path,
    text: &Text,
    kind: &Kind,
    warnings: &mut Vec<String>,
) -> Result<SecretString, String> {
    // Editors and `echo` end a file with a newline that nobody means. A second one is meant.
    let secret = text
        .text
        .strip_suffix('\n')
        .map_or(&*text.text, |line| line.strip_suffix('\r').unwrap_or(line));
    let secret = SecretString::from(secret);
    if let Some(what) = kind.unfit(&secret) {
        return Err(format!("{}: {what}", path.display()));
    }
    warnings.extend(text.guard(kind.name)?);
    Ok(secret)
}

impl Kind {
    /// Why a secret will not do.
    fn unfit(&self, secret: &SecretString) -> Option<String> {
        let found = match secret.expose_secret() {
            "" => format!("an empty {}", self.name),
            PLACEHOLDER => format!("the example's {PLACEHOLDER:?}"),
            _ => return None,
        };
        Some(format!("found {found}, expected {}", self.meant))
    }
}
