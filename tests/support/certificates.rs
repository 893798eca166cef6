//! Certificates, good and bad.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rcgen::{Certificate, date_time_ymd};

/// An authority of the tests' own.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// One that nobody knows yet, with a key of its own.
    pub fn new(name: &str) -> Authority {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(parameters, key()).expect("an authority"))
    }

    /// Its own certificate, in PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for this name.
    pub fn sign(&self, name: &str) -> Identity {
        self.sign_as(name, |_| {})
    }

    /// A certificate for this name that was good until 2020.
    pub fn sign_expired(&self, name: &str) -> Identity {
        self.sign_as(name, |parameters| {
            parameters.not_before = date_time_ymd(2019, 1, 1);
            parameters.not_after = date_time_ymd(2020, 1, 1);
        })
    }

    /// A certificate for this name that will be good from 2200 on.
    pub fn sign_early(&self, name: &str) -> Identity {
        self.sign_as(name, |parameters| {
            parameters.not_before = date_time_ymd(2200, 1, 1);
        })
    }

    fn sign_as(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut parameters = named(name);
        change(&mut parameters);
        let key = key();
        let certificate = parameters.signed_by(&key, &self.0);
        Identity::new(certificate.expect("a certificate"), key)
    }
}

/// A certificate and its key.
pub struct Identity {
    certificate: Certificate,
    key: KeyPair,
}

impl Identity {
    fn new(certificate: Certificate, key: KeyPair) -> Identity {
        Identity { certificate, key }
    }

    /// A certificate that it signed itself.
    pub fn self_signed(name: &str) -> Identity {
        let key = key();
        let certificate = named(name).self_signed(&key);
        Identity::new(certificate.expect("a certificate"), key)
    }

    /// What `openssl req -x509` makes, and Debian with it for ejabberd: no name but a common name,
    /// and an authority's mark.
    pub fn as_debian_makes_it() -> Identity {
        let mut parameters = CertificateParams::default();
        parameters
            .distinguished_name
            .push(DnType::CommonName, "ejabberd");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = key();
        let certificate = parameters.self_signed(&key);
        Identity::new(certificate.expect("a certificate"), key)
    }

    /// The certificate in PEM.
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// The key in PEM.
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// The certificate's SHA-256 digest.
    pub fn fingerprint(&self) -> String {
        use sha2::{Digest, Sha256};
        hex::encode(Sha256::digest(self.certificate.der()))
    }

    /// Certificate and key in DER.
    pub fn der(&self) -> (Vec<u8>, Vec<u8>) {
        (self.certificate.der().to_vec(), self.key.serialize_der())
    }
}

fn named(name: &str) -> CertificateParams {
    CertificateParams::new([name.to_owned()]).expect("a name")
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}
