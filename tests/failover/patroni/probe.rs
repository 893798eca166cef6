//! What the database itself can do meanwhile: one client beside the component, which writes a row, again and
//! again, to whichever node takes it. For so long as it cannot, nobody can.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(50);

/// How long it waits for one answer before it asks another node.
const ANSWERS: Duration = Duration::from_secs(1);

/// Writes until it is dropped.
pub struct Probe {
    longest: Arc<Mutex<Duration>>,
    is_over: Arc<AtomicBool>,
}

impl Probe {
    /// Writes to a table of that name in this database on one of these.
    pub fn start(hosts: [SocketAddr; 2], database: &'static str) -> Probe {
        let longest = Arc::new(Mutex::new(Duration::ZERO));
        let is_over = Arc::new(AtomicBool::new(false));
        let (gaps, over) = (Arc::clone(&longest), Arc::clone(&is_over));
        thread::spawn(move || {
            let mut last = Instant::now();
            for host in hosts.iter().cycle() {
                let Ok(mut client) = Client::connect(*host, database) else {
                    thread::sleep(PAUSE);
                    continue;
                };
                while client.query("insert into probe values (1)").is_ok() {
                    if over.load(Ordering::Relaxed) {
                        return;
                    }
                    let mut longest = gaps.lock().expect("no panic there");
                    *longest = longest.max(last.elapsed());
                    drop(longest);
                    last = Instant::now();
                    thread::sleep(PAUSE);
                }
                if over.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        Probe { longest, is_over }
    }

    /// The longest time without a success that has ended since this was asked last.
    pub fn longest(&self) -> Duration {
        std::mem::take(&mut *self.longest.lock().expect("no panic there"))
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// The little of the protocol that this takes.
struct Client(TcpStream);

impl Client {
    fn connect(host: SocketAddr, database: &str) -> io::Result<Client> {
        let stream = TcpStream::connect_timeout(&host, ANSWERS)?;
        stream.set_read_timeout(Some(ANSWERS))?;
        stream.set_nodelay(true)?;
        let mut client = Client(stream);
        // The version, 3.0, and what is a parameter.
        let mut start = 196_608_u32.to_be_bytes().to_vec();
        start.extend(format!("user\0postgres\0database\0{database}\0\0").bytes());
        client.send(&[], &start)?;
        client.until_ready()?;
        Ok(client)
    }

    fn query(&mut self, sql: &str) -> io::Result<()> {
        self.send(b"Q", format!("{sql}\0").as_bytes())?;
        self.until_ready()
    }

    fn send(&mut self, kind: &[u8], body: &[u8]) -> io::Result<()> {
        let length = u32::try_from(body.len() + 4).map_err(io::Error::other)?;
        self.0
            .write_all(&[kind, &length.to_be_bytes(), body].concat())
    }

    /// Reads up to where it is ready for more, and fails if an error was told on the way.
    fn until_ready(&mut self) -> io::Result<()> {
        let mut is_error = false;
        loop {
            let mut head = [0; 5];
            self.0.read_exact(&mut head)?;
            let [kind, length @ ..] = head;
            let length = (u32::from_be_bytes(length) as usize).saturating_sub(4);
            let mut body = vec![0; length];
            self.0.read_exact(&mut body)?;
            match kind {
                b'Z' if is_error => return Err(ErrorKind::Other.into()),
                b'Z' => return Ok(()),
                b'E' => is_error = true,
                _ => {}
            }
        }
    }
}
