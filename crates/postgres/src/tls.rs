//! TLS, as the database library wants it: the server is asked for it before the login, and there is no way back to
//! plain text.
//!
//! The login is not bound to the channel (SCRAM-SHA-256-PLUS): the certificate has been judged by then.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client;
use tokio_rustls::rustls::pki_types::ServerName;

use super::settings::{Host, Tls};
use super::socket::Socket;

/// How one connection is encrypted, if it is.
pub(crate) struct Encryption(Option<(TlsConnector, ServerName<'static>)>);

impl Encryption {
    /// How a connection to this host is encrypted; `Err` says why no certificate can have its name.
    pub(crate) fn of(tls: Option<&Tls>, host: Host<'_>) -> Result<Self, String> {
        let Some(tls) = tls.filter(|_| !host.is_socket()) else {
            return Ok(Self(None));
        };
        let name = match &tls.name {
            Some(name) => name.clone(),
            None => ServerName::try_from(host.name.to_owned())
                .map_err(|_| "no certificate can have this name; set tls_name".to_owned())?,
        };
        Ok(Self(Some((TlsConnector::from(tls.config.clone()), name))))
    }

    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }
}

type Connecting = Pin<Box<dyn Future<Output = io::Result<Encrypted>>>>;

impl TlsConnect<Socket> for Encryption {
    type Stream = Encrypted;
    type Error = io::Error;
    type Future = Connecting;

    fn connect(self, socket: Socket) -> Connecting {
        Box::pin(async move {
            // Nobody asks for it where it is off.
            let (connector, name) = self.0.ok_or(io::ErrorKind::Unsupported)?;
            let stream = connector.connect(name, socket).await?;
            Ok(Encrypted(Box::new(stream)))
        })
    }
}

/// An encrypted connection.
pub(crate) struct Encrypted(Box<client::TlsStream<Socket>>);

impl TlsStream for Encrypted {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_shutdown(context)
    }
}
