//! Servers, settings and stores for the tests.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::mpsc;
use std::time::Duration;

use xps_base::clock::Instant;
use xps_postgres::{HOLD, Settings, open};
use xps_postgres_testing::{DATABASE, Server, USER};
use xps_store::suite::{change, owner};
use xps_store::{ChangeSet, Quota, SetError, Store};

/// One server for all who do it no harm.
pub fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(Server::start)
}

/// An empty database of that server.
pub fn fresh_database() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("db{}", NEXT.fetch_add(1, Relaxed));
    server().create_database(&name);
    name
}

/// A store in this database of that server.
pub fn in_database(name: &str) -> Settings {
    Settings {
        database: name.to_owned(),
        ..at(&[server().port()])
    }
}

/// A store at these ports.
pub fn at(ports: &[u16]) -> Settings {
    Settings {
        hosts: ports
            .iter()
            .map(|port| ("127.0.0.1".to_owned(), *port))
            .collect(),
        database: DATABASE.to_owned(),
        user: USER.to_owned(),
        password: None,
        tls: None,
        connections: 4,
        require_synchronous: false,
        hold: HOLD,
        instance: "test".to_owned(),
    }
}

pub fn store_at(ports: &[u16]) -> Store {
    open(at(ports)).unwrap()
}

/// How a set of one element ends.
pub fn try_set(store: &Store, address: &str, text: &str) -> Result<(), SetError> {
    let (done, answer) = mpsc::channel();
    let set = ChangeSet {
        owner: owner(address),
        quota: Quota::NONE,
        changes: vec![change("n", "a", Some(text))],
    };
    store.submit(set, move |result| done.send(result).unwrap());
    answer.recv().unwrap()
}

/// Waits until it is so.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "waited in vain until {what}"
        );
        pause(Duration::from_millis(20));
    }
}

pub fn pause(how_long: Duration) {
    std::thread::sleep(how_long);
}

/// What must hold in a database at any time: nobody's sums are wrong, and nothing belongs to nobody.
pub fn assert_sound(server: &Server, database: &str) {
    let wrong = "
        select count(*) from xps_owner o full join (
          select owner, sum(octet_length(text))::int8 as bytes, sum(elements)::int8 as elements
          from xps_element group by owner
        ) e using (owner)
        where o.owner is null or o.bytes <> coalesce(e.bytes, 0) or o.elements <> coalesce(e.elements, 0)";
    assert_eq!(
        server.sql(database, wrong),
        "0",
        "owners whose sums are wrong"
    );
}
