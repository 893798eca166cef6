#![doc = include_str!("../README.md")]

mod certificate;
mod client;
mod connect;
mod endpoint;
mod handshake;
mod inbound;
mod outbound;
mod refusal;
mod security;
#[cfg(feature = "simulation")]
pub mod simulation;
mod socket;
mod tls;

use secrecy::SecretString;

use xmpp_stanza::stanza::Container;
use xmpp_stanza::xml::reader::Bounds;

pub use certificate::{BadCertificate, Fault};
pub use client::{Refused, client_config};
pub use connect::{ConnectError, Step};
pub use endpoint::Endpoint;
pub use inbound::{End, Inbound, Incoming, read_late};
pub use outbound::{Outbound, Outbox};
pub use refusal::StreamError;
pub use security::{Fingerprint, Tls, Trust, certificate_name};

/// What a link needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The server's address; the name is resolved at each attempt.
    pub server: Endpoint,
    /// How the connection is encrypted, if it is.
    pub tls: Option<Tls>,
    /// The component's own domain, as the server knows it.
    pub domain: String,
    /// What the handshake proves to know.
    pub secret: SecretString,
    /// The longest stanza that is read, in bytes on the wire.
    pub max_stanza_bytes: usize,
    /// How deep a stored element may be nested.
    pub max_depth: usize,
    /// How many children of one element are kept apart in a stanza's skeleton.
    pub max_children: usize,
    /// The elements whose children are wanted apart.
    pub containers: &'static [Container],
}

impl Settings {
    /// What bounds a stanza when it is read.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        Bounds {
            // Stanzas become longer with their namespaces written out, and some that are made for it a
            // thousand times as long.
            text: self.max_stanza_bytes.saturating_mul(2),
            depth: self.max_depth,
            children: self.max_children,
            containers: self.containers,
        }
    }
}

/// A link that has logged in: what it reads and what it writes are independent of each other.
#[derive(Debug)]
pub struct Link {
    pub inbound: Inbound,
    pub outbound: Outbound,
}

impl Link {
    /// Connects and logs in; tells each step that it has made.
    pub async fn connect(
        settings: &Settings,
        mut reached: impl FnMut(Step),
    ) -> Result<Self, ConnectError> {
        let (read, write) = connect::connect(settings, &mut reached).await?;
        let mut link = Self {
            inbound: Inbound::new(read, settings),
            outbound: Outbound::new(write),
        };
        handshake::log_in(&mut link, settings, &mut reached).await?;
        Ok(link)
    }
}
