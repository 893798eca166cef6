//! The network between a store and a server, which can fail.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::Duration;

use xps_base::threads;

/// How long an answer takes from far away.
const FAR: Duration = Duration::from_millis(50);

/// How it goes through a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Way {
    /// Both ways.
    Open,
    /// Connections are accepted, and whatever is sent disappears, both ways.
    Swallows,
    /// What the server answers disappears.
    Deaf,
    /// Both ways, and answers take as long as from far away.
    Far,
    /// New connections are closed at once.
    Closed,
}

/// A port that leads to a server. Its threads end with the process.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    server: SocketAddr,
    way: AtomicU8,
    connections: Mutex<Vec<TcpStream>>,
    /// How often all connections so far were forgotten.
    forgotten: AtomicUsize,
}

impl Proxy {
    /// An open way to this port.
    #[must_use]
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let shared = Arc::new(Shared {
            server: SocketAddr::from(([127, 0, 0, 1], port)),
            way: AtomicU8::new(Way::Open as u8),
            connections: Mutex::default(),
            forgotten: AtomicUsize::new(0),
        });
        let port = listener.local_addr().unwrap().port();
        let known = Arc::clone(&shared);
        threads::start("proxy", move || accept(&listener, &known)).unwrap();
        Self { port, shared }
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How it goes from now on. What a way has swallowed never comes.
    pub fn set(&self, way: Way) {
        self.shared.way.store(way as u8, SeqCst);
    }

    /// Whatever is sent over the connections of now disappears; new ones are as the way is.
    pub fn forget(&self) {
        self.shared.forgotten.fetch_add(1, SeqCst);
    }

    /// Cuts all connections.
    pub fn cut(&self) {
        for connection in self.shared.connections.lock().unwrap().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        let Ok(client) = client else { continue };
        if shared.way.load(SeqCst) == Way::Closed as u8 {
            continue;
        }
        let Ok(server) = TcpStream::connect_timeout(&shared.server, Duration::from_secs(5)) else {
            continue;
        };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let [client, server] = [client, server].map(Arc::new);
        let mut connections = shared.connections.lock().unwrap();
        connections.extend([&client, &server].map(|it| it.try_clone().unwrap()));
        drop(connections);
        for (from, to, loses) in [
            (&client, &server, &[Way::Swallows as u8][..]),
            (&server, &client, &[Way::Swallows as u8, Way::Deaf as u8]),
        ] {
            let (from, to) = (Arc::clone(from), Arc::clone(to));
            let shared = Arc::clone(shared);
            let born = shared.forgotten.load(SeqCst);
            let work = move || {
                let is_lost = || {
                    loses.contains(&shared.way.load(SeqCst))
                        || shared.forgotten.load(SeqCst) != born
                };
                let takes = || {
                    let is_far = shared.way.load(SeqCst) == Way::Far as u8 && loses.len() > 1;
                    if is_far { FAR } else { Duration::ZERO }
                };
                pass(&from, &to, is_lost, takes);
                let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
            };
            threads::start("proxy", work).unwrap();
        }
    }
}

fn pass(
    mut from: &TcpStream,
    mut to: &TcpStream,
    is_lost: impl Fn() -> bool,
    takes: impl Fn() -> Duration,
) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        sleep(takes());
        if !is_lost() && to.write_all(&bytes[..length]).is_err() {
            break;
        }
    }
}
