//! The two halves of a connection, whatever kind it is.
//!
//! The reading and the writing half of a plain connection share nothing. Those of TLS share its
//! state behind a lock that neither holds while it waits: so the link still reads while the server
//! takes nothing, and the other way round.

use std::io::{self, ErrorKind};

use tokio::io::{self as async_io, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream, tcp, unix};
use tokio_rustls::client::TlsStream;

/// What is read from. The waits can be cancelled: nothing is lost.
#[derive(Debug)]
pub enum ReadHalf {
    Tcp(tcp::OwnedReadHalf),
    Unix(unix::OwnedReadHalf),
    Tls(async_io::ReadHalf<TlsStream<TcpStream>>),
    #[cfg(feature = "simulation")]
    Played(super::simulation::Reads),
}

impl ReadHalf {
    /// Reads what is there, at least a byte; 0 when the server's side is closed.
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(half) => half.read(buffer).await,
            Self::Unix(half) => half.read(buffer).await,
            // A server that shuts down closes the connection without TLS's own farewell. Nothing
            // can be cut off by that: the stream has an end of its own, and stanzas have theirs.
            Self::Tls(half) => match half.read(buffer).await {
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(0),
                read => read,
            },
            #[cfg(feature = "simulation")]
            Self::Played(half) => half.0.read(buffer).await,
        }
    }

    /// Tells the server at once that what was read has come; the system would wait for 40 ms for
    /// something to send that with. Where it cannot be told (TLS hides its socket), it waits.
    pub fn acknowledge(&self) {
        #[cfg(target_os = "linux")]
        if let Self::Tcp(half) = self {
            // It holds for a while only.
            let _ = rustix::net::sockopt::set_tcp_quickack(half.as_ref(), true);
        }
    }
}

#[derive(Debug)]
pub enum WriteHalf {
    Tcp(tcp::OwnedWriteHalf),
    Unix(unix::OwnedWriteHalf),
    Tls(async_io::WriteHalf<TlsStream<TcpStream>>),
    #[cfg(feature = "simulation")]
    Played(super::simulation::Writes),
}

impl WriteHalf {
    /// Hands over some of these bytes, and says how many. Cancel safe.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(half) => half.write(bytes).await,
            Self::Unix(half) => half.write(bytes).await,
            Self::Tls(half) => half.write(bytes).await,
            #[cfg(feature = "simulation")]
            Self::Played(half) => half.0.write(bytes).await,
        }
    }

    /// Hands over all of these bytes.
    pub async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(half) => half.write_all(bytes).await,
            Self::Unix(half) => half.write_all(bytes).await,
            Self::Tls(half) => half.write_all(bytes).await,
            #[cfg(feature = "simulation")]
            Self::Played(half) => half.0.write_all(bytes).await,
        }
    }

    /// Waits until the system has all that was handed over. Cancel safe.
    pub async fn flush(&mut self) -> io::Result<()> {
        match self {
            // These hold nothing back.
            Self::Tcp(_) | Self::Unix(_) => Ok(()),
            Self::Tls(half) => half.flush().await,
            #[cfg(feature = "simulation")]
            Self::Played(half) => half.0.flush().await,
        }
    }

    /// Says that nothing more will come.
    pub async fn shutdown(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(half) => half.shutdown().await,
            Self::Unix(half) => half.shutdown().await,
            Self::Tls(half) => half.shutdown().await,
            #[cfg(feature = "simulation")]
            Self::Played(half) => half.0.shutdown().await,
        }
    }
}

/// Parts a connection that stays as it is.
pub fn plain(socket: TcpStream) -> (ReadHalf, WriteHalf) {
    let (read, write) = socket.into_split();
    (ReadHalf::Tcp(read), WriteHalf::Tcp(write))
}

/// Parts a connection to a socket of this machine.
pub fn local(socket: UnixStream) -> (ReadHalf, WriteHalf) {
    let (read, write) = socket.into_split();
    (ReadHalf::Unix(read), WriteHalf::Unix(write))
}

pub fn encrypted(stream: TlsStream<TcpStream>) -> (ReadHalf, WriteHalf) {
    let (read, write) = async_io::split(stream);
    (ReadHalf::Tls(read), WriteHalf::Tls(write))
}
