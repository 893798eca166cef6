use super::*;
use crate::admin::check::delegation::tests::{info, version};

const HOST: &str = "example.org";
const JID: &str = "private.example.org";

const ALL: Grant = Grant {
    items: true,
    owner: true,
};

/// A server that delegates and says this of itself.
fn server(name: &str, number: Option<&str>) -> Findings {
    let mut findings = Findings::new(&[HOST.to_owned()]);
    findings.delegated(HOST);
    findings.replied(&info(name, "x"));
    if let Some(number) = number {
        findings.replied(&version(number));
    }
    findings
}

fn line(findings: &Findings, grant: Option<Grant>, mode: BookmarksMode) -> (Sign, String) {
    let mut grants = Grants::default();
    if let Some(grant) = grant {
        grants.granted(HOST, grant);
    }
    judge(findings, &grants, mode, HOST, JID).expect("a line")
}

#[test]
fn where_a_domain_does_not_delegate_there_is_nothing_to_say() {
    let findings = Findings::new(&[HOST.to_owned()]);
    for mode in [BookmarksMode::Pep, BookmarksMode::Off] {
        assert_eq!(judge(&findings, &Grants::default(), mode, HOST, JID), None);
    }
}

#[test]
fn what_grants_all_keeps_them_in_step() {
    let prosody = server("Prosody", Some("0.12.3"));
    let (sign, line) = line(&prosody, Some(ALL), BookmarksMode::Pep);
    assert_eq!(sign, Sign::Good);
    assert_eq!(line, "bookmarks of example.org: kept in step with PEP");
}

#[test]
fn one_half_of_the_grant_asks_for_the_other() {
    let items = Grant {
        owner: false,
        ..ALL
    };
    let owner = Grant {
        items: false,
        ..ALL
    };
    for (name, number, printed) in [
        ("Prosody", None, "as `print-config prosody` prints it"),
        (
            "ejabberd",
            Some("26.07-1"),
            "as `print-config ejabberd --server-version 26.07` prints it",
        ),
        ("ejabberd", None, "as `print-config ejabberd` prints it"),
        ("MongooseIM", None, "as `print-config` prints it"),
    ] {
        let server = server(name, number);
        let (sign, said) = line(&server, Some(items), BookmarksMode::Pep);
        assert_eq!(sign, Sign::Warning);
        assert!(
            said.starts_with("bookmarks of example.org: kept in step with PEP, except for"),
            "{said}"
        );
        assert!(
            said.contains("pubsub#owner") && said.contains(printed),
            "{said}"
        );

        let (sign, said) = line(&server, Some(owner), BookmarksMode::Pep);
        assert_eq!(sign, Sign::Warning);
        assert!(
            said.contains("not kept in step with PEP: of the two"),
            "{said}"
        );
        assert!(said.contains(printed), "{said}");
    }
}

#[test]
fn without_a_grant_each_server_and_version_has_its_own_remedy() {
    for (name, number, remedy) in [
        (
            "Prosody",
            Some("13.0.6"),
            "take private_storage_bookmarks out",
        ),
        ("Prosody", None, "of Component \"private.example.org\""),
        (
            "ejabberd",
            Some("23.01-1"),
            "23.01 cannot give a component access to PEP",
        ),
        (
            "ejabberd",
            Some("24.07"),
            "24.07 cannot give a component access to PEP",
        ),
        (
            "ejabberd",
            Some("24.10"),
            "24.10 drops everything that the component sends",
        ),
        (
            "ejabberd",
            Some("24.12"),
            "24.12 drops everything that the component sends",
        ),
        (
            "ejabberd",
            Some("25.03"),
            "mod_privilege to that host, as `print-config ejabberd --server-version 25.03`",
        ),
        (
            "ejabberd",
            None,
            "mod_privilege to that host, as `print-config ejabberd`",
        ),
        ("MongooseIM", None, "that access, as `print-config`"),
    ] {
        let server = server(name, number);
        for grant in [None, Some(Grant::default())] {
            let (sign, said) = line(&server, grant, BookmarksMode::Pep);
            assert_eq!(sign, Sign::Warning);
            assert!(
                said.starts_with("bookmarks of example.org: not kept in step with PEP: "),
                "{said}"
            );
            assert!(said.contains(remedy), "{said}");
            assert!(said.ends_with("set bookmarks.mode = \"off\""), "{said}");
        }
    }
}

#[test]
fn with_off_a_grant_is_one_too_many() {
    for (name, what) in [
        ("Prosody", "or take `privileged_entities` out"),
        ("ejabberd", "take what mod_privilege grants it out"),
    ] {
        let server = server(name, None);
        let (sign, said) = line(&server, None, BookmarksMode::Off);
        assert_eq!(sign, Sign::Good);
        assert!(said.ends_with("PEP, as bookmarks.mode says"), "{said}");

        let (sign, said) = line(&server, Some(ALL), BookmarksMode::Off);
        assert_eq!(sign, Sign::Warning);
        assert!(
            said.contains("private.example.org still has access"),
            "{said}"
        );
        assert!(said.ends_with(what), "{said}");
    }
}
