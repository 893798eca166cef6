//! HTTP/1.1 for a few small answers, on any listener. It knows nothing of what is asked.
//!
//! Whoever can reach the listener can ask, so a stranger costs little: few connections at once,
//! one request for each, little time for its header, and its body is not read.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

pub use hyper::{Method, StatusCode};

/// A request.
pub type Request = hyper::Request<Incoming>;

/// An answer; its body may be streamed.
pub type Response = hyper::Response<UnsyncBoxBody<Bytes, io::Error>>;

/// How many connections are served at once. Others wait in the kernel's queue.
const CONNECTIONS: usize = 16;

/// How long a request's header may take.
const HEADER: Duration = Duration::from_secs(5);

/// How long a header may be, about.
const HEADER_BYTES: usize = 16 * 1024;

/// How long to wait when nothing can be accepted: no descriptors are left, say.
const PAUSE: Duration = Duration::from_millis(200);

/// Who answers requests.
pub trait Routes: Send + Sync + 'static {
    /// Answers one.
    fn answer(&self, request: Request) -> impl Future<Output = Response> + Send;
}

/// Where connections come from.
pub trait Listener: Send {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Waits for one.
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

/// An answer of text.
pub fn text(status: StatusCode, kind: &'static str, text: String) -> Response {
    let body = Full::new(Bytes::from(text)).map_err(|never: Infallible| match never {});
    let mut response = Response::new(body.boxed_unsync());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Serves for ever. A connection ends after `longest`, if that is given, whatever it does.
pub async fn serve(listener: impl Listener, routes: Arc<impl Routes>, longest: Option<Duration>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        match listener.accept().await {
            Ok(stream) => {
                let routes = Arc::clone(&routes);
                tokio::spawn(async move {
                    converse(stream, routes, longest).await;
                    drop(place);
                });
            }
            Err(_) => sleep(PAUSE).await,
        }
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    routes: Arc<impl Routes>,
    longest: Option<Duration>,
) {
    let service = service_fn(|request| {
        let routes = Arc::clone(&routes);
        async move { Ok::<_, Infallible>(routes.answer(request).await) }
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
