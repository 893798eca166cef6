//! Many rooms that come into PEP for the first time: how long that takes, and how long Prosody lets
//! others wait meanwhile. Beside it what is simplest: all of them in one write.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sha1::{Digest as _, Sha1};

use super::asking::{PUBSUB, ask, get, set, succeed};
use super::figures::{quantile, time};
use super::place::{OTHER, Place};
use super::rooms;
use super::support::client::RawClient;
use super::support::server::SECRET;

const NODE: &str = "urn:xmpp:bookmarks:1";
const BOOKMARKS: &str = "<storage xmlns='storage:bookmarks'/>";
const PING: &str = "<iq id='ask' type='get' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>";

/// How many users come at once, with how many rooms each.
const LOADS: [(usize, usize); 3] = [(1, 200), (1, 400), (4, 200)];

/// Until which number of rooms.
const MOST: &str = "[bookmarks]\nmax_rooms = 1000\nmode = \"pep\"\n";
const OFF: &str = "[bookmarks]\nmax_rooms = 1000\nmode = \"off\"\n";

fn user(number: usize) -> String {
    format!("user{number}@localhost")
}

/// Prints a table.
pub fn measure() {
    let ours: usize = LOADS.iter().map(|(users, _)| users).sum();
    let naive = LOADS.len();
    let users: Vec<String> = (0..ours + naive + 2).map(user).collect();
    let mut place = Place::new(true, &users, OFF);
    let mut newcomers = Vec::new();
    for (users, count) in LOADS {
        for _ in 0..users {
            let mut client = place.client(&user(newcomers.len()));
            succeed(&mut client, &set(&rooms(count, "Room")));
            newcomers.push(client);
        }
    }
    place.change(MOST, OFF);
    println!(
        "| | all are in PEP after | a ping waits, p50 | at most | a get of other private data, p50 | at most |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    row("nothing under way", &place, users.len(), || {
        thread::sleep(Duration::from_secs(3))
    });
    let mut left = newcomers.into_iter();
    for (users, count) in LOADS {
        let mut group: Vec<RawClient> = left.by_ref().take(users).collect();
        let name = format!("ours, {count} rooms{}", times(users));
        row(&name, &place, ours + naive + 2, || {
            // The first of each, for a node that is not there yet, counts as refused.
            let until = place.asked_of_pep() + (users * count) as u64;
            for client in &mut group {
                succeed(client, &get(BOOKMARKS));
            }
            while place.asked_of_pep() < until {
                thread::sleep(Duration::from_millis(10));
            }
        });
        for client in &mut group {
            check(client, count);
        }
    }
    for (number, (users, count)) in LOADS.into_iter().enumerate().take(2) {
        let jid = user(ours + number);
        let mut component = Naive::login(&place);
        let name = format!("in one write, {count} rooms{}", times(users));
        row(&name, &place, ours + naive + 2, || {
            component.publish(&jid, count)
        });
        check(&mut place.client(&jid), count);
    }
    println!();
}

fn times(users: usize) -> String {
    match users {
        1 => String::new(),
        users => format!(" of each of {users} users"),
    }
}

/// Does this while the last two users ask for something else all the time.
fn row(name: &str, place: &Place, users: usize, what: impl FnOnce()) {
    let mut first = place.client(&user(users - 1));
    let mut second = place.client(&user(users - 2));
    let other = get("<other xmlns='urn:other'/>");
    let (begun, over) = (AtomicBool::new(false), AtomicBool::new(false));
    let watch = |client: &mut RawClient, iq: &str| {
        let mut waits = Vec::new();
        while !over.load(Ordering::Relaxed) {
            let counts = begun.load(Ordering::Relaxed);
            let wait = succeed(client, iq);
            waits.extend(Some(wait).filter(|_| counts));
            thread::sleep(Duration::from_millis(2));
        }
        [0.5, 1.0]
            .map(|part| time(quantile(&mut waits, part)))
            .join(" | ")
    };
    thread::scope(|scope| {
        let ping = scope.spawn(|| watch(&mut first, PING));
        let other = scope.spawn(|| watch(&mut second, &other));
        thread::sleep(Duration::from_millis(200));
        begun.store(true, Ordering::Relaxed);
        let since = Instant::now();
        what();
        let took = time(since.elapsed());
        over.store(true, Ordering::Relaxed);
        let [ping, other] = [ping, other].map(|it| it.join().expect("no panic"));
        println!("| {name} | {took} | {ping} | {other} |");
    });
}

/// That so many are in the user's node.
fn check(client: &mut RawClient, count: usize) {
    let (_, answer) = ask(
        client,
        &format!(
            "<iq id='ask' type='get'><pubsub xmlns='{PUBSUB}'><items node='{NODE}'/></pubsub></iq>"
        ),
    );
    assert_eq!(answer.matches("<conference").count(), count, "{answer}");
}

/// A component that publishes all at once.
struct Naive(TcpStream);

impl Naive {
    fn login(place: &Place) -> Naive {
        let stream = TcpStream::connect(place.server.component_address()).expect("it listens");
        let mut naive = Naive(stream);
        naive.write(&format!(
            "<stream:stream xmlns='jabber:component:accept' \
             xmlns:stream='http://etherx.jabber.org/streams' to='{OTHER}'>"
        ));
        let header = naive.read_until(">", 2);
        let id = header
            .split("id='")
            .nth(1)
            .and_then(|rest| rest.split('\'').next());
        let hash = Sha1::digest(format!("{}{SECRET}", id.expect("an id")));
        naive.write(&format!("<handshake>{}</handshake>", hex::encode(hash)));
        naive.read_until("<handshake", 1);
        naive
    }

    /// Until all are answered.
    fn publish(&mut self, user: &str, count: usize) {
        let publish = |n: usize| {
            format!(
                "<iq type='set' id='p{n}' from='{OTHER}' to='{user}'>\
                 <privileged_iq xmlns='urn:xmpp:privilege:2'>\
                 <iq xmlns='jabber:client' type='set' id='p{n}' to='{user}'><pubsub xmlns='{PUBSUB}'>\
                 <publish node='{NODE}'><item id='room-{n:03}@rooms.example.org'>\
                 <conference xmlns='{NODE}' name='Room {n}' autojoin='true'><nick>somebody</nick>\
                 </conference></item></publish><publish-options>\
                 <x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>\
                 <value>{PUBSUB}#publish-options</value></field>\
                 <field var='pubsub#persist_items'><value>true</value></field>\
                 <field var='pubsub#max_items'><value>max</value></field>\
                 <field var='pubsub#send_last_published_item'><value>never</value></field>\
                 <field var='pubsub#access_model'><value>whitelist</value></field>\
                 </x></publish-options></pubsub></iq></privileged_iq></iq>"
            )
        };
        let all: String = (0..count).map(publish).collect();
        let mut writing = self.0.try_clone().expect("a second handle");
        thread::scope(|scope| {
            scope.spawn(move || writing.write_all(all.as_bytes()).expect("it reads"));
            self.read_until("</privilege>", count);
        });
    }

    fn write(&mut self, xml: &str) {
        self.0.write_all(xml.as_bytes()).expect("it reads");
    }

    /// Until this has come so often; what came.
    fn read_until(&mut self, part: &str, times: usize) -> String {
        let mut all = String::new();
        let mut bytes = [0; 65536];
        while all.matches(part).count() < times {
            let read = self.0.read(&mut bytes).expect("it writes");
            assert!(read > 0, "{all}");
            all.push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
        all
    }
}
