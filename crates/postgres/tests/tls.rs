//! The server is told from a stranger before anything is said to it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};

use super::support::{at, server, try_set};
use xps_postgres::{Settings, Tls, open};
use xps_postgres_testing::{DATABASE, Options, Server, give};

const NAME: &str = "db1.test";

/// A server with a certificate, which it is told from others by.
fn with_certificate() -> (Server, TempDir, CertificateDer<'static>) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed([NAME.to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: String| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        give(&path);
        path.display().to_string()
    };
    let more = format!(
        "ssl = on\nssl_cert_file = '{}'\nssl_key_file = '{}'",
        file("cert.pem", cert.pem()),
        file("key.pem", signing_key.serialize_pem())
    );
    give(folder.path());
    let options = Options {
        more,
        ..Options::default()
    };
    (Server::start_with(&options), folder, cert.der().clone())
}

fn builder()
-> tokio_rustls::rustls::ConfigBuilder<ClientConfig, tokio_rustls::rustls::WantsVerifier> {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
}

fn trusting(certificate: &CertificateDer<'static>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    builder()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

fn through(config: ClientConfig, port: u16) -> Settings {
    let tls = Tls {
        config: Arc::new(config),
        name: Some(ServerName::try_from(NAME).unwrap()),
    };
    Settings {
        tls: Some(tls),
        ..at(&[port])
    }
}

/// One to whom no certificate will do.
#[derive(Debug)]
struct Strict;

impl ServerCertVerifier for Strict {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let why = Box::from("its certificate will not do: it is not the one in tls_pin_sha256");
        Err(Error::Other(OtherError(Arc::from(why))))
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        unreachable!("no certificate will do")
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        unreachable!("no certificate will do")
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

#[test]
fn who_has_the_right_certificate_is_spoken_to_and_all_is_encrypted() {
    let (server, _folder, certificate) = with_certificate();
    let store = open(through(trusting(&certificate), server.port())).unwrap();
    assert_eq!(try_set(&store, "a@x", "1"), Ok(()));
    let plain = "select count(*) from pg_stat_ssl join pg_stat_activity using (pid) \
        where application_name like 'xmpp-private-storage%' and not ssl";
    assert_eq!(server.sql(DATABASE, plain), "0");
}

#[test]
fn a_refused_certificate_is_told_in_the_words_of_who_has_judged_it() {
    let (server, _folder, _) = with_certificate();
    let strict = builder()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Strict))
        .with_no_client_auth();
    let error = open(through(strict, server.port())).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the database cannot be reached: 127.0.0.1:{}: its certificate will not do: it is not the one in \
             tls_pin_sha256",
            server.port()
        )
    );
    let (other, ..) = with_certificate();
    let stranger = generate_simple_self_signed([NAME.to_owned()]).unwrap();
    let trusting = trusting(stranger.cert.der());
    let error = open(through(trusting, other.port())).unwrap_err();
    let told = error.to_string();
    assert!(told.contains("invalid peer certificate"), "{told}");
}

#[test]
fn a_server_without_tls_is_not_spoken_to() {
    let stranger = generate_simple_self_signed([NAME.to_owned()]).unwrap();
    let settings = through(trusting(stranger.cert.der()), server().port());
    let told = open(settings).unwrap_err().to_string();
    assert!(
        told.contains("it does not offer TLS; set ssl = on"),
        "{told}"
    );
}
