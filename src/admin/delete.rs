//! `delete`: all that one user, or everybody of a domain, has stored.

use std::process::ExitCode;

use super::data::{self, Data, told};
use super::removal::{Removal, ask};
use crate::address::{self, Sender};
use crate::config::Config;
use crate::exit;
use crate::logs;
use crate::store::{Amount, Owner};

/// Whose data it is about.
#[derive(Debug, Clone)]
pub enum Whose {
    /// One user's, of this JID.
    User(String),
    /// Everybody's of this domain.
    Domain(String),
}

impl Whose {
    /// What the command line says: a JID, or else a domain.
    pub fn of(jid: Option<String>, domain: Option<String>) -> Self {
        match jid {
            Some(jid) => Self::User(jid),
            None => Self::Domain(domain.unwrap_or_default()),
        }
    }
}

/// Deletes it: `yes` without asking, `compact` from the store's files as well.
pub fn run(config: &Config, whose: &Whose, yes: bool, compact: bool) -> ExitCode {
    execute(config, whose, yes, compact).unwrap_or_else(ExitCode::from)
}

fn execute(config: &Config, whose: &Whose, yes: bool, compact: bool) -> Result<ExitCode, u8> {
    let removal;
    let data;
    match whose {
        Whose::User(jid) => {
            let owner = match address::sender(jid) {
                Sender::User(owner, _) if !jid.contains('/') => Owner::new(&owner),
                _ => None,
            };
            let Some(owner) = owner else {
                logs::error(format_args!(
                    "{jid:?} is not a user's address; one looks like alice@example.org"
                ));
                return Err(exit::USAGE);
            };
            data = data::open(config)?;
            removal = of_user(&data, owner);
        }
        Whose::Domain(domain) => {
            let domain = self::domain(domain)?;
            data = data::open(config)?;
            removal = of_domain(&data, &domain)?;
        }
    }
    if removal.owners() == 0 {
        match whose {
            Whose::User(jid) => logs::error(format_args!("{jid} has nothing stored")),
            Whose::Domain(domain) => {
                logs::error(format_args!("no user of {domain} has anything stored"))
            }
        }
        return Err(exit::NO_USER);
    }
    if !yes {
        match whose {
            Whose::User(jid) => ask(format_args!("all that {jid} has stored ({removal})"))?,
            Whose::Domain(domain) => {
                ask(format_args!(
                    "all that users of {domain} have stored ({removal})"
                ))?;
            }
        }
    }
    Ok(removal.execute(&data, compact))
}

/// A domain as the owners have it.
///
/// # Errors
///
/// With the exit code, when it is none; that is printed.
pub fn domain(domain: &str) -> Result<String, u8> {
    address::domain_name(domain)
        .map(|domain| domain.into_owned())
        .ok_or_else(|| {
            logs::error(format_args!(
                "{domain:?} is not a domain; one looks like example.org"
            ));
            exit::USAGE
        })
}

/// All owners of a domain.
///
/// # Errors
///
/// With the exit code, when the store cannot be read; why is printed.
pub fn of_domain(data: &Data, domain: &str) -> Result<Removal, u8> {
    let mut removal = Removal::default();
    let known = data.for_each(&mut |owner, amount| {
        let of_it = owner.as_str().rsplit_once('@').map(|(_, domain)| domain) == Some(domain);
        if of_it {
            removal.add(owner, amount);
        }
    });
    known.map_err(|trouble| told(&trouble))?;
    removal.sort();
    Ok(removal)
}

/// What cannot be read can be removed all the same.
fn of_user(data: &Data, owner: Owner) -> Removal {
    let mut removal = Removal::default();
    let mut amount = Amount::default();
    let has_any = match data.document(&owner) {
        Ok(document) => {
            for entry in &document.owner_data.entries {
                amount.bytes += entry.value.text.len() as u64;
                amount.elements += u64::from(entry.value.elements);
            }
            // A note would be taken for one about the next who has this address.
            document.note.is_some()
                || !document.owner_data.entries.is_empty()
                || !document.owner_data.damaged.is_empty()
        }
        Err(_) => true,
    };
    if has_any {
        removal.add(owner, amount);
    }
    removal
}
