//! What the elements of XEP-0227 mean, standing where they stand.

use super::{Document, Include, Level, Within};
use crate::problem::{Reason, abridged};
use crate::user::Collector;
use xmpp_stanza::address::{self, Sender};
use xmpp_stanza::stanza::{Element, ns};

/// The format's namespace, and that of its first versions.
const FORMAT: [&str; 2] = [
    "urn:xmpp:pie:0",
    "http://www.xmpp.org/extensions/xep-0227.html#ns",
];
const XINCLUDE: &str = "http://www.w3.org/2001/XInclude";
/// What users' data stands in, each in the one before.
const AROUND_DATA: [&str; 3] = ["server-data", "host", "user"];

/// What an element is, standing where it stands.
pub enum Meaning {
    /// It holds something that means something.
    Level(Level),
    /// The same, of a user.
    User(Collector),
    /// It stands for another file.
    Include(Include),
    Nothing,
}

impl Document {
    /// What an element means that has just begun.
    pub fn meaning(&self, element: &Element) -> Result<Meaning, Reason> {
        let of_format = FORMAT.contains(&&*element.namespace);
        let parent = self.open.last().map(|(level, _)| level);
        let name = if of_format { element.name.as_str() } else { "" };
        let include = element.is(XINCLUDE, "include");
        Ok(match (parent, name) {
            (None, name) => match (&self.within, name) {
                (Within::Nothing, "server-data") => Meaning::Level(Level::ServerData),
                (Within::Nothing | Within::ServerData, "host") => self.host(element)?,
                (Within::Host(host), "user") => self.user(host, element)?,
                (Within::Nothing, "user") => return Err(Reason::NoHost),
                (Within::ServerData | Within::Host(_), "server-data" | "host" | "user") => {
                    return Err(Reason::Structure("it cannot be included here"));
                }
                _ if self.is_meant(element) => return Err(self.misplaced(element)),
                _ => return Err(Reason::Foreign),
            },
            (Some(Level::ServerData), "host") => self.host(element)?,
            (Some(Level::Host(host)), "user") => self.user(host, element)?,
            (Some(Level::ServerData), _) if include => self.include(element, Within::ServerData)?,
            (Some(Level::Host(host)), _) if include => {
                self.include(element, Within::Host(host.clone()))?
            }
            (Some(Level::User), _) if include => {
                let href = abridged(element.attribute("href").unwrap_or_default());
                let why = "only a whole host or a whole user can be included".to_owned();
                return Err(Reason::Include { href, why });
            }
            (Some(Level::User), _) if element.is(ns::PRIVATE, "query") => {
                Meaning::Level(Level::Private)
            }
            _ if self.is_meant(element) => return Err(self.misplaced(element)),
            _ => Meaning::Nothing,
        })
    }

    /// Whether somebody has meant something by an element that means nothing where it stands. Beside
    /// hosts and users there is nothing else of the format; beside private data there is much.
    fn is_meant(&self, element: &Element) -> bool {
        let namespace = &*element.namespace;
        let of_format = namespace.is_empty() || FORMAT.contains(&namespace);
        let name = element.name.as_str();
        let is_around = AROUND_DATA.iter().any(|it| name.eq_ignore_ascii_case(it));
        match self.open.last() {
            None => FORMAT.contains(&namespace) || is_around,
            Some((Level::ServerData | Level::Host(_), _)) => {
                of_format || is_around || [ns::PRIVATE, XINCLUDE].contains(&namespace)
            }
            Some((Level::User, _)) => {
                of_format && is_around || [ns::PRIVATE, XINCLUDE].contains(&namespace)
            }
            Some((Level::Private, _)) => false,
        }
    }

    /// Why such an element is left out.
    pub fn misplaced(&self, element: &Element) -> Reason {
        let mut what = format!("{:?}", abridged(element.name.as_str()));
        if !FORMAT.contains(&&*element.namespace) {
            let namespace = abridged(&element.namespace);
            what.push_str(&format!(" in the namespace {namespace:?}"));
        }
        let host = "<host jid='…'>, and users in it";
        let user = "<user name='…'>, and private data in it";
        let expected = match (self.open.last(), &self.within) {
            (None, Within::Nothing) => "<server-data xmlns='urn:xmpp:pie:0'>",
            (None, Within::ServerData) | (Some((Level::ServerData, _)), _) => host,
            (None, Within::Host(_)) | (Some((Level::Host(_), _)), _) => user,
            (Some(_), _) => "private data in <query xmlns='jabber:iq:private'>, right in the user",
        };
        Reason::Misplaced { what, expected }
    }

    fn host(&self, element: &Element) -> Result<Meaning, Reason> {
        let jid = element.attribute("jid");
        let jid = jid.ok_or(Reason::Structure("a host without the attribute jid"))?;
        match address::is_bare_domain(jid).then(|| address::domain_name(jid)) {
            Some(Some(_)) => Ok(Meaning::Level(Level::Host(jid.to_owned()))),
            _ => Err(Reason::Address(abridged(jid))),
        }
    }

    fn user(&self, host: &str, element: &Element) -> Result<Meaning, Reason> {
        let name = element.attribute("name");
        let name = name.ok_or(Reason::Structure("a user without the attribute name"))?;
        let (jid, domain) = account(name, host)?;
        let place = self.cutter.begin();
        Ok(Meaning::User(Collector::new(
            jid,
            domain,
            place,
            self.limits,
        )))
    }

    fn include(&self, element: &Element, within: Within) -> Result<Meaning, Reason> {
        let href = element.attribute("href").unwrap_or_default().to_owned();
        let parse = element.attribute("parse").unwrap_or("xml");
        if parse != "xml" || element.attribute("xpointer").is_some() {
            let why = "only whole XML files are included".to_owned();
            let href = abridged(&href);
            return Err(Reason::Include { href, why });
        }
        let place = self.cutter.begin();
        Ok(Meaning::Include(Include {
            href,
            within,
            place,
        }))
    }
}

/// The address of an account, normalised, and its domain.
pub fn account(name: &str, host: &str) -> Result<(String, String), Reason> {
    let written = format!("{name}@{host}");
    let one_each = !name.contains(['@', '/']) && address::is_bare_domain(host);
    match address::sender(&written) {
        Sender::User(jid, domain) if one_each => Ok((jid, domain)),
        _ => Err(Reason::Address(abridged(&written))),
    }
}
