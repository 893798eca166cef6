//! A client that sends any bytes: what libraries cannot say, users can type.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use minidom::Element;

use super::answers::element;
use super::cutter::Cutter;
use super::server::{PASSWORD, Server};

/// How long an answer may take. Generous: the machine may be busy with other things.
pub const PATIENCE: Duration = Duration::from_secs(60);

static REQUESTS: AtomicU32 = AtomicU32::new(0);

/// A user, logged in over a bare socket.
pub struct RawClient {
    stream: TcpStream,
    cutter: Cutter,
    jid: String,
    declarations: String,
}

impl RawClient {
    /// Logs `jid` in and binds a resource of the server's choice.
    pub fn login(server: &Server, jid: &str) -> RawClient {
        RawClient::login_declaring(server, jid, "")
    }

    /// The same, with further attributes of the stream's start tag.
    pub fn login_declaring(server: &Server, jid: &str, declarations: &str) -> RawClient {
        RawClient::log_in(server, jid, declarations, "")
    }

    /// The same, with a resource of the client's choice, as XML.
    pub fn login_as(server: &Server, jid: &str, resource: &str) -> RawClient {
        let resource = format!("<resource>{resource}</resource>");
        RawClient::log_in(server, jid, "", &resource)
    }

    /// Asks for a new account (XEP-0077) with everybody's password; the answer.
    pub fn register(server: &Server, jid: &str) -> Element {
        let stream = TcpStream::connect(server.client_address()).expect("a server that listens");
        let mut client = RawClient {
            stream,
            cutter: Cutter::default(),
            jid: jid.to_owned(),
            declarations: String::new(),
        };
        let (user, host) = jid.split_once('@').expect("a bare JID");
        client.open(host);
        client.request(&format!(
            "<iq type='set' id='new'><query xmlns='jabber:iq:register'>\
             <username>{user}</username><password>{PASSWORD}</password></query></iq>"
        ))
    }

    /// Comes to this host as nobody in particular.
    pub fn login_anonymously(server: &Server, host: &str) -> RawClient {
        let auth = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'/>";
        RawClient::authenticate(server, (host, host), auth, "", "")
    }

    fn log_in(server: &Server, jid: &str, declarations: &str, resource: &str) -> RawClient {
        let (user, host) = jid.split_once('@').expect("a bare JID");
        let auth = format!(
            "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{}</auth>",
            base64(format!("\0{user}\0{PASSWORD}").as_bytes())
        );
        RawClient::authenticate(server, (jid, host), &auth, declarations, resource)
    }

    fn authenticate(
        server: &Server,
        (jid, host): (&str, &str),
        auth: &str,
        declarations: &str,
        resource: &str,
    ) -> RawClient {
        let stream = TcpStream::connect(server.client_address()).expect("a server that listens");
        let _ = stream.set_nodelay(true);
        let mut client = RawClient {
            stream,
            cutter: Cutter::default(),
            jid: jid.to_owned(),
            declarations: declarations.to_owned(),
        };
        client.open(host);
        client.send(auth);
        let answer = client.expect("the outcome of the login");
        assert!(answer.starts_with("<success"), "{jid}: {answer}");

        let features = client.open(host);
        let bound = client.request(&format!(
            "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>{resource}\
             </bind></iq>"
        ));
        let bind = bound.children().next().expect("a bind element");
        client.jid = bind.children().next().expect("a JID").text();
        if features.contains("urn:ietf:params:xml:ns:xmpp-session") {
            client.request(
                "<iq type='set' id='session'>\
                 <session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>",
            );
        }
        client
    }

    /// Its full JID.
    pub fn jid(&self) -> &str {
        &self.jid
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, xml: &str) {
        self.stream
            .write_all(xml.as_bytes())
            .unwrap_or_else(|error| panic!("{}: {error}", self.jid));
    }

    /// The next stanza as the server wrote it; none if none comes in time or the stream ends.
    pub fn next(&mut self, patience: Duration) -> Option<String> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(piece) = self.cutter.piece() {
                return Some(piece);
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            let left = left.max(Duration::from_millis(1));
            self.stream.set_read_timeout(Some(left)).expect("a socket");
            let mut bytes = [0; 65_536];
            match self.stream.read(&mut bytes) {
                Ok(0) => return None,
                Ok(count) => self.cutter.feed(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("{}: {error}", self.jid),
            }
        }
    }

    /// Sends an IQ, as it is, and waits for the answer with its id.
    #[track_caller]
    pub fn request(&mut self, iq: &str) -> Element {
        match self.try_request(iq, PATIENCE) {
            Some(answer) => answer,
            None => panic!("{}: no answer to {}", self.jid, beginning(iq)),
        }
    }

    /// The same; none if no answer comes in time.
    pub fn try_request(&mut self, iq: &str, patience: Duration) -> Option<Element> {
        let id = id(iq);
        self.send(iq);
        // Prosody on Debian 13 (expat 2.6) looks at a long tag that came in parts only when as
        // many bytes again have come. White space between stanzas is allowed.
        if iq.len() > 1024 {
            self.send(&" ".repeat(iq.len()));
        }
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let stanza = self.next(left)?;
            match element(&stanza) {
                Ok(answer) if answer.name() == "iq" && answer.attr("id") == Some(id) => {
                    return Some(answer);
                }
                Ok(_) => {}
                Err(error) => panic!("{error} in {}", beginning(&stanza)),
            }
        }
    }

    /// Asks for what is stored under `payload`'s name; `to` is empty for the own account.
    #[track_caller]
    pub fn get(&mut self, to: &str, payload: &str) -> Element {
        self.request(&private("get", to, payload))
    }

    /// Stores `payload`.
    #[track_caller]
    pub fn set(&mut self, to: &str, payload: &str) -> Element {
        self.request(&private("set", to, payload))
    }

    fn open(&mut self, host: &str) -> String {
        self.cutter = Cutter::default();
        self.send(&format!(
            "<?xml version='1.0'?><stream:stream to='{host}' version='1.0' \
             xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' {}>",
            self.declarations
        ));
        self.expect("a stream header");
        self.expect("stream features")
    }

    fn expect(&mut self, what: &str) -> String {
        let piece = self.next(PATIENCE);
        piece.unwrap_or_else(|| panic!("{}: {what} did not come", self.jid))
    }
}

/// A request for private storage with an id of its own; `to` is empty for the own account.
pub fn private(kind: &str, to: &str, payload: &str) -> String {
    let id = REQUESTS.fetch_add(1, Ordering::Relaxed);
    let to = match to {
        "" => String::new(),
        to => format!(" to='{to}'"),
    };
    format!(
        "<iq type='{kind}' id='p{id}'{to}><query xmlns='jabber:iq:private'>{payload}</query></iq>"
    )
}

fn id(iq: &str) -> &str {
    let tag = iq.split('>').next().unwrap_or(iq);
    let (_, rest) = tag.split_once(" id='").expect("an id in single quotes");
    rest.split('\'').next().unwrap_or(rest)
}

fn beginning(xml: &str) -> String {
    xml.chars().take(500).collect()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = (0..3).fold(0, |word, i| {
            word << 8 | u32::from(chunk.get(i).copied().unwrap_or(0))
        });
        for digit in 0..4 {
            text.push(match digit <= chunk.len() {
                true => DIGITS[(word >> (18 - 6 * digit)) as usize & 63] as char,
                false => '=',
            });
        }
    }
    text
}

#[test]
fn base64_pads() {
    let words = [b"\0a\0b".as_slice(), b"\0a\0bc", b"\0a\0bcd"];
    assert_eq!(words.map(base64), ["AGEAYg==", "AGEAYmM=", "AGEAYmNk"]);
}
