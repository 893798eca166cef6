//! What clients ask, and how long they wait for it.

use std::time::{Duration, Instant};

use super::support::client::{PATIENCE, RawClient};

pub const PUBSUB: &str = "http://jabber.org/protocol/pubsub";

/// A get of private data, without its id.
pub fn get(payload: &str) -> String {
    private("get", payload)
}

/// A set of private data, without its id.
pub fn set(payload: &str) -> String {
    private("set", payload)
}

fn private(kind: &str, payload: &str) -> String {
    format!("<iq id='ask' type='{kind}'><query xmlns='jabber:iq:private'>{payload}</query></iq>")
}

/// How long that took, and the answer.
pub fn ask(client: &mut RawClient, iq: &str) -> (Duration, String) {
    let begun = Instant::now();
    client.send(iq);
    loop {
        let answer = client.next(2 * PATIENCE).expect("an answer");
        let tag = answer.split('>').next().unwrap_or_default();
        if tag.starts_with("<iq") && (tag.contains("'ask'") || tag.contains("\"ask\"")) {
            return (begun.elapsed(), answer);
        }
    }
}

/// The same; it must be a result.
#[track_caller]
pub fn succeed(client: &mut RawClient, iq: &str) -> Duration {
    let (took, answer) = ask(client, iq);
    let tag = answer.split('>').next().unwrap_or_default();
    assert!(tag.contains("result"), "{answer}");
    took
}
