//! The one table of what can be configured: what each setting is for, its default, what it accepts, and
//! whether it can change while the service runs.
//!
//! The file and the environment are read by this table, a reload compares by it, and
//! `component.example.toml`, the manual page and the reference are written from it: there is nowhere else
//! to add a setting (but its field in [`Config`]).

use std::fmt;
use std::path::{Path, PathBuf};

use jid::DomainPart;

use super::draft::{Draft, Id, Place, SECRETS, refusal};
use super::types::Config;
use super::value::{Given, Wrong};

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

// One for each section. Behind the macro, which they use.
mod access;
mod bookmarks;
mod component;
mod disco;
mod http;
mod limits;
mod log;
mod postgres;
mod storage;

/// In the order of the example.
const SECTIONS: [&[Setting]; 9] = [
    component::SETTINGS,
    access::SETTINGS,
    limits::SETTINGS,
    bookmarks::SETTINGS,
    storage::SETTINGS,
    postgres::SETTINGS,
    log::SETTINGS,
    http::SETTINGS,
    disco::SETTINGS,
];

/// Every setting, in the order of the example.
pub fn settings() -> impl Iterator<Item = &'static Setting> + Clone {
    SECTIONS.into_iter().flatten()
}

/// The defaults: what counts where nothing is given.
pub(super) fn defaults() -> Draft {
    let mut draft = Draft::default();
    for setting in settings() {
        if let Value::Default(value) | Value::PostgresDefault(value) = setting.value {
            // A test sees that each is taken.
            let _ = (setting.set)(&mut draft, &Given::Variable(value.trim_matches('"')));
        }
    }
    draft
}

const BYTES: &str = "a number of bytes";

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

fn path(text: &str) -> Option<PathBuf> {
    (!text.is_empty() && !text.contains('\0')).then(|| Path::new(text).to_owned())
}
