//! HTTP/1.1 for a few small answers, on any listener. It knows nothing of what is asked.
//!
//! Whoever can reach the listener can ask, so a stranger costs little: few connections at once,
//! one request for each, little time for its header, and its body is not read. And strangers keep
//! nobody out: everybody who comes is let in, and where there are too many, whoever has said nothing
//! for longest has to go.

mod guests;

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

use guests::{Guests, Said, Stage};

pub use guests::is_shortage;
pub use hyper::body::Bytes;
pub use hyper::{Method, StatusCode};

pub type Request = hyper::Request<Incoming>;

/// An answer; its body may be streamed.
pub type Response = hyper::Response<UnsyncBoxBody<Bytes, io::Error>>;

/// How many connections may wait in the kernel's queue: as many as come while we do something else.
/// Whoever finds no place there comes again after a second.
pub const BACKLOG: u16 = 1024;

/// How many requests that take long are worked on at once. Others wait for their turn.
const AT_WORK: usize = 16;

/// How long a request's header may take.
const HEADER: Duration = Duration::from_secs(5);

/// How long a header may be, about.
const HEADER_BYTES: usize = 16 * 1024;

/// How long to wait when nothing can be accepted and nobody has to go for it.
const PAUSE: Duration = Duration::from_millis(200);

pub trait Routes: Send + Sync + 'static {
    /// Whether what is asked may take long. Then it is never cut off by who comes later.
    fn takes_long(&self, request: &Request) -> bool;

    fn answer(&self, request: Request) -> impl Future<Output = Response> + Send;
}

pub trait Listener: Send {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    fn accept(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

impl Listener for TcpListener {
    type Stream = tokio::net::TcpStream;

    async fn accept(&self) -> io::Result<Self::Stream> {
        Ok(TcpListener::accept(self).await?.0)
    }
}

impl Listener for UnixListener {
    type Stream = tokio::net::UnixStream;

    async fn accept(&self) -> io::Result<Self::Stream> {
        Ok(UnixListener::accept(self).await?.0)
    }
}

/// An answer of this content type.
pub fn answer(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response {
    let body = Full::new(body.into()).map_err(|never: Infallible| match never {});
    let mut response = Response::new(body.boxed_unsync());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What a page may do in a browser: nothing, but look as it says itself.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// A page for a browser, which loads nothing and runs nothing.
pub fn page(html: String) -> Response {
    let mut response = answer(StatusCode::OK, "text/html; charset=utf-8", html);
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Serves for ever. A connection ends after `longest`, if that is given, whatever it does.
pub async fn serve(listener: impl Listener, routes: Arc<impl Routes>, longest: Option<Duration>) {
    let mut guests = Guests::default();
    let turns = Arc::new(Semaphore::new(AT_WORK));
    loop {
        match listener.accept().await {
            Ok(stream) => {
                guests.make_room().await;
                let (routes, turns) = (Arc::clone(&routes), Arc::clone(&turns));
                guests.admit(|said| converse(stream, routes, turns, said, longest));
            }
            Err(error) if is_shortage(&error) && guests.show_one_out() => {}
            Err(_) => sleep(PAUSE).await,
        }
        // So that whoever was let in is heard, and whoever has to go is gone, before the next comes.
        yield_now().await;
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    routes: Arc<impl Routes>,
    turns: Arc<Semaphore>,
    said: Said,
    longest: Option<Duration>,
) {
    // Kept to the end of the connection: what was worked out stays in memory until it is read.
    let turn = OnceLock::new();
    let (turn, turns, said) = (&turn, &*turns, &said);
    let service = service_fn(move |request| {
        let routes = Arc::clone(&routes);
        async move {
            if routes.takes_long(&request) {
                said.set(Stage::AtWork);
                let _ = turn.set(turns.acquire().await);
            } else {
                said.set(Stage::Asked);
            }
            Ok::<_, Infallible>(routes.answer(request).await)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER)
        .max_buf_size(HEADER_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // Whoever asked sees for themselves how it went.
    let _ = match longest {
        Some(longest) => timeout(longest, connection).await.unwrap_or(Ok(())),
        None => connection.await,
    };
}
