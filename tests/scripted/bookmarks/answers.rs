//! What a host answers: which answers count, and what each means.

use super::super::stage::{Stage, get, request, set};
use super::pep::*;

const STORED: &str = "stored@muc.localhost";

/// Somebody's bookmarks are stored before any host grants; then one does.
fn with_stored_room(users: &[&str]) -> Stage {
    let mut stage = Stage::new();
    for user in users {
        let content = storage(&conference(STORED, "Stored"));
        stage.send(request(
            "set",
            "s",
            &format!("{user}@localhost/phone"),
            &content,
        ));
        answered(&mut stage, "s");
    }
    stage.send(grant("localhost"));
    stage
}

/// That user asks, and the host answers so.
#[track_caller]
fn get_and_answer(stage: &mut Stage, user: &str, answer: impl Fn(&Asked) -> String) {
    let from = format!("{user}@localhost/phone");
    stage.send(request("get", user, &from, BOOKMARKS));
    let fetch = asked(stage);
    assert_eq!(fetch.step, Step::Fetch);
    stage.send(answer(&fetch));
}

#[track_caller]
fn expect_stored(stage: &mut Stage, user: &str) {
    let answer = answered(stage, user);
    assert_eq!(rooms(&answer), named(&[(STORED, "Stored")]), "{user}");
}

#[test]
fn an_answer_counts_only_with_the_right_id_from_the_right_address() {
    let mut stage = with_stored_room(&["alice"]);
    stage.send(get("1", BOOKMARKS));
    let fetch = asked(&mut stage);
    let forged = fetch.items(&item("forged@muc.localhost", "Forged"));
    let from = |address: &str| {
        let outer = "from='alice@localhost' to='private.localhost'";
        let other = format!("from='{address}' to='private.localhost'");
        forged.replacen(outer, &other, 1)
    };
    for address in [
        "mallory@localhost",
        "mallory@localhost/x",
        "alice@localhost/phone",
        "alice@test2.localhost",
        "localhost",
        "elsewhere.example",
    ] {
        assert_ne!(from(address), forged);
        stage.send(from(address));
    }
    for id in ["", "x", "0", "alive-0", &format!("{}7", fetch.outer)] {
        let own = format!(" id='{}'", fetch.outer);
        stage.send(forged.replacen(&own, &format!(" id='{id}'"), 1));
    }
    stage.expect_nothing();
    stage.send(fetch.items(&item(STORED, "Renamed")));
    let answer = answered(&mut stage, "1");
    assert_eq!(rooms(&answer), named(&[(STORED, "Renamed")]));
    stage.expect_nothing();
    // A second answer is one to nothing.
    stage.send(forged);
    stage.expect_nothing();
}

/// Prosody's later modules and ejabberd say `error` outside, Prosody's earlier ones `result`.
#[test]
fn an_absent_node_is_an_empty_one_whatever_the_outer_type() {
    let mut stage = with_stored_room(&["alice", "bob"]);
    for (user, outer) in [("alice", "result"), ("bob", "error")] {
        get_and_answer(&mut stage, user, |fetch| {
            fetch.error(outer, "item-not-found")
        });
        expect_stored(&mut stage, user);
        // And first contact brings what is stored there.
        let publish = asked_to_add(&mut stage);
        assert_eq!(publish.step, Step::Publish(STORED.to_owned()), "{outer}");
        stage.send(publish.result(""));
        // Whether PEP keeps what is published.
        let check = asked(&mut stage);
        assert_eq!(check.step, Step::Reread(STORED.to_owned()));
        stage.send(check.items(&item(STORED, "Stored")));
    }
}

#[test]
fn where_there_is_no_pep_the_store_answers_whatever_the_outer_type() {
    let mut stage = with_stored_room(&["alice", "bob"]);
    for (user, outer) in [("alice", "result"), ("bob", "error")] {
        get_and_answer(&mut stage, user, |fetch| {
            fetch.error(outer, "service-unavailable")
        });
        expect_stored(&mut stage, user);
    }
}

#[test]
fn where_the_privilege_is_refused_the_store_answers() {
    let mut stage = with_stored_room(&["alice", "bob"]);
    for (user, condition) in [("alice", "forbidden"), ("bob", "internal-server-error")] {
        get_and_answer(&mut stage, user, |fetch| fetch.refused(condition));
        expect_stored(&mut stage, user);
    }
}

/// What ejabberd up to 24.12 does: our own request comes back.
#[test]
fn where_the_request_comes_back_the_store_answers() {
    let mut stage = with_stored_room(&["alice"]);
    get_and_answer(&mut stage, "alice", |fetch| {
        let privileged = fetch.xml.find("<privileged_iq").expect("ours");
        fetch.outer(
            "error",
            &fetch.xml[privileged..fetch.xml.len() - "</iq>".len()],
        )
    });
    expect_stored(&mut stage, "alice");
}

#[test]
fn where_a_set_is_refused_it_is_stored_all_the_same() {
    let mut stage = Stage::new();
    stage.send(grant("localhost"));
    let content = storage(&conference(STORED, "Stored"));
    stage.send(set("1", &content));
    let fetch = asked(&mut stage);
    stage.send(fetch.refused("forbidden"));
    assert!(answered(&mut stage, "1").contains("type='result'"));
    stage.send(advertisement("localhost", ""));
    stage.fetch(BOOKMARKS, &content);
}

/// The client is not told what its server thinks of PEP, and nothing is lost or taken for deleted.
#[test]
fn where_one_publish_is_refused_the_room_is_brought_later() {
    let all = ["a@muc.localhost", "b@muc.localhost", "c@muc.localhost"];
    let mut host = Host::new();
    let content: Vec<String> = all.iter().map(|jid| conference(jid, jid)).collect();
    host.send(set("1", &storage(&content.concat())));
    loop {
        let xml = host.next();
        let Some(asked) = Asked::read(&xml) else {
            assert!(xml.contains("type='result'"), "{xml}");
            break;
        };
        match &asked.step {
            Step::Publish(id) if id.starts_with('b') => {
                host.send(asked.error("error", "not-acceptable"));
            }
            _ => host.answer(asked),
        }
    }
    let answer = host.get();
    let mut shown: Vec<String> = rooms(&answer).into_iter().map(|(jid, _)| jid).collect();
    shown.sort();
    assert_eq!(shown, all);
    host.settle();
    let mut kept = host.kept();
    kept.sort();
    assert_eq!(kept, all);
}

/// What was set was not there any more: PEP took it, and kept nothing.
#[test]
fn where_pep_forgets_what_is_published_the_store_keeps_it() {
    let mut host = Host::new();
    for (round, forgetful) in [("1", true), ("2", true), ("3", false)] {
        let list = conference(STORED, round);
        host.send(set("1", &storage(&list)));
        loop {
            let xml = host.next();
            let Some(asked) = Asked::read(&xml) else {
                assert!(xml.contains("type='result'"), "{xml}");
                break;
            };
            match &asked.step {
                Step::Publish(_) if forgetful => {
                    host.nodes.insert(ALICE.to_owned(), Vec::new());
                    host.send(asked.result(""));
                }
                _ => host.answer(asked),
            }
        }
        assert_eq!(rooms(&host.get()), named(&[(STORED, round)]));
        host.settle();
        if forgetful {
            host.nodes.insert(ALICE.to_owned(), Vec::new());
        }
    }
    assert_eq!(host.kept(), [STORED]);
}
