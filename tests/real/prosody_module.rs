//! What our module does on Prosody beside what all scenarios show: the first host of the shared stage has
//! it, and so have most of those of the bookmarks.

use std::io::{Read, Write};
use std::net::TcpStream;

use minidom::Element;
use sha1::{Digest, Sha1};

use super::stage::wait_until_served;
use super::undelegated::ORDERS;
use crate::support::answers::{element, fragment, refusal, stored, succeeded, text};
use crate::support::client::{PATIENCE, RawClient, private};
use crate::support::clock::eventually;
use crate::support::component::{self, Component};
use crate::support::cutter::Cutter;
use crate::support::prosody;
use crate::support::relay::Relay;
use crate::support::server::{COMPONENT, HOST, OTHER_HOST, Options, SECRET, Server};

const ALICE: &str = "alice@localhost";
const BOB: &str = "bob@test2.localhost";
const NOTE: &str = "<note xmlns='urn:test:note'>kept</note>";
const NO_NOTE: &str = "<note xmlns='urn:test:note'/>";

/// A Prosody whose hosts and other components are these, beside a component that loads our module.
fn prosody(hosts: &str, of_ours: &str, others: &str) -> Server {
    prosody_with(&[], hosts, of_ours, others)
}

/// The same, with these modules besides.
fn prosody_with(
    modules: &'static [(&str, &str)],
    hosts: &str,
    of_ours: &str,
    others: &str,
) -> Server {
    let mut options = Options::delegating(&[ALICE, BOB]);
    options.modules = modules;
    options.host_blocks = Some(format!(
        "{hosts}Component \"{COMPONENT}\"\n  component_secret = \"{SECRET}\"\n  \
         modules_enabled = {{ \"private_storage\" }}\n{of_ours}{others}"
    ));
    prosody::start(options)
}

const BOTH: &str = "VirtualHost \"localhost\"\nVirtualHost \"test2.localhost\"\n";
const NAMING_BOTH: &str = "  private_storage_hosts = { \"localhost\", \"test2.localhost\" }\n";

fn component(server: &Server) -> Component {
    let component = Component::start(component::Options::at(server.component_address()));
    wait_until_served(server, ALICE, &["", COMPONENT]);
    wait_until_served(server, BOB, &["", COMPONENT]);
    component
}

/// A component that does as the test says.
pub struct RawComponent {
    stream: TcpStream,
    cutter: Cutter,
    jid: &'static str,
}

impl RawComponent {
    /// Connects, and proves who it is.
    pub fn login(server: &Server, jid: &'static str) -> RawComponent {
        let (component, answer) = RawComponent::try_login(server, jid, SECRET);
        assert!(answer.starts_with("<handshake"), "{answer}");
        component
    }

    /// Connects, and says that it knows this secret; the answer.
    pub fn try_login(server: &Server, jid: &'static str, secret: &str) -> (RawComponent, String) {
        let stream = TcpStream::connect(server.component_address()).expect("it listens");
        let mut component = RawComponent {
            stream,
            cutter: Cutter::default(),
            jid,
        };
        component.send(&format!(
            "<stream:stream to='{jid}' xmlns='jabber:component:accept' \
             xmlns:stream='http://etherx.jabber.org/streams'>"
        ));
        let header = component.next();
        let (_, id) = header.split_once("id='").expect("an id");
        let (id, _) = id.split_once('\'').expect("an id");
        let token = hex::encode(Sha1::digest(format!("{id}{secret}")));
        component.send(&format!("<handshake>{token}</handshake>"));
        let answer = component.next();
        (component, answer)
    }

    pub fn send(&mut self, xml: &str) {
        self.stream.write_all(xml.as_bytes()).expect("it reads");
    }

    fn next(&mut self) -> String {
        self.stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a socket");
        loop {
            if let Some(piece) = self.cutter.piece() {
                return piece;
            }
            let mut bytes = [0; 65536];
            let read = self.stream.read(&mut bytes).expect("something");
            assert!(read > 0, "{}: the end", self.jid);
            self.cutter.feed(&bytes[..read]);
        }
    }

    /// The next stanza with this in it.
    pub fn next_with(&mut self, part: &str) -> String {
        loop {
            let piece = self.next();
            if piece.contains(part) {
                return piece;
            }
        }
    }

    /// What comes of asking PEP for a user; the whole reply.
    fn privileged(&mut self, account: &str, kind: &str, payload: &str) -> String {
        let own = self.jid;
        self.send(&format!(
            "<iq type='{kind}' id='outer' from='{own}' to='{account}'>\
             <privileged_iq xmlns='urn:xmpp:privilege:2'>\
             <iq xmlns='jabber:client' type='{kind}' id='inner' from='{account}' to='{account}'>\
             {payload}</iq></privileged_iq></iq>"
        ));
        self.next_with("id='outer'")
    }
}

/// Psi and Psi+ put a line end around each payload. mod_delegation counts those, so that such a get never came
/// to the component; with the module it does, on its own host and for the bookmarks too.
#[test]
fn white_space_around_a_payload_keeps_nothing_from_the_component() {
    let server = prosody(BOTH, NAMING_BOTH, "");
    let _component = component(&server);
    for user in [ALICE, BOB] {
        let mut client = RawClient::login(&server, user);
        for to in [String::new(), format!(" to='{user}'")] {
            let set = format!(
                "<iq type=\"set\"{to} id=\"aac1a\">\n<query xmlns=\"jabber:iq:private\">\n{NOTE}\n\
                 </query>\n</iq>\n"
            );
            succeeded(&client.request(&set.replace("id=\"aac1a\"", "id='aac1a'")));
            let get = format!(
                "<iq type=\"get\"{to} id='aac2a'>\n<query xmlns=\"jabber:iq:private\">\n{NO_NOTE}\n\
                 </query>\n</iq>\n"
            );
            assert_eq!(stored(&client.request(&get)), [fragment(NOTE)]);
        }
    }
}

/// The client waited for ever for an answer that did not come.
#[test]
fn a_request_without_an_answer_gets_an_error_and_a_late_answer_is_dropped() {
    let hosts = BOTH.replacen('\n', "\n  private_storage_timeout = 2\n", 1);
    let server = prosody(&hosts, NAMING_BOTH, "");
    let mut silent = RawComponent::login(&server, COMPONENT);
    let mut client = RawClient::login(&server, ALICE);
    let request = private("get", "", NO_NOTE);
    let answer = client.request(&request);
    assert_eq!(refusal(&answer), "wait remote-server-timeout");

    let (outer, inner) = ids(&silent.next_with("urn:xmpp:forward:0"));
    let late = reply(
        &outer,
        &inner,
        client.jid(),
        "<query xmlns='jabber:iq:private'/>",
    );
    silent.send(&late);
    // What comes next is the next answer, and nothing was said of the late one.
    client.send("<iq type='get' id='ping' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>");
    let next = client.next(PATIENCE).expect("an answer");
    assert!(next.contains("id='ping'"), "{next}");
    says(
        &server,
        "has not answered a request for private storage in 2 seconds",
    );
    let log = server.log();
    assert!(!log.contains("no valid reply"), "{log}");
    assert!(!log.contains("Traceback"), "{log}");
}

/// Those of what the component was asked, the outer and the inner.
fn ids(asked: &str) -> (String, String) {
    let outer = element(&asked.replace("xmlns='jabber:component:accept'", "")).expect("XML");
    let delegation = outer.get_child("delegation", "urn:xmpp:delegation:2");
    let forwarded = delegation.and_then(|it| it.get_child("forwarded", "urn:xmpp:forward:0"));
    let inner = forwarded.and_then(|it| it.get_child("iq", "jabber:client"));
    let id = |iq: Option<&Element>| iq.and_then(|it| it.attr("id")).expect("an id").to_owned();
    (id(Some(&outer)), id(inner))
}

fn reply(outer: &str, inner: &str, to: &str, payload: &str) -> String {
    format!(
        "<iq type='result' id='{outer}' from='{COMPONENT}' to='{HOST}'>\
         <delegation xmlns='urn:xmpp:delegation:2'><forwarded xmlns='urn:xmpp:forward:0'>\
         <iq xmlns='jabber:client' type='result' id='{inner}' from='{ALICE}' to='{to}'>{payload}</iq>\
         </forwarded></delegation></iq>"
    )
}

/// What is sent in place of a reply to the request with these ids, the outer and the inner.
type Reply<'a> = &'a dyn Fn(&str, &str) -> String;

/// What a component sends in place of a reply costs that request, and reaches nobody else.
#[test]
fn no_reply_but_the_one_asked_for_reaches_a_client() {
    let server = prosody(BOTH, NAMING_BOTH, "");
    let mut false_one = RawComponent::login(&server, COMPONENT);
    let mut client = RawClient::login(&server, ALICE);
    let mut other = RawClient::login(&server, BOB);
    let payload = "<query xmlns='jabber:iq:private'/>";
    let own = client.jid().to_owned();
    let replies: [Reply; 6] = [
        &|outer, inner| reply(outer, inner, other.jid(), payload),
        &|outer, _| reply(outer, "another", &own, payload),
        &|outer, inner| reply(outer, inner, &own, payload).replace("jabber:client", "urn:x"),
        &|outer, inner| {
            let [result, set] = ["result", "set"].map(|it| format!("'jabber:client' type='{it}'"));
            reply(outer, inner, &own, payload).replace(&result, &set)
        },
        &|outer, _| format!("<iq type='result' id='{outer}' from='{COMPONENT}' to='{HOST}'/>"),
        &|outer, _| {
            format!(
                "<iq type='error' id='{outer}' from='{COMPONENT}' to='{HOST}'><error type='cancel'>\
                 <forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
            )
        },
    ];
    for wrong in replies {
        client.send(&private("get", "", NO_NOTE));
        let (outer, inner) = ids(&false_one.next_with("urn:xmpp:forward:0"));
        false_one.send(&wrong(&outer, &inner));
        let answer = element(&client.next(PATIENCE).expect("an answer")).expect("XML");
        assert_eq!(refusal(&answer), "cancel service-unavailable");
    }
    other.send("<iq type='get' id='ping' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>");
    let next = other.next(PATIENCE).expect("an answer");
    assert!(next.contains("id='ping'"), "somebody else's: {next}");
}

/// XEP-0356 grants namespaces, with all that users keep in PEP: avatars, keys of OMEMO. Ours grants one node.
#[test]
fn of_pep_the_component_reaches_the_bookmarks_and_nothing_else() {
    let hosts = BOTH.replace('\n', "\n  modules_enabled = { \"pep\" }\n");
    let server = prosody(&hosts, NAMING_BOTH, "");
    let mut component = RawComponent::login(&server, COMPONENT);
    component.next_with("urn:xmpp:privilege:2");
    const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
    let publish = |node: &str| {
        format!(
            "<pubsub xmlns='{PUBSUB}'><publish node='{node}'><item id='a@b'>\
             <conference xmlns='urn:xmpp:bookmarks:1'/></item></publish></pubsub>"
        )
    };
    let items = |node: &str| format!("<pubsub xmlns='{PUBSUB}'><items node='{node}'/></pubsub>");
    let bookmarks = "urn:xmpp:bookmarks:1";
    let said = component.privileged(ALICE, "set", &publish(bookmarks));
    assert!(
        said.contains("type='result'") && !said.contains("<error"),
        "{said}"
    );
    let said = component.privileged(ALICE, "get", &items(bookmarks));
    assert!(
        said.contains("<conference xmlns='urn:xmpp:bookmarks:1'"),
        "{said}"
    );

    let mut alice = RawClient::login(&server, ALICE);
    let keys = "eu.siacs.conversations.axolotl.devicelist";
    let own = publish(keys).replace("urn:xmpp:bookmarks:1", "eu.siacs.conversations.axolotl");
    succeeded(&alice.request(&format!("<iq type='set' id='keys'>{own}</iq>")));
    let two = format!(
        "<pubsub xmlns='{PUBSUB}'><items node='{bookmarks}'/><items node='{keys}'/></pubsub>"
    );
    // PEP does what the first child says, and does not look at its namespace.
    let foreign = |action: &str| {
        format!(
            "<pubsub xmlns='{PUBSUB}'><{action} xmlns='urn:x' node='{keys}'/>\
             <items node='{bookmarks}'/></pubsub>"
        )
    };
    let owner = |action: &str| {
        format!(
            "<pubsub xmlns='{PUBSUB}#owner'><{action} xmlns='urn:x' node='{keys}'/>\
             <configure node='{bookmarks}'/></pubsub>"
        )
    };
    let lasting =
        format!("<pubsub xmlns='{PUBSUB}#owner'><affiliations node='{bookmarks}'/></pubsub>");
    let refused: [(&str, &str, String); 15] = [
        (ALICE, "get", foreign("items")),
        (ALICE, "set", foreign("retract")),
        (ALICE, "set", foreign("subscribe")),
        (ALICE, "set", owner("delete")),
        (ALICE, "set", owner("purge")),
        (ALICE, "get", lasting),
        (ALICE, "get", items(keys)),
        (ALICE, "set", publish(keys)),
        (ALICE, "get", two),
        (ALICE, "get", format!("<pubsub xmlns='{PUBSUB}'/>")),
        (
            ALICE,
            "get",
            format!("<pubsub xmlns='{PUBSUB}'><subscriptions/></pubsub>"),
        ),
        (ALICE, "get", "<query xmlns='jabber:iq:roster'/>".to_owned()),
        ("nobody@localhost", "get", items(bookmarks)),
        ("alice@localhost/phone", "get", items(bookmarks)),
        (
            ALICE,
            "set",
            format!("<pubsub xmlns='{PUBSUB}#owner'><delete node='{keys}'/></pubsub>"),
        ),
    ];
    for (account, kind, payload) in refused {
        let said = component.privileged(account, kind, &payload);
        assert!(said.contains("type='error'"), "{account} {payload}: {said}");
        assert!(!said.contains("axolotl'><item"), "{said}");
    }
    let answer = alice.request(&format!("<iq type='get' id='still'>{}</iq>", items(keys)));
    assert!(text(&answer).contains("a@b"), "{}", text(&answer));
}

/// A gateway has a delegation and privileges of its own on the same host, by the modules for that. Of two lists
/// in a host the later one wins, so that one of the two had lost everything.
#[test]
fn other_components_keep_what_they_have() {
    let host = |name: &str| {
        format!(
            "VirtualHost \"{name}\"\n  modules_enabled = {{ \"pep\", \"delegation\", \"privilege\" }}\n  \
             delegations = {{ [\"urn:xmpp:test\"] = {{ jid = \"gateway.localhost\" }} }}\n  \
             privileged_entities = {{ [\"gateway.localhost\"] = {{ roster = \"both\", message = \"outgoing\", \
             iq = {{ [\"http://jabber.org/protocol/pubsub\"] = \"both\" }} }} }}\n"
        )
    };
    let server = prosody(
        &format!("{}{}", host(HOST), host(OTHER_HOST)),
        &NAMING_BOTH.replace("private_storage_hosts", "modules_enabled = { \"private_storage\", \"delegation\", \"privilege\" }\n  private_storage_hosts"),
        &format!(
            "Component \"gateway.localhost\"\n  component_secret = \"{SECRET}\"\n  \
             modules_enabled = {{ \"delegation\", \"privilege\" }}\n"
        ),
    );
    let component = component(&server);
    // A message about privileges that went through the modules of our Component ended in mod_privilege.
    for host in [HOST, OTHER_HOST] {
        component.wait_for_log(&format!("{host} lets the component keep"), PATIENCE);
    }
    let mut gateway = RawComponent::login(&server, "gateway.localhost");
    let mut told = String::new();
    while !(told.contains("urn:xmpp:test") && told.contains("access='roster'")) {
        told += &gateway.next();
    }
    assert!(!told.contains("jabber:iq:private"), "{told}");
    let nick = "<pubsub xmlns='http://jabber.org/protocol/pubsub'>\
                <items node='http://jabber.org/protocol/nick'/></pubsub>";
    let said = gateway.privileged(ALICE, "get", nick);
    assert!(
        said.contains("item-not-found"),
        "what PEP says itself: {said}"
    );

    let mut alice = RawClient::login(&server, ALICE);
    alice.send("<iq type='get' id='theirs'><query xmlns='urn:xmpp:test'/></iq>");
    let theirs = gateway.next_with("urn:xmpp:forward:0");
    assert!(theirs.contains("theirs"), "{theirs}");

    // Only what clients send has been looked at for an id; and nobody but the component itself speaks for it.
    gateway.send(
        "<iq type='get' from='gateway.localhost' to='alice@localhost'>\
         <query xmlns='jabber:iq:private'/></iq>",
    );
    assert!(gateway.next_with("type='error'").contains("<bad-request"));
    let said = gateway.privileged(
        ALICE,
        "get",
        "<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'>\
         <configure node='urn:xmpp:bookmarks:1'/></pubsub>",
    );
    assert!(said.contains("<forbidden"), "{said}");
    succeeded(&alice.set("", NOTE));
    assert_eq!(stored(&alice.get("", NO_NOTE)), [fragment(NOTE)]);
}

/// The component names its hosts, or a host names the component.
#[test]
fn a_host_can_name_the_component_itself() {
    let hosts = format!(
        "VirtualHost \"{HOST}\"\n  modules_enabled = {{ \"private_storage\" }}\n  \
         private_storage_component = \"{COMPONENT}\"\nVirtualHost \"{OTHER_HOST}\"\n  \
         modules_enabled = {{ \"private_storage\" }}\n  private_storage_component = \"{COMPONENT}\"\n"
    );
    let server = prosody(&hosts, "", "");
    let _component = component(&server);
}

/// Where the server has no such component, nothing is sent: it would go to another server of that name.
#[test]
fn a_component_that_is_no_host_of_the_server_gets_nothing() {
    let host = |component: &str| {
        format!(
            "VirtualHost \"{HOST}\"\n  modules_enabled = {{ \"private_storage\" }}\n  \
             private_storage_component = \"{component}\"\n"
        )
    };
    let server = prosody(&host("elsewhere.example"), NAMING_NONE, "");
    let answer = RawClient::login(&server, ALICE).get("", NO_NOTE);
    assert_eq!(refusal(&answer), "cancel service-unavailable");

    let server = prosody(&host("Private.LocalHost"), NAMING_NONE, "");
    let _component = Component::start(component::Options::at(server.component_address()));
    wait_until_served(&server, ALICE, &[""]);
}

const NAMING_NONE: &str = "  private_storage_hosts = {}\n";

/// A wrong setting is said, and costs what it is about.
#[test]
fn wrong_settings_are_told() {
    let timeout = BOTH.replacen('\n', "\n  private_storage_timeout = \"90s\"\n", 1);
    let naming = NAMING_BOTH.replace("localhost\",", "LOCALHOST\", \"absent.localhost\",");
    let server = prosody(&timeout, &naming, "");
    let _component = Component::start(component::Options::at(server.component_address()));
    wait_until_served(&server, BOB, &[""]);
    says(&server, "is a number of seconds, at least 1");
    says(&server, "names absent.localhost, and there is no such host");

    let off = BOTH.replacen('\n', "\n  private_storage_bookmarks = \"apart\"\n", 1);
    let server = prosody(&off, NAMING_BOTH, "");
    says(&server, "is \"pep\", \"server\" or \"off\", not \"apart\"");
}

/// It may log a moment after it can be reached.
#[track_caller]
fn says(server: &Server, line: &str) {
    eventually(line, || server.log().contains(line));
}

/// An error in the module's main part left the host to mod_private, which answered from what it had before the
/// cut over, and acknowledged sets that were gone once the error was.
#[test]
fn where_the_module_cannot_be_set_up_nobody_answers_from_the_old_copy() {
    let host = |more: &str| {
        format!(
            "VirtualHost \"{HOST}\"\n  modules_enabled = {{ \"orders\", \"private\" }}\n{more}\
             VirtualHost \"{OTHER_HOST}\"\n"
        )
    };
    let second = format!(
        "Component \"second.localhost\"\n  component_secret = \"{SECRET}\"\n  \
         modules_enabled = {{ \"private_storage\" }}\n{NAMING_BOTH}"
    );
    let without_bookmarks =
        "  private_storage_bookmarks = \"server\"\n  modules_disabled = { \"bookmarks\" }\n";
    for (more, others, why) in [
        (
            "  private_storage_timeout = \"90s\"\n",
            "",
            "private_storage_timeout is a number of seconds",
        ),
        (without_bookmarks, "", "disabled module mod_bookmarks"),
        ("", &*second, "both name it in private_storage_hosts"),
    ] {
        let modules = &[("mod_orders.lua", ORDERS)];
        let server = prosody_with(modules, &host(more), NAMING_BOTH, others);
        let mut alice = RawClient::login(&server, ALICE);
        for to in ["", ALICE] {
            assert_eq!(refusal(&alice.get(to, NO_NOTE)), UNAVAILABLE);
            assert_eq!(refusal(&alice.set(to, NOTE)), UNAVAILABLE);
        }
        let log = server.log();
        let told: Vec<&str> = log
            .lines()
            .filter(|it| it.contains("Private storage of localhost is refused"))
            .collect();
        assert!(told.len() == 1 && told[0].contains(why), "{log}");

        // Nothing of it is left behind.
        alice.send(&format!(
            "<message to='{HOST}'><order xmlns='urn:test' what='unload'>private_storage</order></message>"
        ));
        succeeded(&alice.get("", NO_NOTE));
    }
}

const UNAVAILABLE: &str = "cancel service-unavailable";

/// Does what mod_storage_sql does while its server is not up, in both ways that a storage fails in. A message
/// to the host brings it up, with a deletion that has not been confirmed.
const LATE: &str = r#"
local driver, failures, kept = {}, 0, nil;
function driver:open() return self; end
function driver:get()
  if kept then return kept; end
  failures = failures + 1;
  if failures == 1 then error("no route to host"); end
  return nil, "connection refused";
end
function driver:set(_, data) kept = data or {}; return true; end
module:hook("message/host", function (event)
  if not event.stanza:get_child("up", "urn:test") then return; end
  kept = { carol = "1:carol" };
  return true;
end, 1000);
module:provides("storage", driver);
"#;

/// What could not be read when Prosody started, such as a database that was not up yet, ended the module's main
/// part and left its hooks: each request was carried out, and its client waited for 90 seconds for an error.
#[test]
fn requests_wait_while_the_deletions_cannot_be_read() {
    let hosts = format!(
        "VirtualHost \"{HOST}\"\n  private_storage_timeout = 2\n  \
         storage = {{ private_storage_forget = \"late\" }}\nVirtualHost \"{OTHER_HOST}\"\n"
    );
    let server = prosody_with(&[("mod_storage_late.lua", LATE)], &hosts, NAMING_BOTH, "");
    let mut component = RawComponent::login(&server, COMPONENT);
    let mut alice = RawClient::login(&server, ALICE);
    for to in ["", ALICE, COMPONENT] {
        assert_eq!(
            refusal(&alice.get(to, NO_NOTE)),
            "wait resource-constraint",
            "{to}"
        );
    }
    let said = "Private storage of localhost is refused for now";
    says(&server, said);
    alice.send(&format!(
        "<message to='{HOST}'><up xmlns='urn:test'/></message>"
    ));
    let told = component.next_with("urn:xmpp-private-storage:0");
    assert!(told.contains("jid='carol@localhost'"), "{told}");
    alice.send(&private("get", "", NO_NOTE));
    component.next_with("urn:xmpp:forward:0");
    assert_eq!(server.log().matches(said).count(), 1);
}

/// Some storages of Prosody's never can: the module failed there as it does where one is not up yet.
#[test]
fn a_storage_that_cannot_keep_deletions_is_told() {
    let storage = "  storage = { private_storage_forget = \"xep0227\" }\n";
    let hosts = BOTH.replacen('\n', &format!("\n{storage}"), 1);
    let server = prosody(&hosts, NAMING_BOTH, "");
    let answer = RawClient::login(&server, ALICE).get("", NO_NOTE);
    assert_eq!(refusal(&answer), "wait resource-constraint");
    says(
        &server,
        "storage = { private_storage_forget = \"internal\" }",
    );
}

/// An administrator who followed "both at once do no harm", and left the old `delegations` of a host beside the
/// new file, found that bookmarks were no longer kept in step.
#[test]
fn delegations_that_were_left_take_no_access_to_pep_away() {
    let host = |name: &str, modules: &str, more: &str| {
        format!(
            "VirtualHost \"{name}\"\n  modules_enabled = {{ \"pep\"{modules} }}\n  \
             delegations = {{ [\"jabber:iq:private\"] = {{ jid = \"{COMPONENT}\" }} }}\n{more}"
        )
    };
    let granted = format!(
        "  privileged_entities = {{ [\"{COMPONENT}\"] = {{ iq = {{ \
         [\"http://jabber.org/protocol/pubsub\"] = \"both\", \
         [\"http://jabber.org/protocol/pubsub#owner\"] = \"both\" }} }} }}\n"
    );
    let both = ", \"delegation\", \"privilege\"";
    let hosts = host(HOST, "", "") + &host(OTHER_HOST, both, &granted);
    let server = prosody(&hosts, NAMING_BOTH, "");
    let component = component(&server);
    for host in [HOST, OTHER_HOST] {
        component.wait_for_log(&format!("{host} lets the component keep"), PATIENCE);
    }
}

/// An XML parser makes a space of a line end or tab in an attribute that was not escaped, so that the reply to
/// such an id was not the one asked for: the set was carried out, and its client got an error.
#[test]
fn an_id_of_several_lines_gets_its_own_reply() {
    let server = prosody(BOTH, NAMING_BOTH, "");
    let _component = component(&server);
    let mut client = RawClient::login(&server, ALICE);
    for (sent, id) in [("a&#10;b", "a\nb"), ("a&#9;b", "a\tb")] {
        client.send(&format!(
            "<iq type='set' id='{sent}'><query xmlns='jabber:iq:private'>{NOTE}</query></iq>"
        ));
        let answer = client.next(PATIENCE).expect("an answer");
        let is_its_own = answer.contains(&format!("id='{id}'"));
        assert!(is_its_own && answer.contains("type='result'"), "{answer}");
    }
}

/// A reply that the component could not send before the link broke comes on the next.
#[test]
fn a_reply_outlives_the_link() {
    let server = prosody(BOTH, NAMING_BOTH, "");
    let relay = Relay::new(server.component_address());
    let component = Component::start(component::Options::at(relay.address()));
    wait_until_served(&server, ALICE, &[""]);
    let mut client = RawClient::login(&server, ALICE);
    for _ in 0..3 {
        // In the middle of the reply.
        relay.cut_after(Some(100));
        let answer = client.try_request(&private("set", "", NOTE), PATIENCE);
        succeeded(&answer.expect("an answer, on the next link"));
        wait_until_served(&server, ALICE, &[""]);
    }
    let cut = component
        .log()
        .iter()
        .filter(|it| it.contains("logged in"))
        .count();
    assert!(cut > 1, "no link was cut");
}
