use super::*;

const HOST: &str = "example.org";
const JID: &str = "private.example.org";

fn findings() -> Findings {
    Findings::new(&[HOST.to_owned()])
}

fn refused(number: usize, condition: &str) -> Reply {
    let refusal = Refusal {
        condition: condition.to_owned(),
        pubsub: None,
        text: None,
    };
    Reply {
        number,
        outcome: Err(refusal),
    }
}

fn answered(number: usize, payload: &str) -> Reply {
    Reply {
        number,
        outcome: Ok(Some(payload.parse().expect("XML"))),
    }
}

/// What a domain answers that says this of itself.
pub fn info(server: &str, feature: &str) -> Reply {
    answered(
        INFO,
        &format!(
            "<query xmlns='http://jabber.org/protocol/disco#info'>\
             <identity category='server' type='im' name='{server}'/><feature var='{feature}'/></query>"
        ),
    )
}

/// The same of its version.
pub fn version(version: &str) -> Reply {
    answered(
        VERSION,
        &format!("<query xmlns='jabber:iq:version'><version>{version}</version></query>"),
    )
}

/// The one line about a domain that does not delegate.
fn none(replies: &[Reply]) -> String {
    let mut findings = findings();
    for reply in replies {
        findings.replied(reply);
    }
    assert!(!findings.are_complete());
    match judge(&findings, HOST, JID).as_slice() {
        [(Sign::Bad, line)] => line.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn why_a_domain_does_not_delegate() {
    for (replies, why) in [
        (vec![], "mod_privilege"),
        (
            vec![refused(INFO, "remote-server-not-found")],
            "has no such host (it says remote-server-not-found)",
        ),
        (vec![info("ejabberd", "x")], "mod_delegation is not loaded"),
        (
            vec![info("ejabberd", "urn:xmpp:delegation:1")],
            "does not delegate to private.example.org",
        ),
        (
            vec![info("Prosody", "x")],
            "\"example.org\" in its private_storage_hosts",
        ),
        (vec![info("MongooseIM", "x")], "`print-config` prints"),
        (
            vec![refused(INFO, "service-unavailable")],
            "`print-config` prints",
        ),
    ] {
        let line = none(&replies);
        assert!(line.contains(why), "{line}");
        assert!(!line.contains("meanwhile"), "{line}");
    }
}

#[test]
fn who_answers_meanwhile() {
    let own = "meanwhile its own mod_private serves its clients";
    for (replies, meanwhile) in [
        (
            vec![refused(PRIVATE, "forbidden"), info("ejabberd", "x")],
            own,
        ),
        (vec![info("ejabberd", "jabber:iq:private")], own),
        // With our block, and only half of it, clients get errors.
        (
            vec![info("Prosody", "jabber:iq:private")],
            "may serve its clients meanwhile",
        ),
    ] {
        let line = none(&replies);
        assert!(line.contains(meanwhile), "{line}");
    }
}

/// Our own refusal comes by way of the delegation, and so after its beginning.
#[test]
fn only_an_answer_before_the_delegation_is_of_mod_private() {
    let mut early = findings();
    early.replied(&refused(PRIVATE, "forbidden"));
    early.delegated(HOST);
    let lines = judge(&early, HOST, JID);
    assert_eq!(lines[0], (Sign::Good, HOST.to_owned()));
    assert!(lines[1].1.contains("until this login, mod_private"));

    let mut late = findings();
    late.delegated(HOST);
    late.replied(&refused(PRIVATE, "forbidden"));
    assert_eq!(judge(&late, HOST, JID).len(), 1);
}
