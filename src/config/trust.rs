//! What a server's certificate is judged by, as it was given.
//!
//! Who asks for a way to judge a certificate wants it judged: a setting that would have no effect is
//! refused and never passed over in silence.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

use super::draft::{Draft, Id, POSTGRES, SERVER};
use super::postgres::{DatabaseHost, DatabaseTls};
use super::read::{absolute, read};
use crate::link::{Endpoint, Fingerprint};
use crate::link::{Tls, Trust, certificate_name};

/// What was said of the link's TLS, if it makes sense together.
pub(super) fn of_link(draft: &mut Draft) -> Result<Option<Tls>, String> {
    let given = &mut draft.component;
    let asked = Asked {
        section: "component",
        is_on: given.tls,
        ca_file: given.tls_ca_file.take(),
        pin: given.tls_pin_sha256,
    };
    let named = given.tls_name.take();
    if !asked.is_on {
        return asked.idle(draft);
    }
    let host = match &draft.component.server {
        Endpoint::Tcp { host, .. } => host.clone(),
        Endpoint::Unix(_) => {
            let what = "found \"on\" while component.server is a socket on this machine, expected \
                        \"off\": nothing leaves the machine";
            return Err(draft.told(asked.id("tls"), what));
        }
    };
    let section = asked.section;
    let trust = asked.trust(draft)?;
    match named.or_else(|| certificate_name(&host)) {
        Some(name) => Ok(Some(Tls { name, trust })),
        None => Err(draft.told(SERVER, &nameless(&host, section))),
    }
}

/// The same of the connections to the database.
pub(super) fn of_database(
    draft: &mut Draft,
    hosts: &[DatabaseHost],
) -> Result<Option<DatabaseTls>, String> {
    let given = &mut draft.storage.postgres;
    let asked = Asked {
        section: POSTGRES,
        is_on: given.tls,
        ca_file: given.tls_ca_file.take(),
        pin: given.tls_pin_sha256,
    };
    let name = given.tls_name.take();
    if !asked.is_on {
        return asked.idle(draft);
    }
    let mut remote = hosts.iter().filter(|it| !it.is_socket()).peekable();
    if remote.peek().is_none() {
        let what = "found \"on\" while storage.postgres.hosts has only sockets on this machine, \
                    expected \"off\": nothing leaves the machine";
        return Err(draft.told(asked.id("tls"), what));
    }
    let nobody = remote.find(|it| name.is_none() && certificate_name(&it.host).is_none());
    if let Some(nobody) = nobody {
        let what = nameless(&nobody.host, asked.section);
        return Err(draft.told(asked.id("hosts"), &what));
    }
    let trust = asked.trust(draft)?;
    Ok(Some(DatabaseTls { name, trust }))
}

/// What was said of the TLS of one section.
struct Asked {
    section: &'static str,
    is_on: bool,
    ca_file: Option<PathBuf>,
    pin: Option<Fingerprint>,
}

impl Asked {
    fn id(&self, name: &'static str) -> Id {
        (self.section, name)
    }

    /// No TLS, unless something was said of it.
    fn idle<T>(&self, draft: &Draft) -> Result<Option<T>, String> {
        let asked = ["tls_ca_file", "tls_pin_sha256", "tls_name"].map(|name| self.id(name));
        let idle = asked.iter().find(|id| draft.places.contains_key(*id));
        idle.map_or(Ok(None), |id| {
            let section = self.section;
            let what = format!(
                "found this setting while {section}.tls is \"off\", expected {section}.tls = \"on\", or \
                 this setting left out"
            );
            Err(draft.told(*id, &what))
        })
    }

    fn trust(self, draft: &Draft) -> Result<Trust, String> {
        let by_file = self.id("tls_ca_file");
        match (self.ca_file, self.pin) {
            (Some(_), Some(_)) => {
                Err(draft.told_of_both(by_file, (self.section, "tls_pin_sha256")))
            }
            (Some(path), None) => {
                let roots = authorities(&path).map_err(|what| draft.told(by_file, &what))?;
                let roots = Arc::new(roots);
                let path = absolute(&path);
                Ok(Trust::File { path, roots })
            }
            (None, Some(pin)) => Ok(Trust::Pin(pin)),
            (None, None) => Ok(Trust::System),
        }
    }
}

fn nameless(host: &str, section: &str) -> String {
    format!(
        "found the host \"{host}\", which no certificate can be for, expected {section}.tls_name to \
         say which name the certificate has"
    )
}

/// The certificates of a file in PEM.
fn authorities(path: &Path) -> Result<RootCertStore, String> {
    let shown = absolute(path);
    let shown = shown.display();
    let file = read(path).map_err(|error| format!("cannot read {shown}: {error}"))?;
    if file.is_writable_by_all() {
        return Err(format!(
            "{shown}: everybody can write this file, and so decide who is trusted; to fix this: \
             chmod o-w {shown}"
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
            "{shown}: found no certificate, expected the CA certificates for the server's \
             certificate, in PEM (-----BEGIN CERTIFICATE-----)"
        ));
    }
    Ok(roots)
}
