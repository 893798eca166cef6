//! One request at a time, by turns through a Prosody that grants PEP and through one that does not.

use std::time::Duration;

use super::asking::{PUBSUB, get, set, succeed};
use super::figures::{median, quantile, time};
use super::place::Place;
use super::rooms;
use super::support::client::RawClient;

/// How many rooms users have.
const FEW: usize = 10;
const MANY: usize = 200;

/// How often each is asked in a round.
const TIMES: usize = 200;

const BOOKMARKS: &str = "<storage xmlns='storage:bookmarks'/>";
const OTHER: &str = "<other xmlns='urn:other'/>";

/// What is asked: its name, whose, the request with this number, and what PEP is asked for that.
type Load = (
    &'static str,
    usize,
    fn(usize) -> String,
    Option<fn() -> String>,
);

const LOADS: [Load; 4] = [
    ("a get of 10 rooms", 0, |_| get(BOOKMARKS), Some(fetch)),
    ("a get of 200 rooms", 1, |_| get(BOOKMARKS), Some(fetch)),
    ("a get of anything else (1 KiB)", 0, |_| get(OTHER), None),
    ("a set that changes one of 10 rooms", 0, changed, None),
];

/// As a modern client does.
fn fetch() -> String {
    format!(
        "<iq id='ask' type='get'><pubsub xmlns='{PUBSUB}'><items node='urn:xmpp:bookmarks:1'/>\
         </pubsub></iq>"
    )
}

fn changed(number: usize) -> String {
    let all = rooms(FEW, "Room");
    set(&all.replace("'Room 7'", &format!("'Room 7.{number}'")))
}

/// Prints a table.
pub fn measure(rounds: usize) {
    let users: Vec<String> = (0..2).map(|n| format!("user{n}@localhost")).collect();
    let places = [true, false].map(|grants| Place::new(grants, &users, ""));
    let mut clients = [&places[0], &places[1]].map(|place| {
        let mut clients: Vec<RawClient> = users.iter().map(|user| place.client(user)).collect();
        for (client, count) in clients.iter_mut().zip([FEW, MANY]) {
            prepare(client, count);
        }
        clients
    });
    println!(
        "| | requests to PEP | which take | p50, granted | not granted | ratio | the client asks PEP itself, p50 | p99, granted | not granted | ratio |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    let mut number = 0;
    for (name, user, iq, fetch) in LOADS {
        // By place: the medians and the worst of a hundred, of each round.
        let (mut halves, mut worst) = ([vec![], vec![]], [vec![], vec![]]);
        let mut alone = Vec::new();
        let before = (places[0].asked_of_pep(), places[0].seconds_in_pep());
        for _ in 0..rounds {
            let mut times: [Vec<Duration>; 2] = [vec![], vec![]];
            for _ in 0..TIMES {
                number += 1;
                for (clients, times) in clients.iter_mut().zip(&mut times) {
                    times.push(succeed(&mut clients[user], &iq(number)));
                }
                if let Some(fetch) = fetch {
                    alone.push(succeed(&mut clients[0][user], &fetch()));
                }
            }
            for place in 0..2 {
                halves[place].push(median(&mut times[place]));
                worst[place].push(quantile(&mut times[place], 0.99));
            }
        }
        let times = (rounds * TIMES) as f64;
        let each = (places[0].asked_of_pep() - before.0) as f64 / times;
        let waited = (places[0].seconds_in_pep() - before.1) / times;
        let waited = time(Duration::from_secs_f64(waited));
        let [half, worst] = [halves, worst].map(|both| both.map(|mut times| median(&mut times)));
        let columns = [half, worst].map(|[with, without]| {
            let ratio = with.as_secs_f64() / without.as_secs_f64();
            format!("{} | {} | {ratio:.2}", time(with), time(without))
        });
        let alone = match fetch {
            Some(_) => time(median(&mut alone)),
            None => "–".to_owned(),
        };
        println!(
            "| {name} | {each:.2} | {waited} | {} | {alone} | {} |",
            columns[0], columns[1]
        );
    }
    assert_eq!(places[1].asked_of_pep(), 0);
    println!();
}

/// Stores rooms, and something else; waits until all is in PEP, where that is granted.
fn prepare(client: &mut RawClient, count: usize) {
    succeed(client, &set(&rooms(count, "Room")));
    // One that finds nothing to do any more is behind all that was to be done.
    for _ in 0..3 {
        succeed(client, &get(BOOKMARKS));
    }
    let other = format!("<other xmlns='urn:other'>{}</other>", "x".repeat(1000));
    succeed(client, &set(&other));
}
