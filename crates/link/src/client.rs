//! The same trust for servers of another kind: a database is told from a stranger as the XMPP server is.

use std::fmt;
use std::sync::Arc;

use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error, OtherError, SignatureScheme,
};

use super::certificate::{Judge, Measure};
use super::security::Trust;
use super::tls::{judged_by, measure, read_system};

/// Why a server's certificate was refused, and what to do about it. The library hands it on as [`Error::Other`].
#[derive(Debug, thiserror::Error)]
#[error("its certificate will not do: {0}")]
pub struct Refused(String);

/// What a TLS client needs to tell the right server from others. The authorities that the system trusts are read now,
/// and again with the next call alone. `section` of the settings is named where one of them would help.
///
/// # Errors
///
/// When the system's authorities are wanted and cannot be read.
pub fn client_config(trust: &Trust, section: &'static str) -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(ring::default_provider());
    let system = match trust {
        Trust::System => Some(read_system(section)?),
        Trust::File { .. } | Trust::Pin(_) => None,
    };
    let judge = Judges {
        measure: measure(trust, system, &provider)?,
        provider: provider.clone(),
        section,
    };
    judged_by(Arc::new(judge), provider).map(Arc::new)
}

/// Judges the certificates of any number of connections.
#[derive(Debug)]
struct Judges {
    measure: Measure,
    provider: Arc<CryptoProvider>,
    section: &'static str,
}

impl Judges {
    /// Has one that remembers its reason judge.
    fn judge<T>(&self, by: impl FnOnce(&Judge) -> Result<T, Error>) -> Result<T, Error> {
        let judge = Judge::new(self.measure.clone(), self.provider.clone());
        by(&judge).map_err(|error| match judge.refused() {
            Some(bad) => {
                let mut why = String::new();
                match bad.tell(self.section, &mut why) {
                    Ok(()) => Error::Other(OtherError(Arc::new(Refused(why)))),
                    Err(fmt::Error) => error,
                }
            }
            None => error,
        })
    }
}

impl ServerCertVerifier for Judges {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.judge(|judge| judge.verify_server_cert(certificate, intermediates, name, ocsp, now))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.judge(|judge| judge.verify_tls12_signature(message, certificate, signature))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.judge(|judge| judge.verify_tls13_signature(message, certificate, signature))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;
    use crate::Fingerprint;

    fn certificate() -> CertificateDer<'static> {
        let key = KeyPair::generate().expect("a key");
        let names = vec!["db1.test".to_owned()];
        let parameters = CertificateParams::new(names).expect("names");
        let signed = parameters.self_signed(&key).expect("a certificate");
        signed.der().clone()
    }

    fn judges(trust: &Trust) -> Judges {
        let provider = Arc::new(ring::default_provider());
        Judges {
            measure: measure(trust, None, &provider).expect("a measure"),
            provider,
            section: "storage.postgres",
        }
    }

    fn judged(judges: &Judges, certificate: &CertificateDer<'_>) -> Result<(), String> {
        let name = ServerName::try_from("db1.test").expect("a name");
        let judged = judges.verify_server_cert(certificate, &[], &name, &[], UnixTime::now());
        judged.map(drop).map_err(|error| match error {
            Error::Other(OtherError(why)) => why.to_string(),
            other => panic!("{other}"),
        })
    }

    /// Each connection has its own reason, and no later one that of an earlier.
    #[test]
    fn each_refusal_says_why_and_names_the_settings_of_that_server() {
        let (one, other) = (certificate(), certificate());
        let pin = Fingerprint::of(&one);
        let judges = judges(&Trust::Pin(pin));
        assert_eq!(judged(&judges, &one), Ok(()));
        for stranger in [&other, &certificate()] {
            let why = judged(&judges, stranger).expect_err("a refusal");
            let start = "its certificate will not do: it is not the one in \
                         storage.postgres.tls_pin_sha256; ";
            assert!(why.starts_with(start), "{why}");
            let found = Fingerprint::of(stranger).to_string();
            assert!(why.contains(&found), "{why}");
            assert!(!why.contains("component."), "{why}");
        }
        assert_eq!(judged(&judges, &one), Ok(()));
    }
}
