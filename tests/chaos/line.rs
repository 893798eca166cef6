//! The server's end of a link, as one that never waits: it reads what is there and writes what
//! fits, so that one thread can play the server and all its users.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};

use crate::support::cutter::Cutter;
use crate::support::ports;
use crate::support::router::{HEADER, ping_id};

/// Listens always on the same port, when it listens.
pub struct Port {
    number: u16,
    listener: Option<TcpListener>,
}

impl Port {
    /// A port that is listened on.
    pub fn new() -> Port {
        let mut port = Port {
            number: ports::free(),
            listener: None,
        };
        port.open();
        port
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// Listens.
    pub fn open(&mut self) {
        let listener = TcpListener::bind(ports::address(self.number)).expect("our own port");
        listener.set_nonblocking(true).expect("non-blocking");
        self.listener = Some(listener);
    }

    /// Listens no more.
    pub fn shut(&mut self) {
        self.listener = None;
    }

    /// A connection, if one is waiting; how it is to be treated.
    pub fn accept(&self, manners: Manners) -> Option<Line> {
        let (stream, _) = self.listener.as_ref()?.accept().ok()?;
        stream.set_nonblocking(true).expect("non-blocking");
        stream.set_nodelay(true).expect("no delay");
        Some(Line {
            stream,
            cutter: Cutter::default(),
            unsent: Vec::new(),
            login: Login::Header,
            manners,
            ended: false,
        })
    }
}

/// What becomes of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manners {
    /// It succeeds.
    Welcome,
    /// It is refused with this stream error.
    Refuse(&'static str),
    /// Nothing is said.
    Silent,
}

#[derive(PartialEq)]
enum Login {
    Header,
    Digest,
    Done,
}

/// A connection of the component's.
pub struct Line {
    stream: TcpStream,
    cutter: Cutter,
    unsent: Vec<u8>,
    login: Login,
    manners: Manners,
    ended: bool,
}

impl Line {
    /// Whether the component has logged in.
    pub fn is_up(&self) -> bool {
        self.login == Login::Done
    }

    /// Whether the component has closed it.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Queues this.
    pub fn send(&mut self, xml: &str) {
        self.unsent.extend_from_slice(xml.as_bytes());
    }

    /// How many bytes the component does not take.
    pub fn unsent(&self) -> usize {
        self.unsent.len()
    }

    /// Writes what fits.
    pub fn flush(&mut self) {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(written) => drop(self.unsent.drain(..written)),
                // If it is gone, reading will tell.
                Err(_) => return,
            }
        }
    }

    /// What has come, up to about so many bytes. Plays the login by itself.
    pub fn read(&mut self, most: usize) -> Vec<String> {
        let mut bytes = vec![0; most];
        match self.stream.read(&mut bytes) {
            Ok(0) => self.ended = true,
            Ok(read) => self.cutter.feed(&bytes[..read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.ended = true,
        }
        let mut pieces = Vec::new();
        while let Some(piece) = self.cutter.piece() {
            match self.login {
                Login::Header => match self.manners {
                    Manners::Welcome => {
                        self.send(HEADER);
                        self.login = Login::Digest;
                    }
                    Manners::Refuse(why) => self.send(&format!("{HEADER}{}", stream_error(why))),
                    Manners::Silent => {}
                },
                Login::Digest => {
                    self.send("<handshake/>");
                    self.login = Login::Done;
                }
                Login::Done => match ping_id(&piece) {
                    Some(id) => self.send(&format!(
                        "<iq type='result' id='{id}' from='localhost' to='private.localhost'/>"
                    )),
                    None => pieces.push(piece),
                },
            }
        }
        pieces
    }

    /// Writes nothing more; reading goes on.
    pub fn half_close(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Ends the connection so that the component sees a reset.
    pub fn reset(self) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let stream = tokio::net::TcpStream::from_std(self.stream).expect("non-blocking");
            stream.set_zero_linger().expect("a socket");
        });
    }
}

/// The end of a stream, with its reason.
pub fn stream_error(condition: &str) -> String {
    format!(
        "<stream:error><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>\
         </stream:error></stream:stream>"
    )
}
