//! Delegation that ends on a link that lives: mod_delegation was reloaded, or an old connection of ours
//! ended late. The server says nothing, and clients got errors until somebody restarted the component.

use std::time::{Duration, Instant};

use xps_postgres_testing::Pair;

use super::health::delegate;
use super::stage::{Stage, get, request, set};
use crate::support::clock::eventually;
use crate::support::component::Options;
use crate::support::database::{hosts, storage_on};
use crate::support::router::{PATIENCE, parse};
use crate::support::server::{HOST, OTHER_HOST};
use crate::support::web;

const INFO: &str = "http://jabber.org/protocol/disco#info";

/// A component that pings every second, delegated to by both hosts, which show what it answers to their
/// nested questions.
struct Watched {
    stage: Stage,
    mark: String,
    /// What came on a link before both hosts had shown that they delegate.
    before: Vec<String>,
}

impl Watched {
    fn new() -> Watched {
        Watched::with(|_| {})
    }

    /// The same, of which more is configured.
    fn with(change: impl FnOnce(&mut Options)) -> Watched {
        let mut stage = Stage::configured(|options| {
            options.component = "ping_seconds = 1".to_owned();
            change(options);
        });
        stage.answers_pings = false;
        let mut watched = Watched {
            stage,
            mark: String::new(),
            before: Vec::new(),
        };
        watched.is_delegated_to();
        watched
    }

    /// The same, whose first host had ended that, after a new login.
    fn let_in_again() -> Watched {
        let mut watched = Watched::new();
        watched.hosts_say(4, &[]);
        watched.hosts_say(2, &[HOST]);
        watched.is_let_in_again();
        watched
    }

    /// One whose first host has ended that, with a request open of which nothing comes: its store stands still.
    fn leaving_with_a_slow_request() -> (Pair, Watched) {
        let pair = Pair::start();
        let mut watched = Watched::with(|options| options.storage = storage_on(&hosts(&pair)));
        watched.hosts_say(4, &[]);
        pair.a.freeze();
        watched.stage.send(set("slow", "<b xmlns='urn:y'>1</b>"));
        watched.hosts_say(2, &[HOST]);
        (pair, watched)
    }

    /// Both hosts delegate, and ask as servers do.
    fn is_delegated_to(&mut self) {
        for host in [HOST, OTHER_HOST] {
            delegate(&mut self.stage, host);
            let node = "urn:xmpp:delegation:2::jabber:iq:private";
            self.stage.send(format!(
                "<iq type='get' id='nested' from='{host}' to='private.localhost'>\
                 <query xmlns='{INFO}' node='{node}'/></iq>"
            ));
        }
        let mut marks = Vec::new();
        while marks.len() < 2 {
            let xml = self.stage.next();
            if xml.contains("nested") {
                let answer = parse(&xml);
                let query = answer.children().next().expect("a query");
                let mut features = query.children().filter_map(|it| it.attr("var"));
                let mark = features.find(|it| it.contains("private.localhost"));
                marks.push(mark.expect("a feature of its own").to_owned());
            } else {
                self.before.push(xml);
            }
        }
        self.mark = marks.remove(0);
    }

    /// Answers what the component asks hosts about themselves, and its pings, until this many hosts
    /// have said what they announce; some of them no more.
    fn hosts_say(&mut self, count: usize, without: &[&str]) -> usize {
        let mut said = 0;
        while said < count {
            let Some(xml) = self.stage.next_within(PATIENCE) else {
                break;
            };
            said += usize::from(self.answer(&xml, without));
        }
        said
    }

    fn answer(&mut self, xml: &str, without: &[&str]) -> bool {
        let asked = parse(xml);
        let id = asked.attr("id").unwrap_or_default();
        if id.starts_with("alive-") {
            self.stage.answer_ping(id);
        }
        if !id.starts_with("delegated-") {
            return false;
        }
        let host = asked.attr("to").expect("a host");
        let mark = match without.contains(&host) {
            true => "",
            false => &format!("<feature var='{}'/>", self.mark),
        };
        self.stage.send(format!(
            "<iq type='result' id='{id}' from='{host}' to='private.localhost'>\
             <query xmlns='{INFO}'><identity category='server' type='im'/>\
             <feature var='jabber:iq:private'/>{mark}</query></iq>"
        ));
        true
    }

    /// The component has closed its connection, makes the next, and is delegated to.
    fn is_let_in_again(&mut self) {
        self.is_let_in_again_after("");
    }

    /// The same, where the server had sent this before it read that.
    fn is_let_in_again_after(&mut self, last: &str) {
        while let Some(xml) = self.stage.next_within(PATIENCE) {
            if xml == "</stream:stream>" {
                break;
            }
            self.answer(&xml, &[HOST]);
        }
        let data = self.stage.component.folder().join("data");
        self.stage.send(format!("{last}</stream:stream>"));
        self.stage.lose_link();
        self.stage.let_in_again();
        assert_ne!(
            web::control(&data, "/readyz").status,
            200,
            "nobody has delegated"
        );
        self.stage.answers_pings = false;
        self.is_delegated_to();
    }

    fn ready(&self) -> u16 {
        let data = self.stage.component.folder().join("data");
        web::control(&data, "/readyz").status
    }

    fn metric(&self, line: &str) -> bool {
        let data = self.stage.component.folder().join("data");
        let metrics = web::control(&data, "/metrics").body;
        metrics.lines().any(|it| it == line)
    }
}

#[test]
fn it_is_noticed_told_and_mended_by_a_new_login() {
    let mut watched = Watched::new();
    watched.hosts_say(4, &[]);
    assert_eq!(watched.ready(), 200);
    watched.hosts_say(2, &[HOST]);
    let line = format!("{HOST} no longer delegates private storage");
    let told = watched.stage.component.wait_for_log(&line, PATIENCE);
    assert!(
        told.contains(" WARN ") && told.contains("logging in again"),
        "{told}"
    );
    watched.is_let_in_again();
    assert_eq!(watched.hosts_say(2, &[]), 2);
    assert_eq!(watched.ready(), 200);
    let log = watched.stage.component.log();
    let lines = log.iter().filter(|it| it.contains(" WARN "));
    assert_eq!(lines.count(), 1, "one line: {log:#?}");

    // It ends once more: the next attempt has to wait, and meanwhile the other host is served.
    watched.hosts_say(2, &[HOST]);
    let line = "logging in again in ";
    watched.stage.component.wait_for_log(line, PATIENCE);
    let delegated =
        |host: &str, is: u8| format!("private_storage_delegated{{domain=\"{host}\"}} {is}");
    assert!(watched.metric(&delegated(HOST, 0)) && watched.metric(&delegated(OTHER_HOST, 1)));
    assert_eq!(watched.ready(), 200, "one of them is served");
    watched.stage.send(get("1", "<a xmlns='urn:x'/>"));
    while !watched.stage.next().contains("id='1'") {}
}

/// While what was read has yet to go on by itself, nothing more is; and that counted as time in which nobody can be heard,
/// so that nobody was asked. With a set every second that was always so, for each set: the end was never noticed.
#[test]
fn so_it_is_on_a_busy_link() {
    let mut watched = Watched::new();
    watched.hosts_say(4, &[]);
    let line = format!("{HOST} no longer delegates private storage");
    let deadline = Instant::now() + PATIENCE;
    let mut number = 0;
    let is_told = |it: &String| it.contains(&line);
    while !watched.stage.component.log().iter().any(is_told) {
        assert!(Instant::now() < deadline, "nobody has noticed");
        number += 1;
        let from = format!("bob@{OTHER_HOST}/x");
        let value = format!("<a xmlns='urn:x'>{number}</a>");
        watched.stage.send(request("set", "busy", &from, &value));
        while let Some(xml) = watched.stage.next_within(Duration::from_millis(100)) {
            watched.answer(&xml, &[HOST]);
            if xml.contains("id='busy'") {
                break;
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What clients asked while the component took its leave was read and passed over: on Prosody they waited for an answer
/// for ever.
#[test]
fn what_comes_before_the_server_has_read_the_farewell_is_answered_on_the_next_link() {
    let mut watched = Watched::new();
    watched.hosts_say(4, &[]);
    watched.hosts_say(2, &[HOST]);
    let last = set("last", "<a xmlns='urn:x'>1</a>") + &get("get", "<a xmlns='urn:x'/>");
    watched.is_let_in_again_after(&last);
    let mut answers = watched.before.iter();
    let set = answers.find(|it| it.contains("id='last'"));
    assert!(
        set.is_some_and(|it| it.contains("type='result'")),
        "{set:?}"
    );
    let get = answers.find(|it| it.contains("id='get'"));
    assert!(
        get.is_some_and(|it| it.contains("<a xmlns='urn:x'>1</a>")),
        "{get:?}"
    );
}

/// One request that took long, because the store stood still, held up the leave, until there was no time left for one: what all
/// had asked meanwhile went with the connection.
#[test]
fn so_it_is_where_the_store_stands_still_meanwhile() {
    let (pair, mut watched) = Watched::leaving_with_a_slow_request();
    let last = set("last", "<a xmlns='urn:x'>1</a>");
    watched
        .stage
        .send(get("ended", "<a xmlns='urn:x'/>") + &last);
    watched.is_let_in_again_after(&get("get", "<a xmlns='urn:x'/>"));
    pair.a.thaw();
    let mut wanted = vec!["slow", "ended", "last", "get"];
    let mut come = std::mem::take(&mut watched.before);
    while !wanted.is_empty() {
        let answer = match come.is_empty() {
            true => watched.stage.next(),
            false => come.remove(0),
        };
        wanted.retain(|id| !answer.contains(&format!("type='result' id='{id}'")));
    }
}

/// A stop was not noticed before the server had ended its side, or its time was up. Only then was it waited for what was open
/// still, and it took longer than it may.
#[test]
fn whoever_takes_leave_to_come_back_can_be_stopped() {
    let (_pair, mut watched) = Watched::leaving_with_a_slow_request();
    while watched.stage.next() != "</stream:stream>" {}
    let component = &mut watched.stage.component;
    assert_eq!(component.stop().code(), Some(0));
    let log = component.log();
    let is_forced = |line: &String| line.contains("did not stop cleanly");
    assert!(!log.iter().any(is_forced), "{log:#?}");
}

/// Prosody's mod_delegation had been unloaded, and went on saying at each login that it delegates.
#[test]
fn a_host_that_has_shown_it_on_an_earlier_link_has_to_show_it_on_each() {
    let mut watched = Watched::let_in_again();
    watched.hosts_say(2, &[HOST]);
    let line = "logging in again in ";
    watched.stage.component.wait_for_log(line, PATIENCE);
    let is = format!("private_storage_delegated{{domain=\"{HOST}\"}} 0");
    assert!(watched.metric(&is));
}

/// ejabberd went on delegating to an old connection, and then to none.
#[test]
fn a_host_that_has_delegated_on_an_earlier_link_and_does_not_on_this_is_asked_for_it() {
    let mut watched = Watched::new();
    watched.stage.lose_link();
    watched.stage.let_in_again();
    delegate(&mut watched.stage, OTHER_HOST);
    let line = format!("no delegation from {HOST}");
    let told = watched.stage.component.wait_for_log(&line, PATIENCE);
    assert!(
        told.contains("there was one before: logging in again to bring it back"),
        "{told}"
    );
    watched.is_let_in_again();
    eventually("both are served", || {
        let is = |host: &str| format!("private_storage_delegated{{domain=\"{host}\"}} 1");
        watched.metric(&is(HOST)) && watched.metric(&is(OTHER_HOST))
    });
}

/// ejabberd's mod_privilege was loaded again: it drops all that we send to that host, and answers go on
/// coming from the other.
#[test]
fn a_host_that_answers_nothing_any_more_has_ended_it() {
    let mut watched = Watched::new();
    watched.hosts_say(4, &[]);
    while let Some(xml) = watched.stage.next_within(PATIENCE) {
        if xml == "</stream:stream>" {
            break;
        }
        if !xml.contains(&format!("to='{OTHER_HOST}'")) {
            watched.answer(&xml, &[]);
        }
    }
    let line = format!("{OTHER_HOST} no longer answers anything on this link");
    let told = watched.stage.component.wait_for_log(&line, PATIENCE);
    assert!(
        told.contains(" WARN ") && told.contains("logging in again"),
        "{told}"
    );
}

/// A host that never showed it may be one that does not show such things.
#[test]
fn who_never_showed_it_is_left_alone() {
    let mut watched = Watched::new();
    assert_eq!(watched.hosts_say(8, &[HOST, OTHER_HOST]), 8);
    assert_eq!(watched.ready(), 200);
    // Nor does an error say anything, or silence, or somebody else.
    watched.hosts_say(2, &[OTHER_HOST]);
    for round in 0..3 {
        let xml = watched.stage.next_with("delegated-");
        let asked = parse(&xml);
        let (id, host) = (asked.attr("id").unwrap(), asked.attr("to").unwrap());
        let query = format!("<query xmlns='{INFO}'/>");
        let answer = match round {
            0 => format!("<iq type='error' id='{id}' from='{host}' to='private.localhost'/>"),
            1 => format!(
                "<iq type='result' id='{id}' from='mallory@{host}' to='private.localhost'>{query}</iq>"
            ),
            _ => continue,
        };
        watched.stage.send(answer);
    }
    watched.hosts_say(4, &[OTHER_HOST]);
    assert_eq!(watched.ready(), 200);
    let log = watched.stage.component.log().join("\n");
    assert!(!log.contains("no longer delegates"), "{log}");
}

/// As ejabberd does when a grant is given again.
#[test]
fn a_host_that_delegates_again_by_itself_needs_no_new_login() {
    let mut watched = Watched::let_in_again();
    watched.hosts_say(4, &[]);
    watched.hosts_say(2, &[HOST]);
    watched
        .stage
        .component
        .wait_for_log("logging in again in ", PATIENCE);
    delegate(&mut watched.stage, HOST);
    let line = format!("private_storage_delegated{{domain=\"{HOST}\"}} 1");
    eventually("it is served again", || watched.metric(&line));
}

#[test]
fn an_advertisement_is_told_in_the_log_once_and_only_from_a_served_host() {
    let mut stage = Stage::new();
    for from in ["mallory@localhost/x", "localhost/x", "elsewhere.example"] {
        stage.send(advertisement(from));
    }
    stage.expect_nothing();
    assert!(!stage.component.log().concat().contains("delegat"));
    stage.send(advertisement("localhost") + &advertisement("localhost"));
    stage.expect_nothing();
    stage
        .component
        .wait_for_log("delegation is active for localhost", PATIENCE);
    let log = stage.component.log();
    let told = log
        .iter()
        .filter(|line| line.contains("delegation is active for localhost"));
    assert_eq!(told.count(), 1, "{log:?}");
}

fn advertisement(from: &str) -> String {
    format!(
        "<message to='private.localhost' from='{from}'><delegation xmlns='urn:xmpp:delegation:1'>\
         <delegated namespace='jabber:iq:private'/></delegation></message>"
    )
}
