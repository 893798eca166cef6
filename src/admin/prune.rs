//! `prune`: what users of a domain have stored whose accounts are gone. The server's own list says
//! who has one.
//!
//! Whoever registers and stores something while this runs must not lose it. So the owners are read
//! first and the list behind them: who is on neither side is not touched. A list made before could
//! lack somebody who is new.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read};
use std::path::Path;
use std::process::ExitCode;

use super::data;
use super::delete;
use super::format::{self, count};
use super::report::{say, tell};
use crate::address::{self, Sender};
use crate::config::Config;
use crate::exit;
use crate::logs;

/// The longest line of a list: an address of the longest parts.
const MAX_LINE_BYTES: u64 = 4096;

/// Above and below what Prosody's programs say about a library that is missing.
const BANNER: &str = "**************************";
/// There are fewer lines in between.
const BANNER_LINES: usize = 20;

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
        let list = format::file(registered);
        logs::error(format_args!("{list}: {why}; nothing was removed"));
        exit::INPUT
    };
    let list: Box<dyn Read> = if registered == Path::new("-") {
        if io::stdin().is_terminal() {
            tell("reading the list of accounts from the terminal: a name a line, then Ctrl-D");
        }
        Box::new(io::stdin())
    } else {
        Box::new(File::open(registered).map_err(|error| refused(&error.to_string()))?)
    };
    let accounts = accounts(&domain, BufReader::new(list)).map_err(|why| refused(&why))?;
    let accounts = accounts.of(&domain).map_err(|why| refused(&why))?;

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

/// What a list says.
#[derive(Debug, Default)]
struct List {
    /// The accounts of the domain, as owners are written.
    accounts: HashSet<String>,
    /// Whether it names accounts of other domains.
    names_others: bool,
    /// Whether Prosody's shell has ended it.
    is_of_the_shell: bool,
}

impl List {
    /// The accounts of the domain. Without any, nothing is to be done: a command that has failed prints none.
    fn of(self, domain: &str) -> Result<HashSet<String>, String> {
        if !self.accounts.is_empty() {
            return Ok(self.accounts);
        }
        let none = format!("it names no account of {domain}");
        Err(match () {
            () if self.names_others => format!("{none}, only others: is it another domain's list?"),
            () if self.is_of_the_shell => {
                format!("{none}. If it is to have none, use `delete --domain {domain}`")
            }
            () => "it is empty, so the command that makes the list has probably failed: run that \
                   alone, and see what it says"
                .to_owned(),
        })
    }
}

/// The accounts of a domain that a list has, a name or a bare JID a line. Those of other domains are left
/// out, and so are the words of Prosody's shell around its list; anything else that is no address refuses
/// the whole, since then it is not the list it should be.
fn accounts(domain: &str, list: impl BufRead) -> Result<List, String> {
    let mut read = List::default();
    let mut lines = Lines { list, number: 0 };
    while let Some(line) = lines.next()? {
        if is_end_of_the_shells(&line) {
            read.is_of_the_shell = true;
            continue;
        }
        if line == BANNER && read.is_untouched() {
            lines.pass_over_banner()?;
            continue;
        }
        let jid = match line.contains('@') {
            true => line.clone(),
            false => format!("{line}@{domain}"),
        };
        match address::sender(&jid) {
            Sender::User(owner, of) if !jid.contains('/') => {
                if of == domain {
                    read.accounts.insert(owner);
                } else {
                    read.names_others = true;
                }
            }
            _ => return Err(lines.not_one(line.as_bytes())),
        }
    }
    Ok(read)
}

impl List {
    /// Whether nothing was read of it yet.
    fn is_untouched(&self) -> bool {
        self.accounts.is_empty() && !self.names_others && !self.is_of_the_shell
    }
}

/// The lines of a list that say something.
struct Lines<R> {
    list: R,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    fn next(&mut self) -> Result<Option<String>, String> {
        loop {
            let mut line = Vec::new();
            self.number += 1;
            let taken = (&mut self.list)
                .take(MAX_LINE_BYTES)
                .read_until(b'\n', &mut line);
            if taken.map_err(|error| error.to_string())? == 0 {
                return Ok(None);
            }
            let text = std::str::from_utf8(&line).map_err(|_| self.not_one(&line))?;
            let text = text.trim();
            if !text.is_empty() {
                return Ok(Some(text.to_owned()));
            }
        }
    }

    /// Why a line refuses the whole list.
    fn not_one(&self, line: &[u8]) -> String {
        let told: String = String::from_utf8_lossy(line).chars().take(60).collect();
        let (number, told) = (self.number, told.trim());
        format!("line {number} is neither a user name nor a bare JID: {told:?}")
    }

    /// Reads up to the end of what Prosody's programs print where a library is missing that they can do
    /// without. (It goes to standard output, before the list.)
    fn pass_over_banner(&mut self) -> Result<(), String> {
        let begin = self.not_one(BANNER.as_bytes());
        let is_one = self
            .next()?
            .is_some_and(|line| line.starts_with("Prosody was unable to find "));
        for _ in 0..BANNER_LINES {
            match self.next()? {
                Some(line) if is_one && line == BANNER => return Ok(()),
                Some(_) => {}
                None => break,
            }
        }
        Err(begin)
    }
}

/// What `prosodyctl shell` puts below a list.
fn is_end_of_the_shells(line: &str) -> bool {
    line.strip_prefix("OK: Showing all ")
        .is_some_and(|rest| rest.ends_with(" users"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(list: &str) -> Result<Vec<String>, String> {
        let list = super::accounts("example.org", list.as_bytes())?;
        let mut accounts: Vec<String> = list.accounts.into_iter().collect();
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

    /// As `prosodyctl shell` prints it without lua-unbound: 0.12.3, and 13.0.1 without the blanks at the
    /// end. For these lines the list was refused.
    const MISSING: &str = "\n**************************\nProsody was unable to find lua-unbound\n\
        This package can be obtained in the following ways:\n\n  \
        Debian/Ubuntu | sudo apt install lua-unbound                                  \n       \
        luarocks | luarocks install luaunbound                                   \n         \
        Source | https://www.zash.se/luaunbound.html                           \n\n\
        Old DNS resolver library will be used\n\
        More help can be found on our website, at https://prosody.im/doc/depends\n\
        **************************\n\n";

    #[test]
    fn what_prosody_says_of_missing_libraries_is_passed_over() {
        let list = "alice@example.org\nOK: Showing all 1 users\n";
        for banners in [MISSING.to_owned(), MISSING.repeat(2)] {
            assert_eq!(read(&(banners + list)).unwrap(), ["alice@example.org"]);
        }
        let cut = MISSING.trim_end().trim_end_matches('*');
        let other = MISSING.replace("unable to find", "able to find");
        for list in [
            format!("{cut}\n{list}"),
            format!("{other}{list}"),
            format!("alice\n{MISSING}"),
            format!("**************************\n{list}"),
        ] {
            let why = read(&list).unwrap_err();
            assert!(
                why.contains("is neither a user name nor a bare JID: "),
                "{why}"
            );
        }
    }

    /// An empty list was answered with the advice to delete everything that the domain has.
    #[test]
    fn without_accounts_it_is_said_what_may_be_wrong() {
        let why = |list: &str| {
            let list = super::accounts("example.org", list.as_bytes()).unwrap();
            list.of("example.org").unwrap_err()
        };
        for failed in ["", "\n\n", MISSING] {
            let why = why(failed);
            assert!(
                why.contains("has probably failed") && !why.contains("delete"),
                "{why}"
            );
        }
        let others = why("alice@example.net\nOK: Showing all 1 users\n");
        assert!(
            others.contains("another domain's list") && !others.contains("delete"),
            "{others}"
        );
        assert!(why("OK: Showing all 0 users\n").contains("`delete --domain example.org`"));
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
