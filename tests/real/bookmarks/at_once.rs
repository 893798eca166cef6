//! An old client stores its whole list while a modern one edits the same rooms: what either was told is
//! done stands at the end.
//!
//! The list was compared once and then worked off for seconds, and what came meanwhile was undone: a
//! room that had been retracted came back, names, autojoin and extensions were overwritten.
//!
//! A relay holds each IQ of the component's while the modern client edits, so the order in which the
//! server sees both is known. What falls between the reading of an item and its change cannot be told
//! apart by any means that PEP has: such edits are counted, and not judged.
//!
//! `BOOKMARKS_SEED` repeats the decisions of a run.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

use super::modern::Modern;
use super::old::storage;
use super::room::{MODERN, Room, rooms, sorted};
use super::stage::{GRANTING, On, Stage, on_each_server};
use crate::chaos::dice::Dice;
use crate::chaos::variable;
use crate::support::answers::{element, succeeded};
use crate::support::client::{PATIENCE, RawClient};
use crate::support::clock::eventually;
use crate::support::relay::{Gate, Relay, Waiting};

on_each_server! {
    two_hundred_rooms_take_two_iqs_each
}

#[test]
fn what_both_clients_do_at_once_stands_on_prosody() {
    what_both_clients_do_at_once_stands(On::Prosody);
}

/// Not with mod_private, which converts between nodes of its own with whole lists, after each change: it
/// undoes by itself what is edited meanwhile.
#[cfg(feature = "newer-servers")]
#[test]
fn what_both_clients_do_at_once_stands_on_ejabberd() {
    what_both_clients_do_at_once_stands(On::Ejabberd);
}

const ROUNDS: usize = 12;
const ROOMS: usize = 30;

/// The component gives an IQ up after 5 s. What this is compared with begins a little later.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(4);

/// What becomes of a room in the old client's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Old {
    Leaves,
    Renames,
    Drops,
    Adds,
}

/// What the modern client does to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    Renames,
    /// Autojoin alone, with the name that the item has by then.
    Joins,
    Retracts,
}

/// When that was, by what the component had said about the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// The node was not read yet.
    First,
    /// It was, and the item was not read again.
    Between,
    /// The item was read again, and not changed yet.
    InTheRoundTrip,
    /// It was changed, or is not to be.
    Last,
}

#[derive(Debug)]
struct Played {
    old: Old,
    does: Option<(Does, When)>,
}

fn stage(on: On) -> (Stage, Relay) {
    let relay = RefCell::new(None);
    let stage = Stage::with(on, GRANTING, |server| {
        let new = Relay::new(server.component_address());
        relay.borrow_mut().insert(new).address()
    });
    (stage, relay.into_inner().expect("the stage stands"))
}

fn what_both_clients_do_at_once_stands(on: On) {
    let seed = variable("BOOKMARKS_SEED");
    let seed = seed.unwrap_or_else(|| RandomState::new().build_hasher().finish());
    println!("BOOKMARKS_SEED={seed}");
    let (stage, relay) = stage(on);
    let (mut judged, mut in_the_round_trip, mut rounds, mut void) = (0, 0, 0, 0);
    // A busy machine plays fewer.
    let enough = Instant::now() + 3 * PATIENCE;
    for round in 0.. {
        let mut dice = Dice::new(seed, round);
        let Some(played) = play(&stage, &relay, &mut dice) else {
            void += 1;
            assert!(void < 3 * ROUNDS, "IQs are always held for too long");
            continue;
        };
        rounds += 1;
        for (_, when) in played.values().filter_map(|it| it.does) {
            match when {
                When::InTheRoundTrip => in_the_round_trip += 1,
                When::First | When::Between | When::Last => judged += 1,
            }
        }
        if rounds == ROUNDS || judged > ROUNDS && Instant::now() > enough {
            break;
        }
    }
    println!(
        "{judged} edits stand; {in_the_round_trip} were in the one round trip; {void} rounds were void"
    );
    assert!(judged > ROUNDS, "nothing was put to the test");
}

/// One list, and what is done meanwhile; `None` if the component has perhaps given an IQ up, which was held
/// for so long by a busy machine, and with it the rest of the list.
fn play(stage: &Stage, relay: &Relay, dice: &mut Dice) -> Option<BTreeMap<String, Played>> {
    let jid = stage.newcomer();
    let before = rooms("room", ROOMS);
    let mut modern = stage.modern(&jid);
    let mut old = RawClient::login(&stage.server, &jid);
    let all: String = before.iter().map(Room::old).collect();
    succeeded(&old.set("", &storage(&all)));
    let are_all = || modern.rooms() == before;
    let ask = || drop(old.get("", &storage("")));
    stage.until_published("all are there", are_all, ask);

    let mut list = Vec::new();
    let mut played: BTreeMap<String, Played> = BTreeMap::new();
    for room in before.iter().cloned().chain(rooms("new", 6)) {
        let is_new = room.jid.starts_with("new");
        let fate = match dice.below(4) {
            _ if is_new => Old::Adds,
            0 => Old::Leaves,
            1 => Old::Drops,
            _ => Old::Renames,
        };
        let jid = room.jid.clone();
        match fate {
            Old::Leaves | Old::Adds => list.push(room),
            Old::Renames => list.push(room.name("mine")),
            Old::Drops => {}
        }
        let (old, does) = (fate, None);
        played.insert(jid, Played { old, does });
    }
    let mut gate = relay.gate();
    let content: String = list.iter().map(Room::old).collect();
    let begin = Instant::now();
    old.send(&set(&content));
    let mut said: Vec<String> = Vec::new();
    let mut answered = None;
    let (mut last, mut is_void) = (begin, false);
    let deadline = begin + 4 * PATIENCE;
    let log = || stage.component.log().join("\n");
    loop {
        assert!(Instant::now() < deadline, "no end for {jid}:\n{}", log());
        if let Some(answered) = answered {
            // Once the client has its answer, no more comes; but for one that had to wait for 5 s, and is
            // answered before all is done.
            let quiet = match begin.elapsed() >= Duration::from_secs(4) {
                false => Duration::from_millis(300),
                true => Duration::from_secs(5),
            };
            if last.max(answered).elapsed() >= quiet {
                break;
            }
        }
        let waiting = gate.next(Duration::from_millis(20));
        // Questions to the host come in between, every few seconds.
        if let Some(Waiting { stanza, .. }) = &waiting
            && stanza.contains("<privileged_iq")
        {
            is_void |= last.elapsed() >= GIVEN_UP_AFTER;
            last = Instant::now();
            said.push(stanza.clone());
            if dice.percent(30) {
                edit(&mut modern, &mut played, &said, dice);
            }
        }
        drop(waiting);
        while let Some(stanza) = old.next(Duration::from_millis(1)) {
            let answer = element(&stanza).expect("XML");
            if answer.attr("id") == Some("set") {
                answered = Some(Instant::now());
            }
            is_void |= last.elapsed() >= GIVEN_UP_AFTER;
        }
    }
    drop(gate);
    if is_void {
        return None;
    }
    let items = modern.items();
    for (jid, played) in &played {
        let item = items.iter().find(|item| item.attr("id") == Some(jid));
        let found = item.map(|item| (Room::of_modern(item), has_extension(item)));
        let context = || format!("{jid}: {played:?} came to {found:?}\n{}", said.join("\n"));
        judge(played, found.as_ref(), &context);
    }
    let mut again = stage.old(&jid);
    let rooms = sorted(items.iter().map(Room::of_modern));
    // On a busy machine PEP may take its 5 s, and then the store answers.
    eventually("both see the same", || again.rooms() == rooms);
    assert_eq!(modern.items(), items, "nothing is published for a look");
    Some(played)
}

/// The modern client does something to a room that it has done nothing to yet.
fn edit(
    modern: &mut Modern,
    played: &mut BTreeMap<String, Played>,
    said: &[String],
    dice: &mut Dice,
) {
    let free: Vec<String> = played
        .iter()
        .filter(|(_, it)| it.does.is_none())
        .map(|(jid, _)| jid.clone())
        .collect();
    if free.is_empty() {
        return;
    }
    // Mostly what is under way.
    let last = said.last().map(String::as_str).unwrap_or_default();
    let under_way = free.iter().find(|jid| is_about(last, jid)).cloned();
    let any = || free[0].clone();
    let jid = match under_way.filter(|_| dice.percent(50)) {
        Some(jid) => jid,
        None => free
            .get(dice.below(free.len() as u64) as usize)
            .cloned()
            .unwrap_or_else(any),
    };
    let when = when(said, &jid, played[&jid].old);
    let now = modern.items();
    let now = now.iter().find(|item| item.attr("id") == Some(&jid));
    let does = match (dice.below(3), now) {
        (0, Some(_)) => {
            succeeded(&modern.try_retract(&jid));
            Does::Retracts
        }
        (1, Some(item)) => {
            let room = Room::of_modern(item).autojoin();
            modern.publish_xml(&jid, &extended(&room));
            Does::Joins
        }
        _ => {
            let room = Room {
                jid: jid.clone(),
                ..Room::default()
            };
            modern.publish_xml(&jid, &extended(&room.name("theirs")));
            Does::Renames
        }
    };
    if let Some(played) = played.get_mut(&jid) {
        played.does = Some((does, when));
    }
}

/// By what has been said, the last of which has not passed yet.
fn when(said: &[String], jid: &str, old: Old) -> When {
    let (last, passed) = said.split_last().expect("something waits");
    if !passed.iter().any(|stanza| is_read(stanza)) {
        return When::First;
    }
    let is_changed = passed
        .iter()
        .any(|stanza| is_about(stanza, jid) && !is_read(stanza));
    if is_changed || old == Old::Leaves {
        return When::Last;
    }
    if is_about(last, jid) && !is_read(last) {
        return When::InTheRoundTrip;
    }
    // That was the last word about it: what was to be changed was not so any more.
    match passed.iter().any(|stanza| is_about(stanza, jid)) {
        true => When::Last,
        false => When::Between,
    }
}

fn set(content: &str) -> String {
    let list = storage(content);
    format!("<iq type='set' id='set'><query xmlns='jabber:iq:private'>{list}</query></iq>")
}

fn is_read(stanza: &str) -> bool {
    stanza.contains("<items node=")
}

fn is_about(stanza: &str, jid: &str) -> bool {
    stanza.contains(&format!("<item id='{jid}'"))
}

fn extended(room: &Room) -> String {
    room.modern().replace(
        "</conference>",
        "<extensions><pin xmlns='urn:x'/></extensions></conference>",
    )
}

fn has_extension(item: &minidom::Element) -> bool {
    let conference = item.get_child("conference", MODERN);
    let extensions = conference.and_then(|it| it.get_child("extensions", MODERN));
    extensions.is_some_and(|it| it.has_child("pin", "urn:x"))
}

fn judge(played: &Played, found: Option<&(Room, bool)>, context: &dyn Fn() -> String) {
    let Some((does, when)) = played.does else {
        let is_there = played.old != Old::Drops;
        assert_eq!(found.is_some(), is_there, "{}", context());
        if let (Old::Renames, Some((room, _))) = (played.old, found) {
            assert_eq!(room.name.as_deref(), Some("mine"), "{}", context());
        }
        return;
    };
    if when == When::InTheRoundTrip {
        return;
    }
    // The list says more than that when it came, for whoever wrote it had not seen that.
    let is_older = when == When::First;
    match (does, played.old) {
        (Does::Retracts, Old::Renames) if is_older => assert!(found.is_some(), "{}", context()),
        (Does::Retracts, Old::Adds) if is_older => assert!(found.is_some(), "{}", context()),
        (Does::Retracts, _) => assert!(found.is_none(), "{}", context()),
        (_, Old::Drops) if is_older => assert!(found.is_none(), "{}", context()),
        (does, old) => {
            let Some((room, extension)) = found else {
                panic!("{}", context());
            };
            assert!(extension, "{}", context());
            let name = match (does, old) {
                (Does::Renames, Old::Renames) if is_older => "mine",
                // So is one that it adds.
                (Does::Renames, Old::Adds) if is_older => return,
                (Does::Renames, _) => "theirs",
                (Does::Joins, Old::Renames) => "mine",
                (Does::Joins, _) => room.name.as_deref().unwrap_or_default(),
                (Does::Retracts, _) => unreachable!("judged above"),
            };
            assert_eq!(room.name.as_deref(), Some(name), "{}", context());
            // The list says of a room that it renames what it had been shown of autojoin.
            if does == Does::Joins && !(is_older && old == Old::Renames) {
                assert!(room.autojoin, "{}", context());
            }
        }
    }
}

/// What 200 rooms cost: one fetch, and for each an IQ that reads it and one that changes it.
fn two_hundred_rooms_take_two_iqs_each(on: On) {
    const MANY: usize = 200;
    let (stage, relay) = stage(on);
    let jid = stage.newcomer();
    let rooms = rooms("room", MANY);
    let (mut modern, mut old) = (stage.modern(&jid), stage.old(&jid));
    old.set(&rooms);
    let are_all = || modern.rooms() == rooms;
    stage.until_published("all are there", are_all, || drop(old.storage()));
    let begin = Instant::now();
    // On a busy machine an IQ may take too long, and then the rest of the list is given up.
    let renamed = (1..=5).find_map(|attempt| {
        let name = format!("mine {attempt}");
        let renamed: Vec<Room> = rooms.iter().map(|it| it.clone().name(&name)).collect();
        let mut gate = relay.gate();
        let content: String = renamed.iter().map(Room::old).collect();
        old.client().send(&set(&content));
        let are_all = come(&mut gate, 1 + 2 * MANY);
        drop(gate);
        assert!(old.client().next(PATIENCE).is_some(), "no answer");
        are_all.then_some(renamed)
    });
    let renamed = renamed.expect("not all is done");
    stage.until("all are renamed", || modern.rooms() == renamed);
    println!(
        "{on:?}: two IQs for each of {MANY} rooms, {:?}",
        begin.elapsed()
    );
}

/// Whether so many IQs come, none of which has to wait for so long that the rest is given up.
fn come(gate: &mut Gate<'_>, iqs: usize) -> bool {
    let (mut come, mut last) = (0, Instant::now());
    while come < iqs {
        if last.elapsed() >= GIVEN_UP_AFTER {
            return false;
        }
        // Questions to the host come in between.
        let waiting = gate.next(Duration::from_millis(20));
        if waiting.is_some_and(|it| it.stanza.contains("<privileged_iq")) {
            (come, last) = (come + 1, Instant::now());
        }
    }
    true
}
