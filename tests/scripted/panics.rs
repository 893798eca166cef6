//! A panic costs the one request that met it. The program that the tests run can be told to panic
//! at some stage of a request that contains `panic-here`; no program that is built for use can
//! (`scripts/package` and `tests/packaging` look).
//!
//! The story: two bookmarks made a library panic on the task that serves everybody. The process
//! ended, and since both were stored, it ended again with the next get.

use super::bookmarks::pep::{self, BOOKMARKS, asked, conference, grant, item, storage};
use super::metrics::Scrape;
use super::stage::{Stage, get, request, set};
use crate::support::clock::eventually;
use crate::support::router::parse;

const X: &str = "<a xmlns='urn:x'/>";

/// A component that panics at this stage.
fn panicking(at: &str) -> Stage {
    Stage::configured(|options| {
        options.under = vec!["env".to_owned(), format!("TEST_PANIC={at}")];
        options.extra = "[log]\nlevel = \"debug\"\n".to_owned();
    })
}

/// The next stanza is our own failure, as the answer to this.
#[track_caller]
fn expect_failure(stage: &mut Stage, id: &str) {
    let xml = stage.next();
    let answer = parse(&xml);
    assert_eq!(
        (answer.attr("id"), answer.attr("type")),
        (Some(id), Some("error")),
        "{xml}"
    );
    assert!(xml.contains("<internal-server-error "), "{xml}");
}

/// So many panics were told and counted; and all goes on, for whoever met them and for others.
#[track_caller]
fn goes_on(stage: &mut Stage, panics: usize) {
    stage.store("<a xmlns='urn:x'>1</a>");
    stage.fetch(X, "<a xmlns='urn:x'>1</a>");
    stage.send(request("get", "bobs", "bob@localhost/x", X));
    let bobs = stage.next();
    assert!(
        bobs.contains("type='result'") && bobs.contains("to='bob@"),
        "{bobs}"
    );
    let told = || -> Vec<String> {
        let log = stage.component.log().into_iter();
        log.filter(|line| line.contains("panic")).collect()
    };
    // What it has written may be read later than its answers.
    eventually("each is told", || told().len() >= panics);
    let told = told();
    assert_eq!(told.len(), panics, "{told:#?}");
    for line in told {
        assert!(
            [" ERROR panic at src/", " ERROR panic at crates/"]
                .iter()
                .any(|it| line.contains(it)),
            "{line}"
        );
        assert!(
            !line.contains("panic-here") && !line.contains(env!("CARGO_MANIFEST_DIR")),
            "{line}"
        );
    }
    Scrape::of(stage).assert(&[("panics_total", panics as f64)]);
}

#[test]
fn in_reading_a_stanza() {
    let mut stage = panicking("parse");
    let long = "x".repeat(40_000); // read on a thread of its own
    for (id, value) in [("1", ""), ("2", &*long)] {
        stage.send(set(id, &format!("<a xmlns='urn:x'>panic-here{value}</a>")));
        expect_failure(&mut stage, id);
    }
    goes_on(&mut stage, 2);
}

#[test]
fn in_deciding_what_is_asked() {
    let mut stage = panicking("plan");
    stage.send(set("1", "<a xmlns='urn:x'>panic-here</a>"));
    expect_failure(&mut stage, "1");
    stage.send(
        "<iq type='set' id='2' from='localhost' to='private.localhost'>\
         <delegation xmlns='urn:xmpp:delegation:1'><forwarded xmlns='urn:xmpp:forward:0'>\
         <iq xmlns='jabber:client' type='set' id='3' from='alice@localhost/phone'>\
         <query xmlns='jabber:iq:private'><a xmlns='urn:x'>panic-here</a></query></iq>\
         </forwarded></delegation></iq>",
    );
    let xml = stage.next();
    assert_eq!(
        parse(&xml).attr("type"),
        Some("result"),
        "handed back: {xml}"
    );
    assert!(
        xml.contains("id='3'") && xml.contains("<internal-server-error "),
        "{xml}"
    );
    goes_on(&mut stage, 2);
}

#[test]
fn in_the_store() {
    let mut stage = panicking("store");
    stage.store("<b xmlns='urn:x'>before</b>");
    stage.send(set(
        "1",
        "<b xmlns='urn:x'>panic-here</b><c xmlns='urn:x'>beside</c>",
    ));
    expect_failure(&mut stage, "1");
    stage.fetch("<b xmlns='urn:x'/>", "<b xmlns='urn:x'>before</b>");
    stage.fetch("<c xmlns='urn:y'/>", "<c xmlns='urn:y'/>");
    goes_on(&mut stage, 1);
}

#[test]
fn in_the_reply() {
    let mut stage = panicking("reply");
    stage.store("<b xmlns='urn:x'>panic-here</b>");
    for id in ["1", "2"] {
        stage.send(get(id, "<b xmlns='urn:x'/>"));
        expect_failure(&mut stage, id);
    }
    goes_on(&mut stage, 2);
}

#[test]
fn in_what_pep_answers() {
    let mut stage = panicking("pep");
    stage.send(grant("localhost"));
    let long = "x".repeat(10_000); // compared on a thread of its own
    for (id, name) in [
        ("1", "panic-here".to_owned()),
        ("2", format!("panic-here{long}")),
    ] {
        stage.send(get(id, BOOKMARKS));
        let fetch = asked(&mut stage);
        stage.send(fetch.items(&item("a@muc.localhost", &name)));
        expect_failure(&mut stage, id);
    }
    stage.send(get("3", BOOKMARKS));
    let fetch = asked(&mut stage);
    stage.send(fetch.items(&item("a@muc.localhost", "A")));
    let seen = pep::rooms(&pep::answered(&mut stage, "3"));
    assert_eq!(seen, pep::named(&[("a@muc.localhost", "A")]));
    goes_on(&mut stage, 2);
}

#[test]
fn in_comparing_bookmarks() {
    let mut stage = panicking("decide");
    stage.send(grant("localhost"));
    let long = "x".repeat(10_000);
    for (id, name) in [
        ("1", "panic-here".to_owned()),
        ("2", format!("panic-here{long}")),
    ] {
        stage.send(set(id, &storage(&conference("a@muc.localhost", &name))));
        let fetch = asked(&mut stage);
        stage.send(fetch.items(&item("b@muc.localhost", "B")));
        expect_failure(&mut stage, id);
    }
    stage.send(set("3", &storage(&conference("b@muc.localhost", "B"))));
    let fetch = asked(&mut stage);
    stage.send(fetch.items(&item("b@muc.localhost", "B")));
    assert!(pep::answered(&mut stage, "3").contains("type='result'"));
    goes_on(&mut stage, 2);
}
