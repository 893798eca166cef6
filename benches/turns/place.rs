//! An ejabberd that delegates private storage and grants PEP, with the component beside it.

use std::thread;
use std::time::{Duration, Instant};

use super::Build;
use super::asking::{PUBSUB, ask, get, set, succeed};
use super::memory::Idle;
use super::spoken::{ROOMS, other, room};
use super::support::client::{PATIENCE, RawClient};
use super::support::component::{self, Component};
use super::support::ejabberd;
use super::support::server::{HOST, Options, Server};

/// How many attack at once.
pub const ATTACKERS: usize = 8;

/// How long it may take until what is in PEP is shown for the first time.
const FILLED: Duration = Duration::from_secs(180);

const NODE: &str = "urn:xmpp:bookmarks:1";
pub const BOOKMARKS: &str = "<storage xmlns='storage:bookmarks'/>";
pub const OTHER: &str = "<other xmlns='urn:other'/>";

pub struct Place {
    pub component: Component,
    pub idle: Idle,
    /// Who asks for little.
    pub victim: RawClient,
    /// Those with a node of a megabyte.
    pub readers: Vec<RawClient>,
    /// Those who keep much.
    pub writers: Vec<RawClient>,
    // Last, so that its clients are gone before it is.
    _server: Server,
}

impl Place {
    pub fn new(build: &Build) -> Place {
        let found = ejabberd::version();
        assert!(
            found >= (25, 3),
            "ejabberd {found:?} cannot grant PEP: see scripts/bench turns"
        );
        let users = |name: &str| {
            (0..ATTACKERS)
                .map(|n| format!("{name}{n}@{HOST}"))
                .collect()
        };
        let (readers, writers): (Vec<String>, Vec<String>) = (users("reader"), users("writer"));
        let victim = format!("victim@{HOST}");
        let all = readers.iter().chain(&writers).chain([&victim]);
        let all: Vec<&str> = all.map(String::as_str).collect();
        let server = ejabberd::start(Options {
            besides: ejabberd::PEP.to_owned()
                + &ejabberd::privilege(&[PUBSUB, &format!("{PUBSUB}#owner")]),
            ..Options::delegating(&all)
        });
        let mut options = component::Options::at(server.component_address());
        options.domains = vec![HOST.to_owned()];
        build.run_by(&mut options, &[]);
        let component = Component::start(options);
        component.wait_for_log("in step with PEP", PATIENCE);
        let mut victim = RawClient::login(&server, &victim);
        let begun = Instant::now();
        while !ask(&mut victim, &get(OTHER)).1.contains("result") {
            assert!(begun.elapsed() < PATIENCE, "no delegation");
        }
        succeed(&mut victim, &set(&other("mine")));
        let idle = Idle::now(&component);
        let log_in = |users: Vec<String>| {
            let clients = users.iter().map(|jid| RawClient::login(&server, jid));
            clients.collect::<Vec<_>>()
        };
        let mut readers = log_in(readers);
        for reader in &mut readers {
            fill(reader);
        }
        Place {
            component,
            idle,
            victim,
            writers: log_in(writers),
            readers,
            _server: server,
        }
    }
}

/// A megabyte comes into this user's node, and is in step.
fn fill(reader: &mut RawClient) {
    for number in 0..ROOMS {
        succeed(reader, &publish(number));
    }
    let last = room(ROOMS - 1).0;
    let begun = Instant::now();
    loop {
        let (_, shown) = ask(reader, &get(BOOKMARKS));
        if shown.contains(&last) {
            return;
        }
        // On a busy machine PEP may not answer in time, and is then left alone for a minute.
        assert!(begun.elapsed() < FILLED, "the node stays out of reach");
        thread::sleep(Duration::from_secs(1));
    }
}

fn publish(number: usize) -> String {
    let (id, conference) = room(number);
    format!(
        "<iq id='ask' type='set'><pubsub xmlns='{PUBSUB}'><publish node='{NODE}'>\
         <item id='{id}'>{conference}</item></publish><publish-options>\
         <x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>\
         <value>{PUBSUB}#publish-options</value></field>\
         <field var='pubsub#persist_items'><value>true</value></field>\
         <field var='pubsub#max_items'><value>max</value></field>\
         <field var='pubsub#send_last_published_item'><value>never</value></field>\
         <field var='pubsub#access_model'><value>whitelist</value></field>\
         </x></publish-options></pubsub></iq>"
    )
}

/// As a modern client does: the whole node.
pub fn fetch() -> String {
    format!("<iq id='ask' type='get'><pubsub xmlns='{PUBSUB}'><items node='{NODE}'/></pubsub></iq>")
}
