//! The requests, as bytes made in advance: only an id and, in a set, a counter in the value are
//! filled in before one is sent.

use std::sync::atomic::{AtomicBool, Ordering};

use super::plan::{Kind, Scenario};
use super::support::server::{COMPONENT, HOST};

/// How many users there are. Each has one element of each size.
pub const USERS: usize = 2048;

/// How many requests are made in advance, at most in so many bytes.
const POOL: usize = 4096;
const POOL_BYTES: usize = 32 * 1024 * 1024;

/// Where an id begins, in a request and in its reply. It stands nowhere else.
pub const ID: &[u8] = b"~q";
const ID_DIGITS: &[u8] = b"~q000000000000";
const COUNTER: &[u8] = b"~c000000000000";

/// Ids are a slot of the window and a running number.
const SLOT_DIGITS: usize = 4;
const NUMBER_DIGITS: usize = 8;
pub const ID_LENGTH: usize = ID_DIGITS.len();

/// The requests of one scenario, one after another.
pub struct Requests {
    pool: Vec<Request>,
    /// The only one of the first slot, whose waits alone count then.
    first: Option<Request>,
    next: usize,
    counter: u64,
}

struct Request {
    bytes: Vec<u8>,
    id: usize,
    /// One in each element of a set; none in a get.
    counters: Vec<usize>,
}

impl Requests {
    /// Those of this scenario, of users in no order. `counter` is where the values go on, so that
    /// no set repeats what is stored.
    pub fn of(scenario: &Scenario, counter: u64) -> Self {
        let length = scenario.bytes + 1024;
        let count = POOL.min(POOL_BYTES / length);
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let pool = (0..count).map(|_| {
            // The first user gets, where only one does.
            let user = 1 + random.next() as usize % (USERS - 1);
            let elements = match scenario.kind {
                Kind::Get => 0,
                Kind::Mixed if random.next() % 10 < 8 => 0,
                Kind::Mixed | Kind::Set | Kind::GetBesideSets => 1,
                Kind::SetOfFour => 4,
            };
            request(scenario, user, elements)
        });
        let is_beside = scenario.kind == Kind::GetBesideSets;
        Self {
            pool: pool.collect(),
            first: is_beside.then(|| request(scenario, 0, 0)),
            next: 0,
            counter,
        }
    }

    /// One set for each user.
    pub fn first_sets(bytes: usize) -> Self {
        let scenario = Scenario {
            kind: Kind::Set,
            window: 64,
            bytes,
            delegated: false,
        };
        let pool = (0..USERS).map(|user| request(&scenario, user, 1));
        Self {
            pool: pool.collect(),
            first: None,
            next: 0,
            counter: 0,
        }
    }

    /// Appends the next request, with this slot and number as its id.
    pub fn write(&mut self, slot: usize, number: u64, out: &mut Vec<u8>) {
        let request = match &self.first {
            Some(first) if slot == 0 => first,
            _ => {
                self.next = (self.next + 1) % self.pool.len();
                &self.pool[self.next]
            }
        };
        let begin = out.len();
        out.extend_from_slice(&request.bytes);
        let written = &mut out[begin..];
        let id = request.id + ID.len();
        digits(slot as u64, &mut written[id..id + SLOT_DIGITS]);
        digits(
            number,
            &mut written[id + SLOT_DIGITS..id + SLOT_DIGITS + NUMBER_DIGITS],
        );
        for at in &request.counters {
            self.counter += 1;
            digits(self.counter, &mut written[at + 2..at + COUNTER.len()]);
        }
    }

    /// Whether the waits of what is sent in this slot are measured.
    pub fn are_measured(&self, slot: usize) -> bool {
        slot == 0 || self.first.is_none()
    }

    /// Where the values of the next scenario go on.
    pub fn counter(&self) -> u64 {
        self.counter
    }
}

/// The slot and the number in an id.
pub fn read_id(id: &[u8]) -> Option<(usize, u64)> {
    let text = std::str::from_utf8(id.get(ID.len()..ID_LENGTH)?).ok()?;
    let (slot, number) = text.split_at(SLOT_DIGITS);
    Some((slot.parse().ok()?, number.parse().ok()?))
}

fn digits(mut number: u64, out: &mut [u8]) {
    for digit in out.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

fn request(scenario: &Scenario, user: usize, elements: usize) -> Request {
    let bytes = scenario.bytes;
    let kind = if elements == 0 { "get" } else { "set" };
    let payload = match elements {
        0 => format!("<v xmlns='bench:{bytes}'/>"),
        1 => element(&format!("bench:{bytes}"), bytes),
        _ => (0..elements)
            .map(|i| element(&format!("bench:{bytes}:{i}"), bytes / elements))
            .collect(),
    };
    let query = format!("<query xmlns='jabber:iq:private'>{payload}</query>");
    let id = String::from_utf8_lossy(ID_DIGITS);
    let user = format!("user{user}@{HOST}/desk");
    let xml = if scenario.delegated {
        format!(
            "<iq type='set' id='{id}' from='{HOST}' to='{COMPONENT}'>\
             <delegation xmlns='urn:xmpp:delegation:2'><forwarded xmlns='urn:xmpp:forward:0'>\
             <iq xmlns='jabber:client' type='{kind}' id='private1' from='{user}'>{query}</iq>\
             </forwarded></delegation></iq>"
        )
    } else {
        format!("<iq type='{kind}' id='{id}' from='{user}' to='{COMPONENT}'>{query}</iq>")
    };
    let bytes = xml.into_bytes();
    let id = memchr::memmem::find(&bytes, ID_DIGITS).expect("an id");
    let counters = memchr::memmem::find_iter(&bytes, COUNTER).collect();
    Request {
        bytes,
        id,
        counters,
    }
}

/// Whether values are one long text, instead.
pub static PLAIN: AtomicBool = AtomicBool::new(false);

/// An element of so many bytes that looks like bookmarks: children of about 128 bytes with
/// attributes and text.
pub fn element(namespace: &str, bytes: usize) -> String {
    let mut xml = format!("<v xmlns='{namespace}' at='~c000000000000'>");
    let end = "</v>";
    let mut number = 0;
    loop {
        let child = format!(
            "<conference name='Room {number:04}' jid='room{number:04}@rooms.example.org' \
             autojoin='true'><nick>somebody or other</nick></conference>"
        );
        let room = bytes.saturating_sub(xml.len() + end.len());
        if room < child.len() || PLAIN.load(Ordering::Relaxed) {
            xml.extend(std::iter::repeat_n('x', room));
            return xml + end;
        }
        xml += &child;
        number += 1;
    }
}

/// A small generator of numbers, the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 16
    }
}
