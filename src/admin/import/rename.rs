//! Users of one domain, taken as those of another.

use crate::address;
use crate::formats::User;

/// A domain, and which it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rename {
    pub old: String,
    pub new: String,
}

impl Rename {
    /// Reads `old.example=new.example`.
    ///
    /// # Errors
    ///
    /// With what it should be.
    pub fn read(text: &str) -> Result<Self, String> {
        let domain = |text: &str| address::domain_name(text).map(|domain| domain.into_owned());
        let read = text.split_once('=');
        let both = read.and_then(|(old, new)| Some((domain(old)?, domain(new)?)));
        let (old, new) = both.ok_or("expected two domains, such as old.example=new.example")?;
        Ok(Self { old, new })
    }
}

/// Renames, and how many users each was about.
#[derive(Debug)]
pub struct Renames(Vec<(Rename, u64)>);

impl Renames {
    /// All of these together.
    ///
    /// # Errors
    ///
    /// Where a domain is to be two others; which.
    pub fn of(all: &[Rename]) -> Result<Self, String> {
        for (at, Rename { old, new }) in all.iter().enumerate() {
            let before = &all[..at];
            if let Some(other) = before.iter().find(|it| it.old == *old && it.new != *new) {
                return Err(format!(
                    "--rename: {old} is to be both {} and {new}",
                    other.new
                ));
            }
        }
        Ok(Self(all.iter().map(|it| (it.clone(), 0)).collect()))
    }

    /// Gives a user their new domain. It is not renamed again, so two can be exchanged.
    pub fn rename(&mut self, user: &mut User) {
        let found = self.0.iter_mut().find(|(it, _)| it.old == user.domain);
        if let Some((Rename { old, new }, users)) = found {
            let name = user.jid.len() - old.len();
            user.jid.replace_range(name.., new);
            user.domain.clone_from(new);
            *users += 1;
        }
    }

    /// The domains that no user had.
    pub fn unused(&self) -> impl Iterator<Item = &str> {
        let unused = self.0.iter().filter(|(_, users)| *users == 0);
        unused.map(|(it, _)| it.old.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(jid: &str) -> User {
        let (_, domain) = jid.split_once('@').unwrap();
        User {
            jid: jid.to_owned(),
            domain: domain.to_owned(),
            place: crate::formats::Place::whole("f".as_ref()),
            entries: Vec::new(),
            problems: Vec::new(),
        }
    }

    #[test]
    fn two_domains_are_exchanged_and_the_rest_stays() {
        let all = ["A.example=b.example", "b.example=a.example", "c=d"];
        let all: Vec<Rename> = all.iter().map(|it| Rename::read(it).unwrap()).collect();
        let mut renames = Renames::of(&all).unwrap();
        for (before, after) in [
            ("ü@a.example", "ü@b.example"),
            ("x@b.example", "x@a.example"),
            ("x@x.a.example", "x@x.a.example"),
        ] {
            let mut user = user(before);
            renames.rename(&mut user);
            assert_eq!(
                (&*user.jid, &*user.domain),
                (after, &after[after.len() - user.domain.len()..])
            );
        }
        assert_eq!(renames.unused().collect::<Vec<_>>(), ["c"]);
    }

    #[test]
    fn what_is_no_rename_is_refused() {
        for text in ["", "a", "=", "a=", "=b", "a@b=c", "a=b/c", "a.=b"] {
            assert!(Rename::read(text).is_err(), "{text}");
        }
        let both = ["a=b", "a=c"].map(|text| Rename::read(text).unwrap());
        assert!(Renames::of(&both).unwrap_err().contains("both b and c"));
        let twice = ["a=b", "a=b"].map(|text| Rename::read(text).unwrap());
        assert!(Renames::of(&twice).is_ok());
    }
}
