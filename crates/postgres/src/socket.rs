//! A connection to a server, over TCP or a socket of this machine.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::timeout;

use super::settings::Host;

#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// How long an address is waited for alone before the next is tried beside it: one that swallows everything must not
/// take all the time that there is.
const ALONE: Duration = Duration::from_millis(300);

impl Socket {
    /// Connects. Of the addresses that a name has, the first that accepts is taken; it is for the caller to end the
    /// wait.
    pub(crate) async fn connect(host: Host<'_>) -> io::Result<Self> {
        if host.is_socket() {
            let path = format!("{}/.s.PGSQL.{}", host.name, host.port);
            return UnixStream::connect(path).await.map(Self::Unix);
        }
        let stream = first_of(lookup_host((host.name, host.port)).await?).await?;
        // What is written is whole, and somebody waits for it.
        stream.set_nodelay(true)?;
        Ok(Self::Tcp(stream))
    }
}

/// Connects to the first of these addresses that accepts.
async fn first_of(mut addresses: impl Iterator<Item = SocketAddr>) -> io::Result<TcpStream> {
    let mut attempts = FuturesUnordered::new();
    let mut last = None;
    loop {
        let next = addresses.next();
        let are_all = next.is_none();
        attempts.extend(next.map(TcpStream::connect));
        let come = match are_all {
            true => attempts.next().await,
            false => match timeout(ALONE, attempts.next()).await {
                Ok(come) => come,
                Err(_) => continue,
            },
        };
        match come {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(error)) => last = Some(error),
            None => break,
        }
    }
    Err(last.unwrap_or_else(|| io::Error::other("the name has no address")))
}

/// Has the socket within do it, whichever it is.
macro_rules! within {
    ($self:ident, $socket:ident => $call:expr) => {
        match $self.get_mut() {
            Self::Tcp($socket) => $call,
            Self::Unix($socket) => $call,
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        within!(self, socket => Pin::new(socket).poll_read(context, buffer))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        within!(self, socket => Pin::new(socket).poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        within!(self, socket => Pin::new(socket).poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        within!(self, socket => Pin::new(socket).poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        within!(self, socket => Pin::new(socket).poll_shutdown(context))
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    /// A name with two addresses, of which the first swallows everything, was never reached: it took all the time that
    /// there is for both.
    #[tokio::test]
    async fn an_address_that_swallows_everything_does_not_keep_from_the_next() {
        let full = TcpSocket::new_v4().unwrap();
        full.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let full = full.listen(1).unwrap();
        let swallows = full.local_addr().unwrap();
        let mut before = Vec::new();
        while let Ok(stream) = timeout(ALONE, TcpStream::connect(swallows)).await {
            before.push(stream.unwrap());
        }
        let accepts = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let accepts = accepts.local_addr().unwrap();
        let refuses: SocketAddr = ([127, 0, 0, 1], 1).into();
        for addresses in [
            vec![swallows, accepts],
            vec![refuses, swallows, refuses, accepts],
        ] {
            let stream = first_of(addresses.into_iter()).await.unwrap();
            assert_eq!(stream.peer_addr().unwrap(), accepts);
        }
        let error = first_of([refuses, refuses].into_iter()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert!(first_of(std::iter::empty()).await.is_err());
    }
}
