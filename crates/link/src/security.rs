//! How the link is encrypted, and what makes the server's certificate a good one.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::ServerName;

/// How the link is encrypted.
#[derive(Debug, Clone)]
pub struct Tls {
    /// `tls_name`: the name that the server's certificate must have, and that the server is told so
    /// that it shows the right one. Default: the host of `component.server`.
    pub name: ServerName<'static>,
    /// What makes the certificate a good one.
    pub trust: Trust,
}

/// What makes a certificate a good one.
#[derive(Debug, Clone)]
pub enum Trust {
    /// An authority that the system trusts has signed it.
    System,
    /// `tls_ca_file`: one of these authorities has signed it.
    File {
        /// The file they were read from, for messages.
        path: PathBuf,
        roots: Arc<RootCertStore>,
    },
    /// `tls_pin_sha256`: it is this one, whatever its name, its dates and whoever signed it.
    Pin(Fingerprint),
}

impl Trust {
    /// Where the authorities were read from.
    pub fn ca_file(&self) -> Option<&Path> {
        match self {
            Self::File { path, .. } => Some(path),
            Self::System | Self::Pin(_) => None,
        }
    }

    /// The one certificate that is good.
    pub fn pin(&self) -> Option<Fingerprint> {
        match self {
            Self::Pin(pin) => Some(*pin),
            Self::System | Self::File { .. } => None,
        }
    }
}

/// The SHA-256 digest of a certificate. `Display` gives it as `openssl x509 -fingerprint` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// Reads 64 hexadecimal digits, with a colon behind each second one or without any.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let digits = if text.contains(':') {
            let pairs: Vec<&str> = text.split(':').collect();
            if pairs.iter().any(|pair| pair.len() != 2) {
                return None;
            }
            pairs.concat()
        } else {
            text.to_owned()
        };
        hex::decode_to_slice(digits, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            let colon = if at == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

/// A name that a certificate can have: of a host, or an IP address.
pub fn certificate_name(text: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(text.to_owned()).ok()
}
