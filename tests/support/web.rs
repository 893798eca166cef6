//! Asking over HTTP, as a scraper or a stranger does.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// What came back.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

/// Asks a TCP port for `path`.
#[track_caller]
pub fn get(address: SocketAddr, path: &str) -> Answer {
    ask(connect(address), "GET", path)
}

/// A connection that says nothing yet.
#[track_caller]
pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// Asks the control socket in this folder.
#[track_caller]
pub fn control(folder: &Path, path: &str) -> Answer {
    let stream = UnixStream::connect(folder.join("control.sock")).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    ask(stream, "GET", path)
}

/// One request, and its answer.
#[track_caller]
pub fn ask(stream: impl Read + Write, method: &str, path: &str) -> Answer {
    ask_for_all(stream, method, path).1
}

/// The same with the header of the answer.
#[track_caller]
pub fn ask_for_all(mut stream: impl Read + Write, method: &str, path: &str) -> (String, Answer) {
    let request = format!("{method} {path} HTTP/1.1\r\nHost: test\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    let (head, body) = text.split_once("\r\n\r\n").expect("a header");
    let status = head.split(' ').nth(1).and_then(|it| it.parse().ok());
    let answer = Answer {
        status: status.expect("a status"),
        body: body.trim_end().to_owned(),
    };
    (head.to_owned(), answer)
}
