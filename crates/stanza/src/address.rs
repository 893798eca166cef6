//! Addresses as a server vouches for them or a file has them, and the owners they stand for.

use std::borrow::Cow;

use jid::{DomainPart, Jid, NodePart};
use stringprep::tables::unassigned_code_point;

/// The longest part of an address, in bytes (RFC 7622 section 3).
const MAX_PART: usize = 1023;

#[derive(Debug, PartialEq, Eq)]
pub enum Sender {
    /// An account: its bare JID, and of that the domain, normalised.
    User(String, String),
    /// A host without a local part: its domain, normalised.
    Host(String),
    /// What is no address at all.
    Malformed,
}

/// Reads the address of a sender. Its resource decides nothing and is not looked at.
///
/// Each part of an account's address is normalised, so that letter case and Unicode variants of one
/// address are one owner. A part that the `jid` crate refuses although the server vouches for it
/// stays byte for byte: such accounts log in on Prosody. No normalised part can equal one that is
/// refused, so nobody meets somebody else's data.
pub fn sender(from: &str) -> Sender {
    let bare = bare(from);
    let Some((local, domain)) = bare.split_once('@') else {
        return match domain_name(bare) {
            Some(domain) => Sender::Host(domain.into_owned()),
            None => Sender::Malformed,
        };
    };
    if local.is_empty()
        || local.len() > MAX_PART
        || local.contains(|c: char| {
            matches!(c, '"' | '&' | '\'' | '/' | ':' | '<' | '>' | '@' | ' ') || c.is_control()
        })
    {
        return Sender::Malformed;
    }
    let Some(domain) = domain_name(domain) else {
        return Sender::Malformed;
    };
    let owner = match NodePart::new(local) {
        Ok(normalised) if !is_newer_than_routers(local) => {
            format!("{}@{domain}", normalised.as_str())
        }
        _ => format!("{local}@{domain}"),
    };
    Sender::User(owner, domain.into_owned())
}

/// A domain, normalised; byte for byte where the `jid` crate refuses it; `None` where it is no
/// domain at all, or ends with a dot.
///
/// RFC 7622 (section 3.2) has the dot taken off before anything is routed or compared. Prosody does
/// so, and no address of its own comes with one; ejabberd takes such a domain for another, on some
/// other server. So it is the `jid` crate's taking it off that would make one of what a server keeps
/// apart.
pub fn domain_name(domain: &str) -> Option<Cow<'_, str>> {
    if domain.is_empty()
        || domain.ends_with('.')
        || domain.len() > MAX_PART
        || domain.contains(|c: char| matches!(c, '@' | '/') || c.is_control())
    {
        return None;
    }
    if is_newer_than_routers(domain) {
        return Some(Cow::Borrowed(domain));
    }
    Some(match DomainPart::new(domain) {
        Ok(Cow::Borrowed(domain)) => Cow::Borrowed(domain.as_str()),
        Ok(Cow::Owned(domain)) => Cow::Owned(domain.into_inner()),
        Err(_) => Cow::Borrowed(domain),
    })
}

/// A chat room's address without resource, normalised; `None` where it is no address, or one that
/// servers may take for another.
pub fn room(address: &str) -> Option<String> {
    let room = Jid::new(address).ok()?.into_bare();
    let may_be_another = is_newer_than_routers(address) || bare(address).ends_with('.');
    (!may_be_another).then(|| room.as_str().to_owned())
}

/// Whether an address holds a character that Unicode 3.2 does not have, and so stringprep leaves
/// to each implementation: servers let it through as it is. The `jid` crate refuses it only where
/// it survives the normalisation of today's Unicode, which makes `a` of U+1D43, and of one account
/// another.
fn is_newer_than_routers(address: &str) -> bool {
    !address.is_ascii() && address.chars().any(unassigned_code_point)
}

/// The domain of a user's bare address.
pub fn domain_of(user: &str) -> &str {
    user.rsplit('@').next().unwrap_or_default()
}

/// Whether this is a bare domain: neither a local part nor a resource.
pub fn is_bare_domain(address: &str) -> bool {
    !address.contains(['@', '/'])
}

/// An address without its resource: cut at the first `/`.
pub fn bare(address: &str) -> &str {
    address.split_once('/').map_or(address, |(bare, _)| bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(from: &str) -> String {
        match sender(from) {
            Sender::User(owner, _) => owner,
            other => panic!("{from}: {other:?}"),
        }
    }

    #[test]
    fn variants_of_one_address_are_one_owner() {
        for variant in [
            "alice@example.org",
            "ALICE@Example.Org/phone",
            "alice@example.org/😀 /x",
        ] {
            assert_eq!(owner(variant), "alice@example.org");
        }
        assert_eq!(owner("Straße@example.org"), owner("strasse@example.org"));
        assert_eq!(owner("ﬁ@example.org"), owner("fi@example.org"));
    }

    #[test]
    fn what_the_router_vouches_for_is_an_owner_even_if_jid_refuses_it() {
        for refused in ["😀@example.org", "ȡ@example.org"] {
            assert_eq!(owner(refused), refused);
        }
        assert_ne!(owner("😀@example.org"), owner("😁@example.org"));
    }

    #[test]
    fn what_routers_keep_apart_is_not_made_one_by_a_newer_unicode() {
        for (apart, from) in [
            ("alice@example.org", "\u{1d43}lice@example.org"), // Unicode 4.0, NFKC: a
            ("\u{627}@example.org", "\u{1ee00}@example.org"),  // Unicode 6.1, NFKC: U+0627
        ] {
            assert_ne!(owner(from), owner(apart));
            assert_eq!(owner(from), from, "byte for byte");
        }
        assert_eq!(
            sender("alice@ex\u{1d43}mple.org"),
            Sender::User(
                "alice@ex\u{1d43}mple.org".into(),
                "ex\u{1d43}mple.org".into()
            )
        );
    }

    /// The `jid` crate takes the dot off, and ejabberd does not: what was asked in the name of another
    /// server's `example.org.` would have met the data of `example.org`.
    #[test]
    fn a_domain_that_ends_with_a_dot_is_none() {
        for domain in [
            "example.org.",
            "example.org..",
            ".",
            "127.0.0.1.",
            "Example.ORG.",
        ] {
            assert_eq!(domain_name(domain), None, "{domain}");
            assert_eq!(sender(domain), Sender::Malformed);
            for local in ["alice", "\u{1f600}", "\u{1d43}lice"] {
                let from = format!("{local}@{domain}/phone");
                assert_eq!(sender(&from), Sender::Malformed, "{from}");
            }
            assert_eq!(room(&format!("tea@{domain}/alice")), None);
        }
        // Other dots are none of ours to take off: they are other domains on every server.
        for dot in ['\u{3002}', '\u{ff0e}', '\u{ff61}'] {
            let domain = format!("example.org{dot}");
            assert_ne!(domain_name(&domain).as_deref(), Some("example.org"));
        }
    }

    /// An import of `😀` of `Example.ORG` was an owner whom no request ever names, and whom deleting
    /// all of `example.org` passed over.
    #[test]
    fn the_domain_is_normalised_whatever_the_local_part_is() {
        for local in ["\u{1f600}", "\u{221}", "\u{1d43}lice"] {
            let written = owner(&format!("{local}@Example.ORG"));
            assert_eq!(written, format!("{local}@example.org"));
        }
    }

    #[test]
    fn an_owner_is_its_own_owner() {
        for from in [
            "ALICE@Example.org/x",
            "\u{1f600}@B\u{dc}cher.example",
            "\u{1d43}B@ex\u{1d43}mple.org",
            "a@a..b",
            "a@[::1]",
        ] {
            let once = owner(from);
            assert_eq!(owner(&once), once, "{from}");
        }
    }

    #[test]
    fn a_room_is_known_however_its_address_is_written() {
        for written in ["tea@muc.example.org", "Tea@MUC.example.org/alice"] {
            assert_eq!(room(written).as_deref(), Some("tea@muc.example.org"));
        }
        for none in [
            "",
            " tea@muc.example.org",
            "@muc",
            "a b@muc",
            "\u{1d43}@muc.example.org",
        ] {
            assert_eq!(room(none), None, "{none:?}");
        }
    }

    #[test]
    fn what_is_no_address_is_malformed() {
        let long = format!("{}@example.org", "a".repeat(1024));
        for from in [
            "@example.org",
            "alice@",
            "",
            "a b@example.org",
            "a:b@example.org",
            "a@b@c",
            "a\u{7}@example.org",
            "/x",
            &long,
        ] {
            assert_eq!(sender(from), Sender::Malformed, "{from:?}");
        }
    }

    #[test]
    fn a_host_is_no_user() {
        assert_eq!(sender("Example.org"), Sender::Host("example.org".into()));
        assert_eq!(sender("example.org/x"), Sender::Host("example.org".into()));
    }
}
