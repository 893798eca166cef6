//! Through real servers: one client that sets and gets, one after the other, against a server's
//! own private storage, against us behind its delegation, and against the floor there.

use std::io;
use std::time::{Duration, Instant};

use super::contender::{Contender, Who};
use super::requests::element;
use super::support::client::{PATIENCE, RawClient};
use super::support::server::{HOST, Options, Ports, Server};
use super::support::{ejabberd, prosody};

/// How many keys a user has.
pub const KEYS: [usize; 3] = [1, 10, 200];

/// Who keeps the data: the server itself, and components.
pub const KEEPERS: [Option<Who>; 4] = [None, Some(Who::Us), Some(Who::Floor), Some(Who::SledFloor)];

/// How long a value is.
const BYTES: usize = 256;

/// Servers that keep private data themselves. They have a component all the same, which is what
/// the harness waits for.
const OWN_PROSODY: &str = r#"
VirtualHost "localhost"
  modules_enabled = { "private" }
Component "private.localhost"
  component_secret = "unused"
"#;
const OWN_EJABBERD: &str = "
modules:
  mod_private: {}
listen:
  -
    port: PORT
    ip: 127.0.0.1
    module: ejabberd_service
    global_routes: false
    hosts:
      private.localhost:
        password: unused
";

/// A server with whoever keeps its users' data, and a client for each number of keys.
pub struct Place {
    /// The server's name.
    pub server: &'static str,
    /// Who keeps the data; the server itself where there is nobody.
    pub who: Option<Who>,
    clients: Vec<Client>,
    _contender: Option<Contender>,
    _server: Server,
}

/// All places that are compared.
pub fn places() -> io::Result<Vec<Place>> {
    let mut places = Vec::new();
    for who in KEEPERS {
        let prosody = prosody::start as fn(Options) -> Server;
        for (start, own) in [(prosody, OWN_PROSODY), (ejabberd::start, OWN_EJABBERD)] {
            let ports = Ports::free();
            let own = own.replace("PORT", &ports.component.to_string());
            let server = start(Options {
                ports,
                accounts: KEYS
                    .iter()
                    .map(|keys| format!("user{keys}@{HOST}"))
                    .collect(),
                delegation: who.is_some(),
                host_blocks: who.is_none().then_some(own),
                besides: String::new(),
                modules: &[],
            });
            let contender = match who {
                None => None,
                Some(who) => Contender::start(who, server.component_address())?,
            };
            let clients = KEYS.iter().map(|keys| Client::prepare(&server, *keys));
            places.push(Place {
                server: server.name(),
                who,
                clients: clients.collect::<io::Result<_>>()?,
                _contender: contender,
                _server: server,
            });
        }
    }
    Ok(places)
}

impl Place {
    /// Pairs of a set and a get per second, with the number of keys at this index.
    pub fn pairs(&mut self, keys: usize, slice: Duration) -> io::Result<f64> {
        let client = &mut self.clients[keys];
        let begin = Instant::now();
        let mut pairs = 0;
        while begin.elapsed() < slice {
            client.pair()?;
            pairs += 1;
        }
        Ok(f64::from(pairs) / begin.elapsed().as_secs_f64())
    }
}

struct Client {
    client: RawClient,
    keys: usize,
    number: u64,
}

impl Client {
    /// Logs in, waits until the storage is there, and fills it.
    fn prepare(server: &Server, keys: usize) -> io::Result<Self> {
        let mut client = Self {
            client: RawClient::login(server, &format!("user{keys}@{HOST}")),
            keys,
            number: 0,
        };
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = client.pair() {
            if Instant::now() > deadline {
                return Err(error);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        for _ in 0..keys {
            client.pair()?;
        }
        Ok(client)
    }

    fn pair(&mut self) -> io::Result<()> {
        self.number += 1;
        let namespace = format!("bench:{}", self.number % self.keys as u64);
        let value = element(&namespace, BYTES);
        let value = value.replace("~c000000000000", &format!("~c{:012}", self.number));
        self.ask("set", &value)?;
        let answer = self.ask("get", &format!("<v xmlns='{namespace}'/>"))?;
        match answer.contains(&format!("~c{:012}", self.number)) {
            true => Ok(()),
            false => Err(io::Error::other(format!("not what was stored: {answer}"))),
        }
    }

    fn ask(&mut self, kind: &str, payload: &str) -> io::Result<String> {
        let id = format!("{kind}{}", self.number);
        self.client.send(&format!(
            "<iq type='{kind}' id='{id}'><query xmlns='jabber:iq:private'>{payload}</query></iq>"
        ));
        loop {
            let Some(answer) = self.client.next(PATIENCE) else {
                return Err(io::Error::other("no answer"));
            };
            let tag = answer.split('>').next().unwrap_or_default();
            if tag.contains(&format!("'{id}'")) || tag.contains(&format!("\"{id}\"")) {
                return match tag.contains("result") {
                    true => Ok(answer),
                    false => Err(io::Error::other(answer)),
                };
            }
        }
    }
}
