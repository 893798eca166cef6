//! Requests that wait for their turn, and answers that wait for a server that does not read.

use std::io::Read;
use std::thread;
use std::time::Duration;

use super::{PATIENCE, WORST, growth};
use crate::scripted::bookmarks::pep::{BOOKMARKS, grant, storage};
use crate::scripted::stage::{Stage, get, request, set};

/// What a server that does not read may cost: 8 MiB of replies (`limits.max_unsent_bytes`),
/// four batches of 1 MiB that were under way by then, and the room that a growing text takes in
/// advance, up to as much again, and what the allocator keeps.
const UNREAD: u64 = 48 << 20;

/// What requests may cost that wait for their turn: 32 MiB (`limits.max_open_bytes`) beside what is unread.
const WAITING: u64 = UNREAD + (40 << 20);

/// How much of its answers a server takes that asks all the time: long after requests wait for
/// their turn.
const READ: usize = 1 << 30;

/// Thousands of large answers that nobody takes: they are made as room comes, and then all of them
/// come, once, in the order of each user's requests.
#[test]
fn answers_that_the_router_does_not_take_wait_in_bounded_memory_and_in_order() {
    const GETS: usize = 1000;
    let mut stage = Stage::new();
    let users = ["alice@localhost/phone", "bob@localhost/pad"];
    let value = format!("<a xmlns='urn:x'>{}</a>", "x".repeat(300_000));
    for user in users {
        stage.send(request("set", "value", user, &value));
        assert!(stage.next().contains("type='result'"));
    }
    let growth = growth(&mut stage, |stage| {
        let mut writer = stage.writer();
        let sending = thread::spawn(move || {
            for number in 0..GETS {
                for user in users {
                    let get = request("get", &number.to_string(), user, "<a xmlns='urn:x'/>");
                    writer.write_all(get.as_bytes()).expect("it reads at last");
                }
            }
        });
        stage.component.wait_until_idle();
        let mut answered = [const { Vec::new() }; 2];
        while answered.iter().any(|ids| ids.len() < GETS) {
            let received = stage.next();
            assert!(received.len() > 300_000, "{received}");
            let mut parts = received[..200].split('\'');
            let id: usize = parts.nth(3).and_then(|id| id.parse().ok()).expect("an id");
            answered[usize::from(!received[..200].contains("alice"))].push(id);
        }
        for ids in answered {
            assert!(ids.iter().copied().eq(0..GETS), "{ids:?}");
        }
        sending.join().expect("all was sent");
        assert_eq!(stage.next_within(Duration::from_millis(300)), None);
    });
    assert!(growth < UNREAD, "{growth} bytes");
}

/// The same for sets, of which the disk takes fewer than the server could send.
#[test]
fn sets_that_wait_for_the_disk_wait_in_bounded_memory() {
    const SETS: usize = 500;
    let mut stage = Stage::with("[limits]\nmax_user_open_bytes = 67108864");
    let growth = growth(&mut stage, |stage| {
        let mut writer = stage.writer();
        let sending = thread::spawn(move || {
            let text = "x".repeat(300_000);
            for number in 0..SETS {
                let value = format!("<a xmlns='urn:x'>{number}{text}</a>");
                let set = set(&number.to_string(), &value);
                writer.write_all(set.as_bytes()).expect("it reads");
            }
        });
        for number in 0..SETS {
            let received = stage.next_within(PATIENCE);
            let received = received
                .unwrap_or_else(|| panic!("no answer to {number}: {:#?}", stage.component.log()));
            assert!(
                received.contains(&format!("'result' id='{number}'")),
                "{received}"
            );
        }
        sending.join().expect("all was sent");
    });
    stage.send(get("last", "<a xmlns='urn:x'/>"));
    assert!(stage.next().contains(&format!(">{}xxx", SETS - 1)));
    assert!(growth < WORST, "{growth} bytes");
}

/// Small gets were held for their own bytes, and took five times as much: 150 MiB where 32 were
/// meant, when a server took every answer and asked faster than they could be made.
#[test]
fn gets_that_wait_their_turn_wait_in_bounded_memory() {
    let mut stage = Stage::new();
    let value = format!("<a xmlns='urn:x'>{}</a>", "x".repeat(300_000));
    stage.store(&value);
    let growth = growth(&mut stage, |stage| {
        let mut writer = stage.writer();
        let mut reader = stage.handle();
        let asking = thread::spawn(move || {
            let stanzas = get("1", "<a xmlns='urn:x'/>").repeat(1000);
            while writer.write_all(stanzas.as_bytes()).is_ok() {}
        });
        let mut bytes = vec![0; 1 << 20];
        let mut read = 0;
        while read < READ {
            let now = reader.read(&mut bytes).expect("answers");
            assert!(now > 0, "no answers after {read} bytes");
            read += now;
        }
        let memory = stage.component.memory().expect("it runs");
        println!("{} KiB", memory.now >> 10);
        stage.lose_link();
        asking.join().expect("no panic there");
    });
    assert!(growth < WAITING, "{growth} bytes");
}

/// Somebody kept hundreds of KiB of bookmarks that are about no room, on a host that grants PEP, and asked for them
/// thousands of times: what had no room among those that wait for PEP was answered by the store with nothing that
/// bounded it, from 2 GiB of copies of that list, and everybody's lists were taken apart behind them.
#[test]
fn gets_of_bookmarks_beyond_those_that_wait_for_pep_wait_in_bounded_memory() {
    let mut stage = bookmarks_about_no_room();
    let growth = growth(&mut stage, |stage| {
        let mut writer = stage.writer();
        let mut reader = stage.handle();
        writer
            .write_all(get("1", BOOKMARKS).repeat(GETS_OF_BOOKMARKS).as_bytes())
            .expect("it reads");
        let mut bytes = vec![0; 1 << 20];
        let mut read = 0;
        while read < 40 * LIST {
            let now = reader.read(&mut bytes).expect("answers");
            assert!(now > 0, "no answers after {read} bytes");
            read += now;
        }
        stage.lose_link();
    });
    assert!(growth < WAITING, "{growth} bytes");
}

/// The same from a server that reads none of the answers, which were all made at once.
#[test]
fn gets_of_bookmarks_that_the_router_does_not_take_wait_in_bounded_memory() {
    let mut stage = bookmarks_about_no_room();
    let growth = growth(&mut stage, |stage| {
        let mut writer = stage.writer();
        writer
            .write_all(get("1", BOOKMARKS).repeat(GETS_OF_BOOKMARKS).as_bytes())
            .expect("it reads");
        stage.component.wait_until_idle();
        stage.lose_link();
    });
    assert!(growth < WAITING, "{growth} bytes");
}

/// How many gets are open at once, and how many bytes each would copy.
const GETS_OF_BOOKMARKS: usize = 1000;
const LIST: usize = 380 << 10;

/// Alice has such a list where PEP is granted, and does not answer.
fn bookmarks_about_no_room() -> Stage {
    const CONFERENCE: &str = "<conference/>";
    let mut stage = Stage::new();
    stage.store(&storage(&CONFERENCE.repeat(LIST / CONFERENCE.len())));
    stage.send(grant("localhost"));
    stage
}
