//! How the link is encrypted, and what the router's certificate is judged by.
//!
//! Who asks for a way to judge a certificate wants it judged: a key that would have no effect is
//! refused and never passed over in silence.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};

use super::Endpoint;
use super::draft::{Draft, Place};
use super::keys::{Id, SERVER, TLS, TLS_CA_FILE, TLS_NAME, TLS_PIN};
use super::read::read;

/// How the link is encrypted.
#[derive(Debug, Clone)]
pub struct Tls {
    /// `tls_name`: the name that the router's certificate must have, and that the router is told so
    /// that it shows the right one. Default: the host of [`super::Component::server`].
    pub name: ServerName<'static>,
    /// What makes the certificate a good one.
    pub trust: Trust,
}

impl Tls {
    /// Where the authorities were read from.
    pub(super) fn ca_file(&self) -> Option<&Path> {
        match &self.trust {
            Trust::File { path, .. } => Some(path),
            Trust::System | Trust::Pin(_) => None,
        }
    }

    /// The one certificate that is good.
    pub(super) fn pin(&self) -> Option<Fingerprint> {
        match self.trust {
            Trust::Pin(pin) => Some(pin),
            Trust::System | Trust::File { .. } => None,
        }
    }
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
        /// The authorities.
        roots: Arc<RootCertStore>,
    },
    /// `tls_pin_sha256`: it is this one, whatever its name, its dates and whoever signed it.
    Pin(Fingerprint),
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
pub(super) fn name(text: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(text.to_owned()).ok()
}

/// What was said of TLS, if it makes sense together.
pub(super) fn find(draft: &mut Draft) -> Result<Option<Tls>, String> {
    let asked = [TLS_CA_FILE, TLS_PIN, TLS_NAME];
    if !draft.tls {
        let idle = asked.iter().find(|id| draft.places.contains_key(*id));
        return idle.map_or(Ok(None), |id| {
            let what = "found it while component.tls is \"off\", \
                        expected component.tls = \"on\", or no such key";
            Err(draft.told(*id, what))
        });
    }
    let host = match &draft.server {
        Endpoint::Tcp { host, .. } => host.clone(),
        Endpoint::Unix(_) => {
            let what = "found \"on\" while component.server is a socket of this machine, \
                        expected \"off\": nothing of it leaves the machine";
            return Err(draft.told(TLS, what));
        }
    };
    let trust = match (draft.tls_ca_file.take(), draft.tls_pin) {
        (Some(_), Some(_)) => return Err(both(draft)),
        (Some(path), None) => {
            let roots = authorities(&path).map_err(|what| draft.told(TLS_CA_FILE, &what))?;
            let roots = Arc::new(roots);
            Trust::File { path, roots }
        }
        (None, Some(pin)) => Trust::Pin(pin),
        (None, None) => Trust::System,
    };
    let name = match draft.tls_name.take().or_else(|| name(&host)) {
        Some(name) => name,
        None => {
            let what = format!(
                "found the host \"{host}\", which no certificate can have for its name, \
                 expected component.tls_name to say which name it has"
            );
            return Err(draft.told(SERVER, &what));
        }
    };
    Ok(Some(Tls { name, trust }))
}

fn both(draft: &Draft) -> String {
    let place = |id: Id| draft.places.get(&id).map(Place::to_string);
    let places: Vec<String> = [TLS_CA_FILE, TLS_PIN]
        .into_iter()
        .filter_map(place)
        .collect();
    format!(
        "{}: found both component.tls_ca_file and component.tls_pin_sha256, expected one of the two",
        places.join(" and ")
    )
}

/// The certificates of a file in PEM.
fn authorities(path: &Path) -> Result<RootCertStore, String> {
    let shown = path.display();
    let file = read(path).map_err(|error| format!("cannot read {shown}: {error}"))?;
    if file.is_writable_by_all() {
        return Err(format!(
            "{shown}: everybody can write this file, and so decide who is trusted; \
             to mend it: chmod o-w"
        ));
    }
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(file.text.as_bytes()) {
        let certificate = certificate.map_err(|error| format!("{shown}: not PEM: {error}"))?;
        roots
            .add(certificate)
            .map_err(|error| format!("{shown}: found a bad certificate: {error}"))?;
    }
    if roots.is_empty() {
        return Err(format!(
            "{shown}: found no certificate, expected those of the authorities that sign the \
             router's, in PEM (-----BEGIN CERTIFICATE-----)"
        ));
    }
    Ok(roots)
}
