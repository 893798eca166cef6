//! XEP-0044: names are names whatever their prefixes, and each stanza is rewritten into the
//! namespace of its place. And what breaks the rules of namespaces costs its own stanza only.

use std::time::Duration;

use super::stage::{Stage, error_with, set};
use crate::support::component::{Component, Options};
use crate::support::router::{PATIENCE, Router, Session};

const GET: &str = "<query xmlns='jabber:iq:private'><a xmlns='urn:x'/></query>";

/// A session whose header is the test's own; the component has logged in.
fn session(header: &str, handshake: &str) -> (Component, Session) {
    let router = Router::new();
    let component = Component::start(Options::at(router.address()));
    let session = router.let_in_with(header, handshake);
    component.wait_for_log("logged in", PATIENCE);
    (component, session)
}

fn answer(to: &str) -> String {
    format!("<iq type='result' id='1' from='private.localhost' to='{to}'>{GET}</iq>")
}

#[test]
fn headers_of_every_form_open_a_stream() {
    let streams = "http://etherx.jabber.org/streams";
    for (header, prefix) in [
        (
            format!("<s:stream xmlns:s='{streams}' xmlns='jabber:component:accept' id='it'>"),
            "",
        ),
        (
            format!("<stream xmlns='{streams}' xmlns:c='jabber:component:accept' id='it'>"),
            "c:",
        ),
        (
            format!("<stream:stream xmlns:stream='{streams}' xmlns='jabber:client' id='it'>"),
            "",
        ),
        (
            format!("<stream:stream xmlns:stream='{streams}' xmlns='jabber:server' id='it'>"),
            "",
        ),
        (
            format!("<iq:stream\n id=\"it\" xmlns:x='jabber:client' xmlns:iq=\"{streams}\"\t>"),
            "x:",
        ),
    ] {
        let (_component, mut session) = session(&header, &format!("<{prefix}handshake/>"));
        session.send(format!(
            "<{prefix}iq type='get' id='1' from='alice@localhost/x' to='private.localhost'>\
             {GET}</{prefix}iq>"
        ));
        // However it came, the answer stands in the stream's default namespace, unprefixed.
        let received = session.next();
        assert_eq!(received, answer("alice@localhost/x"), "{header}");
    }
}

#[test]
fn a_stanza_in_the_namespace_of_clients_or_servers_is_rewritten() {
    let mut stage = Stage::new();
    for namespace in ["jabber:client", "jabber:server", "jabber:component:accept"] {
        for stanza in [
            format!(
                "<iq xmlns='{namespace}' type='get' id='1' from='a@localhost' to='private.localhost'>{GET}</iq>"
            ),
            format!(
                "<p:iq xmlns:p='{namespace}' type='get' id='1' from='a@localhost' to='private.localhost'>{GET}</p:iq>"
            ),
        ] {
            stage.send(stanza);
            assert_eq!(stage.next(), answer("a@localhost"));
        }
    }
}

#[test]
fn a_stanza_in_any_other_namespace_is_none() {
    let mut stage = Stage::new();
    for namespace in ["", "urn:x", "jabber:component:connect"] {
        stage.send(format!(
            "<iq xmlns='{namespace}' type='get' id='1' from='a@localhost' to='private.localhost'>{GET}</iq>"
        ));
        stage.expect_nothing();
    }
}

#[test]
fn prefixes_do_not_matter() {
    let mut stage = Stage::new();
    stage.send(
        "<iq type='set' id='1' from='a@localhost' to='private.localhost' xmlns:v='urn:v'>\
         <q:query xmlns:q='jabber:iq:private'><p:a xmlns:p='urn:x' v:k='1' k='2'>\
         <v:b xmlns:v='urn:w' v:k='3'/></p:a></q:query></iq>",
    );
    stage.expect("<iq type='result' id='1' from='private.localhost' to='a@localhost'/>");
    stage.send(
        "<iq type='get' id='2' from='a@localhost' to='private.localhost'>\
         <query xmlns='jabber:iq:private'><other:a xmlns:other='urn:x'/></query></iq>",
    );
    stage.expect(
        "<iq type='result' id='2' from='private.localhost' to='a@localhost'>\
         <query xmlns='jabber:iq:private'><a xmlns='urn:x' xmlns:v='urn:v' v:k='1' k='2'>\
         <b xmlns='urn:w' xmlns:w='urn:w' w:k='3'/></a></query></iq>",
    );
}

/// What looks like a stanza inside a stored fragment is the user's data.
#[test]
fn stored_fragments_are_never_rewritten() {
    let mut stage = Stage::new();
    let fragment = "<a xmlns='urn:x'><message xmlns='jabber:client'><body>hi</body>\
         <forwarded xmlns='urn:xmpp:forward:0'><iq xmlns='jabber:client'><error/></iq></forwarded>\
         </message><iq xmlns='jabber:component:accept'/><iq xmlns='jabber:server'/></a>";
    stage.store(fragment);
    stage.fetch("<a xmlns='urn:x'/>", fragment);
    let forwarded = "<forwarded xmlns='urn:xmpp:forward:0'>\
         <iq xmlns='jabber:client'><body/></iq></forwarded>";
    stage.store(forwarded);
    stage.fetch("<forwarded xmlns='urn:xmpp:forward:0'/>", forwarded);
}

/// Hazards 1 and 6: each costs its own stanza, which is answered where it can be, and the link
/// lives on.
#[test]
fn faults_against_namespaces_cost_their_stanza_only() {
    let mut stage = Stage::new();
    let xml = "http://www.w3.org/XML/1998/namespace";
    let xmlns = "http://www.w3.org/2000/xmlns/";
    let many: String = (0..200).map(|n| format!(" a{n}='1'")).collect();
    for fault in [
        "<z:foo/>".to_owned(),
        "<foo xmlns='urn:x' z:k='v'/>".to_owned(),
        format!("<foo xmlns='{xml}'/>"),
        "<xml:foo/>".to_owned(),
        format!("<foo xmlns='urn:x' xmlns:ns1='{xml}' ns1:foo='1'/>"),
        "<foo xmlns='urn:x' xmlns:p=''/>".to_owned(),
        "<foo xmlns='urn:x' xmlns:xml='urn:y'/>".to_owned(),
        "<foo xmlns='urn:x' xmlns:xmlns='urn:y'/>".to_owned(),
        format!("<foo xmlns='urn:x' xmlns:p='{xmlns}'/>"),
        format!("<foo xmlns='{xmlns}'/>"),
        "<foo xmlns='urn:x'><?php evil ?></foo>".to_owned(),
        "<a:b:c xmlns:a='urn:x'/>".to_owned(),
        "<foo xmlns='urn:x' xmlns:a='urn:y' a:b:c='1'/>".to_owned(),
        "<:foo xmlns='urn:x'/>".to_owned(),
        "<foo: xmlns='urn:x'></foo:>".to_owned(),
        "<foo xmlns='urn:x' k='1' k='2'/>".to_owned(),
        "<foo xmlns='urn:x' xmlns:a='urn:y' xmlns:b='urn:y' a:k='1' b:k='2'/>".to_owned(),
        "<foo xmlns='urn:x' xmlns='urn:y'/>".to_owned(),
        format!("<foo xmlns='urn:x'{many} a7='1'/>"),
    ] {
        stage.send(set("1", &fault));
        let received = stage.next();
        assert!(received.contains("<bad-request "), "{fault}\n{received}");
        assert!(
            received.starts_with("<iq type='error' id='1' "),
            "{fault}\n{received}"
        );
        assert!(!received.contains("foo"), "it was repeated: {received}");
        // In a message there is nobody to answer.
        stage.send(format!(
            "<message from='a@localhost' to='private.localhost'>{fault}</message>"
        ));
        stage.expect_nothing();
    }
    stage.fetch("<foo xmlns='urn:x'/>", "<foo xmlns='urn:x'/>");
}

/// Hazard 6: Prosody shuffles attributes, so the fault may come before what says whom to answer.
#[test]
fn a_fault_in_the_header_itself_is_answered() {
    let mut stage = Stage::new();
    for fault in [
        "xmlns:ns1='http://www.w3.org/XML/1998/namespace' ns1:foo='1'",
        "z:foo='1'",
        "xmlns:p=''",
        "a:b:c='1'",
        ":c = \"it's\"",
    ] {
        stage.send(format!(
            "<iq {fault} type='get' id='1' from='alice@localhost/phone' to='private.localhost'>\
             {GET}</iq>"
        ));
        stage.expect_error(&error_with("1", "", "modify", 400, "bad-request"));
    }
}

/// Who is answered is read from the stanza's own attributes, never from what stands beside them.
#[test]
fn a_faulty_header_misleads_nobody() {
    let mut stage = Stage::new();
    stage.send(format!(
        "<iq xmlns:p='' p:id='2' p:from='bob@localhost' xmlns:from='urn:x' type='get' id='1' \
         from='alice@localhost/phone' to='private.localhost'>{GET}</iq>"
    ));
    stage.expect_error(&error_with("1", "", "modify", 400, "bad-request"));
}

/// Hazard 2: valid XML with a token over 8 KiB is stored.
#[test]
fn long_attributes_are_stored() {
    let mut stage = Stage::new();
    let element = format!("<a xmlns='urn:x' k='{}'/>", "v".repeat(100_000));
    stage.store(&element);
    stage.fetch("<a xmlns='urn:x'/>", &element);
}

/// Hazard 4: prefixes that are bound again further in.
#[test]
fn rebound_prefixes_are_understood() {
    let mut stage = Stage::new();
    stage.store("<a xmlns='x' xmlns:p='u' p:k='1'><p:b xmlns:p='u2' p:k='2'/><p:c/></a>");
    stage.fetch(
        "<a xmlns='x'/>",
        "<a xmlns='x' xmlns:p='u' p:k='1'><b xmlns='u2' xmlns:q='u2' q:k='2'/><c xmlns='u'/></a>",
    );
}

#[test]
fn comments_cost_nothing() {
    let mut stage = Stage::new();
    stage.send("<!-- <iq> -->");
    stage.store("<a xmlns='urn:x'>1<!-- - -->2</a><!-- x -->");
    stage.fetch("<a xmlns='urn:x'/>", "<a xmlns='urn:x'>12</a>");
}

/// ejabberd sends a carriage return bare where a client had written `&#13;`.
#[test]
fn a_bare_carriage_return_in_an_attribute_costs_nothing() {
    let mut stage = Stage::new();
    stage.store("<a xmlns='urn:x' k='1\r2\r\n3'>4\r5\r\n6</a>");
    stage.fetch(
        "<a xmlns='urn:x'/>",
        "<a xmlns='urn:x' k='1 2 3'>4\n5\n6</a>",
    );
}

/// Hazard 6: look-ups are hashed, so that nobody buys quadratic work.
#[test]
fn ten_thousand_declarations_hold_nobody_up() {
    let mut stage = Stage::new();
    let declarations: String = (0..10_000)
        .map(|n| format!(" xmlns:p{n}='urn:{n}'"))
        .collect();
    let attributes: String = (0..60_000).map(|n| format!(" a{n}='1'")).collect();
    let before = stage.component.busy();
    stage.send(set(
        "1",
        &format!("<a xmlns='urn:x'{declarations}><p9999:b p77:k='1'/></a>"),
    ));
    stage.send(set("2", &format!("<a xmlns='urn:x'{attributes}/>")));
    for _ in 0..2 {
        stage.next();
    }
    // Quadratic work would take minutes.
    let busy = stage.component.busy().saturating_sub(before);
    println!("{busy:?}");
    assert!(busy < Duration::from_secs(5), "{busy:?}");
}
