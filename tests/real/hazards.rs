//! What real servers forward of what a hostile user types, while another user goes on being
//! served.

use minidom::Element;

use super::stage::{self, Stage};
use crate::support::answers::{fragment, refusal, stored, succeeded, text};
use crate::support::client::{PATIENCE, RawClient, private};
use crate::support::component::{self, Component};
use crate::support::prosody;
use crate::support::server::{COMPONENT, HOST, Options};

macro_rules! on_both_servers {
    ($($scenario:ident)*) => {
        mod prosody_hazards {
            $(#[test] fn $scenario() { super::$scenario(super::stage::prosody()); })*
        }
        mod ejabberd_hazards {
            $(#[test] fn $scenario() { super::$scenario(super::stage::ejabberd()); })*
        }
    };
}

on_both_servers! {
    undeclared_prefixes
    reserved_prefixes_in_every_place
    nesting
    sizes
    forged_delegations
    odd_ids
    odd_resources
}

/// Mallory does something; then Alice, who was there before, is served as ever.
struct Scene<'s> {
    stage: &'s Stage,
    alice: RawClient,
    mallory: RawClient,
    round: u32,
}

impl<'s> Scene<'s> {
    fn new(stage: &'s Stage, declarations: &str) -> Scene<'s> {
        let mallory = stage.newcomer();
        Scene {
            stage,
            alice: stage.login(),
            mallory: RawClient::login_declaring(&stage.server, &mallory, declarations),
            round: 0,
        }
    }

    /// Both ways in.
    #[track_caller]
    fn alice_is_served(&mut self) {
        for to in ["", COMPONENT] {
            self.round += 1;
            let value = format!("<a xmlns='urn:test:calm'>{}</a>", self.round);
            succeeded(&self.alice.set(to, &value));
            let answer = self.alice.get(to, "<a xmlns='urn:test:calm'/>");
            assert_eq!(stored(&answer), [fragment(&value)]);
        }
        let log = self.stage.component.log();
        let lost = log.iter().find(|line| line.contains("next attempt in"));
        assert_eq!(lost, None, "the link was lost");
    }
}

/// Hazard 1: ejabberd forwards a prefix that the client declared on its own stream root without
/// the declaration.
fn undeclared_prefixes(stage: &Stage) {
    let mut scene = Scene::new(stage, "xmlns:z='urn:test:z'");
    for to in ["", COMPONENT] {
        for payload in ["<z:foo z:k='v'/>", "<foo xmlns='urn:x' z:k='v'/>"] {
            let answer = scene.mallory.request(&private("set", to, payload));
            match stage.server.name() {
                "ejabberd" => assert_eq!(refusal(&answer), "modify bad-request"),
                _ => succeeded(&answer),
            }
            scene.alice_is_served();
        }
    }
}

/// Hazard 6: both servers forward what uses the prefix `xml`, each in a form of its own.
fn reserved_prefixes_in_every_place(stage: &Stage) {
    let mut scene = Scene::new(stage, "");
    for poison in [
        format!("<message to='{COMPONENT}'><xml:foo/></message>"),
        format!("<message to='{COMPONENT}' xml:foo='1'><body>x</body></message>"),
        format!("<presence to='{COMPONENT}'><status xml:foo='1'/></presence>"),
    ] {
        scene.mallory.send(&poison);
        scene.alice_is_served();
    }
    for to in ["", COMPONENT] {
        for payload in [
            "<xml:foo/>",
            "<a xmlns='urn:x' xml:foo='1'/>",
            "<a xmlns='urn:x'><xml:b/></a>",
        ] {
            // ejabberd passes the attribute on as it is, which is fine; all else is an error,
            // of ours or of the server. What counts is that there is an answer.
            let answer = scene.mallory.request(&private("set", to, payload));
            let expected = match stage.server.name() {
                "ejabberd" if payload.contains(" xml:foo") => "result",
                _ => "error",
            };
            assert_eq!(answer.attr("type"), Some(expected), "{}", text(&answer));
            scene.alice_is_served();
        }
    }
}

/// Hazard 3. (ejabberd 23.01 itself dies of 3,500 levels.)
fn nesting(stage: &Stage) {
    let mut scene = Scene::new(stage, "");
    let nested = |levels: usize| {
        let (open, close) = ("<b>".repeat(levels - 1), "</b>".repeat(levels - 1));
        format!("<a xmlns='urn:x'>{open}{close}</a>")
    };
    for to in ["", COMPONENT] {
        succeeded(&scene.mallory.set(to, &nested(256)));
        for levels in [257, 2_500] {
            let answer = scene.mallory.set(to, &nested(levels));
            assert_eq!(refusal(&answer), "modify not-acceptable");
        }
        scene.alice_is_served();
    }
}

/// Hazards 2 and 5: what a server lets through, below its own 256 KiB.
fn sizes(stage: &Stage) {
    let mut scene = Scene::new(stage, "");
    for to in ["", COMPONENT] {
        for large in [
            format!("<a xmlns='urn:x' k='{}'/>", "v".repeat(100_000)),
            format!("<a xmlns='urn:x'>{}</a>", "v".repeat(200_000)),
            format!("<a xmlns='urn:x'>{}</a>", "&amp;".repeat(30_000)),
            format!("<a xmlns='urn:x'>{}</a>", "<b/>".repeat(20_000)),
        ] {
            succeeded(&scene.mallory.set(to, &large));
            let answer = scene.mallory.get(to, "<a xmlns='urn:x'/>");
            assert!(
                stored(&answer) == [fragment(&large)],
                "it came back changed"
            );
            scene.alice_is_served();
        }
        // Together over what one namespace may hold: refused, and what was stored stays.
        succeeded(
            &scene
                .mallory
                .set(to, &format!("<a xmlns='urn:y'>{}</a>", "v".repeat(200_000))),
        );
        let answer = scene
            .mallory
            .set(to, &format!("<b xmlns='urn:y'>{}</b>", "v".repeat(200_000)));
        assert_eq!(refusal(&answer), "modify not-acceptable");
        scene.alice_is_served();
    }
}

/// Hazard 8: it arrives with the true address of whoever sent it.
fn forged_delegations(stage: &Stage) {
    let mut scene = Scene::new(stage, "");
    succeeded(&scene.alice.set("", "<a xmlns='urn:test:secret'>secret</a>"));
    let alice = scene.alice.jid().to_owned();
    for version in [1, 2] {
        for kind in ["get", "set"] {
            let answer = scene.mallory.request(&format!(
                "<iq type='set' id='forged{version}{kind}' to='{COMPONENT}'>\
                 <delegation xmlns='urn:xmpp:delegation:{version}'>\
                 <forwarded xmlns='urn:xmpp:forward:0'>\
                 <iq xmlns='jabber:client' type='{kind}' id='1' from='{alice}'>\
                 <query xmlns='jabber:iq:private'><a xmlns='urn:test:secret'/></query>\
                 </iq></forwarded></delegation></iq>"
            ));
            assert_eq!(refusal(&answer), "auth forbidden");
        }
        scene.mallory.send(&format!(
            "<message to='{COMPONENT}'><delegation xmlns='urn:xmpp:delegation:{version}'>\
             <delegated namespace='jabber:iq:private'/></delegation></message>"
        ));
    }
    let answer = scene.alice.get("", "<a xmlns='urn:test:secret'/>");
    assert_eq!(
        stored(&answer),
        [fragment("<a xmlns='urn:test:secret'>secret</a>")]
    );
    scene.alice_is_served();
}

/// Hazard 9: ids are whatever a user likes.
fn odd_ids(stage: &Stage) {
    let mut scene = Scene::new(stage, "");
    let long = "x".repeat(10_000);
    for to in ["", COMPONENT] {
        for id in ["\u{1f600}", "&quot;&lt;&amp;&gt;", "alive-1", "a b", &long] {
            let iq = private("get", to, "<a xmlns='urn:x'/>");
            let begin = iq.find("id='").expect("an id") + 4;
            let end = begin + iq[begin..].find('\'').expect("its end");
            // Prosody 13 looks at a long tag that came in parts when as much again has come.
            let blanks = " ".repeat(id.len());
            let iq = format!("{}{id}{}{blanks}", &iq[..begin], &iq[end..]);
            scene.mallory.send(&iq);
            let expected = fragment(&format!("<iq id='{id}'/>"));
            let answer = next_iq(&mut scene.mallory);
            assert_eq!(answer.attr("id"), expected.attr("id"));
            succeeded(&answer);
        }
        scene.alice_is_served();
    }
}

/// The resource decides nothing: not whose data it is, and not whether one is answered.
fn odd_resources(stage: &Stage) {
    let mut scene = Scene::new(stage, "");
    let jid = scene
        .mallory
        .jid()
        .split('/')
        .next()
        .expect("a bare JID")
        .to_owned();
    succeeded(&scene.mallory.set("", "<a xmlns='urn:x'>1</a>"));
    // ejabberd's own rules for resources are stricter.
    let emoji = match stage.server.name() {
        "Prosody" => "\u{1f600}",
        _ => "\u{e9}",
    };
    for resource in [emoji, "a/b@c", "&apos;&quot;"] {
        let mut other = RawClient::login_as(&stage.server, &jid, resource);
        for to in ["", COMPONENT] {
            let answer = other.get(to, "<a xmlns='urn:x'/>");
            assert_eq!(stored(&answer), [fragment("<a xmlns='urn:x'>1</a>")]);
        }
    }
    scene.alice_is_served();
}

/// Accounts that log in on Prosody and that the `jid` crate refuses have data of their own.
#[test]
fn accounts_that_jid_refuses_are_served_by_prosody() {
    let odd = ["\u{1f600}", "\u{1e9e}", "\u{221}"].map(|user| format!("{user}@{HOST}"));
    let mut accounts: Vec<&str> = odd.iter().map(String::as_str).collect();
    accounts.push("alice@localhost");
    let server = prosody::start(Options::delegating(&accounts));
    let _component = Component::start(component::Options::at(server.component_address()));
    stage::wait_until_served(&server, "alice@localhost", &["", COMPONENT]);
    for to in ["", COMPONENT] {
        for jid in &accounts {
            let mut client = RawClient::login(&server, jid);
            let value = format!("<a xmlns='urn:x'>{jid}{to}</a>");
            succeeded(&client.set(to, &value));
        }
        for jid in &accounts {
            let mut client = RawClient::login(&server, jid);
            let answer = client.get(to, "<a xmlns='urn:x'/>");
            let value = format!("<a xmlns='urn:x'>{jid}{to}</a>");
            assert_eq!(stored(&answer), [fragment(&value)]);
        }
    }
}

fn next_iq(client: &mut RawClient) -> Element {
    loop {
        let stanza = client.next(PATIENCE).expect("an answer");
        if stanza.starts_with("<iq") {
            return fragment(&stanza);
        }
    }
}
