//! Ports that nothing listens on.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Below those that Linux gives to outgoing connections: when a server starts again, one from there may be
/// some client's. And below those of other tests.
const FIRST: u32 = 6_000;
const COUNT: u32 = 6_000;

static TAKEN: AtomicU32 = AtomicU32::new(0);

/// A free port of 127.0.0.1, never the same twice. Each process starts counting somewhere else, to keep out of the
/// way of others.
pub(crate) fn free_port() -> u16 {
    let start = std::process::id().wrapping_mul(97);
    for _ in 0..COUNT {
        let step = start.wrapping_add(TAKEN.fetch_add(1, Relaxed));
        let port = u16::try_from(FIRST + step % COUNT).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT);
}
