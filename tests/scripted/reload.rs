//! SIGHUP: the configuration is read again, and nobody notices but those whom it concerns.

use super::stage::{Stage, get, request, set};
use crate::support::component::Options;
use crate::support::router::{HEADER, PATIENCE, Router};

/// What the stage was configured with, changed.
fn toml(stage: &Stage, change: impl FnOnce(&mut Options)) -> String {
    let mut options = Options::at(stage.router.address());
    change(&mut options);
    options.toml()
}

impl Stage {
    /// Reloads, and waits for the line that says so.
    #[track_caller]
    fn reload(&mut self, change: impl FnOnce(&mut Options)) -> String {
        let toml = toml(self, change);
        self.component.reload(&toml);
        self.component.wait_for_log("reloaded ", PATIENCE)
    }
}

fn advertise(host: &str) -> String {
    format!(
        "<message to='private.localhost' from='{host}'><delegation xmlns='urn:xmpp:delegation:1'>\
         <delegated namespace='jabber:iq:private'/></delegation></message>"
    )
}

#[test]
fn limits_and_reserved_namespaces_are_those_of_the_new_file() {
    let mut stage = Stage::new();
    stage.send(set("1", "<a xmlns='jabber:x'/>"));
    assert!(stage.next().contains("not-acceptable"));
    stage.store("<b xmlns='urn:x'>12345678901234567890</b>");
    let line = stage.reload(|options| {
        options.access = "reserved_namespaces = \"accept\"".to_owned();
        options.extra = "[limits]\nmax_user_elements = 2\nmax_depth = 16\n\
             max_stanza_bytes = 10000\n"
            .to_owned();
    });
    let keys = "access.reserved_namespaces, limits.max_stanza_bytes, limits.max_user_elements, \
                limits.max_depth changed";
    assert!(line.contains("INFO") && line.ends_with(keys), "{line}");
    stage.send(set("2", "<a xmlns='jabber:x'>1</a>"));
    assert!(stage.next().contains("type='result'"));
    stage.send(set("3", "<c xmlns='urn:x'>1</c>"));
    assert!(stage.next().contains("max_user_elements"));
    // Those that the link itself holds to.
    let deep = format!(
        "<b xmlns='urn:x'>{}{}</b>",
        "<d>".repeat(16),
        "</d>".repeat(16)
    );
    stage.send(set("4", &deep));
    assert!(stage.next().contains("max_depth"));
    stage.send(set(
        "5",
        &format!("<b xmlns='urn:x'>{}</b>", "x".repeat(10_000)),
    ));
    assert!(stage.next().contains("max_stanza_bytes"));
    stage.fetch(
        "<b xmlns='urn:x'/>",
        "<b xmlns='urn:x'>12345678901234567890</b>",
    );
}

/// What came before the reload is answered; a stanza that has come in half costs at most itself.
#[test]
fn what_is_under_way_is_not_disturbed() {
    let mut stage = Stage::new();
    let large = format!("<a xmlns='urn:x'>{}</a>", "x".repeat(50_000));
    let half = set("half", &large);
    let (begin, end) = half.split_at(30_000);
    for id in 0..50 {
        stage.send(set(&format!("before-{id}"), "<b xmlns='urn:x'>1</b>"));
    }
    stage.send(begin);
    stage.reload(|options| options.extra = "[limits]\nmax_stanza_bytes = 10000\n".to_owned());
    stage.send(end);
    let answers: Vec<String> = (0..51).map(|_| stage.next()).collect();
    for id in 0..50 {
        let answered = format!("type='result' id='before-{id}'");
        assert!(answers.iter().any(|it| it.contains(&answered)), "{id}");
    }
    assert!(answers.iter().any(|it| it.contains(" id='half'")));
    stage.send(set("over", &large));
    assert!(stage.next().contains("max_stanza_bytes"));
    stage.store("<c xmlns='urn:x'>1</c>");
}

#[test]
fn a_domain_that_had_delegated_on_this_link_is_known_when_it_is_served() {
    let mut stage = Stage::configured(|options| options.domains = vec!["localhost".to_owned()]);
    stage.send(advertise("localhost") + &advertise("test2.localhost"));
    let stranger = || request("get", "1", "bob@test2.localhost/x", "<a xmlns='urn:x'/>");
    stage.send(stranger());
    assert!(stage.next().contains("access.domains"));
    let active = "delegation is active for test2.localhost";
    assert!(
        stage
            .component
            .log()
            .iter()
            .all(|line| !line.contains(active))
    );
    let line = stage.reload(|_| {});
    assert!(line.ends_with("access.domains changed"), "{line}");
    stage.component.wait_for_log(active, PATIENCE);
    stage.send(stranger());
    assert!(stage.next().contains("type='result' id='1'"));
}

#[test]
fn a_domain_that_is_served_no_more_is_told_so() {
    let mut stage = Stage::new();
    stage.store("<a xmlns='urn:x'>kept</a>");
    stage.reload(|options| options.domains = vec!["test2.localhost".to_owned()]);
    stage.send(get("1", "<a xmlns='urn:x'/>"));
    assert!(stage.next().contains("access.domains"));
    let toml = toml(&stage, |_| {});
    stage.component.reload(&toml);
    stage.component.wait_for_log(
        "no delegation from localhost, test2.localhost",
        2 * PATIENCE,
    );
    stage.fetch("<a xmlns='urn:x'/>", "<a xmlns='urn:x'>kept</a>");
}

#[test]
fn a_bad_file_is_refused_whole() {
    let mut stage = Stage::new();
    let bad = toml(&stage, |options| {
        options.domains = vec!["elsewhere.example".to_owned()];
        options.extra = "[limits]\nmax_depth = 7\n[log]\nlevel = \"loud\"\n".to_owned();
    });
    stage.component.reload(&bad);
    let line = stage
        .component
        .wait_for_log("not reloaded: all settings stay", PATIENCE);
    assert!(line.contains("ERROR"), "{line}");
    let log = stage.component.log().join("\n");
    assert!(
        log.contains("component.toml:15:13: limits.max_depth: found 7, expected"),
        "{log}"
    );
    assert!(log.contains("log.level: found \"loud\""), "{log}");
    stage.store("<a xmlns='urn:x'>1</a>");
    assert!(!log.contains("s3cret"), "{log}");
    // The same file as before: it is told that nothing is new.
    let line = stage.reload(|_| {});
    assert!(
        line.ends_with("no setting changed that takes effect now"),
        "{line}"
    );
}

#[test]
fn what_needs_a_restart_is_named_and_stays() {
    let mut stage = Stage::new();
    stage.reload(|options| {
        options.jid = "other.localhost".to_owned();
        options.secret = "another".to_owned();
        options.component = "ping_seconds = 7".to_owned();
        options.extra = "[log]\nformat = \"json\"\n".to_owned();
    });
    let line = stage
        .component
        .wait_for_log("only in effect after a restart", PATIENCE);
    let keys =
        "component.jid, component.secret, component.ping_seconds, log.format changed, but only";
    assert!(line.contains(keys), "{line}");
    assert!(!line.contains("another"), "{line}");
    stage.lose_link();
    stage.let_in_again();
    stage.store("<a xmlns='urn:x'>as private.localhost</a>");
}

#[test]
fn the_level_of_the_log_changes() {
    let mut stage = Stage::new();
    stage.send(get("", "<a xmlns='urn:x'/>"));
    stage.next();
    assert!(
        stage
            .component
            .log()
            .iter()
            .all(|line| !line.contains("DEBUG"))
    );
    stage.reload(|options| options.extra = "[log]\nlevel = \"debug\"\n".to_owned());
    stage.lose_link();
    stage
        .component
        .wait_for_log("DEBUG connecting to", PATIENCE);
    stage.let_in_again();
}

/// While there is no link, too.
#[test]
fn it_reloads_while_it_waits_for_the_router() {
    let router = Router::new();
    let mut options = Options::at(router.address());
    options.domains = vec!["elsewhere.example".to_owned()];
    let mut component = crate::support::component::Component::start(options);
    router.accept().die();
    component.wait_for_log("next attempt in", PATIENCE);
    component.reload(&Options::at(router.address()).toml());
    component.wait_for_log("access.domains changed", PATIENCE);
    let mut session = router.let_in();
    session.send(get("1", "<a xmlns='urn:x'/>"));
    assert!(session.next_with("id='1'").contains("type='result'"));
}

/// A link that was being made then kept the limits of the old file for as long as it lasted, and named those of the new.
#[test]
fn it_reloads_while_the_router_lets_it_in() {
    let router = Router::new();
    let mut component = crate::support::component::Component::start(Options::at(router.address()));
    let mut session = router.accept();
    let mut options = Options::at(router.address());
    options.extra = "[limits]\nmax_stanza_bytes = 10000\n".to_owned();
    component.reload(&options.toml());
    component.wait_for_log("limits.max_stanza_bytes changed", PATIENCE);
    assert!(session.next().contains("<stream:stream"), "no header");
    session.send(HEADER);
    assert!(session.next().starts_with("<handshake>"), "no handshake");
    session.answers_pings = false;
    session.send("<handshake/>");
    // What came with that would be read before.
    session.next_with("alive-1");
    let long = format!("<a xmlns='urn:x'>{}</a>", "x".repeat(10_000));
    session.send(set("1", &long));
    let refused = session.next_with("id='1'");
    assert!(refused.contains("max_stanza_bytes is 10000"), "{refused}");
}

/// A host that had granted access to PEP before it was served was said to have not, as long as the link lasted.
#[test]
fn a_host_that_had_granted_on_this_link_is_known_when_it_is_served() {
    let mut stage = Stage::configured(|options| options.domains = vec!["localhost".to_owned()]);
    let granted = "<message to='private.localhost' from='test2.localhost'>\
         <privilege xmlns='urn:xmpp:privilege:2'><perm access='iq'>\
         <namespace ns='http://jabber.org/protocol/pubsub' type='both'/>\
         <namespace ns='http://jabber.org/protocol/pubsub#owner' type='both'/></perm></privilege></message>";
    stage.send(advertise("localhost") + &advertise("test2.localhost") + granted);
    stage.reload(|_| {});
    let active = "delegation is active for test2.localhost";
    stage.component.wait_for_log(active, PATIENCE);
    let granted = "test2.localhost lets the component keep room bookmarks in step";
    stage.component.wait_for_log(granted, PATIENCE);
}
