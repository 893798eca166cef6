//! TLS from the first byte, as ejabberd's listeners with `tls: true` have it.
//!
//! There is no way from here back to plain text, and none from plain text to here: what the
//! configuration says is what happens, or the login fails and says what the server does instead.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::client::{Resumption, WebPkiServerVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::{ClientConfig, Error, RootCertStore};

use super::certificate::{BadCertificate, Judge, Measure};
use super::security::{Tls, Trust};

/// What is said where TLS comes and was not asked for.
pub const UNASKED: &str = "it answered with TLS, and component.tls is \"off\"";

/// How long reading the system's authorities may take.
const READ: Duration = Duration::from_secs(10);

/// Names a file with authorities, instead of the system's own.
const FILE: &str = "SSL_CERT_FILE";

/// The longest such file, in bytes: systems have some 300 KiB.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// Whether these bytes, which begin a connection, are TLS: an alert or a handshake, of any version.
pub fn is_record(bytes: &[u8]) -> bool {
    matches!(bytes, [0x15 | 0x16, 0x03, ..])
}

/// Why there is no TLS.
#[derive(Debug)]
pub enum TlsError {
    /// The server's certificate will not do.
    Certificate(BadCertificate),
    /// The server answered in something else.
    NotTls,
    /// The server closed the connection, or it broke.
    Closed,
    Other(String),
}

/// Encrypts a connection. All is made again each time, so that authorities that the system has
/// learned of meanwhile count.
pub async fn encrypt(socket: TcpStream, tls: &Tls) -> Result<TlsStream<TcpStream>, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let system = match tls.trust {
        Trust::System => Some(system().await.map_err(TlsError::Other)?),
        Trust::File { .. } | Trust::Pin(_) => None,
    };
    let measure = measure(&tls.trust, system, &provider).map_err(TlsError::Other)?;
    let judge = Arc::new(Judge::new(measure, provider.clone()));
    let config = judged_by(judge.clone(), provider).map_err(TlsError::Other)?;
    TlsConnector::from(Arc::new(config))
        .connect(tls.name.clone(), socket)
        .await
        .map_err(|error| match judge.refused() {
            Some(refused) => TlsError::Certificate(refused.clone()),
            None => read(&error),
        })
}

/// What a client needs whose server's certificate is judged like this.
pub fn judged_by(
    judge: Arc<dyn ServerCertVerifier>,
    provider: Arc<CryptoProvider>,
) -> Result<ClientConfig, String> {
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous() // which is what the library calls any judge but its own
        .with_custom_certificate_verifier(judge)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// `system`: the authorities that the system trusts, where it is for them.
pub fn measure(
    trust: &Trust,
    system: Option<RootCertStore>,
    provider: &Arc<CryptoProvider>,
) -> Result<Measure, String> {
    let (roots, named) = match trust {
        Trust::Pin(pin) => return Ok(Measure::Pin(*pin)),
        Trust::File { path, roots } => (
            roots.clone(),
            format!("the CA certificates in {}", path.display()),
        ),
        Trust::System => (
            Arc::new(system.unwrap_or_else(RootCertStore::empty)),
            "this system's trusted CA certificates".to_owned(),
        ),
    };
    let by = WebPkiServerVerifier::builder_with_provider(roots, provider.clone())
        .build()
        .map_err(|error| error.to_string())?;
    Ok(Measure::Authorities { by, named })
}

/// The authorities that the system trusts. They are read on a thread of its own, and on one alone:
/// each attempt to connect would leave another behind while a disk hangs.
async fn system() -> Result<RootCertStore, String> {
    static ONE: Semaphore = Semaphore::const_new(1);
    let reading = async {
        let one = ONE.acquire().await;
        let read = move || {
            let _one = one;
            read_system("component")
        };
        spawn_blocking(read).await
    };
    match timeout(READ, reading).await {
        Ok(Ok(read)) => read,
        Ok(Err(fault)) => Err(format!("this is a bug, please report it: {fault}")),
        Err(_) => Err(format!(
            "reading this system's trusted CA certificates has taken more than {} s; is the disk \
             stuck? See {FILE} and SSL_CERT_DIR in the environment, or set component.tls_ca_file \
             or component.tls_pin_sha256",
            READ.as_secs()
        )),
    }
}

/// `section` of the settings says which ones do without them.
pub fn read_system(section: &str) -> Result<RootCertStore, String> {
    // What follows would wait for a pipe, and read a device for ever.
    if let Some(path) = std::env::var_os(FILE).map(PathBuf::from)
        && let Ok(there) = path.metadata()
        && !(there.is_file() && there.len() <= MAX_FILE_BYTES)
    {
        return Err(format!(
            "{FILE} in the environment names {}, expected a file of at most {MAX_FILE_BYTES} bytes",
            path.display()
        ));
    }
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map(|error| format!(" ({error})"));
        return Err(format!(
            "this system has no trusted CA certificates{}; install ca-certificates, or set \
             {section}.tls_ca_file or {section}.tls_pin_sha256",
            why.unwrap_or_default()
        ));
    }
    Ok(roots)
}

/// What went wrong, if it was not the certificate.
fn read(error: &io::Error) -> TlsError {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        Some(Error::InvalidMessage(_)) => TlsError::NotTls,
        Some(Error::AlertReceived(alert)) => TlsError::Other(format!(
            "the server refused the connection with the TLS alert {alert:?}"
        )),
        Some(other) => TlsError::Other(other.to_string()),
        None => TlsError::Closed,
    }
}

#[cfg(test)]
mod tests;
