//! The grant (XEP-0356) that room bookmarks are kept in step by, for each server.
//!
//! Our module for Prosody grants one PEP node. On ejabberd privileges name namespaces, so the grant
//! opens more than bookmarks, and is printed with its price beside it. And its place there is a trap:
//! before 25.03 one that is granted stops ejabberd from starting or from serving us at all, so it is
//! printed for a known version only.

use std::fmt;

use super::{PRIVATE, RULE};
use crate::config::BookmarksMode;

/// What is granted, each for get and set.
pub const NAMESPACES: [&str; 2] = [
    "http://jabber.org/protocol/pubsub",
    "http://jabber.org/protocol/pubsub#owner",
];

/// What is granted where PEP is left alone, so that there is something: the component does not use it.
pub const LEAST: [&str; 1] = [PRIVATE];

/// From this version on, ejabberd lets us work on PEP.
const USABLE: EjabberdVersion = EjabberdVersion(25, 3);
/// From this one on, and before that one, it drops all that we send if mod_privilege is loaded.
const HARMFUL: EjabberdVersion = EjabberdVersion(24, 10);

/// Year and month of an ejabberd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EjabberdVersion(pub u32, pub u32);

/// What a version of ejabberd makes of the grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It knows no privilege for IQs.
    No,
    /// It knows it, but with it serves no component any more.
    Harmful,
    Yes,
}

impl EjabberdVersion {
    /// From what ejabberd, or a package of it, calls its version: `26.07`, `23.01-1+b1`.
    pub fn read(text: &str) -> Option<Self> {
        let mut numbers = text.trim().split(|c: char| !c.is_ascii_digit());
        let year = numbers.next()?.parse().ok()?;
        let month = numbers.next()?.parse().ok()?;
        (1..=12).contains(&month).then_some(Self(year, month))
    }

    /// What it makes of the grant.
    pub fn support(self) -> Support {
        match self {
            it if it >= USABLE => Support::Yes,
            it if it >= HARMFUL => Support::Harmful,
            _ => Support::No,
        }
    }
}

impl fmt::Display for EjabberdVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}.{:02}", self.0, self.1)
    }
}

/// What Prosody's module is told of bookmarks, and what is said of them to the administrator.
pub fn prosody(mode: BookmarksMode) -> (&'static str, &'static str) {
    match mode {
        BookmarksMode::Pep => (
            "",
            "--\n\
             -- Bookmarks: the component keeps the rooms of old clients, in private storage, and of modern ones, in\n\
             -- PEP, in step. For that it may read and write the bookmarks that users keep in PEP, and nothing\n\
             -- else there.\n",
        ),
        BookmarksMode::Off => (
            "  private_storage_bookmarks = \"server\"\n",
            "--\n\
             -- Bookmarks: bookmarks.mode is \"off\", so requests for bookmarks stay with Prosody's mod_bookmarks,\n\
             -- which serves old and modern clients from PEP. With private_storage_bookmarks = \"off\" the\n\
             -- component keeps those of old clients, apart from those of modern ones.\n",
        ),
    }
}

/// What a host of ejabberd is told, among its modules; commented out if it is not known whether its
/// version can take it.
pub fn ejabberd(version: Option<EjabberdVersion>) -> String {
    let block = privilege(&NAMESPACES);
    match version.map(EjabberdVersion::support) {
        Some(Support::Yes) => block,
        Some(_) => String::new(),
        None => block
            .lines()
            .map(|line| format!("      # {}\n", line.strip_prefix("      ").unwrap_or(line)))
            .collect(),
    }
}

/// The same where nothing is to be granted, and another host has mod_privilege.
pub fn ejabberd_least() -> String {
    privilege(&LEAST)
}

fn privilege(namespaces: &[&str]) -> String {
    let lines = namespaces.iter();
    let lines = lines.map(|it| format!("          \"{it}\":\n            both: {RULE}\n"));
    let lines: String = lines.collect();
    format!("      mod_privilege:\n        iq:\n{lines}")
}

/// What is said of it to ejabberd's administrator.
pub fn ejabberd_comment(version: Option<EjabberdVersion>) -> String {
    let what = "# mod_privilege gives the component access to PEP (XEP-0356), so that it can keep the rooms of old\n\
                # clients, in private storage, and of modern ones, in PEP, in step. It can then read and write\n\
                # ALL that users keep in PEP: there is no finer grain. bookmarks.mode = \"off\" leaves it out.\n";
    let announced = "# Modern clients check whether accounts announce this. mod_private does; where it is not loaded,\n\
                     # add \"urn:xmpp:bookmarks:1#compat\" to namespaces, beside \"jabber:iq:private\" and like it.\n";
    let instead = match version.map(|it| (it, it.support())) {
        None => {
            return format!(
                "{what}{announced}\
                 # It needs ejabberd {USABLE} or later: remove the \"# \" there, or print this with\n\
                 # --server-version. Older versions do not start with it. As soon as any host loads\n\
                 # mod_privilege, 24.10 to 24.12 drop everything that the component sends, and newer versions\n\
                 # do not delegate a host without it.\n"
            );
        }
        Some((_, Support::Yes)) => {
            return format!("{what}{announced}# A host above without it gets no delegation.\n");
        }
        Some((version, Support::Harmful)) => {
            format!(
                "{version} drops everything that the component\n# sends as soon as any host loads \
                 mod_privilege"
            )
        }
        Some((version, Support::No)) => {
            format!("{version} cannot give a component\n# access to PEP (XEP-0356)")
        }
    };
    format!(
        "# Bookmarks are not kept in step with PEP: ejabberd {instead}.\n\
         # {USABLE} or later can do it.\n"
    )
}

/// The same where nothing is to be granted.
pub const EJABBERD_WITHOUT: &str = "# mod_privilege, if any host loads it: 24.10 to 24.12 then drop everything that the component\n\
     # sends; from 25.03 on, each host above must also give the component a privilege, or it gets no\n\
     # delegation.\n";

/// The same where a privilege is given for that reason alone.
pub const EJABBERD_LEAST: &str = "# mod_privilege, because another host loads it: a host that gives the component no privilege then gets\n\
     # no delegation. The component does not use this one.\n";
