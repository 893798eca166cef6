//! What the server's certificate is judged by, as it was given.
//!
//! Who asks for a way to judge a certificate wants it judged: a setting that would have no effect is
//! refused and never passed over in silence.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

use super::draft::{Draft, Id, Place, SERVER, TLS, TLS_CA_FILE, TLS_NAME, TLS_PIN};
use super::read::{absolute, read};
use crate::link::Endpoint;
use crate::link::{Tls, Trust, certificate_name};

/// What was said of TLS, if it makes sense together.
pub(super) fn find(draft: &mut Draft) -> Result<Option<Tls>, String> {
    let asked = [TLS_CA_FILE, TLS_PIN, TLS_NAME];
    if !draft.component.tls {
        let idle = asked.iter().find(|id| draft.places.contains_key(*id));
        return idle.map_or(Ok(None), |id| {
            let what = "found this setting while component.tls is \"off\", expected component.tls \
                        = \"on\", or this setting left out";
            Err(draft.told(*id, what))
        });
    }
    let host = match &draft.component.server {
        Endpoint::Tcp { host, .. } => host.clone(),
        Endpoint::Unix(_) => {
            let what = "found \"on\" while component.server is a socket on this machine, expected \
                        \"off\": nothing leaves the machine";
            return Err(draft.told(TLS, what));
        }
    };
    let trust = match (
        draft.component.tls_ca_file.take(),
        draft.component.tls_pin_sha256,
    ) {
        (Some(_), Some(_)) => return Err(both(draft)),
        (Some(path), None) => {
            let roots = authorities(&path).map_err(|what| draft.told(TLS_CA_FILE, &what))?;
            let roots = Arc::new(roots);
            let path = absolute(&path);
            Trust::File { path, roots }
        }
        (None, Some(pin)) => Trust::Pin(pin),
        (None, None) => Trust::System,
    };
    let name = match draft
        .component
        .tls_name
        .take()
        .or_else(|| certificate_name(&host))
    {
        Some(name) => name,
        None => {
            let what = format!(
                "found the host \"{host}\", which no certificate can be for, expected \
                 component.tls_name to say which name the certificate has"
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
