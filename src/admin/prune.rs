//! `prune`: what users of a domain have stored whose accounts are gone. The server's own list says
//! who has one.
//!
//! Whoever registers and stores something while this runs must not lose it. So the owners are read
//! first and the list behind them: who is on neither side is not touched. A list made before could
//! lack somebody who is new.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::ExitCode;

use super::data;
use super::delete;
use super::format::count;
use super::removal::say;
use crate::address::{self, Sender};
use crate::config::Config;
use crate::exit;

/// The longest line of a list: an address of the longest parts.
const MAX_LINE_BYTES: u64 = 4096;

/// How it is to be done.
#[derive(Debug, Clone, Copy)]
pub struct How {
    /// Remove, not only show.
    pub yes: bool,
    /// Even more than half of the owners.
    pub force: bool,
    /// From the store's files as well.
    pub compact: bool,
}

/// Removes, or shows, the owners of `domain` that the list in `registered` does not have.
pub fn run(config: &Config, domain: &str, registered: &Path, how: How) -> ExitCode {
    execute(config, domain, registered, how).unwrap_or_else(ExitCode::from)
}

fn execute(config: &Config, domain: &str, registered: &Path, how: How) -> Result<ExitCode, u8> {
    let domain = delete::domain(domain)?;
    let data = data::open(config)?;
    let owners = delete::of_domain(&data, &domain)?;
    let all = owners.owners();

    let refused = |why: &str| {
        eprintln!("{}: {why}; nothing was removed", registered.display());
        exit::INPUT
    };
    let list: Box<dyn Read> = if registered == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(registered).map_err(|error| refused(&error.to_string()))?)
    };
    let accounts = accounts(&domain, BufReader::new(list)).map_err(|why| refused(&why))?;
    if accounts.is_empty() {
        let why = format!("it names no account of {domain}");
        return Err(refused(&format!(
            "{why}. If the domain is gone, use `delete --domain {domain}`"
        )));
    }

    let gone = owners.without(&accounts);
    let of_all = format!(
        "{gone}; {domain} has {}, and {} something stored",
        count(accounts.len() as u64, "account", "accounts"),
        count(all as u64, "user has", "users have")
    );
    if gone.owners() == 0 {
        say(format_args!("nothing to remove: {of_all}"));
        return Ok(ExitCode::SUCCESS);
    }
    gone.list();
    let too_many = gone.owners() * 2 > all && !how.force;
    if !how.yes {
        let force = if too_many { " --force" } else { "" };
        say(format_args!(
            "would remove {of_all}. To do it, add --yes{force}"
        ));
        return Ok(ExitCode::SUCCESS);
    }
    if too_many {
        return Err(refused(&format!(
            "this would remove more than half of the users ({of_all}). If the list is complete and \
             this is intended, add --force"
        )));
    }
    Ok(gone.execute(&data, how.compact))
}

/// The accounts of a domain that a list has, a name or a bare JID a line, as owners are written.
/// Those of other domains are left out, and so are the words of Prosody's shell around its list;
/// anything else that is no address refuses the whole, since then it is not the list it should be.
fn accounts(domain: &str, mut list: impl BufRead) -> Result<HashSet<String>, String> {
    let mut accounts = HashSet::new();
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        let taken = (&mut list)
            .take(MAX_LINE_BYTES)
            .read_until(b'\n', &mut line);
        if taken.map_err(|error| error.to_string())? == 0 {
            break;
        }
        let not_one = || {
            let told: String = String::from_utf8_lossy(&line).chars().take(60).collect();
            let told = told.trim();
            format!("line {number} is neither a user name nor a bare JID: {told:?}")
        };
        let text = std::str::from_utf8(&line).map_err(|_| not_one())?.trim();
        if text.is_empty() || is_of_the_shell(text) {
            continue;
        }
        let jid = match text.contains('@') {
            true => text.to_owned(),
            false => format!("{text}@{domain}"),
        };
        match address::sender(&jid) {
            Sender::User(owner, of) if !jid.contains('/') => {
                if of == domain {
                    accounts.insert(owner);
                }
            }
            _ => return Err(not_one()),
        }
    }
    Ok(accounts)
}

/// What `prosodyctl shell` puts below a list.
fn is_of_the_shell(line: &str) -> bool {
    line.strip_prefix("OK: Showing all ")
        .is_some_and(|rest| rest.ends_with(" users"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(list: &str) -> Result<Vec<String>, String> {
        let mut accounts: Vec<String> = accounts("example.org", list.as_bytes())?
            .into_iter()
            .collect();
        accounts.sort();
        Ok(accounts)
    }

    #[test]
    fn names_and_bare_jids_are_taken_and_written_as_owners_are() {
        assert_eq!(
            read("alice\r\n\nBOB\nCarol@Example.ORG\nStraße\ndave@elsewhere.example\n").unwrap(),
            [
                "alice@example.org",
                "bob@example.org",
                "carol@example.org",
                "strasse@example.org"
            ]
        );
    }

    #[test]
    fn the_list_of_prosodys_shell_is_taken() {
        let list = "alice@example.org\nbob@example.org\nOK: Showing all 2 users\n";
        assert_eq!(
            read(list).unwrap(),
            ["alice@example.org", "bob@example.org"]
        );
        assert_eq!(read("OK: Showing all 0 users\n").unwrap(), [""; 0]);
    }

    #[test]
    fn what_is_no_such_list_is_refused_whole() {
        for list in [
            "alice\nError: no such host\n",
            "! No such host\n",
            "alice bob\n",
            "OK: Showing 1 of 2 users\n",
            "alice\nbob@example.org/phone\n",
            "alice@\n",
            "{\"registered\": []}\n",
        ] {
            let why = read(list).unwrap_err();
            assert!(why.contains("is neither a user name"), "{why}");
        }
        let long = "a".repeat(100_000);
        assert!(read(&long).is_err());
        let list: &[u8] = b"alice\n\xff\n";
        assert!(accounts("example.org", list).is_err());
    }
}
