//! What the log tells of bookmarks: whose server grants, and nothing of anybody's rooms.

use super::super::stage::Stage;
use super::pep::*;
use crate::support::router::PATIENCE;

#[test]
fn that_a_host_grants_is_told_once_and_that_it_ends() {
    let mut stage = Stage::new();
    stage.send(grant("localhost") + &grant("localhost"));
    stage.expect_nothing();
    let told = stage.component.wait_for_log("bookmarks", PATIENCE);
    assert!(told.contains("localhost"), "{told}");
    let lines = |stage: &Stage| {
        let log = stage.component.log();
        log.iter().filter(|line| line.contains("bookmarks")).count()
    };
    assert_eq!(lines(&stage), 1, "{:#?}", stage.component.log());
    stage.send(grant("mallory@localhost/x"));
    stage.send(advertisement("localhost", ""));
    stage.component.wait_for_log("no longer", PATIENCE);
    assert_eq!(lines(&stage), 2, "{:#?}", stage.component.log());
}

/// At info; what fails is told too.
#[test]
fn nothing_of_a_room_or_a_user_is_told() {
    let mut host = Host::new();
    let room = "<conference jid='planted-room@muc.localhost' name='planted-name' autojoin='true'>\
                <nick>planted-nick</nick><password>planted-word</password></conference>";
    host.set(room);
    host.get();
    let of_node = item("planted-node@muc.localhost", "planted-name");
    host.keep("planted-node@muc.localhost", of_node);
    host.get();
    // Every way in which an answer can be wrong.
    for number in 0..5 {
        host.send(super::super::stage::get("1", BOOKMARKS));
        let fetch = asked(&mut host);
        let planted = "<planted-element xmlns='urn:planted'>planted-text</planted-element>";
        let answer = match number {
            0 => fetch.refused("forbidden"),
            1 => fetch.error("error", "service-unavailable"),
            2 => fetch.items(planted),
            3 => fetch.outer("result", planted),
            _ => fetch.result(planted),
        };
        host.send(answer);
        answered(&mut host, "1");
    }
    host.set("");
    host.component.stop();
    let log = host.component.log().join("\n");
    assert!(!log.contains("planted"), "{log}");
    assert!(!log.contains("alice"), "{log}");
    assert!(!log.contains("urn:xmpp:bookmarks"), "{log}");
}
