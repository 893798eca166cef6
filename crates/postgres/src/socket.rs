//! A connection to a server, over TCP or a socket of this machine.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream, lookup_host};

use super::settings::Host;

#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    /// Connects. Of the addresses that a name has, the first that accepts is taken; it is for the caller to end the
    /// wait.
    pub(crate) async fn connect(host: Host<'_>) -> io::Result<Self> {
        if host.is_socket() {
            let path = format!("{}/.s.PGSQL.{}", host.name, host.port);
            return UnixStream::connect(path).await.map(Self::Unix);
        }
        let mut last = None;
        for address in lookup_host((host.name, host.port)).await? {
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    // What is written is whole, and somebody waits for it.
                    stream.set_nodelay(true)?;
                    return Ok(Self::Tcp(stream));
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| io::Error::other("the name has no address")))
    }
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
