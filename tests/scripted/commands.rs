//! Ad-hoc commands (XEP-0050): what users do with their own data, and administrators with others'.

use minidom::Element;

use super::stage::{Stage, request};
use crate::support::component::Options;
use crate::support::router::parse;

const COMMANDS: &str = "http://jabber.org/protocol/commands";
const INFO: &str = "http://jabber.org/protocol/disco#info";
const ITEMS: &str = "http://jabber.org/protocol/disco#items";
const FORMS: &str = "jabber:x:data";

const ALICE: &str = "alice@localhost/phone";
const ADMIN: &str = "root@elsewhere.example/desk";

/// Root of elsewhere is an administrator, however that is written.
fn stage() -> Stage {
    Stage::with_access("admins = [\"Root@Elsewhere.example\"]")
}

fn iq(kind: &str, from: &str, payload: &str) -> String {
    format!("<iq type='{kind}' id='c' from='{from}' to='private.localhost'>{payload}</iq>")
}

/// A command with these attributes and this inside it; its answer.
#[track_caller]
fn command(stage: &mut Stage, from: &str, attributes: &str, inside: &str) -> Element {
    let command = format!("<command xmlns='{COMMANDS}' {attributes}>{inside}</command>");
    stage.send(iq("set", from, &command));
    parse(&stage.next_with("id='c'"))
}

/// The command inside of an answer, which has this status.
#[track_caller]
fn in_status(answer: &Element, status: &str) -> Element {
    let command = answer.get_child("command", COMMANDS);
    let command = command.unwrap_or_else(|| panic!("{}", String::from(answer)));
    assert_eq!(
        command.attr("status"),
        Some(status),
        "{}",
        String::from(command)
    );
    command.clone()
}

/// Begins a command; what came, and how to go on with it.
#[track_caller]
fn execute(stage: &mut Stage, from: &str, node: &str) -> (Element, String) {
    let answer = command(stage, from, &format!("node='{node}' action='execute'"), "");
    let command = answer.get_child("command", COMMANDS);
    let command = command.unwrap_or_else(|| panic!("{}", String::from(&answer)));
    let session = command.attr("sessionid").expect("a session");
    let on = format!("node='{node}' sessionid='{session}'");
    (command.clone(), on)
}

fn submit(fields: &[(&str, &str)]) -> String {
    let field = |(name, value): &(&str, &str)| {
        format!("<field var='{name}'><value>{value}</value></field>")
    };
    let fields: String = fields.iter().map(field).collect();
    format!("<x xmlns='{FORMS}' type='submit'>{fields}</x>")
}

fn note(command: &Element) -> String {
    command.get_child("note", COMMANDS).expect("a note").text()
}

/// Label and values of each field that people see.
fn fields(command: &Element) -> Vec<(String, String)> {
    let form = command.get_child("x", FORMS).expect("a form");
    let shown = form
        .children()
        .filter(|it| it.name() == "field" && it.attr("type") != Some("hidden"));
    let read = |field: &Element| {
        assert!(field.attr("type").is_some(), "Profanity shows no other");
        let value = field.get_child("value", FORMS).map(Element::text);
        let label = field.attr("label").unwrap_or_default();
        (label.to_owned(), value.unwrap_or_default())
    };
    shown.map(read).collect()
}

/// The actions that are offered; behind a colon what executing stands for.
fn actions(command: &Element) -> String {
    let actions = command.get_child("actions", COMMANDS).expect("actions");
    let names: Vec<&str> = actions.children().map(Element::name).collect();
    format!(
        "{}:{}",
        names.join(" "),
        actions.attr("execute").unwrap_or_default()
    )
}

/// The condition of an error, and that of XEP-0050 beside it.
fn error(answer: &Element) -> String {
    assert_eq!(
        answer.attr("type"),
        Some("error"),
        "{}",
        String::from(answer)
    );
    let error = answer
        .get_child("error", "jabber:component:accept")
        .expect("an error");
    let text = error.get_child("text", "urn:ietf:params:xml:ns:xmpp-stanzas");
    assert!(
        text.is_some_and(|text| text.text().len() > 10),
        "{}",
        String::from(error)
    );
    let conditions: Vec<&str> = error.children().map(Element::name).collect();
    conditions
        .into_iter()
        .filter(|name| *name != "text")
        .collect::<Vec<_>>()
        .join(" ")
}

/// Stores these elements for somebody.
#[track_caller]
fn store(stage: &mut Stage, from: &str, elements: &str) {
    stage.send(request("set", "stored", from, elements));
    let answer = stage.next_with("id='stored'");
    assert!(answer.starts_with("<iq type='result'"), "{answer}");
}

#[track_caller]
fn listed(stage: &mut Stage, from: &str) -> Vec<String> {
    stage.send(iq(
        "get",
        from,
        &format!("<query xmlns='{ITEMS}' node='{COMMANDS}'/>"),
    ));
    let answer = parse(&stage.next());
    let query = answer.get_child("query", ITEMS).expect("a query");
    assert_eq!(query.attr("node"), Some(COMMANDS));
    let node = |item: &Element| {
        assert_eq!(item.attr("jid"), Some("private.localhost"));
        assert!(item.attr("name").is_some_and(|name| name.len() > 5));
        item.attr("node").expect("a node").to_owned()
    };
    query.children().map(node).collect()
}

const OWN: [&str; 3] = ["stored", "delete-namespace", "delete-all"];
const ADMINS: [&str; 3] = ["statistics", "user", "delete-user"];

#[test]
fn each_sees_the_commands_that_they_may_execute() {
    let mut stage = stage();
    assert_eq!(listed(&mut stage, ALICE), OWN);
    assert_eq!(
        listed(&mut stage, ADMIN),
        ADMINS,
        "of a domain that is not served"
    );
    assert!(listed(&mut stage, "eve@elsewhere.example/x").is_empty());
    assert!(listed(&mut stage, "localhost").is_empty());
    let toml = std::fs::read_to_string(stage.component.folder().join("component.toml"));
    let toml = toml
        .expect("a file")
        .replace("Root@Elsewhere.example", "alice@localhost");
    stage.component.reload(&toml);
    stage
        .component
        .wait_for_log("access.admins", crate::support::router::PATIENCE);
    assert_eq!(listed(&mut stage, ALICE), [OWN, ADMINS].concat());
    assert!(listed(&mut stage, ADMIN).is_empty());
}

#[test]
fn each_command_says_what_it_is_to_those_who_may_execute_it() {
    let mut stage = stage();
    let mut info = |from: &str, node: &str| {
        stage.send(iq(
            "get",
            from,
            &format!("<query xmlns='{INFO}' node='{node}'/>"),
        ));
        parse(&stage.next())
    };
    for (from, nodes) in [(ALICE, OWN), (ADMIN, ADMINS)] {
        for node in nodes {
            let answer = String::from(&info(from, node));
            for part in ["automation", "command-node", COMMANDS, FORMS] {
                assert!(answer.contains(part), "{part} in {answer}");
            }
        }
    }
    for node in ADMINS {
        assert_eq!(error(&info(ALICE, node)), "forbidden");
    }
    assert_eq!(error(&info(ADMIN, "stored")), "service-unavailable");
    let answer = String::from(&info(ALICE, COMMANDS));
    assert!(answer.contains("command-list"), "{answer}");
}

#[test]
fn users_see_what_they_have_stored() {
    let mut stage = stage();
    let (nothing, _) = execute(&mut stage, ALICE, "stored");
    assert_eq!(note(&nothing), "Nothing is stored.");
    stage.store("<a xmlns='urn:x'>1</a><b xmlns='urn:x'/><c xmlns='urn:&lt;y&gt;&#10;'>22</c>");
    store(&mut stage, "bob@localhost/x", "<a xmlns='urn:bob'>1</a>");
    let (answer, on) = execute(&mut stage, "ALICE@localhost/other", "stored");
    let done = in_status(
        &parse(&format!("<iq>{}</iq>", String::from(&answer))),
        "completed",
    );
    let is = "<c xmlns='urn:&lt;y&gt;&#10;'>22</c>".len();
    let namespace = |name: &str, has: String| (name.to_owned(), has);
    assert_eq!(
        fields(&done),
        [
            namespace("urn:<y>\n", format!("1 element, {is} bytes")),
            namespace("urn:x", "1 element, 22 bytes".to_owned()),
        ]
    );
    assert_eq!(
        note(&done),
        format!("2 namespaces with 2 elements, {} bytes.", is + 22)
    );
    let more = command(&mut stage, ALICE, &on, &submit(&[]));
    assert_eq!(error(&more), "bad-request bad-action");
}

#[test]
fn users_delete_one_namespace() {
    let mut stage = stage();
    stage.store("<a xmlns='urn:x'>1</a><b xmlns='urn:x'>2</b><c xmlns='urn:y'>3</c>");
    let (form, on) = execute(&mut stage, ALICE, "delete-namespace");
    assert_eq!(actions(&form), "complete:complete");
    let form = String::from(&form);
    for part in [
        "list-single",
        "<value>urn:x</value>",
        "urn:y (1 element, 22 bytes)",
    ] {
        assert!(form.contains(part), "{part} in {form}");
    }
    let none = command(&mut stage, ALICE, &on, &submit(&[("namespace", "(none)")]));
    let none = note(&in_status(&none, "completed"));
    assert_eq!(none, "Nothing was chosen, so nothing was deleted.");
    let chosen = submit(&[("namespace", "urn:x")]);
    let done = command(
        &mut stage,
        ALICE,
        &format!("{on} action='complete'"),
        &chosen,
    );
    assert_eq!(note(&in_status(&done, "completed")), "Deleted.");
    stage.fetch("<a xmlns='urn:x'/>", "<a xmlns='urn:x'/>");
    stage.fetch("<c xmlns='urn:y'/>", "<c xmlns='urn:y'>3</c>");
    // Whatever becomes of the form: twice is not too much.
    let again = command(&mut stage, ALICE, &on, &chosen);
    in_status(&again, "completed");
}

#[test]
fn users_delete_everything_once_they_confirm() {
    let mut stage = stage();
    stage.store("<a xmlns='urn:x'>1</a><c xmlns='urn:y'>3</c>");
    store(&mut stage, "bob@localhost/x", "<a xmlns='urn:bob'>1</a>");
    let (form, on) = execute(&mut stage, ALICE, "delete-all");
    assert_eq!(
        fields(&form),
        [("Delete all of it".to_owned(), "0".to_owned())]
    );
    let form = String::from(&form);
    assert!(
        form.contains("2 namespaces with 2 elements, 44 bytes"),
        "{form}"
    );

    let no = command(&mut stage, ALICE, &on, &submit(&[("confirm", "0")]));
    let no = in_status(&no, "completed");
    assert_eq!(note(&no), "Not confirmed, so nothing was deleted.");
    stage.fetch("<a xmlns='urn:x'/>", "<a xmlns='urn:x'>1</a>");

    let yes = command(&mut stage, ALICE, &on, &submit(&[("confirm", "true")]));
    assert_eq!(note(&in_status(&yes, "completed")), "Deleted.");
    stage.fetch("<a xmlns='urn:x'/>", "<a xmlns='urn:x'/>");
    stage.send(request(
        "get",
        "b",
        "bob@localhost/x",
        "<a xmlns='urn:bob'/>",
    ));
    assert!(stage.next().contains(">1</a>"), "Bob keeps what is his");
}

#[test]
fn a_session_outlives_the_link_and_the_program() {
    let mut stage = stage();
    stage.store("<a xmlns='urn:x'>1</a>");
    let (_, on) = execute(&mut stage, ALICE, "delete-all");
    stage.component.restart();
    stage.let_in_again();
    let yes = command(&mut stage, ALICE, &on, &submit(&[("confirm", "1")]));
    in_status(&yes, "completed");
    stage.fetch("<a xmlns='urn:x'/>", "<a xmlns='urn:x'/>");
}

/// A deletion is one of the owner's requests: what was asked before it is deleted, what is asked
/// behind it is not, and nobody waits for anybody.
#[test]
fn a_deletion_takes_effect_in_the_order_it_came() {
    let mut stage = stage();
    let (_, on) = {
        stage.store("<a xmlns='urn:x'>1</a>");
        execute(&mut stage, ALICE, "delete-all")
    };
    let mut sent = String::new();
    for round in 0..20 {
        let value = format!("<a xmlns='urn:x'>{round}</a>");
        sent.push_str(&request("set", &format!("s{round}"), ALICE, &value));
        let delete = format!(
            "<command xmlns='{COMMANDS}' {on}>{}</command>",
            submit(&[("confirm", "1")])
        );
        sent.push_str(&iq("set", ALICE, &delete).replace("id='c'", &format!("id='d{round}'")));
        sent.push_str(&request(
            "get",
            &format!("g{round}"),
            ALICE,
            "<a xmlns='urn:x'/>",
        ));
        sent.push_str(&request("set", &format!("t{round}"), ALICE, &value));
        let look = format!("<command xmlns='{COMMANDS}' node='stored'/>");
        sent.push_str(&iq("set", ALICE, &look).replace("id='c'", &format!("id='l{round}'")));
    }
    stage.send(sent);
    for round in 0..20 {
        let empty = "<query xmlns='jabber:iq:private'><a xmlns='urn:x'/></query>";
        for (id, part) in [
            ("s", "type='result'"),
            ("d", "Deleted."),
            ("g", empty),
            ("t", "type='result'"),
            ("l", "1 namespace with 1 element"),
        ] {
            let answer = stage.next();
            assert!(
                answer.contains(&format!("id='{id}{round}'")),
                "{id}{round}: {answer}"
            );
            assert!(answer.contains(part), "{part} in {answer}");
        }
    }
}

#[test]
fn administrators_see_how_much_there_is() {
    let mut stage = stage();
    stage.store("<a xmlns='urn:x'>1</a><c xmlns='urn:y'>3</c>");
    store(&mut stage, "bob@localhost/x", "<a xmlns='urn:x'>1</a>");
    let (answer, _) = execute(&mut stage, ADMIN, "statistics");
    let facts = fields(&answer);
    let fact = |label: &str| {
        let found = facts.iter().find(|(it, _)| it == label);
        found
            .unwrap_or_else(|| panic!("{label} in {facts:?}"))
            .1
            .clone()
    };
    assert_eq!(fact("Users"), "2");
    assert_eq!(fact("Elements"), "3");
    assert_eq!(fact("Bytes"), "66");
    assert_eq!(fact("Version"), env!("CARGO_PKG_VERSION"));
    assert!(fact("Logged in since").ends_with(" UTC"));
}

#[test]
fn administrators_see_what_one_user_has() {
    let mut stage = stage();
    stage.store("<a xmlns='urn:x'>1</a>");
    let (form, on) = execute(&mut stage, ADMIN, "user");
    assert_eq!(actions(&form), "complete:complete");
    assert_eq!(
        fields(&form),
        [("Address of the user".to_owned(), String::new())]
    );
    let named = submit(&[("jid", " ALICE@localhost ")]);
    let seen = command(&mut stage, ADMIN, &on, &named);
    let seen = in_status(&seen, "completed");
    assert_eq!(
        fields(&seen),
        [("urn:x".to_owned(), "1 element, 22 bytes".to_owned())]
    );
    assert!(
        !String::from(&seen).contains("&gt;1&lt;"),
        "never what it says"
    );
    let nobody = command(
        &mut stage,
        ADMIN,
        &on,
        &submit(&[("jid", "nobody@gone.example")]),
    );
    assert_eq!(note(&in_status(&nobody, "completed")), "Nothing is stored.");
}

#[test]
fn administrators_delete_a_user_once_they_confirm() {
    let mut stage = stage();
    stage.store("<a xmlns='urn:x'>1</a>");
    store(&mut stage, "bob@localhost/x", "<a xmlns='urn:x'>1</a>");
    let (form, on) = execute(&mut stage, ADMIN, "delete-user");
    assert_eq!(actions(&form), "next:next");
    let alice = submit(&[("jid", "alice@localhost")]);
    let shown = command(&mut stage, ADMIN, &format!("{on} action='next'"), &alice);
    let shown = in_status(&shown, "executing");
    assert_eq!(actions(&shown), "prev complete:complete");
    assert_eq!(
        fields(&shown),
        [
            (String::new(), "urn:x: 1 element, 22 bytes".to_owned()),
            ("Delete all of it".to_owned(), "0".to_owned()),
        ]
    );
    let back = command(
        &mut stage,
        ADMIN,
        &format!("{on} action='prev'"),
        &submit(&[("jid", "alice@localhost"), ("confirm", "0")]),
    );
    let back = in_status(&back, "executing");
    assert_eq!(
        fields(&back),
        [(
            "Address of the user".to_owned(),
            "alice@localhost".to_owned()
        )]
    );

    for (confirm, note_is, then) in [
        (
            "0",
            "Not confirmed, so nothing was deleted.",
            "<a xmlns='urn:x'>1</a>",
        ),
        ("1", "Deleted.", "<a xmlns='urn:x'/>"),
    ] {
        let sure = submit(&[("jid", "alice@localhost"), ("confirm", confirm)]);
        let done = command(&mut stage, ADMIN, &format!("{on} action='complete'"), &sure);
        assert_eq!(note(&in_status(&done, "completed")), note_is);
        stage.fetch("<a xmlns='urn:x'/>", then);
    }
    stage.send(request("get", "b", "bob@localhost/x", "<a xmlns='urn:x'/>"));
    assert!(stage.next().contains(">1</a>"), "Bob keeps what is his");
    let log = stage.component.log().join("\n");
    assert!(
        log.contains("an administrator deletes all that one user has stored"),
        "{log}"
    );
    assert!(!log.contains("alice@"), "{log}");
}

#[test]
fn nobody_else_executes_what_is_for_administrators() {
    let mut stage = stage();
    stage.store("<a xmlns='urn:x'>1</a>");
    let (_, on) = execute(&mut stage, ADMIN, "delete-user");
    let sure = submit(&[("jid", "alice@localhost"), ("confirm", "1")]);
    for from in [
        ALICE,
        "root@localhost/x",
        "elsewhere.example",
        "xroot@elsewhere.example/x",
    ] {
        for node in ADMINS {
            let answer = command(&mut stage, from, &format!("node='{node}'"), "");
            assert_eq!(error(&answer), "forbidden", "{from} {node}");
        }
        let answer = command(&mut stage, from, &on, &sure);
        assert_eq!(error(&answer), "forbidden", "{from}");
    }
    for (from, condition) in [
        ("eve@elsewhere.example/x", "service-unavailable"),
        (ADMIN, "service-unavailable"),
        ("localhost", "forbidden"),
        ("@localhost", "jid-malformed"),
    ] {
        for node in OWN {
            let answer = command(&mut stage, from, &format!("node='{node}'"), "");
            assert_eq!(error(&answer), condition, "{from} {node}");
        }
    }
    stage.fetch("<a xmlns='urn:x'/>", "<a xmlns='urn:x'>1</a>");
}

#[test]
fn a_step_that_does_not_fit_is_refused_in_the_terms_of_commands() {
    let mut stage = stage();
    stage.store("<a xmlns='urn:x'>1</a>");
    let (_, all) = execute(&mut stage, ALICE, "delete-all");
    let (_, one) = execute(&mut stage, ALICE, "delete-namespace");
    let (_, bobs) = execute(&mut stage, "bob@localhost/x", "delete-all");
    let sure = submit(&[("confirm", "1")]);
    let long = format!("<a xmlns='urn:long'>{}</a>", "x".repeat(20_000));
    let with = |on: &str, action: &str| format!("{on} action='{action}'");
    let twice = submit(&[("confirm", "1"), ("confirm", "0")]);
    let refused = [
        (
            "node='delete-all' sessionid='1-2'".to_owned(),
            &*sure,
            "bad-sessionid",
        ),
        (
            "node='delete-all' sessionid=''".to_owned(),
            &sure,
            "bad-sessionid",
        ),
        (
            one.replace("delete-namespace", "delete-all"),
            &sure,
            "bad-sessionid",
        ),
        (bobs, &sure, "bad-sessionid"),
        (with(&all, "destroy"), &sure, "malformed-action"),
        ("node='stored' action=''".to_owned(), "", "malformed-action"),
        ("node='stored' action='next'".to_owned(), "", "bad-action"),
        ("node='stored' action='cancel'".to_owned(), "", "bad-action"),
        (with(&all, "prev"), &sure, "bad-action"),
        (with(&all, "next"), &sure, "bad-action"),
        (with(&one, "prev"), &sure, "bad-action"),
        (all.clone(), "", "bad-payload"),
        (all.clone(), &submit(&[]), "bad-payload"),
        (all.clone(), &submit(&[("confirm", "yes")]), "bad-payload"),
        (all.clone(), &sure.replace("submit", "form"), "bad-payload"),
        (all.clone(), &twice, "bad-payload"),
        (all.clone(), &format!("{sure}{long}"), "bad-payload"),
        (one.clone(), &submit(&[("namespace", "")]), "bad-payload"),
        (
            one,
            &submit(&[("namespace", &"x".repeat(1025))]),
            "bad-payload",
        ),
    ];
    for (attributes, inside, condition) in refused {
        let answer = command(&mut stage, ALICE, &attributes, inside);
        assert_eq!(
            error(&answer),
            format!("bad-request {condition}"),
            "{attributes} {inside}"
        );
    }
    let answer = command(&mut stage, ALICE, "node='x'", "");
    assert_eq!(error(&answer), "item-not-found");
    let answer = command(&mut stage, ALICE, "", "");
    assert_eq!(error(&answer), "bad-request");
    stage.fetch("<a xmlns='urn:x'/>", "<a xmlns='urn:x'>1</a>");
    let canceled = command(&mut stage, ALICE, &with(&all, "cancel"), "");
    in_status(&canceled, "canceled");
}

#[test]
fn administrators_cannot_skip_or_mistake_a_step() {
    let mut stage = stage();
    let (_, on) = execute(&mut stage, ADMIN, "delete-user");
    let jid = [("jid", "alice@localhost")];
    let sure = [("jid", "alice@localhost"), ("confirm", "1")];
    for (action, fields, condition) in [
        ("complete", &jid[..], "bad-action"),
        ("next", &sure[..], "bad-action"),
        ("next", &[("jid", "localhost")][..], "bad-payload"),
        ("next", &[("jid", "")][..], "bad-payload"),
        ("complete", &[("confirm", "1")][..], "bad-payload"),
    ] {
        let on = format!("{on} action='{action}'");
        let answer = command(&mut stage, ADMIN, &on, &submit(fields));
        assert_eq!(
            error(&answer),
            format!("bad-request {condition}"),
            "{action} {fields:?}"
        );
    }
}

#[test]
fn commands_are_at_the_component_itself_alone() {
    let mut stage = stage();
    let execute = format!("<command xmlns='{COMMANDS}' node='stored'/>");
    for to in ["x@private.localhost", "private.localhost/x"] {
        stage.send(
            iq("set", ALICE, &execute).replace("to='private.localhost'", &format!("to='{to}'")),
        );
        assert_eq!(error(&parse(&stage.next())), "service-unavailable");
    }
    stage.send(iq("get", ALICE, &execute));
    assert_eq!(error(&parse(&stage.next())), "service-unavailable");
}

/// However many namespaces there are: the list gets through the server.
#[test]
fn a_long_list_is_cut_short() {
    let mut stage = Stage::configured(|options: &mut Options| {
        options.access = "admins = [\"root@elsewhere.example\"]".to_owned();
        options.extra = "[limits]\nmax_namespace_bytes = 1024".to_owned();
    });
    let name = "&quot;".repeat(120);
    let many: String = (0..200)
        .map(|n| format!("<a xmlns='{n}{name}'>x</a>"))
        .collect();
    stage.store(&many);
    let named = submit(&[("jid", "alice@localhost")]);
    let mut check = |from: &str, on: &str, inside: &str| {
        let answer = command(&mut stage, from, on, inside);
        let text = String::from(answer.get_child("command", COMMANDS).expect("a command"));
        assert!(
            text.contains("smaller namespaces, for which there is no room here"),
            "{text}"
        );
        assert!(text.len() < 80 * 1024, "{}", text.len());
    };
    check(ALICE, "node='stored'", "");
    check(ALICE, "node='delete-namespace'", "");
    let (_, on) = execute(&mut stage, ADMIN, "delete-user");
    let answer = command(&mut stage, ADMIN, &on, &named);
    let text = String::from(&in_status(&answer, "executing"));
    assert!(text.contains("200 namespaces"), "{text}");
}
