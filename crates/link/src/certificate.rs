//! Judging the server's certificate, and saying what to do about one that will not do.
//!
//! Where a component's listener has a certificate at all, it is often one that nobody signed, or
//! that is for another name than the address we connect to. The library says no more than "invalid
//! peer certificate". So whoever judges keeps what an administrator needs to decide: what is wrong,
//! and the fingerprint by which to tell whether it is the server's own.

use std::fmt;
use std::sync::{Arc, OnceLock};

use chrono::DateTime;
use sha2::{Digest, Sha256};
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use super::security::Fingerprint;

/// A certificate that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadCertificate {
    /// What is wrong with it.
    pub fault: Fault,
    pub fingerprint: Fingerprint,
}

/// What is wrong with a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It is not the pinned one.
    NotPinned,
    /// It is for other names.
    Name {
        /// The one that was expected.
        expected: String,
        found: Vec<String>,
    },
    /// It is not valid any more, or not yet; as a date, if known.
    Date {
        /// Whether it will be valid later.
        early: bool,
        /// From or to when it is valid.
        bound: String,
    },
    /// Nobody but itself has signed it.
    SelfSigned,
    /// Nobody who is trusted has signed it.
    UnknownIssuer { trusted: String },
    /// It is an authority's own, which must not stand for a server.
    Authority,
    /// It is of X.509's version 1, which cannot say what it is for.
    Version1,
    /// Something else, in the library's words.
    Other(String),
}

/// What is wrong and what to do about it, for the certificate of the server that `component` is about.
impl fmt::Display for BadCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tell("component", f)
    }
}

impl BadCertificate {
    /// The same for the server that this section of the settings is about.
    pub(crate) fn tell(&self, section: &str, f: &mut impl fmt::Write) -> fmt::Result {
        let pin = format!("set {section}.tls_pin_sha256 to its fingerprint");
        match &self.fault {
            Fault::NotPinned => write!(
                f,
                "it is not the one in {section}.tls_pin_sha256; if the server has a new one, {pin}"
            ),
            Fault::Name { expected, found } if found.is_empty() => write!(
                f,
                "it is not for {expected}, since it names no host at all (a common name does not \
                 count); {pin}"
            ),
            Fault::Name { expected, found } => write!(
                f,
                "it is not for {expected} but for {}; if that is your server, set \
                 {section}.tls_name to that name",
                found.join(", ")
            ),
            Fault::Date {
                early: false,
                bound,
            } => write!(
                f,
                "it expired on {bound}; renew it on the server, unless this machine's clock is \
                 wrong"
            ),
            Fault::Date { early: true, bound } => write!(
                f,
                "it is not valid before {bound}; is this machine's clock right?"
            ),
            Fault::SelfSigned => write!(f, "it is self-signed; {pin}"),
            Fault::UnknownIssuer { trusted } => write!(
                f,
                "its signer is not among {trusted}; set {section}.tls_ca_file to a file with the \
                 signer's CA certificate, or {pin}"
            ),
            Fault::Authority => write!(
                f,
                "it is marked as a CA certificate and not as a server's, like one that `openssl \
                 req -x509` makes; {pin}"
            ),
            Fault::Version1 => write!(
                f,
                "it is an X.509 version 1 certificate, as `openssl x509 -req` makes without \
                 -extfile; make one of version 3, with subjectAltName"
            ),
            Fault::Other(words) => {
                write!(f, "{words}; look at the certificate, and renew it or {pin}")
            }
        }?;
        write!(f, "; its SHA-256 fingerprint is {}", self.fingerprint)?;
        match &self.fault {
            // Nobody is to take these as they are.
            Fault::Date { .. } | Fault::Version1 => Ok(()),
            _ => f.write_str(
                ": before you trust it, compare that with what `openssl x509 -noout -fingerprint \
                 -sha256 -in FILE` prints on the server's machine",
            ),
        }
    }
}

/// Judges the certificate of one connection, and remembers why it was refused.
#[derive(Debug)]
pub struct Judge {
    measure: Measure,
    provider: Arc<CryptoProvider>,
    refused: OnceLock<BadCertificate>,
}

/// What a certificate is judged by.
#[derive(Debug, Clone)]
pub enum Measure {
    Pin(Fingerprint),
    /// One of these authorities has signed it, and name and dates are right.
    Authorities {
        by: Arc<WebPkiServerVerifier>,
        named: String,
    },
}

impl Judge {
    /// A judge of one connection.
    pub fn new(measure: Measure, provider: Arc<CryptoProvider>) -> Self {
        Self {
            measure,
            provider,
            refused: OnceLock::new(),
        }
    }

    /// Why the certificate was refused, if it was.
    pub fn refused(&self) -> Option<&BadCertificate> {
        self.refused.get()
    }

    fn refuse(&self, certificate: &CertificateDer<'_>, fault: Fault) {
        let fingerprint = Fingerprint::of(certificate);
        // One connection has one certificate.
        let _ = self.refused.set(BadCertificate { fault, fingerprint });
    }

    /// What this error of the library means.
    fn fault(&self, certificate: &CertificateDer<'_>, error: &Error) -> Fault {
        let Error::InvalidCertificate(error) = error else {
            return Fault::Other(error.to_string());
        };
        match error {
            CertificateError::NotValidForNameContext {
                expected,
                presented,
            } => Fault::Name {
                expected: expected.to_str().into_owned(),
                found: presented.iter().map(|name| bare(name)).collect(),
            },
            CertificateError::ExpiredContext { not_after, .. } => Fault::Date {
                early: false,
                bound: day(*not_after),
            },
            CertificateError::NotValidYetContext { not_before, .. } => Fault::Date {
                early: true,
                bound: day(*not_before),
            },
            // The signature is bad where another authority of the same name is trusted.
            CertificateError::UnknownIssuer | CertificateError::BadSignature
                if self.is_self_signed(certificate) =>
            {
                Fault::SelfSigned
            }
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                Fault::UnknownIssuer {
                    trusted: match &self.measure {
                        Measure::Authorities { named, .. } => named.clone(),
                        Measure::Pin(_) => String::new(),
                    },
                }
            }
            CertificateError::Other(other) if other.to_string() == "CaUsedAsEndEntity" => {
                Fault::Authority
            }
            CertificateError::Other(other) if other.to_string() == "UnsupportedCertVersion" => {
                Fault::Version1
            }
            other => Fault::Other(other.to_string()),
        }
    }

    /// What an error of the handshake's own signature means.
    fn fault_of_signature(&self, certificate: &CertificateDer<'_>, error: &Error) -> Fault {
        match error {
            Error::InvalidCertificate(CertificateError::BadSignature) => {
                Fault::Other(error.to_string())
            }
            error => self.fault(certificate, error),
        }
    }

    /// Whether it would do if it were its own authority.
    fn is_self_signed(&self, certificate: &CertificateDer<'_>) -> bool {
        let mut roots = RootCertStore::empty();
        let name = ServerName::try_from("self.invalid"); // which is judged last
        let added = roots.add(certificate.clone().into_owned());
        let by = WebPkiServerVerifier::builder_with_provider(roots.into(), self.provider.clone());
        match (added, name, by.build()) {
            (Ok(()), Ok(name), Ok(by)) => !matches!(
                by.verify_server_cert(certificate, &[], &name, &[], UnixTime::now()),
                Err(Error::InvalidCertificate(CertificateError::UnknownIssuer))
            ),
            _ => false,
        }
    }
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.measure {
            Measure::Pin(pin) if *pin == Fingerprint::of(certificate) => {
                Ok(ServerCertVerified::assertion())
            }
            Measure::Pin(_) => {
                self.refuse(certificate, Fault::NotPinned);
                Err(CertificateError::ApplicationVerificationFailure.into())
            }
            Measure::Authorities { by, .. } => by
                .verify_server_cert(certificate, intermediates, name, ocsp, now)
                .inspect_err(|error| self.refuse(certificate, self.fault(certificate, error))),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, known).inspect_err(|error| {
            self.refuse(certificate, self.fault_of_signature(certificate, error))
        })
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, known).inspect_err(|error| {
            self.refuse(certificate, self.fault_of_signature(certificate, error))
        })
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

impl Fingerprint {
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

/// A name without the word for its kind that the library puts around it.
fn bare(name: &str) -> String {
    name.split('"').nth(1).unwrap_or(name).to_owned()
}

fn day(moment: UnixTime) -> String {
    i64::try_from(moment.as_secs())
        .ok()
        .and_then(|seconds| DateTime::from_timestamp(seconds, 0))
        .map_or_else(String::new, |moment| {
            moment.format("%Y-%m-%d %H:%M UTC").to_string()
        })
}
