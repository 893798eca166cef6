//! The control socket: how other commands reach the service that runs on a store's folder.
//!
//! It lies in that folder and is for its user alone. Whoever listens holds the store's lock, so a
//! socket that is there already belongs to nobody. It speaks HTTP (`http`); what can be asked is
//! for others to say.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper_util::rt::TokioIo;
use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use crate::http::{self, Method, StatusCode};

/// The socket's name in the folder.
const NAME: &str = "control.sock";

/// The longest path that fits the address of a socket everywhere.
const LONGEST_PATH: usize = 100;

/// How long the service may take for an answer of one line.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest answer of one line. One that names a thousand domains has some 100 KB.
const LINE: usize = 16 * 1024 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error("no service runs on {0}: {1}")]
    NotRunning(PathBuf, io::Error),
    /// We may not ask.
    #[error("cannot ask the service on {0}: {1}; run this as the user that runs the service")]
    Forbidden(PathBuf, io::Error),
    /// It is there and says nothing.
    #[error("the service on {0} does not answer within {1} s")]
    Silent(PathBuf, u64),
    /// It is there and says something else.
    #[error("the service on {0} does not answer: {1}")]
    Broken(PathBuf, hyper::Error),
    /// It began to answer.
    #[error("the service on {0} did not answer to the end: {1}")]
    Unfinished(PathBuf, Box<dyn std::error::Error + Send + Sync>),
}

/// What was answered in one line.
#[derive(Debug)]
pub struct Line {
    pub status: StatusCode,
    pub text: String,
}

/// Where a socket lies that somebody listens on.
#[derive(Debug, Clone)]
pub struct Socket {
    path: PathBuf,
    is: (u64, u64),
}

impl Socket {
    /// The one that has just been made here.
    fn at(path: PathBuf) -> io::Result<Self> {
        let made = fs::symlink_metadata(&path)?;
        let is = (made.dev(), made.ino());
        Ok(Self { path, is })
    }

    /// Whether it still lies there. Somebody may have removed it, alone or with its folder.
    #[must_use]
    pub fn is_there(&self) -> bool {
        let found = fs::symlink_metadata(&self.path);
        found.is_ok_and(|found| (found.dev(), found.ino()) == self.is)
    }
}

/// Removes the socket in the end.
#[derive(Debug)]
pub struct Guard(Socket);

impl Guard {
    #[must_use]
    pub fn socket(&self) -> &Socket {
        &self.0
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // What lies there now may be another service's.
        if self.0.is_there() {
            // A socket that is left behind is removed by whoever comes next.
            let _ = fs::remove_file(&self.0.path);
        }
    }
}

/// Listens in this folder, whose lock the caller holds. Only within a runtime.
///
/// # Errors
///
/// Where the folder's file system knows no sockets, or something else bears the name.
pub fn listen(folder: &Path) -> io::Result<(UnixListener, Guard)> {
    let path = folder.join(NAME);
    match fs::symlink_metadata(&path) {
        Ok(left) if left.file_type().is_socket() => fs::remove_file(&path)?,
        Ok(_) => {
            return Err(io::Error::other(
                "its name is taken by something that is not a socket",
            ));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let socket = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )?;
    // Linux makes the file with the mode of the socket: there is no moment in which it is open to
    // others. Elsewhere that does not work, and the mode is set below.
    let _ = rustix::fs::fchmod(&socket, Mode::from_raw_mode(0o600));
    let short = ShortPath::of(folder)?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(&short.path)?)?;
    let guard = Guard(Socket::at(path)?);
    fs::set_permissions(&guard.0.path, Permissions::from_mode(0o600))?;
    rustix::net::listen(&socket, http::BACKLOG.into())?;
    Ok((UnixListener::from_std(socket.into())?, guard))
}

/// Asks the service on this folder. The answer's body may be streamed. Only within a runtime.
///
/// # Errors
///
/// When no service answers there.
pub async fn ask(
    folder: &Path,
    method: Method,
    path: &str,
    body: Vec<u8>,
) -> Result<hyper::Response<Incoming>, AskError> {
    let refused = |error: io::Error| match error.kind() {
        ErrorKind::PermissionDenied => AskError::Forbidden(folder.to_owned(), error),
        _ => AskError::NotRunning(folder.to_owned(), error),
    };
    let broken = |error| AskError::Broken(folder.to_owned(), error);
    let short = ShortPath::of(folder).map_err(refused)?;
    let stream = UnixStream::connect(&short.path).await.map_err(refused)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    // It ends with the answer's body.
    tokio::spawn(connection);
    let mut request = Request::new(Full::new(Bytes::from(body)));
    *request.method_mut() = method;
    *request.uri_mut() = hyper::Uri::builder()
        .path_and_query(path)
        .build()
        .unwrap_or_default();
    let host = hyper::header::HeaderValue::from_static("control");
    request.headers_mut().insert(HOST, host);
    sender.send_request(request).await.map_err(broken)
}

/// Asks for something that is answered in one line, and waits for it.
///
/// # Errors
///
/// When no service answers there in time.
pub fn ask_for_line(folder: &Path, path: &str) -> Result<Line, AskError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| AskError::NotRunning(folder.to_owned(), error))?;
    let line = async {
        let answer = ask(folder, Method::GET, path, Vec::new()).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), LINE).collect().await;
        let body = body.map_err(|error| AskError::Unfinished(folder.to_owned(), error))?;
        let text = String::from_utf8_lossy(&body.to_bytes())
            .trim_end()
            .to_owned();
        Ok(Line { status, text })
    };
    let silent = |_| AskError::Silent(folder.to_owned(), PATIENCE.as_secs());
    runtime.block_on(async { timeout(PATIENCE, line).await.map_err(silent)? })
}

/// A path of the socket that fits an address: those end at some 108 bytes, and folders do not.
struct ShortPath {
    path: PathBuf,
    /// What a short path leads through.
    _folder: Option<OwnedFd>,
}

impl ShortPath {
    fn of(folder: &Path) -> io::Result<Self> {
        let path = folder.join(NAME);
        if path.as_os_str().len() <= LONGEST_PATH {
            let _folder = None;
            return Ok(Self { path, _folder });
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(folder, flags, Mode::empty())?;
        Ok(Self {
            path: format!("/proc/self/fd/{}/{NAME}", folder.as_raw_fd()).into(),
            _folder: Some(folder),
        })
    }
}
