//! A server that does what a test tells it: for what real ones do rarely, or never.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use minidom::Element;

use super::answers;
use super::cutter::Cutter;

/// How long the component may take for anything: as long as no busy machine needs, so that only a
/// hang is longer. No measure of speed.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The header that a test need not care about.
pub const HEADER: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' \
     xmlns:stream='http://etherx.jabber.org/streams' id='it' from='private.localhost'>";

/// Listens where a component connects to.
pub struct Router {
    listener: TcpListener,
}

impl Router {
    /// A server on a port of its own.
    pub fn new() -> Router {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("non-blocking");
        Router { listener }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("an address")
    }

    /// Waits for the component to connect, and says nothing yet.
    #[track_caller]
    pub fn accept(&self) -> Session {
        self.accept_within(PATIENCE).expect("no connection came")
    }

    /// The same, if it comes soon enough.
    pub fn accept_within(&self, patience: Duration) -> Option<Session> {
        let deadline = Instant::now() + patience;
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false).expect("blocking");
                    stream.set_nodelay(true).expect("no delay");
                    let cutter = Cutter::default();
                    return Some(Session {
                        stream,
                        cutter,
                        writing: Arc::default(),
                        unanswered: Vec::new(),
                        answers_pings: true,
                    });
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if Instant::now() > deadline {
                        return None;
                    }
                    std::thread::sleep(Duration::from_millis(2));
                }
                Err(error) => panic!("accept: {error}"),
            }
        }
    }

    /// Waits for the component, and lets it in.
    #[track_caller]
    pub fn let_in(&self) -> Session {
        self.let_in_with(HEADER, "<handshake/>")
    }

    /// The same, with a header and a handshake of the test's own.
    #[track_caller]
    pub fn let_in_with(&self, header: &str, handshake: &str) -> Session {
        let mut session = self.accept();
        assert!(session.next().contains("<stream:stream"), "no header");
        session.send(header);
        assert!(session.next().starts_with("<handshake>"), "no handshake");
        session.send(handshake);
        session
    }
}

/// One connection of the component's.
pub struct Session {
    stream: TcpStream,
    cutter: Cutter,
    /// Held by a [`Writer`] in the middle of what it writes.
    writing: Arc<Mutex<()>>,
    /// The ids of pings whose answer waits for that.
    unanswered: Vec<String>,
    /// Whether the component's own pings are answered, and no test need care about them.
    pub answers_pings: bool,
}

impl Session {
    /// Sends these bytes.
    pub fn send(&mut self, xml: impl AsRef<[u8]>) {
        self.stream.write_all(xml.as_ref()).expect("it reads");
    }

    /// Sends this again and again until the component stops reading; says how many bytes it took.
    pub fn send_until_stuck(&mut self, xml: &str) -> usize {
        let patience = Some(Duration::from_secs(2));
        self.stream.set_write_timeout(patience).expect("a timeout");
        let mut taken = 0;
        while let Ok(written) = self.stream.write(&xml.as_bytes()[taken % xml.len()..]) {
            taken += written;
        }
        taken
    }

    /// Sends `unit` again and again, at least this many bytes in all.
    pub fn send_again_and_again(&mut self, unit: &str, bytes: u64) {
        let piece = unit.repeat(1 + (1 << 20) / unit.len());
        for _ in 0..=bytes / piece.len() as u64 {
            self.send(&piece);
        }
    }

    /// A second handle, to write with while this one reads, or does not.
    pub fn writer(&self) -> Writer {
        Writer {
            stream: self.handle(),
            writing: Arc::clone(&self.writing),
        }
    }

    /// The connection itself.
    pub fn handle(&self) -> TcpStream {
        self.stream.try_clone().expect("a second handle")
    }

    /// Ends the connection as a server that dies does: what it has not read is lost.
    pub fn die(&mut self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }

    /// The next thing that the component sends: its header, a stanza, the end of its stream.
    #[track_caller]
    pub fn next(&mut self) -> String {
        match self.next_within(PATIENCE) {
            Some(piece) => piece,
            None => panic!("nothing came"),
        }
    }

    /// The next stanza that holds this, past those that an earlier link may have lost.
    #[track_caller]
    pub fn next_with(&mut self, part: &str) -> String {
        loop {
            let piece = self.next();
            if piece.contains(part) {
                return piece;
            }
        }
    }

    /// The same, if it comes soon enough and before the connection ends.
    pub fn next_within(&mut self, patience: Duration) -> Option<String> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(piece) = self.cutter.piece() {
                match ping_id(&piece) {
                    Some(id) if self.answers_pings => {
                        self.unanswered.push(id);
                        self.answer_pings();
                    }
                    _ => return Some(piece),
                }
                continue;
            }
            self.answer_pings();
            let soon = Instant::now() + Duration::from_millis(20);
            let until = if self.unanswered.is_empty() {
                deadline
            } else {
                soon.min(deadline)
            };
            let mut bytes = [0; 65536];
            match self.read(&mut bytes, until) {
                // The kernel may wake us some milliseconds early.
                None if Instant::now() < deadline => {}
                None | Some(0) => return None,
                Some(read) => self.cutter.feed(&bytes[..read]),
            }
        }
    }

    /// Answers the pings that have come, unless it would be in the middle of a stanza that
    /// another thread writes.
    fn answer_pings(&mut self) {
        let writing = Arc::clone(&self.writing);
        if let Ok(_whole) = writing.try_lock() {
            for id in std::mem::take(&mut self.unanswered) {
                self.answer_ping(&id);
            }
        }
    }

    /// Answers a ping as the served host does.
    pub fn answer_ping(&mut self, id: &str) {
        // It may be gone meanwhile.
        let answer =
            format!("<iq type='result' id='{id}' from='localhost' to='private.localhost'/>");
        let _ = self.stream.write_all(answer.as_bytes());
    }

    /// What the component sends next, as it stands on the wire, until this is so; but for pings.
    #[track_caller]
    pub fn bytes_until(&mut self, so: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut all = Vec::new();
        let mut bytes = [0; 65536];
        loop {
            match self.read(&mut bytes, deadline) {
                None | Some(0) => panic!("no end of {}", String::from_utf8_lossy(&all)),
                Some(read) => all.extend_from_slice(&bytes[..read]),
            }
            let sent = without_pings(&all);
            if so(&sent) {
                return sent;
            }
        }
    }

    /// Insists that the next stanza equals this one, as an infoset.
    #[track_caller]
    pub fn expect(&mut self, xml: &str) {
        let received = self.next();
        assert!(
            parse(&received) == parse(xml),
            "\nexpected {xml}\nreceived {received}"
        );
    }

    /// Insists on an error like this one, but for its text, which must be there.
    #[track_caller]
    pub fn expect_error(&mut self, xml: &str) {
        let received = self.next();
        let (plain, text) = without_text(&received);
        assert!(
            parse(&plain) == parse(xml),
            "\nexpected {xml}\nreceived {received}"
        );
        assert!(text.len() > 10, "an error without words: {received}");
    }

    /// Insists that nothing comes, and that the connection stays.
    #[track_caller]
    pub fn expect_nothing(&mut self) {
        // An iq of our own is answered after all that stood before it.
        self.send("<iq type='get' id='nothing?' from='localhost' to='private.localhost'><ping xmlns='urn:xmpp:ping'/></iq>");
        self.expect("<iq type='result' id='nothing?' from='private.localhost' to='localhost'/>");
    }

    /// Insists that the component closes the connection, and returns what it sent before.
    #[track_caller]
    pub fn expect_end(&mut self) -> Vec<String> {
        let mut pieces = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        while let Some(piece) = self.next_within(PATIENCE) {
            pieces.push(piece);
        }
        assert!(
            Instant::now() < deadline,
            "the connection stays: {pieces:?}"
        );
        pieces
    }

    /// How many bytes have come: none at the end of the connection, and nothing at the deadline.
    fn read(&mut self, bytes: &mut [u8], deadline: Instant) -> Option<usize> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        self.stream.set_read_timeout(Some(left)).expect("a timeout");
        match self.stream.read(bytes) {
            Ok(read) => Some(read),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                None
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Some(0),
            Err(error) => panic!("read: {error}"),
        }
    }
}

/// Writes from another thread, each piece whole.
pub struct Writer {
    stream: TcpStream,
    writing: Arc<Mutex<()>>,
}

impl Writer {
    /// Writes all of this, with nothing of the session's own in between.
    pub fn write_all(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let _whole = self.writing.lock().expect("no writer panicked");
        self.stream.write_all(bytes)
    }
}

/// How what the component asks of its own accord begins: whether the server lives, what a host that
/// delegates announces, and whether it has said what it grants.
const OWN: [&str; 3] = [
    "<iq type='get' id='alive-",
    "<iq type='get' id='delegated-",
    "<iq type='get' id='announced-",
];

/// The id of such a question.
pub fn ping_id(piece: &str) -> Option<String> {
    let is_own = OWN.iter().any(|begin| piece.starts_with(begin));
    let id = piece.split('\'').nth(3).filter(|_| is_own)?;
    Some(id.to_owned())
}

fn without_pings(bytes: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    while let Some(begin) = OWN.iter().find_map(|begin| text.find(begin)) {
        let length = text[begin..]
            .find("</iq>")
            .map_or(0, |at| at + "</iq>".len());
        text.replace_range(begin..begin + length, "");
    }
    text
}

/// A stanza as it stands in the component's stream.
#[track_caller]
pub fn parse(stanza: &str) -> Element {
    let stanza = format!("<wrapper xmlns='jabber:component:accept'>{stanza}</wrapper>");
    let wrapper = answers::fragment(&stanza);
    wrapper.children().next().cloned().expect("an element")
}

/// An error without its `<text/>`, and that text.
pub fn without_text(stanza: &str) -> (String, String) {
    let begin = stanza.find("<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>");
    let end = stanza.rfind("</text>");
    let (Some(begin), Some(end)) = (begin, end) else {
        panic!("no text in {stanza}");
    };
    let text = &stanza[begin..end];
    let text = &text[text.find('>').map_or(0, |at| at + 1)..];
    let plain = format!("{}{}", &stanza[..begin], &stanza[end + "</text>".len()..]);
    (plain, text.to_owned())
}
