//! Removing owners, as `delete` and `prune` do: what is to go, whether it may, how it went.

use std::collections::HashSet;
use std::fmt;
use std::io::{IsTerminal, Write, stderr, stdin, stdout};
use std::process::ExitCode;

use super::data::{Data, told};
use super::format::{bytes, count};
use super::report::{say, tell};
use crate::exit;
use crate::logs;
use crate::store::{Amount, Owner};

/// Owners that are to be removed, and how much they have.
#[derive(Debug, Default)]
pub struct Removal(Vec<(Owner, Amount)>);

impl Removal {
    pub fn add(&mut self, owner: Owner, amount: Amount) {
        self.0.push((owner, amount));
    }

    /// Puts them in the order of their names.
    pub fn sort(&mut self) {
        self.0.sort_by(|(one, _), (other, _)| one.cmp(other));
    }

    /// Those of them that are not among these accounts.
    pub fn without(mut self, accounts: &HashSet<String>) -> Self {
        self.0
            .retain(|(owner, _)| !accounts.contains(owner.as_str()));
        self
    }

    pub fn owners(&self) -> usize {
        self.0.len()
    }

    /// Prints them, a line each.
    pub fn list(&self) {
        let mut out = stdout().lock();
        for (owner, amount) in &self.0 {
            // Whoever closes the pipe wants no more lines.
            let _ = writeln!(out, "{}: {}", owner.as_str(), Size(*amount));
        }
    }

    /// Removes them, and what is left of them in the store's files if that is wanted; says so.
    pub fn execute(&self, data: &Data, compact: bool) -> ExitCode {
        for (done, (owner, _)) in self.0.iter().enumerate() {
            if let Err(trouble) = data.remove(owner) {
                say(format_args!(
                    "removed {}, then failed:",
                    Self::sum(&self.0[..done])
                ));
                return ExitCode::from(told(&trouble));
            }
        }
        say(format_args!("removed {self}"));
        if !compact && !data.is_database() {
            say(format_args!(
                "No user can read it any more, but the store's files hold traces of it until the \
                 store is compacted: run `xmpp-private-storage compact` to remove them now."
            ));
            return ExitCode::SUCCESS;
        }
        match data.compact() {
            Ok(Some(compacted)) => {
                say(format_args!(
                    "compacted the store: the database took {} and now takes {}; nothing of it is \
                     left in the store's files",
                    bytes(compacted.before),
                    bytes(compacted.after)
                ));
                ExitCode::SUCCESS
            }
            Ok(None) => {
                say(format_args!(
                    "No user can read it any more, but the files of the database server hold traces \
                     of it until the server has cleared them away (autovacuum), and its archived \
                     logs for longer."
                ));
                ExitCode::SUCCESS
            }
            Err(trouble) => ExitCode::from(told(&trouble)),
        }
    }

    fn sum(owners: &[(Owner, Amount)]) -> String {
        let mut all = Amount::default();
        for (_, amount) in owners {
            all.bytes += amount.bytes;
            all.elements += amount.elements;
        }
        format!(
            "{}, {}",
            count(owners.len() as u64, "user", "users"),
            Size(all)
        )
    }
}

impl fmt::Display for Removal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Self::sum(&self.0))
    }
}

/// How much something is, in words.
struct Size(Amount);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Amount { bytes, elements } = self.0;
        let elements = count(elements, "element", "elements");
        write!(f, "{elements}, {}", count(bytes, "byte", "bytes"))
    }
}

/// Asks on the terminal whether that is to be removed.
///
/// # Errors
///
/// With the exit code, when it is not, or there is nobody to ask; what is said then is printed.
pub fn ask(what: fmt::Arguments<'_>) -> Result<(), u8> {
    if !stdin().is_terminal() {
        logs::error(format_args!(
            "this would remove {what}; there is no terminal to ask on: if this is intended, add \
             --yes"
        ));
        return Err(exit::USAGE);
    }
    let _ = write!(
        stderr(),
        "This removes {what}, for good. Type yes to go on: "
    );
    let _ = stderr().flush();
    let mut answer = String::new();
    match stdin().read_line(&mut answer) {
        Ok(_) if answer.trim() == "yes" => Ok(()),
        _ => {
            tell("nothing was removed");
            Err(exit::USAGE)
        }
    }
}
