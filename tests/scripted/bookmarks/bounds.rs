//! How much is asked at once (Prosody stands still on 400 publishes), and under which ids (it files
//! what is pending by the inner id alone, over all users).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::stage::{Stage, request, set};
use super::pep::*;
use crate::support::router::{PATIENCE, parse};

const USERS: usize = 100;
/// Of a host with this many users asking.
const AT_ONCE: usize = 16;

#[test]
fn only_a_few_are_asked_at_once_whoever_many_ask() {
    let mut stage = Stage::new();
    stage.send(grant("localhost"));
    let all: String = (0..USERS)
        .map(|n| {
            request(
                "get",
                &format!("g{n}"),
                &format!("u{n}@localhost/x"),
                BOOKMARKS,
            )
        })
        .collect();
    let mut writer = stage.writer();
    let sent = std::thread::spawn(move || writer.write_all(all.as_bytes()));

    let mut open: Vec<Asked> = Vec::new();
    let mut most = 0;
    let mut done = BTreeSet::new();
    while done.len() < USERS {
        // As many as come on their own, and then one answer.
        let quiet = match (open.len(), most) {
            (0, _) => PATIENCE,
            (_, 0..2) => Duration::from_millis(500),
            _ => Duration::from_millis(2),
        };
        let Some(xml) = stage.next_within(quiet) else {
            assert!(
                !open.is_empty(),
                "nothing more comes: {} of {USERS}",
                done.len()
            );
            let fetch = open.remove(0);
            stage.send(fetch.items(&item(&format!("of-{}", fetch.owner), "Own")));
            continue;
        };
        match Asked::read(&xml) {
            Some(fetch) => open.push(fetch),
            None => {
                let answer = parse(&xml);
                let user = answer.attr("id").expect("an id").replace('g', "u");
                let own = format!("of-{user}@localhost");
                assert_eq!(rooms(&xml), named(&[(&own, "Own")]));
                assert!(done.insert(user), "answered twice: {xml}");
            }
        }
        most = most.max(open.len());
        assert!(most <= AT_ONCE, "{most} at once");
    }
    sent.join().expect("no panic").expect("it reads");
    assert!(most > 1, "one behind the other over all users");
}

#[test]
fn one_users_steps_run_one_behind_the_other_one_item_each() {
    let mut host = Host::new();
    let room = |n| conference(&format!("r{n}@muc.localhost"), "R");
    host.send(set("1", &storage(&(0..20).map(room).collect::<String>())));
    let mut published = BTreeMap::new();
    loop {
        let xml = host.next();
        let Some(step) = Asked::read(&xml) else {
            break;
        };
        // Nothing further comes before this is answered.
        host.expect_nothing();
        if let Step::Publish(id) = &step.step {
            *published.entry(id.clone()).or_insert(0) += 1;
        }
        host.answer(step);
    }
    assert_eq!(published.len(), 20);
    assert!(published.values().all(|&times| times == 1), "{published:?}");
}

/// Not even with those that waited for nothing, on an earlier link.
#[test]
fn all_ids_differ_outer_and_inner() {
    let mut host = Host::new();
    for round in 0..3 {
        for user in ["alice", "bob", "carol"] {
            let room = conference(&format!("r{round}@muc.localhost"), "R");
            let from = format!("{user}@localhost/phone");
            let (set, get) = (format!("s-{user}-{round}"), format!("g-{user}-{round}"));
            host.request(&set, request("set", &set, &from, &storage(&room)));
            host.request(&get, request("get", &get, &from, BOOKMARKS));
        }
        host.lose_link_for_a_while();
    }
    let distinct = |id: fn(&Asked) -> &String| -> usize {
        let ids: BTreeSet<&String> = host.asked.iter().map(id).collect();
        ids.len()
    };
    let asked = host.asked.len();
    assert!(asked > 20, "{asked}");
    assert_eq!(distinct(|asked| &asked.outer), asked);
    assert_eq!(distinct(|asked| &asked.inner), asked);
}

/// A server answers on the next link what a process before this one had asked on the last.
#[test]
fn ids_differ_from_those_before_a_restart() {
    let mut host = Host::new();
    host.get();
    host.component.restart();
    host.let_in_again();
    host.send(grant("localhost"));
    host.get();
    let [before, after] = &host.asked[..] else {
        panic!("asked {} times", host.asked.len());
    };
    assert_ne!(before.outer, after.outer);
    assert_ne!(before.inner, after.inner);
}
